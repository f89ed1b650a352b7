//! The client's side of files: `sockeye get` and `sockeye put`.
//!
//! [`get`] fetches files and folders, and [`put`] sends them. What they share stands beside them:
//! [`reach`] for how a host is reached, [`connection`] for one http connection, [`redirect`] for
//! where it leads on to, [`key`] for the key that a hub is told, [`meter`] for the line of
//! progress, and [`by_hand`] for the same with other people's tools.

use std::time::Duration;

mod by_hand;
mod connection;
pub mod get;
mod key;
mod meter;
pub mod put;
pub mod reach;
mod redirect;

/// How long a server may be silent.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
