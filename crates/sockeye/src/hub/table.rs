//! What the person at the terminal sees at the start: what is where, and who may.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use sockeye_engine::access::SharedDoorkeeper;
use sockeye_proto::access::Key;
use sockeye_proto::address::Scheme;
use sockeye_proto::printable::Printable;

use super::access::{Access, Wanted};
use super::invite::{Invite, for_terminal};
use super::{Moved, Place};
use crate::services::files::serve::receive::Receiving;
use crate::services::files::serve::share::Share;
use crate::services::{Hub, Service, Wire, of_the_hub};
use crate::serving::{reachable, url};

/// What is known at the start.
pub(super) struct AtStart<'a> {
    pub(super) share: &'a Share,
    pub(super) receiving: &'a Receiving,
    pub(super) places: &'a [Place],
    pub(super) moved: &'a [Moved],
    pub(super) access: &'a Access,
    pub(super) invite: &'a Invite,
}

impl AtStart<'_> {
    /// The start-up table.
    pub(super) fn table(&self) -> String {
        let place = self.share.place().as_os_str().as_encoded_bytes();
        let hidden = if self.share.shows_hidden() { ", hidden files too" } else { "" };
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("\n  Sockeye {version} shares {}{hidden}\n\n", Printable(place));
        let mut rows = vec![["what", "where", "who may"].map(str::to_owned)];
        let mut tries = String::new();
        let key = self.access.key_for_reading();
        let key = key.as_ref().map(Key::as_str);
        for service in of_the_hub() {
            for wire in service.wires {
                let own: Vec<&Place> =
                    self.places.iter().filter(|place| place.is_of(service, wire)).collect();
                rows.extend(self.wire_rows(service, wire, &own));
                if let Some(first) = own.first() {
                    let at = first.address;
                    let host = host(reachable(at.ip()), wire.scheme);
                    let _ = writeln!(tries, "    {}", wire.try_at(&host, at.port(), key));
                }
            }
        }
        write_rows(&mut text, &rows);
        let _ = write!(text, "\n  From a terminal:\n{tries}\n");
        for one in self.moved {
            let by = one.owner.as_deref().map(|owner| format!(" by {owner}")).unwrap_or_default();
            let (wanted, wire) = (one.wanted, &one.wire);
            let _ = writeln!(text, "  Port {wanted} is taken{by}; {wire} moved to a free one.");
        }
        self.write_invitation(&mut text);
        if let Some(fingerprint) = self.invite.fingerprint() {
            let _ =
                writeln!(text, "  The certificate's fingerprint (SHA-256):\n    {fingerprint}\n");
        }
        text.push_str("  Ctrl-C ends it.\n\n");
        text
    }

    /// How others get in: a link and its QR code, or what would let them.
    fn write_invitation(&self, text: &mut String) {
        let key = self.access.doorkeeper().map(SharedDoorkeeper::key);
        let links = self.invite.links(key.as_ref());
        let Some((link, others)) = links.split_first() else {
            text.push_str("  Others get in with: --lan\n");
            return;
        };
        if self.access.doorkeeper().is_some() && self.receiving.is_dropbox() {
            let open = self.invite.links(None);
            let leaving = open.first().unwrap_or(link);
            let _ =
                writeln!(text, "  For those who leave files, and see nothing:\n\n    {leaving}\n");
            write_code(text, leaving);
            text.push_str("  For those who may see everything; the key is in it:\n\n");
            let _ = writeln!(text, "    {link}\n");
        } else {
            let who = match self.access.wanted() {
                Wanted::Nothing => "Everybody who can reach it gets in; there is no key",
                Wanted::ToWrite => "Everybody may read; whoever changes anything needs this link",
                Wanted::Always => "This link lets others in; the key is in it",
            };
            let _ = writeln!(text, "  {who}:\n\n    {link}\n");
            write_code(text, link);
        }
        if !others.is_empty() {
            let _ = writeln!(text, "  This machine has other addresses, too (--addr picks one):");
            for other in others {
                let _ = writeln!(text, "    {other}");
            }
            text.push('\n');
        }
        if self.access.doorkeeper().is_some() {
            let mut clear: Vec<&str> = self
                .places
                .iter()
                .filter(|place| !place.address.ip().is_loopback() && place.scheme != Scheme::Https)
                .map(|place| place.scheme.as_str())
                .collect();
            clear.sort_unstable();
            clear.dedup();
            if !clear.is_empty() {
                let clear = clear.join(", ");
                let _ = writeln!(text, "  Not encrypted, the key neither: {clear}.");
            }
        }
    }

    /// A row for each port of a wire. Where both loopback addresses are bound, one row names both;
    /// where all addresses are, the row names the one that others would use.
    fn wire_rows(&self, service: &Service, wire: &Wire, places: &[&Place]) -> Vec<[String; 3]> {
        let mut rows: Vec<[String; 3]> = Vec::new();
        let mut seen: Vec<SocketAddr> = Vec::new();
        for place in places {
            let address = place.address;
            let twin = seen.iter().position(|first| {
                let are_local = first.ip().is_loopback() && address.ip().is_loopback();
                first.port() == address.port() && are_local
            });
            seen.push(address);
            if let Some(row) = twin.and_then(|at| rows.get_mut(at)) {
                let _ = write!(row[1], " and {}", host(address.ip(), Scheme::Http));
                continue;
            }
            let slash = if wire.scheme.is_http() { "/" } else { "" };
            let shown = SocketAddr::new(reachable(address.ip()), address.port());
            let at = format!("{}{slash}", url(wire.scheme, shown));
            rows.push([service.name.to_owned(), at, self.who_may(service, wire, address)]);
        }
        rows
    }

    fn who_may(&self, service: &Service, wire: &Wire, address: SocketAddr) -> String {
        let anybody = if address.ip().is_loopback() { "this machine" } else { "who can reach it" };
        if matches!(service.hub, Hub::Text(_)) {
            return format!("{anybody}: ask");
        }
        let sends = self.receiving.is_on() && wire.scheme != Scheme::Tcp;
        let all = if sends { "read, send" } else { "read" };
        match self.access.wanted() {
            Wanted::Nothing => format!("{anybody}: {all}"),
            Wanted::ToWrite if sends => format!("{anybody}: read; with the key: send"),
            Wanted::ToWrite => format!("{anybody}: read"),
            Wanted::Always if sends && self.receiving.is_dropbox() => {
                format!("with the key: {all}; {anybody}: send")
            }
            Wanted::Always => format!("with the key: {all}"),
        }
    }
}

fn write_code(text: &mut String, link: &str) {
    if let Some(code) = for_terminal(link) {
        let _ = writeln!(text, "{code}\n");
    }
}

fn write_rows(text: &mut String, rows: &[[String; 3]]) {
    let widths: [usize; 3] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// An address as it stands in a URL, or as netcat takes it.
fn host(ip: IpAddr, scheme: Scheme) -> String {
    match ip {
        IpAddr::V6(v6) if scheme.is_http() => format!("[{v6}]"),
        ip => ip.to_string(),
    }
}
