//! Which hubs are here: those that were heard lately and have not said goodbye.
//!
//! Announcements are believed in one thing only, that it may be worth asking there. An id belongs to
//! the announcement that came with it first, as long as that is here; another one with the same id
//! changes nothing. A flood of announcements finds the table full and displaces nobody.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::group::Fingerprint;
use super::record::Record;
use crate::limits::{
    ANNOUNCED_ADDRESSES_MAX, DISCOVERED_HUBS_MAX, DISCOVERY_ROUND, DISCOVERY_SILENCE,
};
use crate::machine::Tick;

/// An address is taken for one of the hub's until it has been missing for two rounds.
const ADDRESS_LASTS: Duration = DISCOVERY_ROUND.saturating_mul(2);

/// A hub as it was announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hub {
    /// What it is called, without the service's type.
    pub instance: String,
    /// Where it is, the likeliest address first, each with the port of its page, or of its first
    /// service where it has none. Bounded by [`ANNOUNCED_ADDRESSES_MAX`](crate::limits::ANNOUNCED_ADDRESSES_MAX).
    pub addresses: Vec<SocketAddr>,
    /// What it says of itself.
    pub record: Record,
}

impl Hub {
    /// The name that is its alone: its id, or what it is called.
    pub fn id(&self) -> &str {
        self.record.id.as_deref().unwrap_or(&self.instance)
    }

    /// Where its page is, and its files over http are: the scheme, and the addresses with the port.
    pub fn pages(&self) -> Option<(&'static str, Vec<SocketAddr>)> {
        let (scheme, port) = self.record.page()?;
        let at = |address: &SocketAddr| {
            // What an address of IPv6 says beside the port stays.
            let mut address = *address;
            address.set_port(port);
            address
        };
        Some((scheme, self.addresses.iter().map(at).collect()))
    }
}

/// What is told of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is here. Told when it comes, when something about it changed, and from time to time as long
    /// as it is heard.
    Found(Hub),
    /// It is gone: the [id](Hub::id) that it was found with.
    Left(String),
}

/// Which are meant.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// None but members of this group.
    pub group: Option<Fingerprint>,
    /// And not this one, which is us.
    pub not: Option<String>,
}

/// The hubs that are here.
#[derive(Debug, Default)]
pub struct Table {
    wanted: Wanted,
    /// By what they are called.
    known: BTreeMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    hub: Hub,
    /// When each of its addresses was heard last: on each interface and by each version of IP, a hub
    /// says only its addresses there.
    addresses: Vec<(SocketAddr, Tick)>,
    heard: Option<Tick>,
    told: Option<Tick>,
}

impl Known {
    /// Takes over what was announced. Whether there is anything to tell: something changed, or it is
    /// time to tell again that it is here.
    fn is_news(&mut self, now: Tick, mut hub: Hub) -> bool {
        let port = hub.addresses.first().map(SocketAddr::port);
        self.addresses.retain(|(address, heard)| {
            let is_of_now = Some(address.port()) == port && !hub.addresses.contains(address);
            is_of_now && now.since(*heard) < ADDRESS_LASTS
        });
        let heard = hub.addresses.iter().map(|address| (*address, now));
        self.addresses.extend(heard);
        self.addresses.sort_by_key(|(address, _)| (likeliness(address.ip()), *address));
        self.addresses.dedup_by_key(|(address, _)| *address);
        self.addresses.truncate(ANNOUNCED_ADDRESSES_MAX);
        hub.addresses = self.addresses.iter().map(|(address, _)| *address).collect();
        self.heard = Some(now);
        let is_told = self.told.is_some_and(|told| now.since(told) < DISCOVERY_ROUND / 2);
        let is_news = !is_told || self.hub != hub;
        if is_news {
            self.told = Some(now);
            self.hub = hub;
        }
        is_news
    }

    fn is_silent(&self, now: Tick) -> bool {
        self.heard.is_some_and(|heard| now.since(heard) >= DISCOVERY_SILENCE)
    }
}

impl Table {
    /// An empty one.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, known: BTreeMap::new() }
    }

    /// An announcement was heard.
    pub fn heard(&mut self, now: Tick, hub: Hub) -> Vec<Event> {
        let mut events = Vec::new();
        let before = self.known.get(&hub.instance).map(|known| known.hub.id());
        if !self.is_wanted(&hub) || before.is_some_and(|id| id != hub.id()) {
            // Another one under the same name: the one before could not say goodbye.
            events.extend(self.left(&hub.instance));
        }
        if !self.is_wanted(&hub) || self.is_taken(&hub) {
            return events;
        }
        let is_full = self.known.len() >= DISCOVERED_HUBS_MAX;
        let known = match self.known.entry(hub.instance.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if is_full => return events,
            Entry::Vacant(place) => place.insert(Known::default()),
        };
        if known.is_news(now, hub) {
            events.push(Event::Found(known.hub.clone()));
        }
        events
    }

    /// A goodbye was heard for what is called so.
    pub fn left(&mut self, instance: &str) -> Option<Event> {
        self.known.remove(instance).map(|known| Event::Left(known.hub.id().to_owned()))
    }

    /// Those that were not heard for [`DISCOVERY_SILENCE`] are gone.
    pub fn silent(&mut self, now: Tick) -> Vec<Event> {
        let silent = self.known.extract_if(.., |_, known| known.is_silent(now));
        silent.map(|(_, known)| Event::Left(known.hub.id().to_owned())).collect()
    }

    /// When somebody will have been silent for too long.
    pub fn next_silence(&self) -> Option<Tick> {
        self.known.values().filter_map(|known| Some(known.heard? + DISCOVERY_SILENCE)).min()
    }

    /// All that are here, by name.
    pub fn hubs(&self) -> impl Iterator<Item = &Hub> {
        self.known.values().map(|known| &known.hub)
    }

    /// Whether its id is that of another.
    fn is_taken(&self, hub: &Hub) -> bool {
        let is_other = |known: &Known| known.hub.instance != hub.instance;
        self.known.values().any(|known| is_other(known) && known.hub.id() == hub.id())
    }

    fn is_wanted(&self, hub: &Hub) -> bool {
        let is_member = self.wanted.group.is_none() || self.wanted.group == hub.record.group;
        let is_us = self.wanted.not.as_deref() == Some(hub.id());
        is_member && !is_us
    }
}

/// How likely others can use an address, and write it: the lower, the likelier.
pub fn likeliness(ip: IpAddr) -> u8 {
    match ip {
        ip if ip.is_loopback() => 4,
        IpAddr::V4(v4) if v4.is_link_local() => 1,
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 3,
        IpAddr::V6(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Tick {
        Tick::START + Duration::from_secs(s)
    }

    fn hub(instance: &str, id: &str) -> Hub {
        let record = Record { id: Some(id.into()), ..Record::default() };
        let addresses = vec!["192.0.2.1:8080".parse().unwrap()];
        Hub { instance: instance.into(), addresses, record }
    }

    fn found(hub: Hub) -> Event {
        Event::Found(hub)
    }

    fn left(id: &str) -> Event {
        Event::Left(id.into())
    }

    #[test]
    fn who_is_heard_is_found_and_now_and_then_again() {
        let mut table = Table::default();
        assert_eq!(table.heard(at(0), hub("a", "1")), [found(hub("a", "1"))]);
        assert_eq!(table.heard(at(1), hub("a", "1")), [], "nothing new");
        assert_eq!(table.heard(at(20), hub("a", "1")), [found(hub("a", "1"))], "still here");
    }

    #[test]
    fn addresses_heard_one_by_one_are_all_of_a_hub_until_they_are_missing() {
        let on = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|at| at.parse().unwrap()).collect();
            Hub { addresses, ..hub("a", "1") }
        };
        let (one, other) = ("192.0.2.1:8080", "[fe80::1%2]:8080");
        let mut table = Table::default();
        assert_eq!(table.heard(at(0), on(&[other])), [found(on(&[other]))]);
        assert_eq!(table.heard(at(0), on(&[one])), [found(on(&[one, other]))]);
        assert_eq!(table.heard(at(20), on(&[other])), [found(on(&[one, other]))]);
        assert_eq!(table.heard(at(20), on(&[one, other])), [], "as before");
        assert_eq!(table.heard(at(40), on(&[one])), [found(on(&[one, other]))]);
        assert_eq!(table.heard(at(60), on(&[one])), [found(on(&[one]))]);
        let moved = on(&["192.0.2.1:9000"]);
        assert_eq!(table.heard(at(61), moved.clone()), [found(moved)], "another port is another");
        let many: Vec<String> = (0..99).map(|n| format!("192.0.2.{n}:9000")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        table.heard(at(62), on(&many));
        assert_eq!(table.hubs().next().unwrap().addresses.len(), ANNOUNCED_ADDRESSES_MAX);
    }

    #[test]
    fn who_says_goodbye_is_gone_at_once_and_who_is_silent_after_a_minute() {
        let mut table = Table::default();
        table.heard(at(0), hub("a", "1"));
        table.heard(at(5), hub("b", "2"));
        assert_eq!(table.left("a"), Some(left("1")));
        assert_eq!(table.left("a"), None);
        assert_eq!(table.next_silence(), Some(at(65)));
        assert_eq!(table.silent(at(64)), []);
        assert_eq!(table.silent(at(65)), [left("2")]);
        assert_eq!((table.next_silence(), table.hubs().count()), (None, 0));
    }

    #[test]
    fn an_id_is_whose_it_was_first_until_that_one_is_gone() {
        let mut table = Table::default();
        table.heard(at(0), hub("ana", "1"));
        assert_eq!(table.heard(at(1), hub("mallory", "1")), []);
        assert_eq!(table.left("mallory"), None, "nor does its goodbye count");
        assert_eq!(table.left("ana"), Some(left("1")));
        assert_eq!(table.heard(at(2), hub("mallory", "1")), [found(hub("mallory", "1"))]);
    }

    #[test]
    fn a_hub_that_was_started_anew_is_another_one() {
        let mut table = Table::default();
        table.heard(at(0), hub("ana", "1"));
        assert_eq!(table.heard(at(1), hub("ana", "2")), [left("1"), found(hub("ana", "2"))]);
    }

    #[test]
    fn only_members_are_found_and_not_us() {
        let ours = Fingerprint::new([1; 8]);
        let wanted = Wanted { group: Some(ours), not: Some("us".into()) };
        let mut table = Table::new(wanted);
        let member = |id: &str, group| {
            let mut hub = hub(id, id);
            hub.record.group = group;
            hub
        };
        assert_eq!(table.heard(at(0), member("us", Some(ours))), []);
        assert_eq!(table.heard(at(0), member("stranger", None)), []);
        let other = Fingerprint::new([2; 8]);
        assert_eq!(table.heard(at(0), member("other", Some(other))), []);
        let friend = member("friend", Some(ours));
        assert_eq!(table.heard(at(0), friend.clone()), [found(friend)]);
        assert_eq!(table.heard(at(1), member("friend", None)), [left("friend")]);
    }

    #[test]
    fn a_flood_displaces_nobody() {
        let mut table = Table::default();
        table.heard(at(0), hub("ana", "ana"));
        for n in 0..10 * DISCOVERED_HUBS_MAX {
            table.heard(at(1), hub(&n.to_string(), &n.to_string()));
        }
        assert_eq!(table.hubs().count(), DISCOVERED_HUBS_MAX);
        assert_eq!(table.heard(at(30), hub("ana", "ana")), [found(hub("ana", "ana"))]);
    }
}
