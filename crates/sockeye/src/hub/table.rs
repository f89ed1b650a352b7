//! What the person at the terminal sees at the start: what is where, and who may.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use sockeye_proto::address::Scheme;
use sockeye_proto::printable::Printable;

use super::{Moved, Place};
use crate::services::files::serve::share::Share;
use crate::services::{Hub, Service, Wire, of_the_hub};
use crate::serving::{reachable, url};

/// The start-up table.
pub(super) fn table(share: &Share, places: &[Place], moved: &[Moved]) -> String {
    let place = share.place().as_os_str().as_encoded_bytes();
    let hidden = if share.shows_hidden() { ", hidden files too" } else { "" };
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("\n  Sockeye {version} shares {}{hidden}\n\n", Printable(place));
    let mut rows = vec![["what", "where", "who may"].map(str::to_owned)];
    let mut tries = String::new();
    for service in of_the_hub() {
        for wire in service.wires {
            let own: Vec<&Place> =
                places.iter().filter(|place| place.is_of(service, wire)).collect();
            rows.extend(wire_rows(service, wire, &own));
            if let Some(first) = own.first() {
                let at = first.address;
                let host = host(reachable(at.ip()), wire.scheme);
                let _ = writeln!(tries, "    {}", wire.try_at(&host, at.port()));
            }
        }
    }
    let widths: [usize; 3] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let _ = write!(text, "\n  From a terminal:\n{tries}\n");
    for one in moved {
        let by = one.owner.as_deref().map(|owner| format!(" by {owner}")).unwrap_or_default();
        let (wanted, wire) = (one.wanted, &one.wire);
        let _ = writeln!(text, "  Port {wanted} is taken{by}; {wire} moved to a free one.");
    }
    if places.iter().all(|place| place.address.ip().is_loopback()) {
        text.push_str("  Others get in with: --on files=http://0.0.0.0:8080\n");
    }
    text.push_str("  Ctrl-C ends it.\n\n");
    text
}

/// A row for each port of a wire. Where both loopback addresses are bound, one row names both;
/// where all addresses are, the row names the one that others would use.
fn wire_rows(service: &Service, wire: &Wire, places: &[&Place]) -> Vec<[String; 3]> {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut seen: Vec<SocketAddr> = Vec::new();
    for place in places {
        let address = place.address;
        let twin = seen.iter().position(|first| {
            first.port() == address.port() && first.ip().is_loopback() && address.ip().is_loopback()
        });
        seen.push(address);
        if let Some(row) = twin.and_then(|at| rows.get_mut(at)) {
            let _ = write!(row[1], " and {}", host(address.ip(), Scheme::Http));
            continue;
        }
        let may = match service.hub {
            Hub::Page => "read",
            Hub::Text(_) => "ask",
        };
        let who = if address.ip().is_loopback() { "this machine" } else { "who can reach it" };
        let who = format!("{who}: {may}");
        let slash = if wire.scheme.is_http() { "/" } else { "" };
        let shown = SocketAddr::new(reachable(address.ip()), address.port());
        rows.push([service.name.to_owned(), format!("{}{slash}", url(wire.scheme, shown)), who]);
    }
    rows
}

/// An address as it stands in a URL, or as netcat takes it.
fn host(ip: IpAddr, scheme: Scheme) -> String {
    match ip {
        IpAddr::V6(v6) if scheme.is_http() => format!("[{v6}]"),
        ip => ip.to_string(),
    }
}
