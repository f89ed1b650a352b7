//! Makes a hub known on the network that it listens on, and others to it.

use std::net::SocketAddr;

use sockeye_engine::discovery::{Announcement, Reach, Watched, start};
use sockeye_proto::discovery::group::Fingerprint;
use sockeye_proto::discovery::instance_name;
use sockeye_proto::discovery::record::{self, Offered, OfferedWire, Record};
use sockeye_proto::discovery::table::{Event, Wanted};
use sockeye_proto::siblings::node::NodeId;

use crate::hub::{Place, access};
use crate::serving::Server;

/// Who hears of the others.
pub type Told = Box<dyn FnMut(Event) + Send>;

/// What is to be known of a hub.
#[derive(Clone, Debug)]
pub struct Presence {
    /// The name that is its alone.
    pub id: NodeId,
    /// Its folder's name.
    pub folder: String,
    /// What the key is wanted for.
    pub wanted: access::Wanted,
    /// The group that it belongs to.
    pub group: Option<Fingerprint>,
    /// Where it listens.
    pub places: Vec<Place>,
}

/// Announces it where its page can be reached, and nowhere else, until the server stops. `told` hears
/// of the others of its group, from inside the runtime, and may not block. What keeps it from that is
/// said in the log, and the hub goes on without.
pub fn announce(server: &Server, presence: &Presence, told: Option<Told>) {
    let watched = told.map(|told| {
        let wanted = Wanted { group: presence.group, not: Some(presence.id.to_string()) };
        Watched { wanted, told }
    });
    let reach = Reach::of(&presence.page());
    let announcement = presence.announcement(&machine());
    let outcome = start(reach, announcement, watched, &server.stop, server.log.clone());
    if let Err(error) = outcome {
        server.log.say(format!("`sockeye find` will not show this hub: {error}"));
    }
}

/// This machine's name.
fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Presence {
    /// Where its page listens; where there is none, its first service.
    fn page(&self) -> Vec<SocketAddr> {
        let is_page = |place: &&Place| place.scheme.is_http();
        let page: Vec<SocketAddr> =
            self.places.iter().filter(is_page).map(|place| place.address).collect();
        if page.is_empty() {
            return self.places.first().map(|place| place.address).into_iter().collect();
        }
        page
    }

    fn announcement(&self, machine: &str) -> Option<Announcement> {
        let port = self.page().first()?.port();
        let record = Record {
            id: Some(self.id.to_string()),
            machine: Some(machine.to_owned()),
            folder: Some(self.folder.clone()),
            access: Some(match self.wanted {
                access::Wanted::Always => record::Access::Key,
                access::Wanted::ToWrite => record::Access::Read,
                access::Wanted::Nothing => record::Access::Open,
            }),
            group: self.group,
            services: self.services(),
        };
        let instance = instance_name(&self.folder, machine, self.id.as_str());
        Some(Announcement { instance, host: self.id.to_string(), port, record })
    }

    /// Those that whoever reaches the page reaches, too.
    fn services(&self) -> Vec<Offered> {
        let page: Vec<_> = self.page().iter().map(SocketAddr::ip).collect();
        let is_reached = |place: &&Place| {
            let ip = place.address.ip();
            ip.is_unspecified() || page.contains(&ip)
        };
        let mut services: Vec<Offered> = Vec::new();
        for place in self.places.iter().filter(is_reached) {
            let name = place.service.name;
            let at = services.iter().position(|offered| offered.service == name);
            let at = at.unwrap_or_else(|| {
                services.push(Offered { service: name.to_owned(), wires: Vec::new() });
                services.len() - 1
            });
            let scheme = place.scheme.as_str().to_owned();
            let wire = OfferedWire { scheme, port: place.address.port() };
            if !services[at].wires.contains(&wire) {
                services[at].wires.push(wire);
            }
        }
        services
    }
}

#[cfg(test)]
mod tests {
    use sockeye_proto::address::Scheme;

    use super::*;
    use crate::services::{echo, files};

    fn presence(places: &[(&'static crate::services::Service, Scheme, &str)]) -> Presence {
        let place =
            |(service, scheme, address): &(&'static crate::services::Service, Scheme, &str)| {
                Place { service, scheme: *scheme, address: address.parse().unwrap() }
            };
        Presence {
            id: NodeId::from_random([0; 8]),
            folder: "Photos".into(),
            wanted: access::Wanted::Always,
            group: None,
            places: places.iter().map(place).collect(),
        }
    }

    fn services(presence: &Presence) -> Vec<(String, String)> {
        let record = presence.announcement("ana").unwrap().record;
        record
            .pairs()
            .into_iter()
            .filter(|(key, _)| ["files", "echo"].contains(&key.as_str()))
            .collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.into(), value.into())
    }

    #[test]
    fn each_service_that_the_page_s_visitors_reach_is_named_with_its_wires() {
        let all = presence(&[
            (&files::SERVICE, Scheme::Http, "[::]:8080"),
            (&files::SERVICE, Scheme::Tcp, "[::]:7008"),
            (&echo::SERVICE, Scheme::Tcp, "0.0.0.0:7001"),
            (&echo::SERVICE, Scheme::Udp, "127.0.0.1:7001"),
        ]);
        assert_eq!(services(&all), [pair("files", "http:8080,tcp:7008"), pair("echo", "tcp:7001")]);
        let announcement = all.announcement("ana").unwrap();
        assert_eq!(
            (announcement.instance.as_str(), announcement.port),
            ("Photos on ana (aaaaa)", 8080)
        );
        assert_eq!(announcement.record.access, Some(record::Access::Key));
    }

    #[test]
    fn both_loopback_addresses_are_one_place() {
        let local = presence(&[
            (&files::SERVICE, Scheme::Http, "127.0.0.1:9000"),
            (&files::SERVICE, Scheme::Http, "[::1]:9000"),
        ]);
        assert_eq!(services(&local), [pair("files", "http:9000")]);
        assert!(!Reach::of(&local.page()).wants("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_hub_without_a_page_is_where_its_first_service_is() {
        let echo = presence(&[(&echo::SERVICE, Scheme::Tcp, "192.0.2.1:7001")]);
        assert_eq!(echo.announcement("ana").map(|one| one.port), Some(7001));
        assert!(presence(&[]).announcement("ana").is_none());
    }
}
