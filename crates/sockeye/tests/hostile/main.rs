//! What an attacker tries: paths that want out of the shared folder, requests that want to confuse
//! the parser, pages of other sites that want to use the hub, and a folder that changes under the
//! server's feet.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

#[path = "../support/mod.rs"]
mod support;

mod guard;
mod paths;
mod race;
mod requests;
