//! https: who serves it and under which certificate, whom our client trusts, and what becomes of
//! those who do not come to an end with the handshake.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod client;
mod handshake;
mod house;
mod served;
