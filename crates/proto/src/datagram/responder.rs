//! A [`Speaker`] as a server over UDP: each datagram is heard by a fresh copy of it, so that nothing
//! is remembered between two requests and no forged one can leave a trace in another's.

use core::net::SocketAddr;
use std::convert::Infallible;

use super::guard::{DropReason, Guard, Leaving, Request, Verdict};
use super::knock::{Knock, demand_key};
use crate::access;
use crate::clients::Full;
use crate::machine::Tick;
use crate::text::{NOT_UTF8, Reply, Speaker};

/// What becomes of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<Q, P> {
    /// What `out` holds is sent back; it may be an empty datagram.
    Send,
    /// There is no place for who asks: what `out` holds, which says so, is sent back.
    Refuse,
    /// It is not answered.
    Nothing,
    /// The guard dropped it.
    Dropped(DropReason),
    /// A worker is asked this; [`Responder::answered`] takes the answer, with the other.
    Ask(Q, P),
    /// The doorkeeper is asked whether the key is right that the datagram says;
    /// [`Responder::checked`] takes the verdict, with this and the datagram.
    Check(Knock),
    /// Who asks said no key, or a wrong one: what `out` holds, which says so, is sent back.
    TurnAway,
}

/// A request whose answer waits for a worker.
#[derive(Clone, Debug)]
pub struct Pending<S> {
    speaker: S,
    request: Request<'static>,
}

impl<S> Pending<S> {
    /// Who asked.
    pub fn from(&self) -> SocketAddr {
        self.request.from
    }
}

/// What becomes of a datagram to a [`Responder`].
pub type SpeakerOutcome<S> = Outcome<<S as Speaker>::Question, Pending<S>>;

/// The server's side of a text service over UDP.
///
/// ```
/// use sockeye_proto::clock::Clock;
/// use sockeye_proto::datagram::cookie::CookieKey;
/// use sockeye_proto::datagram::guard::{Guard, GuardRules};
/// use sockeye_proto::datagram::responder::{Outcome, Responder};
/// use sockeye_proto::machine::Tick;
///
/// let guard = Guard::new(GuardRules::default(), CookieKey::new([7; 32]));
/// let mut clock = Responder::new(Clock::default(), guard);
/// let (ana, mut out) = ("192.0.2.1:4000".parse()?, Vec::new());
/// assert!(matches!(clock.handle(Tick::START, ana, b"what?\n", &mut out), Outcome::Send));
/// assert_eq!(out, b"Error in request format\n");
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Responder<S> {
    prototype: S,
    guard: Guard,
    wants_key: bool,
}

impl<S: Speaker + Clone> Responder<S> {
    /// A server that hears each datagram with a copy of `prototype`.
    pub fn new(prototype: S, guard: Guard) -> Self {
        Self { prototype, guard, wants_key: false }
    }

    /// The same, for who says the key in each request.
    pub fn wanting_key(self) -> Self {
        Self { wants_key: true, ..self }
    }

    /// Takes one datagram. What is to be sent back is put into `out`, which is emptied first.
    pub fn handle(
        &mut self,
        now: Tick,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> SpeakerOutcome<S> {
        out.clear();
        let request = match self.guard.admit(now, from, datagram) {
            Verdict::Drop(reason) => return Outcome::Dropped(reason),
            Verdict::Refuse(request, full) => {
                return refuse(&self.guard, now, (&request, full), out);
            }
            Verdict::Serve(request) => request,
        };
        if self.wants_key {
            return knock(&self.guard, now, &request, out);
        }
        self.hear(now, &request, out)
    }

    /// Takes what the doorkeeper says to the key in a datagram, which is the one that
    /// [`handle`](Self::handle) took.
    pub fn checked(
        &mut self,
        now: Tick,
        knock: &Knock,
        datagram: &[u8],
        verdict: access::Verdict,
        out: &mut Vec<u8>,
    ) -> SpeakerOutcome<S> {
        out.clear();
        match verdict {
            access::Verdict::Right => self.hear(now, &knock.request(datagram), out),
            verdict => turn_away(Some(knock.refuse(&self.guard, now, verdict, out))),
        }
    }

    fn hear(&self, now: Tick, request: &Request<'_>, out: &mut Vec<u8>) -> SpeakerOutcome<S> {
        let Ok(text) = std::str::from_utf8(request.text) else {
            return self.say(now, request, NOT_UTF8, out);
        };
        let mut speaker = self.prototype.clone();
        let reply = speaker.hear(text);
        self.obey(now, Pending { speaker, request: request.without_text() }, reply, out)
    }

    /// Takes the answer to what was asked.
    pub fn answered(
        &mut self,
        now: Tick,
        mut pending: Pending<S>,
        answer: S::Answer,
        out: &mut Vec<u8>,
    ) -> SpeakerOutcome<S> {
        out.clear();
        let reply = pending.speaker.learn(answer);
        self.obey(now, pending, reply, out)
    }

    fn obey(
        &self,
        now: Tick,
        pending: Pending<S>,
        reply: Reply<S::Question>,
        out: &mut Vec<u8>,
    ) -> SpeakerOutcome<S> {
        match reply {
            Reply::Say(text) => self.say(now, &pending.request, &text, out),
            // There is no conversation that could end.
            Reply::Nothing | Reply::End => Outcome::Nothing,
            Reply::Ask(question) => Outcome::Ask(question, pending),
        }
    }

    fn say(
        &self,
        now: Tick,
        request: &Request<'_>,
        text: &str,
        out: &mut Vec<u8>,
    ) -> SpeakerOutcome<S> {
        match self.guard.answer(now, request, text.as_bytes(), out) {
            Leaving::Answer | Leaving::Cookie | Leaving::TooLong => Outcome::Send,
            Leaving::Nothing => Outcome::Nothing,
        }
    }
}

/// Echo over UDP (RFC 862): the same bytes back. As much leaves as came, so no address needs to
/// prove itself; what the guard drops is dropped here too.
///
/// ```
/// use sockeye_proto::datagram::cookie::CookieKey;
/// use sockeye_proto::datagram::guard::{Guard, GuardRules};
/// use sockeye_proto::datagram::responder::{EchoResponder, Outcome};
/// use sockeye_proto::machine::Tick;
///
/// let guard = Guard::new(GuardRules::default(), CookieKey::new([7; 32]));
/// let mut echo = EchoResponder::new(guard);
/// let (ana, mut out) = ("192.0.2.1:4000".parse()?, Vec::new());
/// assert_eq!(echo.handle(Tick::START, ana, b"\xff cookie=a\r\n", &mut out), Outcome::Send);
/// assert_eq!(out, b"\xff cookie=a\r\n");
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct EchoResponder {
    guard: Guard,
    wants_key: bool,
}

impl EchoResponder {
    /// A server that has heard nothing yet.
    pub fn new(guard: Guard) -> Self {
        Self { guard, wants_key: false }
    }

    /// The same, for who says the key in each datagram. What comes back is the datagram without it,
    /// and without a cookie behind it.
    pub fn wanting_key(self) -> Self {
        Self { wants_key: true, ..self }
    }

    /// Takes one datagram. What is to be sent back is put into `out`, which is emptied first.
    pub fn handle(
        &mut self,
        now: Tick,
        from: SocketAddr,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome<Infallible, Infallible> {
        out.clear();
        let verdict = if self.wants_key {
            self.guard.admit(now, from, datagram)
        } else {
            self.guard.admit_raw(now, from, datagram)
        };
        match verdict {
            Verdict::Drop(reason) => Outcome::Dropped(reason),
            Verdict::Refuse(request, full) => refuse(&self.guard, now, (&request, full), out),
            Verdict::Serve(request) if self.wants_key => knock(&self.guard, now, &request, out),
            Verdict::Serve(request) => {
                out.extend_from_slice(request.text);
                Outcome::Send
            }
        }
    }

    /// Takes what the doorkeeper says to the key in a datagram; see [`Responder::checked`].
    pub fn checked(
        &mut self,
        now: Tick,
        knock: &Knock,
        datagram: &[u8],
        verdict: access::Verdict,
        out: &mut Vec<u8>,
    ) -> Outcome<Infallible, Infallible> {
        out.clear();
        if verdict != access::Verdict::Right {
            return turn_away(Some(knock.refuse(&self.guard, now, verdict, out)));
        }
        let request = knock.request(datagram);
        out.extend_from_slice(request.text);
        out.extend_from_slice(request.line_end.as_bytes());
        Outcome::Send
    }
}

/// Looks for the key in a request where one is wanted.
fn knock<Q, P>(
    guard: &Guard,
    now: Tick,
    request: &Request<'_>,
    out: &mut Vec<u8>,
) -> Outcome<Q, P> {
    match Knock::read(request) {
        Some(knock) => Outcome::Check(knock),
        None => turn_away(demand_key(guard, now, request, out)),
    }
}

fn turn_away<Q, P>(leaving: Option<Leaving>) -> Outcome<Q, P> {
    match leaving {
        Some(Leaving::Answer | Leaving::Cookie | Leaving::TooLong) => Outcome::TurnAway,
        Some(Leaving::Nothing) => Outcome::Nothing,
        None => Outcome::Dropped(DropReason::AnswerText),
    }
}

fn refuse<Q, P>(
    guard: &Guard,
    now: Tick,
    (request, full): (&Request<'_>, Full),
    out: &mut Vec<u8>,
) -> Outcome<Q, P> {
    match guard.refuse(now, request, full, out) {
        Leaving::Answer | Leaving::Cookie | Leaving::TooLong => Outcome::Refuse,
        Leaving::Nothing => Outcome::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{CivilTime, Clock, WhatTime};
    use crate::datagram::cookie::CookieKey;
    use crate::datagram::guard::GuardRules;
    use crate::text::Direction;

    /// Says as much as it is asked for; at `q` it ends; `??` is asked about twice.
    #[derive(Clone)]
    struct Talker;

    impl Speaker for Talker {
        type Question = &'static str;
        type Answer = usize;

        fn hear(&mut self, message: &str) -> Reply<&'static str> {
            match message {
                "q" => Reply::End,
                "" => Reply::Nothing,
                "??" => Reply::Ask("first"),
                _ => Reply::Say("x".repeat(message.parse().unwrap_or(0))),
            }
        }

        fn learn(&mut self, bytes: usize) -> Reply<&'static str> {
            if bytes == 0 { Reply::Ask("second") } else { Reply::Say("y".repeat(bytes)) }
        }

        fn meaning(_: &str, _: Direction) -> String {
            String::new()
        }
    }

    fn guard() -> Guard {
        Guard::new(GuardRules::default(), CookieKey::new([3; 32]))
    }

    fn ana() -> SocketAddr {
        "192.0.2.1:4000".parse().unwrap()
    }

    fn sent(datagram: &[u8]) -> Option<Vec<u8>> {
        let mut out = b"old".to_vec();
        let mut server = Responder::new(Talker, guard());
        let sends = matches!(server.handle(Tick::START, ana(), datagram, &mut out), Outcome::Send);
        assert!(sends || out.is_empty(), "nothing of before is left");
        sends.then_some(out)
    }

    #[test]
    fn a_message_is_answered_in_kind() {
        assert_eq!(sent(b"3"), Some(b"xxx".to_vec()));
        assert_eq!(sent(b"3\n"), Some(b"xxx\n".to_vec()));
        assert_eq!(sent(b"3\r\n"), Some(b"xxx\r\n".to_vec()));
        assert_eq!(sent(b"0"), Some(Vec::new()), "an empty answer is an empty datagram");
    }

    #[test]
    fn nothing_and_the_end_are_no_datagram() {
        assert_eq!(sent(b""), None);
        assert_eq!(sent(b"q\n"), None);
    }

    #[test]
    fn what_is_not_utf8_is_told_so() {
        assert_eq!(sent(b"\xff\n"), Some(b"error: not UTF-8\n".to_vec()));
        assert_eq!(sent(b"\xfe"), Some(b"error: not UTF-8".to_vec()));
    }

    #[test]
    fn what_the_guard_drops_is_said_why() {
        let (mut server, mut out) = (Responder::new(Talker, guard()), Vec::new());
        let outcome = server.handle(Tick::START, ana(), b"ERROR", &mut out);
        assert!(matches!(outcome, Outcome::Dropped(DropReason::AnswerText)));
        assert!(out.is_empty());
    }

    #[test]
    fn a_speaker_may_ask_and_ask_again_and_the_rules_hold_for_its_answer() {
        let (mut server, mut out) = (Responder::new(Talker, guard()), Vec::new());
        let Outcome::Ask("first", pending) = server.handle(Tick::START, ana(), b"??\n", &mut out)
        else {
            panic!("it asks")
        };
        assert_eq!(pending.from(), ana());
        let Outcome::Ask("second", pending) = server.answered(Tick::START, pending, 0, &mut out)
        else {
            panic!("it asks again")
        };
        let outcome = server.answered(Tick::START, pending.clone(), 3, &mut out);
        assert!(matches!(outcome, Outcome::Send));
        assert_eq!(out, b"yyy\n");
        server.answered(Tick::START, pending, 1000, &mut out);
        assert!(out.starts_with(b"COOKIE ") && out.ends_with(b"\n"), "{out:?}");
    }

    #[test]
    fn every_datagram_is_heard_by_a_fresh_speaker() {
        let (mut server, mut out) = (Responder::new(Clock::default(), guard()), Vec::new());
        let Outcome::Ask(WhatTime, date) =
            server.handle(Tick::START, ana(), b"SEND_DATE", &mut out)
        else {
            panic!("it asks")
        };
        let Outcome::Ask(WhatTime, time) =
            server.handle(Tick::START, ana(), b"SEND_TIME", &mut out)
        else {
            panic!("it asks")
        };
        let now = CivilTime { year: 2026, month: 11, day: 20, hour: 14, minute: 3, second: 9 };
        server.answered(Tick::START, time, now, &mut out);
        assert_eq!(out, b"14:03:09");
        server.answered(Tick::START, date, now, &mut out);
        assert_eq!(out, b"2026-11-20");
    }

    #[test]
    fn echo_sends_the_same_bytes_also_what_looks_like_a_cookie() {
        let (mut echo, mut out) = (EchoResponder::new(guard()), Vec::new());
        for datagram in [&b""[..], b"\r\n", b"\xff\0", b"GET cookie=AAAAAAAAAAAAAAAAAAAAAA\n"] {
            assert_eq!(echo.handle(Tick::START, ana(), datagram, &mut out), Outcome::Send);
            assert_eq!(out, datagram);
        }
        let dropped = Outcome::Dropped(DropReason::AnswerText);
        assert_eq!(echo.handle(Tick::START, ana(), b"Busy", &mut out), dropped);
        let dropped = Outcome::Dropped(DropReason::ReflectorPort);
        let forged = "192.0.2.1:7".parse().unwrap();
        assert_eq!(echo.handle(Tick::START, forged, b"x", &mut out), dropped);
        assert!(out.is_empty());
    }

    const KEY: &str = "sesame-street";

    /// A server that wants the key, with its doorkeeper.
    struct Keyed {
        talker: Responder<Talker>,
        echo: EchoResponder,
        doorkeeper: access::Doorkeeper,
    }

    impl Keyed {
        fn new() -> Self {
            let key = access::Key::parse(KEY).unwrap();
            Self {
                talker: Responder::new(Talker, guard()).wanting_key(),
                echo: EchoResponder::new(guard()).wanting_key(),
                doorkeeper: access::Doorkeeper::new(key),
            }
        }

        fn verdict(&mut self, knock: &Knock, datagram: &[u8]) -> access::Verdict {
            let (from, said) = (knock.from(), knock.said(datagram));
            if knock.is_proven() {
                self.doorkeeper.check(Tick::START, from, said)
            } else {
                self.doorkeeper.check_unproven(Tick::START, from, said)
            }
        }

        fn talk(&mut self, from: &str, datagram: &str) -> String {
            let (from, mut out) = (from.parse().unwrap(), Vec::new());
            let datagram = datagram.as_bytes();
            let outcome = self.talker.handle(Tick::START, from, datagram, &mut out);
            if let Outcome::Check(knock) = outcome {
                let verdict = self.verdict(&knock, datagram);
                self.talker.checked(Tick::START, &knock, datagram, verdict, &mut out);
            }
            assert!(
                from.ip().is_loopback()
                    || out.len() <= super::super::room_bytes(datagram.len())
                    || datagram.windows(8).any(|w| w == b" cookie=")
            );
            String::from_utf8(out).unwrap()
        }

        fn echo(&mut self, from: &str, datagram: &str) -> String {
            let (from, mut out) = (from.parse().unwrap(), Vec::new());
            let datagram = datagram.as_bytes();
            let outcome = self.echo.handle(Tick::START, from, datagram, &mut out);
            if let Outcome::Check(knock) = outcome {
                let verdict = self.verdict(&knock, datagram);
                self.echo.checked(Tick::START, &knock, datagram, verdict, &mut out);
            }
            String::from_utf8(out).unwrap()
        }
    }

    const FAR: &str = "192.0.2.1:4000";
    const NEAR: &str = "127.0.0.1:4000";

    #[test]
    fn a_request_with_the_key_is_heard_without_it() {
        let mut keyed = Keyed::new();
        for from in [FAR, NEAR] {
            assert_eq!(keyed.talk(from, "3 key=sesame-street\r\n"), "xxx\r\n");
            assert_eq!(keyed.talk(from, "3 key=SESAME-STREET"), "xxx");
            assert_eq!(keyed.talk(from, "3 key=sesame-street cookie=x\n"), "xxx\n");
            assert_eq!(keyed.echo(from, "a b key=sesame-street\n"), "a b\n");
            assert_eq!(keyed.echo(from, " key=sesame-street"), "");
        }
    }

    #[test]
    fn without_the_key_or_with_a_wrong_one_nothing_is_heard() {
        let mut keyed = Keyed::new();
        for from in [FAR, NEAR] {
            for request in [
                "3",
                "",
                "KEY sesame-street",
                "3 key=",
                "3 key=sesame-street ",
                "key=sesame-street",
            ] {
                assert_eq!(keyed.talk(from, request), "error: key wanted", "{request:?}");
                let line = format!("{request}\n");
                assert_eq!(keyed.echo(from, &line), "error: key wanted\n", "{line:?}");
            }
            assert_eq!(keyed.talk(from, "3 key=sesame-stroll\n"), "error: wrong key\n");
        }
    }

    #[test]
    fn a_proven_address_is_told_how_long_it_has_to_wait() {
        let mut keyed = Keyed::new();
        for _ in 0..5 {
            assert_eq!(keyed.talk(NEAR, "3 key=wrong-key"), "error: wrong key");
        }
        let told = "error: too many wrong keys; try again in 60 s";
        assert_eq!(keyed.talk(NEAR, "3 key=sesame-street"), told);
        assert_eq!(keyed.echo(NEAR, "3 key=sesame-street"), told, "one doorkeeper for all");
        assert_eq!(keyed.talk(NEAR, "3"), "error: key wanted");
    }

    #[test]
    fn who_is_shut_out_in_its_name_proves_its_address_and_is_heard() {
        let mut keyed = Keyed::new();
        for _ in 0..5 {
            assert_eq!(keyed.talk(FAR, "3 key=wrong-key"), "error: wrong key");
        }
        for request in ["3 key=sesame-street\n", "3 key=wrong-key\n"] {
            let demand = keyed.talk(FAR, request);
            let cookie = demand.trim_end().strip_prefix("COOKIE ").unwrap();
            let again = format!("{} cookie={cookie}\n", request.trim_end());
            let told = if request.contains(KEY) { "xxx\n" } else { "error: wrong key\n" };
            assert_eq!(keyed.talk(FAR, &again), told);
        }
    }

    #[test]
    fn a_post_is_not_asked_for_a_cookie_that_nobody_would_look_for() {
        let mut keyed = Keyed::new();
        for _ in 0..5 {
            assert_eq!(keyed.talk(FAR, "POST 3 key=wrong-key"), "error: wrong key");
        }
        let told = "error: too many wrong keys; try again in 60 s";
        assert_eq!(keyed.talk(FAR, "POST 3 key=sesame-street"), told);
    }

    #[test]
    fn two_servers_do_not_talk_of_keys() {
        let rules = GuardRules { takes_any_text: true, ..GuardRules::default() };
        let guard = Guard::new(rules, CookieKey::new([3; 32]));
        let (mut echo, mut out) = (EchoResponder::new(guard).wanting_key(), Vec::new());
        let dropped = Outcome::Dropped(DropReason::AnswerText);
        for text in ["error: key wanted", "error: wrong key\n", "busy: x", "COOKIE x"] {
            assert_eq!(echo.handle(Tick::START, ana(), text.as_bytes(), &mut out), dropped);
            assert!(out.is_empty());
        }
        let asked = echo.handle(Tick::START, ana(), b"error key=sesame-street", &mut out);
        assert!(matches!(asked, Outcome::Check(_)), "{asked:?}");
    }
}
