//! A histogram of durations: buckets of equal width within each power of two.
//!
//! What is below 128 is kept exactly. Above, each power of two has 64 buckets, so that a bucket is
//! at most 1/64 of its lowest value wide: what a quantile says is never too low, and at most 1.6%
//! too high. Counting is one addition; nothing is allocated after the beginning.

/// Buckets within a power of two.
const FINENESS: u64 = 64;
const FINENESS_BITS: u32 = FINENESS.ilog2();
/// Enough for all of u64.
const BUCKETS: usize = ((u64::BITS - FINENESS_BITS + 1) as usize) << FINENESS_BITS;

/// Counts of values by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// One that has counted nothing.
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Counts a value.
    pub fn count(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The least bound that this share of the values, 0 to 1, does not exceed; 0 if there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        found.map_or(0, highest)
    }
}

fn bucket(value: u64) -> usize {
    let magnitude = value.checked_ilog2().unwrap_or(0);
    let shift = magnitude.saturating_sub(FINENESS_BITS);
    (u64::from(shift) * FINENESS + (value >> shift)) as usize
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / FINENESS).saturating_sub(1);
    let lowest = (bucket - shift * FINENESS) << shift;
    lowest + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_are_kept_exactly() {
        for value in 0..2 * FINENESS {
            assert_eq!(highest(bucket(value)), value);
        }
    }

    #[test]
    fn no_value_is_shown_too_low_or_more_than_a_64th_too_high() {
        let powers = (0..64).map(|bits| 1_u64 << bits);
        let around = powers.flat_map(|p| [p - 1, p, p + 1, p + p / 3, p + p / 2, p + (p - 1)]);
        for value in around.chain([u64::MAX]) {
            let shown = highest(bucket(value));
            assert!(shown >= value, "{value} is shown as {shown}");
            assert!(shown - value <= value / FINENESS, "{value} is shown as {shown}");
        }
    }

    #[test]
    fn buckets_lie_side_by_side() {
        for i in 1..BUCKETS {
            assert_eq!(bucket(highest(i - 1) + 1), i);
            assert_eq!(bucket(highest(i)), i);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_count_values_and_not_buckets() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), 0);
        for _ in 0..98 {
            histogram.count(10);
        }
        histogram.count(20);
        histogram.count(100);
        let shown = [0.0, 0.5, 0.98, 0.99, 0.999, 1.0].map(|share| histogram.quantile(share));
        assert_eq!(shown, [10, 10, 10, 20, 100, 100]);
        assert_eq!(histogram.total(), 100);
    }
}
