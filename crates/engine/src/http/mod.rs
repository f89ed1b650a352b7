//! HTTP as the engine drives it: hyper on the inside, our patience and counting around it.
//!
//! [`server`] accepts and drives connections; [`patient_io`] is the connection as hyper sees it,
//! with our deadlines; [`express`] answers on it what needs no hyper; on a port that speaks TLS,
//! the handshake comes before it. [`request_body`] is what requests bring, [`body`] what answers
//! are made of; [`exchange`] follows one request from its head to the last byte of its answer;
//! [`pass`] cuts short what goes on for somebody who may not be here any more.

pub mod body;
pub mod exchange;
pub mod express;
pub mod pass;
pub mod patient_io;
pub mod relay;
pub mod request_body;
mod secure;
mod send_file;
pub mod server;
