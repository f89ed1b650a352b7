//! Buffers that file contents pass through, kept for reuse.
//!
//! A fresh zeroed buffer for every piece of a large file costs more than the reading itself, so
//! that pieces go round: taken from the pool, filled, handed to the network, given back on drop.

use std::io::IoSliceMut;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes};
use sockeye_proto::limits::{CHUNK_BYTES, CHUNKS_KEPT};

static POOL: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A piece of a body on its way to the network.
#[derive(Debug)]
pub enum Chunk {
    /// Bytes that are shared or owned elsewhere.
    Bytes(Bytes),
    /// A filled buffer of the pool.
    Pooled(PooledChunk),
}

/// A buffer of [`CHUNK_BYTES`] bytes, of which a part is filled and a part of that already gone.
#[derive(Debug)]
pub struct PooledChunk {
    /// Empty only while it is being dropped.
    buffer: Box<[u8]>,
    taken: usize,
    filled: usize,
}

impl PooledChunk {
    /// An empty buffer.
    pub fn take() -> Self {
        let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = kept.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice());
        Self { buffer, taken: 0, filled: 0 }
    }

    /// Fills it by one call of `read`, which gets at most `limit` bytes of room and says how many
    /// it used.
    pub fn fill<E>(
        &mut self,
        limit: u64,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let room = usize::try_from(limit).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let n = read(&mut [IoSliceMut::new(&mut self.buffer[..room])])?;
        self.taken = 0;
        self.filled = n.min(room);
        Ok(self.filled)
    }

    /// What is filled and not yet gone.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.taken..self.filled]
    }
}

impl Drop for PooledChunk {
    fn drop(&mut self) {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < CHUNKS_KEPT {
            pool.push(std::mem::take(&mut self.buffer));
        }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Pooled(pooled) => pooled.filled - pooled.taken,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Pooled(pooled) => pooled.bytes(),
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(n),
            Self::Pooled(pooled) => {
                assert!(n <= pooled.filled - pooled.taken, "advanced past what was filled");
                pooled.taken += n;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_shows_only_what_this_read_filled() {
        let mut chunk = PooledChunk::take();
        let read = |text: &'static [u8]| {
            move |to: &mut [IoSliceMut<'_>]| {
                to[0][..text.len()].copy_from_slice(text);
                Ok::<usize, ()>(text.len())
            }
        };
        chunk.fill(10, read(b"abcdef")).unwrap();
        chunk.fill(10, read(b"xy")).unwrap();
        let mut chunk = Chunk::Pooled(chunk);
        assert_eq!(chunk.chunk(), b"xy");
        chunk.advance(1);
        assert_eq!((chunk.chunk(), chunk.remaining()), (&b"y"[..], 1));
    }

    #[test]
    fn a_read_gets_no_more_room_than_its_limit() {
        let mut chunk = PooledChunk::take();
        let room = |limit, chunk: &mut PooledChunk| {
            let mut room = 0;
            let _ = chunk.fill(limit, |to| {
                room = to[0].len();
                Ok::<usize, ()>(0)
            });
            room
        };
        assert_eq!(room(7, &mut chunk), 7);
        assert_eq!(room(u64::MAX, &mut chunk), CHUNK_BYTES);
    }
}
