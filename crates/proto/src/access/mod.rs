//! Who may: the key that a hub wants, and how it is said and checked on every wire.
//!
//! A [`Key`] is a short text that people pass on. The [`Doorkeeper`] compares what callers say with
//! it, and keeps them from trying one key after the other. Machines hold no doorkeeper: they ask for
//! a [`Verdict`] as for any other work, because one doorkeeper stands behind all conversations of a
//! hub and behind all of its wires.
//!
//! [`entrance`] wants the key at the beginning of a text conversation over TCP; over UDP the
//! responders do, and the raw wire of files does by itself. [`credentials`] reads what an HTTP
//! request presents, [`session`] makes the token that a browser gets for the key. [`mask`] keeps
//! keys out of logs.

use std::fmt;
use std::time::Duration;

use crate::text::{Direction, is_refusal};

pub mod credentials;
mod doorkeeper;
pub mod entrance;
mod guesses;
mod key;
pub mod mask;
pub mod session;

pub use self::doorkeeper::Doorkeeper;
pub use self::key::{Key, KeyError};

/// What the key stands behind at the beginning of a text conversation over TCP.
pub const KEY_OPENING: &[u8] = b"KEY ";
/// What is said to who said no key where one is wanted.
pub const KEY_WANTED: &str = "error: key wanted";
/// What is said to a wrong key.
pub const WRONG_KEY: &str = "error: wrong key";
/// What is said to the right one.
pub const RIGHT_KEY: &str = "OK";

/// What a doorkeeper says to a key that was said to it.
///
/// Its text is what the plain wires answer:
///
/// ```
/// use sockeye_proto::access::Verdict;
/// use std::time::Duration;
///
/// assert_eq!(Verdict::Right.to_string(), "OK");
/// assert_eq!(Verdict::Wrong.to_string(), "error: wrong key");
/// let wait = Duration::from_millis(41_001);
/// let told = "error: too many wrong keys; try again in 42 s";
/// assert_eq!(Verdict::TooMany { wait }.to_string(), told);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the key.
    Right,
    /// It is not.
    Wrong,
    /// Too many wrong keys came from there lately: it was not looked at, right or wrong.
    TooMany {
        /// How long it will be until one is looked at again.
        wait: Duration,
    },
}

impl Verdict {
    /// The whole seconds after which a key is looked at again, for HTTP's Retry-After; `None` if
    /// one is now.
    pub fn wait_s(self) -> Option<u64> {
        match self {
            Self::Right | Self::Wrong => None,
            Self::TooMany { wait } => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wait_s() {
            Some(wait_s) => write!(f, "error: too many wrong keys; try again in {wait_s} s"),
            None if *self == Self::Right => f.write_str(RIGHT_KEY),
            None => f.write_str(WRONG_KEY),
        }
    }
}

/// The key that a message of a text conversation says, right or wrong: `KEY k`.
///
/// ```
/// use sockeye_proto::access::key_said;
/// assert_eq!(key_said(b"KEY sesame-street"), Some(&b"sesame-street"[..]));
/// assert_eq!(key_said(b"KEY "), None);
/// assert_eq!(key_said(b"key sesame-street"), None);
/// ```
pub fn key_said(message: &[u8]) -> Option<&[u8]> {
    message.strip_prefix(KEY_OPENING).map(<[u8]>::trim_ascii).filter(|said| !said.is_empty())
}

/// What a message of the key's part of a conversation means, in words, for whoever watches the wire.
pub fn meaning(message: &[u8], direction: Direction) -> &'static str {
    match direction {
        Direction::In if key_said(message).is_some() => "says the key",
        Direction::In => "is not heard before the key",
        Direction::Out if message == RIGHT_KEY.as_bytes() => "lets in who said the key",
        Direction::Out if message == KEY_WANTED.as_bytes() => "wants the key first",
        Direction::Out if message == WRONG_KEY.as_bytes() => "says that the key is wrong",
        Direction::Out if is_refusal(&String::from_utf8_lossy(message)) => {
            "looks at no key from there for a while"
        }
        Direction::Out => "speaks of the key",
    }
}
