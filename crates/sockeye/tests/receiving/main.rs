//! Receiving files over http, from the sender's side: what curl and browsers send, what half-broken
//! senders send, and what lies in the folder afterwards, hidden names included.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod cuts;
mod early;
mod forms;
mod frames;
mod house;
mod names;
mod patience;
mod pieces;
mod statuses;
