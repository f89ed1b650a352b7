//! Siblings: other servers that may have what is missing here.
//!
//! Who is missing a file asks them for it; the one that is asked answers from its own folder alone,
//! so that nothing travels in circles. The parts are pure, and the binary's `files` service calls
//! them:
//!
//! - [`group`]: which servers belong together, and how one proves to another that it does.
//! - [`nonce`]: what an answerer gives out so that no proof can be used twice.
//! - [`node`]: the name of a running server, and what two fields of HTTP say to it.
//! - [`roster`]: what a hub knows of its siblings: who is near, who fails, who had what.
//! - [`merge`]: one folder as all of them have it.
//! - [`search`]: one question: whom to ask next, whom to wait for, when to give up.
//!
//! On the wire all of it is HTTP/1.1: a GET or HEAD with `Cache-Control: only-if-cached`, `Via`, and
//! the field `Sockeye-Sibling` that [`group::Claim`] is.

use std::fmt;

pub mod group;
mod hex;
pub mod merge;
pub mod node;
pub mod nonce;
pub mod roster;
pub mod search;

/// An entry of the [`roster::Roster`]; never used for another in a roster's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sibling(pub u32);

impl fmt::Display for Sibling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sibling {}", self.0)
    }
}
