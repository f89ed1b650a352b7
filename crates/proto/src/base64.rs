//! Base64 (RFC 4648) in the two forms that our wires have: the standard one, which HTTP's Basic
//! credentials come in, read strictly; and 128 bits as 22 characters that need no escape in a URL,
//! a cookie or a message, written.

/// The digits of base64url (section 5), and of the standard form but for the last two.
const URL_DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many characters 128 bits take.
pub(crate) const CHARS_OF_128_BITS: usize = 22;

/// 128 bits from the top, six a character; the last has two bits and four zeros, as base64url
/// without padding has them.
pub(crate) fn url_128(bits: u128) -> [u8; CHARS_OF_128_BITS] {
    let mut left = bits;
    std::array::from_fn(|_| {
        let digit = (left >> 122) as usize;
        left <<= 6;
        URL_DIGITS[digit]
    })
}

/// Whether a byte is a digit of base64url.
pub(crate) fn is_url_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Reads the standard form (section 4) with its padding. Whatever else could stand for the same
/// bytes is none: no white space, nothing after the padding, no bits set that belong to no byte.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] | digits => digits,
    };
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | u32::from(value_of(*digit)?);
        }
        // 2, 3 and 4 digits have 1, 2 and 3 bytes, and 4, 2 and no bits that belong to none.
        let (length, left_over) = (group.len() * 6 / 8, group.len() * 6 % 8);
        if length == 0 || bits & ((1 << left_over) - 1) != 0 {
            return None;
        }
        let whole = (bits >> left_over).to_be_bytes();
        bytes.extend_from_slice(&whole[whole.len() - length..]);
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A plain writer of the standard form, to hold the reader to.
    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for group in bytes.chunks(3) {
            let mut bits = 0_u32;
            for i in 0..3 {
                bits = bits << 8 | u32::from(group.get(i).copied().unwrap_or_default());
            }
            for i in 0..4 {
                let digit = URL_DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
                let standard = match digit {
                    b'-' => b'+',
                    b'_' => b'/',
                    digit => digit,
                };
                text.push(if i > group.len() { b'=' } else { standard });
            }
        }
        text
    }

    #[test]
    fn the_test_vectors_of_rfc_4648_section_10_are_read() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode(b"+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
    }

    #[test]
    fn what_is_not_written_as_it_must_be_is_nothing() {
        let wrong = [
            "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v====", "=", "==", "====", "A===", "Zm9v\n",
            " Zm9v", "Zm 9v", "Zg==Zg==", "-_-_", "Zm9v=", "Zg=a", "\u{e9}a=",
        ];
        for text in wrong {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn bits_are_written_as_base64url_has_them() {
        assert_eq!(&url_128(0), b"AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(&url_128(u128::MAX), b"_____________________w");
        let counted = url_128(0x0010_8310_5187_2092_8b30_d38f_4114_9351);
        assert_eq!(&counted, b"ABCDEFGHIJKLMNOPQRSTUQ");
        assert!(counted.iter().copied().all(is_url_digit));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn each_bytes_have_one_form(text in "[A-Za-z0-9+/=]{0,12}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text.into_bytes());
            }
        }
    }
}
