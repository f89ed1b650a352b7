//! The targets of `sockeye_proto::text`.

use std::time::Duration;

use sockeye_proto::limits::{CLIENT_GAP, CLIENT_LAST_WORD, MESSAGE_MAX_BYTES, PAUSE};
use sockeye_proto::machine::{Input, Machine, Output, Tick};
use sockeye_proto::text::client::{Client, Event};
use sockeye_proto::text::framing::{FrameError, Framer, Framing};

/// Messages do not depend on how the stream was cut into reads, and are those that the plainest
/// splitting finds. The input is one byte of choices and the stream.
pub fn framing(data: &[u8]) {
    let Some((&choices, stream)) = data.split_first() else { return };
    let framing = [Framing::Auto, Framing::Line, Framing::Pause][usize::from(choices % 3)];
    let read_bytes = 1 + usize::from(choices / 3);
    let whole = messages(framing, stream, stream.len().max(1));
    assert_eq!(messages(framing, stream, read_bytes), whole, "{framing:?} by {read_bytes}");
    let (messages, error) = whole;
    assert!(messages.iter().all(|message| message.len() <= MESSAGE_MAX_BYTES));
    let expected = plainest(framing, stream);
    match error {
        None => assert_eq!(messages, expected, "{framing:?} {stream:?}"),
        Some(FrameError::Foreign(_)) => assert!(messages.is_empty(), "only at the beginning"),
        Some(FrameError::TooLong) => assert!(stream.len() > MESSAGE_MAX_BYTES),
    }
    with_pauses(framing, stream, read_bytes);
}

type Heard = (Vec<Vec<u8>>, Option<FrameError>);

/// What is heard of a stream that comes without a pause and then ends.
fn messages(framing: Framing, stream: &[u8], read_bytes: usize) -> Heard {
    let mut framer = Framer::new(framing, PAUSE);
    for read in stream.chunks(read_bytes) {
        framer.hear(Tick::START, read);
        framer.time(Tick::START);
    }
    framer.end();
    assert_eq!(framer.deadline(), None, "nothing stands any more");
    drain(&mut framer)
}

fn drain(framer: &mut Framer) -> Heard {
    let mut messages = Vec::new();
    loop {
        match framer.next_message() {
            Some(Ok(message)) => messages.push(message),
            Some(Err(error)) => return (messages, Some(error)),
            None => return (messages, None),
        }
    }
}

fn plainest(framing: Framing, stream: &[u8]) -> Vec<Vec<u8>> {
    if stream.is_empty() {
        return Vec::new();
    }
    if framing == Framing::Pause {
        let line = stream.strip_suffix(b"\n");
        let text = line.map_or(stream, |line| line.strip_suffix(b"\r").unwrap_or(line));
        return vec![text.to_vec()];
    }
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    let standing = lines.pop().filter(|standing| !standing.is_empty());
    let without_cr = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    lines.into_iter().map(without_cr).chain(standing.map(<[u8]>::to_vec)).collect()
}

/// With a pause after each read, every deadline that is asked for leaves nothing standing.
fn with_pauses(framing: Framing, stream: &[u8], read_bytes: usize) {
    let mut framer = Framer::new(framing, PAUSE);
    let mut now = Tick::START;
    for read in stream.chunks(read_bytes) {
        framer.hear(now, read);
        if let Some(deadline) = framer.deadline() {
            assert!(deadline > now, "a pause takes time");
            framer.time(deadline);
            now = deadline;
            assert_eq!(framer.deadline(), None, "what stood is a message now");
        }
    }
    framer.end();
    drain(&mut framer);
}

/// The caller's side keeps its gaps, reports whole messages, and ends in time. The input is one byte
/// of choices and a script: each step a byte that says what happens and how long after the one
/// before, and for bytes and messages one that says how long they are.
pub fn client(data: &[u8]) {
    let Some((&choices, mut script)) = data.split_first() else { return };
    let mut watched = Watched::new(choices & 1 != 0);
    while let Some((&step, rest)) = script.split_first() {
        watched.now = watched.now + Duration::from_millis(u64::from(step >> 3) * 10);
        let (&length, rest) =
            if step & 7 < 4 { rest.split_first().unwrap_or((&0, rest)) } else { (&0, rest) };
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(length)));
        script = rest;
        watched.step(step & 7, bytes);
    }
    watched.finish();
}

struct Watched {
    client: Client,
    now: Tick,
    waits_until: Option<Tick>,
    last_said: Option<Tick>,
    is_answered: bool,
    is_closed: bool,
}

impl Watched {
    fn new(lines: bool) -> Self {
        Self {
            client: Client::new(lines),
            now: Tick::START,
            waits_until: None,
            last_said: None,
            is_answered: false,
            is_closed: false,
        }
    }

    fn step(&mut self, what: u8, bytes: &[u8]) {
        match what {
            0..=1 => {
                let said = self.client.say(self.now, bytes);
                assert!(!(self.is_closed && said.is_ok()), "nothing is said after the end");
            }
            2..=3 => self.client.handle(self.now, Input::Bytes(bytes)),
            4 => self.client.finish(self.now),
            5 => self.client.handle(self.now, Input::End),
            _ => self.client.handle(self.now, Input::Time),
        }
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.client.poll() {
                Output::Transmit(bytes) => self.transmit(&bytes),
                Output::Happened(Event::Heard(message)) => {
                    let message = message.text();
                    assert!(message.len() <= MESSAGE_MAX_BYTES && !message.contains(&b'\n'));
                    self.is_answered = true;
                }
                Output::Happened(_) => {}
                Output::Close(_) => {
                    assert!(!self.is_closed, "it closes once");
                    self.is_closed = true;
                }
                Output::Ask(_, never) | Output::Tell(never) => match never {},
                Output::Wait(until) => {
                    self.waits_until = until;
                    return;
                }
            }
        }
    }

    fn transmit(&mut self, bytes: &[u8]) {
        assert!(!self.is_closed && !bytes.is_empty(), "a message is not nothing");
        let is_apart = self.last_said.is_none_or(|last| self.now.since(last) >= CLIENT_GAP);
        let is_line = bytes.ends_with(b"\n");
        assert!(is_line || is_apart || self.is_answered, "{bytes:?} runs into the one before");
        (self.last_said, self.is_answered) = (Some(self.now), false);
    }

    /// Told to finish, and woken when it asks to be, it closes within a second of its last word.
    fn finish(mut self) {
        self.client.finish(self.now);
        self.drain();
        while !self.is_closed {
            let until = self.waits_until.expect("who is not closed waits for something");
            let last_said = self.last_said.expect("who never said a word closes at once");
            assert!(until <= last_said + CLIENT_LAST_WORD, "{until:?} {last_said:?}");
            self.now = self.now.max(until);
            self.client.handle(self.now, Input::Time);
            self.drain();
        }
        assert_eq!(self.waits_until, None, "who is closed waits for nothing");
        self.client.handle(self.now, Input::Bytes(b"late\n"));
        assert!(matches!(self.client.poll(), Output::Wait(None)), "nor hears anything");
    }
}
