//! A few lines to the hub, over which folders are looked into and files fetched side by side.
//!
//! A folder is looked into only when no file waits, so that no more wait than a few listings hold.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use indicatif::ProgressBar;
use sockeye_proto::address::Address;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::GET_FOLDERS_MAX_BYTES;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::Root;
use super::ground::{Ground, There, there};
use super::listing::{self, File, Listing, Read};
use super::report::{Outcome, Told};
use crate::exit::Failure;
use crate::services::files::call::get::gauge::Gauge;
use crate::services::files::call::get::http::{self, Came};
use crate::services::files::call::get::line::Line;
use crate::services::files::call::get::save::Sink;
use crate::services::files::call::meter::Meter;
use crate::services::files::call::reach::Way;

/// Connections at once.
const LINES: usize = 4;
/// Outcomes that wait to be told.
const OUTCOMES: usize = 64;
/// After so many failures of the network in a row nothing more is begun.
const CUTS_MAX: u32 = 4;

/// What all who fetch have in common.
#[derive(Debug)]
pub struct Crew {
    way: Arc<Way>,
    hub: Address,
    root: SharePath,
    ground: Ground,
    place: PathBuf,
    overwrite: bool,
    bar: ProgressBar,
    /// The line that the first listing came over, and what of it cannot be.
    first: Mutex<Option<(Line, Vec<Outcome>)>>,
    work: Mutex<Work>,
    has_changed: Notify,
    /// One listing is read at a time: it may be long.
    turn: tokio::sync::Mutex<()>,
    cuts: AtomicU32,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Work {
    files: VecDeque<Waiting>,
    folders: Vec<SharePath>,
    folders_bytes: usize,
    /// Lines that may find more to do.
    busy: usize,
    is_over: bool,
}

/// A file that is to be fetched.
#[derive(Debug)]
struct Waiting {
    folder: Arc<OwnedFd>,
    path: SharePath,
    length: u64,
    modified_s: Option<i64>,
}

enum Task {
    File(Waiting),
    Folder(SharePath),
}

impl Crew {
    /// A crew for a folder that was looked into, and the place where it goes.
    pub fn new(
        way: &Arc<Way>,
        root: Root,
        (ground, place): (Ground, PathBuf),
        (overwrite, bar): (bool, ProgressBar),
    ) -> Arc<Self> {
        let Root { hub, path, listing, line } = root;
        let crew = Self {
            way: Arc::clone(way),
            hub,
            root: path.clone(),
            ground,
            place,
            overwrite,
            bar,
            first: Mutex::default(),
            work: Mutex::default(),
            has_changed: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            cuts: AtomicU32::new(0),
            stop: watch::Sender::new(false),
        };
        let failed = crew.take(&path, listing);
        *crew.first.lock().unwrap_or_else(PoisonError::into_inner) = Some((line, failed));
        Arc::new(crew)
    }

    /// Fetches everything, and tells of each thing what became of it.
    pub async fn fetch_all(self: &Arc<Self>, mut told: impl FnMut(Told)) {
        let (tell, mut finished) = mpsc::channel(OUTCOMES);
        let mut lines = JoinSet::new();
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (first, failed) =
            first.map_or_else(Default::default, |(line, failed)| (Some(line), failed));
        for outcome in failed {
            told(self.told(&self.root, 0, outcome));
        }
        let mut ready: Vec<Line> = first.into_iter().collect();
        ready.resize_with(LINES, || Line::lasting(&self.way));
        for line in ready {
            lines.spawn(Arc::clone(self).go(line, tell.clone()));
        }
        drop(tell);
        while let Some(outcome) = finished.recv().await {
            told(outcome);
        }
    }

    /// Ends it: what is whole stays, what is not can be gone on with.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
        self.work().is_over = true;
        self.has_changed.notify_waiters();
    }

    /// Files and folders that nobody has come to.
    pub fn left(&self) -> usize {
        let work = self.work();
        work.files.len() + work.folders.len()
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn go(self: Arc<Self>, mut line: Line, tell: mpsc::Sender<Told>) {
        while let Some(task) = self.next().await {
            match task {
                Task::File(file) => {
                    let outcome = self.fetch(&mut line, &file).await;
                    let _ = tell.send(self.told(&file.path, file.length, outcome)).await;
                }
                Task::Folder(path) => {
                    for outcome in self.look_into(&mut line, &path).await {
                        let _ = tell.send(self.told(&path, 0, outcome)).await;
                    }
                }
            }
            self.work().busy -= 1;
            self.has_changed.notify_waiters();
        }
    }

    async fn next(&self) -> Option<Task> {
        loop {
            let mut changed = std::pin::pin!(self.has_changed.notified());
            changed.as_mut().enable();
            {
                let mut work = self.work();
                if work.is_over {
                    return None;
                }
                let file = work.files.pop_front().map(Task::File);
                let task = file.or_else(|| {
                    let folder = work.folders.pop()?;
                    work.folders_bytes -= bytes(&folder);
                    Some(Task::Folder(folder))
                });
                if task.is_some() {
                    work.busy += 1;
                    return task;
                }
                if work.busy == 0 {
                    work.is_over = true;
                    self.has_changed.notify_waiters();
                    return None;
                }
            }
            changed.await;
        }
    }

    async fn look_into(&self, line: &mut Line, path: &SharePath) -> Vec<Outcome> {
        let url = self.url(path);
        let _turn = self.turn.lock().await;
        let mut stopped = self.stop.subscribe();
        let read = tokio::select! {
            read = listing::read(line, &url, path) => read,
            _ = stopped.wait_for(|stop| *stop) => return vec![Outcome::NotFetched],
        };
        match read {
            Ok(Read::Listing(listing, _)) => self.take(path, listing),
            Ok(Read::Refused(why)) => vec![Outcome::Refused(why)],
            Ok(Read::Broken(why)) => vec![Outcome::Changed(why)],
            Ok(Read::NoListing) => vec![Outcome::Refused("it is not listed".into())],
            Err(failure) => vec![self.failed(failure)],
        }
    }

    /// Takes up what a folder holds, and makes it here.
    fn take(&self, path: &SharePath, listing: Listing) -> Vec<Outcome> {
        let names: Vec<&[u8]> = path.segments().skip(self.root.segments().count()).collect();
        let folder = match self.ground.folder(&names) {
            Ok(folder) => folder,
            Err(why) => return vec![Outcome::Unwritable(why)],
        };
        let mut failed: Vec<Outcome> =
            listing.impossible.into_iter().map(Outcome::Refused).collect();
        if listing.is_truncated {
            let why = "it holds more than the hub lists; the rest is not fetched";
            failed.push(Outcome::Refused(why.into()));
        }
        let mut work = self.work();
        for name in listing.folders.iter().rev() {
            match path.join(name) {
                Ok(path) if work.folders_bytes + bytes(&path) <= GET_FOLDERS_MAX_BYTES => {
                    work.folders_bytes += bytes(&path);
                    work.folders.push(path.as_folder());
                }
                Ok(_) => failed.push(Outcome::Refused("there are too many folders".into())),
                Err(error) => failed.push(Outcome::Refused(error.to_string())),
            }
        }
        for File { name, length, modified_s } in listing.files {
            match path.join(&name) {
                Ok(path) => {
                    self.bar.inc_length(length);
                    let folder = Arc::clone(&folder);
                    work.files.push_back(Waiting { folder, path, length, modified_s });
                }
                Err(error) => failed.push(Outcome::Refused(error.to_string())),
            }
        }
        drop(work);
        self.has_changed.notify_waiters();
        failed
    }

    async fn fetch(&self, line: &mut Line, file: &Waiting) -> Outcome {
        let name = file.path.name().unwrap_or_default();
        let before = there(&file.folder, name);
        let meter = Meter::new(&self.bar);
        match before {
            There::File(length, modified_s)
                if length == file.length && Some(modified_s) == file.modified_s =>
            {
                meter.set(length);
                return Outcome::Same;
            }
            There::File(..) | There::Other if !self.overwrite => {
                let why = "something else is here under this name; --overwrite replaces it";
                return Outcome::Unwritable(why.into());
            }
            _ => {}
        }
        let url = self.url(&file.path);
        let path = Path::new(OsStr::from_bytes(name));
        let mut sink = match Sink::open_in(Arc::clone(&file.folder).into(), path, &url) {
            Ok(sink) => sink,
            Err(failure) => return self.failed(failure),
        };
        let mut stopped = self.stop.subscribe();
        let gauge = Gauge::Part(&meter);
        let came = tokio::select! {
            came = http::fetch(&url, line, &mut sink, &gauge) => came,
            _ = stopped.wait_for(|stop| *stop) => Err(Failure::Interrupted("interrupted".into())),
        };
        let fetched = match came {
            Ok(Came::File(fetched)) => fetched,
            Ok(Came::Folder(_)) => {
                return self.failed(sink.abandon(Failure::SaidNo("it is a folder now".into())));
            }
            Err(failure) => return self.failed(sink.abandon(failure)),
        };
        self.cuts.store(0, Ordering::Relaxed);
        let listed = file.modified_s.and_then(|s| u64::try_from(s).ok());
        let listed = listed.map(|s| UNIX_EPOCH + Duration::from_secs(s));
        if let Some(modified) = fetched.modified.or(listed) {
            sink.set_modified(modified);
        }
        // Until it is on the disk, which the other lines do not wait for.
        let overwrite = self.overwrite;
        let finished = tokio::task::spawn_blocking(move || sink.finish(overwrite)).await;
        match finished.unwrap_or_else(|error| Err(Failure::Ours(error.to_string()))) {
            Ok(_) => Outcome::Saved {
                bytes: fetched.bytes,
                resumed_from: fetched.resumed_from,
                has_replaced: before != There::Nothing,
            },
            Err(failure) => self.failed(failure),
        }
    }

    /// What a failure means, here and for the others.
    fn failed(&self, failure: Failure) -> Outcome {
        match failure {
            Failure::SaidNo(why) => Outcome::Refused(why),
            Failure::Corrupt(why) => Outcome::Changed(why),
            Failure::Interrupted(_) => Outcome::NotFetched,
            Failure::Network(why) => {
                if self.cuts.fetch_add(1, Ordering::Relaxed) + 1 >= CUTS_MAX {
                    self.stop();
                }
                Outcome::Cut(why)
            }
            Failure::Ours(why) => {
                // The disk is full, or something like that.
                self.stop();
                Outcome::Cut(why)
            }
            other => Outcome::Unwritable(other.to_string()),
        }
    }

    fn told(&self, path: &SharePath, length: u64, outcome: Outcome) -> Told {
        let names = path.segments().skip(self.root.segments().count());
        let local = names.fold(self.place.clone(), |at, name| at.join(OsStr::from_bytes(name)));
        Told { local, url: self.url(path), length, outcome }
    }

    fn url(&self, path: &SharePath) -> Address {
        Address { path: path.encoded(), ..self.hub.clone() }
    }
}

/// What a folder that waits takes.
fn bytes(folder: &SharePath) -> usize {
    folder.segments().map(|name| name.len() + size_of::<Vec<u8>>()).sum()
}
