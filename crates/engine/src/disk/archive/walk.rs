//! Going through a folder, depth first and in the order of names, and opening what is there.
//!
//! It sees what a listing shows and no more: what a link leads to, as long as that stays in the
//! shared folder, but no FIFOs, devices and dangling links. A link to a folder on the way to it is
//! left out, or the way would not end.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use sockeye_proto::archive::Form;
use sockeye_proto::archive::zip::written_name;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::ARCHIVE_NAMES_MAX_BYTES;

use super::Wanted;
use super::names::Names;
use crate::disk::folder::{Blocking, Facts, FileHandle, Folder, OpenError, Opened};

/// Something on the way.
#[derive(Debug)]
pub(super) enum Found {
    /// A folder; what is in it comes next.
    Folder {
        /// Its name in the archive, with a slash at the end.
        name: Vec<u8>,
        /// What it is.
        facts: Facts,
    },
    /// A file.
    File {
        /// Its name in the archive.
        name: Vec<u8>,
        /// Where it is.
        path: SharePath,
        /// It.
        file: FileHandle,
    },
}

/// What was left out though it should have been there.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    count: u64,
    first: String,
}

impl LeftOut {
    pub(super) fn add(&mut self, path: &SharePath, why: &str) {
        if self.count == 0 {
            self.first = format!("{}: {why}", path.display());
        }
        self.count += 1;
    }

    /// In words, if there is anything.
    pub(super) fn remark(&self) -> Option<String> {
        let Self { count, first } = self;
        match count {
            0 => None,
            1 => Some(format!("1 left out: {first}")),
            _ => Some(format!("{count} left out in all; the first is {first}")),
        }
    }
}

/// A way through a folder.
#[derive(Debug)]
pub(super) struct Walk {
    folder: Arc<Folder>,
    hidden: bool,
    form: Form,
    levels: Vec<Level>,
    names_bytes: usize,
    /// Where it begins; gone once it has.
    begin: Option<Wanted>,
    pub(super) left_out: LeftOut,
}

/// A folder on the way down.
#[derive(Debug)]
struct Level {
    path: SharePath,
    /// Its name in the archive, with a slash at the end.
    prefix: Vec<u8>,
    names: Names,
    next: usize,
    identity: (u64, u64),
}

impl Walk {
    pub(super) fn new(folder: Arc<Folder>, wanted: Wanted) -> Self {
        let (hidden, form) = (wanted.hidden, wanted.form);
        let (levels, left_out) = (Vec::new(), LeftOut::default());
        Self { folder, hidden, form, levels, names_bytes: 0, begin: Some(wanted), left_out }
    }

    /// What is next; none at the end. An error is one that nothing can go on after. Blocks on the
    /// disk.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        if let Some(Wanted { path, top, names, .. }) = self.begin.take() {
            let Opened::Folder(descriptor, facts) =
                self.look_up(&path).map_err(io::Error::other)?
            else {
                return Err(io::Error::other("it is no folder any more"));
            };
            let prefix = [&self.written(&top, |_| false)[..], b"/"].concat();
            let entered = self.enter(path.as_folder(), prefix, (descriptor, facts), names)?;
            return entered.map(Some).ok_or_else(|| io::ErrorKind::PermissionDenied.into());
        }
        while let Some(name) = self.next_name() {
            if let Some(found) = self.open(&name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The next name in the folder that is gone through now; `None` when all are behind.
    fn next_name(&mut self) -> Option<Vec<u8>> {
        loop {
            let level = self.levels.last_mut()?;
            if let Some(name) = level.names.get(level.next).map(<[u8]>::to_vec) {
                level.next += 1;
                return Some(name);
            }
            let done = self.levels.pop();
            self.names_bytes -= done.map_or(0, |level| level.names.bytes());
        }
    }

    /// Opens what has a name in that folder; `None` if it is left out.
    fn open(&mut self, name: &[u8]) -> io::Result<Option<Found>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let path = match level.path.join(name) {
            Ok(path) => path,
            Err(error) => {
                self.left_out.add(&level.path, &error.to_string());
                return Ok(None);
            }
        };
        let opened = match self.look_up(&path) {
            Ok(opened) => opened,
            Err(OpenError::Exhausted) => return Err(io::Error::other(OpenError::Exhausted)),
            Err(error) => {
                // The others are in no listing, or no longer there.
                if matches!(error, OpenError::Denied | OpenError::Io(_)) {
                    self.left_out.add(&path, &error.to_string());
                }
                return Ok(None);
            }
        };
        let written = self.written(name, |other| level.names.contains(other));
        let name = [&level.prefix[..], &written].concat();
        match opened {
            Opened::File(file) => Ok(Some(Found::File { name, path, file })),
            Opened::Folder(descriptor, facts) => {
                let identity = (facts.device, facts.inode);
                if self.levels.iter().any(|level| level.identity == identity) {
                    return Ok(None);
                }
                let name = [&name[..], b"/"].concat();
                self.enter(path.as_folder(), name, (descriptor, facts), None)
            }
        }
    }

    /// Opens what a path leads to now.
    pub(super) fn look_up(&self, path: &SharePath) -> Result<Opened, OpenError> {
        self.folder.look_up(path, Blocking::Allowed)
    }

    /// Goes into a folder; `None` if its names may not be read, and it is left out.
    fn enter(
        &mut self,
        path: SharePath,
        prefix: Vec<u8>,
        (descriptor, facts): (OwnedFd, Facts),
        chosen: Option<BTreeSet<Vec<u8>>>,
    ) -> io::Result<Option<Found>> {
        let room = ARCHIVE_NAMES_MAX_BYTES - self.names_bytes;
        let names = match chosen {
            Some(chosen) => Names::of(&chosen),
            None => match Names::read(descriptor.as_fd(), self.hidden, room) {
                Ok(names) => names,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.left_out.add(&path, &OpenError::Denied.to_string());
                    return Ok(None);
                }
                Err(error) => {
                    return Err(io::Error::other(format!("{}: {error}", path.display())));
                }
            },
        };
        self.names_bytes += names.bytes();
        let identity = (facts.device, facts.inode);
        let found = Found::Folder { name: prefix.clone(), facts };
        self.levels.push(Level { path, prefix, names, next: 0, identity });
        Ok(Some(found))
    }

    /// A name as the archive has it.
    fn written(&self, name: &[u8], is_taken: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        match self.form {
            Form::Zip => written_name(name, is_taken).into_owned(),
            Form::Tar => name.to_vec(),
        }
    }
}
