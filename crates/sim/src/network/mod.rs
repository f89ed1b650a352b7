//! The simulated network: an event queue in virtual time, [`Link`]s that treat datagrams as badly
//! as real ones do, and [`Pipe`]s, one for each direction of a stream.

mod link;
mod pipe;
mod queue;

pub use link::{Fate, Link, LinkRules, Loss};
pub use pipe::{Pipe, PipeRules, Received, Segment};
pub use queue::EventQueue;
