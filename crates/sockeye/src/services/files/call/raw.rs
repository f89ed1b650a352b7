//! Fetching over the classic raw wire: the name out in one write, the bytes back until the end.

use indicatif::ProgressBar;
use percent_encoding::percent_decode_str;
use sockeye_proto::address::Address;
use sockeye_proto::files::raw::NOT_FOUND;
use sockeye_proto::printable::Printable;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::save::Sink;
use super::{Fetched, Way, connect, next};
use crate::exit::Failure;

const DEFAULT_PORT: u16 = 7008;
const READ_BYTES: usize = 256 * 1024;
/// A whole answer up to this long may be a refusal in words; a longer one is a file.
const REFUSAL_MAX_BYTES: usize = 200;

/// Fetches one file. The wire has no lengths: the end of the connection is the end of the file,
/// and nothing can be taken up in the middle.
pub async fn fetch(
    url: &Address,
    way: &Way,
    sink: &mut Sink,
    progress: &ProgressBar,
) -> Result<Fetched, Failure> {
    sink.restart()?;
    let path = url.path.trim_start_matches('/');
    let name: Vec<u8> = percent_decode_str(path).collect();
    if name.is_empty() {
        return Err(Failure::Usage(format!("{url} names no file; write tcp://HOST:PORT/NAME")));
    }
    let mut stream = connect(url, DEFAULT_PORT, way).await?;
    let broken = |error: std::io::Error| {
        Failure::Network(format!("the connection to {} broke: {error}", url.authority()))
    };
    stream.write_all(&name).await.map_err(broken)?;
    let mut held = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let silent = || Failure::Network(format!("{} fell silent", url.authority()));
        let read = next(progress, stream.read(&mut buffer)).await;
        let n = read.ok_or_else(silent)?.map_err(broken)?;
        if n == 0 {
            break;
        }
        progress.inc(n as u64);
        // Held back until it is clear that it is no refusal.
        if sink.written() == 0 && held.len() + n <= REFUSAL_MAX_BYTES {
            held.extend_from_slice(&buffer[..n]);
            continue;
        }
        sink.write(&held)?;
        held.clear();
        sink.write(&buffer[..n])?;
    }
    if sink.written() == 0 && is_refusal(&held) {
        let said = Printable(held.trim_ascii_end());
        return Err(Failure::SaidNo(format!("{} says: {said}", url.authority())));
    }
    sink.write(&held)?;
    Ok(Fetched { bytes: sink.written(), resumed_from: 0 })
}

/// The wire has no status: a short answer that is one of the known refusals is taken for one.
fn is_refusal(answer: &[u8]) -> bool {
    let answer = answer.trim_ascii_end();
    answer == NOT_FOUND.as_bytes()
        || answer.starts_with(b"busy: ")
        || answer.starts_with(b"error: ")
}
