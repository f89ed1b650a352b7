//! Sockeye's protocols and decisions, as pure functions and state machines.
//!
//! Nothing here opens a socket, reads a clock, throws a die, starts a thread or touches a file.
//! A caller hands in what arrived and what time it is, and is told what to do. The same code is
//! therefore driven by the engine on real sockets and by the simulator on virtual time, and a
//! failure can be replayed from its inputs alone. See [`machine`] for the contract.
#![forbid(unsafe_code)]

pub mod access;
pub mod address;
pub mod archive;
mod base32;
mod base64;
pub mod clients;
pub mod clock;
mod constant_time;
pub mod datagram;
pub mod discovery;
pub mod echo;
pub mod files;
pub mod http;
pub mod idle;
pub mod limits;
pub mod machine;
pub mod passed;
pub mod printable;
pub mod siblings;
pub mod text;
