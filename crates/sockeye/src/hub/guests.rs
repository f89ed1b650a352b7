//! Who is here: each guest that was let in, how it came, and when it was last heard of.
//!
//! A guest is a browser with a cookie, or an address that shows the key with each request. The list
//! is bounded; who is forgotten because of that, and still has a good cookie, is taken up again.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use sockeye_engine::http::pass::Pass;
use sockeye_proto::limits::GUESTS_MAX;

/// How a guest is known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Known {
    /// By its cookie's token.
    Cookie(String),
    /// By its address.
    Address(IpAddr),
}

/// A token is shown to nobody.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cookie(_) => f.write_str("Cookie(..)"),
            Self::Address(address) => write!(f, "Address({address})"),
        }
    }
}

/// Somebody who is here.
#[derive(Clone, Debug)]
pub struct Guest {
    /// What others call it: short, and no secret.
    pub id: String,
    /// The name that it gave, or none.
    pub name: String,
    /// Where it was last heard from.
    pub address: IpAddr,
    /// What it is, as far as it says.
    pub device: String,
    /// When it came.
    pub since: Timestamp,
    /// When it was last heard of.
    pub last_seen: Timestamp,
    /// Whether it sits at the hub's own machine.
    pub is_host: bool,
    /// Ends what it does here.
    pub pass: Pass,
}

/// What is known of somebody who asks.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// From where.
    pub address: IpAddr,
    /// Its User-Agent field.
    pub agent: &'a str,
    /// Whether it sits at the hub's own machine.
    pub is_host: bool,
}

/// All who are here.
#[derive(Debug, Default)]
pub struct Guests {
    known: HashMap<Known, Guest>,
    /// Who left: their cookies are of the right key, and void all the same.
    left: VecDeque<Known>,
    made: u64,
}

impl Guests {
    /// Notes that somebody asked, who comes in with this if they are not here yet.
    pub fn see(&mut self, known: Known, seen: Seen<'_>, now: Timestamp) -> &Guest {
        if self.known.len() >= GUESTS_MAX && !self.known.contains_key(&known) {
            self.forget_one();
        }
        let made = &mut self.made;
        let guest = self.known.entry(known).or_insert_with(|| {
            *made += 1;
            Guest {
                id: format!("g{made}"),
                name: String::new(),
                address: seen.address,
                device: device(seen.agent),
                since: now,
                last_seen: now,
                is_host: seen.is_host,
                pass: Pass::default(),
            }
        });
        guest.last_seen = now;
        guest.address = seen.address;
        guest.is_host = seen.is_host;
        guest
    }

    /// Somebody who is here.
    pub fn get(&self, known: &Known) -> Option<&Guest> {
        self.known.get(known)
    }

    /// Gives somebody who is here a name.
    pub fn rename(&mut self, known: &Known, name: String) {
        if let Some(guest) = self.known.get_mut(known) {
            guest.name = name;
        }
    }

    /// Somebody leaves; what goes on for them ends.
    pub fn leave(&mut self, known: &Known) -> bool {
        if matches!(known, Known::Cookie(_)) && !self.has_left(known) {
            if self.left.len() >= GUESTS_MAX {
                self.left.pop_front();
            }
            self.left.push_back(known.clone());
        }
        self.known.remove(known).map(|guest| guest.pass.revoke()).is_some()
    }

    /// Whether somebody left who was known by this.
    pub fn has_left(&self, known: &Known) -> bool {
        self.left.contains(known)
    }

    /// Whether a guest is here, who is known by its short id.
    pub fn has(&self, id: &str) -> bool {
        self.known.values().any(|guest| guest.id == id)
    }

    /// Throws a guest out, who is known by its short id.
    pub fn throw_out(&mut self, id: &str) -> bool {
        let known = self.known.iter().find(|(_, guest)| guest.id == id);
        let known = known.map(|(known, _)| known.clone());
        known.is_some_and(|known| self.leave(&known))
    }

    /// Who showed the key with each request shows one that is no longer right.
    pub fn forget_keys(&mut self) {
        self.known.retain(|known, guest| {
            let stays = matches!(known, Known::Cookie(_));
            if !stays {
                guest.pass.revoke();
            }
            stays
        });
    }

    /// All of them, who came first first.
    pub fn all(&self) -> Vec<(&Known, &Guest)> {
        let mut all: Vec<_> = self.known.iter().collect();
        all.sort_by_key(|(_, guest)| (guest.since, guest.id.len(), guest.id.clone()));
        all
    }

    fn forget_one(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, guest)| guest.last_seen);
        if let Some(known) = oldest.map(|(known, _)| known.clone()) {
            // What goes on for it may go on.
            self.known.remove(&known);
        }
    }
}

/// A User-Agent field in a few words: the browser, and what it runs on.
fn device(agent: &str) -> String {
    // Most browsers name others before themselves; who comes first here is who is meant.
    const BROWSERS: [(&str, &str); 8] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => {
            let program = agent.split(['/', ' ']).next().unwrap_or_default();
            program.chars().filter(|c| !c.is_control()).take(32).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(address: &str) -> Seen<'static> {
        Seen { address: address.parse().unwrap(), agent: "curl/8.5.0", is_host: false }
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    fn cookie(id: &str) -> Known {
        Known::Cookie(id.into())
    }

    #[test]
    fn a_guest_keeps_its_id_and_is_seen_again() {
        let mut guests = Guests::default();
        let id = guests.see(cookie("a"), seen("192.0.2.1"), at(1)).id.clone();
        let again = guests.see(cookie("a"), seen("192.0.2.2"), at(5));
        assert_eq!((&again.id, again.since, again.last_seen), (&id, at(1), at(5)));
        assert_eq!(again.address.to_string(), "192.0.2.2");
    }

    #[test]
    fn who_is_thrown_out_is_gone_and_their_transfers_end() {
        let mut guests = Guests::default();
        let (id, pass) = {
            let guest = guests.see(cookie("a"), seen("192.0.2.1"), at(1));
            (guest.id.clone(), guest.pass.clone())
        };
        guests.see(cookie("b"), seen("192.0.2.2"), at(2));
        assert!(guests.throw_out(&id) && pass.is_revoked());
        assert!(!guests.throw_out(&id));
        assert_eq!(guests.all().len(), 1);
    }

    #[test]
    fn the_list_is_bounded_and_forgets_who_was_silent_longest() {
        let mut guests = Guests::default();
        for (n, s) in (0..=GUESTS_MAX).zip(0..) {
            guests.see(cookie(&n.to_string()), seen("192.0.2.1"), at(s));
        }
        assert_eq!(guests.all().len(), GUESTS_MAX);
        assert!(guests.get(&cookie("0")).is_none() && guests.get(&cookie("1")).is_some());
    }

    #[test]
    fn browsers_are_named_as_people_know_them() {
        let chrome = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/126.0 Mobile Safari/537.36";
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
        assert_eq!(device(chrome), "Chrome on Android");
        assert_eq!(device(safari), "Safari on iPhone");
        assert_eq!(device("curl/8.5.0"), "curl");
        assert_eq!(device(""), "");
    }
}
