//! The names in a folder, in order and in as little memory as that takes: a folder may hold a
//! million.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::Dir;

/// Names in raw bytes, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Each behind a byte with its length, which is at most 255.
    text: Vec<u8>,
    /// Where they begin in the text, in the order of the names.
    begins: Vec<u32>,
}

impl Names {
    /// Reads all names of a folder; hidden ones only if `hidden`. More than so many bytes of memory
    /// is an error. Blocks on the disk.
    pub(super) fn read(folder: BorrowedFd<'_>, hidden: bool, max_bytes: usize) -> io::Result<Self> {
        let mut names = Self::default();
        for found in Dir::read_from(folder)? {
            let found = found?;
            let name = found.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (!hidden && name.starts_with(b".")) {
                continue;
            }
            if !names.push(name) || names.bytes() > max_bytes {
                let why = "it holds more names than an archive can be made of";
                return Err(io::Error::other(why));
            }
        }
        names.sort();
        Ok(names)
    }

    /// These names.
    pub(super) fn of(chosen: &BTreeSet<Vec<u8>>) -> Self {
        let mut names = Self::default();
        for name in chosen {
            names.push(name);
        }
        names
    }

    /// Memory that they take.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.begins.capacity() * size_of::<u32>()
    }

    /// The name at this place in their order.
    pub(super) fn get(&self, number: usize) -> Option<&[u8]> {
        self.begins.get(number).map(|begin| self.at(*begin))
    }

    /// Whether a name is among them.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.begins.binary_search_by(|begin| self.at(*begin).cmp(name)).is_ok()
    }

    fn at(&self, begin: u32) -> &[u8] {
        let begin = begin as usize;
        let length = usize::from(self.text[begin]);
        &self.text[begin + 1..begin + 1 + length]
    }

    /// Whether there was room for it.
    fn push(&mut self, name: &[u8]) -> bool {
        let (Ok(begin), Ok(length)) = (u32::try_from(self.text.len()), u8::try_from(name.len()))
        else {
            return false;
        };
        self.text.push(length);
        self.text.extend_from_slice(name);
        self.begins.push(begin);
        true
    }

    /// A folder that changes while it is read may give a name twice (readdir(3)).
    fn sort(&mut self) {
        let mut begins = std::mem::take(&mut self.begins);
        begins.sort_unstable_by(|a, b| self.at(*a).cmp(self.at(*b)));
        begins.dedup_by(|a, b| self.at(*a) == self.at(*b));
        self.begins = begins;
        self.text.shrink_to_fit();
        self.begins.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    fn read(dir: &std::path::Path, hidden: bool, max_bytes: usize) -> io::Result<Names> {
        Names::read(std::fs::File::open(dir).unwrap().as_fd(), hidden, max_bytes)
    }

    fn all(names: &Names) -> Vec<&[u8]> {
        (0..).map_while(|number| names.get(number)).collect()
    }

    #[test]
    fn names_come_in_order_and_hidden_ones_where_they_are_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let longest = "x".repeat(255);
        for name in ["b", "a", ".h", "\u{e9}", &longest] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = read(dir.path(), false, 1 << 20).unwrap();
        assert_eq!(all(&names), [b"a", b"b", longest.as_bytes(), "\u{e9}".as_bytes()]);
        assert!(names.contains(b"b") && !names.contains(b".h"));
        assert!(read(dir.path(), true, 1 << 20).unwrap().contains(b".h"));
        assert!(read(dir.path(), true, 100).is_err(), "never cut in silence");
    }

    #[test]
    fn a_name_that_came_twice_counts_once() {
        let mut names = Names::default();
        for name in [b"b", b"a", b"b"] {
            assert!(names.push(name));
        }
        names.sort();
        assert_eq!(all(&names), [b"a", b"b"]);
        assert!(!names.push(&[0; 256]));
    }
}
