//! The doorkeeper: compares what callers say with the key, and counts who says wrong ones.

use core::net::IpAddr;

use super::guesses::{Guesses, WhenFull};
use super::{Key, Verdict};
use crate::machine::Tick;

/// Who stands behind all conversations of a hub, on all of its wires.
///
/// ```
/// use sockeye_proto::access::{Doorkeeper, Key, Verdict};
/// use sockeye_proto::machine::Tick;
/// use std::time::Duration;
///
/// let mut doorkeeper = Doorkeeper::new(Key::parse("sesame-street")?);
/// let (ana, ben) = ("192.0.2.1".parse()?, "192.0.2.2".parse()?);
/// let now = Tick::START;
/// for _ in 0..5 {
///     assert_eq!(doorkeeper.check(now, ana, b"open-up"), Verdict::Wrong);
/// }
/// let wait = Duration::from_secs(60);
/// assert_eq!(doorkeeper.check(now, ana, b"sesame-street"), Verdict::TooMany { wait });
/// assert_eq!(doorkeeper.check(now, ben, b"sesame-street"), Verdict::Right);
/// assert_eq!(doorkeeper.check(now + wait, ana, b"sesame-street"), Verdict::Right);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Doorkeeper {
    key: Key,
    /// Of addresses that have proven to be whose they seem.
    guesses: Guesses,
    /// Of those that have not.
    unproven: Guesses,
}

impl Doorkeeper {
    /// A doorkeeper who has heard nobody yet.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            guesses: Guesses::new(WhenFull::ForgetOldest),
            unproven: Guesses::new(WhenFull::RefuseNew),
        }
    }

    /// The key that is wanted.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Wants another key from now on. Who has said too many wrong ones still has to wait.
    pub fn change(&mut self, key: Key) {
        self.key = key;
    }

    /// What is said to who says this from an address that is theirs: over a connection, from
    /// loopback, or with the cookie of a datagram. Whatever is not the key is a guess.
    pub fn check(&mut self, now: Tick, from: IpAddr, said: &[u8]) -> Verdict {
        verdict(&self.key, &mut self.guesses, (now, from), said)
    }

    /// The same for a datagram whose address may be forged. Its wrong keys are counted apart, so
    /// that nobody can have another shut out; who is shut out here may prove the address, and is
    /// heard by [`check`](Self::check).
    pub fn check_unproven(&mut self, now: Tick, from: IpAddr, said: &[u8]) -> Verdict {
        verdict(&self.key, &mut self.unproven, (now, from), said)
    }

    /// The same for what may be a key or may be something else, as the first part of a file's name
    /// may be: only what is as long as the key is a guess. `None` if it is none, and costs nothing.
    pub fn check_if_guess(&mut self, now: Tick, from: IpAddr, said: &[u8]) -> Option<Verdict> {
        (said.len() == self.key.as_str().len()).then(|| self.check(now, from, said))
    }
}

fn verdict(key: &Key, guesses: &mut Guesses, (now, from): (Tick, IpAddr), said: &[u8]) -> Verdict {
    if let Some(wait) = guesses.wait(now, from) {
        Verdict::TooMany { wait }
    } else if key.is(said) {
        Verdict::Right
    } else {
        guesses.note(now, from);
        Verdict::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::GUESSES_MAX;

    const KEY: &[u8] = b"sesame-street";

    fn doorkeeper() -> Doorkeeper {
        Doorkeeper::new(Key::parse("Sesame-Street").unwrap())
    }

    fn ana() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    #[test]
    fn right_keys_cost_nothing() {
        let mut doorkeeper = doorkeeper();
        for _ in 0..100 {
            assert_eq!(doorkeeper.check(Tick::START, ana(), KEY), Verdict::Right);
        }
    }

    #[test]
    fn forged_datagrams_shut_nobody_out_who_can_show_an_address() {
        let mut doorkeeper = doorkeeper();
        for _ in 0..GUESSES_MAX {
            let verdict = doorkeeper.check_unproven(Tick::START, ana(), b"wrong-key");
            assert_eq!(verdict, Verdict::Wrong);
        }
        let shut_out = doorkeeper.check_unproven(Tick::START, ana(), KEY);
        assert!(matches!(shut_out, Verdict::TooMany { .. }), "{shut_out:?}");
        assert_eq!(doorkeeper.check(Tick::START, ana(), KEY), Verdict::Right);
    }

    #[test]
    fn a_changed_key_is_the_only_one_and_frees_nobody() {
        let mut doorkeeper = doorkeeper();
        doorkeeper.change(Key::parse("another-key").unwrap());
        for _ in 0..GUESSES_MAX {
            assert_eq!(doorkeeper.check(Tick::START, ana(), KEY), Verdict::Wrong);
        }
        doorkeeper.change(Key::parse("sesame-street").unwrap());
        let verdict = doorkeeper.check(Tick::START, ana(), KEY);
        assert!(matches!(verdict, Verdict::TooMany { .. }), "{verdict:?}");
    }

    #[test]
    fn only_what_is_as_long_as_the_key_is_taken_for_a_guess() {
        let mut doorkeeper = doorkeeper();
        for said in [&b""[..], b"films", b"sesame-streets"] {
            assert_eq!(doorkeeper.check_if_guess(Tick::START, ana(), said), None);
        }
        let wrong = doorkeeper.check_if_guess(Tick::START, ana(), b"sesame-stroll");
        assert_eq!(wrong, Some(Verdict::Wrong));
        let right = doorkeeper.check_if_guess(Tick::START, ana(), KEY);
        assert_eq!(right, Some(Verdict::Right));
    }

    #[test]
    fn the_key_is_in_no_log() {
        let shown = format!("{:?}", doorkeeper()).to_lowercase();
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
