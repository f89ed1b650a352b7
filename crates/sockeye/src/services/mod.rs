//! The services, and the registry: one row for each.
//!
//! The hub's start-up table, the page's list, the metrics' names and docs/ports.md come out of
//! this table.

use std::num::NonZeroU16;

use sockeye_engine::listen::Door;
use sockeye_proto::address::Scheme;

use self::text::call::Meaning;
use self::text::listeners::Listeners;
use crate::exit::Failure;
use crate::serving::Server;

pub mod by_hand;
pub mod clock;
pub mod driver;
pub mod echo;
pub mod files;
pub mod text;

/// A service's row.
#[derive(Debug)]
pub struct Service {
    /// Its name, in one word.
    pub name: &'static str,
    /// Its part in the hub.
    pub hub: Hub,
    /// Whether it is offered to a whole network unless told otherwise.
    pub is_for_all: bool,
    /// Its wires.
    pub wires: &'static [Wire],
}

/// What the hub does with a service.
#[derive(Clone, Copy, Debug)]
pub enum Hub {
    /// It is built around it: the page's port serves the folder.
    Page,
    /// It starts it beside the page.
    Text(Text),
}

/// A text service in the hub.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Serves it on these sockets.
    pub start: fn(&Server, Listeners, Door) -> Result<(), Failure>,
    /// What its messages mean, in words.
    pub meaning: Meaning,
    /// Whether the answer to a request is the request itself, as echo's is.
    pub repeats: bool,
}

/// One wire of a service.
#[derive(Debug)]
pub struct Wire {
    /// What stands before `://`.
    pub scheme: Scheme,
    /// Where it listens unless told otherwise.
    pub port: DefaultPort,
    /// What it does, in a few words.
    pub about: &'static str,
    /// How somebody tries it; `HOST` and `PORT` stand for where it is.
    pub try_it: &'static str,
    /// The same where the key is wanted, for which `KEY` stands; `None`: it never is.
    pub try_with_key: Option<&'static str>,
}

/// Where a wire listens unless told otherwise.
#[derive(Clone, Copy, Debug)]
pub enum DefaultPort {
    /// The page's port, 8080.
    Page,
    /// So much above the base port, 7000.
    AboveBase(u16),
}

impl DefaultPort {
    /// The port's number, for a given page and base.
    pub fn number(self, page: u16, base: NonZeroU16) -> u16 {
        match self {
            Self::Page => page,
            Self::AboveBase(n) => base.get().saturating_add(n),
        }
    }
}

impl Wire {
    /// How somebody tries it, with a real host and port, and the key if that is wanted.
    pub fn try_at(&self, host: &str, port: u16, key: Option<&str>) -> String {
        let (try_it, key) = match (self.try_with_key, key) {
            (Some(try_it), Some(key)) => (try_it, key),
            _ => (self.try_it, ""),
        };
        // A key is in lower case, and a host comes last: neither holds what is filled in after it.
        try_it.replace("KEY", key).replace("PORT", &port.to_string()).replace("HOST", host)
    }
}

/// All services.
pub const SERVICES: &[Service] = &[files::SERVICE, echo::SERVICE, clock::SERVICE];

impl Service {
    /// Where a wire of it listens unless told otherwise.
    pub fn default_port(&self, scheme: Scheme) -> u16 {
        const BASE: NonZeroU16 = NonZeroU16::new(7000).expect("it is not 0");
        let wire = self.wires.iter().find(|wire| wire.scheme == scheme);
        wire.map_or(0, |wire| wire.port.number(8080, BASE))
    }
}

/// The services that the hub starts.
pub fn of_the_hub() -> impl Iterator<Item = &'static Service> {
    SERVICES.iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const BASE: NonZeroU16 = NonZeroU16::new(7000).unwrap();

    fn ports_page() -> String {
        let mut page = String::from(
            "# Ports\n\nWhere each service listens unless told otherwise. \
             `--port` moves the page, `--base-port N` the ports above 7000, and\n\
             `--on NAME=URL` any one of them.\n\n\
             | service | wire | port | what it does |\n|---|---|---|---|\n",
        );
        for service in SERVICES {
            for wire in service.wires {
                let scheme = wire.scheme.as_str();
                let port = wire.port.number(8080, BASE);
                let _ = writeln!(page, "| {} | {scheme} | {port} | {} |", service.name, wire.about);
            }
        }
        page
    }

    #[test]
    fn docs_ports_md_is_what_the_registry_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ports.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, ports_page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert_eq!(written, ports_page(), "run the tests once with UPDATE_DOCS=1");
    }

    #[test]
    fn no_two_wires_share_a_default_port() {
        // The page's port speaks http or https.
        let mut ports: Vec<(bool, u16)> = SERVICES
            .iter()
            .flat_map(|s| s.wires)
            .filter(|w| w.scheme != Scheme::Https)
            .map(|w| (w.scheme == Scheme::Udp, w.port.number(8080, BASE)))
            .collect();
        let all = ports.len();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), all);
    }
}
