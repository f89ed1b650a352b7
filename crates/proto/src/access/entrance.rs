//! The key on the text wires over TCP: an [`Entrance`] stands before a machine, and lets nothing
//! through to it until the key was said.
//!
//! The first message is `KEY k`, and the answer to the right one is `OK`; from then on the
//! conversation is the machine's. What is said before is answered `error: key wanted`, a wrong key
//! `error: wrong key`, and the key may still follow. Messages are told apart by the [`Framer`] that
//! the machine then goes on with, so that nothing is lost of what stands behind the key in the same
//! read. Where no key is wanted, there is no entrance, and `KEY k` is a message like any.

use std::collections::VecDeque;
use std::convert::Infallible;

use super::{KEY_WANTED, Verdict, key_said};
use crate::machine::{Fault, Input, Machine, Output, Tick, Ticket};
use crate::text::Direction;
use crate::text::dialogue::Event as Phase;
use crate::text::framing::{FrameError, Framer};
use crate::text::spoken::Spoken;

/// A machine that can go on with a conversation that somebody else began.
pub trait TakesOver: Machine<Tell = Infallible, Told = Infallible> {
    /// The conversation is its own from now on. What was heard and not yet taken is in the framer,
    /// and so is whether the peer has ended its side. It has been told nothing before.
    fn take_over(&mut self, now: Tick, framer: Framer);
}

/// What is asked of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question<Q> {
    /// Whether this is the key.
    Check(Said),
    /// What the machine behind asks.
    Inner(Q),
}

/// A key that was said, right or wrong. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Said(pub Vec<u8>);

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Said(..)")
    }
}

/// What they bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<A> {
    /// What the doorkeeper says to the key.
    Checked(Verdict),
    /// To what the machine behind asked.
    Inner(A),
}

/// What is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<E> {
    /// What happens before the machine behind has its turn. The key is in it as it was said: who
    /// shows it, hides that.
    Outside(Phase),
    /// What the machine behind reports.
    Inner(E),
}

/// The server's side of a conversation that begins with the key.
///
/// ```
/// use sockeye_proto::access::Verdict;
/// use sockeye_proto::access::entrance::{Answer, Entrance, Question};
/// use sockeye_proto::echo::Echo;
/// use sockeye_proto::machine::{Input, Machine, Output, Tick};
/// use sockeye_proto::text::framing::Framer;
///
/// let mut echo = Entrance::new(Echo::default(), Framer::default());
/// echo.handle(Tick::START, Input::Bytes(b"KEY sesame-street\nhello"));
/// # assert!(matches!(echo.poll(), Output::Happened(_)));
/// let Output::Ask(ticket, Question::Check(said)) = echo.poll() else { panic!("it asks") };
/// assert_eq!(said.0, b"sesame-street");
/// echo.handle(Tick::START, Input::Answer(ticket, Answer::Checked(Verdict::Right)));
/// assert_eq!(echo.poll(), Output::Transmit(b"OK\n".to_vec()));
/// # assert!(matches!(echo.poll(), Output::Happened(_)));
/// assert_eq!(echo.poll(), Output::Transmit(b"hello".to_vec()));
/// ```
#[derive(Debug)]
pub struct Entrance<M: Machine> {
    inner: M,
    state: State,
    /// How many keys were looked at. The tickets of the machine behind come after theirs, so that none
    /// is used twice.
    checks: u64,
    now: Tick,
    /// Of what is said before the machine behind has its turn.
    outputs: VecDeque<Output<Said, Phase>>,
}

type Says<M> = Output<Question<<M as Machine>::Question>, Event<<M as Machine>::Event>>;

#[derive(Debug)]
enum State {
    /// The key was not said yet.
    Outside(Framer),
    /// A key was said, and the doorkeeper looks at it.
    Checking(Framer, Ticket),
    /// The machine behind has the conversation.
    Inside,
    Closed,
}

impl<M: TakesOver> Entrance<M> {
    /// An entrance to a machine that was told nothing yet. Until it has its turn, this framer tells
    /// messages apart; then it is the machine's.
    pub fn new(inner: M, framer: Framer) -> Self {
        Self {
            inner,
            state: State::Outside(framer),
            checks: 0,
            now: Tick::START,
            outputs: VecDeque::new(),
        }
    }

    /// Hears the next message, if there is one; what comes of it is among the outputs.
    fn advance(&mut self, mut framer: Framer) {
        match framer.next_message() {
            Some(Ok(message)) => self.hear(framer, message),
            Some(Err(FrameError::Foreign(protocol))) => {
                self.report(Phase::Foreign(protocol));
                self.close(Fault::Peer);
            }
            Some(Err(error @ FrameError::TooLong)) => {
                self.say(&mut framer, &error.to_string());
                self.close(Fault::Peer);
            }
            None if framer.has_ended() => self.close(Fault::Nobody),
            None => self.state = State::Outside(framer),
        }
    }

    fn hear(&mut self, mut framer: Framer, message: Vec<u8>) {
        let said = key_said(&message).map(|key| Said(key.to_vec()));
        let spoken = Spoken::new(message, framer.last_ending());
        self.report(Phase::Message { direction: Direction::In, spoken });
        self.state = if let Some(said) = said {
            let ticket = Ticket(self.checks);
            self.checks += 1;
            self.outputs.push_back(Output::Ask(ticket, said));
            State::Checking(framer, ticket)
        } else {
            self.say(&mut framer, KEY_WANTED);
            State::Outside(framer)
        };
    }

    fn checked(&mut self, mut framer: Framer, verdict: Verdict) {
        self.say(&mut framer, &verdict.to_string());
        if verdict == Verdict::Right {
            self.state = State::Inside;
            self.inner.take_over(self.now, framer);
        } else {
            self.state = State::Outside(framer);
        }
    }

    fn say(&mut self, framer: &mut Framer, text: &str) {
        let spoken = framer.speak(self.now, text.as_bytes());
        self.outputs.push_back(Output::Transmit(spoken.wire().to_vec()));
        self.report(Phase::Message { direction: Direction::Out, spoken });
    }

    fn report(&mut self, phase: Phase) {
        self.outputs.push_back(Output::Happened(phase));
    }

    fn close(&mut self, fault: Fault) {
        self.state = State::Closed;
        self.outputs.push_back(Output::Close(fault));
    }

    fn handle_outside(&mut self, input: Input<'_, Answer<M::Answer>>) {
        let (State::Outside(framer) | State::Checking(framer, _)) = &mut self.state else { return };
        match input {
            Input::Bytes(bytes) => framer.hear(self.now, bytes),
            Input::End => framer.end(),
            Input::Time => framer.time(self.now),
            Input::Told(never) => match *never {},
            Input::Answer(ticket, Answer::Checked(verdict)) => {
                match std::mem::replace(&mut self.state, State::Closed) {
                    State::Checking(framer, asked) if asked == ticket => {
                        self.checked(framer, verdict);
                    }
                    state => self.state = state,
                }
            }
            // The machine behind has asked nothing yet.
            Input::Answer(_, Answer::Inner(_)) => {}
        }
    }
}

/// The same output with another question and another event.
fn translate<Q, E, R, F>(
    output: Output<Q, E>,
    question: impl FnOnce(Q) -> R,
    event: impl FnOnce(E) -> F,
) -> Output<R, F> {
    match output {
        Output::Transmit(bytes) => Output::Transmit(bytes),
        Output::Ask(ticket, asked) => Output::Ask(ticket, question(asked)),
        Output::Tell(never) => match never {},
        Output::Happened(happened) => Output::Happened(event(happened)),
        Output::Close(fault) => Output::Close(fault),
        Output::Wait(until) => Output::Wait(until),
    }
}

impl<M: TakesOver> Machine for Entrance<M> {
    type Question = Question<M::Question>;
    type Answer = Answer<M::Answer>;
    type Event = Event<M::Event>;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, Answer<M::Answer>>) {
        self.now = now;
        if !matches!(self.state, State::Inside) {
            return self.handle_outside(input);
        }
        match input {
            Input::Bytes(bytes) => self.inner.handle(now, Input::Bytes(bytes)),
            Input::End => self.inner.handle(now, Input::End),
            Input::Time => self.inner.handle(now, Input::Time),
            Input::Told(never) => match *never {},
            Input::Answer(Ticket(number), Answer::Inner(answer)) => {
                let ticket = Ticket(number.saturating_sub(self.checks));
                self.inner.handle(now, Input::Answer(ticket, answer));
            }
            // It counted once.
            Input::Answer(_, Answer::Checked(_)) => {}
        }
    }

    fn poll(&mut self) -> Says<M> {
        // One message at a time, so that what comes of many in one read is never held at once.
        if self.outputs.is_empty() && matches!(self.state, State::Outside(_)) {
            match std::mem::replace(&mut self.state, State::Closed) {
                State::Outside(framer) => self.advance(framer),
                state => self.state = state,
            }
        }
        if let Some(output) = self.outputs.pop_front() {
            return translate(output, Question::Check, Event::Outside);
        }
        match &self.state {
            State::Outside(framer) | State::Checking(framer, _) => Output::Wait(framer.deadline()),
            State::Inside => match translate(self.inner.poll(), Question::Inner, Event::Inner) {
                Output::Ask(Ticket(number), question) => {
                    Output::Ask(Ticket(number + self.checks), question)
                }
                output => output,
            },
            State::Closed => Output::Wait(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Doorkeeper, Key};
    use crate::echo::{Echo, FixedReply};
    use crate::limits::PAUSE;
    use crate::text::dialogue::Dialogue;
    use crate::text::framing::Framing;

    fn at(ms: u64) -> Tick {
        Tick::from_ns(ms * 1_000_000)
    }

    /// What a conversation came to.
    #[derive(Debug, Default, PartialEq)]
    struct Run {
        told: String,
        closed: Option<Fault>,
    }

    /// Lets a doorkeeper answer at once, as a driver's worker does.
    fn drain<M: TakesOver>(machine: &mut Entrance<M>, doorkeeper: &mut Doorkeeper) -> Run {
        let (mut run, ana) = (Run::default(), "192.0.2.1".parse().unwrap());
        loop {
            match machine.poll() {
                Output::Transmit(bytes) => run.told.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::Ask(ticket, Question::Check(Said(said))) => {
                    let verdict = doorkeeper.check(machine.now, ana, &said);
                    let answer = Answer::Checked(verdict);
                    machine.handle(machine.now, Input::Answer(ticket, answer));
                }
                Output::Close(fault) => run.closed = Some(fault),
                Output::Ask(_, Question::Inner(_)) | Output::Happened(_) => {}
                Output::Tell(never) => match never {},
                Output::Wait(_) => return run,
            }
        }
    }

    fn doorkeeper() -> Doorkeeper {
        Doorkeeper::new(Key::parse("sesame-street").unwrap())
    }

    fn echo() -> Entrance<Echo> {
        Entrance::new(Echo::default(), Framer::default())
    }

    fn reply() -> Entrance<Dialogue<FixedReply>> {
        let dialogue = Dialogue::new(FixedReply("hi".into()), Framer::default());
        Entrance::new(dialogue, Framer::default())
    }

    /// What is told to each of these reads, all at the same time.
    fn told<M: TakesOver>(mut machine: Entrance<M>, reads: &[&str]) -> Vec<String> {
        let mut doorkeeper = doorkeeper();
        let hear = |read: &&str| {
            machine.handle(at(0), Input::Bytes(read.as_bytes()));
            drain(&mut machine, &mut doorkeeper).told
        };
        reads.iter().map(hear).collect()
    }

    #[test]
    fn the_key_lets_in_and_what_follows_is_the_services() {
        assert_eq!(told(reply(), &["KEY sesame-street\n", "x\n"]), ["OK\n", "hi\n"]);
        assert_eq!(told(reply(), &["KEY sesame-street\nx\ny\n"]), ["OK\nhi\nhi\n"]);
        assert_eq!(told(echo(), &["KEY SESAME-street\r\nhal", "lo"]), ["OK\nhal", "lo"]);
    }

    #[test]
    fn anything_else_first_is_told_that_a_key_is_wanted_and_the_session_goes_on() {
        let reads = ["x\n", "key sesame-street\n", "KEY\n", "KEY sesame-street\n", "x\n"];
        let wanted = "error: key wanted\n";
        assert_eq!(told(reply(), &reads), [wanted, wanted, wanted, "OK\n", "hi\n"]);
        assert_eq!(told(echo(), &["\u{ff}\n"]), [wanted]);
    }

    #[test]
    fn five_wrong_keys_are_looked_at_and_then_none() {
        let wrong = "KEY sesame-stroll\n";
        let mut all = told(echo(), &[wrong, wrong, wrong, wrong, wrong, "KEY sesame-street\n"]);
        let last = all.pop().unwrap();
        assert_eq!(all, ["error: wrong key\n"; 5]);
        assert_eq!(last, "error: too many wrong keys; try again in 60 s\n");
    }

    #[test]
    fn the_key_is_said_once_and_is_a_message_like_any_afterwards() {
        let reads = ["KEY sesame-street\n", "KEY sesame-street\n"];
        assert_eq!(told(echo(), &reads), ["OK\n", "KEY sesame-street\n"]);
    }

    #[test]
    fn a_pause_peer_is_answered_in_kind() {
        let (mut machine, mut doorkeeper) = (reply(), doorkeeper());
        for (ms, bytes, answer) in [(0, "KEY sesame-street", "OK"), (100, "xx", "hi")] {
            machine.handle(at(ms), Input::Bytes(bytes.as_bytes()));
            assert_eq!(drain(&mut machine, &mut doorkeeper).told, "");
            machine.handle(at(ms + 20), Input::Time);
            assert_eq!(drain(&mut machine, &mut doorkeeper).told, answer);
        }
    }

    #[test]
    fn what_stands_at_the_end_is_still_heard_by_the_service() {
        for (sent, told) in [
            ("KEY sesame-street\nhello", "OK\nhello"),
            ("KEY sesame-street", "OK"),
            ("KEY x", "error: wrong key"),
            ("", ""),
        ] {
            let (mut machine, mut doorkeeper) = (echo(), doorkeeper());
            machine.handle(at(0), Input::Bytes(sent.as_bytes()));
            machine.handle(at(0), Input::End);
            let run = drain(&mut machine, &mut doorkeeper);
            let expected = Run { told: told.into(), closed: Some(Fault::Nobody) };
            assert_eq!(run, expected, "{sent}");
        }
    }

    #[test]
    fn what_comes_while_the_doorkeeper_looks_waits() {
        let mut machine = echo();
        machine.handle(at(0), Input::Bytes(b"KEY sesame-street\n"));
        let ticket = loop {
            match machine.poll() {
                Output::Ask(ticket, _) => break ticket,
                Output::Wait(_) => panic!("it asks"),
                _ => {}
            }
        };
        machine.handle(at(1), Input::Bytes(b"hello"));
        assert_eq!(machine.poll(), Output::Wait(None));
        let other = Ticket(ticket.0 + 1);
        machine.handle(at(2), Input::Answer(other, Answer::Checked(Verdict::Right)));
        assert_eq!(machine.poll(), Output::Wait(None), "it is the answer to nothing");
        machine.handle(at(3), Input::Answer(ticket, Answer::Checked(Verdict::Right)));
        assert_eq!(drain(&mut machine, &mut doorkeeper()).told, "OK\nhello");
    }

    #[test]
    fn another_protocol_is_closed_without_a_word_and_a_flood_with_one() {
        let (mut machine, mut doorkeeper) = (echo(), doorkeeper());
        machine.handle(at(0), Input::Bytes(b"GET / HTTP/1.1\r\n\r\n"));
        let run = drain(&mut machine, &mut doorkeeper);
        assert_eq!(run, Run { told: String::new(), closed: Some(Fault::Peer) });
        let mut machine = Entrance::new(Echo::default(), Framer::new(Framing::Line, PAUSE));
        machine.handle(at(0), Input::Bytes(&vec![b'x'; 70_000]));
        let run = drain(&mut machine, &mut doorkeeper);
        assert_eq!(run.told, "error: message longer than 65536 bytes\n");
        assert_eq!(run.closed, Some(Fault::Peer));
    }

    #[test]
    fn a_question_shows_no_key() {
        let question: Question<()> = Question::Check(Said(b"sesame".to_vec()));
        assert_eq!(format!("{question:?}"), "Check(Said(..))");
    }
}
