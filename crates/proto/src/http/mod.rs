//! Our own decisions around HTTP: which path a target names, whether a request may drive this
//! hub, which bytes answer it, and how long a silent peer is waited for.
//!
//! Parsing and framing of HTTP itself belong to hyper, in the engine. Here is only what we decide,
//! as functions over the header fields' text.

pub mod accept;
pub mod conditional;
pub mod floor;
pub mod form;
pub mod guard;
pub mod patience;
pub mod pieces;
pub mod plain;
pub mod range;
pub mod target;
