//! Reading a file's bytes without ever holding up other connections for the disk.
//!
//! A read first asks the kernel for what is already in memory (preadv2 with RWF_NOWAIT) right on
//! the calling thread. Only if that would wait does the read move to the blocking pool.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::limits::CHUNK_BYTES;
use tokio::task::JoinHandle;

use super::chunk::{Chunk, PooledChunk};
use super::folder::FileHandle;

/// Files from this size on are announced to the kernel as read from front to back.
const SEQUENTIAL_FROM_BYTES: u64 = 4 * CHUNK_BYTES as u64;

/// A part of what is to be read: bytes at hand, or a range of the file.
#[derive(Debug)]
pub enum Part {
    /// These bytes.
    Bytes(Bytes),
    /// This range of the file.
    Range(ByteRange),
}

/// Yields parts of a file as chunks, in order.
#[derive(Debug)]
pub struct FileReader {
    file: Arc<FileHandle>,
    parts: VecDeque<Part>,
    remaining_bytes: u64,
    reading: Option<JoinHandle<io::Result<PooledChunk>>>,
}

impl FileReader {
    /// A reader of these parts.
    pub fn new(file: Arc<FileHandle>, parts: impl IntoIterator<Item = Part>) -> Self {
        let parts: VecDeque<Part> = parts.into_iter().collect();
        let remaining_bytes = parts.iter().map(Part::length).sum();
        if remaining_bytes >= SEQUENTIAL_FROM_BYTES {
            // Only advice: whether it is taken changes nothing but speed.
            let _ = rustix::fs::fadvise(&file.descriptor, 0, None, Advice::Sequential);
        }
        Self { file, parts, remaining_bytes, reading: None }
    }

    /// How many bytes are still to come.
    pub fn remaining_bytes(&self) -> u64 {
        self.remaining_bytes
    }

    /// The next chunk; `None` at the end. A file that has become shorter is an error, so that a
    /// short answer never looks whole.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        if let Some(reading) = &mut self.reading {
            let read = ready!(std::pin::Pin::new(reading).poll(cx));
            self.reading = None;
            let chunk = read.map_err(io::Error::other).and_then(|read| read);
            return Poll::Ready(Some(chunk.and_then(|chunk| self.account(chunk))));
        }
        match self.parts.front() {
            None => Poll::Ready(None),
            Some(Part::Bytes(_)) => {
                let Some(Part::Bytes(bytes)) = self.parts.pop_front() else { unreachable!() };
                self.remaining_bytes -= bytes.len() as u64;
                Poll::Ready(Some(Ok(Chunk::Bytes(bytes))))
            }
            Some(Part::Range(range)) => {
                let range = *range;
                match read_cached(&self.file, range) {
                    Ok(Some(chunk)) => Poll::Ready(Some(self.account(chunk))),
                    Err(error) => Poll::Ready(Some(Err(error))),
                    Ok(None) => {
                        let file = Arc::clone(&self.file);
                        let read = move || read_waiting(&file, range);
                        self.reading = Some(tokio::task::spawn_blocking(read));
                        self.poll_chunk(cx)
                    }
                }
            }
        }
    }

    /// Whether so many bytes are the last that are read from the file itself.
    fn is_last_of_the_file(&self, read: u64) -> bool {
        let mut ranges = self.parts.iter().filter(|part| matches!(part, Part::Range(_)));
        ranges.next().is_some_and(|range| range.length() == read) && ranges.next().is_none()
    }

    /// Takes a chunk that was read off the range it belongs to. The last one is withheld from a
    /// file that was rewritten meanwhile: what was sent may be a mixture of both states. A file
    /// that only grew is still the same as far as it is sent.
    fn account(&mut self, chunk: PooledChunk) -> io::Result<Chunk> {
        let read = chunk.bytes().len() as u64;
        if self.is_last_of_the_file(read) && self.file.was_rewritten()? {
            return Err(io::Error::other("the file was rewritten while it was being sent"));
        }
        self.remaining_bytes -= read;
        if let Some(Part::Range(range)) = self.parts.front_mut() {
            range.start += read;
            if range.start == range.end {
                self.parts.pop_front();
            }
        }
        Ok(Chunk::Pooled(chunk))
    }
}

impl Part {
    /// How many bytes it stands for.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range(range) => range.len(),
        }
    }
}

/// All of a small file if it can be had without waiting; `None` if it cannot.
pub fn read_small(file: &FileHandle, range: ByteRange) -> io::Result<Option<Bytes>> {
    let mut bytes = vec![0; usize::try_from(range.len()).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        let room = &mut [io::IoSliceMut::new(&mut bytes[filled..])];
        match read_without_waiting(file, room, range.start + filled as u64)? {
            Some(n) => filled += n,
            None => return Ok(None),
        }
    }
    Ok(Some(bytes.into()))
}

/// One chunk if it can be had without waiting; `None` if it cannot.
pub(crate) fn read_cached(file: &FileHandle, range: ByteRange) -> io::Result<Option<PooledChunk>> {
    let mut chunk = PooledChunk::take(range.len());
    let mut waits = false;
    chunk.fill(range.len(), |room| {
        let read = read_without_waiting(file, room, range.start)?;
        waits = read.is_none();
        io::Result::Ok(read.unwrap_or(0))
    })?;
    Ok((!waits).then_some(chunk))
}

/// `None`: it would have to wait for the disk, or this file system cannot tell.
fn read_without_waiting(
    file: &FileHandle,
    room: &mut [io::IoSliceMut<'_>],
    offset: u64,
) -> io::Result<Option<usize>> {
    loop {
        match preadv2(&file.descriptor, room, offset, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Err(became_shorter()),
            Ok(n) => return Ok(Some(n)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Fills one chunk, waiting for the disk: for threads on which that is allowed.
pub(crate) fn read_waiting(file: &FileHandle, range: ByteRange) -> io::Result<PooledChunk> {
    let mut chunk = PooledChunk::take(range.len());
    let read = chunk.fill(range.len(), |room| {
        loop {
            match pread(&file.descriptor, &mut *room[0], range.start) {
                Err(Errno::INTR) => {}
                read => return read,
            }
        }
    })?;
    if read == 0 { Err(became_shorter()) } else { Ok(chunk) }
}

fn became_shorter() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was being sent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::folder::{Blocking, Folder, Opened};
    use bytes::Buf as _;
    use sockeye_proto::http::target::SharePath;

    fn open(contents: &[u8]) -> (tempfile::TempDir, Arc<FileHandle>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), contents).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        match folder.look_up(&SharePath::parse("/f").unwrap(), Blocking::Allowed).unwrap() {
            Opened::File(file) => (dir, Arc::new(file)),
            Opened::Folder(..) => panic!("f is a file"),
        }
    }

    async fn read_all(mut reader: FileReader) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|cx| reader.poll_chunk(cx)).await {
            all.extend_from_slice(chunk?.chunk());
        }
        assert_eq!(reader.remaining_bytes(), 0);
        Ok(all)
    }

    fn contents(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[tokio::test]
    async fn parts_come_in_order_and_byte_exact_over_many_chunks() {
        let contents = contents(3 * CHUNK_BYTES + 17);
        let (_dir, file) = open(&contents);
        let parts = [
            Part::Bytes(Bytes::from_static(b"head")),
            Part::Range(ByteRange { start: 5, end: 3 * CHUNK_BYTES as u64 + 17 }),
            Part::Bytes(Bytes::from_static(b"mid")),
            Part::Range(ByteRange { start: 0, end: 1 }),
        ];
        let mut expected = b"head".to_vec();
        expected.extend_from_slice(&contents[5..]);
        expected.extend_from_slice(b"mid");
        expected.push(contents[0]);
        assert!(read_all(FileReader::new(file, parts)).await.unwrap() == expected);
    }

    #[tokio::test]
    async fn a_file_cut_while_it_is_read_is_an_error() {
        let (dir, file) = open(&contents(1000));
        let reader = FileReader::new(file, [Part::Range(ByteRange { start: 0, end: 1000 })]);
        std::fs::write(dir.path().join("f"), "short").unwrap();
        let error = read_all(reader).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_file_rewritten_while_it_is_read_never_looks_whole() {
        use std::os::unix::fs::FileExt as _;
        let length = 3 * CHUNK_BYTES as u64;
        let (dir, file) = open(&contents(3 * CHUNK_BYTES));
        let range = ByteRange { start: 0, end: length };
        let mut reader = FileReader::new(file, [Part::Range(range)]);
        let first = std::future::poll_fn(|cx| reader.poll_chunk(cx)).await;
        assert!(first.unwrap().is_ok());
        let rewritten = std::fs::File::options().write(true).open(dir.path().join("f")).unwrap();
        rewritten.write_at(&vec![b'B'; 3 * CHUNK_BYTES], 0).unwrap();
        // The clock of time stamps may tick in milliseconds.
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
        rewritten.set_modified(later).unwrap();
        let error = read_all(reader).await.unwrap_err();
        assert!(error.to_string().contains("rewritten"), "{error}");
    }

    #[tokio::test]
    async fn what_must_wait_is_read_on_the_blocking_pool_and_is_the_same() {
        let contents = contents(CHUNK_BYTES + 5);
        let (_dir, file) = open(&contents);
        let range = ByteRange { start: 0, end: contents.len() as u64 };
        let mut reader = FileReader::new(Arc::clone(&file), [Part::Range(range)]);
        reader.reading = Some(tokio::task::spawn_blocking(move || read_waiting(&file, range)));
        assert!(read_all(reader).await.unwrap() == contents);
    }

    #[test]
    fn a_small_file_is_read_whole() {
        let (_dir, file) = open(b"hello");
        let read = read_small(&file, ByteRange { start: 1, end: 4 }).unwrap();
        // A file system without RWF_NOWAIT answers None, and the blocking pool is used.
        assert!(read.is_none_or(|bytes| bytes == "ell"));
    }
}
