//! What an answerer gives out so that no proof can be used twice, and no clock need be right.
//!
//! A nonce is made of the time, of random bits and of a keyed hash over both, so that giving it out
//! costs no memory: strangers may ask for as many as they like. Only when a request that is rightly
//! signed has used a nonce is it remembered, with the counts that came with it. So whoever answers
//! looks in this order: [`NonceMint::check`], then [`super::group::GroupKey::verify`], then
//! [`Used::take`].

use std::collections::BTreeMap;
use std::fmt;

use super::hex;
use crate::constant_time::is_equal;
use crate::limits::{COUNTS_WINDOW, NONCE_LASTS, NONCE_MAX_CHARS, NONCES_MAX};
use crate::machine::Tick;

/// How many bytes of the hash a nonce carries: 128 bits.
const SEAL_BYTES: usize = 16;

/// What an answerer gave out, as text: 1 to [`NONCE_MAX_CHARS`] letters, digits, `-`, `_` and `.`. One
/// of ours is 64 hexadecimal digits; a server that others wrote may have another form.
///
/// ```
/// use sockeye_proto::siblings::nonce::Nonce;
///
/// assert_eq!(Nonce::parse("a.b-c_9").unwrap().as_str(), "a.b-c_9");
/// assert_eq!(Nonce::parse("a b"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce(String);

impl Nonce {
    /// Reads a nonce; `None` if the text has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_nonce = (1..=NONCE_MAX_CHARS).contains(&text.len()) && text.bytes().all(is_fit);
        is_nonce.then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives out nonces and knows its own again.
///
/// ```
/// use sockeye_proto::limits::NONCE_LASTS;
/// use sockeye_proto::machine::Tick;
/// use sockeye_proto::siblings::nonce::{NonceMint, Used};
///
/// let mint = NonceMint::new([7; 32]);
/// let nonce = mint.give(Tick::START, [1; 8]);
/// let live = mint.check(Tick::START, &nonce).unwrap();
/// let mut used = Used::default();
/// assert!(used.take(Tick::START, live, 1));
/// assert!(!used.take(Tick::START, live, 1), "once");
/// assert_eq!(mint.check(Tick::START + NONCE_LASTS, &nonce), None);
/// ```
#[derive(Clone)]
pub struct NonceMint([u8; 32]);

/// A nonce of ours that is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Live {
    given: Tick,
    random: [u8; 8],
}

impl NonceMint {
    /// With 32 random bytes, drawn anew each time the server starts.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// A nonce of this time, with eight random bytes, so that two of one time differ.
    pub fn give(&self, now: Tick, random: [u8; 8]) -> Nonce {
        let live = Live { given: now, random };
        Nonce(Hex([live.bytes(), self.seal(live)]).to_string())
    }

    /// Looks at a nonce: `None` if it is none of ours, or was given out [`NONCE_LASTS`] ago or longer.
    pub fn check(&self, now: Tick, nonce: &Nonce) -> Option<Live> {
        let bytes: [u8; 32] = hex::read(&nonce.0)?;
        let (time, rest) = bytes.split_first_chunk()?;
        let (random, seal) = rest.split_first_chunk()?;
        let live = Live { given: Tick::from_ns(u64::from_be_bytes(*time)), random: *random };
        let is_ours = is_equal(&self.seal(live), seal);
        (is_ours && !live.is_over(now)).then_some(live)
    }

    fn seal(&self, live: Live) -> [u8; SEAL_BYTES] {
        let hash = blake3::keyed_hash(&self.0, &live.bytes());
        let mut seal = [0; SEAL_BYTES];
        seal.copy_from_slice(&hash.as_bytes()[..SEAL_BYTES]);
        seal
    }
}

impl fmt::Debug for NonceMint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceMint(..)")
    }
}

impl Live {
    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.given.as_ns().to_be_bytes());
        bytes[8..].copy_from_slice(&self.random);
        bytes
    }

    fn is_over(self, now: Tick) -> bool {
        now.since(self.given) >= NONCE_LASTS
    }
}

struct Hex([[u8; 16]; 2]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| hex::write(part, f))
    }
}

/// Which counts have come with which nonce. It holds [`NONCES_MAX`] nonces; when all of them are still
/// good, a new one is not taken rather than an old one forgotten, because what is forgotten could be
/// used again. As only who has the key gets this far, strangers cannot fill it.
#[derive(Clone, Debug, Default)]
pub struct Used {
    windows: BTreeMap<Live, Window>,
}

impl Used {
    /// Takes a count that came, rightly signed, with a nonce. False if it is 0, was taken before, or
    /// is [`COUNTS_WINDOW`] or more behind the highest; then the request proves nothing. They may
    /// come in any order.
    pub fn take(&mut self, now: Tick, nonce: Live, count: u64) -> bool {
        // They are in the order in which they were given out.
        while let Some(oldest) = self.windows.first_entry().filter(|entry| entry.key().is_over(now))
        {
            oldest.remove();
        }
        let is_known = self.windows.contains_key(&nonce);
        if nonce.is_over(now) || count == 0 || (!is_known && self.windows.len() >= NONCES_MAX) {
            return false;
        }
        self.windows.entry(nonce).or_default().take(count)
    }
}

const WORDS: usize = (COUNTS_WINDOW / 64) as usize;

/// The highest count, and which of those up to [`COUNTS_WINDOW`] behind it were taken: a count has its
/// bit at its remainder.
#[derive(Clone, Debug, Default)]
struct Window {
    highest: u64,
    taken: [u64; WORDS],
}

impl Window {
    fn take(&mut self, count: u64) -> bool {
        if self.highest.saturating_sub(count) >= COUNTS_WINDOW {
            return false;
        }
        if count > self.highest {
            if count - self.highest >= COUNTS_WINDOW {
                self.taken = [0; WORDS];
            } else {
                (self.highest + 1..=count).for_each(|passed| self.clear(passed));
            }
            self.highest = count;
        }
        let (word, bit) = place(count);
        let is_new = self.taken[word] & bit == 0;
        self.taken[word] |= bit;
        is_new
    }

    fn clear(&mut self, count: u64) {
        let (word, bit) = place(count);
        self.taken[word] &= !bit;
    }
}

fn place(count: u64) -> (usize, u64) {
    let place = count % COUNTS_WINDOW;
    ((place / 64) as usize, 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MINT: NonceMint = NonceMint::new([1; 32]);

    fn at(s: u64) -> Tick {
        Tick::from_ns(s * 1_000_000_000)
    }

    fn live(now: Tick, random: u64) -> Live {
        MINT.check(now, &MINT.give(now, random.to_be_bytes())).unwrap()
    }

    #[test]
    fn a_nonce_is_good_for_a_minute_and_no_longer() {
        let nonce = MINT.give(at(100), [0; 8]);
        for (s, is_good) in [(100, true), (159, true), (160, false), (1_000, false)] {
            assert_eq!(MINT.check(at(s), &nonce).is_some(), is_good, "at {s} s");
        }
    }

    #[test]
    fn a_changed_or_foreign_nonce_is_none_of_ours() {
        let nonce = MINT.give(at(1), [3; 8]);
        assert_eq!(nonce.as_str().len(), 64);
        for i in 0..64 {
            let mut changed = nonce.as_str().to_owned();
            let other = if &changed[i..=i] == "0" { "1" } else { "0" };
            changed.replace_range(i..=i, other);
            assert_eq!(MINT.check(at(1), &Nonce::parse(&changed).unwrap()), None, "{changed}");
        }
        assert_eq!(NonceMint::new([2; 32]).check(at(1), &nonce), None);
        assert_eq!(MINT.check(at(1), &Nonce::parse("abc").unwrap()), None);
    }

    #[test]
    fn two_nonces_of_one_time_differ() {
        assert_ne!(MINT.give(at(1), [1; 8]), MINT.give(at(1), [2; 8]));
    }

    #[test]
    fn each_nonce_has_counts_of_its_own() {
        let mut used = Used::default();
        assert!(used.take(at(0), live(at(0), 1), 1));
        assert!(used.take(at(0), live(at(0), 2), 1));
        assert!(!used.take(at(0), live(at(0), 2), 1));
    }

    #[test]
    fn the_largest_counts_overflow_nothing() {
        let mut used = Used::default();
        let nonce = live(at(0), 1);
        for (count, is_taken) in
            [(u64::MAX, true), (u64::MAX, false), (u64::MAX - 1, true), (1, false)]
        {
            assert_eq!(used.take(at(0), nonce, count), is_taken, "{count}");
        }
    }

    #[test]
    fn when_it_is_full_nothing_that_is_still_good_is_forgotten() {
        let mut used = Used::default();
        let many = NONCES_MAX as u64;
        assert!((0..many).all(|random| used.take(at(0), live(at(0), random), 1)));
        assert!(!used.take(at(1), live(at(1), many), 1), "there is no room");
        assert!((0..many).all(|random| !used.take(at(59), live(at(0), random), 1)));
        assert!((0..many).all(|random| used.take(at(59), live(at(0), random), 2)));
        assert!(used.take(at(60), live(at(60), many), 1), "there is again");
        assert_eq!(used.windows.len(), 1);
        assert!(!used.take(at(60), live(at(0), 1), 1), "what is forgotten is over");
    }

    #[test]
    fn the_secret_is_in_no_log() {
        assert_eq!(format!("{MINT:?}"), "NonceMint(..)");
    }

    proptest! {
        #[test]
        fn no_count_is_ever_taken_twice_and_new_ones_are_taken(
            counts in prop::collection::vec(prop_oneof![0_u64..40, 0_u64..5_000], 0..300),
        ) {
            let mut used = Used::default();
            let nonce = live(at(0), 1);
            let (mut taken, mut highest) = (BTreeSet::new(), 0);
            for count in counts {
                let is_in_window = count > 0 && count + COUNTS_WINDOW > highest;
                let expected = is_in_window && !taken.contains(&count);
                prop_assert_eq!(used.take(at(0), nonce, count), expected, "{}", count);
                if expected {
                    taken.insert(count);
                    highest = highest.max(count);
                }
            }
        }

        #[test]
        fn every_nonce_that_is_given_is_known_again(ns: u64, random: [u8; 8]) {
            let now = Tick::from_ns(ns);
            prop_assert!(MINT.check(now, &MINT.give(now, random)).is_some());
        }
    }
}
