//! What makes Sockeye's decisions happen: sockets, timers, the disk, HTTP, TLS.
//!
//! The decisions themselves are pure and live in `sockeye-proto`; the services that give them a
//! purpose live in the binary. This crate owns every system call and every library that owns a
//! protocol (hyper, rustls, mdns-sd). Its dependencies run one way: engine -> proto.

pub mod access;
pub mod activity;
pub mod call;
pub mod clock;
pub mod datagram;
pub mod discovery;
pub mod disk;
pub mod drive;
pub mod gate;
pub mod http;
pub mod interfaces;
pub mod listen;
pub mod memory;
pub mod metrics;
pub mod port_owner;
pub mod privileges;
pub mod request_log;
pub mod stop;
pub mod tls;
pub mod trace;
pub mod workers;
