//! What members of a group know each other by, and strangers learn nothing from.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A group's name under the group's key, hashed: equal in two hubs if both name and key are. Who has
/// not the key cannot tell the name from it, nor whether a name is right.
///
/// It is no proof: whoever hears it can say it, too. It only says whom to ask for one.
///
/// ```
/// use sockeye_proto::siblings::group::{GroupKey, GroupName};
///
/// let fingerprint = |name, key: &[u8]| {
///     Some(GroupKey::from_bytes(key).ok()?.fingerprint(&GroupName::parse(name).ok()?))
/// };
/// let ours = fingerprint("lab", b"0123456789abcdef").unwrap();
/// assert_eq!(ours.to_string().parse(), Ok(ours));
/// assert_ne!(Some(ours), fingerprint("lab", b"another key of ours"));
/// assert_ne!(Some(ours), fingerprint("lab-2", b"0123456789abcdef"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; 8]);

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a group's fingerprint is 16 hexadecimal digits")]
pub struct NoFingerprint;

impl Fingerprint {
    pub(crate) const fn new(first_of_hash: [u8; 8]) -> Self {
        Self(first_of_hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_hex).ok_or(NoFingerprint)?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for text in [
            "",
            "0",
            "+123456789abcdef",
            "0123456789abcdeg",
            "0123456789abcdef0",
            "ü23456789abcdef",
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NoFingerprint), "{text}");
        }
        assert!("0123456789ABCDEF".parse::<Fingerprint>().is_ok());
    }
}
