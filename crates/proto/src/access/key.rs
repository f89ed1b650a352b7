//! The key itself.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base32;
use crate::base64::is_url_digit;
use crate::limits::{KEY_MAX_CHARS, KEY_MIN_CHARS, KEY_RANDOM_CHARS};

/// What whoever wants in must know. Upper and lower case are the same, because people read keys to
/// each other. Its `Debug` shows nothing of it.
///
/// ```
/// use sockeye_proto::access::Key;
///
/// let key = Key::parse("Field-site_7")?;
/// assert_eq!(key.as_str(), "Field-site_7");
/// assert!(key.is(b"field-SITE_7"));
/// assert!(!key.is(b"field-site_8"));
/// assert_eq!(format!("{key:?}"), "Key(..)");
/// # Ok::<(), sockeye_proto::access::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Key {
    text: String,
    /// Of the text in lower case. Two hashes are compared in one time, whatever they are.
    hash: blake3::Hash,
}

/// Why a text is no key. It does not repeat the text, which may be a key with a slip in it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// It is too short.
    #[error("a key has 8 to 64 characters, and this has {0}; take a longer one")]
    TooShort(usize),
    /// It is too long.
    #[error("a key has 8 to 64 characters, and this has {0}; take a shorter one")]
    TooLong(usize),
    /// It has another character than a key may have.
    #[error("a key is made of the letters A to Z, digits, `-` and `_` alone")]
    Character,
}

impl Key {
    /// A key of the user's own: [`KEY_MIN_CHARS`] to [`KEY_MAX_CHARS`] of `[A-Za-z0-9_-]`.
    ///
    /// ```
    /// use sockeye_proto::access::{Key, KeyError};
    /// assert!(Key::parse("hunter22").is_ok());
    /// assert_eq!(Key::parse("hunter2").unwrap_err(), KeyError::TooShort(7));
    /// assert_eq!(Key::parse("hunter 22").unwrap_err(), KeyError::Character);
    /// ```
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if !text.bytes().all(is_url_digit) {
            return Err(KeyError::Character);
        }
        match text.len() {
            chars @ ..KEY_MIN_CHARS => Err(KeyError::TooShort(chars)),
            KEY_MIN_CHARS..=KEY_MAX_CHARS => Ok(Self::new(text.to_owned())),
            chars => Err(KeyError::TooLong(chars)),
        }
    }

    /// A key of ours: 12 characters that are easy to type, from random bytes. That is 60 bits: at
    /// 10,000 guesses a second it would take 1.8 million years to try half of them.
    ///
    /// ```
    /// use sockeye_proto::access::Key;
    /// assert_eq!(Key::from_random([0xff; 8]).as_str(), "777777777777");
    /// ```
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self::new(base32::digits(u64::from_be_bytes(bytes)).take(KEY_RANDOM_CHARS).collect())
    }

    fn new(text: String) -> Self {
        let hash = hash_of(text.as_bytes());
        Self { text, hash }
    }

    /// The key as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether what somebody said is this key. How long that takes tells how long what they said
    /// is, and nothing of the key.
    pub fn is(&self, said: &[u8]) -> bool {
        // What is longer is none, and not worth hashing.
        said.len() <= KEY_MAX_CHARS && hash_of(said) == self.hash
    }

    /// Something for another purpose that only who knows the key can make, in one form for all ways
    /// to write it.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, self.text.to_ascii_lowercase().as_bytes())
    }
}

fn hash_of(text: &[u8]) -> blake3::Hash {
    blake3::hash(&text.to_ascii_lowercase())
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Key {}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_of_ours_is_12_characters_of_base32_from_the_first_60_bits() {
        assert_eq!(Key::from_random([0; 8]).as_str(), "aaaaaaaaaaaa");
        assert_eq!(Key::from_random([0, 0, 0, 0, 0, 0, 0, 0x0f]).as_str(), "aaaaaaaaaaaa");
        assert_eq!(Key::from_random([0, 0, 0, 0, 0, 0, 0, 0x10]).as_str(), "aaaaaaaaaaab");
        let counted = Key::from_random([0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb0]);
        assert_eq!(counted.as_str(), "abcdefghijkl");
    }

    #[test]
    fn a_key_of_the_users_own_has_8_to_64_plain_characters() {
        for text in ["abcdefgh", "A-b_C-d_", &"x".repeat(64)] {
            assert_eq!(Key::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Key::parse("").unwrap_err(), KeyError::TooShort(0));
        assert_eq!(Key::parse(&"x".repeat(65)).unwrap_err(), KeyError::TooLong(65));
        for text in ["abc defgh", "abcdefg\u{e9}", "abcdefgh\n", "abcdefg/", "abcdefg=", "abcdefg."]
        {
            assert_eq!(Key::parse(text).unwrap_err(), KeyError::Character, "{text:?}");
        }
    }

    #[test]
    fn nothing_but_the_key_is_the_key() {
        let key = Key::parse("sesame-street").unwrap();
        for said in
            ["", "sesame", "sesame-streets", "sesame-street ", " sesame-street", "sesame_street"]
        {
            assert!(!key.is(said.as_bytes()), "{said:?}");
        }
        assert!(!key.is(&vec![b'x'; 1 << 16]));
        assert!(!key.is(b"\xff"));
    }

    #[test]
    fn an_error_does_not_repeat_what_may_be_a_key_with_a_slip() {
        let slip = Key::parse("sesame street").unwrap_err();
        assert!(!format!("{slip} {slip:?}").contains("sesame"));
    }

    #[test]
    fn what_is_derived_is_the_same_for_all_ways_to_write_a_key_and_no_other() {
        let derive = |text, purpose| Key::parse(text).unwrap().derive(purpose);
        assert_eq!(derive("SESAME-street", "a"), derive("sesame-STREET", "a"));
        assert_ne!(derive("sesame-street", "a"), derive("sesame-street", "b"));
        assert_ne!(derive("sesame-street", "a"), derive("sesame-streets", "a"));
    }

    proptest! {
        #[test]
        fn case_is_all_that_does_not_count(text in "[A-Za-z0-9_-]{8,64}", said in "[A-Za-z0-9_-]{8,64}") {
            let key = Key::parse(&text).unwrap();
            prop_assert!(key.is(text.to_ascii_uppercase().as_bytes()));
            prop_assert!(key.is(text.to_ascii_lowercase().as_bytes()));
            prop_assert_eq!(key.is(said.as_bytes()), said.eq_ignore_ascii_case(&text));
            prop_assert_eq!(key == Key::parse(&said).unwrap(), said.eq_ignore_ascii_case(&text));
        }

        #[test]
        fn every_random_key_is_one_that_can_be_typed(bytes: [u8; 8]) {
            let key = Key::from_random(bytes);
            prop_assert_eq!(Key::parse(key.as_str()).unwrap(), key);
        }
    }
}
