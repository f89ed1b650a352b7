//! Our own decisions around HTTP: which path a target names, whether a request may drive this
//! hub, which bytes answer it, how long a silent peer is waited for, and which files stand in a form.
//!
//! Parsing and framing of HTTP itself belong to hyper, in the engine. Here is only what we decide,
//! as functions over the header fields' text, and [`form`], which reads what a body holds.

pub mod accept;
pub mod conditional;
pub mod form;
pub mod guard;
pub mod patience;
pub mod range;
pub mod target;
