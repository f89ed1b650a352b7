//! `sockeye find`: the hubs on this network.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use sockeye_engine::discovery::{DiscoveryError, Reach, look};
use sockeye_proto::discovery::record::Access;
use sockeye_proto::discovery::table::Hub;
use sockeye_proto::printable::Printable;

use crate::cli;
use crate::exit::Failure;
use crate::serving;

const HEADINGS: [&str; 5] = ["machine", "folder", "page", "who may", "services"];

/// `sockeye find`.
pub fn find(arguments: cli::Find) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Ours(format!("cannot start the runtime: {e}")))?;
    let found = runtime.block_on(look(&Reach::everywhere(), arguments.wait));
    let mut hubs = found.map_err(|error| match error {
        DiscoveryError::NoInterface(_) => {
            Failure::Network(format!("{error}: connect this machine to a network first"))
        }
        error => Failure::Network(error.to_string()),
    })?;
    if hubs.is_empty() {
        return Err(Failure::SaidNo(format!(
            "no hub answered within {:?}. Is one started with --lan, on the same network as this \
             machine? A firewall, here or there, has to let UDP port 5353 pass; guest networks and \
             routers often do not. --wait 10s waits longer",
            arguments.wait
        )));
    }
    hubs.sort_by_cached_key(|hub| {
        (hub.record.machine.clone(), hub.record.folder.clone(), hub.addresses.clone())
    });
    let text = if arguments.json {
        let lines: Vec<String> = hubs.iter().map(|hub| described(hub).to_string() + "\n").collect();
        lines.concat()
    } else {
        table(&hubs)
    };
    serving::print(&text)
}

/// For scripts.
fn described(hub: &Hub) -> Value {
    let record = &hub.record;
    let services = record.services.iter().map(|offered| {
        let wires = offered.wires.iter();
        let urls = wires.map(|wire| url(&wire.scheme, main_ip(hub), wire.port));
        json!({ "name": offered.service, "urls": urls.collect::<Vec<_>>() })
    });
    let ips: Vec<String> = hub.addresses.iter().map(|at| host(*at)).collect();
    json!({
        "name": hub.instance,
        "id": record.id,
        "machine": record.machine,
        "folder": record.folder,
        "page": pages(hub).first(),
        "pages": pages(hub),
        "access": record.access.map(Access::as_str),
        "group": record.group.map(|group| group.to_string()),
        "addresses": ips,
        "services": services.collect::<Vec<_>>(),
    })
}

/// For people. What hubs say of themselves is shown so that it cannot disturb the terminal.
fn table(hubs: &[Hub]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(hubs.iter().map(row));
    let widths: [usize; HEADINGS.len()] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; HEADINGS.len()]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(hub: &Hub) -> [String; HEADINGS.len()] {
    let shown = |text: &str| Printable(text.as_bytes()).to_string();
    let record = &hub.record;
    // Whoever says nothing of these is called what it is announced as.
    let machine = record.machine.as_deref().unwrap_or(&hub.instance);
    let who = match record.access {
        Some(Access::Key) => "with the key",
        Some(Access::Read) => "everybody reads",
        Some(Access::Open) => "everybody",
        None => "ask",
    };
    let services: Vec<String> = record
        .services
        .iter()
        .map(|offered| {
            let wires = offered.wires.iter().map(|wire| format!("{} {}", wire.scheme, wire.port));
            format!("{} ({})", offered.service, wires.collect::<Vec<_>>().join(", "))
        })
        .collect();
    [
        shown(machine),
        shown(record.folder.as_deref().unwrap_or("-")),
        pages(hub).into_iter().next().unwrap_or_else(|| "-".into()),
        who.to_owned(),
        services.join(", "),
    ]
}

/// The page at each address.
fn pages(hub: &Hub) -> Vec<String> {
    let Some((scheme, addresses)) = hub.pages() else { return Vec::new() };
    addresses.into_iter().map(|at| url(scheme, Some(at), at.port())).collect()
}

fn main_ip(hub: &Hub) -> Option<SocketAddr> {
    hub.addresses.first().copied()
}

fn url(scheme: &str, at: Option<SocketAddr>, port: u16) -> String {
    let host = at.map(host).unwrap_or_default();
    let slash = if scheme.starts_with("http") { "/" } else { "" };
    format!("{scheme}://{host}:{port}{slash}")
}

/// An address as it stands in a URL.
fn host(at: SocketAddr) -> String {
    match (at, at.ip()) {
        (SocketAddr::V6(v6), ip) if v6.scope_id() != 0 => format!("[{ip}%{}]", v6.scope_id()),
        (_, IpAddr::V6(ip)) => format!("[{ip}]"),
        (_, IpAddr::V4(ip)) => ip.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use sockeye_proto::discovery::record::Record;

    use super::*;

    fn hub(addresses: &[&str], said: &[(&str, &str)]) -> Hub {
        Hub {
            instance: "Photos on ana".into(),
            addresses: addresses.iter().map(|at| at.parse().unwrap()).collect(),
            record: Record::parse(said.iter().map(|(key, value)| (*key, value.as_bytes()))),
        }
    }

    #[test]
    fn people_see_a_table() {
        let said = [
            ("machine", "ana"),
            ("folder", "Photos"),
            ("access", "key"),
            ("files", "http:8080,tcp:7008"),
            ("echo", "udp:7001"),
        ];
        let hubs =
            [hub(&["192.0.2.1:8080"], &said), hub(&["[2001:db8::1]:1"], &[("files", "tcp:1")])];
        let table = table(&hubs);
        let expected = "\
machine        folder  page                    who may       services
ana            Photos  http://192.0.2.1:8080/  with the key  files (http 8080, tcp 7008), echo (udp 7001)
Photos on ana  -       -                       ask           files (tcp 1)
";
        assert_eq!(table, expected);
    }

    #[test]
    fn what_a_hub_calls_itself_cannot_disturb_the_terminal() {
        let table =
            table(&[hub(&["192.0.2.1:1"], &[("machine", "\x1b[2J\n"), ("files", "http:1")])]);
        assert!(table.contains("\\x1b[2J\\n") && table.lines().count() == 2, "{table}");
    }

    #[test]
    fn scripts_get_each_address_as_it_stands_in_a_url() {
        let addresses = ["192.0.2.1:8080", "[2001:db8::1]:8080", "[fe80::1%3]:8080"];
        let hub = described(&hub(&addresses, &[("id", "1"), ("files", "https:8080,tcp:7008")]));
        assert_eq!(hub["page"], "https://192.0.2.1:8080/");
        assert_eq!(hub["pages"][1], "https://[2001:db8::1]:8080/");
        assert_eq!(hub["addresses"][2], "[fe80::1%3]");
        assert_eq!(hub["services"][0]["urls"][1], "tcp://192.0.2.1:7008");
    }
}
