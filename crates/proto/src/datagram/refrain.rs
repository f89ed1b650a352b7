//! Refrains: who says the same again and again, without a pause, has perhaps been set to by a
//! server that answers us, and we it.
//!
//! Two servers that answer whatever comes (echo, a fixed reply) talk to each other for ever once
//! somebody has forged the first datagram. Neither can tell the other from a client that asks the
//! same again and again as fast as it is answered: it hears the same at the same times. But a
//! server says nothing by itself, so that such a loop lives only as long as no datagram of it is
//! lost, while a client whose datagram is lost asks again. Therefore a source that has said the
//! same [`REFRAIN_TIMES`] times, over [`REFRAIN_SPAN`] at least, is not answered for
//! [`REFRAIN_REST`]. A loop with a round trip up to that is dead then: it lasts
//! [`REFRAIN_TIMES`] round trips, or [`REFRAIN_SPAN`] where those are faster. A client loses its
//! requests of that moment, as datagrams may be lost.
//!
//! What counts is one datagram that comes back, not that nothing else comes between: a loop with
//! several datagrams under way is one too. Who is silent for [`REFRAIN_PAUSE`] begins anew, so that
//! a client that asks now and then is always answered, and so does who says something new.

use crate::limits::{REFRAIN_PAUSE, REFRAIN_REST, REFRAIN_SPAN, REFRAIN_TIMES};
use crate::machine::Tick;

/// What one source says.
///
/// ```
/// use sockeye_proto::datagram::refrain::Refrain;
/// use sockeye_proto::machine::Tick;
/// use std::time::Duration;
///
/// let (mut refrain, mut now) = (Refrain::new(Tick::START, b"ping"), Tick::START);
/// while refrain.hear(now, b"ping") {
///     now = now + Duration::from_millis(1);
/// }
/// assert_eq!(now, Tick::START + Duration::from_secs(30));
/// assert!(!refrain.hear(now, b"pong"), "nothing of it is answered");
/// assert!(refrain.hear(now + Duration::from_secs(1), b"ping"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refrain {
    sample: Sample,
    since: Tick,
    last: Tick,
    times: u32,
    rests_until: Tick,
}

/// What a datagram is known again by: its length, its first 16 bytes and its last 16. Long ones that
/// differ in the middle alone are taken to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    length: usize,
    ends: [u64; 4],
}

impl Refrain {
    /// A source whose first datagram this is.
    pub fn new(now: Tick, datagram: &[u8]) -> Self {
        let sample = Sample::of(datagram);
        Self { sample, since: now, last: now, times: 0, rests_until: Tick::START }
    }

    /// Whether a datagram of the source is answered.
    pub fn hear(&mut self, now: Tick, datagram: &[u8]) -> bool {
        if now < self.rests_until {
            return false;
        }
        let is_same = self.sample == Sample::of(datagram);
        if now.since(self.last) >= REFRAIN_PAUSE {
            *self = Self::new(now, datagram);
        } else if !is_same {
            return true;
        }
        self.last = now;
        self.times = self.times.saturating_add(1);
        if self.times <= REFRAIN_TIMES || now.since(self.since) < REFRAIN_SPAN {
            return true;
        }
        let rests_until = now + REFRAIN_REST;
        *self = Self { times: 0, since: rests_until, last: rests_until, rests_until, ..*self };
        false
    }
}

impl Sample {
    /// Made of whole words, which may overlap: this is done for every datagram.
    fn of(datagram: &[u8]) -> Self {
        let length = datagram.len();
        let ends = match length {
            16.. => [0, 8, length - 16, length - 8].map(|at| word(datagram, at)),
            8..16 => [word(datagram, 0), word(datagram, length - 8), 0, 0],
            _ => [datagram.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0, 0, 0],
        };
        Self { length, ends }
    }
}

/// The 8 bytes from there on; 0 if there are fewer.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// How many of the datagrams, one each `gap`, are answered before one is not; `None` if all
    /// are.
    fn answered(gap: Duration, datagrams: impl Iterator<Item = Vec<u8>>) -> Option<usize> {
        let (mut refrain, mut now) = (None::<Refrain>, Tick::START);
        for (n, datagram) in datagrams.enumerate() {
            if !refrain.get_or_insert_with(|| Refrain::new(now, &datagram)).hear(now, &datagram) {
                return Some(n);
            }
            now = now + gap;
        }
        None
    }

    fn same() -> impl Iterator<Item = Vec<u8>> {
        std::iter::repeat_n(b"x".to_vec(), 400_000)
    }

    #[test]
    fn the_same_again_and_again_is_not_answered_after_the_span_and_so_many_times() {
        let ms = Duration::from_millis;
        assert_eq!(answered(Duration::from_micros(100), same()), Some(300_000), "30 s");
        assert_eq!(answered(ms(1), same()), Some(30_000), "30 s");
        assert_eq!(answered(ms(10), same()), Some(10_000), "so many times");
        assert_eq!(answered(ms(1999), same()), Some(10_000), "so many times");
        assert_eq!(answered(ms(2000), same()), None, "each after a pause");
    }

    #[test]
    fn several_datagrams_by_turns_are_a_refrain_too() {
        let turns = |n: u32| (0..400_000_u32).map(move |i| (i % n).to_be_bytes().to_vec());
        assert_eq!(answered(Duration::from_millis(1), turns(2)), Some(30_000));
        assert_eq!(answered(Duration::from_millis(1), turns(3)), Some(30_000));
        assert_eq!(answered(Duration::from_millis(1), turns(16)), Some(160_000));
    }

    #[test]
    fn who_says_something_new_each_time_is_always_answered() {
        let numbers = (0..400_000_u32).map(|i| i.to_be_bytes().to_vec());
        assert_eq!(answered(Duration::from_micros(200), numbers), None);
    }

    #[test]
    fn a_pause_begins_anew() {
        let mut refrain = Refrain::new(Tick::START, b"x");
        let mut now = Tick::START;
        for _ in 0..20 {
            for _ in 0..29_000 {
                assert!(refrain.hear(now, b"x"));
                now = now + Duration::from_millis(1);
            }
            now = now + REFRAIN_PAUSE;
        }
    }

    #[test]
    fn after_the_rest_it_is_as_before() {
        let mut refrain = Refrain::new(Tick::START, b"x");
        let (mut now, mut unanswered) = (Tick::START, 0);
        while now < Tick::START + 4 * (REFRAIN_SPAN + REFRAIN_REST) {
            unanswered += u32::from(!refrain.hear(now, b"x"));
            now = now + Duration::from_millis(1);
        }
        assert_eq!(unanswered, 4 * 1000);
    }

    #[test]
    fn a_sample_knows_a_datagram_again_and_no_other() {
        let lengths = [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 1000];
        for length in lengths {
            let datagram = vec![b'a'; length];
            let sample = Sample::of(&datagram);
            assert_eq!(sample, Sample::of(&datagram), "{length}");
            for other in lengths {
                assert_eq!(sample == Sample::of(&vec![b'a'; other]), other == length);
            }
            for changed in (0..length).filter(|at| *at < 16 || length - at <= 16) {
                let mut other = datagram.clone();
                other[changed] = b'b';
                assert_ne!(sample, Sample::of(&other), "{length}: {changed}");
            }
        }
    }
}
