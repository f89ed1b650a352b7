//! The classic raw wire of a file server over TCP: the first message is a file's name, the answer
//! is the file's bytes and then the end; `Error: File not found` when there is none.
//!
//! Where the name ends and how a refusal is ended is the [`Framer`]'s affair, as on every text
//! wire; a name need not be UTF-8. The file's bytes go past this machine: it asks for them to be
//! sent and is told how that ended.
//!
//! Where a key is wanted, it stands before the name, as if it were a folder: `KEY/sub/a.txt`. Only
//! what is as long as the key is taken for one, so that who asks for `sub/a.txt` without it is told
//! what is wanted and has guessed nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;

use crate::access::entrance::Said;
use crate::access::{KEY_WANTED, Verdict};
use crate::http::target::SharePath;
use crate::limits::HEAD_DEADLINE;
use crate::machine::{Fault, Input, Machine, Output, Tick, Ticket};
use crate::printable::Printable;
use crate::text::framing::{FrameError, Framer};

/// What a caller is told about a name that leads to no file. The beginner's clients compare with
/// exactly this text.
pub const NOT_FOUND: &str = "Error: File not found";

/// What the machine asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether this is the key, if it is a guess at all; see
    /// [`check_if_guess`](crate::access::Doorkeeper::check_if_guess).
    CheckKey(Said),
    /// Send this file's bytes to the peer.
    SendFile(SharePath),
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the doorkeeper says to what stood in the key's place; none if that is no guess.
    Checked(Option<Verdict>),
    /// How the sending ended.
    Sent(Sent),
}

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
    /// This name was asked for.
    Asked {
        /// As sent, without the key before it, and at most 4,096 bytes of it.
        name: Vec<u8>,
        /// How many bytes stood before it that were, or were meant as, the key and its slash.
        key_bytes: usize,
    },
    /// Who asked said no key where one is wanted, or another than the right one.
    TurnedAway(Option<Verdict>),
    /// It was answered like this.
    Answered(Sent),
    /// The peer speaks another protocol.
    ForeignProtocol(&'static str),
}

/// The server's side of one connection.
///
/// ```
/// use sockeye_proto::files::raw::{Question, Server};
/// use sockeye_proto::machine::{Input, Machine, Output, Tick};
///
/// let mut server = Server::default();
/// server.handle(Tick::START, Input::Bytes(b"sub/a.txt\r\n"));
/// assert!(matches!(server.poll(), Output::Happened(_)));
/// let Output::Ask(_, Question::SendFile(path)) = server.poll() else { panic!("it is a name") };
/// assert_eq!(path.display(), "/sub/a.txt");
/// ```
#[derive(Debug, Default)]
pub struct Server {
    state: State,
    framer: Framer,
    wants_key: bool,
    outputs: VecDeque<Output<Question, Event>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The name is not whole. It is not waited for longer than [`HEAD_DEADLINE`] after its first
    /// byte, however it is fed.
    Hearing {
        first_byte: Option<Tick>,
    },
    /// The doorkeeper looks at what stood in the key's place of this name.
    Checking(Name),
    Sending,
    Closed,
}

/// A name, and where the file's own begins in it.
#[derive(Clone, PartialEq, Eq)]
struct Name {
    bytes: Vec<u8>,
    key_bytes: usize,
}

impl Name {
    fn of_file(&self) -> &[u8] {
        &self.bytes[self.key_bytes..]
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", Printable(self.of_file()))
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Hearing { first_byte: None }
    }
}

impl Server {
    const KEY_TICKET: Ticket = Ticket(0);
    const TICKET: Ticket = Ticket(1);
    const NAME_SHOWN_MAX_BYTES: usize = 4_096;

    /// A server that waits for the name, which ends as this framer says.
    pub fn new(framer: Framer) -> Self {
        Self { framer, ..Self::default() }
    }

    /// The same, for names with the key before them.
    pub fn wanting_key(self) -> Self {
        Self { wants_key: true, ..self }
    }

    /// Looks whether the name is whole, or will never be.
    fn advance(&mut self, now: Tick, first_byte: Option<Tick>) {
        match self.framer.next_message() {
            Some(Ok(name)) => self.take_name(now, name),
            Some(Err(FrameError::Foreign(protocol))) => {
                self.outputs.push_back(Output::Happened(Event::ForeignProtocol(protocol)));
                self.close(Fault::Peer);
            }
            Some(Err(error @ FrameError::TooLong)) => self.refuse(now, &error.to_string()),
            None if self.framer.has_ended() => self.close(Fault::Nobody),
            None if first_byte.is_some_and(|first| first + HEAD_DEADLINE <= now) => {
                self.close(Fault::Peer);
            }
            None => self.state = State::Hearing { first_byte },
        }
    }

    fn take_name(&mut self, now: Tick, name: Vec<u8>) {
        self.framer.forget_the_rest();
        if !self.wants_key {
            return self.look_up(now, &Name { bytes: name, key_bytes: 0 });
        }
        match split_key(&name) {
            Some((said, key_bytes)) => {
                let said = Said(said.to_vec());
                self.outputs.push_back(Output::Ask(Self::KEY_TICKET, Question::CheckKey(said)));
                self.state = State::Checking(Name { bytes: name, key_bytes });
            }
            None => self.turn_away(now, &Name { bytes: name, key_bytes: 0 }, None),
        }
    }

    fn checked(&mut self, now: Tick, name: Name, verdict: Option<Verdict>) {
        match verdict {
            Some(Verdict::Right) => self.look_up(now, &name),
            Some(_) => self.turn_away(now, &name, verdict),
            // What is no guess is part of the name.
            None => self.turn_away(now, &Name { key_bytes: 0, ..name }, None),
        }
    }

    fn look_up(&mut self, now: Tick, name: &Name) {
        self.report(name);
        match SharePath::from_raw_name(name.of_file()) {
            Ok(path) if !path.is_root() => {
                self.state = State::Sending;
                self.outputs.push_back(Output::Ask(Self::TICKET, Question::SendFile(path)));
            }
            Ok(_) | Err(_) => self.refuse(now, NOT_FOUND),
        }
    }

    fn turn_away(&mut self, now: Tick, name: &Name, verdict: Option<Verdict>) {
        self.report(name);
        self.outputs.push_back(Output::Happened(Event::TurnedAway(verdict)));
        let told = verdict.map_or_else(|| KEY_WANTED.to_owned(), |verdict| verdict.to_string());
        self.refuse(now, &told);
    }

    fn report(&mut self, name: &Name) {
        let of_file = name.of_file();
        let shown = of_file[..of_file.len().min(Self::NAME_SHOWN_MAX_BYTES)].to_vec();
        let event = Event::Asked { name: shown, key_bytes: name.key_bytes };
        self.outputs.push_back(Output::Happened(event));
    }

    fn answered(&mut self, now: Tick, sent: Sent) {
        self.outputs.push_back(Output::Happened(Event::Answered(sent.clone())));
        match sent {
            Sent::Whole { .. } => self.close(Fault::Nobody),
            Sent::NotFound { .. } => self.refuse(now, NOT_FOUND),
            Sent::Broken { .. } => self.close(Fault::Ours),
        }
    }

    fn refuse(&mut self, now: Tick, text: &str) {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        self.framer.say(now, text.as_bytes(), &mut bytes);
        self.outputs.push_back(Output::Transmit(bytes));
        self.close(Fault::Refused);
    }

    fn close(&mut self, fault: Fault) {
        self.state = State::Closed;
        self.outputs.push_back(Output::Close(fault));
    }
}

/// Parts a name from what stands in the key's place: what is before its first slash, those at its
/// very beginning apart. Gives that and how many bytes it and its slashes are.
fn split_key(name: &[u8]) -> Option<(&[u8], usize)> {
    let slashes = name.iter().take_while(|byte| **byte == b'/').count();
    let chars = name[slashes..].iter().position(|byte| *byte == b'/')?;
    Some((&name[slashes..slashes + chars], slashes + chars + 1))
}

impl Machine for Server {
    type Question = Question;
    type Answer = Answer;
    type Event = Event;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, Answer>) {
        match (&self.state, input) {
            (_, Input::Told(never)) => match *never {},
            (State::Hearing { first_byte }, Input::Bytes(bytes)) => {
                let first_byte = first_byte.or(Some(now));
                self.framer.hear(now, bytes);
                self.advance(now, first_byte);
            }
            (State::Hearing { first_byte }, Input::End) => {
                let first_byte = *first_byte;
                self.framer.end();
                self.advance(now, first_byte);
            }
            (State::Hearing { first_byte }, Input::Time) => {
                let first_byte = *first_byte;
                self.framer.time(now);
                self.advance(now, first_byte);
            }
            (State::Checking(name), Input::Answer(_, Answer::Checked(verdict))) => {
                let name = name.clone();
                self.checked(now, name, verdict);
            }
            (State::Sending, Input::Answer(_, Answer::Sent(sent))) => self.answered(now, sent),
            // What follows a name is nobody's concern, and no answer comes to what was not asked.
            _ => {}
        }
    }

    fn poll(&mut self) -> Output<Question, Event> {
        self.outputs.pop_front().unwrap_or_else(|| {
            Output::Wait(match self.state {
                State::Hearing { first_byte } => {
                    let overdue = first_byte.map(|first| first + HEAD_DEADLINE);
                    overdue.into_iter().chain(self.framer.deadline()).min()
                }
                State::Checking(_) | State::Sending | State::Closed => None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PAUSE;
    use crate::text::framing::Framing;

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    fn drain(server: &mut Server) -> Vec<Output<Question, Event>> {
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

    fn not_found() -> Answer {
        Answer::Sent(Sent::NotFound { note: String::new() })
    }

    fn asked(outputs: &[Output<Question, Event>]) -> Option<String> {
        outputs.iter().find_map(|o| match o {
            Output::Ask(_, Question::SendFile(path)) => Some(path.display()),
            _ => None,
        })
    }

    fn told(outputs: &[Output<Question, Event>]) -> String {
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
            let mut server = Server::default();
            server.handle(at(0), Input::Bytes(name));
            assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/a.txt"), "{name:?}");
        }
    }

    #[test]
    fn bytes_without_a_line_end_are_a_name_after_the_pause() {
        let mut server = Server::default();
        server.handle(at(100), Input::Bytes(b"a.txt"));
        assert_eq!(drain(&mut server), [Output::Wait(Some(at(120)))]);
        server.handle(at(119), Input::Time);
        assert_eq!(asked(&drain(&mut server)), None);
        server.handle(at(120), Input::Time);
        assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/a.txt"));
    }

    #[test]
    fn somebody_who_types_a_byte_at_a_time_is_waited_for_a_second() {
        let mut server = Server::default();
        for (i, byte) in b"a.txt".iter().enumerate() {
            server.handle(at(300 * i as u64), Input::Bytes(&[*byte]));
            server.handle(at(300 * i as u64 + 299), Input::Time);
        }
        assert_eq!(drain(&mut server), [Output::Wait(Some(at(1200 + 1000)))]);
    }

    #[test]
    fn a_name_fed_a_byte_at_a_time_without_end_is_not_waited_for() {
        let mut server = Server::default();
        for i in 0..100 {
            server.handle(at(500 * i), Input::Bytes(b"x"));
            server.handle(at(500 * i), Input::Time);
        }
        assert_eq!(drain(&mut server), [Output::Close(Fault::Peer), Output::Wait(None)]);
    }

    #[test]
    fn the_end_of_input_ends_the_name() {
        let mut server = Server::default();
        server.handle(at(0), Input::Bytes(b"a.txt"));
        server.handle(at(1), Input::End);
        assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/a.txt"));
    }

    #[test]
    fn a_peer_that_says_nothing_and_ends_is_just_closed() {
        let mut server = Server::default();
        server.handle(at(0), Input::End);
        assert_eq!(drain(&mut server), [Output::Close(Fault::Nobody), Output::Wait(None)]);
    }

    #[test]
    fn a_missing_file_is_told_in_kind_and_closed() {
        for (name, text) in
            [(&b"no\n"[..], "Error: File not found\n"), (b"no", "Error: File not found")]
        {
            let mut server = Server::default();
            server.handle(at(0), Input::Bytes(name));
            server.handle(at(1), Input::End);
            drain(&mut server);
            server.handle(at(2), Input::Answer(Ticket(0), not_found()));
            let outputs = drain(&mut server);
            assert_eq!(told(&outputs), text);
            assert!(outputs.contains(&Output::Close(Fault::Refused)));
        }
    }

    #[test]
    fn names_that_lead_out_are_not_found() {
        for name in [&b"../etc/passwd\n"[..], b"a/../../b\n", b"\n", b"/\n", b"a\0b\n"] {
            let mut server = Server::default();
            server.handle(at(0), Input::Bytes(name));
            assert_eq!(told(&drain(&mut server)), "Error: File not found\n", "{name:?}");
        }
    }

    #[test]
    fn a_name_that_never_ends_is_refused_and_bounded() {
        let mut server = Server::default();
        for _ in 0..100 {
            server.handle(at(0), Input::Bytes(&[b'x'; 10_000]));
        }
        let outputs = drain(&mut server);
        assert_eq!(told(&outputs), "error: message longer than 65536 bytes");
        assert_eq!(server.state, State::Closed);
    }

    #[test]
    fn a_name_need_not_be_utf8() {
        let mut server = Server::default();
        server.handle(at(0), Input::Bytes(b"caf\xe9.txt\n"));
        let outputs = drain(&mut server);
        assert!(outputs.contains(&Output::Happened(Event::Asked {
            name: b"caf\xe9.txt".to_vec(),
            key_bytes: 0
        })));
        let asked = outputs.iter().any(|output| matches!(output, Output::Ask(..)));
        assert!(asked, "{outputs:?}");
    }

    #[test]
    fn a_refusal_is_ended_as_the_framing_says() {
        let mut server = Server::new(Framer::new(Framing::Line, PAUSE));
        server.handle(at(0), Input::Bytes(b"none"));
        assert_eq!(drain(&mut server), [Output::Wait(Some(at(10_000)))], "no pause ends it");
        server.handle(at(1), Input::End);
        assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/none"));
        server.handle(at(2), Input::Answer(Ticket(0), not_found()));
        assert_eq!(told(&drain(&mut server)), "Error: File not found\n");
    }

    #[test]
    fn an_http_request_shows_when_its_line_is_whole() {
        let mut server = Server::default();
        server.handle(at(0), Input::Bytes(b"GET /a.txt HTTP/1."));
        assert_eq!(drain(&mut server), [Output::Wait(Some(at(20)))]);
        server.handle(at(10), Input::Bytes(b"1\r\n"));
        let foreign = Output::Happened(Event::ForeignProtocol("an HTTP request"));
        let closed = [foreign, Output::Close(Fault::Peer), Output::Wait(None)];
        assert_eq!(drain(&mut server), closed);
        let mut server = Server::default();
        server.handle(at(0), Input::Bytes(b"GET /a.txt\n"));
        assert_eq!(asked(&drain(&mut server)).as_deref(), Some("/GET /a.txt"), "a name like any");
    }

    #[test]
    fn a_browser_or_a_tls_client_is_closed_without_a_word() {
        for opening in
            [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", b"\xfe1"]
        {
            let mut server = Server::default();
            server.handle(at(0), Input::Bytes(opening));
            let outputs = drain(&mut server);
            assert!(outputs.contains(&Output::Close(Fault::Peer)), "{outputs:?}");
            assert_eq!(told(&outputs), "");
        }
    }

    #[test]
    fn what_is_said_after_the_name_changes_nothing() {
        let mut server = Server::default();
        server.handle(at(0), Input::Bytes(b"a\n"));
        drain(&mut server);
        server.handle(at(1), Input::Bytes(b"b\n"));
        server.handle(at(1), Input::End);
        server.handle(at(2), Input::Answer(Ticket(0), Answer::Sent(Sent::Whole { bytes: 3 })));
        assert!(drain(&mut server).ends_with(&[Output::Close(Fault::Nobody), Output::Wait(None)]));
    }

    /// What a server that wants a key comes to, and the names that it shows.
    fn keyed(name: &str) -> (Option<String>, String, Vec<String>) {
        use crate::access::{Doorkeeper, Key};
        let mut doorkeeper = Doorkeeper::new(Key::parse("sesame-street").unwrap());
        let ana = "192.0.2.1".parse().unwrap();
        let mut server = Server::default().wanting_key();
        server.handle(at(0), Input::Bytes(name.as_bytes()));
        let mut outputs = drain(&mut server);
        if let Some(Output::Ask(ticket, Question::CheckKey(Said(said)))) = outputs.first() {
            let verdict = doorkeeper.check_if_guess(at(0), ana, said);
            server.handle(at(0), Input::Answer(*ticket, Answer::Checked(verdict)));
            outputs = drain(&mut server);
        }
        let shown = outputs.iter().filter_map(|output| match output {
            Output::Happened(Event::Asked { name, .. }) => {
                Some(String::from_utf8(name.clone()).unwrap())
            }
            _ => None,
        });
        (asked(&outputs), told(&outputs), shown.collect())
    }

    #[test]
    fn a_name_with_the_key_before_it_is_looked_up_without_it() {
        for name in [
            "sesame-street/sub/a.txt\n",
            "/sesame-street/sub/a.txt\r\n",
            "//SESAME-street//sub/a.txt\n",
        ] {
            let (asked, told, shown) = keyed(name);
            assert_eq!((asked.as_deref(), told.as_str()), (Some("/sub/a.txt"), ""), "{name:?}");
            assert!(shown.len() == 1 && !shown[0].contains("sesame"), "{shown:?}");
        }
        for name in ["sesame-street/\n", "sesame-street/../a\n"] {
            assert_eq!(keyed(name).1, "Error: File not found\n", "{name:?}");
        }
    }

    #[test]
    fn a_name_without_the_key_is_told_what_is_wanted_and_is_no_guess() {
        for name in [
            "a.txt\n",
            "sub/a.txt\n",
            "/a.txt\n",
            "\n",
            "//a.txt\n",
            "sesame-streets/a.txt\n",
            "sesame-street\n",
        ] {
            let (asked, told, shown) = keyed(name);
            assert_eq!((asked, told.as_str()), (None, "error: key wanted\n"), "{name:?}");
            assert_eq!(shown, [name.trim_end()]);
        }
    }

    #[test]
    fn a_wrong_key_is_told_so_and_is_not_in_what_is_shown() {
        let (asked, told, shown) = keyed("sesame-stroll/a.txt\n");
        assert_eq!((asked, told.as_str()), (None, "error: wrong key\n"));
        assert_eq!(shown, ["a.txt"]);
    }
}
