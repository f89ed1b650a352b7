//! ZIP as it is written front to back, without ever going back: PKWARE's APPNOTE.TXT 6.3.10, whose
//! sections are cited.
//!
//! Contents are stored as they are. Where they are known before their head is written, it tells
//! their CRC-32 and length; where they are not, these follow in a data descriptor (4.3.9). Sizes,
//! offsets and counts that do not fit go into the fields of ZIP64, and whether they do is known
//! beforehand: a file is sent as long as it was when it was looked at, and no longer.
//!
//! Names are UTF-8 (appendix D). A file's name that is none is written with its bytes as `%FF`,
//! because readers of other alphabets would each show another name; see [`written_name`].

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Entry, Kind};

/// The system by whose rules attributes are written, Unix, and the version of the APPNOTE (4.4.2).
const MADE_BY: u16 = (3 << 8) | 63;
/// What a reader must be able to do (4.4.3): folders; and ZIP64.
const NEEDS_FOLDERS: u16 = 20;
const NEEDS_ZIP64: u16 = 45;
/// General purpose flags (4.4.4): a data descriptor follows; names are UTF-8.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;
/// Compression methods (4.4.5).
const STORED: u16 = 0;
/// Signatures (4.3.7, 4.3.9.3, 4.3.12, 4.3.14, 4.3.15, 4.3.16).
const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const ZIP64_END: u32 = 0x0606_4b50;
const ZIP64_LOCATOR: u32 = 0x0706_4b50;
const END: u32 = 0x0605_4b50;
/// Extra fields (4.5.2, 4.6.1): ZIP64, and the extended timestamp of Info-ZIP.
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_TIMESTAMP: u16 = 0x5455;
/// In a field of 32 or 16 bits: the value stands in the ZIP64 field (4.4.1.4).
const ELSEWHERE_32: u32 = u32::MAX;
const ELSEWHERE_16: u16 = u16::MAX;
/// File types in the upper half of the attributes (Unix), and the bit for folders in the lower.
const UNIX_FILE: u32 = 0o100_000;
const UNIX_FOLDER: u32 = 0o040_000;
const DOS_FOLDER: u32 = 0x10;

/// What is known of contents when they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Their CRC-32 (4.4.7).
    pub crc32: u32,
    /// Their length in bytes.
    pub length: u64,
}

/// An entry whose head was written; it makes what comes later.
#[derive(Clone, Debug)]
pub struct Begun {
    name: Vec<u8>,
    kind: Kind,
    dos_time: u32,
    modified_s: Option<i32>,
    flags: u16,
    /// Whether its head says so; then its descriptor has the longer fields (4.3.9.2).
    is_zip64: bool,
    offset: u64,
}

/// Where the central directory stands, and how much is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Entries.
    pub entries: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Where it begins, in bytes from the archive's first.
    pub offset: u64,
}

/// A single name as it stands in an archive: itself if it is UTF-8; else its bytes that are none as
/// `%FF`, and a percent sign as `%25`, so that two such names stay two. In a folder where another
/// file has the name that comes out (`is_taken`), percent signs behind it make it unique, which are
/// at the end of no name of this kind.
///
/// ```
/// use sockeye_proto::archive::zip::written_name;
///
/// assert_eq!(&*written_name("naïve.txt".as_bytes(), |_| false), "naïve.txt".as_bytes());
/// assert_eq!(&*written_name(b"na\xefve 5%", |_| false), b"na%EFve 5%25");
/// assert_eq!(&*written_name(b"\xff", |name| name == b"%FF"), b"%FF%");
/// ```
pub fn written_name(name: &[u8], is_taken: impl Fn(&[u8]) -> bool) -> Cow<'_, [u8]> {
    if std::str::from_utf8(name).is_ok() {
        return Cow::Borrowed(name);
    }
    let mut written = String::new();
    for chunk in name.utf8_chunks() {
        written.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            let _ = write!(written, "%{byte:02X}");
        }
    }
    while is_taken(written.as_bytes()) {
        written.push('%');
    }
    Cow::Owned(written.into_bytes())
}

impl Begun {
    /// Writes the head of an entry whose contents are known: a short file, or a folder, which has
    /// none. `local_offset_s` is how far the clock on the wall is from UTC at the entry's time.
    pub fn whole(
        entry: &Entry<'_>,
        crc32: u32,
        (offset, local_offset_s): (u64, i32),
        out: &mut Vec<u8>,
    ) -> Self {
        let begun = Self::new(entry, 0, offset, local_offset_s);
        begun.head(Contents { crc32, length: entry.length }, out);
        begun
    }

    /// Writes the head of an entry whose contents follow, and after them a
    /// [`descriptor`](Self::descriptor). They have exactly the entry's length.
    pub fn streamed(
        entry: &Entry<'_>,
        (offset, local_offset_s): (u64, i32),
        out: &mut Vec<u8>,
    ) -> Self {
        let begun = Self::new(entry, FLAG_DESCRIPTOR, offset, local_offset_s);
        // All three fields are zero then (4.4.4); with ZIP64 the lengths say so, and stand as zero
        // in the extra field.
        begun.head(Contents { crc32: 0, length: 0 }, out);
        begun
    }

    fn new(entry: &Entry<'_>, flags: u16, offset: u64, local_offset_s: i32) -> Self {
        let modified_s = entry.modified_s();
        Self {
            name: entry.name.to_vec(),
            kind: entry.kind,
            dos_time: dos_time(modified_s.saturating_add(i64::from(local_offset_s))),
            modified_s: i32::try_from(modified_s).ok(),
            flags: flags | FLAG_UTF8,
            is_zip64: entry.length >= u64::from(ELSEWHERE_32),
            offset,
        }
    }

    /// The local file header (4.3.7).
    fn head(&self, contents: Contents, out: &mut Vec<u8>) {
        let length = if self.is_zip64 { ELSEWHERE_32 } else { contents.length as u32 };
        put_32(out, LOCAL);
        put_16(out, if self.is_zip64 { NEEDS_ZIP64 } else { NEEDS_FOLDERS });
        put_16(out, self.flags);
        put_16(out, STORED);
        put_32(out, self.dos_time);
        put_32(out, contents.crc32);
        put_32(out, length);
        put_32(out, length);
        let mut extra = Vec::new();
        if self.is_zip64 {
            // Here both lengths must stand (4.5.3).
            put_zip64(&mut extra, &[contents.length, contents.length]);
        }
        self.put_timestamp(&mut extra);
        put_16(out, self.name.len() as u16);
        put_16(out, extra.len() as u16);
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
    }

    /// The data descriptor behind contents that were streamed (4.3.9).
    pub fn descriptor(&self, contents: Contents, out: &mut Vec<u8>) {
        put_32(out, DESCRIPTOR);
        put_32(out, contents.crc32);
        if self.is_zip64 {
            put_64(out, contents.length);
            put_64(out, contents.length);
        } else {
            put_32(out, contents.length as u32);
            put_32(out, contents.length as u32);
        }
    }

    /// Its record in the central directory (4.3.12).
    pub fn record(&self, contents: Contents, out: &mut Vec<u8>) {
        let fits = |value: u64| u32::try_from(value).ok().filter(|value| *value != ELSEWHERE_32);
        let (length, offset) = (fits(contents.length), fits(self.offset));
        let mut elsewhere = Vec::new();
        if length.is_none() {
            elsewhere.extend([contents.length, contents.length]);
        }
        if offset.is_none() {
            elsewhere.push(self.offset);
        }
        let needs_zip64 = self.is_zip64 || !elsewhere.is_empty();
        put_32(out, CENTRAL);
        put_16(out, MADE_BY);
        put_16(out, if needs_zip64 { NEEDS_ZIP64 } else { NEEDS_FOLDERS });
        put_16(out, self.flags);
        put_16(out, STORED);
        put_32(out, self.dos_time);
        put_32(out, contents.crc32);
        put_32(out, length.unwrap_or(ELSEWHERE_32));
        put_32(out, length.unwrap_or(ELSEWHERE_32));
        let mut extra = Vec::new();
        if !elsewhere.is_empty() {
            put_zip64(&mut extra, &elsewhere);
        }
        self.put_timestamp(&mut extra);
        put_16(out, self.name.len() as u16);
        put_16(out, extra.len() as u16);
        // No comment, first disk, binary contents.
        put_16(out, 0);
        put_16(out, 0);
        put_16(out, 0);
        let attributes = match self.kind {
            Kind::Folder => ((UNIX_FOLDER | self.kind.mode()) << 16) | DOS_FOLDER,
            Kind::File { .. } => (UNIX_FILE | self.kind.mode()) << 16,
        };
        put_32(out, attributes);
        put_32(out, offset.unwrap_or(ELSEWHERE_32));
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
    }

    /// The time in UTC, which the field of 4.4.6 does not tell; left out where 32 bits do not hold
    /// it.
    fn put_timestamp(&self, extra: &mut Vec<u8>) {
        let Some(modified_s) = self.modified_s else { return };
        put_16(extra, EXTRA_TIMESTAMP);
        put_16(extra, 5);
        // Only the time of the last change follows.
        extra.push(1);
        extra.extend_from_slice(&modified_s.to_le_bytes());
    }
}

impl Directory {
    /// The end of the archive (4.3.16), after that of ZIP64 (4.3.14, 4.3.15) where it is needed.
    pub fn end(&self, out: &mut Vec<u8>) {
        let fits = |value: u64| u32::try_from(value).ok().filter(|value| *value != ELSEWHERE_32);
        let entries = u16::try_from(self.entries).ok().filter(|count| *count != ELSEWHERE_16);
        let (length, offset) = (fits(self.length), fits(self.offset));
        if entries.is_none() || length.is_none() || offset.is_none() {
            let at = self.offset + self.length;
            put_32(out, ZIP64_END);
            // What follows in this record.
            put_64(out, 44);
            put_16(out, MADE_BY);
            put_16(out, NEEDS_ZIP64);
            // This disk, and that of the directory.
            put_32(out, 0);
            put_32(out, 0);
            put_64(out, self.entries);
            put_64(out, self.entries);
            put_64(out, self.length);
            put_64(out, self.offset);
            put_32(out, ZIP64_LOCATOR);
            put_32(out, 0);
            put_64(out, at);
            put_32(out, 1);
        }
        put_32(out, END);
        put_16(out, 0);
        put_16(out, 0);
        put_16(out, entries.unwrap_or(ELSEWHERE_16));
        put_16(out, entries.unwrap_or(ELSEWHERE_16));
        put_32(out, length.unwrap_or(ELSEWHERE_32));
        put_32(out, offset.unwrap_or(ELSEWHERE_32));
        put_16(out, 0);
    }
}

/// Time and date as MS-DOS had them (4.4.6), in two's of seconds from 1980 to 2107; a time before
/// or after is the nearest there is.
fn dos_time(local_s: i64) -> u32 {
    const DAY_S: i64 = 86_400;
    let (year, month, day) = date(local_s.div_euclid(DAY_S));
    let second = local_s.rem_euclid(DAY_S) as u32;
    match year {
        ..1980 => (1 << 21) | (1 << 16),
        1980..=2107 => {
            let years = (year - 1980) as u32;
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            let time = (hour << 11) | (minute << 5) | (second % 60 / 2);
            (years << 25) | (month << 21) | (day << 16) | time
        }
        2108.. => u32::from_le_bytes([0x7d, 0xbf, 0x9f, 0xff]),
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the calendar that is in use. Years begin
/// in March while it counts, so that the day that some years lack is the last.
fn date(day: i64) -> (i64, u32, u32) {
    const ERA_DAYS: i64 = 146_097;
    // From 0000-03-01 on; what no file system holds is brought near first.
    let day = day.clamp(-1_000_000_000, 1_000_000_000) + 719_468;
    let (era, of_era) = (day.div_euclid(ERA_DAYS), day.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * from_march + 2) / 5 + 1) as u32;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 } as u32;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn put_zip64(extra: &mut Vec<u8>, values: &[u64]) {
    put_16(extra, EXTRA_ZIP64);
    put_16(extra, (values.len() * 8) as u16);
    for value in values {
        put_64(extra, *value);
    }
}

fn put_16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(name: &[u8], length: u64) -> Entry<'_> {
        let kind = Kind::File { is_executable: false };
        Entry { name, kind, length, modified_ns: 1_000_000_000_000_000_000 }
    }

    fn at_16(bytes: &[u8], at: usize) -> u16 {
        u16::from_le_bytes([bytes[at], bytes[at + 1]])
    }

    fn at_32(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn at_64(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn a_short_files_head_tells_all_and_needs_no_descriptor() {
        let mut head = Vec::new();
        Begun::whole(&entry(b"a", 5), 0xdead_beef, (0, 0), &mut head);
        assert_eq!((at_32(&head, 0), at_16(&head, 4)), (LOCAL, 20));
        assert_eq!(at_16(&head, 6), FLAG_UTF8);
        assert_eq!((at_32(&head, 14), at_32(&head, 18), at_32(&head, 22)), (0xdead_beef, 5, 5));
        assert_eq!((at_16(&head, 26), at_16(&head, 28)), (1, 9));
        assert_eq!(&head[30..], b"aUT\x05\0\x01\x00\xca\x9a\x3b");
    }

    #[test]
    fn lengths_go_to_zip64_from_the_value_on_that_says_so() {
        for (length, is_zip64) in [(0xffff_fffe, false), (0xffff_ffff, true), (1 << 40, true)] {
            let (mut head, mut after, mut record) = (Vec::new(), Vec::new(), Vec::new());
            let begun = Begun::streamed(&entry(b"a", length), (7, 0), &mut head);
            let contents = Contents { crc32: 1, length };
            begun.descriptor(contents, &mut after);
            begun.record(contents, &mut record);
            assert_eq!(at_16(&head, 4), if is_zip64 { 45 } else { 20 }, "{length}");
            assert_eq!(at_32(&head, 18), if is_zip64 { u32::MAX } else { 0 });
            assert_eq!(after.len(), if is_zip64 { 24 } else { 16 });
            assert_eq!(at_32(&record, 20), if is_zip64 { u32::MAX } else { length as u32 });
            assert_eq!(at_32(&record, 42), 7, "only what does not fit is elsewhere");
            if is_zip64 {
                assert_eq!((at_16(&record, 47), at_16(&record, 49)), (EXTRA_ZIP64, 16));
                assert_eq!((at_64(&after, 8), at_64(&record, 51)), (length, length));
                assert_eq!(at_64(&record, 59), length);
            }
        }
    }

    #[test]
    fn an_offset_behind_4_gib_alone_goes_to_zip64() {
        let (mut head, mut record) = (Vec::new(), Vec::new());
        let begun = Begun::whole(&entry(b"a", 3), 1, (5 << 30, 0), &mut head);
        begun.record(Contents { crc32: 1, length: 3 }, &mut record);
        assert_eq!((at_32(&record, 20), at_32(&record, 42)), (3, u32::MAX));
        assert_eq!((at_16(&record, 49), at_64(&record, 51)), (8, 5 << 30));
    }

    #[test]
    fn the_end_has_zip64s_where_a_number_does_not_fit() {
        for (entries, length, offset, is_zip64) in [
            (65_534, 10, 10, false),
            (65_535, 10, 10, true),
            (1, u64::from(u32::MAX), 10, true),
            (1, 10, u64::from(u32::MAX), true),
        ] {
            let mut end = Vec::new();
            Directory { entries, length, offset }.end(&mut end);
            assert_eq!(end.len(), if is_zip64 { 56 + 20 + 22 } else { 22 });
            if is_zip64 {
                assert_eq!((at_64(&end, 24), at_64(&end, 40)), (entries, length));
                assert_eq!(at_64(&end, 56 + 8), offset + length, "where the record is");
            }
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (day, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_778, (2026, 11, 21)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(day), expected, "{day}");
        }
    }

    #[test]
    fn times_are_kept_to_the_second_and_to_two_where_dos_counts() {
        // 2026-11-21 08:26:59.
        let local_s = 20_778 * 86_400 + 8 * 3_600 + 26 * 60 + 59;
        let dos = dos_time(local_s);
        assert_eq!((dos >> 25, (dos >> 21) & 15, (dos >> 16) & 31), (46, 11, 21));
        assert_eq!(((dos >> 11) & 31, (dos >> 5) & 63, dos & 31), (8, 26, 29));
        assert_eq!(dos_time(-1), (1 << 21) | (1 << 16), "1980-01-01");
        let last = dos_time(i64::MAX);
        assert_eq!((last >> 25, (last >> 21) & 15, (last >> 16) & 31), (127, 12, 31));
        assert_eq!(((last >> 11) & 31, (last >> 5) & 63, last & 31), (23, 59, 29));
    }

    #[test]
    fn a_time_that_32_bits_do_not_hold_is_not_wrapped_round() {
        for modified_ns in [-(1_i128 << 62), 1 << 62, i128::MAX, i128::MIN] {
            let mut head = Vec::new();
            Begun::whole(&Entry { modified_ns, ..entry(b"a", 0) }, 0, (0, 3_600), &mut head);
            assert_eq!(at_16(&head, 28), 0, "no extended timestamp");
        }
    }

    #[test]
    fn a_folder_is_one_to_unix_and_to_dos() {
        let (mut head, mut record) = (Vec::new(), Vec::new());
        let folder = Entry { kind: Kind::Folder, ..entry(b"a/", 0) };
        let begun = Begun::whole(&folder, 0, (0, 0), &mut head);
        begun.record(Contents { crc32: 0, length: 0 }, &mut record);
        assert_eq!(at_32(&record, 38), 0o040_755 << 16 | 0x10);
    }

    proptest! {
        #[test]
        fn two_names_never_become_one(names in prop::collection::btree_set(
            prop::collection::vec(prop::sample::select(&b"%F25\xff\xc3\xa9"[..]), 1..6), 1..40)
        ) {
            let written: std::collections::BTreeSet<Vec<u8>> = names
                .iter()
                .map(|name| written_name(name, |other| names.contains(other)).into_owned())
                .collect();
            prop_assert_eq!(written.len(), names.len());
            prop_assert!(written.iter().all(|name| std::str::from_utf8(name).is_ok()));
        }
    }
}
