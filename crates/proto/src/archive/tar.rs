//! tar as POSIX has it: the ustar interchange format with pax extended headers (POSIX.1-2024, pax,
//! "ustar Interchange Format" and "pax Extended Header").
//!
//! A pax header stands before an entry that needs one: a name that is long or not ASCII, a size of
//! 8 GiB or more, a time with a fraction or before 1970. A name that is no UTF-8 is written as its
//! bytes, in a pax header under `hdrcharset=BINARY`.

use std::io::Write as _;

use super::{Entry, Kind};

/// Everything in a tar is a multiple of this long.
pub const BLOCK_BYTES: u64 = 512;
/// The end of an archive: two blocks of zeros.
pub const END: [u8; 2 * BLOCK_BYTES as usize] = [0; 2 * BLOCK_BYTES as usize];

/// The largest numbers of 11 octal digits.
const OCTAL_11_MAX: u64 = 0o777_7777_7777;
const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;
/// What an extended header itself is called; readers that know none unpack a file of this name.
const PAX_NAME: &[u8] = b"PaxHeaders/entry";

/// Writes the head of an entry, with a pax header before it where it needs one.
pub fn head(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let is_ascii = entry.name.is_ascii();
    let (fraction_ns, modified_s) =
        (entry.modified_ns.rem_euclid(1_000_000_000), entry.modified_ns.div_euclid(1_000_000_000));
    let whole_s = u64::try_from(modified_s).ok().filter(|s| *s <= OCTAL_11_MAX);
    let is_utf8 = std::str::from_utf8(entry.name).is_ok();
    let split = split(entry.name);
    let mut records = Vec::new();
    if split.is_none() || (!is_ascii && is_utf8) {
        if !is_utf8 {
            record("hdrcharset", b"BINARY", &mut records);
        }
        record("path", entry.name, &mut records);
    }
    if entry.length > OCTAL_11_MAX {
        record("size", entry.length.to_string().as_bytes(), &mut records);
    }
    if whole_s.is_none() || fraction_ns != 0 {
        record("mtime", seconds(entry.modified_ns).as_bytes(), &mut records);
    }
    if !records.is_empty() {
        let kind = Kind::File { is_executable: false };
        let header = Header { split: (b"", PAX_NAME), kind, letter: b'x' };
        header.write((records.len() as u64, 0), out);
        let padding = padding(records.len() as u64);
        out.extend_from_slice(&records);
        out.extend_from_slice(padding);
    }
    // Where the name stands in the pax header, here is as much of it as fits.
    let short = || (&b""[..], &entry.name[entry.name.len() - NAME_BYTES..]);
    let letter = if entry.kind == Kind::Folder { b'5' } else { b'0' };
    let header = Header { split: split.unwrap_or_else(short), kind: entry.kind, letter };
    let length = if entry.length > OCTAL_11_MAX { 0 } else { entry.length };
    header.write((length, whole_s.unwrap_or(0)), out);
}

/// What stands behind contents of this length, up to the next block.
pub fn padding(length: u64) -> &'static [u8] {
    let over = (length % BLOCK_BYTES) as usize;
    if over == 0 { &[] } else { &END[..BLOCK_BYTES as usize - over] }
}

struct Header<'a> {
    /// The name before and behind a slash that is not written.
    split: (&'a [u8], &'a [u8]),
    kind: Kind,
    letter: u8,
}

impl Header<'_> {
    fn write(&self, (length, modified_s): (u64, u64), out: &mut Vec<u8>) {
        let begin = out.len();
        let (prefix, name) = self.split;
        out.extend_from_slice(name);
        out.resize(begin + NAME_BYTES, 0);
        // Owners are of no use elsewhere.
        let _ = write!(out, "{:07o}\0{:07o}\0{:07o}\0", self.kind.mode(), 0, 0);
        let _ = write!(out, "{length:011o}\0{modified_s:011o}\0");
        // The checksum is made as if spaces stood in its place.
        let checksum_at = out.len();
        out.extend_from_slice(&[b' '; 8]);
        out.push(self.letter);
        out.resize(begin + 257, 0);
        out.extend_from_slice(b"ustar\x0000");
        out.resize(begin + 329, 0);
        let _ = write!(out, "{:07o}\0{:07o}\0", 0, 0);
        out.extend_from_slice(prefix);
        out.resize(begin + BLOCK_BYTES as usize, 0);
        let sum: u32 = out[begin..].iter().map(|byte| u32::from(*byte)).sum();
        let checksum = format!("{sum:06o}\0 ");
        out[checksum_at..checksum_at + 8].copy_from_slice(checksum.as_bytes());
    }
}

/// A name as ustar's two fields have it, parted at a slash; `None` if it fits into neither.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_BYTES {
        return Some((b"", name));
    }
    // A folder's last slash stays with its name.
    let least = name.len() - NAME_BYTES - 1;
    let parting = name[..name.len() - 1].iter().enumerate().skip(least);
    let (at, _) = parting.take(PREFIX_BYTES).find(|(at, byte)| **byte == b'/' && *at > 0)?;
    (at <= PREFIX_BYTES).then(|| (&name[..at], &name[at + 1..]))
}

/// A record of an extended header: its own length in decimal, which counts itself, a keyword and a
/// value.
fn record(keyword: &str, value: &[u8], out: &mut Vec<u8>) {
    let rest = keyword.len() + value.len() + " =\n".len();
    let digits = |n: usize| n.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut length = rest + digits(rest);
    if rest + digits(length) != length {
        length += 1;
    }
    let _ = write!(out, "{length} {keyword}=");
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Seconds in decimal with their fraction.
fn seconds(ns: i128) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let (whole, fraction) = (ns.unsigned_abs() / 1_000_000_000, ns.unsigned_abs() % 1_000_000_000);
    let fraction = format!("{fraction:09}");
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(name: &[u8], length: u64, modified_ns: i128) -> Entry<'_> {
        Entry { name, kind: Kind::File { is_executable: false }, length, modified_ns }
    }

    fn written(entry: &Entry<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        head(entry, &mut out);
        assert_eq!(out.len() % BLOCK_BYTES as usize, 0);
        out
    }

    /// The records of the pax header, if there is one.
    fn records(out: &[u8]) -> String {
        assert_eq!(&out[257..265], b"ustar\x0000");
        match out[156] {
            b'x' => String::from_utf8_lossy(&out[512..out.len() - 512]).replace('\0', ""),
            _ => String::new(),
        }
    }

    #[test]
    fn a_plain_file_is_one_block() {
        let out = written(&entry(b"a/b.txt", 5, 1_000_000_000_000_000_000));
        assert_eq!(out.len(), 512);
        assert_eq!(&out[..8], b"a/b.txt\0");
        assert_eq!(&out[100..108], b"0000644\0");
        assert_eq!(&out[124..148], b"00000000005\x0007346545000\0");
        let mut unsummed = out.clone();
        unsummed[148..156].fill(b' ');
        let sum: u32 = unsummed.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(out[148..156], *format!("{sum:06o}\0 ").as_bytes());
    }

    #[test]
    fn what_ustar_cannot_say_stands_in_a_pax_header() {
        let second = 1_000_000_000;
        let long = [b'x'; 101];
        for (name, length, modified_ns, expected) in [
            ("é".as_bytes(), 0, 0, "11 path=é\n"),
            (b"a", 8 << 30, 0, "19 size=8589934592\n"),
            (b"a", 0, -second / 2, "14 mtime=-0.5\n"),
            (b"a", 0, -3 * second, "12 mtime=-3\n"),
            (b"a", 0, second + 1, "21 mtime=1.000000001\n"),
            (b"a", 0, second << 40, "23 mtime=1099511627776\n"),
            (&long, 0, 0, &format!("111 path={}\n", "x".repeat(101))),
        ] {
            assert_eq!(records(&written(&entry(name, length, modified_ns))), expected);
        }
        assert_eq!(records(&written(&entry(b"a", OCTAL_11_MAX, second))), "");
        assert_eq!(records(&written(&entry(b"\xff", 0, 0))), "", "its bytes fit as they are");
        let binary = [0xff; 101];
        let said = written(&entry(&binary, 0, 0));
        assert!(records(&said).starts_with("21 hdrcharset=BINARY\n111 path="));
    }

    #[test]
    fn a_long_name_is_parted_at_a_slash_where_it_fits() {
        let (folder, file) = ("f".repeat(120), "n".repeat(100));
        let name = format!("{folder}/{file}");
        assert_eq!(split(name.as_bytes()), Some((folder.as_bytes(), file.as_bytes())));
        let name = format!("{}/{file}", "f".repeat(156));
        assert_eq!(split(name.as_bytes()), None);
        let folder = format!("{}/", "f".repeat(100));
        assert_eq!(split(folder.as_bytes()), None, "a folder's own slash parts nothing");
        assert_eq!(split(format!("a/{folder}").as_bytes()), None, "101 with its slash");
    }

    proptest! {
        #[test]
        fn a_parted_name_is_whole_again(names in prop::collection::vec("[a-z]{1,60}", 1..8)) {
            let name = names.join("/");
            match split(name.as_bytes()) {
                Some((b"", last)) => prop_assert_eq!(last, name.as_bytes()),
                Some((first, last)) => {
                    prop_assert!(first.len() <= PREFIX_BYTES && last.len() <= NAME_BYTES);
                    prop_assert_eq!([first, last].join(&b'/'), name.as_bytes());
                }
                None => {
                    let parts = |at: usize| at <= PREFIX_BYTES && name.len() - at - 1 <= NAME_BYTES;
                    prop_assert!(!name.bytes().enumerate().any(|(at, b)| b == b'/' && parts(at)));
                }
            }
        }

        #[test]
        fn a_records_length_counts_itself(value in prop::collection::vec(b'a'..=b'z', 0..2_000)) {
            let mut out = Vec::new();
            record("path", &value, &mut out);
            let text = String::from_utf8(out).unwrap();
            let (length, _) = text.split_once(' ').unwrap();
            prop_assert_eq!(length.parse(), Ok(text.len()));
        }
    }
}
