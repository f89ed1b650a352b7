//! The server's side of echo: unframed over TCP, or a speaker with its fixed reply.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use sockeye_engine::drive::{StreamService, Work, Worker};
use sockeye_engine::http::exchange::Books;
use sockeye_engine::listen::Door;
use sockeye_proto::address::Scheme;
use sockeye_proto::datagram::responder::{EchoResponder, Responder};
use sockeye_proto::echo::{self, Echo, Echoed, FixedReply};
use sockeye_proto::machine::Fault;
use sockeye_proto::text::Direction;

use super::SERVICE;
use crate::cli;
use crate::exit::Failure;
use crate::services::text::listeners::{Listeners, Options};
use crate::services::text::serve::{Echoes, Replies, Served, Talks, note, responder};
use crate::serving::{self, Server};

impl Served for FixedReply {
    fn answer(&self, never: Infallible) -> Infallible {
        never
    }
}

/// Unframed echo over TCP.
#[derive(Debug)]
struct Raw {
    books: Arc<Books>,
}

impl StreamService for Raw {
    type Machine = Echo;
    type Worker = RawClerk;

    fn open(&self, peer: SocketAddr) -> (Echo, RawClerk) {
        (Echo::default(), RawClerk { books: Arc::clone(&self.books), peer })
    }
}

/// Writes a line for each read that was echoed.
#[derive(Debug)]
struct RawClerk {
    books: Arc<Books>,
    peer: SocketAddr,
}

impl Worker<Echo> for RawClerk {
    fn perform(&mut self, never: Infallible) -> Work<Infallible> {
        match never {}
    }

    fn happened(&mut self, Echoed(bytes): Echoed) {
        self.books.activity.touch();
        self.books.passed(Direction::In, self.peer, &bytes, || echo::meaning(Direction::In));
        self.books.passed(Direction::Out, self.peer, &bytes, || echo::meaning(Direction::Out));
        note(&self.books, self.peer, None, 200, &bytes, &bytes);
    }

    fn finish(self, _fault: Fault) {}
}

/// `sockeye serve echo`.
pub fn serve(arguments: cli::ServeEcho) -> Result<(), Failure> {
    let text = arguments.text;
    text.join_key.check()?;
    let listeners = Listeners::bind(&text.on, SERVICE.default_port(Scheme::Tcp), &text.server.ip)?;
    let plain = "without --reply every byte comes back as it is";
    // With a key, there are messages until it was said.
    let is_plain = arguments.reply.is_none() && text.join_key.is_none();
    let unframed = is_plain.then_some(plain).or(listeners.unframed());
    let framer = text.framing.framer(unframed)?;
    let server = Server::new(text.server)?;
    let driver = text.driver.into();
    let doorkeeper = text.join_key.doorkeeper(&server)?;
    let options = Options { driver, framer, plain: text.plain, takes_any_text: true, doorkeeper };
    serving::run(&server, driver, || async {
        listeners.announce()?;
        start(&server, listeners, server.door(), options, arguments.reply)
    })
}

/// Serves it on these sockets.
pub fn start(
    server: &Server,
    listeners: Listeners,
    door: Door,
    options: Options,
    reply: Option<String>,
) -> Result<(), Failure> {
    let (books, datagram_books) =
        (server.books(&door, "echo tcp"), server.books(&door, "echo udp"));
    let Some(reply) = reply else {
        let responder = |guard| match options.doorkeeper {
            Some(_) => EchoResponder::new(guard).wanting_key(),
            None => EchoResponder::new(guard),
        };
        let echoes = |guard| Echoes {
            responder: responder(guard),
            doorkeeper: options.doorkeeper.clone(),
            books: Arc::clone(&datagram_books),
            out: Vec::new(),
        };
        let raw = Raw { books: Arc::clone(&books) };
        return listeners.serve(server, &options, (raw, books, door), echoes);
    };
    let prototype = FixedReply(reply);
    let (framer, talks_books) = (options.framer.clone(), Arc::clone(&books));
    let talks = Talks { prototype: prototype.clone(), framer, books: talks_books };
    let replies = |guard| Replies {
        responder: responder(Responder::new(prototype.clone(), guard), &options),
        served: prototype.clone(),
        doorkeeper: options.doorkeeper.clone(),
        books: Arc::clone(&datagram_books),
        out: Vec::new(),
    };
    listeners.serve(server, &options, (talks, books, door), replies)
}
