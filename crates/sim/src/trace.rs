//! What happened in a simulated run, in lines that can be read: when, who, what.

use std::collections::VecDeque;
use std::fmt;

use sockeye_proto::machine::Tick;

/// Older lines than these are dropped and counted: the end of a failing run tells why.
const LINES_MAX: usize = 20_000;
/// Of a run of bytes, this many are shown.
const BYTES_SHOWN_MAX: usize = 64;

/// The lines of one run; two runs of one seed have equal traces.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use sockeye_sim::trace::Trace;
/// let mut trace = Trace::default();
/// trace.note(Tick::from_ns(20_000_001), "server -> a word");
/// assert_eq!(trace.to_string(), "   20.000001 ms  server -> a word\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    lines: VecDeque<String>,
    dropped: u64,
    is_off: bool,
}

impl Trace {
    /// A trace that keeps nothing: a run that nobody looks at is twice as fast.
    pub fn off() -> Self {
        Self { is_off: true, ..Self::default() }
    }

    /// One more line.
    pub fn note(&mut self, now: Tick, text: impl fmt::Display) {
        if self.is_off {
            return;
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.dropped += 1;
        }
        let (ms, ns) = (now.as_ns() / 1_000_000, now.as_ns() % 1_000_000);
        self.lines.push_back(format!("{ms:>5}.{ns:06} ms  {text}"));
    }

    /// How many lines there were, those dropped included.
    pub fn len(&self) -> u64 {
        self.lines.len() as u64 + self.dropped
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dropped > 0 {
            writeln!(f, "... {} lines before these", self.dropped)?;
        }
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Bytes as a trace shows them: how many, their text with escapes, and for long ones a checksum,
/// so that two that differ never look the same.
///
/// ```
/// use sockeye_sim::trace::Bytes;
/// assert_eq!(Bytes(b"a\r\n\xff").to_string(), r#"4 bytes "a\r\n\xff""#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(BYTES_SHOWN_MAX)];
        write!(f, "{} bytes \"{}\"", self.0.len(), shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, "... fnv1a {:016x}", fnv1a(self.0))?;
        }
        Ok(())
    }
}

/// The 64-bit FNV-1a checksum, by Fowler, Noll and Vo.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_checksums_come_out() {
        assert_eq!(fnv1a(b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_F739_67E8);
    }

    #[test]
    fn long_bytes_that_differ_only_behind_what_is_shown_look_different() {
        let (a, b) = ([b'x'; 100], [&[b'x'; 99][..], b"y"].concat());
        assert_ne!(Bytes(&a).to_string(), Bytes(&b).to_string());
    }

    #[test]
    fn a_long_trace_keeps_its_end_and_counts_what_it_dropped() {
        let mut trace = Trace::default();
        for i in 0..LINES_MAX as u64 + 2 {
            trace.note(Tick::from_ns(i), "x");
        }
        assert!(trace.to_string().starts_with("... 2 lines before these\n"));
        assert_eq!(trace.len(), LINES_MAX as u64 + 2);
    }
}
