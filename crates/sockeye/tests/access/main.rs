//! Who is let in: the key on http and on the raw wire, who is here, who may do what, and what is
//! never shown of a key.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

#[path = "../support/mod.rs"]
mod support;

mod dropbox;
mod guests;
mod hub;
mod joining;
mod keeping;
mod pages;
mod secrets;
mod throttle;
