//! This machine's network interfaces and their addresses.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface's name, like `eth0`.
    pub interface: String,
    /// The address; a link-local one without its scope.
    pub address: IpAddr,
    /// Whether the interface is up and has a line.
    pub is_running: bool,
}

/// All addresses of this machine, interface by interface, loopback among them.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let found = getifaddrs()?.filter_map(|found| {
        let address = found.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = || address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        Some(InterfaceAddress {
            interface: found.interface_name,
            address: v4.or_else(v6)?,
            is_running: found.flags.contains(running),
        })
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_among_them() {
        let all = addresses().unwrap();
        let loopback = all.iter().find(|one| one.address == IpAddr::from([127, 0, 0, 1]));
        assert!(loopback.is_some_and(|one| one.interface == "lo" && one.is_running), "{all:?}");
    }
}
