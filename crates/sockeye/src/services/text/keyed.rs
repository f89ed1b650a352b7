//! A text service over TCP that wants the key first: an [`Entrance`] stands before each of its
//! conversations, and an [`Usher`] brings it what the doorkeeper says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::drive::{Shipment, StreamService, Work, Worker};
use sockeye_engine::http::exchange::Books;
use sockeye_proto::access::entrance::{Answer, Entrance, Event, Question, Said, TakesOver};
use sockeye_proto::access::{self, KEY_WANTED, Verdict, WRONG_KEY};
use sockeye_proto::machine::{Fault, Machine};
use sockeye_proto::text::Direction;
use sockeye_proto::text::dialogue::Event as Phase;
use sockeye_proto::text::framing::Framer;

use super::serve::note;

/// A service behind the key.
#[derive(Debug)]
pub struct Keyed<S> {
    /// The service.
    pub inner: S,
    /// What tells messages apart until its conversations begin.
    pub framer: Framer,
    /// Who knows the key.
    pub doorkeeper: SharedDoorkeeper,
    /// Counters, log, activity.
    pub books: Arc<Books>,
}

impl<S: StreamService<Machine: TakesOver>> StreamService for Keyed<S> {
    type Machine = Entrance<S::Machine>;
    type Worker = Usher<S::Worker>;

    fn open(&self, peer: SocketAddr) -> (Self::Machine, Self::Worker) {
        let (machine, inner) = self.inner.open(peer);
        let (doorkeeper, books) = (self.doorkeeper.clone(), Arc::clone(&self.books));
        let usher = Usher { inner, doorkeeper, books, peer, heard: None };
        (Entrance::new(machine, self.framer.clone()), usher)
    }
}

/// Brings the doorkeeper's verdicts, and writes a line for each message before the key.
#[derive(Debug)]
pub struct Usher<W> {
    inner: W,
    doorkeeper: SharedDoorkeeper,
    books: Arc<Books>,
    peer: SocketAddr,
    /// What was heard last, and when.
    heard: Option<(SystemTime, Instant, Vec<u8>)>,
}

impl<M: Machine, W: Worker<M>> Worker<Entrance<M>> for Usher<W>
where
    M: TakesOver<Answer: Send + 'static>,
{
    fn perform(&mut self, question: Question<M::Question>) -> Work<Answer<M::Answer>> {
        match question {
            Question::Check(Said(said)) => {
                Work::Done(Answer::Checked(self.doorkeeper.check(self.peer.ip(), &said)))
            }
            Question::Inner(question) => within(self.inner.perform(question)),
        }
    }

    fn happened(&mut self, event: Event<M::Event>) {
        match event {
            Event::Outside(phase) => self.happened_outside(phase),
            Event::Inner(event) => self.inner.happened(event),
        }
    }

    fn finish(self, fault: Fault) {
        self.inner.finish(fault);
    }
}

impl<W> Usher<W> {
    fn happened_outside(&mut self, phase: Phase) {
        match phase {
            Phase::Message { direction, spoken } => {
                self.books.passed(direction, self.peer, spoken.wire(), || {
                    let meaning = access::meaning(spoken.text(), direction);
                    format!("{meaning}, {}", spoken.ending())
                });
                match direction {
                    Direction::In => {
                        self.books.activity.touch();
                        let message = spoken.into_text();
                        self.heard = Some((SystemTime::now(), Instant::now(), message));
                    }
                    Direction::Out => self.answered(spoken.text()),
                }
            }
            Phase::Foreign(protocol) => {
                let (peer, wire) = (self.peer, self.books.wire);
                self.books.log.say(format!("{peer} closed: it sent {protocol} to {wire}"));
            }
        }
    }

    fn answered(&mut self, answer: &[u8]) {
        let Some((at, begun, message)) = self.heard.take() else { return };
        let when = Some((at, begun.elapsed()));
        note(&self.books, self.peer, when, status_of(answer), &message, answer);
    }
}

/// What is said of the key, in HTTP's terms, for the counters and the log.
pub fn status_of(answer: &[u8]) -> u16 {
    if answer == access::RIGHT_KEY.as_bytes() {
        200
    } else if [KEY_WANTED, WRONG_KEY].iter().any(|told| answer == told.as_bytes()) {
        401
    } else {
        429
    }
}

/// What the doorkeeper says to a key in a datagram. Where there is none, nobody wants a key, and
/// nobody has one.
pub fn verdict(
    doorkeeper: Option<&SharedDoorkeeper>,
    knock: &sockeye_proto::datagram::Knock,
    datagram: &[u8],
) -> Verdict {
    let (from, said) = (knock.from(), knock.said(datagram));
    match doorkeeper {
        Some(doorkeeper) if knock.is_proven() => doorkeeper.check(from, said),
        Some(doorkeeper) => doorkeeper.check_unproven(from, said),
        None => Verdict::Wrong,
    }
}

/// The same work, whose answer is for the machine behind the entrance.
fn within<A: Send + 'static>(work: Work<A>) -> Work<Answer<A>> {
    match work {
        Work::Done(answer) => Work::Done(Answer::Inner(answer)),
        Work::Blocking(perform) => Work::Blocking(Box::new(|| Answer::Inner(perform()))),
        Work::Send(Shipment { open, done }) => Work::Send(Shipment {
            open: Box::new(|| open().map_err(Answer::Inner)),
            done: Box::new(|shipped| Answer::Inner(done(shipped))),
        }),
    }
}
