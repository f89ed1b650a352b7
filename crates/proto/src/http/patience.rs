//! How long a connection may keep us waiting, and for what.
//!
//! One [`Patience`] stands beside each HTTP connection. It is told when bytes come and go and when
//! requests begin and end, and knows at any moment whether the peer is overdue: idle between
//! requests, slow with a request's head, or not taking its answer. While an answer is still being
//! made, the peer waits for us and is not overdue; a body that it sends meanwhile has a floor of its
//! own, [`Floor`](super::floor::Floor).

use std::time::Duration;

use crate::idle::IdleTimeout;
use crate::machine::Tick;

/// The fixed spans; the idle span comes from [`IdleTimeout`], which may change all the time.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// From a head's first byte to its last.
    pub head: Duration,
    /// Without any progress of an answer.
    pub stall: Duration,
    /// From our last word to a peer that was still sending: so long is it listened to, so that the
    /// word arrives.
    pub linger: Duration,
}

/// What the peer kept us waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Another request.
    Idle,
    /// The end of a head that had begun.
    Head,
    /// Room for our answer.
    Stalled,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again at this tick; `None`: there is no deadline.
    Wait(Option<Tick>),
    /// Close the connection.
    Close(Overdue),
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    Head {
        since: Tick,
    },
    Serving {
        /// Requests whose answers have not left.
        open: u32,
        /// Of these, answers that are on their way.
        answering: u32,
    },
    Leaving {
        since: Tick,
    },
}

/// The deadlines of one connection; see the [module](self).
#[derive(Clone, Debug)]
pub struct Patience {
    spans: Spans,
    phase: Phase,
    last_progress: Tick,
    is_multiplexed: bool,
    leaves_unread: bool,
    requests: u64,
}

impl Patience {
    /// A connection that was just accepted: idle until its first byte.
    pub fn new(now: Tick, spans: Spans) -> Self {
        Self {
            spans,
            phase: Phase::Idle,
            last_progress: now,
            is_multiplexed: false,
            leaves_unread: false,
            requests: 0,
        }
    }

    /// Bytes came from the peer. The first ones after silence begin a head; its deadline does not
    /// move with the bytes that follow.
    pub fn received(&mut self, now: Tick) {
        if let (Phase::Idle, false) = (self.phase, self.is_multiplexed) {
            self.phase = Phase::Head { since: now };
        }
    }

    /// The peer speaks HTTP/2: bytes between requests may be pings or windows, which neither begin
    /// a head nor count as asking for something.
    pub fn is_http2(&mut self) {
        self.is_multiplexed = true;
    }

    /// A request's head is complete.
    pub fn request_begun(&mut self, now: Tick) {
        self.requests += 1;
        self.phase = match self.phase {
            Phase::Serving { open, answering } => Phase::Serving { open: open + 1, answering },
            Phase::Idle | Phase::Head { .. } | Phase::Leaving { .. } => {
                self.last_progress = now;
                Phase::Serving { open: 1, answering: 0 }
            }
        };
    }

    /// The answer to a request is made: from now on its peer has to take it.
    pub fn answer_begun(&mut self, now: Tick) {
        if let Phase::Serving { answering, .. } = &mut self.phase {
            *answering += 1;
            if *answering == 1 {
                self.last_progress = now;
            }
        }
    }

    /// An answer has been handed over in full, or was given up, `has_begun` or not.
    pub fn request_ended(&mut self, now: Tick, has_begun: bool) {
        if let Phase::Serving { open, answering } = &mut self.phase {
            *open -= 1;
            *answering -= u32::from(has_begun);
            if *open == 0 {
                self.phase = Phase::Idle;
                self.last_progress = now;
            }
        }
    }

    /// The peer's side took bytes of ours. On HTTP/2 they may just answer pings, so that there only
    /// [`Patience::body_progressed`] counts.
    pub fn wrote(&mut self, now: Tick) {
        if !self.is_multiplexed {
            self.last_progress = now;
        }
    }

    /// Bytes of an answer's body left.
    pub fn body_progressed(&mut self, now: Tick) {
        self.last_progress = now;
    }

    /// The answer says no to a body that was not read to its end, and the connection ends with it.
    pub fn leaves_unread(&mut self) {
        self.leaves_unread = true;
    }

    /// Our side has ended. Whether the peer must be listened to for a while: to close over bytes
    /// that were not read would reset the connection, and take the answer with it.
    pub fn leaves(&mut self, now: Tick) -> bool {
        if self.leaves_unread {
            self.phase = Phase::Leaving { since: now };
        }
        self.leaves_unread
    }

    /// Whether the peer is overdue, with `clients` connected now.
    pub fn verdict(&self, now: Tick, idle: IdleTimeout, clients: usize) -> Verdict {
        let (deadline, overdue) = match self.phase {
            Phase::Head { since } => (Some(since + self.spans.head), Overdue::Head),
            Phase::Leaving { since } => (Some(since + self.spans.linger), Overdue::Head),
            Phase::Serving { answering: 0, .. } => (None, Overdue::Stalled),
            Phase::Serving { .. } => {
                (Some(self.last_progress + self.spans.stall), Overdue::Stalled)
            }
            Phase::Idle => {
                (idle.span(clients).map(|span| self.last_progress + span), Overdue::Idle)
            }
        };
        match (deadline, idle.look_again(clients)) {
            (Some(deadline), _) if deadline <= now => Verdict::Close(overdue),
            (Some(deadline), Some(look)) if overdue == Overdue::Idle => {
                Verdict::Wait(Some(deadline.min(now + look)))
            }
            (deadline, _) => Verdict::Wait(deadline),
        }
    }

    /// How many requests have begun so far.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether one of them has not ended.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving { .. })
    }

    /// Whether a head has begun whose end is still missing.
    pub fn is_in_head(&self) -> bool {
        matches!(self.phase, Phase::Head { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPANS: Spans = Spans {
        head: Duration::from_secs(10),
        stall: Duration::from_mins(1),
        linger: Duration::from_secs(5),
    };

    fn at(s: u64) -> Tick {
        Tick::from_ns(s * 1_000_000_000)
    }

    fn fixed(s: u64) -> IdleTimeout {
        IdleTimeout::Fixed(Duration::from_secs(s))
    }

    #[test]
    fn a_silent_connection_is_closed_after_the_idle_span() {
        let p = Patience::new(at(1), SPANS);
        assert_eq!(p.verdict(at(5), fixed(30), 1), Verdict::Wait(Some(at(31))));
        assert_eq!(p.verdict(at(31), fixed(30), 1), Verdict::Close(Overdue::Idle));
        assert_eq!(p.verdict(at(999), IdleTimeout::None, 1), Verdict::Wait(None));
    }

    #[test]
    fn a_head_fed_a_byte_at_a_time_gets_no_more_time() {
        let mut p = Patience::new(at(0), SPANS);
        for s in 3..13 {
            p.received(at(s));
            assert_eq!(p.verdict(at(s), fixed(30), 1), Verdict::Wait(Some(at(13))));
        }
        assert_eq!(p.verdict(at(13), fixed(30), 1), Verdict::Close(Overdue::Head));
    }

    #[test]
    fn idle_time_counts_from_the_last_byte_of_the_answer() {
        let mut p = Patience::new(at(0), SPANS);
        p.received(at(1));
        p.request_begun(at(1));
        p.answer_begun(at(1));
        assert_eq!(p.verdict(at(40), fixed(5), 1), Verdict::Wait(Some(at(61))));
        p.request_ended(at(40), true);
        p.wrote(at(42));
        assert_eq!(p.verdict(at(46), fixed(5), 1), Verdict::Wait(Some(at(47))));
        assert_eq!(p.verdict(at(47), fixed(5), 1), Verdict::Close(Overdue::Idle));
    }

    #[test]
    fn an_answer_nobody_takes_is_given_up_and_one_that_moves_is_not() {
        let mut p = Patience::new(at(0), SPANS);
        p.request_begun(at(0));
        p.answer_begun(at(0));
        for s in (0..600).step_by(30) {
            p.wrote(at(s));
            assert!(matches!(p.verdict(at(s + 29), fixed(5), 1), Verdict::Wait(_)));
        }
        assert_eq!(p.verdict(at(630), fixed(5), 1), Verdict::Close(Overdue::Stalled));
    }

    #[test]
    fn others_coming_bring_the_idle_deadline_nearer() {
        let p = Patience::new(at(0), SPANS);
        let alone = p.verdict(at(6), IdleTimeout::Dynamic, 1);
        assert_eq!(alone, Verdict::Wait(Some(at(6) + Duration::from_millis(500))));
        assert_eq!(p.verdict(at(6), IdleTimeout::Dynamic, 20), Verdict::Close(Overdue::Idle));
        assert_eq!(p.verdict(at(4), IdleTimeout::Dynamic, 20), Verdict::Wait(Some(at(5))));
    }

    #[test]
    fn pings_keep_no_http2_connection_open_and_begin_no_head() {
        let mut p = Patience::new(at(0), SPANS);
        p.is_http2();
        for s in 1..9 {
            p.received(at(s));
            p.wrote(at(s));
            assert!(!p.is_in_head());
        }
        assert_eq!(p.verdict(at(9), fixed(9), 1), Verdict::Close(Overdue::Idle));
    }

    #[test]
    fn pings_are_no_progress_of_an_http2_answer() {
        let mut p = Patience::new(at(0), SPANS);
        p.is_http2();
        p.request_begun(at(0));
        p.answer_begun(at(0));
        p.body_progressed(at(10));
        p.wrote(at(65));
        assert_eq!(p.verdict(at(69), fixed(5), 1), Verdict::Wait(Some(at(70))));
        assert_eq!(p.verdict(at(70), fixed(5), 1), Verdict::Close(Overdue::Stalled));
    }

    #[test]
    fn with_several_requests_open_the_last_to_end_begins_the_idle_time() {
        let mut p = Patience::new(at(0), SPANS);
        p.request_begun(at(0));
        p.answer_begun(at(0));
        p.request_begun(at(1));
        p.answer_begun(at(1));
        p.request_ended(at(2), true);
        assert_eq!(p.verdict(at(8), fixed(5), 1), Verdict::Wait(Some(at(60))));
        p.request_ended(at(3), true);
        assert_eq!(p.verdict(at(8), fixed(5), 1), Verdict::Close(Overdue::Idle));
    }

    #[test]
    fn who_waits_for_our_answer_is_not_overdue() {
        let mut p = Patience::new(at(0), SPANS);
        p.request_begun(at(0));
        assert_eq!(p.verdict(at(900), fixed(5), 1), Verdict::Wait(None));
        p.answer_begun(at(900));
        assert_eq!(p.verdict(at(900), fixed(5), 1), Verdict::Wait(Some(at(960))));
        p.request_ended(at(901), true);
        p.request_begun(at(902));
        p.request_ended(at(903), false);
        assert_eq!(p.verdict(at(903), fixed(5), 1), Verdict::Wait(Some(at(908))));
    }

    #[test]
    fn who_was_still_sending_is_listened_to_for_a_while() {
        let mut p = Patience::new(at(0), SPANS);
        assert!(!p.leaves(at(1)));
        p.request_begun(at(1));
        p.leaves_unread();
        p.answer_begun(at(2));
        p.request_ended(at(2), true);
        assert!(p.leaves(at(3)));
        assert_eq!(p.verdict(at(4), IdleTimeout::None, 1), Verdict::Wait(Some(at(8))));
        assert_eq!(p.verdict(at(8), IdleTimeout::None, 1), Verdict::Close(Overdue::Head));
    }
}
