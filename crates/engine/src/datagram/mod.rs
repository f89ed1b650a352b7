//! UDP: sockets that move many datagrams in one system call, and the serving of them.
//!
//! [`socket`] is the system calls, with a plain fallback; [`serve`] runs a service's answers on a
//! socket under each driver.

pub mod serve;
pub mod socket;
