//! **clock**: the date or the time for who asks (`SEND_DATE`, `SEND_TIME`), over TCP and UDP.
//!
//! [`serve`](mod@serve) is the server's side, [`call`] the client's.

use jiff::tz::TimeZone;
use sockeye_proto::address::Scheme;
use sockeye_proto::clock::Clock;

use super::text::listeners::Options;
use super::text::meaning;
use super::{DefaultPort, Hub, Service, Text, Wire};

pub mod call;
pub mod serve;

/// The row in the registry.
pub const SERVICE: Service = Service {
    name: "clock",
    hub: Hub::Text(Text {
        start: |server, listeners, door| {
            serve::start(server, listeners, door, Options::default(), TimeZone::system())
        },
        meaning: meaning::<Clock>,
        repeats: false,
    }),
    is_for_all: true,
    wires: &[
        Wire {
            scheme: Scheme::Tcp,
            port: DefaultPort::AboveBase(2),
            about: "SEND_DATE or SEND_TIME in, the date or the time out",
            try_it: "echo SEND_TIME | nc -N HOST PORT",
            try_with_key: None,
        },
        Wire {
            scheme: Scheme::Udp,
            port: DefaultPort::AboveBase(2),
            about: "the same in datagrams",
            try_it: "echo SEND_TIME | nc -u -w1 HOST PORT",
            try_with_key: None,
        },
    ],
};
