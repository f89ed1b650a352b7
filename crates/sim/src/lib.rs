//! Development only: runs Sockeye's machines in virtual time, from a seed.
//!
//! Nothing here waits. A [`seed::Seed`] decides how a peer's bytes are cut into segments and when
//! they arrive; [`stream::run`] hands them to a machine at those ticks, with every deadline that the
//! machine asks for in between. The same seed gives the same run, so that a failure is replayed by
//! its number alone.
#![forbid(unsafe_code)]

pub mod seed;
pub mod stream;
