//! Networks whose addresses are trusted as they stand: `--plain NET`, for beginners' scripts that
//! know nothing of cookies.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// An address and how many of its first bits count.
///
/// ```
/// use sockeye_proto::datagram::network::Network;
///
/// let lab: Network = "192.168.0.0/16".parse()?;
/// assert!(lab.contains("192.168.7.9".parse().unwrap()));
/// assert!(lab.contains("::ffff:192.168.7.9".parse().unwrap()), "seen by a dual-stack socket");
/// assert!(!lab.contains("192.169.0.1".parse().unwrap()));
/// assert_eq!("10.0.0.9".parse::<Network>()?.to_string(), "10.0.0.9/32");
/// # Ok::<(), sockeye_proto::datagram::network::NetworkError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its bits beyond the prefix are zero.
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no network; write an address, or one with its prefix, like 192.168.0.0/16")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address lies in it. An IPv4 network holds no IPv6 address, and the other way
    /// round; an IPv4 address in its mapped form is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.prefix_bits) == Some(self.address)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        parse(text).ok_or_else(|| {
            let short: String = text.chars().take(60).collect();
            NetworkError(crate::printable::Printable(short.as_bytes()).to_string())
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

fn parse(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let written: IpAddr = address.parse().ok()?;
    let address = written.to_canonical();
    let prefix_bits = match prefix {
        None => width_bits(address),
        // `parse` alone would take a leading plus.
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            // A mapped IPv4 network counts its prefix from the first bit of the IPv6 address.
            digits.parse::<u8>().ok()?.checked_sub(width_bits(written) - width_bits(address))?
        }
        Some(_) => return None,
    };
    let address = masked(address, prefix_bits)?;
    Some(Network { address, prefix_bits })
}

fn width_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with all bits beyond the prefix zero; `None` if it has fewer bits than that.
fn masked(address: IpAddr, prefix_bits: u8) -> Option<IpAddr> {
    let beyond_bits = u32::from(width_bits(address).checked_sub(prefix_bits)?);
    Some(match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(beyond_bits).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(beyond_bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        let cases = [
            ("192.168.0.0/16", "192.168.255.255", true),
            ("192.168.0.0/16", "192.167.255.255", false),
            ("192.168.1.77/24", "192.168.1.1", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("10.1.2.2/31", "10.1.2.3", true),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.1", false),
            ("fe80::/10", "febf::1", true),
            ("fe80::/10", "fec0::1", false),
            ("::1", "::1", true),
            ("::ffff:10.0.0.0/104", "10.200.0.1", true),
            ("::ffff:10.0.0.0/104", "11.0.0.1", false),
            ("2001:db8::/100", "10.0.0.1", false),
        ];
        for (network, address, held) in cases {
            assert_eq!(contains(network, address), held, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_says_what_to_write() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/8/8",
            "fe80::1%eth0/10",
            "::ffff:10.0.0.0/95",
            "lab",
            "10.0.0.0 /8",
            "10.0.0.0/256",
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains("like 192.168.0.0/16"), "{error}");
        }
    }
}
