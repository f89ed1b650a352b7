//! The name of a running server, and what two fields of HTTP say to it: whether a request has been
//! here before, and whether it may travel on.

use std::fmt;

use crate::base32;
use crate::http::accept::split_unquoted;

/// What each name begins with.
const BEGINNING: &str = "sockeye-";
/// How many digits of base32 64 bits take.
const DIGITS: usize = 13;

/// Names one running server, whatever its addresses are: `sockeye-` and 13 digits of base32 that are
/// drawn anew each time it starts. It stands in `Via`, and in what siblings sign.
///
/// ```
/// use sockeye_proto::siblings::node::NodeId;
///
/// let id = NodeId::from_random([0xff; 8]);
/// assert_eq!(id.as_str(), "sockeye-7777777777776");
/// assert_eq!(NodeId::parse("sockeye-7777777777776"), Some(id));
/// assert_eq!(NodeId::parse("nginx"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(String);

impl NodeId {
    /// The name that eight random bytes make.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        let digits = base32::digits(u64::from_be_bytes(bytes)).take(DIGITS);
        Self(BEGINNING.chars().chain(digits).collect())
    }

    /// Reads a name; `None` if the text has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(BEGINNING)?;
        let is_id = digits.len() == DIGITS && digits.bytes().all(base32::is_digit);
        is_id.then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a Via field (RFC 9110 section 7.6.3) names this server: the request has been here, and is
/// to be refused as a loop. Of several such fields, each is to be asked about.
///
/// It errs on the safe side. An id anywhere in the field counts, also in a comment, because a
/// comment that somebody upstream has left open must not hide what stands behind it; and nobody has
/// a reason to say this very id who has not got the request from us.
///
/// ```
/// use sockeye_proto::siblings::node::{NodeId, via_names};
///
/// let id = NodeId::from_random([0; 8]);
/// assert!(via_names("1.0 fred, 1.1 sockeye-aaaaaaaaaaaaa (a comment)", &id));
/// assert!(!via_names("1.1 sockeye-bbbbbbbbbbbbb", &id));
/// ```
pub fn via_names(via: &str, id: &NodeId) -> bool {
    let is_outside = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    // Hosts are the same in upper and lower case, and an intermediary may treat an id as one.
    via.split(is_outside).any(|word| word.eq_ignore_ascii_case(id.as_str()))
}

/// Whether a Cache-Control field forbids asking anybody else (`only-if-cached`, RFC 9111 section
/// 5.2.1.7). Of several such fields, one is enough. An argument, which the directive has not, does
/// not make it another.
///
/// ```
/// use sockeye_proto::siblings::node::only_if_cached;
///
/// assert!(only_if_cached("max-age=0, Only-If-Cached"));
/// assert!(!only_if_cached("no-cache"));
/// assert!(!only_if_cached("extension=\"a, only-if-cached\""));
/// ```
pub fn only_if_cached(cache_control: &str) -> bool {
    split_unquoted(cache_control, b',').any(|directive| {
        let name = directive.split('=').next().unwrap_or_default();
        name.trim_matches([' ', '\t']).eq_ignore_ascii_case("only-if-cached")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> NodeId {
        NodeId::parse("sockeye-abcdefghij234").unwrap()
    }

    #[test]
    fn only_a_name_of_our_form_is_a_name() {
        for text in [
            "",
            "sockeye-",
            "sockeye-abcdefghij23",
            "sockeye-abcdefghij2345",
            "sockeye-abcdefghij231",
            "sockeye-ABCDEFGHIJ234",
            "Sockeye-abcdefghij234",
            "abcdefghij234",
            " sockeye-abcdefghij234",
        ] {
            assert_eq!(NodeId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_id_is_found_wherever_it_stands_in_via() {
        for via in [
            "1.1 sockeye-abcdefghij234",
            "1.0 fred, 1.1 sockeye-abcdefghij234",
            "HTTP/1.1 sockeye-abcdefghij234 (Sockeye), 1.1 p.example.net:80",
            "1.1\tSOCKEYE-ABCDEFGHIJ234",
            "1.1 sockeye-abcdefghij234:8080",
            "sockeye-abcdefghij234",
            // Left open by somebody who wants to hide what comes behind it.
            "1.1 x (open, 1.1 sockeye-abcdefghij234",
            "1.1 x \"open, 1.1 sockeye-abcdefghij234",
        ] {
            assert!(via_names(via, &id()), "{via:?}");
        }
    }

    #[test]
    fn another_id_in_via_is_not_ours() {
        for via in [
            "",
            "1.1 fred",
            "1.1 sockeye-abcdefghij235",
            "1.1 sockeye-abcdefghij2345",
            "1.1 x-sockeye-abcdefghij234",
            "1.1 sockeye -abcdefghij234",
        ] {
            assert!(!via_names(via, &id()), "{via:?}");
        }
    }

    #[test]
    fn only_if_cached_is_a_directive_of_its_own() {
        for field in
            ["only-if-cached", " ONLY-IF-CACHED\t", "a, only-if-cached", "only-if-cached=1"]
        {
            assert!(only_if_cached(field), "{field:?}");
        }
        for field in ["", ",", "only-if-cache", "x-only-if-cached", "a=\"only-if-cached\"", "only"]
        {
            assert!(!only_if_cached(field), "{field:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_via_we_were_sent_our_own_entry_is_seen_in_it(via in "[^\\x00]{0,60}") {
            prop_assert!(!via_names(&via, &id()));
            let with_ours = format!("{via}, 1.1 {}", id());
            prop_assert!(via_names(&with_ours, &id()), "{}", with_ours);
        }

        #[test]
        fn every_name_that_is_drawn_is_read_back(bytes: [u8; 8]) {
            let id = NodeId::from_random(bytes);
            prop_assert_eq!(NodeId::parse(id.as_str()), Some(id));
        }
    }
}
