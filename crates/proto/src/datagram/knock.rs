//! The key on the text wires over UDP: ` key=k` at the end of a request, before a cookie.
//!
//! There is no conversation that could be let in, so each request says the key for itself, and what
//! the service sees is the request without it. What the guard does comes first: the key is asked for
//! in one short line that fits any room, and costs what any answer costs.
//!
//! An address that is not proven may be anybody's. Its wrong keys are counted apart, and when there
//! were too many, it is told so by the demand for a cookie: with that it is heard again, as who it
//! is. So nobody can have somebody else shut out by datagrams in their name. Only a `POST`, which is
//! never searched for a cookie, has to wait.

use core::net::IpAddr;
use std::ops::Range;

use super::cookie::split_attempt;
use super::guard::{Guard, Leaving, Proof, Request, is_answer};
use crate::access::{KEY_WANTED, Verdict};
use crate::base64::is_url_digit;
use crate::limits::KEY_MAX_CHARS;
use crate::machine::Tick;

/// What stands between a request and its key.
const MARK: &[u8] = b" key=";

/// A request that says a key. It is heard when [`checked`](super::responder::Responder::checked) is
/// told what the doorkeeper says to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    request: Request<'static>,
    /// How much of the datagram is the request's text.
    text_bytes: usize,
    /// Where in the datagram the key is.
    said: Range<usize>,
    /// Whether a cookie would be found behind it: never in a POST, whose text may end as it likes.
    may_prove: bool,
}

impl Knock {
    /// What a request says that the guard has admitted; `None` if it says no key.
    pub(super) fn read(request: &Request<'_>) -> Option<Self> {
        let (text, said) = match (split_key_alone(request.text), request.proof) {
            (Some(found), _) => found,
            // The guard looks for no cookie where none is needed, but one may stand there.
            (None, Proof::Address) => split_key(request.text)?,
            (None, _) => return None,
        };
        let begin = text.len() + MARK.len();
        let said = begin..begin + said.len();
        let (text_bytes, may_prove) = (text.len(), !is_post(request.text));
        Some(Self { request: request.without_text(), text_bytes, said, may_prove })
    }

    /// Who says it, or is said to.
    pub fn from(&self) -> IpAddr {
        self.request.from.ip()
    }

    /// The key that the datagram says, right or wrong.
    pub fn said<'a>(&self, datagram: &'a [u8]) -> &'a [u8] {
        datagram.get(self.said.clone()).unwrap_or_default()
    }

    /// Whether it is certain whom it comes from: then it is
    /// [`check`](crate::access::Doorkeeper::check)ed, else
    /// [`check_unproven`](crate::access::Doorkeeper::check_unproven)ed.
    pub fn is_proven(&self) -> bool {
        self.request.is_proven()
    }

    /// The request without its key.
    pub(super) fn request<'a>(&self, datagram: &'a [u8]) -> Request<'a> {
        let text = datagram.get(..self.text_bytes).unwrap_or_default();
        Request { text, ..self.request }
    }

    /// Turns away who said another key than the right one.
    pub(super) fn refuse(
        &self,
        guard: &Guard,
        now: Tick,
        verdict: Verdict,
        out: &mut Vec<u8>,
    ) -> Leaving {
        match verdict {
            Verdict::TooMany { .. } if !self.is_proven() && self.may_prove => {
                guard.demand(now, &self.request, out)
            }
            verdict => guard.answer(now, &self.request, verdict.to_string().as_bytes(), out),
        }
    }
}

/// Asks who said no key for it; nothing leaves if what came may be the answer of another server, or
/// the two could talk of keys for ever.
pub(super) fn demand_key(
    guard: &Guard,
    now: Tick,
    request: &Request<'_>,
    out: &mut Vec<u8>,
) -> Option<Leaving> {
    (!is_answer(request.text)).then(|| guard.answer(now, request, KEY_WANTED.as_bytes(), out))
}

/// Parts a text from the key that stands at its very end, or before what is meant as a cookie there;
/// `None` if none does. A `POST` is not searched for a cookie.
///
/// ```
/// use sockeye_proto::datagram::split_key;
/// let parts = Some((&b"SEND_TIME"[..], &b"sesame"[..]));
/// assert_eq!(split_key(b"SEND_TIME key=sesame"), parts);
/// assert_eq!(split_key(b"SEND_TIME key=sesame cookie=AAAAAAAAAAAAAAAAAAAAAA"), parts);
/// assert_eq!(split_key(b"SEND_TIME"), None);
/// ```
pub fn split_key(text: &[u8]) -> Option<(&[u8], &[u8])> {
    split_key_alone(text)
        .or_else(|| split_key_alone(split_attempt(text).filter(|_| !is_post(text))?.0))
}

fn is_post(text: &[u8]) -> bool {
    text.starts_with(b"POST ")
}

/// The same for a key at the very end.
fn split_key_alone(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_digit = |byte: &&u8| is_url_digit(**byte);
    let chars = text.iter().rev().take(KEY_MAX_CHARS + 1).take_while(is_digit).count();
    if chars == 0 || chars > KEY_MAX_CHARS {
        return None;
    }
    let (before, said) = text.split_at(text.len() - chars);
    Some((before.strip_suffix(MARK)?, said))
}

/// Puts a key at the end of a request's text, as a caller does; a cookie goes behind it.
pub(super) fn append_key(key: &str, request: &mut Vec<u8>) {
    request.extend_from_slice(MARK);
    request.extend_from_slice(key.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_at_the_very_end_after_one_space() {
        let long = format!("GET key={}", "a".repeat(KEY_MAX_CHARS + 1));
        assert_eq!(split_key(long.as_bytes()), None);
        assert!(split_key(&long.as_bytes()[..long.len() - 1]).is_some());
        for text in ["", "GET", "key=a", "GET key=", "GET key=a ", "GET key=a.", "GET KEY=a"] {
            assert_eq!(split_key(text.as_bytes()), None, "{text:?}");
        }
        for (text, before, said) in [
            ("GET key=aB_-9", "GET", "aB_-9"),
            (" key=a", "", "a"),
            ("x key=a key=b", "x key=a", "b"),
            ("x key=a cookie=b", "x", "a"),
            ("x cookie=a key=b", "x cookie=a", "b"),
        ] {
            let parts = (before.as_bytes(), said.as_bytes());
            assert_eq!(split_key(text.as_bytes()), Some(parts), "{text:?}");
        }
    }

    #[test]
    fn a_post_is_searched_for_a_key_and_for_no_cookie() {
        let parts = Some((&b"POST \"a\""[..], &b"b"[..]));
        assert_eq!(split_key(b"POST \"a\" key=b"), parts);
        assert_eq!(split_key(b"POST a key=b cookie=c"), None);
    }
}
