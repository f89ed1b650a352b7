//! Siblings: what is missing here comes from another server, whatever that one does.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

#[path = "../support/mod.rs"]
mod support;

mod breaking;
mod listing;
mod members;
mod passing;
mod puppet;
mod sharing;
