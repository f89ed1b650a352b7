//! A file that has no name yet.
//!
//! Where the disk can (O_TMPFILE), it has none at all, and is gone with the process that writes it,
//! however that ends. It gets a hidden name for the moment before it takes its own, because only a
//! rename can put it in another's place. Other disks give it that hidden name from the start; one
//! that was left behind is locked by nobody, and is taken away when the next file comes to its
//! folder.

use std::collections::HashSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{
    AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, RenameFlags, fdatasync, flock, fstat, linkat,
    openat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::{COMPARED_BYTES, ReceiveError};
use crate::disk::folder::FileHandle;

const HIDDEN_BEFORE: &str = ".sockeye-";
const HIDDEN_AFTER: &str = ".part";
/// New files may be read and written by whom the user's umask lets.
const MODE: Mode = Mode::from_raw_mode(0o666);
/// Folders that were looked through for what was left behind.
const SWEPT_MAX: usize = 4_096;

/// Whether a name is one that temporary files have.
pub(crate) fn is_hidden_name(name: &[u8]) -> bool {
    name.starts_with(HIDDEN_BEFORE.as_bytes()) && name.ends_with(HIDDEN_AFTER.as_bytes())
}

/// A file on its way in; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Temporary {
    file: OwnedFd,
    parent: OwnedFd,
    /// The hidden name, while it has that.
    hidden: Option<String>,
    written_bytes: u64,
    checked_at_bytes: u64,
}

impl Temporary {
    /// A new file in a folder.
    pub(super) fn new(parent: &OwnedFd) -> Result<Self, ReceiveError> {
        sweep_at_first(parent);
        let parent = parent.try_clone()?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        if nameless_works() {
            match openat(&parent, ".", flags | OFlags::TMPFILE, MODE) {
                Ok(file) => return Ok(Self::of(file, parent, None)),
                // This disk, or this kernel, has no files without names.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let name = hidden_name()?;
        let file = openat(&parent, &name, flags | OFlags::CREATE | OFlags::EXCL, MODE)?;
        let temporary = Self::of(file, parent, Some(name));
        lock(&temporary.file);
        Ok(temporary)
    }

    fn of(file: OwnedFd, parent: OwnedFd, hidden: Option<String>) -> Self {
        Self { file, parent, hidden, written_bytes: 0, checked_at_bytes: 0 }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn written_since_check(&self) -> u64 {
        self.written_bytes - self.checked_at_bytes
    }

    pub(super) fn was_checked(&mut self) {
        self.checked_at_bytes = self.written_bytes;
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), ReceiveError> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.file, bytes) {
                Ok(0) => return Err(ReceiveError::NoSpace),
                Ok(n) => {
                    self.written_bytes += n as u64;
                    bytes = &bytes[n..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Waits until all of it is on the disk.
    pub(super) fn sync(&self) -> Result<(), ReceiveError> {
        Ok(fdatasync(&self.file)?)
    }

    /// Puts it under a name, in the place of what may be there.
    pub(super) fn replace(&mut self, parent: &OwnedFd, name: &[u8]) -> Result<(), ReceiveError> {
        self.get_hidden_name()?;
        let hidden = self.hidden.as_deref().unwrap_or_default();
        match renameat(&self.parent, hidden, parent, name) {
            Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => {
                return Err(ReceiveError::TakenByFolder);
            }
            renamed => renamed?,
        }
        self.has_its_name();
        Ok(())
    }

    /// Puts it under a name if that is free; says whether it was.
    pub(super) fn take_free_name(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
    ) -> Result<bool, ReceiveError> {
        self.get_hidden_name()?;
        let hidden = self.hidden.as_deref().unwrap_or_default();
        let flags = RenameFlags::NOREPLACE;
        let taken = match renameat_with(&self.parent, hidden, parent, name, flags) {
            // This disk cannot say whether a name is free while it renames. A second name is never
            // put over another.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(&self.parent, hidden, parent, name, AtFlags::empty())
                    .and_then(|()| unlinkat(&self.parent, hidden, AtFlags::empty()))
            }
            renamed => renamed,
        };
        match taken {
            Err(Errno::EXIST) => return Ok(false),
            taken => taken?,
        }
        self.has_its_name();
        Ok(true)
    }

    fn get_hidden_name(&mut self) -> Result<(), ReceiveError> {
        if self.hidden.is_none() {
            let name = hidden_name()?;
            lock(&self.file);
            let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            linkat(CWD, own, &self.parent, &name, AtFlags::SYMLINK_FOLLOW)?;
            self.hidden = Some(name);
        }
        Ok(())
    }

    /// The hidden name is gone, and with it the reason for the lock.
    fn has_its_name(&mut self) {
        self.hidden = None;
        let _ = flock(&self.file, FlockOperation::Unlock);
    }

    /// Whether it has the same bytes as a file.
    pub(super) fn is_same_as(&self, other: &FileHandle) -> Result<bool, ReceiveError> {
        let length = fstat(&self.file)?.st_size as u64;
        if length != other.facts.length {
            return Ok(false);
        }
        let (mut mine, mut theirs) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
        let mut offset = 0;
        while offset < length {
            let n = rustix::io::pread(&self.file, &mut mine, offset)?;
            let mut compared = 0;
            while compared < n {
                let at = offset + compared as u64;
                let m = rustix::io::pread(&other.descriptor, &mut theirs[..n - compared], at)?;
                if m == 0 || theirs[..m] != mine[compared..compared + m] {
                    return Ok(false);
                }
                compared += m;
            }
            if n == 0 {
                return Ok(false);
            }
            offset += n as u64;
        }
        Ok(true)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = self.hidden.take() {
            // If it cannot be taken away now, the next one who comes to this folder does it.
            let _ = unlinkat(&self.parent, &name, AtFlags::empty());
        }
    }
}

/// A nameless file gets its name through /proc, which may not be there.
fn nameless_works() -> bool {
    static WORKS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *WORKS.get_or_init(|| std::fs::metadata("/proc/self/fd").is_ok())
}

fn hidden_name() -> Result<String, ReceiveError> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{HIDDEN_BEFORE}{:016x}{HIDDEN_AFTER}", u64::from_ne_bytes(random)))
}

/// Says that the file is being written. Where a disk has no locks, nothing is swept either.
fn lock(file: &OwnedFd) {
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
}

/// Takes away what a process that was killed left in a folder, when it is first written to.
fn sweep_at_first(parent: &OwnedFd) {
    static SWEPT: Mutex<Option<HashSet<(u64, u64)>>> = Mutex::new(None);
    let Ok(stat) = fstat(parent) else { return };
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ between platforms")]
    let folder = (stat.st_dev as u64, stat.st_ino as u64);
    {
        let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let swept = swept.get_or_insert_default();
        if swept.len() >= SWEPT_MAX {
            swept.clear();
        }
        if !swept.insert(folder) {
            return;
        }
    }
    sweep(parent);
}

fn sweep(parent: &OwnedFd) {
    let Ok(entries) = Dir::read_from(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if is_hidden_name(name.to_bytes()) {
            take_away_if_left(parent, name);
        }
    }
}

fn take_away_if_left(parent: &OwnedFd, name: &std::ffi::CStr) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(parent, name, flags, Mode::empty()) else { return };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        let _ = unlinkat(parent, name, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn what_a_killed_process_left_is_taken_away_and_what_is_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(".sockeye-0123456789abcdef.part");
        let in_use = dir.path().join(".sockeye-fedcba9876543210.part");
        fs::write(&left, "left").unwrap();
        let writer = File::create(&in_use).unwrap();
        flock(&writer, FlockOperation::LockExclusive).unwrap();
        sweep(&File::open(dir.path()).unwrap().into());
        assert!(!left.exists() && in_use.exists());
    }
}
