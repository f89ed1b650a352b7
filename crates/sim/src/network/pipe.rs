//! One direction of a stream, as TCP carries it: cut anywhere, delayed, in order, and held back
//! while the receiver does not read.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use sockeye_proto::machine::Tick;

use crate::seed::{Chance, Seed};

/// How a pipe treats what is written into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeRules {
    /// Segments are cut at any length up to this; of a lot of bytes, up to a 64th, since cutting it
    /// byte by byte takes long and tells no more.
    pub segment_max_bytes: usize,
    /// Each segment takes so long; none overtakes another.
    pub delay: Range<Duration>,
    /// The receiver reads so long after something came; what came meanwhile comes in one read.
    pub read_delay: Range<Duration>,
    /// One read brings any length up to this; of a lot of bytes, up to a 64th.
    pub read_max_bytes: usize,
    /// What may be under way or unread; more waits at the sender.
    pub window_bytes: usize,
    /// With each segment, the whole connection may be cut.
    pub cut: Chance,
}

impl PipeRules {
    /// What is written in one piece is read in one piece, at once.
    pub fn perfect() -> Self {
        Self {
            segment_max_bytes: usize::MAX,
            delay: Duration::ZERO..Duration::ZERO,
            read_delay: Duration::ZERO..Duration::ZERO,
            read_max_bytes: usize::MAX,
            window_bytes: usize::MAX,
            cut: Chance::NEVER,
        }
    }

    /// A pipe with some of the faults. Cuts are left out: whoever wants them sets them.
    pub fn drawn(seed: &mut Seed) -> Self {
        let shortest = seed.span_below(Duration::from_millis(10));
        let jitters = [Duration::ZERO, Duration::from_millis(3), Duration::from_millis(60)];
        let reads = [Duration::ZERO, Duration::from_micros(50), Duration::from_millis(40)];
        Self {
            segment_max_bytes: *seed.pick(&[1, 2, 7, 100, 1_460, 65_536]),
            delay: shortest..shortest + *seed.pick(&jitters),
            read_delay: Duration::ZERO..*seed.pick(&reads),
            read_max_bytes: *seed.pick(&[1, 3, 1_000, 16_384, 262_144]),
            window_bytes: *seed.pick(&[16, 1_000, 65_536]),
            cut: Chance::NEVER,
        }
    }
}

/// A piece of a stream that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The sender has ended its side.
    End,
}

/// What one read brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing more will come.
    End,
}

/// One direction of a stream.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use sockeye_sim::network::{Pipe, PipeRules, Received, Segment};
/// use sockeye_sim::seed::Seed;
///
/// let (mut pipe, mut seed) = (Pipe::new(PipeRules::perfect()), Seed::new(1));
/// pipe.write(b"hello");
/// let under_way = pipe.send(&mut seed, Tick::START);
/// assert_eq!(under_way, [(Tick::START, Segment::Bytes(b"hello".to_vec()))]);
/// pipe.arrive(under_way[0].1.clone());
/// assert!(matches!(pipe.read(&mut seed), Some(Received::Bytes(_))));
/// ```
#[derive(Clone, Debug)]
pub struct Pipe {
    rules: PipeRules,
    unsent: VecDeque<u8>,
    is_ended: bool,
    is_end_sent: bool,
    under_way_bytes: usize,
    last_arrival: Tick,
    unread: VecDeque<u8>,
    is_end_unread: bool,
}

impl Pipe {
    /// An empty pipe.
    pub fn new(rules: PipeRules) -> Self {
        Self {
            rules,
            unsent: VecDeque::new(),
            is_ended: false,
            is_end_sent: false,
            under_way_bytes: 0,
            last_arrival: Tick::START,
            unread: VecDeque::new(),
            is_end_unread: false,
        }
    }

    /// How it treats what is written.
    pub fn rules(&self) -> &PipeRules {
        &self.rules
    }

    /// The sender writes. After [`Pipe::end`] nothing may be written.
    ///
    /// # Panics
    /// If it was ended.
    pub fn write(&mut self, bytes: &[u8]) {
        assert!(!self.is_ended, "written after the end of the sending side");
        self.unsent.extend(bytes);
    }

    /// The sender ends its side, once what it wrote is out.
    pub fn end(&mut self) {
        self.is_ended = true;
    }

    /// What waits at the sender because the receiver's window is full.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Cuts as many segments as the window has room for, each with the tick of its arrival.
    pub fn send(&mut self, seed: &mut Seed, now: Tick) -> Vec<(Tick, Segment)> {
        let mut segments = Vec::new();
        while !self.unsent.is_empty() {
            let taken = self.under_way_bytes + self.unread.len();
            let room = self.rules.window_bytes.saturating_sub(taken).min(self.unsent.len());
            if room == 0 {
                return segments;
            }
            let longest = room.min(at_most(self.rules.segment_max_bytes, self.unsent.len()));
            // A pipe without a bound of its own does not cut.
            let cuts = self.rules.segment_max_bytes < usize::MAX;
            let length = if cuts { 1 + seed.below(longest) } else { longest };
            let bytes: Vec<u8> = self.unsent.drain(..length).collect();
            self.under_way_bytes += length;
            segments.push((self.arrival(seed, now), Segment::Bytes(bytes)));
        }
        if self.is_ended && !self.is_end_sent {
            self.is_end_sent = true;
            segments.push((self.arrival(seed, now), Segment::End));
        }
        segments
    }

    /// A segment arrives.
    pub fn arrive(&mut self, segment: Segment) {
        match segment {
            Segment::Bytes(bytes) => {
                self.under_way_bytes -= bytes.len();
                self.unread.extend(bytes);
            }
            Segment::End => self.is_end_unread = true,
        }
    }

    /// Whether a read would bring something.
    pub fn is_readable(&self) -> bool {
        !self.unread.is_empty() || self.is_end_unread
    }

    /// The receiver reads once. The end comes after the last byte, and once.
    pub fn read(&mut self, seed: &mut Seed) -> Option<Received> {
        if self.unread.is_empty() {
            return std::mem::take(&mut self.is_end_unread).then_some(Received::End);
        }
        let unread = self.unread.len();
        let longest = unread.min(at_most(self.rules.read_max_bytes, unread));
        let cuts = self.rules.read_max_bytes < usize::MAX;
        // Mostly all there is, as a kernel gives it; now and then less.
        let length = if cuts && seed.one_in(4) { 1 + seed.below(longest) } else { longest };
        Some(Received::Bytes(self.unread.drain(..length).collect()))
    }

    fn arrival(&mut self, seed: &mut Seed, now: Tick) -> Tick {
        self.last_arrival = self.last_arrival.max(now + seed.span_in(&self.rules.delay));
        self.last_arrival
    }
}

/// How many of so many bytes are taken at once.
fn at_most(max_bytes: usize, of_bytes: usize) -> usize {
    max_bytes.max(of_bytes / 64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_cuts_the_same_bytes_come_out_and_the_end_comes_last() {
        for number in 0..200 {
            let mut seed = Seed::new(number);
            let mut pipe = Pipe::new(PipeRules::drawn(&mut seed));
            let sent: Vec<u8> = (0..seed.below(5_000)).map(|i| i as u8).collect();
            pipe.write(&sent);
            pipe.end();
            let (mut got, mut ends, mut now) = (Vec::new(), 0, Tick::START);
            while ends == 0 {
                for (at, segment) in pipe.send(&mut seed, now) {
                    assert!(at >= now, "order is kept");
                    now = at;
                    pipe.arrive(segment);
                }
                match pipe.read(&mut seed) {
                    Some(Received::Bytes(bytes)) => got.extend(bytes),
                    Some(Received::End) => ends += 1,
                    None => panic!("seed {number}: it stands still after {} bytes", got.len()),
                }
            }
            assert_eq!((got, pipe.read(&mut seed)), (sent, None), "seed {number}");
        }
    }

    #[test]
    fn what_is_not_read_holds_the_sender_back() {
        let mut seed = Seed::new(1);
        let mut pipe = Pipe::new(PipeRules { window_bytes: 10, ..PipeRules::perfect() });
        pipe.write(&[b'x'; 25]);
        for (_, segment) in pipe.send(&mut seed, Tick::START) {
            pipe.arrive(segment);
        }
        assert_eq!((pipe.unsent_bytes(), pipe.send(&mut seed, Tick::START)), (15, vec![]));
        pipe.read(&mut seed);
        assert_eq!(pipe.send(&mut seed, Tick::START).len(), 1);
    }
}
