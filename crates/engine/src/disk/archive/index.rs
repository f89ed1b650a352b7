//! The records of a zip's central directory, which comes last: kept in memory while they are few,
//! and from then on in a file without a name, so that a million entries take no more memory than a
//! thousand.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::{Errno, pread, pwrite};
use sockeye_proto::limits::{
    ARCHIVE_INDEX_HOMELESS_MAX_BYTES, ARCHIVE_INDEX_KEPT_BYTES, ARCHIVE_INDEX_MAX_BYTES,
};

/// Nobody else reads it.
const MODE: Mode = Mode::from_raw_mode(0o600);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Index {
    kept: Vec<u8>,
    home: Home,
    spilled_bytes: u64,
    /// How much was given out again.
    drained_bytes: u64,
}

#[derive(Debug, Default)]
enum Home {
    #[default]
    NotNeeded,
    File(OwnedFd),
    /// There is no place for one.
    None,
}

impl Index {
    /// How long all records are.
    pub(super) fn bytes(&self) -> u64 {
        self.spilled_bytes + self.kept.len() as u64
    }

    /// Adds a record, which `write` appends. Blocks on the disk.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        write(&mut self.kept);
        if self.kept.len() >= ARCHIVE_INDEX_KEPT_BYTES {
            self.spill()?;
        }
        if self.bytes() > ARCHIVE_INDEX_MAX_BYTES {
            return Err(io::Error::other("it has more entries than an archive can have"));
        }
        Ok(())
    }

    /// Appends some of the records in their order, about so many bytes; says whether these were the
    /// last. Blocks on the disk.
    pub(super) fn drain(&mut self, out: &mut Vec<u8>, bytes: usize) -> io::Result<bool> {
        if let Home::File(file) = &self.home
            && self.drained_bytes < self.spilled_bytes
        {
            let left = self.spilled_bytes - self.drained_bytes;
            let most = usize::try_from(left).unwrap_or(bytes).min(bytes);
            let begin = out.len();
            out.resize(begin + most, 0);
            let read = retry(|| pread(file, &mut out[begin..], self.drained_bytes))?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            out.truncate(begin + read);
            self.drained_bytes += read as u64;
            return Ok(self.drained_bytes == self.spilled_bytes && self.kept.is_empty());
        }
        let from = (self.drained_bytes - self.spilled_bytes) as usize;
        let to = self.kept.len().min(from + bytes);
        out.extend_from_slice(&self.kept[from..to]);
        self.drained_bytes += (to - from) as u64;
        Ok(to == self.kept.len())
    }

    fn spill(&mut self) -> io::Result<()> {
        if matches!(self.home, Home::NotNeeded) {
            self.home = places().find_map(|place| open(&place)).map_or(Home::None, Home::File);
        }
        let Home::File(file) = &self.home else {
            if self.kept.len() <= ARCHIVE_INDEX_HOMELESS_MAX_BYTES {
                return Ok(());
            }
            let why = "it has many entries, and there is no temporary folder to keep their list in";
            return Err(io::Error::other(why));
        };
        let mut rest = &self.kept[..];
        while !rest.is_empty() {
            let written = retry(|| pwrite(file, rest, self.spilled_bytes))?;
            if written == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.spilled_bytes += written as u64;
            rest = &rest[written..];
        }
        self.kept.clear();
        Ok(())
    }
}

/// Where temporary files go: where the user says, else where there is a disk under them, which is
/// not always so in /tmp.
fn places() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os("TMPDIR").filter(|place| !place.is_empty()).map(PathBuf::from);
    named.into_iter().chain(["/var/tmp", "/tmp"].map(PathBuf::from))
}

/// A new file that is gone when it is closed.
fn open(place: &std::path::Path) -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match openat(CWD, place, flags | OFlags::TMPFILE | OFlags::EXCL, MODE) {
        Ok(file) => Some(file),
        // A disk without such files: the name is taken away as soon as it was given.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let mut random = [0; 16];
            rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).ok()?;
            let name = place.join(format!(".sockeye-{:032x}", u128::from_ne_bytes(random)));
            let file = openat(CWD, &name, flags | OFlags::CREATE | OFlags::EXCL, MODE).ok()?;
            unlinkat(CWD, &name, AtFlags::empty()).ok()?;
            Some(file)
        }
        Err(_) => None,
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of an index into which so many records went.
    fn through(mut index: Index, records: u32) -> (Vec<u8>, usize) {
        let mut expected = Vec::new();
        for record in 0..records {
            let text = format!("record {record};").into_bytes();
            index.push(|out| out.extend_from_slice(&text)).unwrap();
            expected.extend_from_slice(&text);
        }
        assert_eq!(index.bytes(), expected.len() as u64);
        let (mut out, kept) = (Vec::new(), index.kept.len());
        while !index.drain(&mut out, 10_000).unwrap() {}
        assert_eq!(out, expected, "in their order, each once");
        (out, kept)
    }

    #[test]
    fn records_come_out_as_they_went_in_and_most_of_many_are_not_in_memory() {
        through(Index::default(), 0);
        let (_, kept) = through(Index::default(), 100);
        assert!(kept > 0);
        let (all, kept) = through(Index::default(), 200_000);
        assert!(all.len() > 2 * ARCHIVE_INDEX_KEPT_BYTES && kept < ARCHIVE_INDEX_KEPT_BYTES);
    }

    #[test]
    fn without_a_place_for_them_they_stay_in_memory_up_to_a_bound() {
        through(Index { home: Home::None, ..Index::default() }, 200_000);
        let mut index = Index { home: Home::None, ..Index::default() };
        let record = vec![0; ARCHIVE_INDEX_HOMELESS_MAX_BYTES];
        index.push(|out| out.extend_from_slice(&record)).unwrap();
        assert!(index.push(|out| out.push(0)).is_err());
    }
}
