//! A folder with everything in it as one archive, made while it is sent.
//!
//! What may wait for the disk is done in batches on the blocking pool ([`making`](self)), one only
//! when the last has left; the contents of long files come from a [`FileReader`]. So an archive
//! holds neither a thread nor more than a batch or a chunk while its reader dawdles, however large
//! it is.
//!
//! What cannot be read is left out as long as nothing of it was sent, and remarked on at the end.
//! After that the archive breaks: one that ends well is whole.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_proto::archive::Form;
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::ARCHIVES_AT_ONCE;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use self::making::{Batch, Making, Then};
use super::chunk::Chunk;
use super::folder::Folder;
use super::reader::{FileReader, Part};

mod index;
mod making;
mod names;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

static PLACES: Semaphore = Semaphore::const_new(ARCHIVES_AT_ONCE);

/// What goes into an archive.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The folder.
    pub path: SharePath,
    /// The name of the one folder that everything in the archive lies in, raw.
    pub top: Vec<u8>,
    /// The archive's form.
    pub form: Form,
    /// Of the folder's entries those of these names; else all.
    pub names: Option<BTreeSet<Vec<u8>>>,
    /// Whether names that begin with a dot are shown.
    pub hidden: bool,
}

/// Yields an archive as chunks, in order.
#[derive(Debug)]
pub struct ArchiveReader {
    state: State,
    /// What was left out; known at the end.
    remark: Option<String>,
    _place: SemaphorePermit<'static>,
}

#[derive(Debug)]
enum State {
    /// Nothing is done until the next chunk is wanted.
    Resting(Box<Making>),
    Working(JoinHandle<(Box<Making>, io::Result<Batch>)>),
    Contents {
        making: Box<Making>,
        reader: FileReader,
        length: u64,
    },
    Ended,
}

impl ArchiveReader {
    /// A reader of what is wanted; `None` while too many archives are on their way.
    pub fn new(folder: Arc<Folder>, wanted: Wanted) -> Option<Self> {
        let place = PLACES.try_acquire().ok()?;
        let state = State::Resting(Box::new(Making::new(folder, wanted)));
        Some(Self { state, remark: None, _place: place })
    }

    /// Whether all of it was given out, or it broke.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// At the end: what was left out, in words.
    pub fn take_remark(&mut self) -> Option<String> {
        self.remark.take()
    }

    /// The next chunk; `None` at the end. After an error there is nothing more, and what came
    /// before is no whole archive.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Resting(mut making) => {
                    let work = move || {
                        let batch = making.batch();
                        (making, batch)
                    };
                    self.state = State::Working(tokio::task::spawn_blocking(work));
                }
                State::Working(mut job) => {
                    let Poll::Ready(done) = Pin::new(&mut job).poll(cx) else {
                        self.state = State::Working(job);
                        return Poll::Pending;
                    };
                    let (making, batch) = match done {
                        Ok((making, Ok(batch))) => (making, batch),
                        Ok((_, Err(error))) => return Poll::Ready(Some(Err(error))),
                        Err(error) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                    };
                    self.goes_on(making, batch.then);
                    if !batch.bytes.is_empty() {
                        return Poll::Ready(Some(Ok(Chunk::Bytes(batch.bytes.into()))));
                    }
                }
                State::Contents { mut making, mut reader, length } => {
                    let Poll::Ready(chunk) = reader.poll_chunk(cx) else {
                        self.state = State::Contents { making, reader, length };
                        return Poll::Pending;
                    };
                    let Some(chunk) = chunk else {
                        making.has_sent(length);
                        self.state = State::Resting(making);
                        continue;
                    };
                    if let Ok(chunk) = &chunk {
                        making.writer.pass(bytes::Buf::chunk(chunk));
                        self.state = State::Contents { making, reader, length };
                    }
                    return Poll::Ready(Some(chunk));
                }
            }
        }
    }

    fn goes_on(&mut self, making: Box<Making>, then: Then) {
        self.state = match then {
            Then::More => State::Resting(making),
            Then::Contents(file) => {
                let length = file.facts.length;
                let whole = ByteRange { start: 0, end: length };
                let reader = FileReader::new(file, [Part::Range(whole)]);
                State::Contents { making, reader, length }
            }
            Then::End => {
                self.remark = making.remark();
                State::Ended
            }
        };
    }
}
