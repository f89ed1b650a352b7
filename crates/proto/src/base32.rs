//! Base32 (RFC 4648, section 6) in lower case: what people read to each other, and what names a
//! server.

const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The digits of 64 bits from the top, five a digit; 13 have all of them, and after those come
/// those of zeros without end.
pub(crate) fn digits(bits: u64) -> impl Iterator<Item = char> {
    let mut left = bits;
    std::iter::repeat_with(move || {
        let digit = DIGITS[(left >> 59) as usize];
        left <<= 5;
        char::from(digit)
    })
}

/// Whether a byte is such a digit.
pub(crate) fn is_digit(byte: u8) -> bool {
    DIGITS.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_comes_out() {
        // RFC 4648, section 10: BASE32("fooba") = "MZXW6YTB".
        let bits = u64::from_be_bytes(*b"fooba\0\0\0");
        assert_eq!(digits(bits).take(8).collect::<String>(), "mzxw6ytb");
        assert!(is_digit(b'a') && is_digit(b'7') && !is_digit(b'1') && !is_digit(b'A'));
    }
}
