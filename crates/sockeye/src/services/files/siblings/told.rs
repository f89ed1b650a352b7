//! A sibling's listing of a folder, from the bytes that came to the entries that are believed.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::{LISTING_MAX_ENTRIES, SIBLING_LISTINGS_MAX_BYTES};
use sockeye_proto::siblings::merge::{Entry, Told};

/// Bytes of listings that are being read.
static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes of a listing, counted as long as they or what was read of them is kept.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    count: usize,
}

impl Held {
    /// One more piece; false if all listings together would hold too much.
    pub(super) fn take(&mut self, piece: &[u8]) -> bool {
        let taken = HELD_BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            Some(held + piece.len()).filter(|held| *held <= SIBLING_LISTINGS_MAX_BYTES)
        });
        if taken.is_err() {
            return false;
        }
        self.count += piece.len();
        self.bytes.extend_from_slice(piece);
        true
    }

    /// Bytes that came.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// What of it is believed; `None` if it is no listing.
    pub(super) fn read(mut self, folder: &SharePath, shows_hidden: bool) -> Option<Shown> {
        let bytes = std::mem::take(&mut self.bytes);
        let (entries, is_truncated) = believed(&bytes, folder, shows_hidden)?;
        Some(Shown { entries, is_truncated, _held: self })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD_BYTES.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// The entries that are believed of a sibling's listing.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) entries: Vec<Entry>,
    /// Whether it has more.
    pub(super) is_truncated: bool,
    /// Empty, and yet counted: the entries hold about as much.
    _held: Held,
}

/// What of a listing is believed, and whether there is more; `None` if it is none.
fn believed(json: &[u8], folder: &SharePath, shows_hidden: bool) -> Option<(Vec<Entry>, bool)> {
    let page: Page<'_> = serde_json::from_slice(json).ok()?;
    let Entries { told, are_more } = page.entries;
    let entries = told.iter().filter_map(|told| {
        let told = Told {
            href: &told.href,
            kind: &told.kind,
            size: told.size,
            modified_s: told.modified.map(jiff::Timestamp::as_second),
            is_loop: told.is_loop,
        };
        told.believed(folder, shows_hidden)
    });
    Some((entries.collect(), page.truncated || are_more))
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    entries: Entries<'a>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct ToldEntry<'a> {
    #[serde(borrow)]
    href: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    size: Option<u64>,
    modified: Option<jiff::Timestamp>,
    #[serde(default, rename = "loop")]
    is_loop: bool,
}

/// As many entries as a listing shows. Without the bound, a few bytes each would become many.
struct Entries<'a> {
    told: Vec<ToldEntry<'a>>,
    are_more: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the entries of a folder")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut told = Vec::new();
        while told.len() < LISTING_MAX_ENTRIES {
            match seq.next_element()? {
                Some(entry) => told.push(entry),
                None => return Ok(Entries { told, are_more: false }),
            }
        }
        let mut are_more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            are_more = true;
        }
        Ok(Entries { told, are_more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<(Vec<Entry>, bool)> {
        believed(json.as_bytes(), &SharePath::root(), false)
    }

    #[test]
    fn a_listing_is_read_as_far_as_it_is_believed() {
        let (entries, is_truncated) = read(
            r#"{"path": "/", "entries": [
                {"name": "x", "href": "a%20b", "kind": "file", "size": 3, "modified": "2026-11-21T00:00:00Z"},
                {"name": "f", "href": "f/", "kind": "folder", "modified": null, "loop": true},
                {"name": "..", "href": "../", "kind": "folder", "modified": null},
                {"name": "\u0041", "href": "\u0041", "kind": "file", "size": 1, "modified": null}
            ], "truncated": true}"#,
        )
        .unwrap();
        let names: Vec<&[u8]> = entries.iter().map(|entry| &entry.name[..]).collect();
        assert_eq!(names, [&b"a b"[..], b"f", b"A"]);
        assert_eq!(entries[0].modified_s, Some(1_795_219_200));
        assert!(entries[1].is_loop && is_truncated);
    }

    #[test]
    fn what_is_no_listing_is_none() {
        for no_listing in ["", "[]", "{}", "{\"entries\": 5}", "{\"entries\": [{}]}", "<html>"] {
            assert!(read(no_listing).is_none(), "{no_listing}");
        }
    }

    #[test]
    fn of_an_endless_listing_as_much_is_read_as_a_listing_shows() {
        let one = r#"{"href":"a","kind":"file","size":1,"modified":null}"#;
        let many = vec![one; LISTING_MAX_ENTRIES + 2].join(",");
        let (entries, are_more) = read(&format!("{{\"entries\":[{many}]}}")).unwrap();
        assert_eq!((entries.len(), are_more), (LISTING_MAX_ENTRIES, true));
    }

    #[test]
    fn listings_that_are_being_read_are_bounded_in_bytes() {
        let piece = vec![0; SIBLING_LISTINGS_MAX_BYTES / 2 + 1];
        let mut first = Held::default();
        assert!(first.take(&piece));
        assert!(!Held::default().take(&piece));
        drop(first);
        assert!(Held::default().take(&piece));
    }
}
