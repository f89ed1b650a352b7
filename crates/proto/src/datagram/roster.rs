//! Who is here: the addresses that were heard in the last idle timeout.
//!
//! UDP has no connections that could be counted, and nobody says that they leave. A client is
//! therefore an address and port that was heard from, and it has left when it was not heard again
//! for the idle timeout; where clients are never idle for too long, for [`ROSTER_IDLE`]. The
//! [`limits`](ClientLimits) are those that connections have.
//!
//! Whoever sends a datagram can write any address into it, so that a few hundred forged ones a
//! second could hold every place. They keep nobody out who can show an address of their own: who is
//! proven, and is new when all places are taken, gets the place of the unproven client that has
//! been silent longest. An address that is here keeps its place for as long as it goes on asking.
//! Where there is no limit, the roster still remembers at most [`ROSTER_MAX_CLIENTS`].

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::refrain::Refrain;
use crate::clients::{ClientLimits, Full};
use crate::idle::IdleTimeout;
use crate::limits::{ROSTER_IDLE, ROSTER_MAX_CLIENTS};
use crate::machine::Tick;

/// The clients of one service at one address of ours.
///
/// ```
/// use sockeye_proto::clients::{ClientLimits, Full};
/// use sockeye_proto::datagram::roster::Roster;
/// use sockeye_proto::idle::IdleTimeout;
/// use sockeye_proto::machine::Tick;
/// use std::time::Duration;
///
/// let limits = ClientLimits { max_clients: Some(1), max_per_address: None };
/// let mut roster = Roster::new(limits, IdleTimeout::Fixed(Duration::from_secs(30)));
/// let (ana, ben) = ("192.0.2.1:4000".parse()?, "192.0.2.2:4000".parse()?);
/// assert!(roster.enter(Tick::START, ana, false, b"ping").is_ok());
/// let full = Full::Clients { here: 1, limit: 1 };
/// assert_eq!(roster.enter(Tick::START, ben, false, b"ping"), Err(full));
/// let later = Tick::START + Duration::from_secs(30);
/// assert!(roster.enter(later, ben, false, b"ping").is_ok());
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Roster {
    limits: ClientLimits,
    idle: IdleTimeout,
    places: BTreeMap<Client, Place>,
    /// The clients that are not proven and those that are, by when they were heard; a client that
    /// was heard again may still stand where it stood before.
    queues: [BTreeSet<(Tick, Client)>; 2],
    by_address: BTreeMap<u128, usize>,
}

/// An address in one form, whichever socket saw it, and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Client {
    address: u128,
    port: u16,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    heard: Tick,
    /// Where it stands in its queue.
    queued: Tick,
    is_proven: bool,
    refrain: Refrain,
}

/// What becomes of a datagram of a client who is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is answered.
    Answered,
    /// It is not, because the client says the same without end; see [`refrain`](super::refrain).
    Ignored,
}

impl Roster {
    /// An empty house.
    pub fn new(limits: ClientLimits, idle: IdleTimeout) -> Self {
        Self {
            limits,
            idle,
            places: BTreeMap::new(),
            queues: [BTreeSet::new(), BTreeSet::new()],
            by_address: BTreeMap::new(),
        }
    }

    /// Notes what a client said, and gives it a place if it has none. Who has none and gets none is
    /// told why.
    pub fn enter(
        &mut self,
        now: Tick,
        from: SocketAddr,
        is_proven: bool,
        datagram: &[u8],
    ) -> Result<Heard, Full> {
        let client = Client::of(from);
        let Some(place) = self.places.get_mut(&client) else {
            self.make_room(now, client, is_proven)?;
            let refrain = Refrain::new(now, datagram);
            self.seat(client, Place { heard: now, queued: now, is_proven, refrain });
            return Ok(Heard::Answered);
        };
        place.heard = now;
        let is_answered = place.refrain.hear(now, datagram);
        if is_proven && !place.is_proven {
            let queued = place.queued;
            (place.is_proven, place.queued) = (true, now);
            self.queues[usize::from(false)].remove(&(queued, client));
            self.queues[usize::from(true)].insert((now, client));
        }
        Ok(if is_answered { Heard::Answered } else { Heard::Ignored })
    }

    /// How many clients are remembered, those included who have left and were not missed yet; at
    /// most [`ROSTER_MAX_CLIENTS`].
    pub fn clients(&self) -> usize {
        self.places.len()
    }

    fn make_room(&mut self, now: Tick, client: Client, is_proven: bool) -> Result<(), Full> {
        self.let_the_idle_go(now);
        if let Some(limit) = self.limits.max_per_address {
            let here = self.by_address.get(&client.address).copied().unwrap_or_default();
            if here >= limit {
                return Err(Full::Address { here, limit });
            }
        }
        let here = self.places.len();
        match self.limits.max_clients {
            Some(limit) if limit <= ROSTER_MAX_CLIENTS => {
                if here >= limit && !(is_proven && self.forget_oldest(&[false])) {
                    return Err(Full::Clients { here, limit });
                }
            }
            _ => {
                if here >= ROSTER_MAX_CLIENTS {
                    self.forget_oldest(&[false, true]);
                }
            }
        }
        Ok(())
    }

    fn seat(&mut self, client: Client, place: Place) {
        self.queues[usize::from(place.is_proven)].insert((place.queued, client));
        self.places.insert(client, place);
        *self.by_address.entry(client.address).or_default() += 1;
    }

    /// Forgets who was not heard for the idle timeout, which is looked up anew as they go.
    fn let_the_idle_go(&mut self, now: Tick) {
        for is_proven in [false, true] {
            while let Some((queued, client)) = self.queues[usize::from(is_proven)].first().copied()
                && self.is_idle(now, queued)
            {
                // Who was heard since is only put back in the queue: once in an idle timeout.
                if !self.requeue(client) {
                    self.forget(client);
                }
            }
        }
    }

    fn is_idle(&self, now: Tick, heard: Tick) -> bool {
        now.since(heard) >= self.span()
    }

    fn span(&self) -> Duration {
        self.idle.span(self.places.len()).unwrap_or(ROSTER_IDLE)
    }

    /// Puts a client where it belongs in its queue; `false` if it stands there.
    fn requeue(&mut self, client: Client) -> bool {
        let Some(place) = self.places.get_mut(&client) else { return false };
        if place.queued == place.heard {
            return false;
        }
        let queue = &mut self.queues[usize::from(place.is_proven)];
        queue.remove(&(place.queued, client));
        queue.insert((place.heard, client));
        place.queued = place.heard;
        true
    }

    /// Forgets the client that has been silent longest of the first of these queues that has any.
    fn forget_oldest(&mut self, queues: &[bool]) -> bool {
        for is_proven in queues {
            while let Some((_, client)) = self.queues[usize::from(*is_proven)].first().copied() {
                if !self.requeue(client) {
                    self.forget(client);
                    return true;
                }
            }
        }
        false
    }

    fn forget(&mut self, client: Client) {
        let Some(place) = self.places.remove(&client) else { return };
        self.queues[usize::from(place.is_proven)].remove(&(place.queued, client));
        if let Some(here) = self.by_address.get_mut(&client.address) {
            *here -= 1;
            if *here == 0 {
                self.by_address.remove(&client.address);
            }
        }
    }
}

impl Client {
    fn of(from: SocketAddr) -> Self {
        let address = match from.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        Self { address, port: from.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: u32, port: u16) -> SocketAddr {
        (core::net::Ipv4Addr::from(0x0a00_0000 + address), port).into()
    }

    fn at(s: u64) -> Tick {
        Tick::from_ns(s * 1_000_000_000)
    }

    fn roster(max_clients: usize, idle_s: u64) -> Roster {
        let limits = ClientLimits { max_clients: Some(max_clients), max_per_address: None };
        Roster::new(limits, IdleTimeout::Fixed(Duration::from_secs(idle_s)))
    }

    fn unlimited(idle: IdleTimeout) -> Roster {
        Roster::new(ClientLimits { max_clients: None, max_per_address: None }, idle)
    }

    fn enter(
        roster: &mut Roster,
        now: Tick,
        from: SocketAddr,
        is_proven: bool,
    ) -> Result<(), Full> {
        roster.enter(now, from, is_proven, b"x").map(|heard| assert_eq!(heard, Heard::Answered))
    }

    /// That the three views of the same clients agree.
    fn check(roster: &Roster) {
        let queued: usize = roster.queues.iter().map(BTreeSet::len).sum();
        assert_eq!(queued, roster.places.len());
        assert_eq!(roster.by_address.values().sum::<usize>(), roster.places.len());
        for (client, place) in &roster.places {
            let queue = &roster.queues[usize::from(place.is_proven)];
            assert!(queue.contains(&(place.queued, *client)), "{client:?}");
        }
    }

    #[test]
    fn the_eleventh_of_ten_is_told_so_until_one_was_silent_for_the_idle_timeout() {
        let mut roster = roster(10, 30);
        for n in 0..10 {
            assert_eq!(enter(&mut roster, at(u64::from(n)), client(n, 1), false), Ok(()));
        }
        let full = enter(&mut roster, at(10), client(10, 1), false).unwrap_err();
        assert_eq!(full.to_string(), "busy: 10 of 10 clients are here, try again later");
        assert_eq!(enter(&mut roster, at(29), client(0, 1), false), Ok(()), "who is here stays");
        assert!(enter(&mut roster, at(30), client(10, 1), false).is_err(), "and was heard since");
        assert_eq!(enter(&mut roster, at(31), client(10, 1), false), Ok(()), "the next has left");
        assert!(enter(&mut roster, at(31), client(1, 1), false).is_err(), "and has no place now");
        check(&roster);
    }

    #[test]
    fn a_port_is_a_client_and_one_address_has_so_many() {
        let limits = ClientLimits { max_clients: Some(10), max_per_address: Some(2) };
        let mut roster = Roster::new(limits, IdleTimeout::Dynamic);
        for port in [1, 2, 1, 2] {
            assert_eq!(enter(&mut roster, at(0), client(1, port), true), Ok(()));
        }
        let full = Full::Address { here: 2, limit: 2 };
        assert_eq!(enter(&mut roster, at(0), client(1, 3), true), Err(full));
        let mapped = SocketAddr::new("::ffff:10.0.0.1".parse().unwrap(), 4);
        assert_eq!(enter(&mut roster, at(0), mapped, true), Err(full), "the same address");
        assert_eq!(enter(&mut roster, at(0), client(2, 3), true), Ok(()));
        assert_eq!(enter(&mut roster, at(18), client(1, 3), true), Ok(()), "both have left");
        check(&roster);
    }

    #[test]
    fn the_dynamic_timeout_falls_as_the_house_fills() {
        let mut roster = Roster::new(
            ClientLimits { max_clients: Some(20), max_per_address: None },
            IdleTimeout::Dynamic,
        );
        for n in 0..20 {
            assert_eq!(enter(&mut roster, at(0), client(n, 1), false), Ok(()));
        }
        assert!(enter(&mut roster, at(4), client(99, 1), false).is_err());
        assert_eq!(enter(&mut roster, at(5), client(99, 1), false), Ok(()));
        assert_eq!(roster.clients(), 20 - 5, "with 14 others left, they may be silent for 6 s");
        check(&roster);
    }

    #[test]
    fn where_nobody_is_idle_for_too_long_five_minutes_of_silence_are_leaving() {
        let limits = ClientLimits { max_clients: Some(1), max_per_address: None };
        let mut roster = Roster::new(limits, IdleTimeout::None);
        assert_eq!(enter(&mut roster, at(0), client(1, 1), false), Ok(()));
        assert!(enter(&mut roster, at(299), client(2, 1), false).is_err());
        assert_eq!(enter(&mut roster, at(300), client(2, 1), false), Ok(()));
    }

    #[test]
    fn a_flood_of_forged_addresses_keeps_out_no_proven_client_and_puts_none_out() {
        let mut roster = roster(100, 30);
        assert_eq!(enter(&mut roster, at(0), client(1, 1), true), Ok(()));
        assert_eq!(enter(&mut roster, at(0), client(2, 1), false), Ok(()));
        for n in 0..10_000 {
            let _ = enter(&mut roster, at(1), client(1000 + n, 1), false);
        }
        assert_eq!(roster.clients(), 100);
        assert_eq!(enter(&mut roster, at(2), client(2, 1), false), Ok(()), "who is here stays");
        for n in 3..101 {
            assert_eq!(enter(&mut roster, at(2), client(n, 1), true), Ok(()), "{n}");
        }
        check(&roster);
        assert_eq!(
            enter(&mut roster, at(2), client(2, 1), true),
            Ok(()),
            "the unproven one as the last"
        );
        assert_eq!(
            enter(&mut roster, at(2), client(101, 1), true),
            Err(Full::Clients { here: 100, limit: 100 }),
            "no proven client makes way"
        );
        check(&roster);
    }

    #[test]
    fn without_a_limit_nobody_is_refused_and_the_memory_has_a_bound() {
        let mut roster = unlimited(IdleTimeout::None);
        enter(&mut roster, at(0), client(0, 1), true).unwrap();
        for n in 1..100_000 {
            enter(&mut roster, at(0), client(n, 1), false).unwrap();
        }
        assert_eq!(roster.clients(), ROSTER_MAX_CLIENTS);
        assert!(roster.places.contains_key(&Client::of(client(0, 1))), "the proven one last");
        check(&roster);
    }

    #[test]
    fn a_clock_that_stands_still_forgets_nobody_twice() {
        let mut roster = roster(3, 1);
        for n in 0..50 {
            let _ = enter(&mut roster, at(u64::from(n) / 7), client(n % 5, 1), n % 3 == 0);
            check(&roster);
        }
    }
}
