//! Where fetched bytes go: standard output, or a file that appears under its name only when it is
//! whole.
//!
//! Until then the bytes stand in `NAME.sockeye-part`, with a note beside it of what they are part
//! of. A get that was cut finds both again and goes on where it was. The part is locked, so that
//! two gets of one name do not mix.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, linkat, openat, renameat_with,
    unlinkat,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sockeye_proto::address::Address;

use super::room::Room;
use super::target::{Target, exists};
use crate::exit::Failure;

const PART: &str = ".sockeye-part";
const NOTE: &str = ".sockeye-note";
/// Linux's longest file name.
const NAME_MAX_BYTES: usize = 255;
/// A note is short; more than this is none of ours.
const NOTE_MAX_BYTES: u64 = 64 * 1024;

/// What a part is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The whole URL.
    pub url: String,
    /// A strong entity tag or a date: what If-Range is given.
    pub validator: String,
    /// The whole file's length, if it was told.
    #[serde(default)]
    pub total: Option<u64>,
}

/// The open end.
#[derive(Debug)]
pub enum Sink {
    /// Standard output, and how much went there.
    Stdout {
        /// Bytes so far.
        written: u64,
    },
    /// A device or a pipe, and how much went there.
    Device {
        /// It.
        file: File,
        /// Bytes so far.
        written: u64,
    },
    /// A part of a file.
    Part(Box<Part>),
}

/// The folder in which a file comes to be: the one that paths are seen from, or one that is open,
/// and in which it stays whatever becomes of the way there.
#[derive(Clone, Debug, Default)]
pub struct Nook(Option<Arc<OwnedFd>>);

impl From<Arc<OwnedFd>> for Nook {
    fn from(folder: Arc<OwnedFd>) -> Self {
        Self(Some(folder))
    }
}

impl AsFd for Nook {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_ref().map_or(CWD, |folder| folder.as_fd())
    }
}

impl Nook {
    fn open(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(openat(self, path, flags, Mode::from_raw_mode(0o666))?.into())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Ok(unlinkat(self, path, AtFlags::empty())?)
    }
}

/// A file in the making.
#[derive(Debug)]
pub struct Part {
    nook: Nook,
    target: PathBuf,
    place: PathBuf,
    note_place: PathBuf,
    file: File,
    written: u64,
    note: Option<Note>,
    room: Room,
}

impl Sink {
    /// Opens the end for a URL; a part of the same URL from an earlier run is taken up.
    pub fn open(target: &Target, url: &Address) -> Result<Self, Failure> {
        match target {
            Target::Stdout => Ok(Self::Stdout { written: 0 }),
            Target::Device(path) => OpenOptions::new()
                .write(true)
                .open(path)
                .map(|file| Self::Device { file, written: 0 })
                .map_err(|error| cannot_write(path, &error)),
            Target::File(path) => Self::open_in(Nook::default(), path, url),
        }
    }

    /// Opens a file in this folder.
    pub fn open_in(nook: Nook, path: &Path, url: &Address) -> Result<Self, Failure> {
        Part::open(nook, path, url).map(|part| Self::Part(Box::new(part))).map_err(|error| {
            match error {
                OpenPartError::Io(error) => cannot_write(path, &error),
                OpenPartError::Locked => {
                    Failure::Usage(format!("another get is fetching {} right now", path.display()))
                }
            }
        })
    }

    /// Gives a file the time of its last change. One that the disk cannot have is let be.
    pub fn set_modified(&mut self, time: SystemTime) {
        if let Self::Part(part) = self {
            let _ = part.file.set_modified(time);
        }
    }

    /// Bytes that stand already.
    pub fn written(&self) -> u64 {
        match self {
            Self::Stdout { written } | Self::Device { written, .. } => *written,
            Self::Part(part) => part.written,
        }
    }

    /// What the standing bytes are part of, if that is known.
    pub fn note(&self) -> Option<&Note> {
        match self {
            Self::Stdout { .. } | Self::Device { .. } => None,
            Self::Part(part) => part.note.as_ref(),
        }
    }

    /// Remembers what the bytes are part of, for a later run.
    pub fn take_note(&mut self, note: Option<Note>) -> Result<(), Failure> {
        let Self::Part(part) = self else { return Ok(()) };
        part.take_note(note).map_err(|error| cannot_write(&part.target, &error))
    }

    /// So many bytes will stand in the end, if that was told. More than there is room for are
    /// refused before they come; of what does not say where it ends, `write` keeps watch.
    pub fn expect(&mut self, total: Option<u64>) -> Result<(), Failure> {
        let Self::Part(part) = self else { return Ok(()) };
        let coming = total.map(|total| total.saturating_sub(part.written));
        part.room.expect(&part.file, &part.target, coming)
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout { written } => {
                *written += bytes.len() as u64;
                io::stdout().lock().write_all(bytes).map_err(|error| stdout_failed(&error))
            }
            Self::Device { file, written } => {
                *written += bytes.len() as u64;
                file.write_all(bytes).map_err(|error| stdout_failed(&error))
            }
            Self::Part(part) => {
                part.room.take(&part.file, &part.target, bytes.len() as u64)?;
                part.file.write_all(bytes).map_err(|error| cannot_write(&part.target, &error))?;
                part.written += bytes.len() as u64;
                Ok(())
            }
        }
    }

    /// Throws away what stands. Bytes that went to standard output cannot be taken back.
    pub fn restart(&mut self) -> Result<(), Failure> {
        match self {
            Self::Stdout { written: 0 } | Self::Device { written: 0, .. } => Ok(()),
            Self::Stdout { .. } | Self::Device { .. } => Err(Failure::Corrupt(
                "the file changed while it was fetched; what was written is of the old one".into(),
            )),
            Self::Part(part) => part.restart().map_err(|error| cannot_write(&part.target, &error)),
        }
    }

    /// The bytes are whole: gives them their name. Returns the name.
    pub fn finish(self, overwrite: bool) -> Result<Option<String>, Failure> {
        match self {
            Self::Stdout { .. } => {
                io::stdout().lock().flush().map(|()| None).map_err(|error| stdout_failed(&error))
            }
            Self::Device { .. } => Ok(None),
            Self::Part(part) => part.finish(overwrite).map(Some),
        }
    }

    /// The fetch failed. What can be taken up later stays, and the failure says so; the rest goes.
    pub fn abandon(self, failure: Failure) -> Failure {
        let Self::Part(part) = self else { return failure };
        let is_spoiled = matches!(failure, Failure::Corrupt(_));
        let can_go_on = part.note.is_some() && part.written > 0 && !is_spoiled;
        if !can_go_on {
            // What cannot be removed is only in the way of the next get, which says so.
            let _ = part.nook.remove(&part.place);
            let _ = part.nook.remove(&part.note_place);
        }
        match failure {
            Failure::Network(text) => Failure::Network(part.with_what_is_kept(&text, can_go_on)),
            Failure::Ours(text) if can_go_on => Failure::Ours(part.with_what_is_kept(&text, true)),
            Failure::Interrupted(text) => {
                Failure::Interrupted(part.with_what_is_kept(&text, can_go_on))
            }
            other => other,
        }
    }
}

fn stdout_failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::PipeClosed;
    }
    Failure::Ours(format!("cannot write the output: {error}"))
}

enum OpenPartError {
    Io(io::Error),
    Locked,
}

impl From<io::Error> for OpenPartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Part {
    fn with_what_is_kept(&self, text: &str, can_go_on: bool) -> String {
        let written = self.written;
        if can_go_on {
            format!("{text}; {written} bytes are kept, and the same command goes on from there")
        } else if written > 0 {
            format!(
                "{text}; nothing is kept, because nothing that was sent tells this state of the \
                 file from another (a file that was changed a moment ago is like that)"
            )
        } else {
            text.to_owned()
        }
    }

    fn open(nook: Nook, target: &Path, url: &Address) -> Result<Self, OpenPartError> {
        let place = beside(target, PART);
        let note_place = beside(target, NOTE);
        // A link under this name may have been laid by somebody else: it is not followed.
        let mut file = nook.open(&place, OFlags::RDWR | OFlags::CREATE)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(OpenPartError::Locked),
            Err(error) => return Err(io::Error::from(error).into()),
            Ok(()) => {}
        }
        if rustix::fs::fstat(&file).map_err(io::Error::from)?.st_nlink > 1 {
            // Somebody laid a second name for another file here.
            let text = "the part's name is a hard link to another file; remove it";
            return Err(io::Error::other(text).into());
        }
        let note = read_note(&nook, &note_place).filter(|note| note.url == url.to_string());
        if note.is_none() {
            file.set_len(0)?;
        }
        let written = file.seek(SeekFrom::End(0))?;
        let note = note.filter(|_| written > 0);
        let (target, room) = (target.to_owned(), Room::default());
        Ok(Self { nook, target, place, note_place, file, written, note, room })
    }

    fn take_note(&mut self, note: Option<Note>) -> io::Result<()> {
        match &note {
            Some(note) => {
                let text = serde_json::to_vec(note).map_err(io::Error::other)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
                self.nook.open(&self.note_place, flags)?.write_all(&text)?;
            }
            None => match self.nook.remove(&self.note_place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
        self.note = note;
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.take_note(None)?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.written = 0;
        Ok(())
    }

    fn finish(self, overwrite: bool) -> Result<String, Failure> {
        self.file.sync_all().map_err(|error| cannot_write(&self.target, &error))?;
        let flags = if overwrite { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let nook = &self.nook;
        match renameat_with(nook, &self.place, nook, &self.target, flags) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(exists(&self.target)),
            // A file system that cannot refuse to replace: link(2) does not replace either.
            Err(Errno::INVAL) => linkat(nook, &self.place, nook, &self.target, AtFlags::empty())
                .and_then(|()| unlinkat(nook, &self.place, AtFlags::empty()))
                .map_err(|error| match error {
                    Errno::EXIST => exists(&self.target),
                    _ => cannot_write(&self.target, &error.into()),
                })?,
            Err(error) => return Err(cannot_write(&self.target, &error.into())),
        }
        let _ = self.nook.remove(&self.note_place);
        Ok(self.target.to_string_lossy().into_owned())
    }
}

/// The target's name with an ending, shortened where it would be too long.
fn beside(target: &Path, ending: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().as_bytes();
    let mut name = name[..name.len().min(NAME_MAX_BYTES - ending.len())].to_vec();
    name.extend_from_slice(ending.as_bytes());
    target.with_file_name(OsString::from_vec(name))
}

fn read_note(nook: &Nook, place: &Path) -> Option<Note> {
    let mut text = String::new();
    nook.open(place, OFlags::RDONLY).ok()?.take(NOTE_MAX_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull => "; make room, or write elsewhere with -o",
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => "; write elsewhere with -o",
        _ => "",
    };
    let text = format!("cannot write {}: {error}{hint}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::Ours(text),
        _ => Failure::Usage(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn url(text: &str) -> Address {
        use sockeye_proto::address::Scheme;
        Address::parse(text, &[Scheme::Http], Scheme::Http).unwrap()
    }

    fn sink(path: &Path, url_text: &str) -> Sink {
        Sink::open(&Target::File(path.to_owned()), &url(url_text)).unwrap()
    }

    fn note(url_text: &str) -> Note {
        Note { url: url(url_text).to_string(), validator: "\"v\"".into(), total: Some(5) }
    }

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut sink = sink(&path, "http://h/a");
        sink.write(b"hello").unwrap();
        assert!(!path.exists());
        sink.finish(false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no part, no note left");
    }

    #[test]
    fn a_cut_get_is_taken_up_and_one_of_another_url_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut first = sink(&path, "http://h/a");
        first.take_note(Some(note("http://h/a"))).unwrap();
        first.write(b"hel").unwrap();
        let failure = first.abandon(Failure::Network("cut".into())).to_string();
        assert!(failure.contains("3 bytes are kept"), "{failure}");
        let again = sink(&path, "http://h/a");
        assert_eq!((again.written(), again.note().cloned()), (3, Some(note("http://h/a"))));
        drop(again);
        assert_eq!(sink(&path, "http://h/b").written(), 0);
    }

    #[test]
    fn what_cannot_be_taken_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = sink(&dir.path().join("a"), "http://h/a");
        sink.write(b"hel").unwrap();
        sink.abandon(Failure::Network("cut".into()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let sink = sink(&path, "http://h/a");
        std::fs::write(&path, "other").unwrap();
        assert!(sink.finish(false).unwrap_err().to_string().contains("exists"));
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
    }

    #[test]
    fn two_gets_of_one_name_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let _first = sink(&path, "http://h/a");
        let second = Sink::open(&Target::File(path), &url("http://h/a")).unwrap_err();
        assert!(second.to_string().contains("another get"), "{second}");
    }

    #[test]
    fn a_name_of_255_bytes_has_room_for_its_part() {
        let name = "x".repeat(255);
        let part = beside(Path::new(&name), PART);
        assert_eq!(part.as_os_str().len(), 255);
        assert_ne!(part.as_os_str(), OsStr::new(&name));
    }
}
