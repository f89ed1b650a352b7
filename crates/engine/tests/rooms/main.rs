//! Shared machines on real sockets: a room on each driver, in which everybody is told everything in
//! one order.
//!
//! Nothing here waits by the clock. What happens in the room is noted, and tests wait for notes and
//! for bytes; every wait has a generous bound after which the test fails instead of hanging.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod bounds;
mod cut;
mod house;
mod order;
mod room;
mod turns;
