//! One folder as all siblings have it: how much of what each tells is believed, and how it is put
//! together.
//!
//! Whoever answers may be anybody. So a name is one name and leads nowhere, what is neither a file
//! nor a folder is not there, and the whole is no longer than a listing of one folder.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use percent_encoding::percent_decode_str;

use crate::http::target::SharePath;
use crate::limits::LISTING_MAX_ENTRIES;

/// The place in what is merged that stands for this hub itself.
pub const HERE: usize = 0;

/// No disk holds a longer file.
const LONGEST_FILE_BYTES: u64 = i64::MAX as u64;

/// An entry of a folder, as a sibling's listing tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its name, percent-encoded; a folder's with a slash behind it.
    pub href: &'a str,
    /// `file` or `folder`.
    pub kind: &'a str,
    /// A file's length in bytes.
    pub size: Option<u64>,
    /// When it was changed last, in seconds since the Unix epoch.
    pub modified_s: Option<i64>,
    /// Whether it leads back to where it lies.
    pub is_loop: bool,
}

/// A file or a folder that is believed to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, raw.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// When it was changed last, in seconds since the Unix epoch.
    pub modified_s: Option<i64>,
    /// Whether it leads back to where it lies.
    pub is_loop: bool,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file of so many bytes.
    File(u64),
}

/// An entry of the merged folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As it is here, or else at the first who has it.
    pub entry: Entry,
    /// Who has it, in order; [`HERE`] is this hub, and `n` the `n`th sibling.
    pub at: Vec<usize>,
    /// Whether two of them tell another length.
    pub differs: bool,
}

/// The merged folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Folders first, then by name.
    pub rows: Vec<Row>,
    /// Whether there is more than a listing holds.
    pub is_truncated: bool,
}

impl Told<'_> {
    /// The entry, if a folder can hold such a one and it may be shown; hidden names may not, unless
    /// they are shown here too.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    /// use sockeye_proto::siblings::merge::Told;
    ///
    /// let told = |href| Told { href, kind: "file", size: Some(3), modified_s: None, is_loop: false };
    /// let root = SharePath::root();
    /// assert_eq!(told("a%20b").believed(&root, false).unwrap().name, b"a b");
    /// assert_eq!(told("%2e%2e%2fpasswd").believed(&root, false), None);
    /// ```
    pub fn believed(&self, folder: &SharePath, shows_hidden: bool) -> Option<Entry> {
        let (href, kind) = match (self.kind, self.size) {
            ("folder", _) => (self.href.strip_suffix('/').unwrap_or(self.href), Kind::Folder),
            ("file", Some(size)) if size <= LONGEST_FILE_BYTES => (self.href, Kind::File(size)),
            _ => return None,
        };
        let name: Vec<u8> = percent_decode_str(href).collect();
        let is_shown = shows_hidden || !name.starts_with(b".");
        // Not one that could not be asked for either.
        let can_be = is_shown && folder.join(&name).is_ok();
        let is_loop = self.is_loop && kind == Kind::Folder;
        can_be.then_some(Entry { name, kind, modified_s: self.modified_s, is_loop })
    }
}

/// Puts together what this hub has of a folder, [`HERE`], and what its siblings tell, in their order.
/// What is here counts before all else of its name, and a file may share its name with a folder only
/// where neither is here.
///
/// ```
/// use sockeye_proto::siblings::merge::{Entry, Kind, merge};
///
/// let file = |name: &str| {
///     let kind = Kind::File(1);
///     Entry { name: name.into(), kind, modified_s: None, is_loop: false }
/// };
/// let merged = merge(vec![vec![file("b")], vec![file("a"), file("b")]]);
/// assert_eq!(merged.rows[0].at, [1]);
/// assert_eq!(merged.rows[1].at, [0, 1]);
/// ```
pub fn merge(places: Vec<Vec<Entry>>) -> Merged {
    let mut rows: BTreeMap<(bool, Vec<u8>), Row> = BTreeMap::new();
    let mut is_truncated = false;
    for (place, entries) in places.into_iter().enumerate() {
        for entry in entries {
            let is_file = entry.kind != Kind::Folder;
            if place != HERE && is_here_as_another(&rows, &entry, is_file) {
                continue;
            }
            let is_full = rows.len() >= LISTING_MAX_ENTRIES;
            match rows.entry((is_file, entry.name.clone())) {
                Slot::Occupied(mut slot) => slot.get_mut().is_also_at(place, &entry),
                Slot::Vacant(_) if is_full => is_truncated = true,
                Slot::Vacant(slot) => {
                    slot.insert(Row { entry, at: vec![place], differs: false });
                }
            }
        }
    }
    Merged { rows: rows.into_values().collect(), is_truncated }
}

/// Whether a file here stands in the way of a folder of that name, or a folder of a file.
fn is_here_as_another(rows: &BTreeMap<(bool, Vec<u8>), Row>, entry: &Entry, is_file: bool) -> bool {
    let another = (!is_file, entry.name.clone());
    rows.get(&another).is_some_and(|row| row.at.first() == Some(&HERE))
}

impl Row {
    fn is_also_at(&mut self, place: usize, entry: &Entry) {
        // What one tells twice counts once.
        if self.at.last() == Some(&place) {
            return;
        }
        self.at.push(place);
        self.differs |= self.entry.kind != entry.kind;
        self.entry.is_loop |= entry.is_loop;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(href: &'a str, kind: &'a str, size: Option<u64>) -> Told<'a> {
        Told { href, kind, size, modified_s: Some(7), is_loop: false }
    }

    fn file(name: &str, size: u64) -> Entry {
        Entry { name: name.into(), kind: Kind::File(size), modified_s: None, is_loop: false }
    }

    fn folder(name: &str) -> Entry {
        Entry { kind: Kind::Folder, ..file(name, 0) }
    }

    fn shown<'a>(merged: &'a Merged) -> Vec<(&'a str, Kind, &'a [usize])> {
        let name = |row: &'a Row| std::str::from_utf8(&row.entry.name).unwrap();
        merged.rows.iter().map(|row| (name(row), row.entry.kind, &row.at[..])).collect()
    }

    #[test]
    fn a_name_that_is_no_name_is_not_there() {
        let root = SharePath::root();
        let long = "a".repeat(256);
        for href in
            ["", ".", "..", "%2e%2e", "../x", "a/b", "a%2Fb", "/etc", "x%00", "a//", long.as_str()]
        {
            for kind in ["file", "folder"] {
                assert_eq!(told(href, kind, Some(1)).believed(&root, true), None, "{href}");
            }
        }
        assert_eq!(told("../", "folder", None).believed(&root, true), None);
        assert_eq!(told("a/", "file", Some(1)).believed(&root, true), None);
    }

    #[test]
    fn a_name_at_a_depth_where_none_can_be_is_not_there() {
        let deep = SharePath::parse(&format!("{}/", "/d".repeat(256))).unwrap();
        assert_eq!(told("x", "file", Some(1)).believed(&deep, false), None);
    }

    #[test]
    fn a_hidden_name_is_there_only_where_such_are_shown() {
        let root = SharePath::root();
        assert_eq!(told(".git/", "folder", None).believed(&root, false), None);
        assert_eq!(told("%2egit", "file", Some(1)).believed(&root, false), None);
        assert_eq!(told(".git/", "folder", None).believed(&root, true).unwrap().name, b".git");
    }

    #[test]
    fn only_files_with_a_length_that_can_be_and_folders_are_there() {
        let root = SharePath::root();
        let believed = |kind, size| told("x", kind, size).believed(&root, false);
        assert_eq!(believed("file", None), None);
        assert_eq!(believed("fifo", Some(0)), None);
        assert_eq!(believed("file", Some(u64::MAX)), None);
        assert_eq!(believed("file", Some(5)).unwrap().kind, Kind::File(5));
        assert_eq!(believed("folder", Some(5)).unwrap().kind, Kind::Folder);
        let looped = Told { is_loop: true, ..told("x", "file", Some(1)) };
        assert!(!looped.believed(&root, false).unwrap().is_loop, "a file leads nowhere");
    }

    #[test]
    fn each_entry_stands_once_with_all_who_have_it() {
        let merged = merge(vec![
            vec![folder("films"), file("b", 1)],
            vec![file("a", 2), file("b", 1), folder("films")],
            vec![],
            vec![file("a", 2), file("a", 2), folder("charts")],
        ]);
        let expected: Vec<(&str, Kind, &[usize])> = vec![
            ("charts", Kind::Folder, &[3]),
            ("films", Kind::Folder, &[0, 1]),
            ("a", Kind::File(2), &[1, 3]),
            ("b", Kind::File(1), &[0, 1]),
        ];
        assert_eq!(shown(&merged), expected);
        assert!(merged.rows.iter().all(|row| !row.differs) && !merged.is_truncated);
    }

    #[test]
    fn what_is_here_counts_before_another_of_its_name_and_the_difference_is_told() {
        let merged = merge(vec![vec![file("a", 1)], vec![file("a", 9)], vec![folder("a")]]);
        assert_eq!(shown(&merged), [("a", Kind::File(1), &[0, 1][..])]);
        assert!(merged.rows[0].differs);
    }

    #[test]
    fn a_file_and_a_folder_of_one_name_stand_side_by_side_where_neither_is_here() {
        let merged = merge(vec![vec![], vec![file("a", 1)], vec![folder("a")]]);
        let expected: Vec<(&str, Kind, &[usize])> =
            vec![("a", Kind::Folder, &[2]), ("a", Kind::File(1), &[1])];
        assert_eq!(shown(&merged), expected);
    }

    #[test]
    fn the_whole_is_no_longer_than_one_listing() {
        let many = |from: usize, to: usize| (from..to).map(|n| file(&n.to_string(), 1)).collect();
        let half = LISTING_MAX_ENTRIES / 2;
        let merged = merge(vec![many(0, half), many(half, LISTING_MAX_ENTRIES + 1)]);
        assert_eq!(merged.rows.len(), LISTING_MAX_ENTRIES);
        assert!(merged.is_truncated);
        // Who else has what is there already is still told.
        let merged = merge(vec![many(0, LISTING_MAX_ENTRIES), many(0, 1)]);
        assert!(!merged.is_truncated);
        assert!(merged.rows.iter().any(|row| row.at == [0, 1]));
    }
}
