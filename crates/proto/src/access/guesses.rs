//! Who has said wrong keys lately: [`GUESSES_MAX`] in [`GUESSES_SPAN`], and no key from there is
//! looked at until the first of them is that long ago.
//!
//! An IPv4 address counts for itself. Whoever has one IPv6 address has the 2^64 of its network (RFC
//! 4291, section 2.5.1), so that network counts as one; and as who has one such network may have
//! 65,536 (RFC 6177), the network of 48 bits around it counts too, with [`GUESSES_SITE_MAX`].
//!
//! The table is bounded. There are two ways to keep it so when it is full, and which one is safe
//! depends on whether addresses can be forged:
//!
//! - Where they cannot, the guesser that has been quiet longest is forgotten. Whoever wants to be
//!   forgotten needs some thousand addresses of their own to guess from, and with these has as many
//!   guesses anyway; a newcomer who was refused for want of room would be locked out by that.
//! - Where they can, nobody is forgotten: newcomers are refused, and may prove their address.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::limits::{GUESSERS_MAX, GUESSES_MAX, GUESSES_SITE_MAX, GUESSES_SPAN};
use crate::machine::Tick;

/// What becomes of a newcomer when the table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// It takes the place of who has been quiet longest.
    ForgetOldest,
    /// It has to wait until there is a place.
    RefuseNew,
}

/// The wrong keys of the last [`GUESSES_SPAN`].
#[derive(Debug)]
pub(super) struct Guesses {
    when_full: WhenFull,
    /// When each guesser said wrong keys, oldest first; as many as it may.
    said: BTreeMap<Guesser, VecDeque<Tick>>,
    /// The same guessers by when they said the last.
    by_time: BTreeSet<(Tick, Guesser)>,
}

/// An address or a network: its first bits, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Guesser {
    prefix_bits: u8,
    network: u128,
}

impl Guesser {
    const fn new(address: u128, prefix_bits: u8) -> Self {
        Self { prefix_bits, network: address & (u128::MAX << (128 - prefix_bits)) }
    }

    const fn limit(self) -> usize {
        if self.prefix_bits == SITE_BITS { GUESSES_SITE_MAX } else { GUESSES_MAX }
    }
}

const NETWORK_BITS: u8 = 64;
const SITE_BITS: u8 = 48;

/// Everything that a key from this address counts against.
fn guessers(from: IpAddr) -> impl Iterator<Item = Guesser> {
    let (own, site) = match from.to_canonical() {
        IpAddr::V4(v4) => (Guesser::new(v4.to_ipv6_mapped().to_bits(), 128), None),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (Guesser::new(bits, NETWORK_BITS), Some(Guesser::new(bits, SITE_BITS)))
        }
    };
    std::iter::once(own).chain(site)
}

impl Guesses {
    /// Nobody has said anything yet.
    pub(super) fn new(when_full: WhenFull) -> Self {
        Self { when_full, said: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// How long no key from this address is looked at; `None` if one is now.
    pub(super) fn wait(&mut self, now: Tick, from: IpAddr) -> Option<Duration> {
        self.forget_the_past(now);
        let longest = guessers(from).filter_map(|guesser| self.wait_of(now, guesser)).max();
        longest.or_else(|| self.wait_for_room(now, from))
    }

    /// Notes a wrong key from an address whose keys are looked at.
    pub(super) fn note(&mut self, now: Tick, from: IpAddr) {
        self.forget_the_past(now);
        for guesser in guessers(from) {
            if !self.said.contains_key(&guesser) && self.said.len() >= GUESSERS_MAX {
                self.forget_oldest();
            }
            let said = self.said.entry(guesser).or_default();
            if let Some(last) = said.back() {
                self.by_time.remove(&(*last, guesser));
            }
            if said.len() >= guesser.limit() {
                said.pop_front();
            }
            said.push_back(now);
            self.by_time.insert((now, guesser));
        }
    }

    fn wait_of(&self, now: Tick, guesser: Guesser) -> Option<Duration> {
        let said = self.said.get(&guesser)?;
        let first = said.front().filter(|_| said.len() >= guesser.limit())?;
        remaining(*first, now)
    }

    fn wait_for_room(&self, now: Tick, from: IpAddr) -> Option<Duration> {
        if self.when_full == WhenFull::ForgetOldest {
            return None;
        }
        let newcomers = guessers(from).filter(|guesser| !self.said.contains_key(guesser)).count();
        let (last, _) =
            self.by_time.first().filter(|_| self.said.len() + newcomers > GUESSERS_MAX)?;
        if newcomers == 0 { None } else { remaining(*last, now) }
    }

    /// Guessers whose last wrong key counts no more.
    fn forget_the_past(&mut self, now: Tick) {
        while self.by_time.first().is_some_and(|(last, _)| remaining(*last, now).is_none()) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, guesser)) = self.by_time.pop_first() {
            self.said.remove(&guesser);
        }
    }
}

/// How long what was said then still counts; `None` if it does no more.
fn remaining(said: Tick, now: Tick) -> Option<Duration> {
    let left = (said + GUESSES_SPAN).since(now);
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    /// Network `network` of site `site`.
    fn v6(site: u16, network: u16) -> IpAddr {
        core::net::Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1).into()
    }

    fn real() -> Guesses {
        Guesses::new(WhenFull::ForgetOldest)
    }

    /// Guesses once, if the address is listened to.
    fn guess(guesses: &mut Guesses, now: Tick, from: IpAddr) -> bool {
        let is_heard = guesses.wait(now, from).is_none();
        if is_heard {
            guesses.note(now, from);
        }
        is_heard
    }

    /// How many of so many guesses are listened to.
    fn heard(guesses: &mut Guesses, now: Tick, from: IpAddr) -> usize {
        (0..100).filter(|_| guess(guesses, now, from)).count()
    }

    #[test]
    fn five_wrong_keys_in_any_minute_and_no_more() {
        let mut guesses = real();
        for second in 0..5 {
            assert!(guess(&mut guesses, at(second * 1_000), v4(1)));
        }
        assert_eq!(guesses.wait(at(4_000), v4(1)), Some(Duration::from_secs(56)));
        assert_eq!(guesses.wait(at(59_999), v4(1)), Some(Duration::from_millis(1)));
        assert!(guess(&mut guesses, at(60_000), v4(1)), "the first is a minute ago");
        assert_eq!(guesses.wait(at(60_000), v4(1)), Some(Duration::from_secs(1)));
        assert_eq!(heard(&mut guesses, at(200_000), v4(1)), 5, "all is forgotten");
    }

    #[test]
    fn another_address_has_its_own() {
        let mut guesses = real();
        assert_eq!(heard(&mut guesses, at(0), ip("192.0.2.1")), 5);
        assert_eq!(heard(&mut guesses, at(0), ip("::ffff:192.0.2.1")), 0, "the same address");
        assert_eq!(heard(&mut guesses, at(0), ip("192.0.2.2")), 5);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_guesser() {
        let mut guesses = real();
        assert_eq!(heard(&mut guesses, at(0), ip("2001:db8::1")), 5);
        assert_eq!(heard(&mut guesses, at(0), ip("2001:db8::ffff:2")), 0);
        assert_eq!(heard(&mut guesses, at(0), ip("2001:db8:0:1::1")), 5);
    }

    #[test]
    fn a_whole_site_guesses_little_and_one_network_of_it_keeps_no_other_out() {
        let mut guesses = real();
        let all: usize =
            (0..u16::MAX).map(|n| usize::from(guess(&mut guesses, at(0), v6(1, n)))).sum();
        assert_eq!(all, GUESSES_SITE_MAX);
        assert_eq!(heard(&mut guesses, at(0), v6(2, 0)), GUESSES_MAX, "another site");
        assert_eq!(heard(&mut guesses, at(0), v6(2, 0)), 0);
        assert_eq!(heard(&mut guesses, at(0), v6(2, 1)), GUESSES_MAX, "its neighbour");
    }

    #[test]
    fn what_one_site_guesses_frees_nobody() {
        let mut guesses = real();
        assert_eq!(heard(&mut guesses, at(0), v4(1)), 5);
        for network in 0..u16::MAX {
            guess(&mut guesses, at(1), v6(1, network));
        }
        assert!(guesses.wait(at(1), v4(1)).is_some());
    }

    #[test]
    fn a_full_table_of_real_addresses_keeps_no_newcomer_out() {
        let mut guesses = real();
        for n in 0..20_000 {
            assert!(guess(&mut guesses, at(u64::from(n)), v4(n)), "{n}");
        }
        assert_eq!(guesses.said.len(), GUESSERS_MAX);
        assert_eq!(guesses.by_time.len(), GUESSERS_MAX);
        assert_eq!(heard(&mut guesses, at(20_000), v4(19_999)), 4, "the latest is remembered");
    }

    #[test]
    fn a_full_table_of_perhaps_forged_addresses_forgets_nobody() {
        let mut guesses = Guesses::new(WhenFull::RefuseNew);
        assert_eq!(heard(&mut guesses, at(0), v4(0)), 5);
        for n in 1..20_000 {
            guess(&mut guesses, at(1), v4(n));
        }
        assert_eq!(guesses.said.len(), GUESSERS_MAX);
        assert!(guesses.wait(at(1), v4(0)).is_some());
        assert_eq!(guesses.wait(at(1), v4(30_000)), Some(Duration::from_millis(59_999)));
        assert_eq!(heard(&mut guesses, at(1), v4(1)), 4, "who has a place keeps it");
        assert_eq!(heard(&mut guesses, at(60_000), v4(30_000)), 5, "the first place is free");
    }

    proptest! {
        #[test]
        fn no_minute_has_more_wrong_keys_than_are_allowed(
            steps in prop::collection::vec((0_u64..30_000, 0_u32..3), 0..200)
        ) {
            let (mut guesses, mut now) = (real(), 0);
            let mut noted: Vec<(u64, u32)> = Vec::new();
            for (pause, address) in steps {
                now += pause;
                if guess(&mut guesses, at(now), v4(address)) {
                    noted.push((now, address));
                }
                let is_recent = |(then, who): &&(u64, u32)| *who == address && now - then < 60_000;
                let recent = noted.iter().filter(is_recent).count();
                prop_assert!(recent <= GUESSES_MAX);
                // And nobody waits who has said fewer.
                prop_assert_eq!(guesses.wait(at(now), v4(address)).is_some(), recent == GUESSES_MAX);
                prop_assert_eq!(guesses.said.len(), guesses.by_time.len());
            }
        }
    }
}
