//! The token that a browser gets for the key, and gives back in a cookie.
//!
//! It is an identity, drawn at random, and a proof that only who knows the key can make. So a hub
//! that was started again still knows its guests, without having kept anything but the key; and
//! with another key, all tokens are void.

use std::fmt;

use super::Key;
use crate::base64::{CHARS_OF_128_BITS, is_url_digit, url_128};
use crate::constant_time::is_equal;
use crate::limits::TOKEN_CHARS;

/// What tells this use of a key from any other (BLAKE3's key derivation).
const PURPOSE: &str = "sockeye 2026-11-21 session token";

/// A session's token: 22 characters of base64url, a dot, and 22 more. Its `Debug` shows who it is of
/// and not what proves it.
///
/// ```
/// use sockeye_proto::access::Key;
/// use sockeye_proto::access::session::Token;
///
/// let key = Key::parse("sesame-street")?;
/// let token = Token::mint([7; 16], &key);
/// let back = Token::parse(token.as_str().as_bytes()).unwrap();
/// assert!(back.is_of(&key));
/// assert_eq!(back.id(), token.id());
/// assert!(!back.is_of(&Key::parse("another-key")?));
/// # Ok::<(), sockeye_proto::access::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token for a new guest, from 16 random bytes.
    pub fn mint(random: [u8; 16], key: &Key) -> Self {
        let id = url_128(u128::from_be_bytes(random));
        let proof = proof_of(&id, key);
        let chars = id.iter().chain(b".").chain(&proof);
        Self(chars.copied().map(char::from).collect())
    }

    /// Reads what a browser gave back; `None` if it has not the form of a token.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_shaped = |(at, byte): (usize, &u8)| {
            if at == CHARS_OF_128_BITS { *byte == b'.' } else { is_url_digit(*byte) }
        };
        let is_token = text.len() == TOKEN_CHARS && text.iter().enumerate().all(is_shaped);
        is_token.then(|| Self(text.iter().copied().map(char::from).collect()))
    }

    /// Whether it was made with this key. How long that takes tells nothing about how much of it is
    /// right.
    pub fn is_of(&self, key: &Key) -> bool {
        let (id, proof) = self.0.as_bytes().split_at(CHARS_OF_128_BITS);
        is_equal(&proof[1..], &proof_of(id, key))
    }

    /// Who it is of: 22 characters, which are no secret.
    pub fn id(&self) -> &str {
        &self.0[..CHARS_OF_128_BITS]
    }

    /// The whole of it, for the cookie.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}..)", self.id())
    }
}

fn proof_of(id: &[u8], key: &Key) -> [u8; CHARS_OF_128_BITS] {
    let hash = blake3::keyed_hash(&key.derive(PURPOSE), id);
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash.as_bytes()[..16]);
    url_128(u128::from_be_bytes(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> Key {
        Key::parse("sesame-street").unwrap()
    }

    #[test]
    fn a_token_needs_no_quotes_in_a_cookie() {
        let token = Token::mint([0xa5; 16], &key());
        assert_eq!(token.as_str().len(), TOKEN_CHARS);
        assert!(token.as_str().bytes().all(|byte| is_url_digit(byte) || byte == b'.'));
        assert_eq!(token.id(), "paWlpaWlpaWlpaWlpaWlpQ");
    }

    #[test]
    fn the_same_key_written_otherwise_still_knows_its_guests() {
        let token = Token::mint([1; 16], &key());
        assert!(token.is_of(&Key::parse("SESAME-Street").unwrap()));
        assert!(!token.is_of(&Key::parse("sesame-streets").unwrap()));
    }

    #[test]
    fn every_changed_character_makes_a_token_void() {
        let token = Token::mint([1; 16], &key());
        for at in 0..TOKEN_CHARS {
            for digit in [b'A', b'b', b'0', b'_', b'.', b'x'] {
                let mut changed = token.as_str().as_bytes().to_vec();
                changed[at] = digit;
                let is_of = Token::parse(&changed).is_some_and(|token| token.is_of(&key()));
                assert_eq!(is_of, changed == token.as_str().as_bytes(), "{at}");
            }
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_none() {
        let token = Token::mint([1; 16], &key());
        let text = token.as_str();
        let wrong = [
            "",
            ".",
            text.trim_end_matches(|_| true),
            &text[1..],
            &format!("{text}A"),
            &text.replace('.', "-"),
            &format!("{} ", &text[..44]),
        ];
        for text in wrong {
            assert_eq!(Token::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Token::parse("é".repeat(22).as_bytes()), None);
    }

    #[test]
    fn what_proves_it_is_in_no_log() {
        let token = Token::mint([1; 16], &key());
        let proof = &token.as_str()[CHARS_OF_128_BITS + 1..];
        assert!(!format!("{token:?}").contains(proof));
    }

    proptest! {
        #[test]
        fn every_token_comes_back_whole(random: [u8; 16]) {
            let token = Token::mint(random, &key());
            prop_assert_eq!(Token::parse(token.as_str().as_bytes()), Some(token));
        }
    }
}
