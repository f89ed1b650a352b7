//! Where a message ends on the text wires over TCP, and how an answer is ended in kind.
//!
//! Beginner's scripts send a message with one `send` and no line end, and expect one `recv` to
//! bring the answer; people with netcat send lines. A [`Framer`] takes both: a peer is taken to
//! mean a pause until its first line end, which makes it a line peer for good. One framer stands in
//! each text conversation, on either side of it.

use std::collections::VecDeque;
use std::time::Duration;

use thiserror::Error;

use super::spoken::{Ending, Spoken};
use crate::limits::{ANSWERS_APART, MESSAGE_MAX_BYTES, PAUSE, PAUSE_TYPING};
use crate::machine::Tick;

/// An empty queue keeps the memory of this many messages.
const MESSAGES_KEPT: usize = 16;

/// How messages are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// By a pause until the first line end, then by line ends.
    #[default]
    Auto,
    /// By line ends alone.
    Line,
    /// By pauses alone; a line end inside is part of the message, one at its end is taken off.
    Pause,
}

/// How a peer ends its messages, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has not spoken yet.
    Silent,
    /// By a pause.
    Pause,
    /// By a line end.
    Line,
}

/// Why what came is no message; the conversation ends.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// More than [`MESSAGE_MAX_BYTES`] without an end.
    #[error("error: message longer than 65536 bytes")]
    TooLong,
    /// The conversation began as one of another protocol, which is named.
    #[error("{0}")]
    Foreign(&'static str),
}

/// Cuts what arrives into messages, and ends what is sent in the peer's kind.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use sockeye_proto::text::framing::{Framer, Kind};
///
/// let mut framer = Framer::default();
/// framer.hear(Tick::START, b"12 + 42\r\n1 +");
/// assert_eq!(framer.next_message(), Some(Ok(b"12 + 42".to_vec())));
/// assert_eq!(framer.next_message(), None);
/// assert_eq!((framer.kind(), framer.deadline()), (Kind::Line, None));
/// ```
#[derive(Clone, Debug)]
pub struct Framer {
    framing: Framing,
    pause: Duration,
    kind: Kind,
    heard: Vec<u8>,
    /// How much of `heard` is known to hold no line end.
    searched: usize,
    last_byte: Tick,
    /// Whether every read of the message so far brought one byte: somebody types.
    is_typed: bool,
    is_first: bool,
    has_ended: bool,
    messages: VecDeque<(Vec<u8>, Ending)>,
    /// How the message that was taken last had ended.
    last_ending: Ending,
    error: Option<FrameError>,
    last_said: Option<Tick>,
}

impl Framer {
    /// A framer for a new conversation. `pause` is [`PAUSE`] unless the user said otherwise.
    pub fn new(framing: Framing, pause: Duration) -> Self {
        Self {
            framing,
            pause,
            kind: Kind::Silent,
            heard: Vec::new(),
            searched: 0,
            last_byte: Tick::START,
            is_typed: true,
            is_first: true,
            has_ended: false,
            messages: VecDeque::new(),
            last_ending: Ending::Pause,
            error: None,
            last_said: None,
        }
    }

    /// How the peer ends its messages, as far as is known.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes arrived in one read. After an error they are ignored.
    pub fn hear(&mut self, now: Tick, bytes: &[u8]) {
        // A driver may bring bytes before the time that passed before them.
        self.time(now);
        if self.error.is_some() || bytes.is_empty() {
            return;
        }
        self.is_typed &= bytes.len() == 1;
        self.last_byte = now;
        self.heard.extend_from_slice(bytes);
        if self.is_first
            && let Some(protocol) = foreign_opening(&self.heard)
        {
            return self.fail(FrameError::Foreign(protocol));
        }
        if self.framing != Framing::Pause {
            self.take_lines();
        }
        // The end is not counted, and a carriage return may still turn out to belong to it.
        let end_bytes = match &self.heard[..] {
            [.., b'\r', b'\n'] => 2,
            [.., b'\r' | b'\n'] => 1,
            _ => 0,
        };
        if self.heard.len() > MESSAGE_MAX_BYTES + end_bytes && self.error.is_none() {
            self.spoke_without_line_end();
            self.fail(FrameError::TooLong);
        }
    }

    /// The peer ended its sending side: what stands is a message.
    pub fn end(&mut self) {
        self.has_ended = true;
        if !self.heard.is_empty() {
            self.take_standing();
        }
    }

    /// Whether the peer ended its sending side.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Time has passed: if the pause is over, what stands is a message.
    pub fn time(&mut self, now: Tick) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.take_standing();
        }
    }

    /// When what stands becomes a message by pause; `None` if it never does.
    pub fn deadline(&self) -> Option<Tick> {
        let by_pause = match self.framing {
            Framing::Auto => self.kind != Kind::Line,
            Framing::Line => false,
            Framing::Pause => true,
        };
        let pause = if self.is_typed { PAUSE_TYPING.max(self.pause) } else { self.pause };
        (by_pause && !self.heard.is_empty() && self.error.is_none()).then(|| self.last_byte + pause)
    }

    /// The next whole message, or the error that ends the conversation.
    pub fn next_message(&mut self) -> Option<Result<Vec<u8>, FrameError>> {
        if let Some((message, ending)) = self.messages.pop_front() {
            self.last_ending = ending;
            return Some(Ok(message));
        }
        // One read of many short lines costs no memory for the rest of the conversation.
        self.messages.shrink_to(MESSAGES_KEPT);
        self.error.map(Err)
    }

    /// The message that was waited for has come: what came after it is forgotten.
    pub fn forget_the_rest(&mut self) {
        self.messages = VecDeque::new();
        self.heard = Vec::new();
        self.searched = 0;
    }

    /// How the message had ended that [`next_message`](Self::next_message) gave last.
    pub fn last_ending(&self) -> Ending {
        self.last_ending
    }

    /// A message as this peer wants it, at the end of `out`: with a line end for a line peer and
    /// for one that has not spoken; without for a pause peer, but with one before it if the last
    /// was said less than [`ANSWERS_APART`] ago, so that the two do not run together. That is the
    /// wire's own span: how long this side waits for what comes, the pause, says nothing of how
    /// the peer reads.
    pub fn say(&mut self, now: Tick, message: &[u8], out: &mut Vec<u8>) {
        let runs_together = self.last_said.is_some_and(|last| now.since(last) < ANSWERS_APART);
        if self.kind == Kind::Pause && runs_together {
            out.push(b'\n');
        }
        out.extend_from_slice(message);
        if self.kind != Kind::Pause {
            out.push(b'\n');
        }
        self.last_said = Some(now);
    }

    /// The same as what is transmitted and reported.
    pub fn speak(&mut self, now: Tick, message: &[u8]) -> Spoken {
        let mut bytes = Vec::with_capacity(message.len() + 1);
        self.say(now, message, &mut bytes);
        let ending = match self.kind {
            Kind::Pause => Ending::Pause,
            Kind::Line | Kind::Silent => Ending::Lf,
        };
        Spoken::transmitted(bytes, message.len(), ending)
    }

    /// What was heard and not yet taken, as it came: for who goes on without messages.
    pub fn into_rest(self) -> Vec<u8> {
        let mut rest = Vec::new();
        for (message, ending) in self.messages {
            rest.extend_from_slice(&message);
            rest.extend_from_slice(ending.as_bytes());
        }
        rest.extend_from_slice(&self.heard);
        rest
    }

    fn take_lines(&mut self) {
        let mut begin = 0;
        while let Some(found) = self.heard[self.searched..].iter().position(|&b| b == b'\n') {
            let end = self.searched + found;
            self.searched = end + 1;
            self.kind = Kind::Line;
            self.is_typed = true;
            let line = self.heard[begin..end].to_vec();
            begin = end + 1;
            let (line, ending) = without_carriage_return(line);
            self.take(line, ending);
            if self.error.is_some() {
                return;
            }
        }
        self.heard.drain(..begin);
        self.searched = self.heard.len();
    }

    /// What stands is a message, ended by a pause or by the end of the stream.
    fn take_standing(&mut self) {
        self.spoke_without_line_end();
        let mut message = std::mem::take(&mut self.heard);
        (self.searched, self.is_typed) = (0, true);
        let mut ending = if self.has_ended { Ending::End } else { Ending::Pause };
        if self.framing == Framing::Pause && message.pop_if(|last| *last == b'\n').is_some() {
            (message, ending) = without_carriage_return(message);
        }
        self.take(message, ending);
    }

    /// By lines alone, the last of them without its end makes no pause peer.
    fn spoke_without_line_end(&mut self) {
        if self.kind == Kind::Silent && self.framing != Framing::Line {
            self.kind = Kind::Pause;
        }
    }

    fn take(&mut self, message: Vec<u8>, ending: Ending) {
        if message.len() > MESSAGE_MAX_BYTES {
            return self.fail(FrameError::TooLong);
        }
        if std::mem::take(&mut self.is_first) && is_http_request(&message) {
            return self.fail(FrameError::Foreign("an HTTP request"));
        }
        self.messages.push_back((message, ending));
    }

    fn fail(&mut self, error: FrameError) {
        self.error = Some(error);
        self.heard = Vec::new();
        self.searched = 0;
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(Framing::Auto, PAUSE)
    }
}

/// What stood before a `\n`, and which line end that makes.
fn without_carriage_return(mut line: Vec<u8>) -> (Vec<u8>, Ending) {
    let ending =
        if line.pop_if(|last| *last == b'\r').is_some() { Ending::CrLf } else { Ending::Lf };
    (line, ending)
}

/// What gives another protocol away before a first line is complete: a TLS record of the handshake
/// kind (RFC 8446, section 5.1), or the first byte of our native wires.
fn foreign_opening(heard: &[u8]) -> Option<&'static str> {
    match heard {
        [0x16, 0x03, ..] => Some("a TLS hello"),
        [0xFE, ..] => Some("a native wire, which this service does not have"),
        _ => None,
    }
}

/// `METHOD target HTTP/x` (RFC 9112, section 3): a browser that was given the wrong port.
fn is_http_request(line: &[u8]) -> bool {
    let line = line.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
    let mut words = line.split(|&b| b == b' ');
    let method = words.next().unwrap_or_default();
    let version = words.next_back().unwrap_or_default();
    !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && words.next().is_some()
        && version.starts_with(b"HTTP/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    fn heard(framer: &mut Framer) -> Vec<String> {
        let messages = std::iter::from_fn(|| framer.next_message()).take(100);
        messages
            .map_while(Result::ok)
            .map(|message| String::from_utf8_lossy(&message).into_owned())
            .collect()
    }

    fn said(framer: &mut Framer, ms: u64, message: &str) -> String {
        let mut out = Vec::new();
        framer.say(at(ms), message.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_ends_at_a_line_end_and_its_carriage_return_is_dropped() {
        let mut framer = Framer::default();
        framer.hear(at(0), b"one\ntwo\r\n\nfo");
        assert_eq!(heard(&mut framer), ["one", "two", ""]);
        framer.hear(at(0), b"ur\n");
        assert_eq!(heard(&mut framer), ["four"]);
    }

    #[test]
    fn bytes_that_have_stood_for_the_pause_are_a_message_of_a_peer_without_line_ends() {
        let mut framer = Framer::default();
        framer.hear(at(5), b"one");
        assert_eq!(framer.deadline(), Some(at(25)));
        framer.time(at(24));
        assert_eq!(heard(&mut framer), [""; 0]);
        framer.time(at(25));
        assert_eq!((heard(&mut framer), framer.kind()), (vec!["one".to_owned()], Kind::Pause));
    }

    #[test]
    fn bytes_that_came_one_a_read_are_waited_for_a_second() {
        let mut framer = Framer::default();
        for (i, byte) in b"one".iter().enumerate() {
            framer.hear(at(400 * i as u64), &[*byte]);
            framer.time(at(400 * i as u64 + 399));
        }
        assert_eq!(framer.deadline(), Some(at(1800)));
        framer.time(at(1800));
        assert_eq!(heard(&mut framer), ["one"]);
    }

    #[test]
    fn the_first_line_end_makes_a_line_peer_for_good() {
        let mut framer = Framer::default();
        framer.hear(at(0), b"one");
        framer.time(at(20));
        framer.hear(at(100), b"two\nthr");
        assert_eq!((framer.kind(), framer.deadline()), (Kind::Line, None));
        framer.time(at(10_000));
        assert_eq!(heard(&mut framer), ["one", "two"]);
    }

    #[test]
    fn a_line_peers_message_is_not_split_by_a_boundary_of_300_ms_and_waits_for_no_pause() {
        let mut framer = Framer::default();
        framer.hear(at(0), b"first\n");
        assert_eq!(heard(&mut framer), ["first"]);
        framer.hear(at(100), b"sec");
        framer.time(at(400));
        assert_eq!(heard(&mut framer), [""; 0]);
        framer.hear(at(400), b"ond\n");
        assert_eq!(heard(&mut framer), ["second"], "at once");
    }

    #[test]
    fn what_stands_when_the_peer_ends_its_side_is_a_message() {
        for first in [&b""[..], b"line\n"] {
            let mut framer = Framer::default();
            framer.hear(at(0), first);
            heard(&mut framer);
            framer.hear(at(0), b"1 + 1");
            framer.end();
            assert_eq!(heard(&mut framer), ["1 + 1"]);
            framer.end();
            assert_eq!(heard(&mut framer), [""; 0], "once");
        }
    }

    #[test]
    fn the_longest_message_fits_and_one_byte_more_does_not() {
        let longest = vec![b'x'; MESSAGE_MAX_BYTES];
        for end in [&b"\n"[..], b"\r\n"] {
            let mut framer = Framer::default();
            framer.hear(at(0), &longest);
            framer.hear(at(0), end);
            assert_eq!(framer.next_message(), Some(Ok(longest.clone())));
        }
        let mut framer = Framer::default();
        framer.hear(at(0), &longest);
        framer.hear(at(0), b"x");
        assert_eq!(framer.next_message(), Some(Err(FrameError::TooLong)));
        framer.hear(at(0), b"\nmore\n");
        assert_eq!(framer.next_message(), Some(Err(FrameError::TooLong)), "for good");
        assert!(framer.heard.capacity() == 0, "and nothing is kept");
        assert_eq!(said(&mut framer, 0, "no"), "no", "who has sent no line end gets none");
    }

    #[test]
    fn messages_before_one_that_is_too_long_are_still_heard() {
        let mut framer = Framer::default();
        framer.hear(at(0), b"one\n");
        framer.hear(at(0), &vec![b'x'; MESSAGE_MAX_BYTES + 2]);
        assert_eq!(framer.next_message(), Some(Ok(b"one".to_vec())));
        assert_eq!(framer.next_message(), Some(Err(FrameError::TooLong)));
    }

    #[test]
    fn a_first_line_of_another_protocol_ends_the_conversation() {
        for opening in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"\xfe", b"POST /x HTTP/1.0\n"]
        {
            let mut framer = Framer::default();
            framer.hear(at(0), opening);
            assert!(
                matches!(framer.next_message(), Some(Err(FrameError::Foreign(_)))),
                "{opening:?}"
            );
        }
        let mut framer = Framer::default();
        framer.hear(at(0), b"GET\nGET / HTTP/1.1\n");
        assert_eq!(heard(&mut framer), ["GET", "GET / HTTP/1.1"], "only the first line counts");
    }

    #[test]
    fn a_line_peer_is_answered_in_lines_and_a_pause_peer_without() {
        let mut framer = Framer::default();
        assert_eq!(said(&mut framer, 0, "welcome"), "welcome\n", "it has not spoken yet");
        framer.hear(at(0), b"x");
        framer.time(at(1000));
        assert_eq!(said(&mut framer, 1000, "54"), "54");
        framer.hear(at(2000), b"y\n");
        assert_eq!(said(&mut framer, 2000, "55"), "55\n");
    }

    #[test]
    fn two_messages_to_a_pause_peer_do_not_run_together() {
        let mut framer = Framer::default();
        framer.hear(at(0), b"xx");
        framer.time(at(20));
        assert_eq!(said(&mut framer, 20, "a"), "a");
        assert_eq!(said(&mut framer, 39, "b"), "\nb", "less than 20 ms after the one before");
        assert_eq!(said(&mut framer, 59, "c"), "c");
    }

    #[test]
    fn how_long_is_waited_for_the_peer_changes_nothing_for_what_is_said_to_it() {
        for pause_ms in [1, 200] {
            let mut framer = Framer::new(Framing::Auto, Duration::from_millis(pause_ms));
            framer.hear(at(0), b"xx");
            framer.time(at(pause_ms));
            assert_eq!(said(&mut framer, 1000, "a"), "a");
            assert_eq!(said(&mut framer, 1019, "b"), "\nb", "{pause_ms} ms");
            assert_eq!(said(&mut framer, 1039, "c"), "c", "{pause_ms} ms");
        }
    }

    #[test]
    fn by_lines_alone_nothing_is_a_message_by_pause() {
        let mut framer = Framer::new(Framing::Line, PAUSE);
        framer.hear(at(0), b"one");
        assert_eq!(framer.deadline(), None);
        framer.end();
        assert_eq!(
            (heard(&mut framer), said(&mut framer, 0, "1").as_str()),
            (vec!["one".into()], "1\n")
        );
    }

    #[test]
    fn by_pauses_alone_a_line_end_inside_is_part_of_the_message() {
        let mut framer = Framer::new(Framing::Pause, Duration::from_millis(50));
        framer.hear(at(0), b"one\ntwo\n");
        assert_eq!(framer.deadline(), Some(at(50)));
        framer.time(at(50));
        assert_eq!(heard(&mut framer), ["one\ntwo"]);
        framer.hear(at(100), b"three\r");
        framer.time(at(150));
        assert_eq!(heard(&mut framer), ["three\r"], "half a line end is none");
    }

    #[test]
    fn by_pauses_alone_the_longest_message_fits_with_a_line_end_after_it() {
        let longest = vec![b'x'; MESSAGE_MAX_BYTES];
        for end in [&b"\n"[..], b"\r\n"] {
            let mut framer = Framer::new(Framing::Pause, PAUSE);
            framer.hear(at(0), &[&longest, end].concat());
            framer.time(at(20));
            assert_eq!(framer.next_message(), Some(Ok(longest.clone())));
        }
    }

    #[test]
    fn a_flood_of_short_lines_in_one_read_is_cut_in_one_pass() {
        let mut framer = Framer::default();
        framer.hear(at(0), &b"x\n".repeat(30_000));
        assert_eq!(std::iter::from_fn(|| framer.next_message()).count(), 30_000);
        assert!(framer.messages.capacity() < 100, "and costs no memory afterwards");
    }

    #[test]
    fn what_is_forgotten_is_no_message_and_the_peers_kind_is_kept() {
        let mut framer = Framer::default();
        framer.hear(at(0), b"one\ntwo\nthree");
        assert_eq!(framer.next_message(), Some(Ok(b"one".to_vec())));
        framer.forget_the_rest();
        framer.end();
        assert_eq!(heard(&mut framer), [""; 0]);
        assert_eq!(said(&mut framer, 0, "no"), "no\n");
    }
}
