//! One direction between two addresses, for datagrams: delay, jitter, loss, bursts, doubles,
//! damage, and a rate with a queue before it.

use std::ops::Range;
use std::time::Duration;

use sockeye_proto::machine::Tick;

use crate::seed::{Chance, Seed};

/// What IPv4 and UDP add to a datagram on the line.
const HEADERS_BYTES: u64 = 28;

/// How datagrams get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Each by itself.
    Independent(Chance),
    /// In bursts, by the model of Gilbert (1960) and Elliott (1963): the link is good or bad, may
    /// change before each datagram, and loses with the state's own chance.
    Burst {
        /// A good link turns bad.
        begins: Chance,
        /// A bad link turns good.
        ends: Chance,
        /// Lost while the link is good.
        in_good: Chance,
        /// Lost while the link is bad.
        in_bad: Chance,
    },
}

/// How a link treats what is sent over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRules {
    /// Each datagram takes so long. A range that is wider than the gap between two reorders them,
    /// unless `keeps_order`.
    pub delay: Range<Duration>,
    /// Whether a datagram never overtakes another.
    pub keeps_order: bool,
    /// Which are lost.
    pub loss: Loss,
    /// Which arrive twice, each copy with its own delay.
    pub duplication: Chance,
    /// Of which one byte is changed.
    pub corruption: Chance,
    /// What the link carries, headers counted; `None`: any amount.
    pub rate_bytes_per_s: Option<u64>,
    /// How long a datagram may wait for the rate; longer, and it is lost.
    pub queue_max: Duration,
}

impl LinkRules {
    /// Everything arrives at once, once, in order.
    pub fn perfect() -> Self {
        Self {
            delay: Duration::ZERO..Duration::ZERO,
            keeps_order: true,
            loss: Loss::Independent(Chance::NEVER),
            duplication: Chance::NEVER,
            corruption: Chance::NEVER,
            rate_bytes_per_s: None,
            queue_max: Duration::from_millis(100),
        }
    }

    /// A link with some of the faults, from none to heavy, but never damage: UDP's checksum drops
    /// what is damaged, and whoever wants more sets it.
    pub fn drawn(seed: &mut Seed) -> Self {
        let shortest = seed.span_below(Duration::from_millis(30));
        let jitter =
            *seed.pick(&[Duration::ZERO, Duration::from_millis(5), Duration::from_millis(200)]);
        let loss = match seed.below(3) {
            0 => Loss::Independent(Chance::NEVER),
            1 => Loss::Independent(Chance::percent(1 + seed.below(30) as u32)),
            _ => Loss::Burst {
                begins: Chance::percent(1 + seed.below(5) as u32),
                ends: Chance::percent(10 + seed.below(40) as u32),
                in_good: Chance::NEVER,
                in_bad: Chance::percent(50 + seed.below(51) as u32),
            },
        };
        Self {
            delay: shortest..shortest + jitter,
            keeps_order: seed.one_in(3),
            loss,
            duplication: *seed.pick(&[Chance::NEVER, Chance::percent(2), Chance::percent(20)]),
            corruption: Chance::NEVER,
            rate_bytes_per_s: seed.one_in(3).then(|| 10_000 + seed.below(1_000_000) as u64),
            queue_max: Duration::from_millis(1 + seed.below(500) as u64),
        }
    }
}

/// What becomes of a datagram, or of a copy of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives; why.
    Lost(&'static str),
    /// It arrives.
    Arrives {
        /// When.
        at: Tick,
        /// As these bytes.
        bytes: Vec<u8>,
        /// Whether the link changed a byte.
        is_damaged: bool,
        /// Whether it is the second of two.
        is_copy: bool,
    },
}

/// One direction between two addresses.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use sockeye_sim::network::{Fate, Link, LinkRules, Loss};
/// use sockeye_sim::seed::{Chance, Seed};
///
/// let rules = LinkRules { loss: Loss::Independent(Chance::ALWAYS), ..LinkRules::perfect() };
/// let fates = Link::new(rules).carry(&mut Seed::new(1), Tick::START, b"x");
/// assert_eq!(fates, [Fate::Lost("lost")]);
/// ```
#[derive(Clone, Debug)]
pub struct Link {
    rules: LinkRules,
    is_bad: bool,
    busy_until: Tick,
    last_arrival: Tick,
}

impl Link {
    /// A link that is idle and good.
    pub fn new(rules: LinkRules) -> Self {
        Self { rules, is_bad: false, busy_until: Tick::START, last_arrival: Tick::START }
    }

    /// Other rules from now on; what is under way stays as it was.
    pub fn set_rules(&mut self, rules: LinkRules) {
        self.rules = rules;
    }

    /// What becomes of a datagram that is sent now: one fate, or two.
    pub fn carry(&mut self, seed: &mut Seed, now: Tick, bytes: &[u8]) -> Vec<Fate> {
        let Some(sent) = self.queue(now, bytes.len()) else {
            return vec![Fate::Lost("the queue is full")];
        };
        if self.loses(seed) {
            return vec![Fate::Lost(if self.is_bad { "lost in a burst" } else { "lost" })];
        }
        let mut fates = vec![self.arrive(seed, sent, bytes, false)];
        if seed.happens(self.rules.duplication) {
            fates.push(self.arrive(seed, sent, bytes, true));
        }
        fates
    }

    /// When its last bit is on the line.
    fn queue(&mut self, now: Tick, length: usize) -> Option<Tick> {
        let Some(rate_bytes_per_s) = self.rules.rate_bytes_per_s else { return Some(now) };
        let begins = self.busy_until.max(now);
        if begins.since(now) > self.rules.queue_max {
            return None;
        }
        let line_bytes = length as u64 + HEADERS_BYTES;
        let takes_ns = line_bytes.saturating_mul(1_000_000_000) / rate_bytes_per_s.max(1);
        self.busy_until = begins + Duration::from_nanos(takes_ns);
        Some(self.busy_until)
    }

    fn loses(&mut self, seed: &mut Seed) -> bool {
        match self.rules.loss {
            Loss::Independent(chance) => seed.happens(chance),
            Loss::Burst { begins, ends, in_good, in_bad } => {
                if seed.happens(if self.is_bad { ends } else { begins }) {
                    self.is_bad = !self.is_bad;
                }
                seed.happens(if self.is_bad { in_bad } else { in_good })
            }
        }
    }

    fn arrive(&mut self, seed: &mut Seed, sent: Tick, bytes: &[u8], is_copy: bool) -> Fate {
        let mut at = sent + seed.span_in(&self.rules.delay);
        if self.rules.keeps_order {
            at = at.max(self.last_arrival);
            self.last_arrival = at;
        }
        let mut bytes = bytes.to_vec();
        let is_damaged = !bytes.is_empty() && seed.happens(self.rules.corruption);
        if is_damaged {
            let position = seed.below(bytes.len());
            bytes[position] ^= 1 + seed.below(255) as u8;
        }
        Fate::Arrives { at, bytes, is_damaged, is_copy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 10_000;

    fn carried(rules: LinkRules) -> Vec<Fate> {
        let (mut link, mut seed) = (Link::new(rules), Seed::new(5));
        (0..COUNT as u64)
            .flat_map(|i| link.carry(&mut seed, Tick::from_ns(i * 1_000_000), &i.to_be_bytes()))
            .collect()
    }

    fn lost(fates: &[Fate]) -> usize {
        fates.iter().filter(|fate| matches!(fate, Fate::Lost(_))).count()
    }

    #[test]
    fn a_perfect_link_changes_nothing() {
        for (i, fate) in carried(LinkRules::perfect()).into_iter().enumerate() {
            let (at, bytes) =
                (Tick::from_ns(i as u64 * 1_000_000), (i as u64).to_be_bytes().to_vec());
            assert_eq!(fate, Fate::Arrives { at, bytes, is_damaged: false, is_copy: false });
        }
    }

    #[test]
    fn independent_loss_takes_its_share() {
        let loss = Loss::Independent(Chance::percent(5));
        let count = lost(&carried(LinkRules { loss, ..LinkRules::perfect() }));
        assert!((400..600).contains(&count), "{count} of {COUNT}");
    }

    #[test]
    fn burst_loss_takes_several_in_a_row() {
        let loss = Loss::Burst {
            begins: Chance::percent(1),
            ends: Chance::percent(20),
            in_good: Chance::NEVER,
            in_bad: Chance::ALWAYS,
        };
        let fates = carried(LinkRules { loss, ..LinkRules::perfect() });
        let is_lost = |fate: &Fate| matches!(fate, Fate::Lost(_));
        let pairs = fates.windows(2).filter(|two| two.iter().all(is_lost)).count();
        // Alone, 5 % would meet about 25 pairs; a burst of mean length 5 makes most losses pairs.
        let count = lost(&fates);
        assert!((300..700).contains(&count) && pairs * 2 > count, "{count} lost, {pairs} pairs");
    }

    #[test]
    fn jitter_reorders_unless_order_is_kept() {
        for keeps_order in [false, true] {
            let delay = Duration::ZERO..Duration::from_millis(10);
            let fates = carried(LinkRules { delay, keeps_order, ..LinkRules::perfect() });
            let arrivals: Vec<Tick> = fates
                .iter()
                .filter_map(|fate| match fate {
                    Fate::Arrives { at, .. } => Some(*at),
                    Fate::Lost(_) => None,
                })
                .collect();
            assert_eq!(arrivals.is_sorted(), keeps_order);
        }
    }

    #[test]
    fn a_damaged_datagram_differs_in_one_byte_and_a_doubled_one_comes_twice() {
        let (duplication, corruption) = (Chance::ALWAYS, Chance::ALWAYS);
        let fates = carried(LinkRules { duplication, corruption, ..LinkRules::perfect() });
        assert_eq!(fates.len(), 2 * COUNT);
        for (i, fate) in fates.iter().enumerate() {
            let Fate::Arrives { bytes, is_damaged: true, is_copy, .. } = fate else {
                panic!("{fate:?} is not damaged");
            };
            let sent = (i as u64 / 2).to_be_bytes();
            assert_eq!(bytes.iter().zip(sent).filter(|(a, b)| **a != *b).count(), 1);
            assert_eq!(*is_copy, i % 2 == 1);
        }
    }

    #[test]
    fn a_rate_delays_and_a_full_queue_drops() {
        // 36 bytes with headers, one a millisecond, over a link of half of that.
        let fates = carried(LinkRules { rate_bytes_per_s: Some(18_000), ..LinkRules::perfect() });
        let count = lost(&fates);
        assert!((4_900..5_000).contains(&count), "{count} of {COUNT}");
    }
}
