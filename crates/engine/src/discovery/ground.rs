//! Whether multicast DNS can work here at all, found out by trying: the library would say nothing.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::{DiscoveryError, PORT, Reach};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// A message of DNS that asks and answers nothing (RFC 1035, section 4.1.1).
const NOTHING: [u8; 12] = [0; 12];

/// Tries it: one interface on which it works is enough.
pub(super) fn check(reach: &Reach) -> Result<(), DiscoveryError> {
    let interfaces = addresses(reach)?;
    if interfaces.is_empty() {
        let hint = if reach.all_v4 || reach.all_v6 { "" } else { " at the addresses listened on" };
        return Err(DiscoveryError::NoInterface(hint));
    }
    let v4: Vec<Ipv4Addr> = interfaces
        .iter()
        .filter_map(|ip| match ip {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        })
        .collect();
    if v4.is_empty() {
        return bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT)).map(drop);
    }
    let socket = bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PORT))?;
    let tries = v4.iter().map(|ip| send_nothing(&socket, *ip));
    let mut trouble = None;
    for outcome in tries {
        match outcome {
            Ok(()) => return Ok(()),
            Err(error) => trouble = Some(error),
        }
    }
    trouble.map_or(Ok(()), |error| Err(DiscoveryError::Denied(error)))
}

/// The addresses of the interfaces that are up and meant. Tunnels from one point to another have
/// nobody to be found on, and the library passes over them.
fn addresses(reach: &Reach) -> Result<Vec<IpAddr>, DiscoveryError> {
    let all = getifaddrs().map_err(|e| DiscoveryError::Other(e.to_string()))?;
    let is_up = |flags: InterfaceFlags| {
        flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING)
            && !flags.contains(InterfaceFlags::IFF_POINTOPOINT)
    };
    let addresses = all.filter(|one| is_up(one.flags)).filter_map(|one| {
        let address = one.address?;
        match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => Some(IpAddr::V4(SocketAddrV4::from(*v4).ip().to_owned())),
            (_, Some(v6)) => Some(IpAddr::V6(SocketAddrV6::from(*v6).ip().to_owned())),
            _ => None,
        }
    });
    Ok(addresses.filter(|ip| reach.wants(*ip)).collect())
}

/// Binds as all who speak multicast DNS on one machine do, beside each other (RFC 6762, section
/// 15.1).
fn bind(address: SocketAddr) -> Result<Socket, DiscoveryError> {
    let bind = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    bind().map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => DiscoveryError::Taken,
        ErrorKind::PermissionDenied => DiscoveryError::Denied(error),
        _ => DiscoveryError::Other(error.to_string()),
    })
}

fn send_nothing(socket: &Socket, from: Ipv4Addr) -> io::Result<()> {
    socket.set_multicast_if_v4(&from)?;
    let to = SocketAddr::from((GROUP, PORT));
    socket.send_to(&NOTHING, &to.into()).map(drop)
}
