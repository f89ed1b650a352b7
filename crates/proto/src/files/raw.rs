//! The classic raw wire of a file server over TCP: the first message is a file's name, the answer
//! is the file's bytes and then the end; `Error: File not found` when there is none.
//!
//! The name may come as a line, as one write without a line end (a pause ends it), or as
//! everything the peer sends before it ends its sending side. The file's bytes go past this
//! machine: it asks for them to be sent and is told how that ended.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use crate::http::target::SharePath;
use crate::limits::{HEAD_DEADLINE, MESSAGE_MAX_BYTES, PAUSE, PAUSE_TYPING};
use crate::machine::{Fault, Input, Machine, Output, Tick, Ticket};
use crate::text::framing::{foreign_opening, is_http_request};

/// What a caller is told about a name that leads to no file. The beginner's clients compare with
/// exactly this text.
pub const NOT_FOUND: &str = "Error: File not found";
/// What a caller is told who sends more than a message can hold.
pub const TOO_LONG: &str = "error: message longer than 65536 bytes";

/// The one thing the machine asks for: send this file's bytes to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendFile(pub SharePath);

/// How that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All of the file's bytes are out.
    Whole {
        /// How many.
        bytes: u64,
    },
    /// There is no such file, or none that is shown; nothing was sent.
    NotFound {
        /// Why, for the log; empty if there is nothing to add.
        note: String,
    },
    /// The file became shorter, the disk failed or the peer left; what was sent is less than the
    /// file.
    Broken {
        /// How much that is.
        bytes: u64,
        /// Whether it was the peer who left; else it is our side that failed.
        by_peer: bool,
        /// Why, for the log.
        note: String,
    },
}

/// What is reported for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This name was asked for (as sent, at most 4,096 bytes of it).
    Asked(Vec<u8>),
    /// It was answered like this.
    Answered(Sent),
    /// The peer speaks another protocol.
    ForeignProtocol(&'static str),
}

/// The server's side of one connection.
#[derive(Debug)]
pub struct Server {
    state: State,
    heard: Vec<u8>,
    /// Whether every read so far brought one byte: somebody types into a character-mode telnet.
    typed: bool,
    line_peer: bool,
    outputs: VecDeque<Output<SendFile, Event>>,
}

/// When the name's first and last bytes so far came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    first: Tick,
    last: Tick,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Hearing { heard: Option<Heard> },
    Sending,
    Closed,
}

impl Server {
    const TICKET: Ticket = Ticket(0);
    const NAME_SHOWN_MAX_BYTES: usize = 4_096;

    /// A server that waits for the name.
    pub fn new() -> Self {
        Self {
            state: State::Hearing { heard: None },
            heard: Vec::new(),
            typed: true,
            line_peer: false,
            outputs: VecDeque::new(),
        }
    }

    fn pause(&self) -> Duration {
        if self.typed { PAUSE_TYPING } else { PAUSE }
    }

    fn hear(&mut self, now: Tick, bytes: &[u8]) {
        self.typed &= bytes.len() == 1;
        // One byte past the longest message and its line end is enough to know that it is too long.
        let room = (MESSAGE_MAX_BYTES + 3).saturating_sub(self.heard.len());
        self.heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if let Some(protocol) = foreign_opening(&self.heard) {
            self.outputs.push_back(Output::Happened(Event::ForeignProtocol(protocol)));
            return self.close(Fault::Peer);
        }
        let first = match self.state {
            State::Hearing { heard: Some(heard) } => heard.first,
            _ => now,
        };
        self.state = State::Hearing { heard: Some(Heard { first, last: now }) };
        if let Some(end) = self.heard.iter().position(|&b| b == b'\n') {
            self.line_peer = true;
            self.heard.truncate(end);
            if self.heard.last() == Some(&b'\r') {
                self.heard.pop();
            }
            self.take_name();
        } else if self.heard.len() > MESSAGE_MAX_BYTES + 1 {
            self.refuse(TOO_LONG);
        }
    }

    fn take_name(&mut self) {
        if self.heard.len() > MESSAGE_MAX_BYTES {
            return self.refuse(TOO_LONG);
        }
        let name = std::mem::take(&mut self.heard);
        let shown = name[..name.len().min(Self::NAME_SHOWN_MAX_BYTES)].to_vec();
        self.outputs.push_back(Output::Happened(Event::Asked(shown)));
        if is_http_request(&name) {
            self.outputs.push_back(Output::Happened(Event::ForeignProtocol("an HTTP request")));
            return self.close(Fault::Peer);
        }
        match SharePath::from_raw_name(&name) {
            Ok(path) if !path.is_root() => {
                self.state = State::Sending;
                self.outputs.push_back(Output::Ask(Self::TICKET, SendFile(path)));
            }
            Ok(_) | Err(_) => self.refuse(NOT_FOUND),
        }
    }

    /// Tells the peer in its own kind: a line peer gets a line end.
    fn refuse(&mut self, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        if self.line_peer {
            bytes.push(b'\n');
        }
        self.outputs.push_back(Output::Transmit(bytes));
        self.close(Fault::Refused);
    }

    fn close(&mut self, fault: Fault) {
        self.state = State::Closed;
        self.heard = Vec::new();
        self.outputs.push_back(Output::Close(fault));
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine for Server {
    type Question = SendFile;
    type Answer = Sent;
    type Event = Event;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, Sent>) {
        match (&self.state, input) {
            (_, Input::Told(never)) => match *never {},
            (State::Closed, _)
            | (State::Sending, Input::Bytes(_) | Input::End | Input::Time)
            | (State::Hearing { .. }, Input::Answer(..))
            | (State::Hearing { heard: None }, Input::Time) => {}
            (State::Hearing { .. }, Input::Bytes(bytes)) => self.hear(now, bytes),
            (State::Hearing { .. }, Input::End) if self.heard.is_empty() => {
                self.close(Fault::Nobody);
            }
            (State::Hearing { .. }, Input::End) => self.take_name(),
            (State::Hearing { heard: Some(heard) }, Input::Time) => {
                if heard.last + self.pause() <= now {
                    self.take_name();
                } else if heard.first + HEAD_DEADLINE <= now {
                    self.close(Fault::Peer);
                }
            }
            (State::Sending, Input::Answer(_, sent)) => {
                self.outputs.push_back(Output::Happened(Event::Answered(sent.clone())));
                match sent {
                    Sent::Whole { .. } => self.close(Fault::Nobody),
                    Sent::NotFound { .. } => self.refuse(NOT_FOUND),
                    Sent::Broken { .. } => self.close(Fault::Ours),
                }
            }
        }
    }

    fn poll(&mut self) -> Output<SendFile, Event> {
        self.outputs.pop_front().unwrap_or_else(|| match self.state {
            State::Hearing { heard } => Output::Wait(
                heard.map(|heard| (heard.last + self.pause()).min(heard.first + HEAD_DEADLINE)),
            ),
            State::Sending | State::Closed => Output::Wait(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    fn drain(server: &mut Server) -> Vec<Output<SendFile, Event>> {
        let mut outputs = Vec::new();
        loop {
            let output = server.poll();
            let last = matches!(output, Output::Wait(_));
            outputs.push(output);
            if last {
                return outputs;
            }
        }
    }

    fn asked(outputs: &[Output<SendFile, Event>]) -> Option<String> {
        outputs.iter().find_map(|o| match o {
            Output::Ask(_, SendFile(path)) => Some(path.display()),
            _ => None,
        })
    }

    fn told(outputs: &[Output<SendFile, Event>]) -> String {
        outputs
            .iter()
            .filter_map(|o| match o {
                Output::Transmit(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_line_is_a_name_with_or_without_a_carriage_return_and_a_leading_slash() {
        for name in [&b"a.txt\n"[..], b"a.txt\r\n", b"/a.txt\n", b"a.txt\nmore"] {
            let mut server = Server::new();
            server.handle(at(0), Input::Bytes(name));
            assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/a.txt"), "{name:?}");
        }
    }

    #[test]
    fn bytes_without_a_line_end_are_a_name_after_the_pause() {
        let mut server = Server::new();
        server.handle(at(100), Input::Bytes(b"a.txt"));
        assert_eq!(drain(&mut server), [Output::Wait(Some(at(120)))]);
        server.handle(at(119), Input::Time);
        assert_eq!(asked(&drain(&mut server)), None);
        server.handle(at(120), Input::Time);
        assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/a.txt"));
    }

    #[test]
    fn somebody_who_types_a_byte_at_a_time_is_waited_for_a_second() {
        let mut server = Server::new();
        for (i, byte) in b"a.txt".iter().enumerate() {
            server.handle(at(300 * i as u64), Input::Bytes(&[*byte]));
            server.handle(at(300 * i as u64 + 299), Input::Time);
        }
        assert_eq!(drain(&mut server), [Output::Wait(Some(at(1200 + 1000)))]);
    }

    #[test]
    fn a_name_fed_a_byte_at_a_time_without_end_is_not_waited_for() {
        let mut server = Server::new();
        for i in 0..100 {
            server.handle(at(500 * i), Input::Bytes(b"x"));
            server.handle(at(500 * i), Input::Time);
        }
        assert_eq!(drain(&mut server), [Output::Close(Fault::Peer), Output::Wait(None)]);
    }

    #[test]
    fn the_end_of_input_ends_the_name() {
        let mut server = Server::new();
        server.handle(at(0), Input::Bytes(b"a.txt"));
        server.handle(at(1), Input::End);
        assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/a.txt"));
    }

    #[test]
    fn a_peer_that_says_nothing_and_ends_is_just_closed() {
        let mut server = Server::new();
        server.handle(at(0), Input::End);
        assert_eq!(drain(&mut server), [Output::Close(Fault::Nobody), Output::Wait(None)]);
    }

    #[test]
    fn a_missing_file_is_told_in_kind_and_closed() {
        for (name, text) in
            [(&b"no\n"[..], "Error: File not found\n"), (b"no", "Error: File not found")]
        {
            let mut server = Server::new();
            server.handle(at(0), Input::Bytes(name));
            server.handle(at(1), Input::End);
            drain(&mut server);
            server.handle(at(2), Input::Answer(Ticket(0), Sent::NotFound { note: String::new() }));
            let outputs = drain(&mut server);
            assert_eq!(told(&outputs), text);
            assert!(outputs.contains(&Output::Close(Fault::Refused)));
        }
    }

    #[test]
    fn names_that_lead_out_are_not_found() {
        for name in [&b"../etc/passwd\n"[..], b"a/../../b\n", b"\n", b"/\n", b"a\0b\n"] {
            let mut server = Server::new();
            server.handle(at(0), Input::Bytes(name));
            assert_eq!(told(&drain(&mut server)), "Error: File not found\n", "{name:?}");
        }
    }

    #[test]
    fn a_name_that_never_ends_is_refused_and_bounded() {
        let mut server = Server::new();
        for _ in 0..100 {
            server.handle(at(0), Input::Bytes(&[b'x'; 10_000]));
        }
        let outputs = drain(&mut server);
        assert_eq!(told(&outputs), TOO_LONG);
        assert_eq!(server.state, State::Closed);
    }

    #[test]
    fn a_browser_or_a_tls_client_is_closed_without_a_word() {
        for opening in
            [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", b"\xfe1"]
        {
            let mut server = Server::new();
            server.handle(at(0), Input::Bytes(opening));
            let outputs = drain(&mut server);
            assert!(outputs.contains(&Output::Close(Fault::Peer)), "{outputs:?}");
            assert_eq!(told(&outputs), "");
        }
    }

    #[test]
    fn what_is_said_after_the_name_changes_nothing() {
        let mut server = Server::new();
        server.handle(at(0), Input::Bytes(b"a\n"));
        drain(&mut server);
        server.handle(at(1), Input::Bytes(b"b\n"));
        server.handle(at(1), Input::End);
        server.handle(at(2), Input::Answer(Ticket(0), Sent::Whole { bytes: 3 }));
        assert!(drain(&mut server).ends_with(&[Output::Close(Fault::Nobody), Output::Wait(None)]));
    }
}
