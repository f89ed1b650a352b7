//! **echo**: the same bytes back, or a fixed reply, over TCP and UDP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use sockeye_engine::drive::{StreamService, Work, Worker};
use sockeye_engine::http::exchange::Books;
use sockeye_proto::address::Scheme;
use sockeye_proto::datagram::responder::{EchoResponder, Responder};
use sockeye_proto::echo::{Echo, Echoed, FixedReply};
use sockeye_proto::machine::Fault;

use super::text::{Echoes, Listeners, Replies, Served, Talks, note};
use super::{DefaultPort, Service, Wire};
use crate::cli;
use crate::exit::Failure;
use crate::serving::{self, Server};

/// The row in the registry.
pub const SERVICE: Service = Service {
    name: "echo",
    in_hub: false,
    wires: &[
        Wire {
            scheme: Scheme::Tcp,
            port: DefaultPort::AboveBase(1),
            about: "the same bytes back, at once",
            try_it: "echo hello | nc -N HOST PORT",
        },
        Wire {
            scheme: Scheme::Udp,
            port: DefaultPort::AboveBase(1),
            about: "the same datagram back",
            try_it: "echo hello | nc -u -w1 HOST PORT",
        },
    ],
};

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
        note(&self.books, self.peer, None, 200, &bytes, &bytes);
    }

    fn finish(self, _fault: Fault) {}
}

/// `sockeye serve echo`.
pub fn serve(arguments: cli::ServeEcho) -> Result<(), Failure> {
    let text = arguments.text;
    let listeners = Listeners::bind(&text.on, SERVICE.default_port(Scheme::Tcp), &text.server.ip)?;
    let server = Server::new(text.server)?;
    let driver = text.driver.into();
    serving::run(&server, driver, || async {
        listeners.announce()?;
        let door = server.door();
        let (books, datagram_books) =
            (server.books(&door, "echo tcp"), server.books(&door, "echo udp"));
        let Some(reply) = arguments.reply else {
            let echoes = |guard| Echoes {
                responder: EchoResponder::new(guard),
                books: Arc::clone(&datagram_books),
                out: Vec::new(),
            };
            return listeners.serve(&server, driver, (Raw { books }, door), &text.plain, echoes);
        };
        let prototype = FixedReply(reply);
        let talks = Talks { prototype: prototype.clone(), books };
        let replies = |guard| Replies {
            responder: Responder::new(prototype.clone(), guard),
            served: prototype.clone(),
            books: Arc::clone(&datagram_books),
            out: Vec::new(),
        };
        listeners.serve(&server, driver, (talks, door), &text.plain, replies)
    })
}
