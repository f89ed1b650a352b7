//! Chance that repeats: the same seed, the same numbers, on every machine.

use std::ops::Range;
use std::time::Duration;

/// How likely something is, in parts of a million.
///
/// ```
/// use sockeye_sim::seed::{Chance, Seed};
/// let mut seed = Seed::new(1);
/// assert!(seed.happens(Chance::ALWAYS));
/// assert!(!seed.happens(Chance::NEVER));
/// assert_eq!(Chance::one_in(4), Chance::percent(25));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance {
    per_million: u32,
}

impl Chance {
    /// It never happens.
    pub const NEVER: Self = Self { per_million: 0 };
    /// It happens each time.
    pub const ALWAYS: Self = Self { per_million: 1_000_000 };

    /// Once in `n` times; never, if `n` is 0.
    pub const fn one_in(n: u32) -> Self {
        match 1_000_000_u32.checked_div(n) {
            Some(per_million) => Self { per_million },
            None => Self::NEVER,
        }
    }

    /// So many times in a hundred; more than 100 counts as 100.
    pub const fn percent(percent: u32) -> Self {
        Self { per_million: if percent > 100 { 1_000_000 } else { percent * 10_000 } }
    }
}

/// A generator of pseudo-random numbers (SplitMix64, by Steele, Lea and Flood, 2014). Not for
/// secrets.
///
/// ```
/// use sockeye_sim::seed::Seed;
/// assert_eq!(Seed::new(7).below(1000), Seed::new(7).below(1000));
/// ```
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The generator of this number.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1; 0 if the bound is 0. The bias of the remainder is of no
    /// account for the small bounds of a simulation.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.draw() % bound as u64) as usize }
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Whether what is so likely happens this time.
    pub fn happens(&mut self, chance: Chance) -> bool {
        self.below(1_000_000) < chance.per_million as usize
    }

    /// One of these.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        assert!(!from.is_empty(), "one of nothing");
        &from[self.below(from.len())]
    }

    /// A generator of its own, so that what one part draws does not shift what another draws.
    pub fn fork(&mut self) -> Self {
        Self(self.draw())
    }

    /// A span within the range; its start, if it is empty.
    pub fn span_in(&mut self, range: &Range<Duration>) -> Duration {
        range.start + self.span_below(range.end.saturating_sub(range.start))
    }

    /// A span shorter than `bound`.
    pub fn span_below(&mut self, bound: Duration) -> Duration {
        let bound_ns = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.draw() % bound_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_numbers_come_out() {
        // The reference outputs of SplitMix64 for the seed 1234567.
        let mut seed = Seed::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| seed.draw()).collect();
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn bounds_are_kept() {
        let mut seed = Seed::new(1);
        assert!((0..1000).all(|_| seed.below(3) < 3));
        assert_eq!(seed.below(0), 0);
        let range = Duration::from_millis(3)..Duration::from_millis(4);
        assert!((0..1000).all(|_| range.contains(&seed.span_in(&range))));
        assert_eq!(seed.span_in(&(range.end..range.end)), range.end);
    }

    #[test]
    fn a_chance_comes_about_as_often_as_it_says() {
        let mut seed = Seed::new(2);
        let times = (0..100_000).filter(|_| seed.happens(Chance::percent(10))).count();
        assert!((9_500..10_500).contains(&times), "{times} of 100000");
        assert_eq!(Chance::one_in(0), Chance::NEVER);
    }
}
