//! Which servers belong together, and how one proves to another that it does.
//!
//! Servers that share a name and a key are a group. Who asks signs its question with the key; who is
//! asked first proves, in the same way, that it has the key. A proof is HMAC-SHA-256 (RFC 2104) over
//! lines of text, so that others can write both sides of it in twenty lines of any language:
//!
//! ```text
//! the question            sockeye sibling 1, method, target, Range, Sockeye-Prove,
//!                         from, to, nonce, count, group
//! the answer to a hello   sockeye sibling hello 1, id, challenge, nonce, group
//! the fingerprint         sockeye group 1, group; of the HMAC only the first 8 bytes
//! ```
//!
//! Each stands on a line that `\n` ends, an absent field as an empty line. The question's proof
//! travels in the field `Sockeye-Sibling`, which a [`Claim`] is.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use super::hex;
use super::node::NodeId;
use super::nonce::Nonce;
use crate::constant_time::is_equal;
use crate::discovery::group::Fingerprint;
use crate::limits::{GROUP_KEY_MAX_BYTES, GROUP_KEY_MIN_BYTES, GROUP_NAME_MAX_CHARS};

mod claim;

pub use self::claim::{Claim, Signature};

/// What a group is called: 1 to [`GROUP_NAME_MAX_CHARS`] visible characters of ASCII, none of them a
/// quote, a backslash or a comma. It is no secret.
///
/// ```
/// use sockeye_proto::siblings::group::GroupName;
///
/// assert_eq!(GroupName::parse("lab-3")?.as_str(), "lab-3");
/// assert!(GroupName::parse("lab 3").is_err());
/// # Ok::<(), sockeye_proto::siblings::group::GroupNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupName(String);

/// Why a text is no name of a group.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GroupNameError {
    /// It is empty, or too long.
    #[error("a group's name has 1 to 64 characters, and this has {0}")]
    Length(usize),
    /// It has a character that a name may not have.
    #[error("a group's name has no spaces, quotes, backslashes or commas, and is ASCII")]
    Character,
}

impl GroupName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, GroupNameError> {
        let chars = text.chars().count();
        if chars == 0 || chars > GROUP_NAME_MAX_CHARS {
            return Err(GroupNameError::Length(chars));
        }
        let is_fit = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,".contains(&byte);
        if !text.bytes().all(is_fit) {
            return Err(GroupNameError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the servers of a group know, and nobody else. Its `Debug` shows nothing of it.
///
/// ```
/// use sockeye_proto::siblings::group::{GroupKey, GroupName, Question};
/// use sockeye_proto::siblings::node::NodeId;
/// use sockeye_proto::siblings::nonce::Nonce;
///
/// let key = GroupKey::from_bytes(b"a line from a file of both servers\n").unwrap();
/// let question = Question {
///     method: "GET",
///     target: "/films/b.mkv",
///     range: None,
///     prove: None,
///     from: &NodeId::from_random([1; 8]),
///     to: &NodeId::from_random([2; 8]),
///     nonce: &Nonce::parse("given-by-the-answerer").unwrap(),
///     count: 1,
///     group: &GroupName::parse("lab-3").unwrap(),
/// };
/// let proof = key.sign(&question);
/// assert!(key.verify(&question, &proof));
/// assert!(!key.verify(&Question { target: "/films/c.mkv", ..question }, &proof));
/// assert_eq!(format!("{key:?}"), "GroupKey(..)");
/// ```
#[derive(Clone)]
pub struct GroupKey(Hmac<Sha256>);

/// Why bytes are no key of a group. It does not repeat them.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GroupKeyError {
    /// They are too few to be worth anything.
    #[error("a group's key has 16 to 1024 bytes, and this has {0}; take a longer one")]
    TooShort(usize),
    /// They are too many.
    #[error("a group's key has 16 to 1024 bytes, and this has {0}; take a shorter one")]
    TooLong(usize),
}

impl GroupKey {
    /// The key that a file holds: any bytes, [`GROUP_KEY_MIN_BYTES`] to [`GROUP_KEY_MAX_BYTES`] of
    /// them, white space before and after them not counted.
    pub fn from_bytes(file: &[u8]) -> Result<Self, GroupKeyError> {
        let key = file.trim_ascii();
        match key.len() {
            bytes @ ..GROUP_KEY_MIN_BYTES => Err(GroupKeyError::TooShort(bytes)),
            // HMAC takes a key of any length, so that no key fails for this.
            bytes @ GROUP_KEY_MIN_BYTES..=GROUP_KEY_MAX_BYTES => {
                Hmac::new_from_slice(key).map(Self).map_err(|_| GroupKeyError::TooLong(bytes))
            }
            bytes => Err(GroupKeyError::TooLong(bytes)),
        }
    }

    /// Proves that whoever asks this has the key.
    pub fn sign(&self, question: &Question<'_>) -> Proof {
        question.with_lines(|lines| self.proof_of(lines))
    }

    /// Whether a proof is that of this question. How long that takes tells nothing about how much
    /// of it is right.
    pub fn verify(&self, question: &Question<'_>, proof: &Proof) -> bool {
        question.with_lines(|lines| self.is_proof_of(lines, proof))
    }

    /// Proves that whoever answers this hello has the key.
    pub fn sign_hello(&self, hello: &Hello<'_>) -> Proof {
        hello.with_lines(|lines| self.proof_of(lines))
    }

    /// Whether a proof is that of this answer; in constant time, as [`Self::verify`].
    pub fn verify_hello(&self, hello: &Hello<'_>, proof: &Proof) -> bool {
        hello.with_lines(|lines| self.is_proof_of(lines, proof))
    }

    /// What members of a group with this key announce, so that they find each other; no proof.
    pub fn fingerprint(&self, name: &GroupName) -> Fingerprint {
        let mac = self.over(&["sockeye group 1", name.as_str()]).finalize().into_bytes();
        Fingerprint::new(std::array::from_fn(|at| mac[at]))
    }

    fn proof_of(&self, lines: &[&str]) -> Proof {
        Proof(self.over(lines).finalize().into_bytes().into())
    }

    fn is_proof_of(&self, lines: &[&str], proof: &Proof) -> bool {
        // With a line end inside, one text could stand for two lists of lines.
        let are_lines = !lines.iter().any(|line| line.contains('\n'));
        are_lines & self.over(lines).verify_slice(&proof.0).is_ok()
    }

    fn over(&self, lines: &[&str]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for line in lines {
            mac.update(line.as_bytes());
            mac.update(b"\n");
        }
        mac
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupKey(..)")
    }
}

/// Everything of a question that its proof holds to.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// `GET` or `HEAD`.
    pub method: &'a str,
    /// The request's target, exactly as it is sent.
    pub target: &'a str,
    /// The Range field, exactly as it is sent; absent is the same as empty.
    pub range: Option<&'a str>,
    /// The Sockeye-Prove field, exactly as it is sent; absent is the same as empty.
    pub prove: Option<&'a str>,
    /// Who asks.
    pub from: &'a NodeId,
    /// Who is asked.
    pub to: &'a NodeId,
    /// What who is asked gave out.
    pub nonce: &'a Nonce,
    /// How many questions were asked with this nonce, this one included.
    pub count: u64,
    /// The group of both.
    pub group: &'a GroupName,
}

impl Question<'_> {
    fn with_lines<T>(&self, look: impl FnOnce(&[&str]) -> T) -> T {
        look(&[
            "sockeye sibling 1",
            self.method,
            self.target,
            self.range.unwrap_or_default(),
            self.prove.unwrap_or_default(),
            self.from.as_str(),
            self.to.as_str(),
            self.nonce.as_str(),
            &self.count.to_string(),
            self.group.as_str(),
        ])
    }
}

/// What a server says to a hello, as far as its proof holds to it.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'a> {
    /// Who answers.
    pub id: &'a NodeId,
    /// What whoever says hello drew.
    pub challenge: &'a Challenge,
    /// What is given out.
    pub nonce: &'a Nonce,
    /// The group of both.
    pub group: &'a GroupName,
}

impl Hello<'_> {
    fn with_lines<T>(&self, look: impl FnOnce(&[&str]) -> T) -> T {
        look(&[
            "sockeye sibling hello 1",
            self.id.as_str(),
            &self.challenge.to_string(),
            self.nonce.as_str(),
            self.group.as_str(),
        ])
    }
}

/// 16 random bytes that a hello carries as 32 hexadecimal digits, so that no answer to it can have
/// been recorded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 16]);

impl Challenge {
    /// The challenge that these random bytes are.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Reads 32 hexadecimal digits; `None` if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hex::read(text).map(Self)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

/// 32 bytes that only who has the key can make, written as 64 hexadecimal digits.
///
/// ```
/// use sockeye_proto::siblings::group::Proof;
///
/// let text = "5a".repeat(32);
/// assert_eq!(Proof::parse(&text).unwrap().to_string(), text);
/// assert_eq!(Proof::parse("5a"), None);
/// ```
#[derive(Clone, Copy)]
pub struct Proof([u8; 32]);

impl Proof {
    /// Reads 64 hexadecimal digits; `None` if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        hex::read(text).map(Self)
    }
}

impl PartialEq for Proof {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        is_equal(&self.0, &other.0)
    }
}

impl Eq for Proof {}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({self})")
    }
}

#[cfg(test)]
mod tests;
