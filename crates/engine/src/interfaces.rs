//! The addresses by which others on the network reach this machine, the likeliest first.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::listen::own_address;

/// An address of an interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's name, like `eth0`.
    pub interface: String,
    /// The address.
    pub ip: IpAddr,
    /// Whether there is a device behind it: bridges of containers and tunnels have none.
    is_physical: bool,
}

/// All addresses that others could use: those of physical interfaces first, and of these the one
/// that this machine itself would send from; IPv4 before IPv6. None of loopback, and none that is
/// only good on one link (RFC 4291, section 2.5.6) and would need the interface beside it.
pub fn addresses() -> Vec<InterfaceAddress> {
    let Ok(all) = getifaddrs() else { return Vec::new() };
    let mut found: Vec<InterfaceAddress> = all
        .filter(|one| {
            one.flags.contains(InterfaceFlags::IFF_UP)
                && !one.flags.contains(InterfaceFlags::IFF_LOOPBACK)
        })
        .filter_map(|one| {
            let address = one.address?;
            let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(v4), _) => SocketAddr::V4((*v4).into()).ip(),
                (_, Some(v6)) => SocketAddr::V6((*v6).into()).ip(),
                _ => return None,
            };
            let is_physical = is_physical(&one.interface_name);
            Some(InterfaceAddress { interface: one.interface_name, ip, is_physical })
        })
        .filter(|one| match one.ip {
            IpAddr::V4(v4) => !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
        .collect();
    let own = own_address();
    found.sort_by_key(|one| (!one.is_physical, Some(one.ip) != own, one.ip.is_ipv6()));
    found.dedup_by(|a, b| a.ip == b.ip);
    found
}

/// The names of the loopback interfaces, `lo` as a rule.
pub fn loopback_names() -> Vec<String> {
    let Ok(all) = getifaddrs() else { return Vec::new() };
    let mut names: Vec<String> = all
        .filter(|one| one.flags.contains(InterfaceFlags::IFF_LOOPBACK))
        .map(|one| one.interface_name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_physical(interface: &str) -> bool {
    Path::new("/sys/class/net").join(interface).join("device").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_one_that_others_cannot_use() {
        for one in addresses() {
            assert!(!one.ip.is_loopback() && !one.ip.is_unspecified(), "{one:?}");
        }
    }
}
