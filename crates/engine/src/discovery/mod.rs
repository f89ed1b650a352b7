//! Hubs that find each other on a network, by multicast DNS: announced, withdrawn, looked for.
//!
//! mdns-sd speaks the protocol, on one thread of its own for each [`Responder`](responder::Responder):
//! it answers questions, makes names unique, and follows interfaces that come and go. Here it is told
//! on which of them ([`Reach`]), what it hears is put into our words, and what it remembers is bounded
//! (see [`watch`]). [`ground`] finds out beforehand what would keep it from working, because the
//! library passes over that in silence. Who is here is decided by [`sockeye_proto::discovery::table`].

use std::net::{IpAddr, SocketAddr};

use sockeye_proto::discovery::record::Record;
use thiserror::Error;

pub use self::look::look;
pub use self::watch::{Watched, start};

mod ground;
mod heard;
mod look;
mod responder;
mod watch;

/// The port of multicast DNS (RFC 6762, section 3).
const PORT: u16 = 5353;

/// What a hub says of itself, and is called.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// What it is called: at most 63 bytes, without control characters. It is to be the hub's alone:
    /// where somebody else is called so, a number is put behind it, on that interface.
    pub instance: String,
    /// What its addresses are known by, without `.local.`: one label of DNS that is the hub's alone,
    /// so that the machine's own name is left to whoever announces that.
    pub host: String,
    /// The port of its page, or of its first service.
    pub port: u16,
    /// The rest.
    pub record: Record,
}

/// Of which addresses of this machine the interfaces are spoken on.
///
/// ```
/// use sockeye_engine::discovery::Reach;
/// let loopback = Reach::of(&["127.0.0.1:8080".parse().unwrap()]);
/// assert!(loopback.wants("127.0.0.1".parse().unwrap()));
/// assert!(!loopback.wants("192.0.2.7".parse().unwrap()));
/// let all = Reach::of(&["[::]:8080".parse().unwrap()]);
/// assert!(all.wants("192.0.2.7".parse().unwrap()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reach {
    all_v4: bool,
    all_v6: bool,
    only: Vec<IpAddr>,
}

impl Reach {
    /// All of them.
    pub fn everywhere() -> Self {
        Self { all_v4: true, all_v6: true, only: Vec::new() }
    }

    /// Those on which somebody is heard who comes to one of these listeners.
    pub fn of(listening: &[SocketAddr]) -> Self {
        let mut reach = Self::default();
        for address in listening {
            match address.ip() {
                // It takes IPv4 callers, too.
                IpAddr::V6(v6) if v6.is_unspecified() => {
                    (reach.all_v4, reach.all_v6) = (true, true);
                }
                IpAddr::V4(v4) if v4.is_unspecified() => reach.all_v4 = true,
                ip => reach.only.push(ip),
            }
        }
        reach
    }

    /// Whether the interface with this address is meant, as far as this address goes.
    pub fn wants(&self, ip: IpAddr) -> bool {
        let is_all = if ip.is_ipv4() { self.all_v4 } else { self.all_v6 };
        is_all || self.only.contains(&ip)
    }
}

/// Why nobody can be announced or found.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// There is nothing to speak on.
    #[error("no network interface is up{0}")]
    NoInterface(&'static str),
    /// Somebody has the port and does not share it.
    #[error(
        "UDP port 5353 is taken by a program that does not share it; `ss -ulnp sport = :5353` names \
         it"
    )]
    Taken,
    /// The system does not let us.
    #[error(
        "this system does not let us send to 224.0.0.251, UDP port 5353: {0}; a firewall or a \
         container's rules may forbid it"
    )]
    Denied(std::io::Error),
    /// Something else.
    #[error("multicast DNS does not work here: {0}")]
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(listening: &[&str]) -> Reach {
        let listening: Vec<SocketAddr> = listening.iter().map(|at| at.parse().unwrap()).collect();
        Reach::of(&listening)
    }

    #[test]
    fn nobody_hears_of_a_listener_who_cannot_reach_it() {
        let wants = |reach: &Reach, ip: &str| reach.wants(ip.parse().unwrap());
        let v4 = reach(&["0.0.0.0:1"]);
        assert!(wants(&v4, "192.0.2.1") && wants(&v4, "127.0.0.1") && !wants(&v4, "2001:db8::1"));
        let one = reach(&["192.0.2.1:1", "[::1]:1"]);
        assert!(wants(&one, "192.0.2.1") && wants(&one, "::1"));
        assert!(!wants(&one, "192.0.2.2") && !wants(&one, "127.0.0.1"));
        assert!(!wants(&reach(&[]), "127.0.0.1"));
    }
}
