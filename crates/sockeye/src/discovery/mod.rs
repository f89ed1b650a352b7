//! Hubs on the network: this one made known ([`announce`]), the others listed ([`find`]).

pub mod announce;
pub mod find;
