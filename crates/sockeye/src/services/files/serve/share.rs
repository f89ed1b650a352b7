//! The shared folder as the wires see it: what a path leads to, asked so that no connection waits
//! for the disk of another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sockeye_engine::disk::folder::{Blocking, Folder, OpenError, Opened};
use sockeye_proto::http::target::SharePath;

/// The folder, and what of it is shown.
#[derive(Debug)]
pub struct Share {
    folder: Arc<Folder>,
    place: PathBuf,
    shows_hidden: bool,
}

impl Share {
    /// Opens a folder for sharing.
    pub fn open(dir: &Path, shows_hidden: bool) -> io::Result<Self> {
        let place = dir.canonicalize()?;
        let folder = Arc::new(Folder::open(&place)?);
        Ok(Self { folder, place, shows_hidden })
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

    /// The folder itself, for listing on a thread that may block.
    pub fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Opens what a path leads to, waiting for the disk: for threads on which that is allowed.
    pub fn look_up_waiting(&self, path: &SharePath) -> Result<Opened, OpenError> {
        self.check_hidden(path)?;
        self.folder.look_up(path, Blocking::Allowed)
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
