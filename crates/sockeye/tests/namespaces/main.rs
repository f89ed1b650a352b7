//! Servers and forgers on two machines: network namespaces with a cable (veth) between them, where
//! addresses are neither loopback nor proven, and anybody can write any address into a datagram.
//!
//! These tests want root and `ip`, and fail without. More of the same, for a long proof, with
//! `-- --include-ignored` for what takes more than half a minute:
//!
//! | variable | meaning |
//! |---|---|
//! | `SOCKEYE_SEEDS=n` | requests are drawn from the seeds 0 to n - 1; from 2 seeds unless set |
//! | `SOCKEYE_SEED=n` | only from this one |
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod amplification;
mod keys;
mod lab;
mod loops;
mod neighbours;
#[path = "../support/mod.rs"]
mod support;
