//! Fetching over the classic raw wire: the name out in one write, the bytes back until the end.

use indicatif::ProgressBar;
use percent_encoding::percent_decode_str;
use sockeye_proto::access::Key;
use sockeye_proto::address::Address;
use sockeye_proto::files::raw::NOT_FOUND;
use sockeye_proto::printable::Printable;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::save::Sink;
use super::{Fetched, next};
use crate::exit::Failure;
use crate::services::by_hand::shell_word;
use crate::services::files::call::key::Refused;
use crate::services::files::call::reach::{self, Way};

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
    // A server that wants no key would take it for a folder's name: it is told when it is asked for.
    let mut key = None;
    loop {
        let said = match one_try(url, way, sink, progress, key.as_ref(), &name).await? {
            Tried::Whole => break,
            Tried::Refused(said) => said,
        };
        let told = key.take();
        match said.as_str() {
            "error: key wanted" if told.is_none() => {
                key = way.keys.held_for(url);
                if key.is_none() {
                    key = another_key(url, way, None)?;
                }
            }
            "error: wrong key" => key = another_key(url, way, told.as_ref())?,
            _ => return Err(Failure::SaidNo(format!("{} says: {said}", url.authority()))),
        }
    }
    if key.is_some() {
        way.keys.accepted();
    }
    Ok(Fetched { bytes: sink.written(), resumed_from: 0, modified: None })
}

/// The same with netcat.
pub fn by_hand(url: &Address, has_key: bool) -> String {
    let port = reach::port(url);
    let name: Vec<u8> = percent_decode_str(url.path.trim_start_matches('/')).collect();
    let name = shell_word(&String::from_utf8_lossy(&name));
    let key = if has_key { "\"$SOCKEYE_KEY\"/" } else { "" };
    format!("The same by hand:\n    printf '%s\\n' {key}{name} | nc -N {} {port}", url.host)
}

/// How one try ended.
enum Tried {
    Whole,
    Refused(String),
}

fn another_key(url: &Address, way: &Way, told: Option<&Key>) -> Result<Option<Key>, Failure> {
    match way.keys.refused(told) {
        Refused::AskAgain => Ok(way.keys.held_for(url)),
        Refused::No(why) => Err(Failure::SaidNo(format!("{url}: {why}"))),
    }
}

async fn one_try(
    url: &Address,
    way: &Way,
    sink: &mut Sink,
    progress: &ProgressBar,
    key: Option<&Key>,
    name: &[u8],
) -> Result<Tried, Failure> {
    let mut stream = way.connect(url).await?;
    let broken = |error: std::io::Error| {
        Failure::Network(format!("the connection to {} broke: {error}", url.authority()))
    };
    let asked = match key {
        Some(key) => [key.as_str().as_bytes(), b"/", name].concat(),
        None => name.to_owned(),
    };
    stream.write_all(&asked).await.map_err(broken)?;
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
        return Ok(Tried::Refused(Printable(held.trim_ascii_end()).to_string()));
    }
    sink.write(&held)?;
    Ok(Tried::Whole)
}

/// The wire has no status: a short answer that is one of the known refusals is taken for one.
fn is_refusal(answer: &[u8]) -> bool {
    let answer = answer.trim_ascii_end();
    answer == NOT_FOUND.as_bytes()
        || answer.starts_with(b"busy: ")
        || answer.starts_with(b"error: ")
}
