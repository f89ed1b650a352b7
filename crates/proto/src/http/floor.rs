//! How slowly a body may come: the floor under a sender's rate.
//!
//! A [`Floor`] stands beside each body that is being received. It counts only the time in which we
//! waited for the peer, so that our own slow disk is nobody's fault; and it wants so many bytes in
//! each span of that time, so that a body fed by drops holds no place for long.

use std::time::Duration;

use crate::limits::{BODY_FLOOR_BYTES, BODY_FLOOR_SPAN};
use crate::machine::Tick;

/// The floor under one body's rate: [`BODY_FLOOR_BYTES`] in each [`BODY_FLOOR_SPAN`] of waiting.
///
/// ```
/// use sockeye_proto::http::floor::Floor;
/// use sockeye_proto::limits::BODY_FLOOR_SPAN;
/// use sockeye_proto::machine::Tick;
///
/// let mut floor = Floor::default();
/// let begun = Tick::from_ns(0);
/// let deadline = floor.waits(begun);
/// assert_eq!(deadline, begun + BODY_FLOOR_SPAN);
/// assert!(floor.is_overdue(deadline));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    waited: Duration,
    since: Option<Tick>,
    bytes: u64,
}

impl Floor {
    /// Nothing is there to be read. Says until when enough must have come.
    pub fn waits(&mut self, now: Tick) -> Tick {
        let since = *self.since.get_or_insert(now);
        since + BODY_FLOOR_SPAN.saturating_sub(self.waited)
    }

    /// Bytes came.
    pub fn received(&mut self, now: Tick, bytes: u64) {
        if let Some(since) = self.since.take() {
            self.waited += now.since(since);
        }
        self.bytes += bytes;
        if self.bytes >= BODY_FLOOR_BYTES {
            *self = Self::default();
        }
    }

    /// Whether the peer was given all its time.
    pub fn is_overdue(&self, now: Tick) -> bool {
        let waits = self.since.map_or(Duration::ZERO, |since| now.since(since));
        self.waited + waits >= BODY_FLOOR_SPAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Tick {
        Tick::from_ns(s * 1_000_000_000)
    }

    #[test]
    fn a_body_fed_by_drops_gets_no_more_time() {
        let mut floor = Floor::default();
        for s in 0..20 {
            assert_eq!(floor.waits(at(s)), at(20), "at {s} s");
            assert!(!floor.is_overdue(at(s)), "at {s} s");
            floor.received(at(s + 1), 1);
        }
        assert!(floor.is_overdue(at(20)));
    }

    #[test]
    fn enough_bytes_begin_the_time_anew() {
        let mut floor = Floor::default();
        floor.waits(at(0));
        floor.received(at(19), BODY_FLOOR_BYTES);
        assert_eq!(floor.waits(at(19)), at(39));
        assert!(!floor.is_overdue(at(38)));
    }

    #[test]
    fn time_in_which_we_did_not_ask_does_not_count() {
        let mut floor = Floor::default();
        floor.waits(at(0));
        floor.received(at(1), 1);
        assert!(!floor.is_overdue(at(1_000)));
        assert_eq!(floor.waits(at(1_000)), at(1_019));
    }
}
