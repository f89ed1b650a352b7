//! The shared folder and the reading of its files.
//!
//! [`folder`] opens names beneath one folder and nothing else; [`listing`] reads a folder's
//! entries; [`hot`] keeps small files in memory while they are asked for often; [`chunk`] keeps the
//! buffers that file contents pass through; [`digest`] hashes a part of a file; [`reader`] reads a file without ever holding up other
//! connections for the disk; [`archive`] makes one of a whole folder; [`receive`] takes files in.

pub mod archive;
pub mod chunk;
pub mod digest;
pub mod folder;
pub mod hot;
pub mod listing;
pub mod reader;
pub mod receive;
