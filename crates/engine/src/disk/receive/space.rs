//! Space on the disk: how much is left, and how much of that is to stay.

use std::os::fd::BorrowedFd;

use rustix::fs::fstatvfs;

use super::ReceiveError;
use super::temporary::Temporary;

/// The disk is asked again after so many bytes.
const CHECKED_EVERY_BYTES: u64 = 1024 * 1024;
/// What stays free unless told otherwise,
const KEPT_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// and on a disk so small that this would be much of it, one part in so many.
const KEPT_FREE_SHARE: u64 = 50;

/// How much of a disk stays free whatever is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Space {
    /// So many bytes; `None`: 64 MiB, or a fiftieth of a small disk.
    pub keep_free_bytes: Option<u64>,
}

impl Space {
    /// How many bytes may still be written where this descriptor is. What tells no size, as some
    /// network file systems do, is taken for endless: it says itself when it is full.
    pub fn free_bytes(&self, at: BorrowedFd<'_>) -> Result<u64, ReceiveError> {
        let disk = fstatvfs(at)?;
        if disk.f_blocks == 0 {
            return Ok(u64::MAX);
        }
        let usual =
            (disk.f_blocks.saturating_mul(disk.f_frsize) / KEPT_FREE_SHARE).min(KEPT_FREE_BYTES);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(free.saturating_sub(self.keep_free_bytes.unwrap_or(usual)))
    }

    /// Whether so much may be written.
    pub(super) fn check(&self, at: BorrowedFd<'_>, bytes: u64) -> Result<(), ReceiveError> {
        match self.free_bytes(at)? {
            free if free >= bytes.max(1) => Ok(()),
            _ => Err(ReceiveError::NoSpace),
        }
    }

    /// The same for a file that is being written: others fill the disk, too.
    pub(super) fn check_now_and_then(&self, file: &mut Temporary) -> Result<(), ReceiveError> {
        if file.written_since_check() >= CHECKED_EVERY_BYTES {
            self.check(file.descriptor(), CHECKED_EVERY_BYTES)?;
            file.was_checked();
        }
        Ok(())
    }
}
