//! Peers of every manner: who sends lines, who sends pauses, who types, who changes their mind.

use std::time::Duration;

use crate::seed::Seed;
use crate::stream::{Action, Step};

/// Spans at which a framing may go wrong, in nanoseconds: none, one, both sides of the pause and of
/// the pause of who types, and far beyond.
const EDGES_NS: &[u64] = &[
    0,
    1,
    5_000_000,
    19_999_999,
    20_000_000,
    20_000_001,
    49_999_999,
    50_000_000,
    300_000_000,
    999_999_999,
    1_000_000_000,
    1_000_000_001,
    5_000_000_000,
];

/// How a peer ends its messages, as far as it keeps to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// `\n`.
    Lines,
    /// `\r\n`.
    CarriageReturns,
    /// Nothing, and a pause.
    Pauses,
    /// Either, by a byte at a time.
    Typing,
    /// Each message another way.
    Mixed,
}

/// Everything a peer does in a conversation: some messages, cut into writes anywhere, with gaps
/// that are often at an edge; in half of the conversations, the end of its side.
///
/// ```
/// use sockeye_sim::reference::peer::talk;
/// use sockeye_sim::seed::Seed;
/// let steps = talk(&mut Seed::new(1), |_seed| b"SEND_DATE".to_vec());
/// assert_eq!(steps, talk(&mut Seed::new(1), |_seed| b"SEND_DATE".to_vec()));
/// ```
pub fn talk(seed: &mut Seed, mut message: impl FnMut(&mut Seed) -> Vec<u8>) -> Vec<Step> {
    use Manner::{CarriageReturns, Lines, Mixed, Pauses, Typing};
    let manner = *seed.pick(&[Lines, CarriageReturns, Pauses, Typing, Mixed]);
    // Who sends many at once does not wait between them.
    let is_pipelined = seed.one_in(3);
    let mut steps = Vec::new();
    for _ in 0..seed.below(12) {
        let manner = match manner {
            Mixed => *seed.pick(&[Lines, CarriageReturns, Pauses, Pauses, Typing]),
            manner => manner,
        };
        let mut bytes = message(seed);
        let ending: &[u8] = match manner {
            Lines => b"\n",
            CarriageReturns => b"\r\n",
            Pauses | Mixed => b"",
            Typing => [&b""[..], b"\n", b"\r\n"][seed.below(3)],
        };
        bytes.extend_from_slice(ending);
        let first = steps.len();
        cut(seed, &bytes, manner, &mut steps);
        if let Some(step) = steps.get_mut(first) {
            step.after = if is_pipelined { Duration::ZERO } else { between(seed, manner) };
        }
    }
    if seed.one_in(2) {
        steps.push(Step::after(gap(seed), Action::End));
    }
    steps
}

/// Moments at which something is said to a peer, in order.
pub fn moments(seed: &mut Seed) -> Vec<Duration> {
    let mut at = Duration::ZERO;
    (0..seed.below(8))
        .map(|_| {
            at += gap(seed);
            at
        })
        .collect()
}

/// A message of bytes that may go wrong: line ends' halves, what is no UTF-8, none at all, and now
/// and then one of about the greatest length.
pub fn odd_message(seed: &mut Seed) -> Vec<u8> {
    if seed.one_in(25) {
        return vec![b'x'; 65_533 + seed.below(6)];
    }
    if seed.one_in(40) {
        return seed.pick(FOREIGN).to_vec();
    }
    (0..seed.below(10)).map(|_| *seed.pick(b"ab \r\r\xff\xc3\xa9\0")).collect()
}

const FOREIGN: &[&[u8]] = &[
    b"GET / HTTP/1.1",
    b"POST /x HTTP/1.0",
    b"GET /x",
    b"get / HTTP/1.1",
    b"\x16\x03\x01\x02",
    b"\x16",
    b"\xfe1",
];

fn cut(seed: &mut Seed, bytes: &[u8], manner: Manner, steps: &mut Vec<Step>) {
    // A long message by single bytes shows nothing that a short one does not, and takes long.
    let is_typed = manner == Manner::Typing && bytes.len() < 100;
    let is_whole = !is_typed && seed.one_in(2);
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = match (is_typed, is_whole) {
            (true, _) => 1,
            (false, true) => rest.len(),
            // Often just before the last byte or two: between `\r` and `\n`.
            (false, false) if seed.one_in(2) => rest.len().saturating_sub(1 + seed.below(2)).max(1),
            (false, false) => 1 + seed.below(rest.len()),
        };
        let (write, after) = rest.split_at(length);
        let span =
            if seed.one_in(6) { gap(seed) } else { seed.span_below(Duration::from_millis(20)) };
        steps.push(Step::after(span, Action::Bytes(write.to_vec())));
        rest = after;
    }
}

fn between(seed: &mut Seed, manner: Manner) -> Duration {
    let pause = match manner {
        Manner::Pauses => Duration::from_millis(20),
        Manner::Typing => Duration::from_secs(1),
        Manner::Lines | Manner::CarriageReturns | Manner::Mixed => Duration::ZERO,
    };
    if seed.one_in(5) { gap(seed) } else { pause + seed.span_below(Duration::from_millis(50)) }
}

fn gap(seed: &mut Seed) -> Duration {
    if seed.one_in(2) {
        Duration::from_nanos(*seed.pick(EDGES_NS))
    } else {
        seed.span_below(Duration::from_millis(60))
    }
}
