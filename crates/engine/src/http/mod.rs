//! HTTP as the engine drives it: hyper on the inside, our patience and counting around it.
//!
//! [`server`] accepts and drives connections; [`patient_io`] is the connection as hyper sees it,
//! with our deadlines; [`secure`](self) comes before it on a port that speaks TLS; [`body`] is what answers are made of; [`exchange`] follows one request from
//! its head to the last byte of its answer.

pub mod body;
pub mod exchange;
pub mod patient_io;
mod secure;
pub mod server;
