//! Models to hold Sockeye's machines against: each looks at a whole conversation afterwards, with
//! all of its times, and says what it had to be.
//!
//! They are written from the description of the wires and not from the machines: no state that
//! moves along with the bytes, no buffers, no bounds on their time or memory. What they hold
//! against a machine is either its bug or theirs, and both are worth knowing.
//!
//! - [`framing`] parts what a peer sent into messages.
//! - [`conversation`] says what had to be answered, in what order and in what kind.
//! - [`peer`] invents peers of every manner to try.
//! - [`siblings`] says whom a question to siblings has to ask next, and how it has to end; this one
//!   looks at each step, because the steps of several questions depend on each other.

pub mod conversation;
pub mod framing;
pub mod peer;
pub mod siblings;
