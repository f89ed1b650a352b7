//! What the library heard, in our words.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use mdns_sd::{ResolvedService, ScopedIp};
use sockeye_proto::discovery::SERVICE_TYPE;
use sockeye_proto::discovery::record::Record;
use sockeye_proto::discovery::table::{Hub, likeliness};
use sockeye_proto::limits::{ANNOUNCED_ADDRESSES_MAX, INSTANCE_NAME_MAX_BYTES};

use crate::interfaces;

/// A hub, if what was announced can be one: it has a port and an address.
pub(super) fn hub(service: &ResolvedService) -> Option<Hub> {
    let port = service.get_port();
    let loopback = interfaces::loopback_names();
    let mut addresses: Vec<SocketAddr> = service
        .get_addresses()
        .iter()
        .filter_map(|address| address_of(address, port, &loopback))
        .collect();
    addresses.sort_by_key(|address| (likeliness(address.ip()), *address));
    addresses.dedup();
    addresses.truncate(ANNOUNCED_ADDRESSES_MAX);
    if addresses.is_empty() || port == 0 {
        return None;
    }
    let pairs = service.get_properties().iter();
    let record = Record::parse(pairs.map(|pair| (pair.key(), pair.val().unwrap_or_default())));
    Some(Hub { instance: instance(service.get_fullname()), addresses, record })
}

/// What a service is called, without its type; the dots and backslashes in it as they are (RFC
/// 6763, section 4.3).
pub(super) fn instance(full_name: &str) -> String {
    let escaped = full_name.strip_suffix(SERVICE_TYPE).unwrap_or(full_name);
    let escaped = escaped.strip_suffix('.').unwrap_or(escaped);
    let mut instance = String::new();
    let mut characters = escaped.chars();
    while let Some(c) = characters.next() {
        let c = if c == '\\' { characters.next().unwrap_or(c) } else { c };
        // What is longer is no label, and nobody's that could be heard.
        if instance.len() + c.len_utf8() > INSTANCE_NAME_MAX_BYTES {
            break;
        }
        instance.push(c);
    }
    instance
}

/// An address that can be meant. What somebody else calls a loopback address would lead to ourselves:
/// it is believed only where it was heard on loopback.
fn address_of(address: &ScopedIp, port: u16, loopback: &[String]) -> Option<SocketAddr> {
    let ip = address.to_ip_addr();
    let (interfaces, scope) = match address {
        ScopedIp::V4(v4) => (v4.interface_ids().iter().map(|id| &id.name).collect(), 0),
        ScopedIp::V6(v6) => (vec![&v6.scope_id().name], v6.scope_id().index),
        _ => (Vec::new(), 0),
    };
    let is_own = !interfaces.is_empty() && interfaces.iter().all(|name| loopback.contains(name));
    if ip.is_unspecified() || ip.is_multicast() || (ip.is_loopback() && !is_own) {
        return None;
    }
    Some(match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            SocketAddrV6::new(v6, port, 0, scope).into()
        }
        // Mapped, it would go round what was said of IPv4 ones.
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => return None,
        ip => SocketAddr::new(ip, port),
    })
}

#[cfg(test)]
mod tests {
    use mdns_sd::ServiceInfo;

    use super::*;

    fn announced(addresses: &str, port: u16, said: &[(&str, &str)]) -> Option<Hub> {
        let service =
            ServiceInfo::new(SERVICE_TYPE, "a.b\\c on x", "x.local.", addresses, port, said)
                .unwrap();
        hub(&service.as_resolved_service())
    }

    #[test]
    fn a_hub_is_called_what_it_called_itself() {
        let hub = announced("192.0.2.1", 8080, &[("id", "1"), ("files", "http:8080")]).unwrap();
        assert_eq!((hub.instance.as_str(), hub.id()), ("a.b\\c on x", "1"));
        assert_eq!(hub.record.page(), Some(("http", 8080)));
        assert_eq!(instance("\\"), "\\");
        assert_eq!(instance(&"x".repeat(1000)).len(), INSTANCE_NAME_MAX_BYTES);
    }

    #[test]
    fn addresses_that_lead_nowhere_or_to_ourselves_are_not_believed() {
        let hub = announced("127.0.0.1,::1,0.0.0.0,224.0.0.1,::ffff:127.0.0.1,192.0.2.1", 1, &[]);
        assert_eq!(hub.unwrap().addresses, ["192.0.2.1:1".parse().unwrap()]);
        assert_eq!(announced("127.0.0.1", 1, &[]), None);
        assert_eq!(announced("192.0.2.1", 0, &[]), None);
    }

    #[test]
    fn the_likeliest_address_is_first_and_there_are_not_too_many() {
        let hub = announced("fe80::1,2001:db8::1,169.254.0.1,192.0.2.1", 1, &[]).unwrap();
        let ips: Vec<String> = hub.addresses.iter().map(|at| at.ip().to_string()).collect();
        assert_eq!(ips, ["192.0.2.1", "169.254.0.1", "2001:db8::1", "fe80::1"]);
        let many: Vec<String> = (1..200).map(|n| format!("192.0.2.{n}")).collect();
        let hub = announced(&many.join(","), 1, &[]).unwrap();
        assert_eq!(hub.addresses.len(), ANNOUNCED_ADDRESSES_MAX);
    }
}
