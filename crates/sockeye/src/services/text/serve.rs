//! A [`Speaker`] on bound sockets: answers, the log's line for each request, the counters, and what
//! is shown to who watches.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::datagram::serve::DatagramService;
use sockeye_engine::datagram::socket::{Datagram, Outbox};
use sockeye_engine::drive::{StreamService, Work, Worker};
use sockeye_engine::http::exchange::Books;
use sockeye_engine::request_log::Record;
use sockeye_proto::datagram::LineEnd;
use sockeye_proto::datagram::guard::DropReason;
use sockeye_proto::datagram::responder::{EchoResponder, Outcome, Responder};
use sockeye_proto::echo;
use sockeye_proto::machine::{Fault, Tick};
use sockeye_proto::text::dialogue::{Dialogue, Event};
use sockeye_proto::text::framing::Framer;
use sockeye_proto::text::{Direction, Speaker, is_refusal};

use super::keyed::verdict;
use super::listeners::Options;
use super::{keyed, meaning, meaning_of_turning_away};

/// A speaker that can be served, and how what it asks is answered: at once, without blocking.
pub trait Served:
    Speaker<Question: Send, Answer: Send + 'static> + Clone + Send + Sync + 'static
{
    /// Answers a question.
    fn answer(&self, question: Self::Question) -> Self::Answer;
}

/// A speaker over streams.
#[derive(Debug)]
pub struct Talks<S> {
    /// What each conversation begins with.
    pub prototype: S,
    /// And what tells its messages apart.
    pub framer: Framer,
    /// Counters, log, activity.
    pub books: Arc<Books>,
}

impl<S: Served> StreamService for Talks<S> {
    type Machine = Dialogue<S>;
    type Worker = Clerk<S>;

    fn open(&self, peer: SocketAddr) -> (Dialogue<S>, Clerk<S>) {
        let dialogue = Dialogue::new(self.prototype.clone(), self.framer.clone());
        let (served, books) = (self.prototype.clone(), Arc::clone(&self.books));
        (dialogue, Clerk { served, books, peer, heard: None })
    }
}

/// Answers a conversation's questions and writes its lines.
#[derive(Debug)]
pub struct Clerk<S> {
    served: S,
    books: Arc<Books>,
    peer: SocketAddr,
    heard: Option<Heard>,
}

#[derive(Debug)]
struct Heard {
    /// When, for the log; where there is none, nobody looks at a clock.
    when: Option<(SystemTime, Instant)>,
    message: Vec<u8>,
}

impl<S: Served> Worker<Dialogue<S>> for Clerk<S> {
    fn perform(&mut self, question: S::Question) -> Work<S::Answer> {
        Work::Done(self.served.answer(question))
    }

    fn happened(&mut self, event: Event) {
        if let Event::Message { direction, spoken } = &event {
            self.books.passed(*direction, self.peer, spoken.wire(), || {
                format!("{}, {}", meaning::<S>(spoken.text(), *direction), spoken.ending())
            });
        }
        match event {
            Event::Message { direction: Direction::In, spoken } => {
                self.books.activity.begun();
                let when = self.books.log.is_on().then(|| (SystemTime::now(), Instant::now()));
                self.heard = Some(Heard { when, message: spoken.into_text() });
            }
            Event::Message { direction: Direction::Out, spoken } => self.answered(spoken.text()),
            Event::Foreign(protocol) => {
                let (peer, wire) = (self.peer, self.books.wire);
                self.books.log.say(format!("{peer} closed: it sent {protocol} to {wire}"));
            }
        }
    }

    fn finish(mut self, _fault: Fault) {
        self.answered(b"");
    }
}

impl<S> Clerk<S> {
    fn answered(&mut self, answer: &[u8]) {
        let Some(heard) = self.heard.take() else { return };
        self.books.activity.ended();
        let when = heard.when.map(|(at, begun)| (at, begun.elapsed()));
        note(&self.books, self.peer, when, status_of(answer), &heard.message, answer);
    }
}

/// Counts a request and writes its line. `when` is when it came and how long it took; of what has
/// none, that it was now and took no time worth telling.
pub fn note(
    books: &Books,
    peer: SocketAddr,
    when: Option<(SystemTime, Duration)>,
    status: u16,
    message: &[u8],
    answer: &[u8],
) {
    books.counters.answered(status, answer.len() as u64);
    if books.log.is_on() {
        let (at, took) = when.unwrap_or_else(|| (SystemTime::now(), Duration::ZERO));
        books.log.record(Record {
            at,
            wire: books.wire,
            peer,
            asked: message.to_vec(),
            protocol: None,
            status,
            sent_bytes: answer.len() as u64,
            took,
            note: Some(String::from_utf8_lossy(answer).into_owned()).filter(|n| !n.is_empty()),
        });
    }
}

/// What an answer in words comes to in HTTP's terms, for the counters and the log.
fn status_of(answer: &[u8]) -> u16 {
    if is_refusal(&String::from_utf8_lossy(answer)) { 400 } else { 200 }
}

/// A responder that wants the key in each request, if anybody wants one.
pub fn responder<S: Speaker + Clone>(responder: Responder<S>, options: &Options) -> Responder<S> {
    if options.doorkeeper.is_some() { responder.wanting_key() } else { responder }
}

/// A speaker over datagrams.
#[derive(Debug)]
pub struct Replies<S> {
    /// The rules and the speaker.
    pub responder: Responder<S>,
    /// Answers its questions.
    pub served: S,
    /// Who knows the key, where one is wanted.
    pub doorkeeper: Option<SharedDoorkeeper>,
    /// Counters, log, activity.
    pub books: Arc<Books>,
    /// What is being answered; kept for its memory.
    pub out: Vec<u8>,
}

impl<S: Served> DatagramService for Replies<S> {
    fn answer(&mut self, now: Tick, datagram: &Datagram<'_>, outbox: &mut Outbox) {
        let mut outcome = self.responder.handle(now, datagram.from, datagram.bytes, &mut self.out);
        loop {
            match outcome {
                Outcome::Ask(question, pending) => {
                    let answer = self.served.answer(question);
                    outcome = self.responder.answered(now, pending, answer, &mut self.out);
                }
                Outcome::Check(knock) => {
                    let (bytes, doorkeeper) = (datagram.bytes, self.doorkeeper.as_ref());
                    let verdict = verdict(doorkeeper, &knock, bytes);
                    outcome = self.responder.checked(now, &knock, bytes, verdict, &mut self.out);
                }
                Outcome::Send | Outcome::Nothing | Outcome::TurnAway => break,
                Outcome::Refuse => {
                    self.books.counters.refused.add(1);
                    break;
                }
                Outcome::Dropped(reason) => return dropped(&self.books, datagram, reason),
            }
        }
        self.books.passed(Direction::In, datagram.from, datagram.bytes, || {
            meaning::<S>(LineEnd::split(datagram.bytes).0, Direction::In)
        });
        if let Outcome::Nothing = outcome {
            return;
        }
        let is_turned_away = matches!(outcome, Outcome::TurnAway);
        let (message, answer) = (LineEnd::split(datagram.bytes).0, LineEnd::split(&self.out).0);
        self.books.passed(Direction::Out, datagram.from, &self.out, || {
            if is_turned_away {
                meaning_of_turning_away(answer)
            } else {
                meaning::<S>(answer, Direction::Out)
            }
        });
        self.books.activity.touch_at(now);
        let status = if is_turned_away { keyed::status_of(answer) } else { status_of(answer) };
        note(&self.books, datagram.from, None, status, message, answer);
        outbox.push(datagram.reply_to(), |room| room.extend_from_slice(&self.out));
    }

    fn answered_back(&mut self) {
        self.books.counters.dropped.add(1);
    }

    fn dropped(&mut self, count: u64) {
        kernel_dropped(&self.books, count);
    }
}

/// Echo over datagrams: the same bytes back.
#[derive(Debug)]
pub struct Echoes {
    /// The rules.
    pub responder: EchoResponder,
    /// Who knows the key, where one is wanted.
    pub doorkeeper: Option<SharedDoorkeeper>,
    /// Counters, log, activity.
    pub books: Arc<Books>,
    /// What is being answered; kept for its memory.
    pub out: Vec<u8>,
}

impl DatagramService for Echoes {
    fn answer(&mut self, now: Tick, datagram: &Datagram<'_>, outbox: &mut Outbox) {
        let bytes = datagram.bytes;
        let mut outcome = self.responder.handle(now, datagram.from, bytes, &mut self.out);
        if let Outcome::Check(knock) = outcome {
            let verdict = verdict(self.doorkeeper.as_ref(), &knock, bytes);
            outcome = self.responder.checked(now, &knock, bytes, verdict, &mut self.out);
        }
        let status = match outcome {
            Outcome::Send => 200,
            Outcome::TurnAway => keyed::status_of(LineEnd::split(&self.out).0),
            Outcome::Refuse => {
                self.books.counters.refused.add(1);
                400
            }
            Outcome::Nothing | Outcome::Check(_) => return,
            Outcome::Dropped(reason) => return dropped(&self.books, datagram, reason),
            Outcome::Ask(never, _) => match never {},
        };
        self.books.activity.touch_at(now);
        let from = datagram.from;
        self.books.passed(Direction::In, from, bytes, || echo::meaning(Direction::In));
        self.books.passed(Direction::Out, from, &self.out, || match status {
            200 => echo::meaning(Direction::Out),
            401 | 429 => meaning_of_turning_away(LineEnd::split(&self.out).0),
            _ => "refuses: as many as may be are here".into(),
        });
        note(&self.books, from, None, status, bytes, &self.out);
        outbox.push(datagram.reply_to(), |room| room.extend_from_slice(&self.out));
    }

    fn answered_back(&mut self) {
        self.books.counters.dropped.add(1);
    }

    fn dropped(&mut self, count: u64) {
        kernel_dropped(&self.books, count);
    }
}

fn dropped(books: &Books, datagram: &Datagram<'_>, reason: DropReason) {
    books.counters.dropped.add(1);
    books.passed(Direction::In, datagram.from, datagram.bytes, || {
        format!("is dropped without an answer: {}", reason.as_str())
    });
}

fn kernel_dropped(books: &Books, count: u64) {
    books.counters.kernel_dropped.add(count);
    let (wire, so_far) = (books.wire, books.counters.kernel_dropped.get());
    books.log.say(format!(
        "{wire}: the kernel dropped {count} datagrams for want of buffer, {so_far} so far"
    ));
}
