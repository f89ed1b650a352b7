//! Which messages a peer has sent, and when each was complete.
//!
//! The rule of the wire: a message ends at `\n`, and a `\r` before it is dropped. As long as a peer
//! has never sent a `\n`, bytes that have stood for the pause with nothing after them are a message
//! too; 1 s, if they came one byte a read. What stands when the peer ends its side is a message. At
//! most 65,536 bytes, the end not counted. A first line that is an HTTP request or a TLS hello, or
//! a first byte of a native wire, is no message at all.

use std::time::Duration;

use sockeye_proto::machine::Tick;
use sockeye_proto::text::framing::{FrameError, Framer, Framing};

use crate::stream::{Action, Step};
use crate::trace::{Bytes, Trace};
use crate::trial::Verdict;

const MESSAGE_MAX_BYTES: usize = 65_536;
const TYPING: Duration = Duration::from_secs(1);
const RUNS_TOGETHER: Duration = Duration::from_millis(20);

/// Everything that came from a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The reads, in order; none is empty.
    pub reads: Vec<(Tick, Vec<u8>)>,
    /// When it ended its side.
    pub end: Option<Tick>,
    /// When the connection was lost: what stood then was not waited for.
    pub lost: Option<Tick>,
}

impl Heard {
    /// What arrives of a peer's steps when each write is one read, at once.
    pub fn from_steps(steps: &[Step]) -> Self {
        let mut heard = Self::default();
        let mut now = Tick::START;
        for step in steps {
            now = now + step.after;
            match &step.action {
                Action::Bytes(bytes) => heard.reads.push((now, bytes.clone())),
                Action::End => heard.end = Some(now),
                Action::Abort => heard.lost = Some(now),
                Action::StopReading | Action::ReadOn => {}
            }
        }
        heard
    }
}

/// One thing that a peer has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A message.
    Message(Vec<u8>),
    /// More bytes than a message may have; nothing counts after it.
    TooLong,
    /// Another protocol; nothing counts after it.
    Foreign,
}

/// One byte and how it came.
#[derive(Clone, Copy, Debug)]
struct Byte {
    at: Tick,
    value: u8,
    is_alone_in_read: bool,
    is_last_in_read: bool,
}

/// Where a message ends.
struct Cut {
    /// One past its last byte, its end not counted.
    message_end: usize,
    /// Where the next begins.
    next: usize,
    at: Tick,
}

/// What the peer has said, and when each was complete. Something that is too long or foreign has
/// the time of the last byte that is sure to be part of it.
///
/// ```
/// use sockeye_proto::limits::PAUSE;
/// use sockeye_proto::machine::Tick;
/// use sockeye_proto::text::framing::Framing;
/// use sockeye_sim::reference::framing::{Heard, Part, parts};
///
/// let ms = |ms: u64| Tick::from_ns(ms * 1_000_000);
/// let reads = vec![(ms(0), b"one".to_vec()), (ms(30), b"two\r".to_vec()), (ms(31), b"\n".to_vec())];
/// let heard = Heard { reads, ..Heard::default() };
/// let said = parts(Framing::Auto, PAUSE, &heard);
/// assert_eq!(said, [
///     (ms(20), Part::Message(b"one".to_vec())),
///     (ms(31), Part::Message(b"two".to_vec())),
/// ]);
/// ```
pub fn parts(how: Framing, pause: Duration, heard: &Heard) -> Vec<(Tick, Part)> {
    let bytes = flatten(heard);
    let line_ends: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i].value == b'\n').collect();
    let mut parts = Vec::new();
    let mut begin = 0;
    while begin < bytes.len() {
        let cut = next_cut(how, pause, heard, (&bytes, &line_ends), begin);
        let until = cut.as_ref().map_or(bytes.len(), |cut| cut.message_end);
        let at = cut.as_ref().map_or(bytes[bytes.len() - 1].at, |cut| cut.at);
        let mut message: Vec<u8> = bytes[begin..until].iter().map(|byte| byte.value).collect();
        if how == Framing::Pause && message.last() == Some(&b'\n') {
            message.pop();
            drop_carriage_return(&mut message);
        }
        if begin == 0 && is_foreign_opening(&message) {
            parts.push((at, Part::Foreign));
            return parts;
        }
        // What has not ended may still end in `\r\n`, which does not count.
        let end_to_come = usize::from(cut.is_none() && message.last() == Some(&b'\r'));
        if message.len() > MESSAGE_MAX_BYTES + end_to_come {
            parts.push((at, Part::TooLong));
            return parts;
        }
        let Some(cut) = cut else { return parts };
        if begin == 0 && is_http_request(&message) {
            parts.push((at, Part::Foreign));
            return parts;
        }
        begin = cut.next;
        parts.push((at, Part::Message(message)));
    }
    parts
}

fn flatten(heard: &Heard) -> Vec<Byte> {
    let mut bytes = Vec::new();
    for (at, read) in &heard.reads {
        let is_alone_in_read = read.len() == 1;
        bytes.extend(read.iter().enumerate().map(|(i, &value)| Byte {
            at: *at,
            value,
            is_alone_in_read,
            is_last_in_read: i + 1 == read.len(),
        }));
    }
    bytes
}

/// Where the message that begins there ends, if it does.
fn next_cut(
    how: Framing,
    pause: Duration,
    heard: &Heard,
    (bytes, line_ends): (&[Byte], &[usize]),
    begin: usize,
) -> Option<Cut> {
    let line_end = line_ends.iter().copied().find(|end| *end >= begin);
    let was_line_peer = line_ends.first().is_some_and(|end| *end < begin);
    let by_pause = match how {
        Framing::Line => None,
        Framing::Auto if was_line_peer => None,
        // From its first line end on, a pause ends nothing.
        Framing::Auto => pause_end(pause, heard, bytes, begin, line_end.unwrap_or(bytes.len())),
        Framing::Pause => pause_end(pause, heard, bytes, begin, bytes.len()),
    };
    if let Some((end, at)) = by_pause {
        return Some(Cut { message_end: end, next: end, at });
    }
    if how != Framing::Pause
        && let Some(line_end) = line_end
    {
        let has_return = line_end > begin && bytes[line_end - 1].value == b'\r';
        let message_end = line_end - usize::from(has_return);
        return Some(Cut { message_end, next: line_end + 1, at: bytes[line_end].at });
    }
    heard.end.map(|at| Cut { message_end: bytes.len(), next: bytes.len(), at })
}

/// After which byte the pause was long enough, and when it was over.
fn pause_end(
    pause: Duration,
    heard: &Heard,
    bytes: &[Byte],
    begin: usize,
    limit: usize,
) -> Option<(usize, Tick)> {
    let mut is_typed = true;
    for i in begin..limit {
        is_typed &= bytes[i].is_alone_in_read;
        let over = bytes[i].at + if is_typed { pause.max(TYPING) } else { pause };
        let next = match bytes.get(i + 1) {
            Some(byte) => Some(byte.at),
            None => heard.end.or(heard.lost),
        };
        if bytes[i].is_last_in_read && next.is_none_or(|next| next >= over) {
            return Some((i + 1, over));
        }
    }
    None
}

fn drop_carriage_return(message: &mut Vec<u8>) {
    if message.last() == Some(&b'\r') {
        message.pop();
    }
}

/// A TLS hello and a native wire show in their first bytes.
fn is_foreign_opening(message: &[u8]) -> bool {
    message.starts_with(&[0x16, 0x03]) || message.first() == Some(&0xFE)
}

/// An HTTP request shows when its line is whole.
fn is_http_request(message: &[u8]) -> bool {
    let line = message.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.trim_ascii_end().split(|&byte| byte == b' ').collect();
    words.len() >= 3
        && [&b"GET"[..], b"POST", b"HEAD", b"PUT"].contains(&words[0])
        && words[words.len() - 1].starts_with(b"HTTP/")
}

/// Whatever parts a stream into messages as [`Framer`] does: itself, or one with a planted bug.
pub trait Frames {
    /// Bytes arrived in one read.
    fn hear(&mut self, now: Tick, bytes: &[u8]);
    /// The peer ended its sending side.
    fn end(&mut self);
    /// Time has passed.
    fn time(&mut self, now: Tick);
    /// When it wants to be told the time.
    fn deadline(&self) -> Option<Tick>;
    /// The next message, or why there will be none.
    fn next_message(&mut self) -> Option<Result<Vec<u8>, FrameError>>;
    /// A message as the peer wants it.
    fn say(&mut self, now: Tick, message: &[u8], out: &mut Vec<u8>);
}

impl Frames for Framer {
    fn hear(&mut self, now: Tick, bytes: &[u8]) {
        Framer::hear(self, now, bytes);
    }

    fn end(&mut self) {
        Framer::end(self);
    }

    fn time(&mut self, now: Tick) {
        Framer::time(self, now);
    }

    fn deadline(&self) -> Option<Tick> {
        Framer::deadline(self)
    }

    fn next_message(&mut self) -> Option<Result<Vec<u8>, FrameError>> {
        Framer::next_message(self)
    }

    fn say(&mut self, now: Tick, message: &[u8], out: &mut Vec<u8>) {
        Framer::say(self, now, message, out);
    }
}

/// Plays everything that came to a framer and holds what it says against [`parts`]. At each of
/// `says` something is said to the peer, and how it is ended is held against the wire's words.
///
/// # Errors
/// What the framer did and what it had to do, where they differ.
pub fn check(
    framer: &mut impl Frames,
    how: Framing,
    pause: Duration,
    heard: &Heard,
    says: &[Tick],
    trace: &mut Trace,
) -> Verdict {
    let expected = parts(how, pause, heard);
    let mut play = Play { framer, got: Vec::new(), trace };
    let mut last_said = None;
    let mut says = says.iter().copied().peekable();
    for (at, read) in &heard.reads {
        while let Some(say_at) = says.next_if(|say_at| say_at < at) {
            play.say(how, heard, &expected, say_at, &mut last_said)?;
        }
        play.wake_until(*at);
        play.trace.note(*at, format_args!("<- {}", Bytes(read)));
        play.framer.hear(*at, read);
        play.collect(*at);
    }
    for say_at in says.filter(|say_at| heard.end.or(heard.lost).is_none_or(|end| *say_at < end)) {
        play.say(how, heard, &expected, say_at, &mut last_said)?;
    }
    if let Some(end) = heard.end.or(heard.lost) {
        play.wake_until(end);
    } else {
        play.wake_until(Tick::from_ns(u64::MAX));
    }
    if let Some(end) = heard.end {
        play.trace.note(end, "<- end");
        play.framer.end();
        play.collect(end);
    }
    compare(&play.got, &expected)
}

struct Play<'a, F> {
    framer: &'a mut F,
    got: Vec<(Tick, Part)>,
    trace: &'a mut Trace,
}

impl<F: Frames> Play<'_, F> {
    fn wake_until(&mut self, limit: Tick) {
        while let Some(deadline) = self.framer.deadline().filter(|deadline| *deadline <= limit) {
            self.framer.time(deadline);
            self.collect(deadline);
            assert!(self.framer.deadline() != Some(deadline), "its deadline does not move");
        }
    }

    fn collect(&mut self, now: Tick) {
        while !self.got.last().is_some_and(|(_, part)| !matches!(part, Part::Message(_)))
            && let Some(next) = self.framer.next_message()
        {
            let part = match next {
                Ok(message) => Part::Message(message),
                Err(FrameError::TooLong) => Part::TooLong,
                Err(FrameError::Foreign(_)) => Part::Foreign,
            };
            self.trace.note(now, shown(&part));
            self.got.push((now, part));
        }
    }

    fn say(
        &mut self,
        how: Framing,
        heard: &Heard,
        expected: &[(Tick, Part)],
        now: Tick,
        last_said: &mut Option<Tick>,
    ) -> Verdict {
        self.wake_until(now);
        let mut out = Vec::new();
        self.framer.say(now, b"word", &mut out);
        self.trace.note(now, format_args!("-> {}", Bytes(&out)));
        let last = last_said.replace(now);
        let wanted = match kind(how, heard, expected, now) {
            None => return Ok(()),
            Some(Kind::ByLines) => &b"word\n"[..],
            Some(Kind::ByPauses) if last.is_some_and(|last| now.since(last) < RUNS_TOGETHER) => {
                b"\nword"
            }
            Some(Kind::ByPauses) => b"word",
        };
        if out == wanted {
            return Ok(());
        }
        Err(format!("said {}, where the peer wants {}", Bytes(&out), Bytes(wanted)))
    }
}

enum Kind {
    ByLines,
    ByPauses,
}

/// How a message that is said then has to end; `None` where the wire does not tell: something
/// stands that may yet become a line or a message by pause, or the conversation is over.
fn kind(how: Framing, heard: &Heard, expected: &[(Tick, Part)], now: Tick) -> Option<Kind> {
    let mut so_far = heard.reads.iter().take_while(|(at, _)| *at <= now).map(|(_, read)| read);
    let said = || expected.iter().take_while(|(at, _)| *at <= now);
    if said().any(|(_, part)| !matches!(part, Part::Message(_))) {
        return None;
    }
    let is_line_peer = how == Framing::Line
        || (how == Framing::Auto && so_far.clone().any(|read| read.contains(&b'\n')));
    let has_spoken = said().next().is_some();
    match (is_line_peer, has_spoken, so_far.next()) {
        (true, ..) | (false, false, None) => Some(Kind::ByLines),
        (false, true, _) => Some(Kind::ByPauses),
        (false, false, Some(_)) => None,
    }
}

fn compare(got: &[(Tick, Part)], expected: &[(Tick, Part)]) -> Verdict {
    for (i, pair) in got.iter().zip(expected).enumerate() {
        let ((got_at, got), (at, part)) = pair;
        // When an error shows is the framer's own affair, as long as it is not after its end.
        let is_in_time = if matches!(part, Part::Message(_)) { got_at == at } else { got_at <= at };
        if got != part || !is_in_time {
            return Err(format!(
                "part {i} is {} at {got_at:?} and had to be {} at {at:?}",
                shown(got),
                shown(part)
            ));
        }
    }
    if got.len() != expected.len() {
        let next = expected.get(got.len()).or(got.get(expected.len()));
        let next = next.map_or_else(String::new, |(_, part)| shown(part));
        return Err(format!(
            "{} parts where {} had to be; the first that differs is {next}",
            got.len(),
            expected.len()
        ));
    }
    Ok(())
}

fn shown(part: &Part) -> String {
    match part {
        Part::Message(bytes) => format!("a message of {}", Bytes(bytes)),
        Part::TooLong => "one that is too long".into(),
        Part::Foreign => "another protocol".into(),
    }
}
