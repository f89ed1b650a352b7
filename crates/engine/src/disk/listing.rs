//! Reading a folder's entries for people: what can be opened, with size and time.

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, FileType, statat};
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::LISTING_MAX_ENTRIES;

use super::folder::{Facts, Folder, OpenError};

/// A file or a folder in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, raw.
    pub name: Vec<u8>,
    /// Whether it is a folder, or a link to one.
    pub is_folder: bool,
    /// Whether it is a link to the folder that is listed, or to one that this lies in.
    pub is_loop: bool,
    /// What is known of it.
    pub facts: Facts,
}

/// What a folder holds.
#[derive(Debug)]
pub struct Listing {
    /// Folders first, then by name.
    pub entries: Vec<Entry>,
    /// Whether there are more than the bound allows; those shown are then any of them.
    pub is_truncated: bool,
}

/// Lists a folder. FIFOs, sockets, devices, and links that lead out of the shared folder are left
/// out, and so are hidden names unless `hidden`. Blocks on the disk.
pub fn list(
    folder: &Folder,
    path: &SharePath,
    descriptor: BorrowedFd<'_>,
    hidden: bool,
) -> Result<Listing, OpenError> {
    let mut listing = Listing { entries: Vec::new(), is_truncated: false };
    let around = OnceCell::new();
    for found in Dir::read_from(descriptor).map_err(|e| OpenError::Io(e.into()))? {
        let found = found.map_err(|e| OpenError::Io(e.into()))?;
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") || (!hidden && name.starts_with(b".")) {
            continue;
        }
        if listing.entries.len() == LISTING_MAX_ENTRIES {
            listing.is_truncated = true;
            break;
        }
        let mut entry = entry(folder, path, descriptor, name);
        if let Some((entry, true)) = &mut entry {
            let around = around.get_or_init(|| folders_around(folder, path));
            entry.is_loop = around.contains(&(entry.facts.device, entry.facts.inode));
        }
        listing.entries.extend(entry.map(|(entry, _)| entry));
    }
    listing.entries.sort_unstable_by(|a, b| (!a.is_folder, &a.name).cmp(&(!b.is_folder, &b.name)));
    Ok(listing)
}

/// A folder and those that it lies in, by device and inode.
fn folders_around(folder: &Folder, path: &SharePath) -> Vec<(u64, u64)> {
    let mut around = Vec::new();
    let mut path = path.clone();
    loop {
        let facts = folder.stat(&path).map(|stat| Facts::of(&stat));
        around.extend(facts.map(|facts| (facts.device, facts.inode)));
        if path.is_root() {
            return around;
        }
        path = path.parent();
    }
}

/// And whether it is a link to a folder. `None`: it vanished meanwhile, or it is nothing that is
/// shown.
fn entry(
    folder: &Folder,
    path: &SharePath,
    descriptor: BorrowedFd<'_>,
    name: &[u8],
) -> Option<(Entry, bool)> {
    let own = statat(descriptor.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let stat = match FileType::from_raw_mode(own.st_mode) {
        // Resolved from the shared folder on: a link may lead anywhere inside it.
        FileType::Symlink => folder.stat(&path.join(name).ok()?).ok()?,
        _ => own,
    };
    let is_folder = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => true,
        FileType::RegularFile => false,
        _ => return None,
    };
    let is_link = FileType::from_raw_mode(own.st_mode) == FileType::Symlink;
    let facts = Facts::of(&stat);
    Some((Entry { name: name.to_vec(), is_folder, is_loop: false, facts }, is_link && is_folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_come_first_and_what_cannot_be_opened_does_not_come() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("z")).unwrap();
        fs::write(dir.path().join("b"), "12").unwrap();
        fs::write(dir.path().join("a"), "1").unwrap();
        fs::write(dir.path().join(".hidden"), "1").unwrap();
        symlink("b", dir.path().join("link")).unwrap();
        symlink("../b", dir.path().join("z/up")).unwrap();
        symlink("/etc/passwd", dir.path().join("out")).unwrap();
        symlink("nowhere", dir.path().join("broken")).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let shown = |hidden| -> Vec<(String, bool, u64)> {
            let descriptor = fs::File::open(dir.path()).unwrap();
            let listing = list(&folder, &SharePath::root(), descriptor.as_fd(), hidden).unwrap();
            let entries = listing.entries.into_iter().filter(|e| !e.is_folder);
            entries
                .map(|e| (String::from_utf8(e.name).unwrap(), e.is_folder, e.facts.length))
                .collect()
        };
        let files: Vec<(String, bool, u64)> =
            [("a", 1), ("b", 2), ("link", 2)].map(|(n, l)| (n.to_owned(), false, l)).into();
        assert_eq!(shown(false), files);
        assert_eq!(shown(true)[0].0, ".hidden");
        let descriptor = fs::File::open(dir.path()).unwrap();
        let listing = list(&folder, &SharePath::root(), descriptor.as_fd(), false).unwrap();
        assert!(listing.entries[0].is_folder && !listing.is_truncated);
        symlink("../z", dir.path().join("z/itself")).unwrap();
        symlink("..", dir.path().join("z/around")).unwrap();
        fs::create_dir(dir.path().join("other")).unwrap();
        symlink("../other", dir.path().join("z/beside")).unwrap();
        let z = SharePath::parse("/z/").unwrap();
        let descriptor = fs::File::open(dir.path().join("z")).unwrap();
        let listing = list(&folder, &z, descriptor.as_fd(), false).unwrap();
        let shown: Vec<(&[u8], bool)> =
            listing.entries.iter().map(|entry| (&entry.name[..], entry.is_loop)).collect();
        let expected: [(&[u8], bool); 4] =
            [(b"around", true), (b"beside", false), (b"itself", true), (b"up", false)];
        assert_eq!(shown, expected, "a link may go up as long as it stays inside");
    }
}
