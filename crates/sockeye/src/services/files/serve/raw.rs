//! The classic raw wire: a file's name in, its bytes out (the machine is in proto).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Buf as _;
use sockeye_engine::disk::folder::{OpenError, Opened};
use sockeye_engine::disk::reader::{FileReader, Part};
use sockeye_engine::gate::Full;
use sockeye_engine::http::exchange::Books;
use sockeye_engine::listen::{Bound, Client, Door, accept, say_and_close};
use sockeye_engine::request_log::Record;
use sockeye_engine::stream::{Bounds, Worker, drive, write_all};
use sockeye_proto::files::raw::{self, Event, SendFile, Sent};
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::idle::IdleTimeout;
use tokio::net::TcpStream;

use super::share::Share;
use crate::serving::Server;

/// What the connections of this wire share.
#[derive(Debug)]
pub struct RawService {
    share: Arc<Share>,
    books: Arc<Books>,
    door: Door,
    idle: IdleTimeout,
}

/// The wire as it is served behind a door.
pub fn service(server: &Server, door: &Door, share: &Arc<Share>) -> Arc<RawService> {
    Arc::new(RawService {
        share: Arc::clone(share),
        books: server.books(door, "files tcp"),
        door: door.clone(),
        idle: server.idle(),
    })
}

/// Accepts and serves on one bound socket until the stop is asked for.
pub async fn serve(bound: Bound, service: Arc<RawService>) -> io::Result<()> {
    let door = service.door.clone();
    let serve = |client| conversation(client, Arc::clone(&service));
    let refuse = |stream, full: Full| async move {
        say_and_close(stream, format!("{full}\n").as_bytes()).await;
    };
    accept(bound, door, serve, refuse).await
}

async fn conversation(client: Client, service: Arc<RawService>) {
    let Client { mut stream, peer, place } = client;
    let mut machine = raw::Server::new();
    let mut worker = Sender { service: &service, request: None, peer };
    let bounds = Bounds { idle: service.idle, door: &service.door };
    // Whose fault the end was is in the request's line, if there was a request.
    let _ = drive(&mut stream, &mut machine, &mut worker, bounds).await;
    worker.finish();
    drop(place);
}

/// Sends files and keeps the conversation's line for the log.
struct Sender<'a> {
    service: &'a RawService,
    request: Option<Request>,
    peer: SocketAddr,
}

struct Request {
    at: SystemTime,
    begun: Instant,
    name: Vec<u8>,
    sent: Sent,
    sent_bytes: u64,
    peer_left: bool,
    note: Option<String>,
}

impl Worker<raw::Server> for Sender<'_> {
    async fn perform(&mut self, SendFile(path): SendFile, stream: &mut TcpStream) -> Sent {
        let sent = match self.service.share.look_up(&path).await {
            Ok(Opened::File(_)) if path.wants_folder() => {
                self.note("it is a file, not a folder".into());
                Sent::NotFound
            }
            Ok(Opened::File(file)) => {
                let length = file.facts.length;
                let range =
                    (length > 0).then_some(Part::Range(ByteRange { start: 0, end: length }));
                let reader = FileReader::new(Arc::new(file), range);
                self.send(reader, stream).await
            }
            Ok(Opened::Folder(..)) => {
                self.note("it is a folder".into());
                Sent::NotFound
            }
            Err(OpenError::NotFound) => Sent::NotFound,
            Err(error) => {
                self.note(error.to_string());
                Sent::NotFound
            }
        };
        if let Some(request) = &mut self.request {
            request.sent = sent;
        }
        sent
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Asked(name) => {
                self.service.books.activity.begun();
                self.request = Some(Request {
                    at: SystemTime::now(),
                    begun: Instant::now(),
                    name,
                    sent: Sent::NotFound,
                    sent_bytes: 0,
                    peer_left: false,
                    note: None,
                });
            }
            Event::ForeignProtocol(protocol) => {
                self.service
                    .books
                    .log
                    .say(format!("{} closed: it sent {protocol} to the raw files wire", self.peer));
            }
        }
    }
}

impl Sender<'_> {
    async fn send(&mut self, mut reader: FileReader, stream: &mut TcpStream) -> Sent {
        while let Some(chunk) = std::future::poll_fn(|cx| reader.poll_chunk(cx)).await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.note(error.to_string());
                    return Sent::Broken;
                }
            };
            if let Err(error) = write_all(stream, chunk.chunk()).await {
                self.note(format!("the peer left: {error}"));
                if let Some(request) = &mut self.request {
                    request.peer_left = true;
                }
                return Sent::Broken;
            }
            if let Some(request) = &mut self.request {
                request.sent_bytes += chunk.remaining() as u64;
            }
        }
        Sent::Whole { bytes: self.request.as_ref().map_or(0, |request| request.sent_bytes) }
    }

    fn note(&mut self, note: String) {
        if let Some(request) = &mut self.request {
            request.note = Some(note);
        }
    }

    fn finish(&mut self) {
        let Some(request) = self.request.take() else { return };
        let status = match request.sent {
            Sent::Whole { .. } => 200,
            Sent::NotFound => 404,
            // A peer that leaves early was served all the same.
            Sent::Broken if request.peer_left => 200,
            Sent::Broken => 500,
        };
        let books = &self.service.books;
        books.activity.ended();
        books.counters.answered(status, request.sent_bytes);
        books.log.record(Record {
            at: request.at,
            wire: books.wire,
            peer: self.peer,
            asked: request.name,
            protocol: None,
            status,
            sent_bytes: request.sent_bytes,
            took: request.begun.elapsed(),
            note: request.note,
        });
    }
}
