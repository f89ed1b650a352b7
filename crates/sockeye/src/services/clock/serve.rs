//! The server's side of the clock: this machine's time, in its zone or in UTC.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sockeye_engine::listen::Door;
use sockeye_proto::address::Scheme;
use sockeye_proto::clock::{CivilTime, Clock, WhatTime};
use sockeye_proto::datagram::responder::Responder;
use sockeye_proto::text::{Direction, Reply, Speaker};

use super::SERVICE;
use crate::cli;
use crate::exit::Failure;
use crate::services::text::listeners::{Listeners, Options};
use crate::services::text::serve::{Replies, Served, Talks, responder};
use crate::serving::{self, Server};

/// The clock in a zone.
#[derive(Clone, Debug)]
struct ZoneClock {
    clock: Clock,
    zone: TimeZone,
}

impl Speaker for ZoneClock {
    type Question = WhatTime;
    type Answer = CivilTime;

    fn hear(&mut self, message: &str) -> Reply<WhatTime> {
        self.clock.hear(message)
    }

    fn learn(&mut self, now: CivilTime) -> Reply<WhatTime> {
        self.clock.learn(now)
    }

    fn meaning(message: &str, direction: Direction) -> String {
        Clock::meaning(message, direction)
    }
}

impl Served for ZoneClock {
    fn answer(&self, WhatTime: WhatTime) -> CivilTime {
        let now = self.zone.to_datetime(Timestamp::now());
        CivilTime {
            year: now.year(),
            month: now.month().unsigned_abs(),
            day: now.day().unsigned_abs(),
            hour: now.hour().unsigned_abs(),
            minute: now.minute().unsigned_abs(),
            second: now.second().unsigned_abs(),
        }
    }
}

/// `sockeye serve clock`.
pub fn serve(arguments: cli::ServeClock) -> Result<(), Failure> {
    let text = arguments.text;
    text.join_key.check()?;
    let port = SERVICE.default_port(Scheme::Tcp);
    let listeners = Listeners::bind(&text.on, port, &text.server.ip)?;
    let framer = text.framing.framer(listeners.unframed())?;
    let server = Server::new(text.server)?;
    let driver = text.driver.into();
    let doorkeeper = text.join_key.doorkeeper(&server)?;
    let options = Options { driver, framer, plain: text.plain, takes_any_text: false, doorkeeper };
    let zone = if arguments.utc { TimeZone::UTC } else { TimeZone::system() };
    serving::run(&server, driver, || async {
        listeners.announce()?;
        start(&server, listeners, server.door(), options, zone)
    })
}

/// Serves it on these sockets.
pub fn start(
    server: &Server,
    listeners: Listeners,
    door: Door,
    options: Options,
    zone: TimeZone,
) -> Result<(), Failure> {
    let prototype = ZoneClock { clock: Clock::default(), zone };
    let books = server.books(&door, "clock tcp");
    let datagram_books = server.books(&door, "clock udp");
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
