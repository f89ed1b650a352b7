//! **echo**: the same bytes back, or a fixed reply, over TCP and UDP.
//!
//! [`serve`](mod@serve) is the server's side, [`call`] the client's.

use sockeye_proto::address::Scheme;
use sockeye_proto::echo;

use super::text::listeners::Options;
use super::{DefaultPort, Hub, Service, Text, Wire};

pub mod call;
pub mod serve;

/// The row in the registry.
pub const SERVICE: Service = Service {
    name: "echo",
    hub: Hub::Text(Text {
        start: |server, listeners, door| {
            let options = Options { takes_any_text: true, ..Options::default() };
            serve::start(server, listeners, door, options, None)
        },
        meaning: |_, direction| echo::meaning(direction),
        repeats: true,
    }),
    is_for_all: false,
    wires: &[
        Wire {
            scheme: Scheme::Tcp,
            port: DefaultPort::AboveBase(1),
            about: "the same bytes back, at once",
            try_it: "echo hello | nc -N HOST PORT",
            try_with_key: None,
        },
        Wire {
            scheme: Scheme::Udp,
            port: DefaultPort::AboveBase(1),
            about: "the same datagram back",
            try_it: "echo hello | nc -u -w1 HOST PORT",
            try_with_key: None,
        },
    ],
};
