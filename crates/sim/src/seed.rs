//! Chance that repeats: the same seed, the same numbers, on every machine.

use std::time::Duration;

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
    }
}
