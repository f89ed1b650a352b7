//! The hash of a part of a file that a sibling wants to compare with what it has passed on, before it
//! goes on with ours: `Sockeye-Prove: bytes=0-99`.

use http::request::Parts;
use http::{HeaderValue, StatusCode};
use sockeye_engine::disk::digest::digest;
use sockeye_engine::disk::folder::FileHandle;
use sockeye_proto::http::range::{Ranges, resolve};
use tokio::sync::Semaphore;

use super::refusal::Refusal;
use crate::services::files::siblings::us::PROVE;

/// So many are made at once: to read and hash all of a file takes a core and the disk.
static TURNS: Semaphore = Semaphore::const_new(2);

/// What is to be stated of an open file; none if it has no such bytes, or if what is asked for is no
/// single range.
pub async fn prove(
    request: &Parts,
    file: FileHandle,
) -> Result<(FileHandle, Option<HeaderValue>), Refusal> {
    let mut asked = request.headers.get_all(PROVE).iter();
    let said = asked.next().and_then(|value| value.to_str().ok());
    let (said, more) = (said.unwrap_or_default(), asked.next());
    let Ranges::One(range) = resolve(Some(said), file.facts.length) else {
        return Ok((file, None));
    };
    if more.is_some() {
        return Ok((file, None));
    }
    let unread = |why: String| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the file cannot be read: {why}"))
    };
    let _turn = TURNS.acquire().await.map_err(|error| unread(error.to_string()))?;
    let made = tokio::task::spawn_blocking(move || {
        let digest = digest(&file, range);
        (file, digest)
    });
    let (file, digest) = made.await.map_err(|error| unread(error.to_string()))?;
    let digest = digest.map_err(|error| unread(error.to_string()))?;
    Ok((file, HeaderValue::from_str(&digest.to_hex()).ok()))
}
