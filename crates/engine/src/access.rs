//! The doorkeeper of a hub, shared by all of its services and wires, and what keeps its key out of
//! sight.
//!
//! Machines ask for a verdict as for any other work; their workers bring it from here. The lock is
//! held for as long as it takes to hash a key: nobody waits in it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sockeye_proto::access::mask::{
    without_form_key, without_key, without_said_key, without_secret_fields,
};
use sockeye_proto::access::{Doorkeeper, Key, Verdict};

use crate::clock;

/// One doorkeeper for all; cheap to clone.
///
/// ```
/// use sockeye_engine::access::SharedDoorkeeper;
/// use sockeye_proto::access::{Key, Verdict};
///
/// let doorkeeper = SharedDoorkeeper::new(Key::parse("sesame-street")?);
/// let ana = "192.0.2.1".parse()?;
/// assert_eq!(doorkeeper.check(ana, b"sesame-street"), Verdict::Right);
/// doorkeeper.change(Key::parse("another-key")?);
/// assert_eq!(doorkeeper.check(ana, b"sesame-street"), Verdict::Wrong);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedDoorkeeper(Arc<Mutex<Doorkeeper>>);

impl SharedDoorkeeper {
    /// A doorkeeper who wants this key and has heard nobody yet.
    pub fn new(key: Key) -> Self {
        Self(Arc::new(Mutex::new(Doorkeeper::new(key))))
    }

    /// The key that is wanted now.
    pub fn key(&self) -> Key {
        self.lock().key().clone()
    }

    /// Wants another key from now on.
    pub fn change(&self, key: Key) {
        self.lock().change(key);
    }

    /// What is said to who says this from an address that is theirs: over a connection, say.
    pub fn check(&self, from: IpAddr, said: &[u8]) -> Verdict {
        self.lock().check(clock::now(), from, said)
    }

    /// The same for a datagram whose address may be forged.
    pub fn check_unproven(&self, from: IpAddr, said: &[u8]) -> Verdict {
        self.lock().check_unproven(clock::now(), from, said)
    }

    /// The same for what may be a key or something else; `None` if it is no guess.
    pub fn check_if_guess(&self, from: IpAddr, said: &[u8]) -> Option<Verdict> {
        self.lock().check_if_guess(clock::now(), from, said)
    }

    fn lock(&self) -> MutexGuard<'_, Doorkeeper> {
        // What is counted is whole between any two lines of the doorkeeper's.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hides keys from logs and from who watches the wire; cheap to clone, and all clones learn of the
/// key together. The place of a key on a wire is hidden also by a mask that knows no key.
#[derive(Clone, Default)]
pub struct Mask(Arc<OnceLock<Hidden>>);

enum Hidden {
    /// The key that a client says.
    Key(Key),
    /// Whichever key a hub wants at the time.
    Doorkeepers(SharedDoorkeeper),
}

impl Mask {
    /// Hides this key.
    pub fn of_key(key: Key) -> Self {
        Self(Arc::new(OnceLock::from(Hidden::Key(key))))
    }

    /// Hides the key that this doorkeeper wants, from now on; the first that it is told of counts.
    pub fn hide_key_of(&self, doorkeeper: &SharedDoorkeeper) {
        let _ = self.0.set(Hidden::Doorkeepers(doorkeeper.clone()));
    }

    /// A message that went over the wire of this scheme, as it may be seen.
    pub fn hide_in_message<'a>(&self, wire: &str, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let shown = if wire.starts_with("http") {
            then(without_secret_fields(bytes), without_form_key)
        } else {
            without_said_key(bytes)
        };
        then(shown, |shown| self.hide_in_text(shown))
    }

    /// A text as it may be seen.
    pub fn hide_in_text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match self.0.get() {
            None => Cow::Borrowed(text),
            Some(Hidden::Key(key)) => without_key(text, key),
            Some(Hidden::Doorkeepers(doorkeeper)) => without_key(text, &doorkeeper.key()),
        }
    }
}

/// Hides something more.
fn then(shown: Cow<'_, [u8]>, hide: impl Fn(&[u8]) -> Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if let Cow::Owned(hidden) = hide(&shown) {
        return Cow::Owned(hidden);
    }
    shown
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::limits::GUESSES_MAX;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn all_who_share_a_doorkeeper_share_the_count() {
        let doorkeeper = SharedDoorkeeper::new(key("sesame-street"));
        let (other, ana) = (doorkeeper.clone(), "192.0.2.1".parse().unwrap());
        for _ in 0..GUESSES_MAX {
            assert_eq!(doorkeeper.check(ana, b"wrong-key"), Verdict::Wrong);
        }
        assert!(matches!(other.check(ana, b"sesame-street"), Verdict::TooMany { .. }));
        assert_eq!(other.check_unproven(ana, b"sesame-street"), Verdict::Right);
    }

    #[test]
    fn a_mask_hides_the_key_that_is_wanted_now() {
        let (mask, text) = (Mask::default(), b"sesame-street and another-key");
        assert_eq!(&*mask.clone().hide_in_text(text), text);
        let doorkeeper = SharedDoorkeeper::new(key("sesame-street"));
        mask.hide_key_of(&doorkeeper);
        assert_eq!(&*mask.hide_in_text(text), "… and another-key".as_bytes());
        doorkeeper.change(key("another-key"));
        assert_eq!(&*mask.hide_in_text(text), "sesame-street and …".as_bytes());
    }

    #[test]
    fn each_wire_has_its_place_for_the_key() {
        let mask = Mask::default();
        let hidden = |wire, text: &str| {
            String::from_utf8(mask.hide_in_message(wire, text.as_bytes()).into_owned()).unwrap()
        };
        assert_eq!(hidden("tcp", "KEY a"), "KEY …");
        assert_eq!(hidden("udp", "GET key=a"), "GET key=…");
        assert_eq!(hidden("http", "GET /\r\nCookie: a\r\n\r\n"), "GET /\r\nCookie: …\r\n\r\n");
        assert_eq!(hidden("http", "KEY a"), "KEY a");
        assert_eq!(hidden("http", "key=a&name=b"), "key=…&name=b");
        assert!(format!("{:?}", Mask::of_key(key("sesame-street"))).len() < 12);
    }
}
