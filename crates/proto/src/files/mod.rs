//! The plain wires of the files service.

pub mod raw;
