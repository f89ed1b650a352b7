//! The shared folder as the wires see it: what a path leads to, asked so that no connection waits
//! for the disk of another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use sockeye_engine::disk::folder::{Blocking, FileHandle, Folder, OpenError, Opened};
use sockeye_engine::disk::hot::HotFiles;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::machine::Tick;

use super::file::{self, Beforehand, Hot};

/// The folder, and what of it is shown.
#[derive(Debug)]
pub struct Share {
    folder: Arc<Folder>,
    place: PathBuf,
    shows_hidden: bool,
    hot: Arc<HotFiles<Beforehand>>,
    /// What answers say of how they came.
    how: OnceLock<HeaderValue>,
}

impl Share {
    /// Opens a folder for sharing.
    pub fn open(dir: &Path, shows_hidden: bool) -> io::Result<Self> {
        let place = dir.canonicalize()?;
        let folder = Arc::new(Folder::open(&place)?);
        Ok(Self { folder, place, shows_hidden, hot: Arc::default(), how: OnceLock::new() })
    }

    /// Where it is, for the person who shares it.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// What others call it: its last name.
    pub fn name(&self) -> String {
        self.place.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy().into_owned())
    }

    /// Whether names that begin with a dot are shown.
    pub fn shows_hidden(&self) -> bool {
        self.shows_hidden
    }

    /// Has answers from here say how they came: the value of Cache-Status (RFC 9211). To be said
    /// before the first of them.
    pub fn says(&self, how: HeaderValue) {
        let _ = self.how.set(how);
    }

    /// What answers from here say of how they came.
    pub fn how(&self) -> Option<&HeaderValue> {
        self.how.get()
    }

    /// The folder itself, for listing on a thread that may block.
    pub fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Opens what a path leads to, waiting for the disk: for threads on which that is allowed.
    pub fn look_up_waiting(&self, path: &SharePath) -> Result<Opened, OpenError> {
        self.check_hidden(path)?;
        self.folder.look_up(path, Blocking::Allowed)
    }

    /// The file that is kept in memory under a request's path, as it was sent.
    pub fn hot(&self, target: &str) -> Option<Arc<Hot>> {
        self.hot.get(&self.folder, target)
    }

    /// Keeps a file in memory that was looked up `since` then for a request's path, if that is worth
    /// it; and if it was, gives it back.
    pub fn keep(
        &self,
        (target, path): (&str, &SharePath),
        file: &FileHandle,
        since: Tick,
    ) -> Option<Arc<Hot>> {
        let name = path.name().unwrap_or_default();
        self.hot
            .offer((target, path), file, since, |facts| file::beforehand(name, facts, self.how()))
    }

    /// How many files are kept in memory, and their bytes.
    pub fn kept(&self) -> (usize, usize) {
        self.hot.count()
    }

    fn check_hidden(&self, path: &SharePath) -> Result<(), OpenError> {
        if path.is_hidden() && !self.shows_hidden { Err(OpenError::NotFound) } else { Ok(()) }
    }

    /// Opens what a path leads to: from the kernel's caches if that is possible, else on the
    /// blocking pool. A hidden name is as good as not there.
    pub async fn look_up(&self, path: &SharePath) -> Result<Opened, OpenError> {
        self.check_hidden(path)?;
        match self.folder.look_up(path, Blocking::Never) {
            Err(OpenError::WouldBlock) => {
                let (folder, path) = (Arc::clone(&self.folder), path.clone());
                blocking(move || folder.look_up(&path, Blocking::Allowed)).await
            }
            looked_up => looked_up,
        }
    }
}

/// Runs what may wait for the disk where waiting is allowed.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(OpenError::Io(io::Error::other(error))),
    }
}
