//! Small files that are asked for often, kept in memory.
//!
//! A file is taken in when it is asked for twice within a second or two. For [`HOT_TRUST`] after
//! each look at the disk it is given out without a system call; then its path is resolved anew, and
//! what was kept is good only if the path still leads to the same inode in the same state, down to
//! the time of its last change of any kind. So whatever is done to a file, to a folder on its way
//! or to a link there, nobody is given the old contents for longer than that.
//!
//! A file is never taken in within [`HOT_SETTLED`] of its last change, because a further change
//! could hide in the same time stamp; nor if it changed while it was read. What was not asked for
//! lately is let go.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::pwrite;
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::{
    HOT_FILE_MAX_BYTES, HOT_FILE_OVERHEAD_BYTES, HOT_KEPT, HOT_MAX_BYTES, HOT_SEALED_FROM_BYTES,
    HOT_SEALED_MAX, HOT_SETTLED, HOT_SHARDS, HOT_TRUST,
};
use sockeye_proto::machine::Tick;

use super::folder::{Blocking, Facts, FileHandle, Folder, State};
use super::reader::read_small;
use crate::clock;

/// Names that were asked for lately, each in the place that its hash says.
const ASKED_PLACES: usize = 4_096;
/// The part of such a place that tells when.
const ASKED_SECONDS: u64 = 0xff;

/// Files kept in memory, each with what was made for it beforehand; see the [module](self).
#[derive(Debug)]
pub struct HotFiles<M> {
    shards: [Mutex<Shard<M>>; HOT_SHARDS],
    asked: Box<[AtomicU64]>,
    hasher: RandomState,
    has_sweeper: AtomicBool,
    /// Sealed copies, each of which is a descriptor.
    sealed: Mutex<Vec<Weak<OwnedFd>>>,
}

/// A file kept in memory.
#[derive(Debug)]
pub struct HotFile<M> {
    /// All that it holds.
    pub bytes: Bytes,
    /// The same in a file of ours that nobody can change any more, where it is worth to be sent
    /// from there.
    pub sealed: Option<Arc<OwnedFd>>,
    /// What it is.
    pub facts: Facts,
    /// What was made for it beforehand.
    pub made: M,
    path: SharePath,
    state: State,
    /// When it was last known to be so, in nanoseconds since [`Tick::START`].
    looked_ns: AtomicU64,
    was_used: AtomicBool,
}

#[derive(Debug)]
struct Shard<M> {
    files: HashMap<Box<str>, Arc<HotFile<M>>>,
    /// The same by age. Whoever was asked for since it was taken in, or last stood in front, goes back
    /// to the end when there is need for room.
    queue: VecDeque<Box<str>>,
    bytes: usize,
}

impl<M> HotFile<M> {
    /// Where it lies.
    pub fn path(&self) -> &SharePath {
        &self.path
    }

    fn cost(&self) -> usize {
        let copies = if self.sealed.is_some() { 2 } else { 1 };
        copies * self.bytes.len() + HOT_FILE_OVERHEAD_BYTES
    }

    /// How long ago it was known to be so.
    fn age(&self, now: Tick) -> Duration {
        now.since(Tick::from_ns(self.looked_ns.load(Ordering::Relaxed)))
    }

    /// Whether its path still leads to it, as it was. Where that cannot be known without waiting for
    /// the disk, it is taken for gone.
    fn is_still(&self, folder: &Folder) -> bool {
        folder.state(&self.path, Blocking::Never).is_ok_and(|state| state == self.state)
    }
}

impl<M: Send + Sync + 'static> HotFiles<M> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            asked: (0..ASKED_PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            has_sweeper: AtomicBool::new(false),
            sealed: Mutex::default(),
        }
    }

    /// The file that is kept under this name, if it is still so on the disk. Never waits for it.
    pub fn get(&self, folder: &Folder, name: &str) -> Option<Arc<HotFile<M>>> {
        let file = self.shard(name).files.get(name).cloned()?;
        // Reading a flag is cheap for all cores at once, and writing it is not.
        if !file.was_used.load(Ordering::Relaxed) {
            file.was_used.store(true, Ordering::Relaxed);
        }
        let now = clock::now();
        // Whoever has just sent a file must not be shown what was there before.
        let is_suspect = file.looked_ns.load(Ordering::Relaxed) <= folder.received_ns();
        if file.age(now) < HOT_TRUST && !is_suspect {
            return Some(file);
        }
        if file.is_still(folder) {
            file.looked_ns.fetch_max(now.as_ns(), Ordering::Relaxed);
            Some(file)
        } else {
            self.shard(name).remove(name, &file);
            None
        }
    }

    /// Shows a file that was just opened, by the name by which it was asked for and the path that it
    /// lies at. If it is hot, small and settled it is taken in, and comes back. `since` is from
    /// before it was looked up; `make` makes what is kept with it.
    pub fn offer(
        self: &Arc<Self>,
        (name, path): (&str, &SharePath),
        file: &FileHandle,
        since: Tick,
        make: impl FnOnce(&Facts) -> Option<M>,
    ) -> Option<Arc<HotFile<M>>> {
        if file.facts.length > HOT_FILE_MAX_BYTES || !self.was_asked_lately(name, since) {
            return None;
        }
        let state = file
            .state()
            .ok()
            .filter(|state| *state.facts() == file.facts && is_settled(&file.facts))?;
        let range = ByteRange { start: 0, end: file.facts.length };
        let bytes = read_small(file, range).ok().flatten()?;
        if file.state().ok()? != state {
            return None;
        }
        let hot = Arc::new(HotFile {
            sealed: self.seal(&bytes),
            bytes,
            facts: file.facts,
            made: make(&file.facts)?,
            path: path.clone(),
            state,
            looked_ns: AtomicU64::new(since.as_ns()),
            was_used: AtomicBool::new(false),
        });
        self.shard(name).insert(name, Arc::clone(&hot));
        self.sweep_while_there_are_any();
        Some(hot)
    }

    /// A sealed copy of what is long enough, as long as there are few.
    fn seal(&self, bytes: &Bytes) -> Option<Arc<OwnedFd>> {
        if bytes.len() < HOT_SEALED_FROM_BYTES {
            return None;
        }
        let sealed = sealed_copy(bytes).ok().map(Arc::new)?;
        let mut kept = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|copy| copy.strong_count() > 0);
        if kept.len() >= HOT_SEALED_MAX {
            return None;
        }
        kept.push(Arc::downgrade(&sealed));
        Some(sealed)
    }

    /// How many files are kept, and their bytes.
    pub fn count(&self) -> (usize, usize) {
        let (mut files, mut bytes) = (0, 0);
        self.each_shard(|shard| {
            files += shard.files.len();
            bytes += shard.files.values().map(|file| file.bytes.len()).sum::<usize>();
        });
        (files, bytes)
    }

    fn shard(&self, name: &str) -> MutexGuard<'_, Shard<M>> {
        // The ends of names differ, and a bad spread costs waiting, not correctness.
        let tail = name.as_bytes().iter().rev().take(8);
        let at = tail.fold(name.len(), |sum, byte| sum.wrapping_mul(31) ^ usize::from(*byte));
        self.shards[at % HOT_SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a name is asked for, and says whether it was a moment ago.
    fn was_asked_lately(&self, name: &str, now: Tick) -> bool {
        let hash = self.hasher.hash_one(name);
        let second = now.since(Tick::START).as_secs();
        let noted = |second: u64| (hash & !ASKED_SECONDS) | (second & ASKED_SECONDS);
        let place = &self.asked[hash as usize / 256 % ASKED_PLACES];
        let before = place.swap(noted(second), Ordering::Relaxed);
        before == noted(second) || before == noted(second.wrapping_sub(1))
    }

    /// Lets go from time to time what nobody asked for, until nothing is left.
    fn sweep_while_there_are_any(self: &Arc<Self>) {
        if self.has_sweeper.swap(true, Ordering::AcqRel) {
            return;
        }
        let files = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(HOT_KEPT).await;
                let Some(files) = files.upgrade() else { return };
                if files.sweep(clock::now()) {
                    files.has_sweeper.store(false, Ordering::Release);
                    // What was taken in just now may have found the sweeper still there.
                    if files.is_empty() || files.has_sweeper.swap(true, Ordering::AcqRel) {
                        return;
                    }
                }
            }
        });
    }

    /// Lets go what was not asked for lately. Returns whether nothing is left.
    fn sweep(&self, now: Tick) -> bool {
        self.each_shard(|shard| shard.sweep(now));
        self.is_empty()
    }

    fn is_empty(&self) -> bool {
        let mut is_empty = true;
        self.each_shard(|shard| is_empty &= shard.files.is_empty());
        is_empty
    }

    fn each_shard(&self, mut act: impl FnMut(&mut Shard<M>)) {
        for shard in &self.shards {
            act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl<M: Send + Sync + 'static> Default for HotFiles<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Default for Shard<M> {
    fn default() -> Self {
        Self { files: HashMap::new(), queue: VecDeque::new(), bytes: 0 }
    }
}

impl<M> Shard<M> {
    fn insert(&mut self, name: &str, file: Arc<HotFile<M>>) {
        let cost = file.cost();
        if let Some(old) = self.files.insert(name.into(), file) {
            self.bytes -= old.cost();
        } else {
            self.queue.push_back(name.into());
        }
        self.bytes += cost;
        while self.bytes > HOT_MAX_BYTES / HOT_SHARDS {
            let Some(oldest) = self.queue.pop_front() else { return };
            let was_used =
                self.files.get(&oldest).is_some_and(|f| f.was_used.swap(false, Ordering::Relaxed));
            if was_used {
                self.queue.push_back(oldest);
            } else if let Some(file) = self.files.remove(&oldest) {
                self.bytes -= file.cost();
            }
        }
    }

    /// Removes a file, unless another has come under its name.
    fn remove(&mut self, name: &str, file: &Arc<HotFile<M>>) {
        if self.files.get(name).is_some_and(|kept| Arc::ptr_eq(kept, file)) {
            self.files.remove(name);
            self.bytes -= file.cost();
            self.queue.retain(|queued| &**queued != name);
        }
    }

    fn sweep(&mut self, now: Tick) {
        let mut freed = 0;
        self.files.retain(|_, file| {
            // Whoever asks makes it be looked at again, but for a moment.
            let stays = file.age(now) < HOT_KEPT;
            freed += if stays { 0 } else { file.cost() };
            stays
        });
        self.bytes -= freed;
        let files = &self.files;
        self.queue.retain(|name| files.contains_key(name));
        if self.files.is_empty() {
            *self = Self::default();
        }
    }
}

/// A file in memory with these bytes, which nobody can change any more, us included.
fn sealed_copy(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = memfd_create("hot", flags)?;
    let mut written = 0;
    while written < bytes.len() {
        written += pwrite(&copy, &bytes[written..], written as u64)?;
    }
    fcntl_add_seals(
        &copy,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(copy)
}

/// Whether a further change of the file would show in its time stamps: they lie in the past, far
/// enough for the file system's clock.
fn is_settled(facts: &Facts) -> bool {
    /// A time stamp without a fraction may come from a file system that knows only seconds, or two.
    const COARSE: Duration = Duration::from_secs(2);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let has_fraction = facts.changed_ns % 1_000_000_000 != 0;
    let apart = if has_fraction { HOT_SETTLED } else { COARSE };
    let latest_ns = i128::try_from(now.saturating_sub(apart).as_nanos()).unwrap_or(i128::MAX);
    facts.modified_ns < latest_ns && facts.changed_ns < latest_ns
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::disk::folder::Opened;

    struct Kept {
        dir: tempfile::TempDir,
        folder: Folder,
        files: Arc<HotFiles<()>>,
    }

    impl Kept {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let folder = Folder::open(dir.path()).unwrap();
            Self { dir, folder, files: Arc::default() }
        }

        fn at(&self, name: &str) -> std::path::PathBuf {
            self.dir.path().join(name)
        }

        fn offer(&self, name: &str) -> Option<Arc<HotFile<()>>> {
            let since = clock::now();
            let path = SharePath::parse(name).unwrap();
            let Ok(Opened::File(file)) = self.folder.look_up(&path, Blocking::Allowed) else {
                panic!("{name} is no file");
            };
            self.files.offer((name, &path), &file, since, |_| Some(()))
        }

        /// Asks until it is kept, which takes as long as the file must be left alone.
        fn keep(&self, name: &str) -> Arc<HotFile<()>> {
            let begun = Instant::now();
            loop {
                if let Some(file) = self.offer(name) {
                    return file;
                }
                assert!(begun.elapsed() < Duration::from_secs(30), "{name} is never kept");
                std::thread::yield_now();
            }
        }

        /// What is kept, looked at anew.
        fn look(&self, name: &str) -> Option<Vec<u8>> {
            if let Some(file) = self.files.shard(name).files.get(name) {
                file.looked_ns.store(0, Ordering::Relaxed);
            }
            while clock::now().since(Tick::START) <= HOT_TRUST {
                std::thread::yield_now();
            }
            self.files.get(&self.folder, name).map(|file| file.bytes.to_vec())
        }

        fn bytes(&self) -> usize {
            let mut bytes = 0;
            self.files.each_shard(|shard| {
                let counted: usize = shard.files.values().map(|file| file.cost()).sum();
                assert_eq!((shard.bytes, shard.queue.len()), (counted, shard.files.len()));
                bytes += counted;
            });
            bytes
        }
    }

    fn set_times(path: &Path, like: &fs::Metadata) {
        let times = fs::FileTimes::new().set_modified(like.modified().unwrap());
        fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    }

    #[tokio::test]
    async fn a_file_is_kept_from_the_second_time_on() {
        let kept = Kept::new();
        fs::write(kept.at("a"), "once").unwrap();
        kept.keep("/a");
        fs::write(kept.at("b"), "once").unwrap();
        std::thread::sleep(2 * HOT_SETTLED);
        assert!(kept.offer("/b").is_none() && kept.files.get(&kept.folder, "/b").is_none());
        assert!(kept.offer("/b").is_some() && kept.files.get(&kept.folder, "/b").is_some());
    }

    #[tokio::test]
    async fn a_file_that_was_just_changed_or_is_large_is_not_kept() {
        let kept = Kept::new();
        fs::write(kept.at("a"), "a").unwrap();
        let ahead = SystemTime::now() + Duration::from_hours(1);
        fs::File::options().write(true).open(kept.at("a")).unwrap().set_modified(ahead).unwrap();
        fs::write(kept.at("large"), vec![0; HOT_FILE_MAX_BYTES as usize + 1]).unwrap();
        std::thread::sleep(2 * HOT_SETTLED);
        for _ in 0..3 {
            assert!(kept.offer("/a").is_none() && kept.offer("/large").is_none());
        }
    }

    #[tokio::test]
    async fn whatever_is_done_to_a_file_ends_its_being_kept() {
        type Act = (&'static str, fn(&Path));
        let acts: [Act; 9] = [
            ("nothing", |_| {}),
            ("written anew", |at| fs::write(at.join("d/f"), "new").unwrap()),
            ("replaced by one of the same size and time", |at| {
                let before = fs::metadata(at.join("d/f")).unwrap();
                fs::write(at.join("g"), "abc").unwrap();
                set_times(&at.join("g"), &before);
                fs::rename(at.join("g"), at.join("d/f")).unwrap();
            }),
            ("changed in place, with its time set back", |at| {
                let before = fs::metadata(at.join("d/f")).unwrap();
                fs::write(at.join("d/f"), "xyz").unwrap();
                set_times(&at.join("d/f"), &before);
            }),
            ("removed", |at| fs::remove_file(at.join("d/f")).unwrap()),
            ("taken away from us", |at| {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(at.join("d/f"), fs::Permissions::from_mode(0o0)).unwrap();
            }),
            ("a folder now", |at| {
                fs::remove_file(at.join("d/f")).unwrap();
                fs::create_dir(at.join("d/f")).unwrap();
            }),
            ("in a folder that was moved", |at| fs::rename(at.join("d"), at.join("e")).unwrap()),
            ("behind a link that leads elsewhere", |at| {
                fs::rename(at.join("d"), at.join("e")).unwrap();
                std::os::unix::fs::symlink("/etc", at.join("d")).unwrap();
            }),
        ];
        for (what, act) in acts {
            let kept = Kept::new();
            fs::create_dir(kept.at("d")).unwrap();
            fs::write(kept.at("d/f"), "abc").unwrap();
            kept.keep("/d/f");
            assert_eq!(kept.look("/d/f").as_deref(), Some(&b"abc"[..]), "before: {what}");
            act(kept.dir.path());
            let stays = what == "nothing";
            assert_eq!(kept.look("/d/f").is_some(), stays, "{what}");
            assert_eq!(kept.bytes() > 0, stays, "{what}");
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_who_is_used_stays() {
        let kept = Kept::new();
        let contents = vec![7; HOT_FILE_MAX_BYTES as usize];
        let names: Vec<String> = (0..200).map(|n| format!("/{n}")).collect();
        for name in &names {
            fs::write(kept.at(&name[1..]), &contents).unwrap();
        }
        kept.keep("/0");
        for name in &names {
            kept.keep(name);
            assert!(
                kept.files.get(&kept.folder, "/0").is_some(),
                "the one that is asked for all along"
            );
            assert!(kept.bytes() <= HOT_MAX_BYTES, "after {name}");
        }
        assert!(kept.bytes() > HOT_MAX_BYTES / 2, "{} are kept", kept.bytes());
    }

    #[tokio::test]
    async fn nobody_can_change_a_sealed_copy_and_there_are_few() {
        let kept = Kept::new();
        for n in 0..=HOT_SEALED_MAX {
            let mut contents = vec![b'a'; HOT_SEALED_FROM_BYTES];
            contents[..8].copy_from_slice(format!("{n:08}").as_bytes());
            fs::write(kept.at(&n.to_string()), contents).unwrap();
        }
        let files: Vec<_> = (0..=HOT_SEALED_MAX).map(|n| kept.keep(&format!("/{n}"))).collect();
        let first = files[0].sealed.as_ref().unwrap();
        assert_eq!(pwrite(first, b"b", 0), Err(rustix::io::Errno::PERM));
        let mut read = vec![0; HOT_SEALED_FROM_BYTES + 1];
        let n = rustix::io::pread(first, &mut read, 0).unwrap();
        assert_eq!(read[..n], files[0].bytes);
        assert!(files[HOT_SEALED_MAX].sealed.is_none(), "one more than there may be");
    }

    #[tokio::test]
    async fn what_was_received_is_seen_at_once() {
        let kept = Kept::new();
        fs::write(kept.at("a"), "old").unwrap();
        kept.keep("/a");
        fs::write(kept.at("a"), "new").unwrap();
        kept.folder.receipt().store(clock::now().as_ns(), Ordering::Release);
        assert!(kept.files.get(&kept.folder, "/a").is_none());
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_let_go() {
        let kept = Kept::new();
        for name in ["a", "b"] {
            fs::write(kept.at(name), name).unwrap();
            kept.keep(&format!("/{name}"));
        }
        assert!(!kept.files.sweep(clock::now()), "both were just asked for");
        kept.files.shard("/b").files["/b"].looked_ns.store(0, Ordering::Relaxed);
        let now = Tick::START + HOT_KEPT;
        assert!(!kept.files.sweep(now) && kept.look("/b").is_none() && kept.look("/a").is_some());
        assert!(kept.files.sweep(clock::now() + HOT_KEPT) && kept.bytes() == 0);
    }
}
