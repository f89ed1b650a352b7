//! The data folder: what is kept from one run to the next, the key and the certificate first.
//!
//! It is `--data DIR`, else `$XDG_DATA_HOME/sockeye`, else `~/.local/share/sockeye`, and is made
//! when something is first kept in it, so that a command that keeps nothing leaves nothing. With
//! `--ephemeral` there is none: nothing is found, and what is kept is forgotten. All of it blocks,
//! and is for the start, or for a thread that may wait.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;

use crate::exit::Failure;

/// A longer file is none of ours.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// Only its owner may enter the folder,
const FOLDER_MODE: u32 = 0o700;
/// and read or change what is in it.
const SECRET_MODE: u32 = 0o600;
/// That somebody besides its owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// Where things are kept; see the [module](self). By default, nowhere.
#[derive(Clone, Debug, Default)]
pub struct DataFolder {
    /// None: nothing is kept.
    path: Option<PathBuf>,
}

/// Keeps other processes from [`DataFolder::lock`] until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is held until it is dropped"]
pub struct DataLock {
    _folder: Option<File>,
}

impl DataFolder {
    /// The folder that `--data` names, else the usual one of this user; it need not exist yet.
    pub fn find(flag: Option<&Path>, ephemeral: bool) -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let usual = || usual_folder(variable("XDG_DATA_HOME"), variable("HOME"));
        if ephemeral {
            return Ok(Self { path: None });
        }
        let path = flag.map(Path::to_owned).or_else(usual).ok_or_else(|| {
            let why = "there is no home folder to keep the key and the certificate in";
            Failure::Usage(format!("{why}; give a folder with --data, or --ephemeral to keep none"))
        })?;
        Ok(Self { path: Some(path) })
    }

    /// Where something of that name is kept; `None` where nothing is.
    pub fn place(&self, name: &str) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.join(name))
    }

    /// What was kept under a name, if anything was.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some(place) = self.place(name) else { return Ok(None) };
        let read = || {
            let mut bytes = Vec::new();
            File::open(&place)?.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) if bytes.len() as u64 > FILE_MAX_BYTES => {
                let place = place.display();
                Err(Failure::Usage(format!("{place} is none of ours: it is longer than 1 MiB")))
            }
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("read", &place, &error)),
        }
    }

    /// Keeps bytes under a name, for this user alone. What stood there stands until the new bytes
    /// are whole on the disk, whatever happens in between.
    pub fn write_secret(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let Some(folder) = self.made()? else { return Ok(()) };
        let place = folder.join(name);
        write_whole(folder, name, bytes).map_err(|error| failed("write", &place, &error))
    }

    /// Waits until no other process holds the lock: for what is read, and made if it is missing.
    pub fn lock(&self) -> Result<DataLock, Failure> {
        let Some(folder) = self.made()? else { return Ok(DataLock { _folder: None }) };
        let lock = || {
            let opened = File::open(folder)?;
            rustix::fs::flock(&opened, FlockOperation::LockExclusive)?;
            Ok(opened)
        };
        let opened = lock().map_err(|error: io::Error| failed("lock", folder, &error))?;
        Ok(DataLock { _folder: Some(opened) })
    }

    /// The folder, which exists and is nobody else's to write in; `None` where nothing is kept.
    fn made(&self) -> Result<Option<&Path>, Failure> {
        let Some(path) = self.path.as_deref() else { return Ok(None) };
        // Folders on the way are made for this user alone too (XDG Base Directory Specification).
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(path)
            .map_err(|error| failed("make", path, &error))?;
        let facts = path.metadata().map_err(|error| failed("look at", path, &error))?;
        let is_owners = facts.uid() == rustix::process::geteuid().as_raw();
        if !is_owners || facts.mode() & OTHERS_WRITE != 0 {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "others may write in {path}, and who does decides who gets in; \
                 `chmod 700 {path}`, or give a folder of your own with --data"
            )));
        }
        Ok(Some(path))
    }
}

/// A relative XDG_DATA_HOME counts for nothing (XDG Base Directory Specification).
fn usual_folder(data_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let data_home = data_home.filter(|path| path.is_absolute());
    let share = || home.filter(|path| path.is_absolute()).map(|home| home.join(".local/share"));
    data_home.or_else(share).map(|base| base.join("sockeye"))
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    /// Two threads that write one name do so in files of their own.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!(".{name}.{}-{write}", std::process::id()));
    let written = || {
        // One that is left of a process with this number, which was killed in the middle.
        match std::fs::remove_file(&unfinished) {
            Err(error) if !is_missing(&error) => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(SECRET_MODE).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, folder.join(name))?;
        File::open(folder)?.sync_all()
    };
    let outcome = written();
    if outcome.is_err() {
        // It may not even be there.
        let _ = std::fs::remove_file(&unfinished);
    }
    outcome
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn failed(what: &str, place: &Path, error: &io::Error) -> Failure {
    let place = place.display();
    Failure::Usage(format!(
        "cannot {what} {place}: {error}; keep things elsewhere with --data, or none with --ephemeral"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    fn folder(path: &Path) -> DataFolder {
        DataFolder::find(Some(path), false).unwrap()
    }

    #[test]
    fn what_was_kept_is_found_again_and_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let data = folder(&path);
        assert_eq!(data.read("key").unwrap(), None);
        assert!(!path.exists(), "looking makes nothing");
        data.write_secret("key", b"one").unwrap();
        data.write_secret("key", b"two").unwrap();
        assert_eq!(folder(&path).read("key").unwrap().unwrap(), b"two");
        assert_eq!((mode(&path), mode(&path.join("key"))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let data = DataFolder::find(None, true).unwrap();
        let _lock = data.lock().unwrap();
        data.write_secret("key", b"one").unwrap();
        assert_eq!((data.read("key").unwrap(), data.place("key")), (None, None));
    }

    #[test]
    fn a_folder_that_others_write_in_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = folder(dir.path()).write_secret("key", b"x").unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn the_usual_folder_is_the_users_own() {
        let usual = |data_home: Option<&str>, home: Option<&str>| {
            usual_folder(data_home.map(PathBuf::from), home.map(PathBuf::from))
        };
        assert_eq!(usual(Some("/d"), Some("/h")), Some("/d/sockeye".into()));
        assert_eq!(usual(Some("d"), Some("/h")), Some("/h/.local/share/sockeye".into()));
        assert_eq!(usual(None, None), None);
    }

    #[test]
    fn one_process_at_a_time_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let data = folder(&dir.path().join("data"));
        let held = data.lock().unwrap();
        let (sender, taken) = std::sync::mpsc::channel();
        let second = data.clone();
        let waiting = std::thread::spawn(move || {
            let _lock = second.lock().unwrap();
            sender.send(()).unwrap();
        });
        let bound = std::time::Duration::from_millis(50);
        assert!(taken.recv_timeout(bound).is_err(), "the lock is held");
        drop(held);
        waiting.join().unwrap();
    }
}
