//! A folder as one download: what Python, unzip and tar find in it, what is refused, and what
//! happens when it is large, slow, cut or changed on its way.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod changes;
mod contents;
mod look;
mod requests;
