//! Bytes as pairs of hexadecimal digits, which is how proofs and challenges are written.

use std::fmt;

/// Writes them in lower case.
pub(super) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly so many bytes, in lower or upper case; `None` if the text is anything else.
pub(super) fn read<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    if text.len() != 2 * LENGTH {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        for digit in pair {
            *byte = *byte << 4 | char::from(*digit).to_digit(16)? as u8;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digits_of_that_many_bytes_are_read() {
        assert_eq!(read("00ff7A"), Some([0x00, 0xff, 0x7a]));
        for text in ["", "00ff7", "00ff7a0", "00ff7g", "+0ff7a", "00 f7a", "é0ff7"] {
            assert_eq!(read::<3>(text), None, "{text:?}");
        }
    }
}
