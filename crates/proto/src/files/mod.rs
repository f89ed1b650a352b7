//! The plain wires of the files service, and its decisions about names.

pub mod free_name;
pub mod raw;
