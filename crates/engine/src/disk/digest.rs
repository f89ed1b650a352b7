//! The hash of a part of a file: what proves to another server that both have the same.

use std::io;

use rustix::io::{Errno, preadv};
use sockeye_proto::http::range::ByteRange;

use super::chunk::PooledChunk;
use super::folder::FileHandle;

/// The BLAKE3 hash of a range of a file, which must reach so far. Waits for the disk: for threads on
/// which that is allowed.
pub fn digest(file: &FileHandle, range: ByteRange) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = PooledChunk::take(range.len());
    let mut at = range.start;
    while at < range.end {
        let read = chunk.fill(range.end - at, |to| {
            loop {
                match preadv(&file.descriptor, to, at) {
                    Err(Errno::INTR) => {}
                    read => return read.map_err(io::Error::from),
                }
            }
        })?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(chunk.bytes());
        at += read as u64;
    }
    if file.was_rewritten()? {
        return Err(io::Error::other("the file was rewritten while it was being read"));
    }
    Ok(hasher.finalize())
}
