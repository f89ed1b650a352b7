//! How many answers unproven addresses get: so many a second each, and all of them together.
//!
//! Each source has a bucket of tokens, one an answer, that fills at a fixed rate. A bucket is kept
//! as one tick: when it will be full again. A full bucket is the same as none, so a source that
//! falls silent costs nothing after a while.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::limits::{
    UNPROVEN_BURST, UNPROVEN_RATE_PER_S, UNPROVEN_SOURCES_MAX, UNPROVEN_TOTAL_BURST,
    UNPROVEN_TOTAL_RATE_PER_S,
};
use crate::machine::Tick;

/// Which budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// That of this source.
    Source,
    /// That of all unproven sources together.
    Total,
}

/// The budgets of one service.
///
/// ```
/// use sockeye_proto::datagram::budget::{Budget, Spent};
/// use sockeye_proto::limits::UNPROVEN_BURST;
/// use sockeye_proto::machine::Tick;
///
/// let mut budget = Budget::default();
/// let ana = "192.0.2.1".parse().unwrap();
/// for _ in 0..UNPROVEN_BURST {
///     assert_eq!(budget.spend(Tick::START, ana), Ok(()));
/// }
/// assert_eq!(budget.spend(Tick::START, ana), Err(Spent::Source));
/// ```
#[derive(Debug)]
pub struct Budget {
    /// When each source's bucket will be full.
    full_at: BTreeMap<Source, Tick>,
    /// The same, by that time.
    by_time: BTreeSet<(Tick, Source)>,
    total_full_at: Tick,
}

/// An IPv4 address, or the first 64 bits of an IPv6 address: whoever has one address of such a
/// network has them all (RFC 4291, section 2.5.1).
type Source = u128;

const SOURCE: Rate = Rate::new(UNPROVEN_RATE_PER_S, UNPROVEN_BURST);
const TOTAL: Rate = Rate::new(UNPROVEN_TOTAL_RATE_PER_S, UNPROVEN_TOTAL_BURST);

impl Budget {
    /// Takes one answer out of the budgets of a source, or says which is spent; then nothing is
    /// taken.
    pub fn spend(&mut self, now: Tick, from: IpAddr) -> Result<(), Spent> {
        let source = source_of(from);
        let before = self.full_at.get(&source).copied();
        let after = SOURCE.spend(before.unwrap_or(now), now).ok_or(Spent::Source)?;
        self.total_full_at = TOTAL.spend(self.total_full_at, now).ok_or(Spent::Total)?;
        if let Some(before) = before {
            self.by_time.remove(&(before, source));
        } else {
            self.make_room();
        }
        self.full_at.insert(source, after);
        self.by_time.insert((after, source));
        Ok(())
    }

    /// How many sources are remembered; at most [`UNPROVEN_SOURCES_MAX`].
    pub fn sources(&self) -> usize {
        self.full_at.len()
    }

    /// Forgets the fullest bucket, where the table is full: the one whose loss gives least away.
    fn make_room(&mut self) {
        if self.full_at.len() >= UNPROVEN_SOURCES_MAX
            && let Some((_, source)) = self.by_time.pop_first()
        {
            self.full_at.remove(&source);
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { full_at: BTreeMap::new(), by_time: BTreeSet::new(), total_full_at: Tick::START }
    }
}

/// How fast a bucket fills, and how much it holds.
struct Rate {
    /// The time that one token takes.
    token: Duration,
    /// The time that the whole bucket takes.
    bucket: Duration,
}

impl Rate {
    const fn new(per_s: u64, burst: u64) -> Self {
        let token_ns = 1_000_000_000 / per_s;
        Self {
            token: Duration::from_nanos(token_ns),
            bucket: Duration::from_nanos(token_ns * burst),
        }
    }

    /// When a bucket will be full that one token is taken from; `None` if it holds none.
    fn spend(&self, full_at: Tick, now: Tick) -> Option<Tick> {
        let after = full_at.max(now) + self.token;
        (after.since(now) <= self.bucket).then_some(after)
    }
}

fn source_of(address: IpAddr) -> Source {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    /// How many answers a source gets at once.
    fn drain(budget: &mut Budget, now: Tick, from: IpAddr) -> u64 {
        (0..100_000).take_while(|_| budget.spend(now, from).is_ok()).count() as u64
    }

    #[test]
    fn a_source_gets_its_burst_and_then_its_rate() {
        let mut budget = Budget::default();
        assert_eq!(drain(&mut budget, at(0), v4(1)), UNPROVEN_BURST);
        assert_eq!(drain(&mut budget, at(4), v4(1)), 0);
        assert_eq!(drain(&mut budget, at(1000), v4(1)), UNPROVEN_RATE_PER_S);
        assert_eq!(drain(&mut budget, at(60_000), v4(1)), UNPROVEN_BURST, "no more is saved up");
        assert_eq!(drain(&mut budget, at(60_000), v4(2)), UNPROVEN_BURST, "another has its own");
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_source() {
        let mut budget = Budget::default();
        assert_eq!(drain(&mut budget, at(0), ip("2001:db8::1")), UNPROVEN_BURST);
        assert_eq!(drain(&mut budget, at(0), ip("2001:db8::ffff:2")), 0);
        assert_eq!(drain(&mut budget, at(0), ip("2001:db8:0:1::1")), UNPROVEN_BURST);
        assert_eq!(drain(&mut budget, at(0), ip("192.0.2.1")), UNPROVEN_BURST);
        assert_eq!(drain(&mut budget, at(0), ip("::ffff:192.0.2.1")), 0, "the same address");
    }

    #[test]
    fn all_sources_together_have_a_budget_and_the_table_a_bound() {
        let mut budget = Budget::default();
        let answered = (0..100_000).filter(|n| budget.spend(at(0), v4(*n)).is_ok()).count() as u64;
        assert_eq!(answered, UNPROVEN_TOTAL_BURST);
        assert_eq!(budget.spend(at(0), v4(200_000)), Err(Spent::Total));
        assert_eq!(budget.sources(), UNPROVEN_SOURCES_MAX);
        assert_eq!(budget.by_time.len(), UNPROVEN_SOURCES_MAX);
    }

    #[test]
    fn a_flood_of_new_sources_does_not_wash_away_the_debt_of_the_busiest() {
        let mut budget = Budget::default();
        drain(&mut budget, at(0), v4(1));
        for n in 0..20_000 {
            budget.spend(at(1), v4(1000 + n)).unwrap();
        }
        assert_eq!(budget.spend(at(1), v4(1)), Err(Spent::Source));
    }

    #[test]
    fn who_is_refused_pays_nothing() {
        let mut budget = Budget::default();
        drain(&mut budget, at(0), v4(1));
        let total = budget.total_full_at;
        assert_eq!(budget.spend(at(0), v4(1)), Err(Spent::Source));
        assert_eq!(budget.total_full_at, total);
    }
}
