//! The caller's side of the text wires over TCP.
//!
//! It speaks as beginners' servers expect it: one write a message, no line end, and a pause between
//! two that nothing was heard between, so that a server's one `recv` brings one message. Once a
//! message from the server has ended in a line end, or if it was told to, it sends lines.
//!
//! What the server sends is a message at each line end, and what has stood for a pause is one too:
//! an answer of several lines to a pause peer has no end at its last. The rule for typing by hand
//! has no place here: a server's `7` is a whole answer.

use std::collections::VecDeque;
use std::convert::Infallible;

use thiserror::Error;

use super::spoken::{Ending, Spoken};
use crate::limits::{
    CLIENT_GAP, CLIENT_HALF_CLOSE, CLIENT_LAST_WORD, CLIENT_LINE_PAUSE, CLIENT_QUEUE_MAX_BYTES,
    MESSAGE_MAX_BYTES, PAUSE,
};
use crate::machine::{Fault, Input, Machine, Output, Tick};

/// What a client reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message was said.
    Said(Spoken),
    /// A message from the server.
    Heard(Spoken),
    /// The server sent more than [`MESSAGE_MAX_BYTES`] without an end; the conversation is over.
    TooLong,
    /// The server ended the conversation.
    Ended,
}

/// Why a message cannot be said.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unsayable {
    /// It is longer than [`MESSAGE_MAX_BYTES`].
    #[error("a message has at most 65536 bytes")]
    TooLong,
    /// It is longer than a datagram can be.
    #[error("a datagram has at most 65507 bytes; try tcp")]
    TooLongForDatagram,
    /// It is empty, which without line ends is nothing at all.
    #[error("an empty message can only be sent as a line; try --lines")]
    Empty,
    /// [`CLIENT_QUEUE_MAX_BYTES`] wait to be said already.
    #[error("too much waits to be sent")]
    Full,
    /// The conversation is over, or was told to finish.
    #[error("the conversation is over")]
    Over,
}

/// One conversation, seen by the caller.
///
/// ```
/// use sockeye_proto::machine::{Input, Machine, Output, Tick};
/// use sockeye_proto::text::client::{Client, Event};
/// use std::time::Duration;
///
/// let mut client = Client::new(false);
/// client.say(Tick::START, b"12 + 42")?;
/// assert_eq!(client.poll(), Output::Transmit(b"12 + 42".to_vec()));
/// # client.poll();
/// client.handle(Tick::START, Input::Bytes(b"54"));
/// let soon = Tick::START + Duration::from_millis(20);
/// assert_eq!(client.poll(), Output::Wait(Some(soon)));
/// client.handle(soon, Input::Time);
/// let Output::Happened(Event::Heard(answer)) = client.poll() else { panic!("it is a message") };
/// assert_eq!(answer.text(), b"54");
/// # Ok::<(), sockeye_proto::text::client::Unsayable>(())
/// ```
#[derive(Debug)]
pub struct Client {
    state: State,
    now: Tick,
    manner: Manner,
    heard: Vec<u8>,
    first_byte: Tick,
    last_byte: Tick,
    /// The message before was ended by a pause: a line end that comes now is its end, or stands
    /// before the next so that the two do not run together.
    was_pause: bool,
    to_say: VecDeque<Vec<u8>>,
    to_say_bytes: usize,
    last_said: Option<Tick>,
    /// Something was heard since.
    is_answered: bool,
    outputs: VecDeque<Output<Infallible, Event>>,
}

/// How messages are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// By pauses, both ways.
    Pauses,
    /// Ours by line ends, as was asked for; the server has shown no line end yet.
    OursByLines,
    /// By line ends: a message from the server has ended in one.
    Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Talking,
    /// It closes after its last word.
    Finishing,
    Closed,
}

impl Client {
    /// A conversation that has just begun. With `lines`, it sends lines from the start.
    pub fn new(lines: bool) -> Self {
        Self {
            state: State::Talking,
            now: Tick::START,
            manner: if lines { Manner::OursByLines } else { Manner::Pauses },
            heard: Vec::new(),
            first_byte: Tick::START,
            last_byte: Tick::START,
            was_pause: false,
            to_say: VecDeque::new(),
            to_say_bytes: 0,
            last_said: None,
            is_answered: false,
            outputs: VecDeque::new(),
        }
    }

    /// Says a message, as it stands: at once, or as soon as it is told apart from the one before.
    pub fn say(&mut self, now: Tick, message: &[u8]) -> Result<(), Unsayable> {
        if self.state != State::Talking {
            return Err(Unsayable::Over);
        } else if message.len() > MESSAGE_MAX_BYTES {
            return Err(Unsayable::TooLong);
        } else if message.is_empty() && self.manner == Manner::Pauses {
            return Err(Unsayable::Empty);
        } else if self.to_say_bytes + message.len() + 1 > CLIENT_QUEUE_MAX_BYTES {
            return Err(Unsayable::Full);
        }
        self.now = now;
        // An empty message counts too, or there would be no end of them.
        self.to_say_bytes += message.len() + 1;
        self.to_say.push_back(message.to_vec());
        self.advance();
        Ok(())
    }

    /// Says no more: closes at once if its last word was answered, else when the server does, and
    /// at the latest [`CLIENT_LAST_WORD`] after that word.
    pub fn finish(&mut self, now: Tick) {
        if self.state != State::Talking {
            return;
        }
        self.now = now;
        self.state = State::Finishing;
        if self.to_say.is_empty() && (self.is_answered || self.last_said.is_none()) {
            self.close(Fault::Nobody);
        } else {
            self.advance();
        }
    }

    /// When the sending side may be ended, so that the server sees that nothing more will come: at
    /// once when the last word is answered, else [`CLIENT_HALF_CLOSE`] after it, for a server that
    /// still waits for its end. `None` while it was not told to finish or has more to say.
    pub fn half_close(&self) -> Option<Tick> {
        let is_said = self.state == State::Finishing && self.to_say.is_empty();
        let last = self.last_said.filter(|_| is_said)?;
        Some(if self.is_answered { last } else { last + CLIENT_HALF_CLOSE })
    }

    /// Whether it ends its messages by line ends.
    pub fn says_lines(&self) -> bool {
        self.manner != Manner::Pauses
    }

    /// Messages that wait to be said.
    pub fn waiting(&self) -> usize {
        self.to_say.len()
    }

    /// Says what may be said now, and closes if that is due.
    fn advance(&mut self) {
        while self.state != State::Closed
            && self.next_say().is_some_and(|due| due <= self.now)
            && let Some(message) = self.to_say.pop_front()
        {
            self.transmit(message);
        }
        if self.state == State::Finishing && self.last_word().is_some_and(|due| due <= self.now) {
            self.close(Fault::Nobody);
        }
    }

    fn transmit(&mut self, message: Vec<u8>) {
        self.to_say_bytes -= message.len() + 1;
        let ending = if self.manner == Manner::Pauses { Ending::Pause } else { Ending::Lf };
        let said = Spoken::new(message, ending);
        self.outputs.push_back(Output::Transmit(said.wire().to_vec()));
        self.outputs.push_back(Output::Happened(Event::Said(said)));
        self.last_said = Some(self.now);
        self.is_answered = false;
    }

    fn hear(&mut self, bytes: &[u8]) {
        let searched = self.heard.len();
        if searched == 0 {
            self.first_byte = self.now;
        }
        self.heard.extend_from_slice(bytes);
        self.last_byte = self.now;
        let heard = std::mem::take(&mut self.heard);
        let (mut begin, mut search) = (0, searched);
        while let Some(found) = heard[search..].iter().position(|&b| b == b'\n') {
            let end = search + found;
            let (line, ending) = match &heard[begin..end] {
                [line @ .., b'\r'] => (line, Ending::CrLf),
                line => (line, Ending::Lf),
            };
            (begin, search) = (end + 1, end + 1);
            let is_end_of_last = std::mem::take(&mut self.was_pause) && line.is_empty();
            if !is_end_of_last && !self.take(line.to_vec(), ending) {
                return;
            }
            self.first_byte = self.now;
        }
        if begin == heard.len() {
            // A line end inside an answer has something after it; this one ends a message.
            self.manner = Manner::Lines;
        }
        // A carriage return may still turn out to belong to a line end.
        if heard.len() - begin > MESSAGE_MAX_BYTES + usize::from(heard.ends_with(b"\r")) {
            return self.fail();
        }
        self.heard = heard;
        self.heard.drain(..begin);
    }

    /// What stands is a message, ended by a pause or by the end.
    fn take_standing(&mut self, ending: Ending) {
        if !self.heard.is_empty() {
            let message = std::mem::take(&mut self.heard);
            self.was_pause = self.take(message, ending);
        }
    }

    /// Reports a message, unless it is too long.
    fn take(&mut self, message: Vec<u8>, ending: Ending) -> bool {
        if message.len() > MESSAGE_MAX_BYTES {
            self.fail();
            return false;
        }
        // What began before our last word, or in the read that let us say it, is the answer to one
        // before it.
        self.is_answered |= self.last_said.is_none_or(|last| self.first_byte > last);
        self.outputs.push_back(Output::Happened(Event::Heard(Spoken::new(message, ending))));
        true
    }

    fn fail(&mut self) {
        self.outputs.push_back(Output::Happened(Event::TooLong));
        self.outputs.push_back(Output::Close(Fault::Peer));
        self.state = State::Closed;
    }

    fn close(&mut self, fault: Fault) {
        self.take_standing(Ending::Pause);
        if self.state != State::Closed {
            self.outputs.push_back(Output::Close(fault));
            self.state = State::Closed;
        }
    }

    /// When the next message may be said; `None` if none waits.
    fn next_say(&self) -> Option<Tick> {
        let is_apart = self.manner != Manner::Pauses || self.is_answered;
        let due = match self.last_said {
            Some(last) if !is_apart => last + CLIENT_GAP,
            _ => Tick::START,
        };
        (!self.to_say.is_empty()).then_some(due)
    }

    /// When it closes; `None` while it was not told to or has more to say.
    fn last_word(&self) -> Option<Tick> {
        (self.state == State::Finishing && self.to_say.is_empty())
            .then(|| self.last_said.map_or(Tick::START, |last| last + CLIENT_LAST_WORD))
    }

    /// When what stands becomes a message.
    fn pause_ends(&self) -> Option<Tick> {
        let pause = if self.manner == Manner::Lines { CLIENT_LINE_PAUSE } else { PAUSE };
        (!self.heard.is_empty()).then(|| self.last_byte + pause)
    }
}

impl Machine for Client {
    type Question = Infallible;
    type Answer = Infallible;
    type Event = Event;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, Infallible>) {
        if self.state == State::Closed {
            return;
        }
        self.now = now;
        match input {
            Input::Bytes(b"") => {}
            Input::Bytes(bytes) => self.hear(bytes),
            Input::End => {
                self.take_standing(Ending::End);
                self.outputs.push_back(Output::Happened(Event::Ended));
                self.close(Fault::Nobody);
            }
            Input::Time => {
                if self.pause_ends().is_some_and(|due| due <= now) {
                    self.take_standing(Ending::Pause);
                }
            }
            Input::Answer(_, never) => match never {},
            Input::Told(never) => match *never {},
        }
        self.advance();
    }

    fn poll(&mut self) -> Output<Infallible, Event> {
        self.outputs.pop_front().unwrap_or_else(|| {
            let half_close = self.half_close().filter(|due| *due > self.now);
            let deadlines = [self.pause_ends(), self.next_say(), self.last_word(), half_close];
            let soonest = deadlines.into_iter().flatten().min();
            Output::Wait(soonest.filter(|_| self.state != State::Closed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    #[derive(Debug, Default, PartialEq)]
    struct Drained {
        sent: Vec<String>,
        heard: Vec<String>,
        others: Vec<Event>,
        closed: Option<Fault>,
        until: Option<Tick>,
    }

    fn drain(client: &mut Client) -> Drained {
        let mut all = Drained::default();
        loop {
            match client.poll() {
                Output::Transmit(bytes) => all.sent.push(String::from_utf8(bytes).unwrap()),
                Output::Happened(Event::Heard(bytes)) => {
                    all.heard.push(String::from_utf8(bytes.into_text()).unwrap());
                }
                Output::Happened(Event::Said(_)) => {}
                Output::Happened(event) => all.others.push(event),
                Output::Close(fault) => all.closed = Some(fault),
                Output::Ask(_, never) | Output::Tell(never) => match never {},
                Output::Wait(until) => return Drained { until, ..all },
            }
        }
    }

    fn hear(client: &mut Client, ms: u64, bytes: &str) -> Vec<String> {
        client.handle(at(ms), Input::Bytes(bytes.as_bytes()));
        drain(client).heard
    }

    fn wake(client: &mut Client, ms: u64) -> Drained {
        client.handle(at(ms), Input::Time);
        drain(client)
    }

    fn say(client: &mut Client, ms: u64, message: &str) -> Vec<String> {
        client.say(at(ms), message.as_bytes()).unwrap();
        drain(client).sent
    }

    #[test]
    fn it_waits_for_no_greeting_and_sends_what_was_typed_as_typed() {
        let mut client = Client::new(false);
        assert_eq!(say(&mut client, 0, "  12 + 42 "), ["  12 + 42 "]);
    }

    #[test]
    fn two_messages_are_100_ms_apart_unless_an_answer_came_between() {
        let mut client = Client::new(false);
        assert_eq!(say(&mut client, 0, "a"), ["a"]);
        assert_eq!(say(&mut client, 10, "b"), [""; 0]);
        assert_eq!(say(&mut client, 10, "c"), [""; 0]);
        assert_eq!(wake(&mut client, 99).until, Some(at(100)));
        assert_eq!(wake(&mut client, 100).sent, ["b"]);
        assert_eq!(hear(&mut client, 110, "7"), [""; 0]);
        let drained = wake(&mut client, 130);
        assert_eq!((drained.heard, drained.sent), (vec!["7".to_owned()], vec!["c".to_owned()]));
        assert_eq!(say(&mut client, 131, "d"), [""; 0], "that answer was for c's forerunner");
        assert_eq!(wake(&mut client, 230).sent, ["d"]);
    }

    #[test]
    fn one_byte_of_an_answer_stands_for_20_ms_and_no_longer() {
        let mut client = Client::new(false);
        client.handle(at(0), Input::Bytes(b"7"));
        assert_eq!(drain(&mut client).until, Some(at(20)));
        assert_eq!(wake(&mut client, 20).heard, ["7"]);
    }

    #[test]
    fn once_a_message_from_the_server_has_ended_in_a_line_end_it_sends_lines() {
        let mut client = Client::new(false);
        assert_eq!(say(&mut client, 0, "a"), ["a"]);
        assert_eq!(hear(&mut client, 1, "one\r\n"), ["one"], "at once");
        assert_eq!(say(&mut client, 2, "b"), ["b\n"]);
        assert_eq!(say(&mut client, 2, "c"), ["c\n"], "lines need no gap");
        assert_eq!(say(&mut client, 2, ""), ["\n"]);
    }

    #[test]
    fn messages_that_wait_for_their_gap_leave_as_lines_once_it_sends_lines() {
        let mut client = Client::new(false);
        for message in ["a", "b", "c"] {
            client.say(at(0), message.as_bytes()).unwrap();
        }
        assert_eq!(drain(&mut client).sent, ["a"]);
        client.handle(at(5), Input::Bytes(b"hello\n"));
        assert_eq!(drain(&mut client).sent, ["b\n", "c\n"]);
    }

    #[test]
    fn with_lines_it_sends_lines_from_the_start() {
        let mut client = Client::new(true);
        assert_eq!(say(&mut client, 0, "a"), ["a\n"]);
        assert_eq!(say(&mut client, 0, "b"), ["b\n"]);
    }

    #[test]
    fn a_line_end_inside_an_answer_makes_no_line_server() {
        let mut client = Client::new(false);
        assert_eq!(say(&mut client, 0, "GET"), ["GET"]);
        assert_eq!(hear(&mut client, 1, "1 x\n2 y\nEND"), ["1 x", "2 y"]);
        assert_eq!(wake(&mut client, 21).heard, ["END"]);
        assert_eq!(say(&mut client, 22, "GET"), ["GET"]);
    }

    #[test]
    fn a_line_end_before_a_message_that_parts_it_from_the_last_is_no_message() {
        let mut client = Client::new(false);
        hear(&mut client, 0, "a");
        assert_eq!(wake(&mut client, 20).heard, ["a"]);
        assert_eq!(hear(&mut client, 30, "\nb"), [""; 0]);
        assert_eq!(wake(&mut client, 50).heard, ["b"]);
        assert_eq!(say(&mut client, 60, "x"), ["x"], "and the server is no line server for it");
        assert_eq!(hear(&mut client, 70, "\n\nc\n"), ["", "c"], "but an empty line is one");
    }

    #[test]
    fn the_line_end_that_comes_late_belongs_to_the_message_before() {
        let mut client = Client::new(false);
        hear(&mut client, 0, "a");
        assert_eq!(wake(&mut client, 20).heard, ["a"]);
        assert_eq!(hear(&mut client, 30, "\n"), [""; 0]);
        assert_eq!(say(&mut client, 40, "x"), ["x\n"]);
    }

    #[test]
    fn a_line_server_may_stop_inside_a_line_for_longer_but_not_for_good() {
        let mut client = Client::new(false);
        assert_eq!(hear(&mut client, 0, "Welcome\n"), ["Welcome"]);
        client.handle(at(10), Input::Bytes(b"5"));
        assert_eq!(drain(&mut client).until, Some(at(260)));
        assert_eq!(hear(&mut client, 259, "4\n"), ["54"]);
        hear(&mut client, 300, "55");
        assert_eq!(wake(&mut client, 550).heard, ["55"]);
    }

    #[test]
    fn what_stands_when_the_server_ends_is_heard() {
        let mut client = Client::new(false);
        client.handle(at(0), Input::Bytes(b"a\nb"));
        client.handle(at(1), Input::End);
        let drained = drain(&mut client);
        assert_eq!(drained.heard, ["a", "b"]);
        assert_eq!((drained.others, drained.closed), (vec![Event::Ended], Some(Fault::Nobody)));
        assert_eq!(drained.until, None);
        assert_eq!(client.say(at(2), "x".as_bytes()), Err(Unsayable::Over));
    }

    #[test]
    fn it_closes_at_once_when_its_last_word_was_answered() {
        let mut client = Client::new(false);
        say(&mut client, 0, "1 + 1");
        hear(&mut client, 1, "2\n");
        client.finish(at(1));
        assert_eq!(drain(&mut client).closed, Some(Fault::Nobody));
        let mut silent = Client::new(false);
        silent.finish(at(1));
        assert_eq!(drain(&mut silent).closed, Some(Fault::Nobody), "it never said a word");
    }

    #[test]
    fn it_closes_within_a_second_of_its_own_last_word() {
        let mut client = Client::new(false);
        client.say(at(0), "a".as_bytes()).unwrap();
        client.say(at(0), "Good Bye".as_bytes()).unwrap();
        client.finish(at(10));
        assert_eq!(client.say(at(10), "b".as_bytes()), Err(Unsayable::Over));
        assert_eq!(drain(&mut client).sent, ["a"]);
        assert_eq!(wake(&mut client, 100).sent, ["Good Bye"], "what waits is still said");
        assert_eq!(hear(&mut client, 500, "not yet\n"), ["not yet"]);
        assert_eq!(wake(&mut client, 1099).closed, None);
        let drained = wake(&mut client, 1100);
        assert_eq!((drained.closed, drained.until), (Some(Fault::Nobody), None));
        assert_eq!(hear(&mut client, 1101, "late\n"), [""; 0]);
    }

    #[test]
    fn its_side_may_be_ended_when_its_last_word_is_answered_or_for_half_a_second_is_not() {
        let mut client = Client::new(true);
        say(&mut client, 0, "a");
        assert_eq!(client.half_close(), None, "it may say more");
        client.finish(at(0));
        assert_eq!(client.half_close(), Some(at(500)));
        assert_eq!(wake(&mut client, 0).until, Some(at(500)), "and wants to be woken for it");
        assert_eq!(hear(&mut client, 1, "one\n"), ["one"]);
        assert_eq!(client.half_close(), Some(at(0)));
        assert_eq!(hear(&mut client, 2, "two\n"), ["two"]);
        client.handle(at(3), Input::End);
        assert_eq!(drain(&mut client).closed, Some(Fault::Nobody));
    }

    #[test]
    fn what_stands_when_it_closes_is_heard() {
        let mut client = Client::new(false);
        say(&mut client, 0, "q");
        client.finish(at(0));
        hear(&mut client, 995, "bye");
        let drained = wake(&mut client, 1000);
        assert_eq!((drained.heard, drained.closed), (vec!["bye".to_owned()], Some(Fault::Nobody)));
    }

    #[test]
    fn a_message_without_end_is_too_long() {
        let longest = "x".repeat(MESSAGE_MAX_BYTES);
        let mut client = Client::new(false);
        assert_eq!(hear(&mut client, 0, &format!("{longest}\r\n")), [longest.as_str()]);
        hear(&mut client, 0, &longest);
        hear(&mut client, 0, "\r");
        assert_eq!(hear(&mut client, 0, "\n"), [longest.as_str()]);
        for too_long in [format!("{longest}x"), format!("{longest}x\n")] {
            let mut client = Client::new(false);
            client.handle(at(0), Input::Bytes(too_long.as_bytes()));
            let drained = drain(&mut client);
            assert_eq!((drained.others, drained.closed), (vec![Event::TooLong], Some(Fault::Peer)));
            assert!(client.heard.is_empty(), "and nothing is kept");
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let mut client = Client::new(false);
        assert_eq!(client.say(at(0), "".as_bytes()), Err(Unsayable::Empty));
        let longest = "x".repeat(MESSAGE_MAX_BYTES);
        assert_eq!(client.say(at(0), format!("{longest}x").as_bytes()), Err(Unsayable::TooLong));
        let said = (0..100).take_while(|_| client.say(at(0), longest.as_bytes()).is_ok()).count();
        assert_eq!(said, CLIENT_QUEUE_MAX_BYTES / MESSAGE_MAX_BYTES, "one left at once");
        assert_eq!(client.say(at(0), longest.as_bytes()), Err(Unsayable::Full));
        assert_eq!(client.waiting(), said - 1);
    }
}
