//! Sizes in bytes as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes. Written `1500`, `64K` or `64KiB` (1,024 each), `64kB` (1,000 each), and so on
/// with M, G and T, with or without a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const UNITS: [(char, u32); 4] = [('k', 1), ('m', 2), ('g', 3), ('t', 4)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const TRY: &str = "write a size like 500M, 1.5G or 2GiB (1,024 each), or 2GB (1,000 each)";
        let text = text.trim().to_ascii_lowercase();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim());
        let scale = match unit.strip_suffix('b').unwrap_or(unit) {
            "" => 1,
            scaled => {
                let (letter, rest) = scaled.split_at(1);
                let power = UNITS.iter().find(|(unit, _)| letter.starts_with(*unit));
                let (_, power) = power.ok_or(TRY)?;
                let base: u64 = match (rest, unit.ends_with('b')) {
                    ("i", true) | ("", false) => 1024,
                    ("", true) => 1000,
                    _ => return Err(TRY.into()),
                };
                base.pow(*power)
            }
        };
        let bytes = match number.parse::<u64>() {
            Ok(whole) => whole.checked_mul(scale),
            Err(_) => number.parse::<f64>().ok().map(|number| (number * scale as f64) as u64),
        };
        bytes.map(Self).ok_or_else(|| TRY.into())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        let fits = |power: u32| bytes > 0 && bytes.is_multiple_of(1024_u64.pow(power));
        match UNITS.iter().rev().find(|(_, power)| fits(*power)) {
            Some((unit, power)) => {
                write!(f, "{} {}iB", bytes / 1024_u64.pow(*power), unit.to_ascii_uppercase())
            }
            None => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Size>().map(|size| size.0);
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("1500 B", 1500),
            ("64K", 65_536),
            ("64k", 65_536),
            ("64KiB", 65_536),
            ("64kB", 64_000),
            ("1.5G", 1_610_612_736),
            ("2 GB", 2_000_000_000),
            ("1T", 1_099_511_627_776),
        ] {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1X", "1KBB", "1Ki", "1e3", "99999999999T", "1..2"] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn sizes_are_shown_in_their_largest_whole_unit() {
        for (bytes, shown) in [(65_536, "64 KiB"), (1_000, "1000 bytes"), (3 << 30, "3 GiB")] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
    }
}
