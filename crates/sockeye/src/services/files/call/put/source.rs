//! The bytes of one thing that is sent: a file that is open, or standard input.
//!
//! A file is read from the same descriptor however often it is sent, and as long as it was when it
//! was opened. If it changes meanwhile, the request breaks: a mixture never looks whole.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags};
use sockeye_engine::disk::chunk::Chunk;
use sockeye_engine::disk::folder::FileHandle;
use sockeye_engine::disk::reader::{FileReader, Part};
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::limits::{CHUNK_BYTES, SMALL_BODY_MAX_BYTES};
use tokio::sync::mpsc;

/// Pieces of standard input that wait to be sent.
const STDIN_PIECES: usize = 4;

/// What is sent.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file so small that it is read at once, and leaves in one write with the head.
    Small(Arc<FileHandle>, Bytes),
    /// A larger one.
    File(Arc<FileHandle>),
    /// Standard input, which comes once.
    Stdin(Stdin),
}

/// The pieces of standard input, in order, for whoever asks next.
pub type Stdin = Arc<Mutex<mpsc::Receiver<io::Result<Bytes>>>>;

/// Why bytes stopped coming.
#[derive(Clone, Debug)]
pub enum SourceTrouble {
    /// The file is not what it was when it was opened.
    Changed,
    /// It cannot be read.
    Unreadable(String),
}

/// Bytes on their way to a body, in order.
#[derive(Debug)]
pub enum Bytestream {
    /// These.
    Bytes(Bytes),
    /// Part of a file.
    File(Arc<FileHandle>, FileReader),
    /// Standard input.
    Stdin(Stdin),
}

impl Source {
    /// Opens a file; blocks.
    pub fn open(path: &Path) -> Result<Self, SourceTrouble> {
        // NONBLOCK: should the name have become that of a FIFO, opening it does not wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from);
        let file = opened.and_then(regular).map_err(|error| unreadable(&error))?;
        let length = file.facts.length;
        let file = Arc::new(file);
        if length > SMALL_BODY_MAX_BYTES {
            return Ok(Self::File(file));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let mut filled = 0;
        while filled < bytes.len() {
            let read = rustix::io::retry_on_intr(|| {
                rustix::io::pread(&file.descriptor, &mut bytes[filled..], filled as u64)
            });
            match read.map_err(|error| unreadable(&error.into()))? {
                0 => return Err(SourceTrouble::Changed),
                n => filled += n,
            }
        }
        match file.has_changed() {
            Ok(false) => Ok(Self::Small(file, bytes.into())),
            Ok(true) => Err(SourceTrouble::Changed),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Standard input, from here on.
    pub fn stdin() -> Self {
        let (sender, receiver) = mpsc::channel(STDIN_PIECES);
        std::thread::spawn(move || {
            let mut input = io::stdin().lock();
            loop {
                let mut piece = vec![0; CHUNK_BYTES];
                let read = match input.read(&mut piece) {
                    Ok(0) => return,
                    Ok(n) => {
                        piece.truncate(n);
                        Ok(piece.into())
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let is_last = read.is_err();
                if sender.blocking_send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Self::Stdin(Arc::new(Mutex::new(receiver)))
    }

    /// How long it is, if that is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Small(file, _) | Self::File(file) => Some(file.facts.length),
            Self::Stdin(_) => None,
        }
    }

    /// Its bytes from an offset on.
    pub fn bytes_from(&self, offset: u64) -> Bytestream {
        match self {
            Self::Small(_, bytes) => {
                let offset = usize::try_from(offset).unwrap_or(bytes.len()).min(bytes.len());
                Bytestream::Bytes(bytes.slice(offset..))
            }
            Self::File(file) => {
                let end = file.facts.length;
                let rest = (offset < end).then_some(ByteRange { start: offset, end });
                let part = rest.map(Part::Range);
                let reader = FileReader::new(Arc::clone(file), part);
                Bytestream::File(Arc::clone(file), reader)
            }
            Self::Stdin(pieces) => Bytestream::Stdin(Arc::clone(pieces)),
        }
    }

    /// Whether it is still what it was when it was opened. One that was read whole is.
    pub fn check(&self) -> Result<(), SourceTrouble> {
        match self {
            Self::Small(..) | Self::Stdin(_) => Ok(()),
            Self::File(file) => check(file),
        }
    }
}

impl Bytestream {
    /// How many bytes are still to come, if that is known.
    pub fn remaining_bytes(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::File(_, reader) => Some(reader.remaining_bytes()),
            Self::Stdin(_) => None,
        }
    }

    /// The next bytes; `None` at the end.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Chunk, SourceTrouble>>> {
        match self {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Chunk::Bytes(std::mem::take(bytes))))),
            Self::Stdin(pieces) => {
                let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
                pieces.poll_recv(cx).map(|piece| {
                    piece.map(|read| read.map(Chunk::Bytes).map_err(|error| unreadable(&error)))
                })
            }
            Self::File(file, reader) => reader.poll_chunk(cx).map(|chunk| {
                chunk.map(|read| match read {
                    // The last is withheld if anything has changed, growth too.
                    Ok(_) if reader.remaining_bytes() == 0 && check(file).is_err() => {
                        Err(SourceTrouble::Changed)
                    }
                    Ok(chunk) => Ok(chunk),
                    Err(_) if check(file).is_err() => Err(SourceTrouble::Changed),
                    Err(error) => Err(unreadable(&error)),
                })
            }),
        }
    }
}

fn regular(descriptor: OwnedFd) -> io::Result<FileHandle> {
    let facts = rustix::fs::fstat(&descriptor)?;
    if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no longer a file"));
    }
    FileHandle::from_descriptor(descriptor)
}

fn check(file: &FileHandle) -> Result<(), SourceTrouble> {
    match file.has_changed() {
        Ok(false) => Ok(()),
        Ok(true) => Err(SourceTrouble::Changed),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &io::Error) -> SourceTrouble {
    SourceTrouble::Unreadable(error.to_string())
}
