//! Receiving: a file that appears under its name when it is whole and safe on the disk, or never.
//!
//! An [`Arrival`] is one file on its way in. Its bytes go to a [`Temporary`] without a name of its
//! own; [`Arrival::finish`] syncs them, gives them their name in one step, and syncs the folder, so
//! that whoever is told "saved" can rely on it. Whatever ends it earlier leaves nothing behind.
//!
//! Where a file of that name is there already, what comes is compared with it for as long as it is
//! the same, and nothing is written: to send the same file again is not a mistake.
//!
//! Everything here may wait for the disk, and belongs on threads for that.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fdatasync, fstat, fsync, openat, statat};
use rustix::io::Errno;
use sockeye_proto::files::free_name::free_name;
use sockeye_proto::http::target::SharePath;
use thiserror::Error;

use self::space::Space;
use self::temporary::Temporary;
use super::folder::{Facts, FileHandle, Folder, OpenError};
use crate::clock;

pub mod space;
mod temporary;

/// Free names that are tried for a file whose own is taken.
const FREE_NAMES_MAX: u32 = 10_000;
/// The existing file is read in pieces of this size, for comparing and for copying.
const COMPARED_BYTES: usize = 64 * 1024;

/// What happens to a file whose name is taken by another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is refused.
    #[default]
    Refuse,
    /// It takes the other's place.
    Replace,
    /// It gets another name.
    Rename,
}

/// How a file came to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Under its name, which was free.
    Saved,
    /// In the place of another.
    Replaced,
    /// Under this name, because its own was taken.
    Renamed(Vec<u8>),
    /// It was there already, byte for byte; nothing was written.
    Same,
}

/// Why a file is not received.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// There is another file of that name.
    #[error("there is a file of that name already, with other contents")]
    Taken,
    /// There is a folder of that name.
    #[error("there is a folder of that name already")]
    TakenByFolder,
    /// A file stands where a folder on the way should.
    #[error("a file has the name of a folder on the way to it")]
    FileOnTheWay,
    /// The disk is full, or would become too full.
    #[error("the disk has too little space left")]
    NoSpace,
    /// More than the limit came.
    #[error("it is larger than may be received")]
    TooLarge,
    /// The name cannot be on this disk.
    #[error("a name on the way to it has more than 255 bytes, or is none that this disk can hold")]
    BadName,
    /// The system does not let this user write there.
    #[error("the hub's user may not write there")]
    Denied,
    /// A symbolic link on the way leads out of the folder.
    #[error("a link on the way to it leads out of the shared folder")]
    Outside,
    /// This process has no descriptor or memory to spare.
    #[error("too much is asked for at once; try again later")]
    Exhausted,
    /// The disk failed, or something else did.
    #[error("it cannot be written: {0}")]
    Io(io::Error),
}

impl From<Errno> for ReceiveError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOSPC | Errno::DQUOT => Self::NoSpace,
            Errno::FBIG => Self::TooLarge,
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ => Self::BadName,
            Errno::ACCESS | Errno::PERM | Errno::ROFS => Self::Denied,
            Errno::XDEV | Errno::LOOP => Self::Outside,
            Errno::NOTDIR => Self::FileOnTheWay,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Exhausted,
            other => Self::Io(other.into()),
        }
    }
}

impl From<io::Error> for ReceiveError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None => Self::Io(error),
        }
    }
}

/// What holds for every file that is received.
#[derive(Debug)]
pub struct Rules {
    /// When the name is taken by another file.
    pub existing: Existing,
    /// A file's length at most, in bytes.
    pub max_bytes: Option<u64>,
    /// What stays free on the disk.
    pub space: Space,
}

/// One file on its way in; see the [module](self).
#[derive(Debug)]
pub struct Arrival {
    rules: Arc<Rules>,
    /// Of the folder: when a file was last received there.
    receipt: Arc<AtomicU64>,
    parent: OwnedFd,
    name: Vec<u8>,
    arrived_bytes: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// All that came is the same as in the file that has the name.
    Comparing(FileHandle),
    Writing(Temporary),
}

impl Arrival {
    /// Begins to receive the file of this path, of which `length` bytes are promised. Folders that
    /// are missing on the way are made. Says no at once to what cannot end well.
    pub fn begin(
        folder: &Folder,
        path: &SharePath,
        length: Option<u64>,
        rules: &Arc<Rules>,
    ) -> Result<Self, ReceiveError> {
        let name = path.name().ok_or(ReceiveError::TakenByFolder)?.to_vec();
        if rules.max_bytes.is_some_and(|max| length.unwrap_or(0) > max) {
            return Err(ReceiveError::TooLarge);
        }
        let (parent, _) = make_folder(folder, &path.parent())?;
        let state = match existing(&parent, &name)? {
            Standing::File(file) => {
                let differs = length.is_some_and(|length| length != file.facts.length);
                if differs && rules.existing == Existing::Refuse {
                    return Err(ReceiveError::Taken);
                }
                State::Comparing(file)
            }
            Standing::Folder => return Err(ReceiveError::TakenByFolder),
            Standing::Other if rules.existing == Existing::Refuse => {
                return Err(ReceiveError::Taken);
            }
            Standing::Other | Standing::Nothing => {
                rules.space.check(parent.as_fd(), length.unwrap_or(0))?;
                State::Writing(Temporary::new(&parent)?)
            }
        };
        let (rules, receipt) = (Arc::clone(rules), folder.receipt());
        Ok(Self { rules, receipt, parent, name, arrived_bytes: 0, state })
    }

    /// Whether a name is kept for files on their way in.
    pub fn is_reserved(name: &[u8]) -> bool {
        temporary::is_hidden_name(name)
    }

    /// How many bytes have arrived.
    pub fn arrived_bytes(&self) -> u64 {
        self.arrived_bytes
    }

    /// Takes the next bytes. After an error the arrival can only be given up.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), ReceiveError> {
        let total = self.arrived_bytes.saturating_add(bytes.len() as u64);
        if self.rules.max_bytes.is_some_and(|max| total > max) {
            return Err(ReceiveError::TooLarge);
        }
        if let State::Comparing(file) = &self.state {
            let same = same_bytes(file, self.arrived_bytes, bytes)?;
            self.arrived_bytes += same as u64;
            bytes = &bytes[same..];
            if bytes.is_empty() {
                return Ok(());
            }
        }
        let temporary = self.writing()?;
        temporary.write(bytes)?;
        self.arrived_bytes = total;
        Ok(())
    }

    /// The temporary file, which is begun with what was the same so far.
    fn writing(&mut self) -> Result<&mut Temporary, ReceiveError> {
        let rules = Arc::clone(&self.rules);
        if let State::Comparing(file) = &self.state {
            if rules.existing == Existing::Refuse {
                return Err(ReceiveError::Taken);
            }
            let mut temporary = Temporary::new(&self.parent)?;
            copy(file, self.arrived_bytes, &mut temporary, &rules.space)?;
            self.state = State::Writing(temporary);
        }
        match &mut self.state {
            State::Writing(temporary) => {
                rules.space.check_now_and_then(temporary)?;
                Ok(temporary)
            }
            State::Comparing(_) => Err(ReceiveError::Taken),
        }
    }

    /// All has arrived: makes it safe, gives it its name, and says how it came to rest.
    pub fn finish(mut self) -> Result<Outcome, ReceiveError> {
        if let State::Comparing(file) = &self.state {
            let is_whole = file.facts.length == self.arrived_bytes;
            if is_whole && !file.has_changed()? {
                // Whoever put it there may not have waited for the disk, or waits just now.
                fdatasync(&file.descriptor)?;
                fsync(&self.parent)?;
                return Ok(Outcome::Same);
            }
            self.writing()?;
        }
        let Self { rules, receipt, parent, name, state, .. } = self;
        let State::Writing(mut temporary) = state else { return Err(ReceiveError::Taken) };
        temporary.sync()?;
        let outcome = settle(&mut temporary, &parent, &name, rules.existing)?;
        receipt.fetch_max(clock::now().as_ns(), Ordering::AcqRel);
        fsync(&parent)?;
        Ok(outcome)
    }
}

/// Gives a temporary file its name.
fn settle(
    temporary: &mut Temporary,
    parent: &OwnedFd,
    name: &[u8],
    rule: Existing,
) -> Result<Outcome, ReceiveError> {
    if rule == Existing::Replace {
        let was_there = !matches!(existing(parent, name)?, Standing::Nothing);
        temporary.replace(parent, name)?;
        return Ok(if was_there { Outcome::Replaced } else { Outcome::Saved });
    }
    if temporary.take_free_name(parent, name)? {
        return Ok(Outcome::Saved);
    }
    // Somebody else was there in the meantime, perhaps with the same file.
    match existing(parent, name)? {
        Standing::File(file) if temporary.is_same_as(&file)? => {
            fdatasync(&file.descriptor)?;
            return Ok(Outcome::Same);
        }
        Standing::Folder if rule == Existing::Refuse => return Err(ReceiveError::TakenByFolder),
        _ if rule == Existing::Refuse => return Err(ReceiveError::Taken),
        _ => {}
    }
    for n in 2..FREE_NAMES_MAX {
        let free = free_name(name, n);
        if temporary.take_free_name(parent, &free)? {
            return Ok(Outcome::Renamed(free));
        }
    }
    Err(ReceiveError::Taken)
}

/// Makes a folder and those on the way to it, as far as they are missing; says whether the last was.
/// Each that was made is safe on the disk before this returns.
pub fn make_folder(folder: &Folder, path: &SharePath) -> Result<(OwnedFd, bool), ReceiveError> {
    /// Held while a folder is there and not yet safe, so that nobody is told of a file in it.
    static MAKING: RwLock<()> = RwLock::new(());
    {
        let _none_is_being_made = MAKING.read().unwrap_or_else(PoisonError::into_inner);
        match folder.open_folder(path) {
            Ok(opened) => return Ok((opened, false)),
            Err(OpenError::NotFound) => {}
            Err(error) => return Err(open_failed(error)),
        }
    }
    let _one_is_being_made = MAKING.write().unwrap_or_else(PoisonError::into_inner);
    make_missing(folder, path)
}

fn make_missing(folder: &Folder, path: &SharePath) -> Result<(OwnedFd, bool), ReceiveError> {
    match folder.open_folder(path) {
        Ok(opened) => return Ok((opened, false)),
        Err(OpenError::NotFound) => {}
        Err(error) => return Err(open_failed(error)),
    }
    let parent = match path.segments().count() {
        0 => return Err(ReceiveError::Io(io::ErrorKind::NotFound.into())),
        _ => make_missing(folder, &path.parent())?.0,
    };
    let name = path.name().unwrap_or_default();
    let is_made = match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => true,
        // Another program made it just now; whether it waited for the disk is not known.
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(&parent, name, flags, Mode::empty())?;
    fsync(&parent)?;
    Ok((opened, is_made))
}

fn open_failed(error: OpenError) -> ReceiveError {
    match error {
        OpenError::NotFound | OpenError::NotAFile => ReceiveError::FileOnTheWay,
        OpenError::Denied => ReceiveError::Denied,
        OpenError::Outside => ReceiveError::Outside,
        OpenError::Exhausted | OpenError::WouldBlock => ReceiveError::Exhausted,
        OpenError::Io(error) => error.into(),
    }
}

/// What has a name now.
enum Standing {
    Nothing,
    File(FileHandle),
    Folder,
    /// A link, a FIFO, a device, or a file that may not be read.
    Other,
}

fn existing(parent: &OwnedFd, name: &[u8]) -> Result<Standing, ReceiveError> {
    let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Standing::Nothing),
        Err(errno) => return Err(errno.into()),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => return Ok(Standing::Folder),
        FileType::RegularFile => {}
        _ => return Ok(Standing::Other),
    }
    // NONBLOCK: should the name become a FIFO right now, opening it does not wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Ok(descriptor) => {
            let stat = fstat(&descriptor)?;
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            let facts = Facts::of(&stat);
            Ok(if is_file {
                Standing::File(FileHandle { descriptor, facts })
            } else {
                Standing::Other
            })
        }
        Err(Errno::NOENT) => Ok(Standing::Nothing),
        Err(Errno::ACCESS | Errno::PERM | Errno::LOOP) => Ok(Standing::Other),
        Err(errno) => Err(errno.into()),
    }
}

/// How many of these bytes are the same as those of a file from `offset` on.
fn same_bytes(file: &FileHandle, offset: u64, bytes: &[u8]) -> Result<usize, ReceiveError> {
    let mut buffer = vec![0; bytes.len().min(COMPARED_BYTES)];
    let mut same = 0;
    while same < bytes.len() {
        let wanted = (bytes.len() - same).min(buffer.len());
        let n = rustix::io::pread(&file.descriptor, &mut buffer[..wanted], offset + same as u64)?;
        let matching = buffer[..n].iter().zip(&bytes[same..]).take_while(|(a, b)| a == b).count();
        same += matching;
        if matching < n || n == 0 {
            break;
        }
    }
    Ok(same)
}

/// Copies the first bytes of a file.
fn copy(
    from: &FileHandle,
    length: u64,
    to: &mut Temporary,
    space: &Space,
) -> Result<(), ReceiveError> {
    let mut buffer = vec![0; COMPARED_BYTES];
    let mut offset = 0;
    while offset < length {
        space.check_now_and_then(to)?;
        let wanted = usize::try_from(length - offset).unwrap_or(COMPARED_BYTES).min(COMPARED_BYTES);
        let n = rustix::io::pread(&from.descriptor, &mut buffer[..wanted], offset)?;
        if n == 0 {
            // It became shorter while it was compared: what arrived is no longer at hand.
            return Err(ReceiveError::Taken);
        }
        to.write(&buffer[..n])?;
        offset += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
