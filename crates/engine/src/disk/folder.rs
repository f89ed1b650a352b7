//! Opening names beneath one folder, and nothing else.
//!
//! The kernel resolves the whole name at once beneath the folder's descriptor (openat2 with
//! RESOLVE_BENEATH): no `..`, no absolute name and no symbolic link leads out, and no rename in
//! between changes that. Where the kernel has no openat2, names are walked one segment at a time
//! and symbolic links are not followed at all.
//!
//! What a name leads to is looked at through O_PATH before it is opened for reading, because
//! opening alone does something to FIFOs and devices.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;
use sockeye_proto::http::target::SharePath;
use thiserror::Error;

/// A rename somewhere on the way makes the kernel say "try again"; this often is enough.
const RENAME_RETRIES: usize = 32;

/// A folder whose contents, and nothing else, can be opened.
#[derive(Debug)]
pub struct Folder {
    root: OwnedFd,
    /// Whether this kernel has openat2; found out at the first use.
    has_openat2: AtomicBool,
}

/// Why a name cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is nothing of that name.
    #[error("there is nothing of that name here")]
    NotFound,
    /// The system does not let this user read it.
    #[error("the hub's user may not read it")]
    Denied,
    /// A symbolic link on the way leads out of the folder, or in a circle.
    #[error("it is a link that leads out of the shared folder")]
    Outside,
    /// It is a FIFO, a socket or a device.
    #[error("it is neither a file nor a folder")]
    NotAFile,
    /// It is not in the kernel's caches: ask again where blocking is allowed.
    #[error("it is not cached")]
    WouldBlock,
    /// This process has no descriptor or memory to spare.
    #[error("too much is asked for at once; try again later")]
    Exhausted,
    /// The disk failed, or something else did.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

/// Whether an operation may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// No: answer from the kernel's caches or say [`OpenError::WouldBlock`].
    Never,
    /// Yes: the caller is on a thread for that.
    Allowed,
}

/// What a name led to.
#[derive(Debug)]
pub enum Opened {
    /// A regular file, open for reading.
    File(FileHandle),
    /// A folder.
    Folder(OwnedFd, Facts),
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct FileHandle {
    /// Its descriptor.
    pub descriptor: OwnedFd,
    /// What it was when it was opened.
    pub facts: Facts,
}

/// What is known of a file or folder without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Length in bytes.
    pub length: u64,
    /// Last change of the contents, in nanoseconds since the Unix epoch.
    pub modified_ns: i128,
    /// The inode's number.
    pub inode: u64,
    /// The device it lies on.
    pub device: u64,
}

impl Facts {
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ between platforms")]
    pub(crate) fn of(stat: &Stat) -> Self {
        let modified_ns =
            i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
        Self {
            length: stat.st_size as u64,
            modified_ns,
            inode: stat.st_ino,
            device: stat.st_dev as u64,
        }
    }
}

/// Which inode is meant, and in which state, as closely as the system tells: whatever is done to a
/// file, also to its rights, gives it another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    facts: Facts,
    mode: u32,
    changed_ns: i128,
}

impl State {
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ between platforms")]
    fn of(stat: &Stat) -> Self {
        Self {
            facts: Facts::of(stat),
            mode: stat.st_mode as u32,
            changed_ns: i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
        }
    }

    /// Whether a file of which this is known is in this state.
    pub fn is_of(&self, facts: &Facts) -> bool {
        self.facts == *facts
    }

    /// Last change of the contents, in nanoseconds since the Unix epoch.
    pub fn modified_ns(&self) -> i128 {
        self.facts.modified_ns
    }

    /// Last change of any kind, likewise; nobody but the system sets it.
    pub fn changed_ns(&self) -> i128 {
        self.changed_ns
    }
}

impl FileHandle {
    /// A regular file that was opened elsewhere, as it is now.
    pub fn from_descriptor(descriptor: OwnedFd) -> io::Result<Self> {
        let facts = Facts::of(&fstat(&descriptor)?);
        Ok(Self { descriptor, facts })
    }

    /// What it is now.
    pub fn state(&self) -> io::Result<State> {
        Ok(State::of(&fstat(&self.descriptor)?))
    }

    /// Whether its contents changed since it was opened, other than by growing.
    pub(crate) fn was_rewritten(&self) -> io::Result<bool> {
        let now = Facts::of(&fstat(&self.descriptor)?);
        Ok(now.modified_ns != self.facts.modified_ns && now.length <= self.facts.length)
    }

    /// Whether its contents changed in any way since it was opened.
    pub fn has_changed(&self) -> io::Result<bool> {
        let now = Facts::of(&fstat(&self.descriptor)?);
        Ok((now.modified_ns, now.length) != (self.facts.modified_ns, self.facts.length))
    }
}

impl Folder {
    /// Opens the folder itself; from here on it may be renamed or replaced, and this stays the
    /// same folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { root, has_openat2: AtomicBool::new(true) })
    }

    /// The folder's own descriptor.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens what a path leads to.
    pub fn look_up(&self, path: &SharePath, blocking: Blocking) -> Result<Opened, OpenError> {
        let name = path.relative();
        let seen = self.resolve(&name, OFlags::PATH, blocking)?;
        let kind = FileType::from_raw_mode(fstat(&seen).map_err(open_error)?.st_mode);
        let flags = match kind {
            // NONBLOCK: should the name change into a FIFO right now, opening it does not wait.
            FileType::RegularFile => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
            FileType::Directory => OFlags::RDONLY | OFlags::DIRECTORY,
            _ => return Err(OpenError::NotAFile),
        };
        let descriptor = self.resolve(&name, flags, blocking)?;
        let stat = fstat(&descriptor).map_err(open_error)?;
        let facts = Facts::of(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Opened::File(FileHandle { descriptor, facts })),
            FileType::Directory => Ok(Opened::Folder(descriptor, facts)),
            _ => Err(OpenError::NotAFile),
        }
    }

    /// Opens the folder that a path leads to; a file is [`OpenError::NotAFile`] here.
    pub(crate) fn open_folder(&self, path: &SharePath) -> Result<OwnedFd, OpenError> {
        let name = path.relative();
        let open = || self.resolve(&name, OFlags::RDONLY | OFlags::DIRECTORY, Blocking::Allowed);
        match open() {
            // A file on the way, or at the end of it, also looks like nothing at all.
            Err(OpenError::NotFound) => {
                let seen = self.resolve(&name, OFlags::PATH, Blocking::Allowed)?;
                match FileType::from_raw_mode(fstat(&seen).map_err(open_error)?.st_mode) {
                    // Somebody has made it just now.
                    FileType::Directory => open(),
                    _ => Err(OpenError::NotAFile),
                }
            }
            opened => opened,
        }
    }

    /// What a path leads to, following links that stay inside, without opening it for reading.
    pub(crate) fn stat(&self, path: &SharePath) -> Result<Stat, OpenError> {
        let seen = self.resolve(&path.relative(), OFlags::PATH, Blocking::Allowed)?;
        fstat(&seen).map_err(open_error)
    }

    /// The state of the regular file that a path leads to, without opening it for reading.
    pub fn state(&self, path: &SharePath, blocking: Blocking) -> Result<State, OpenError> {
        let seen = self.resolve(&path.relative(), OFlags::PATH, blocking)?;
        let stat = fstat(&seen).map_err(open_error)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(State::of(&stat)),
            _ => Err(OpenError::NotAFile),
        }
    }

    fn resolve(
        &self,
        name: &[u8],
        flags: OFlags,
        blocking: Blocking,
    ) -> Result<OwnedFd, OpenError> {
        let flags = flags | OFlags::CLOEXEC;
        let folder = self.root.as_fd();
        if self.has_openat2.load(Ordering::Relaxed) {
            match openat2_beneath(folder, name, flags, blocking) {
                // A kernel before 5.6, or a sandbox that knows no openat2.
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.has_openat2.store(false, Ordering::Relaxed);
                }
                result => return result.map_err(open_error),
            }
        }
        if blocking == Blocking::Never {
            return Err(OpenError::WouldBlock);
        }
        walk_beneath(folder, name, flags).map_err(open_error)
    }
}

fn openat2_beneath(
    folder: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
    blocking: Blocking,
) -> Result<OwnedFd, Errno> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let how = match blocking {
        Blocking::Never => beneath | ResolveFlags::CACHED,
        Blocking::Allowed => beneath,
    };
    let mut tries = 0;
    loop {
        match openat2(folder, name, flags, Mode::empty(), how) {
            Err(Errno::AGAIN) if blocking == Blocking::Allowed && tries < RENAME_RETRIES => {
                tries += 1;
            }
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// One segment at a time, following no symbolic link.
fn walk_beneath(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut segments = name.split(|&b| b == b'/').peekable();
    let mut here: Option<OwnedFd> = None;
    while let Some(segment) = segments.next() {
        if segment == b".." || segment.is_empty() {
            return Err(Errno::XDEV);
        }
        let step = if segments.peek().is_some() {
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
        } else {
            flags
        };
        let parent = here.as_ref().map_or(folder, AsFd::as_fd);
        let next = openat(parent, segment, step | OFlags::NOFOLLOW, Mode::empty())?;
        here = Some(next);
    }
    here.ok_or(Errno::NOENT)
}

fn open_error(errno: Errno) -> OpenError {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::INVAL => OpenError::NotFound,
        Errno::ACCESS | Errno::PERM => OpenError::Denied,
        // XDEV is how RESOLVE_BENEATH refuses to leave.
        Errno::XDEV | Errno::LOOP => OpenError::Outside,
        Errno::AGAIN => OpenError::WouldBlock,
        Errno::NXIO | Errno::NODEV => OpenError::NotAFile,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => OpenError::Exhausted,
        other => OpenError::Io(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct Fixture {
        _dir: tempfile::TempDir,
        folder: Folder,
    }

    /// `share/` with a file, a folder, links in and out, a FIFO; and a secret beside it.
    fn fixture(has_openat2: bool) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let share = dir.path().join("share");
        fs::create_dir_all(share.join("sub")).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(share.join("a.txt"), "hello").unwrap();
        fs::write(share.join("sub/b.txt"), "b").unwrap();
        symlink("../secret", share.join("out")).unwrap();
        symlink(dir.path().join("secret"), share.join("absolute")).unwrap();
        symlink("/proc/self/root/etc", share.join("magic")).unwrap();
        symlink("sub/b.txt", share.join("in")).unwrap();
        symlink("sub/../a.txt", share.join("round")).unwrap();
        symlink("loop", share.join("loop")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            share.join("fifo"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let folder = Folder::open(&share).unwrap();
        folder.has_openat2.store(has_openat2, Ordering::Relaxed);
        Fixture { _dir: dir, folder }
    }

    fn look_up(fixture: &Fixture, path: &str) -> Result<Opened, OpenError> {
        fixture.folder.look_up(&SharePath::parse(path).unwrap(), Blocking::Allowed)
    }

    #[test]
    fn files_folders_and_links_that_stay_inside_open() {
        let fixture = fixture(true);
        for (path, length) in [("/a.txt", 5), ("/sub/b.txt", 1), ("/in", 1), ("/round", 5)] {
            match look_up(&fixture, path).unwrap() {
                Opened::File(file) => assert_eq!(file.facts.length, length, "{path}"),
                Opened::Folder(..) => panic!("{path} is a file"),
            }
        }
        assert!(matches!(look_up(&fixture, "/sub/"), Ok(Opened::Folder(..))));
        assert!(matches!(look_up(&fixture, "/"), Ok(Opened::Folder(..))));
    }

    #[test]
    fn links_that_lead_out_or_in_circles_do_not() {
        for has_openat2 in [true, false] {
            let fixture = fixture(has_openat2);
            for path in ["/out", "/absolute", "/magic", "/magic/passwd", "/loop"] {
                let result = look_up(&fixture, path);
                let refused = matches!(
                    result,
                    Err(OpenError::Outside | OpenError::NotFound | OpenError::NotAFile)
                );
                assert!(refused, "openat2 {has_openat2}, {path}: {result:?}");
            }
        }
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_its_writer() {
        for has_openat2 in [true, false] {
            assert!(matches!(look_up(&fixture(has_openat2), "/fifo"), Err(OpenError::NotAFile)));
        }
    }

    #[test]
    fn without_openat2_plain_names_still_open_and_links_do_not() {
        let fixture = fixture(false);
        assert!(matches!(look_up(&fixture, "/sub/b.txt"), Ok(Opened::File(_))));
        assert!(matches!(look_up(&fixture, "/"), Ok(Opened::Folder(..))));
        assert!(look_up(&fixture, "/in").is_err());
    }

    #[test]
    fn a_file_is_no_folder_and_a_missing_one_is_not_there() {
        for has_openat2 in [true, false] {
            let fixture = fixture(has_openat2);
            assert!(matches!(look_up(&fixture, "/a.txt/x"), Err(OpenError::NotFound)));
            assert!(matches!(look_up(&fixture, "/none"), Err(OpenError::NotFound)));
        }
    }
}
