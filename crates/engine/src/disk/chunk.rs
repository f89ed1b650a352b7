//! Buffers that file contents pass through, kept for reuse.
//!
//! A fresh zeroed buffer for every piece of a large file costs more than the reading itself, so
//! that pieces go round: taken from the pool, filled, handed to the network, given back on drop.
//!
//! Each answer to a slow reader holds one. So that thousands of them stay cheap, new buffers become
//! smaller as those that are out hold more; whoever reads on soon has large ones again.

use std::io::IoSliceMut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes};
use sockeye_proto::limits::{
    CHUNK_BYTES, CHUNK_LEAST_BYTES, CHUNK_SCARCE_BYTES, CHUNKS_KEPT, CHUNKS_PLENTY_BYTES,
    CHUNKS_SCARCE_BYTES,
};

static POOL: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());
/// Bytes of buffers that are out.
static OUT_BYTES: AtomicUsize = AtomicUsize::new(0);

/// A piece of a body on its way to the network.
#[derive(Debug)]
pub enum Chunk {
    /// Bytes that are shared or owned elsewhere.
    Bytes(Bytes),
    /// A filled buffer of the pool.
    Pooled(PooledChunk),
}

/// A buffer of at most [`CHUNK_BYTES`] bytes, of which a part is filled and a part of that already
/// gone.
#[derive(Debug)]
pub struct PooledChunk {
    /// Empty only while it is being dropped.
    buffer: Box<[u8]>,
    taken: usize,
    filled: usize,
}

impl PooledChunk {
    /// An empty buffer for up to `wanted` bytes, as large as memory allows now.
    pub fn take(wanted: u64) -> Self {
        let size = size_now(OUT_BYTES.load(Ordering::Relaxed));
        let buffer = if size == CHUNK_BYTES {
            let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
            kept.unwrap_or_else(|| vec![0; CHUNK_BYTES].into_boxed_slice())
        } else {
            let size = usize::try_from(wanted).unwrap_or(size).min(size);
            vec![0; size].into_boxed_slice()
        };
        OUT_BYTES.fetch_add(buffer.len(), Ordering::Relaxed);
        Self { buffer, taken: 0, filled: 0 }
    }

    /// Fills it by one call of `read`, which gets at most `limit` bytes of room and says how many
    /// it used.
    pub fn fill<E>(
        &mut self,
        limit: u64,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let size = self.buffer.len();
        let room = usize::try_from(limit).unwrap_or(size).min(size);
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

/// How large a new buffer is while so much is out.
fn size_now(out_bytes: usize) -> usize {
    match out_bytes {
        CHUNKS_SCARCE_BYTES.. => CHUNK_LEAST_BYTES,
        CHUNKS_PLENTY_BYTES.. => CHUNK_SCARCE_BYTES,
        _ => CHUNK_BYTES,
    }
}

impl Drop for PooledChunk {
    fn drop(&mut self) {
        OUT_BYTES.fetch_sub(self.buffer.len(), Ordering::Relaxed);
        if self.buffer.len() < CHUNK_BYTES {
            return;
        }
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
        let mut chunk = PooledChunk::take(u64::MAX);
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
    fn new_buffers_become_smaller_as_more_is_out() {
        assert_eq!(size_now(0), CHUNK_BYTES);
        assert_eq!(size_now(CHUNKS_PLENTY_BYTES), CHUNK_SCARCE_BYTES);
        assert_eq!(size_now(CHUNKS_SCARCE_BYTES), CHUNK_LEAST_BYTES);
    }

    #[test]
    fn a_read_gets_no_more_room_than_its_limit() {
        let mut chunk = PooledChunk::take(u64::MAX);
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
