//! A [`Speaker`] as a machine over TCP: messages in, answers out, one after the other.
//!
//! Answers leave in the order of the messages. While the speaker waits for a worker's answer, the
//! messages that come meanwhile wait; how many can is bounded by what the driver reads at once,
//! because it stops reading a peer that does not take its answers.

use std::collections::VecDeque;
use std::convert::Infallible;

use super::framing::{FrameError, Framer};
use super::spoken::Spoken;
use super::{Direction, NOT_UTF8, Reply, Speaker};
use crate::access::entrance::TakesOver;
use crate::machine::{Fault, Input, Machine, Output, Tick, Ticket};

/// What a dialogue reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message was heard or said.
    Message {
        /// Which way.
        direction: Direction,
        /// What it was.
        spoken: Spoken,
    },
    /// The peer speaks another protocol, which is named; it is closed without a word.
    Foreign(&'static str),
}

/// The server's side of one conversation.
#[derive(Debug)]
pub struct Dialogue<S: Speaker> {
    speaker: S,
    framer: Framer,
    state: State,
    next_ticket: u64,
    now: Tick,
    outputs: VecDeque<Output<S::Question, Event>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listening,
    /// The speaker waits for a worker.
    Asking(Ticket),
    Closed,
}

impl<S: Speaker> Dialogue<S> {
    /// A conversation that has just begun.
    pub fn new(speaker: S, framer: Framer) -> Self {
        Self {
            speaker,
            framer,
            state: State::Listening,
            next_ticket: 0,
            now: Tick::START,
            outputs: VecDeque::new(),
        }
    }

    /// The service itself.
    pub fn speaker(&self) -> &S {
        &self.speaker
    }

    /// Hears the next message, if there is one; what comes of it is among the outputs.
    fn advance(&mut self) {
        match self.framer.next_message() {
            Some(Ok(message)) => self.hear(message),
            Some(Err(FrameError::Foreign(protocol))) => {
                self.outputs.push_back(Output::Happened(Event::Foreign(protocol)));
                self.close(Fault::Peer);
            }
            Some(Err(error @ FrameError::TooLong)) => {
                self.say(&error.to_string());
                self.close(Fault::Peer);
            }
            None if self.framer.has_ended() => self.close(Fault::Nobody),
            None => {}
        }
    }

    fn hear(&mut self, message: Vec<u8>) {
        let reply = match std::str::from_utf8(&message) {
            Ok(text) => self.speaker.hear(text),
            Err(_) => Reply::Say(NOT_UTF8.into()),
        };
        let ending = self.framer.last_ending();
        self.report(Direction::In, Spoken::new(message, ending));
        self.obey(reply);
    }

    fn obey(&mut self, reply: Reply<S::Question>) {
        match reply {
            Reply::Say(text) => self.say(&text),
            Reply::Nothing => {}
            Reply::Ask(question) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.state = State::Asking(ticket);
                self.outputs.push_back(Output::Ask(ticket, question));
            }
            Reply::End => self.close(Fault::Nobody),
        }
    }

    fn say(&mut self, text: &str) {
        let spoken = self.framer.speak(self.now, text.as_bytes());
        self.outputs.push_back(Output::Transmit(spoken.wire().to_vec()));
        self.report(Direction::Out, spoken);
    }

    fn report(&mut self, direction: Direction, spoken: Spoken) {
        self.outputs.push_back(Output::Happened(Event::Message { direction, spoken }));
    }

    fn close(&mut self, fault: Fault) {
        self.state = State::Closed;
        self.outputs.push_back(Output::Close(fault));
    }
}

impl<S: Speaker> Machine for Dialogue<S> {
    type Question = S::Question;
    type Answer = S::Answer;
    type Event = Event;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, S::Answer>) {
        self.now = now;
        if self.state == State::Closed {
            return;
        }
        match input {
            Input::Bytes(bytes) => self.framer.hear(now, bytes),
            Input::End => self.framer.end(),
            Input::Time => self.framer.time(now),
            Input::Told(never) => match *never {},
            Input::Answer(ticket, answer) => {
                if self.state == State::Asking(ticket) {
                    self.state = State::Listening;
                    let reply = self.speaker.learn(answer);
                    self.obey(reply);
                }
            }
        }
    }

    fn poll(&mut self) -> Output<S::Question, Event> {
        // One message at a time, so that what comes of many in one read is never held at once.
        if self.outputs.is_empty() && self.state == State::Listening {
            self.advance();
        }
        self.outputs.pop_front().unwrap_or_else(|| {
            Output::Wait(self.framer.deadline().filter(|_| self.state != State::Closed))
        })
    }
}

impl<S: Speaker> TakesOver for Dialogue<S> {
    fn take_over(&mut self, now: Tick, framer: Framer) {
        (self.now, self.framer) = (now, framer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repeats; asks about what begins with a question mark; ends at `q`.
    struct Parrot;

    impl Speaker for Parrot {
        type Question = String;
        type Answer = String;

        fn hear(&mut self, message: &str) -> Reply<String> {
            match message {
                "q" => Reply::End,
                "" => Reply::Nothing,
                _ if message.starts_with('?') => Reply::Ask(message.into()),
                _ => Reply::Say(message.into()),
            }
        }

        fn learn(&mut self, answer: String) -> Reply<String> {
            Reply::Say(answer)
        }

        fn meaning(_: &str, _: Direction) -> String {
            String::new()
        }
    }

    fn parrot() -> Dialogue<Parrot> {
        Dialogue::new(Parrot, Framer::default())
    }

    fn said(machine: &mut Dialogue<Parrot>) -> (String, Option<Ticket>, Option<Fault>) {
        let (mut text, mut ticket, mut fault) = (String::new(), None, None);
        loop {
            match machine.poll() {
                Output::Transmit(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::Ask(asked, _) => ticket = Some(asked),
                Output::Close(closed) => fault = Some(closed),
                Output::Happened(_) => {}
                Output::Tell(never) => match never {},
                Output::Wait(_) => return (text, ticket, fault),
            }
        }
    }

    #[test]
    fn answers_leave_in_the_order_of_the_messages_also_past_one_that_waits() {
        let mut machine = parrot();
        machine.handle(Tick::START, Input::Bytes(b"a\n?\nb\n?\nc\n"));
        let (text, first, _) = said(&mut machine);
        assert_eq!(text, "a\n");
        machine.handle(Tick::START, Input::Bytes(b"d\n"));
        machine.handle(Tick::START, Input::Answer(first.unwrap(), "A".into()));
        let (text, second, _) = said(&mut machine);
        assert_eq!(text, "A\nb\n");
        machine.handle(Tick::START, Input::Answer(first.unwrap(), "old".into()));
        assert_eq!(said(&mut machine).0, "", "an answer counts once");
        machine.handle(Tick::START, Input::Answer(second.unwrap(), "B".into()));
        assert_eq!(said(&mut machine).0, "B\nc\nd\n");
    }

    #[test]
    fn a_flood_of_short_messages_is_answered_one_by_one() {
        let mut machine = parrot();
        machine.handle(Tick::START, Input::Bytes(&b"x\n".repeat(8_192)));
        assert_eq!(said(&mut machine).0.len(), 2 * 8_192);
        assert!(machine.outputs.capacity() < 100, "{}", machine.outputs.capacity());
    }

    #[test]
    fn what_stands_at_the_end_is_answered_and_then_the_conversation_closes() {
        let mut machine = parrot();
        machine.handle(Tick::START, Input::Bytes(b"?x"));
        machine.handle(Tick::START, Input::End);
        let (text, ticket, fault) = said(&mut machine);
        assert_eq!((text.as_str(), fault), ("", None));
        machine.handle(Tick::START, Input::Answer(ticket.unwrap(), "X".into()));
        assert_eq!(said(&mut machine), ("X".into(), None, Some(Fault::Nobody)));
    }

    #[test]
    fn a_message_that_is_not_utf8_is_told_and_the_session_goes_on() {
        let mut machine = parrot();
        machine.handle(Tick::START, Input::Bytes(b"\xff\nok\n"));
        assert_eq!(said(&mut machine), ("error: not UTF-8\nok\n".into(), None, None));
    }

    #[test]
    fn a_message_that_is_too_long_is_told_and_closes() {
        let mut machine = parrot();
        machine.handle(Tick::START, Input::Bytes(b"a\n"));
        said(&mut machine);
        machine.handle(Tick::START, Input::Bytes(&vec![b'x'; 70_000]));
        let told = "error: message longer than 65536 bytes\n".to_owned();
        assert_eq!(said(&mut machine), (told, None, Some(Fault::Peer)));
    }

    #[test]
    fn another_protocol_is_closed_without_a_word() {
        let mut machine = parrot();
        machine.handle(Tick::START, Input::Bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(said(&mut machine), (String::new(), None, Some(Fault::Peer)));
    }

    #[test]
    fn nothing_is_heard_after_the_end() {
        let mut machine = parrot();
        machine.handle(Tick::START, Input::Bytes(b"q\na\n"));
        assert_eq!(said(&mut machine), (String::new(), None, Some(Fault::Nobody)));
        machine.handle(Tick::START, Input::Bytes(b"b\n"));
        assert_eq!(said(&mut machine), (String::new(), None, None));
    }
}
