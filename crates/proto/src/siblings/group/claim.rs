//! The field `Sockeye-Sibling`: what a request says of who asks.

use std::fmt;

use super::{GroupName, Proof, Question};
use crate::http::accept::split_unquoted;
use crate::limits::CLAIM_MAX_BYTES;
use crate::siblings::node::NodeId;
use crate::siblings::nonce::Nonce;

/// Optional white space (RFC 9110 section 5.6.3).
const WHITE: [char; 2] = [' ', '\t'];

/// Who asks, whom it means to ask, and what proves it.
///
/// ```
/// use sockeye_proto::siblings::group::Claim;
///
/// let field = "group=\"lab-3\", from=sockeye-aaaaaaaaaaaaa, to=sockeye-bbbbbbbbbbbbb";
/// let claim = Claim::parse(field).unwrap();
/// assert_eq!(claim.group.as_str(), "lab-3");
/// assert_eq!(claim.signature, None);
/// assert_eq!(claim.to_string(), field);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The group that both are said to belong to.
    pub group: GroupName,
    /// Who asks.
    pub from: NodeId,
    /// Who is meant to answer; what is meant for another proves nothing.
    pub to: NodeId,
    /// The proof. Between loopback addresses there may be none.
    pub signature: Option<Signature>,
}

/// What proves a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What who is asked gave out.
    pub nonce: Nonce,
    /// How many questions were asked with that nonce, this one included: 1 or more.
    pub count: u64,
    /// Made by [`super::GroupKey::sign`].
    pub proof: Proof,
}

impl Claim {
    /// Reads the field. A list of `name=value` in any order, `group`'s in quotes or not, each once;
    /// names that mean nothing here are left for later versions. `None` if one is missing, doubled or
    /// malformed, or if the signature is not whole: the request is then as one without the field.
    pub fn parse(field: &str) -> Option<Self> {
        const NAMES: [&str; 6] = ["group", "from", "to", "nonce", "count", "proof"];
        if field.len() > CLAIM_MAX_BYTES {
            return None;
        }
        let mut values: [Option<&str>; NAMES.len()] = [None; NAMES.len()];
        for element in split_unquoted(field, b',') {
            let (name, value) = element.split_once('=')?;
            let (name, value) = (name.trim_matches(WHITE), value.trim_matches(WHITE));
            let Some(at) = NAMES.iter().position(|known| *known == name) else { continue };
            if values[at].replace(value).is_some() {
                return None;
            }
        }
        let [group, from, to, nonce, count, proof] = values;
        let signature = match (nonce, count, proof) {
            (None, None, None) => None,
            (Some(nonce), Some(count), Some(proof)) => Some(Signature {
                nonce: Nonce::parse(nonce)?,
                count: parse_count(count)?,
                proof: Proof::parse(proof)?,
            }),
            _ => return None,
        };
        Some(Self {
            group: GroupName::parse(without_quotes(group?)).ok()?,
            from: NodeId::parse(from?)?,
            to: NodeId::parse(to?)?,
            signature,
        })
    }

    /// What the signature has to be a proof of, for a request that says this of itself; `None` if
    /// there is no signature.
    ///
    /// ```
    /// use sockeye_proto::siblings::group::{Claim, GroupKey};
    ///
    /// # let key = GroupKey::from_bytes(b"a line from a file of both").unwrap();
    /// # let proof = "00".repeat(32);
    /// let field = format!(
    ///     "group=\"lab-3\", from=sockeye-aaaaaaaaaaaaa, to=sockeye-bbbbbbbbbbbbb, nonce=n, count=1, \
    ///      proof={proof}"
    /// );
    /// let claim = Claim::parse(&field).unwrap();
    /// let question = claim.question("GET", "/b.mkv", None, None).unwrap();
    /// let signature = claim.signature.as_ref().unwrap();
    /// assert!(!key.verify(&question, &signature.proof));
    /// ```
    pub fn question<'a>(
        &'a self,
        method: &'a str,
        target: &'a str,
        range: Option<&'a str>,
        prove: Option<&'a str>,
    ) -> Option<Question<'a>> {
        let Signature { nonce, count, .. } = self.signature.as_ref()?;
        let Self { group, from, to, .. } = self;
        Some(Question { method, target, range, prove, from, to, nonce, count: *count, group })
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group=\"{}\", from={}, to={}", self.group, self.from, self.to)?;
        match &self.signature {
            None => Ok(()),
            Some(Signature { nonce, count, proof }) => {
                write!(f, ", nonce={nonce}, count={count}, proof={proof}")
            }
        }
    }
}

/// A decimal number of 1 or more, in its one form, because the proof is over its text.
fn parse_count(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

/// A name has no quote and no backslash, so that what stands in quotes is the name itself.
fn without_quotes(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}
