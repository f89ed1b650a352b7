//! Who may: the key that a hub wants, and how it is said and checked on every wire.
//!
//! A [`Key`] is a short text that people pass on. The [`Doorkeeper`] compares what callers say with
//! it, and keeps them from trying one key after the other. Machines hold no doorkeeper: they ask for
//! a [`Verdict`] as for any other work, because one doorkeeper stands behind all conversations of a
//! hub and behind all of its wires.
//!
//! [`credentials`] reads what an HTTP request presents, [`session`] makes the token that a browser
//! gets for the key.

use std::fmt;
use std::time::Duration;

pub mod credentials;
mod doorkeeper;
mod guesses;
mod key;
pub mod session;

pub use self::doorkeeper::Doorkeeper;
pub use self::key::{Key, KeyError};

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
