//! The classic raw wire: a file's name in, its bytes out (the machine is in proto).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::disk::folder::{OpenError, Opened};
use sockeye_engine::drive::{ShipFailure, Shipment, Shipped, StreamService, Work, Worker};
use sockeye_engine::http::exchange::Books;
use sockeye_engine::request_log::Record;
use sockeye_proto::access::entrance::Said;
use sockeye_proto::access::{KEY_WANTED, Verdict};
use sockeye_proto::files::raw::{self, Answer, Event, Question, Sent};
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::machine::Fault;
use sockeye_proto::text::Direction;
use sockeye_proto::text::framing::Framer;

use super::share::Share;

/// What the conversations of this wire share.
#[derive(Debug)]
pub struct RawService {
    /// The folder.
    pub share: Arc<Share>,
    /// What tells where a conversation's name ends.
    pub framer: Framer,
    /// Who knows the key, where one is wanted.
    pub doorkeeper: Option<SharedDoorkeeper>,
    /// Counters, log, activity.
    pub books: Arc<Books>,
}

impl StreamService for RawService {
    type Machine = raw::Server;
    type Worker = Sender;

    fn open(&self, peer: SocketAddr) -> (raw::Server, Sender) {
        let (share, books) = (Arc::clone(&self.share), Arc::clone(&self.books));
        let machine = raw::Server::new(self.framer.clone());
        let doorkeeper = self.doorkeeper.clone();
        let machine = if doorkeeper.is_some() { machine.wanting_key() } else { machine };
        (machine, Sender { share, doorkeeper, books, request: None, peer })
    }
}

/// Finds files and keeps the conversation's line for the log.
#[derive(Debug)]
pub struct Sender {
    share: Arc<Share>,
    doorkeeper: Option<SharedDoorkeeper>,
    books: Arc<Books>,
    request: Option<Request>,
    peer: SocketAddr,
}

#[derive(Debug)]
struct Request {
    at: SystemTime,
    begun: Instant,
    name: Vec<u8>,
    outcome: Option<Outcome>,
}

/// How a request ended, for its line.
#[derive(Debug, Default)]
struct Outcome {
    status: u16,
    sent_bytes: u64,
    note: Option<String>,
}

impl Sender {
    /// The file's bytes went past the machine, and past who watches: there may be many.
    fn show(&self, sent: &Sent) {
        let Some(trace) = &self.books.trace else { return };
        let (text, bytes, meaning) = match sent {
            Sent::Whole { bytes } => ("", *bytes, "the file, then the end".to_owned()),
            Sent::NotFound { .. } => (raw::NOT_FOUND, 0, "says no, then the end".to_owned()),
            Sent::Broken { bytes, note, .. } => ("", *bytes, format!("the file, broken: {note}")),
        };
        trace.passed(Direction::Out, ("tcp", self.peer), (text.as_bytes(), bytes), &meaning);
    }
}

impl Sender {
    /// What the doorkeeper says; where there is none, nobody asks.
    fn verdict(&self, said: &[u8]) -> Option<Verdict> {
        self.doorkeeper.as_ref()?.check_if_guess(self.peer.ip(), said)
    }

    fn send(&self, path: SharePath) -> Shipment<Answer> {
        let share = Arc::clone(&self.share);
        let open = move || {
            let refused = |note: String| Err(Answer::Sent(Sent::NotFound { note }));
            match share.look_up_waiting(&path) {
                Ok(Opened::File(_)) if path.wants_folder() => {
                    refused("it is a file, not a folder".into())
                }
                Ok(Opened::File(file)) => {
                    let end = file.facts.length;
                    Ok((Arc::new(file), ByteRange { start: 0, end }))
                }
                Ok(Opened::Folder(..)) => refused("it is a folder".into()),
                Err(OpenError::NotFound) => refused(String::new()),
                Err(error) => refused(error.to_string()),
            }
        };
        let done = |shipped: Shipped| {
            Answer::Sent(match shipped.failure {
                None => Sent::Whole { bytes: shipped.bytes },
                Some(ShipFailure::File(note)) => {
                    Sent::Broken { bytes: shipped.bytes, by_peer: false, note }
                }
                Some(ShipFailure::Peer(note)) => Sent::Broken {
                    bytes: shipped.bytes,
                    by_peer: true,
                    note: format!("the peer left: {note}"),
                },
            })
        };
        Shipment { open: Box::new(open), done: Box::new(done) }
    }

    /// Nobody is let in who said no key, or not the right one.
    fn turned_away(&mut self, verdict: Option<Verdict>) {
        let told = verdict.map_or_else(|| KEY_WANTED.to_owned(), |verdict| verdict.to_string());
        self.books.passed(Direction::Out, self.peer, told.as_bytes(), || {
            "says what is wanted, then the end".into()
        });
        let status = if matches!(verdict, Some(Verdict::TooMany { .. })) { 429 } else { 401 };
        if let Some(request) = &mut self.request {
            request.outcome = Some(Outcome { status, sent_bytes: 0, note: Some(told) });
        }
    }
}

impl Worker<raw::Server> for Sender {
    fn perform(&mut self, question: Question) -> Work<Answer> {
        match question {
            Question::CheckKey(Said(said)) => Work::Done(Answer::Checked(self.verdict(&said))),
            Question::SendFile(path) => Work::Send(self.send(path)),
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Asked { name, key_bytes } => {
                if let Some(trace) = &self.books.trace {
                    let with_key = if key_bytes == 0 { "" } else { ", with the key before it" };
                    let meaning = format!("asks for the file of this name{with_key}");
                    let bytes = (&name[..], key_bytes as u64);
                    trace.passed(Direction::In, ("tcp", self.peer), bytes, &meaning);
                }
                self.books.activity.begun();
                let (at, begun) = (SystemTime::now(), Instant::now());
                self.request = Some(Request { at, begun, name, outcome: None });
            }
            Event::TurnedAway(verdict) => self.turned_away(verdict),
            Event::Answered(sent) => {
                self.show(&sent);
                let (status, sent_bytes, note) = match sent {
                    Sent::Whole { bytes } => (200, bytes, String::new()),
                    Sent::NotFound { note } => (404, 0, note),
                    // A peer that leaves early was served all the same.
                    Sent::Broken { bytes, by_peer: true, note } => (200, bytes, note),
                    Sent::Broken { bytes, by_peer: false, note } => (500, bytes, note),
                };
                let note = (!note.is_empty()).then_some(note);
                if let Some(request) = &mut self.request {
                    request.outcome = Some(Outcome { status, sent_bytes, note });
                }
            }
            Event::ForeignProtocol(protocol) => {
                let peer = self.peer;
                let line = format!("{peer} closed: it sent {protocol} to the raw files wire");
                self.books.log.say(line);
            }
        }
    }

    fn finish(self, _fault: Fault) {
        let Some(request) = self.request else { return };
        let outcome = request.outcome.unwrap_or(Outcome { status: 404, ..Outcome::default() });
        self.books.activity.ended();
        self.books.counters.answered(outcome.status, outcome.sent_bytes);
        self.books.log.record(Record {
            at: request.at,
            wire: self.books.wire,
            peer: self.peer,
            asked: request.name,
            protocol: None,
            status: outcome.status,
            sent_bytes: outcome.sent_bytes,
            took: request.begun.elapsed(),
            note: outcome.note,
        });
    }
}
