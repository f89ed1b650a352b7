//! **files**: one folder, served to whoever asks.
//!
//! Over http a browser gets the page, curl gets text, and a script gets JSON; over tcp the classic
//! raw wire takes a file's name and gives its bytes. Everything is opened beneath the shared folder
//! by the kernel's own resolution, so that no name leads out of it.
//!
//! [`serve`] is the server's side with one file a wire, [`call`] the client's; [`siblings`] are other
//! servers, asked for what is missing here.

use sockeye_proto::address::Scheme;

use super::{DefaultPort, Hub, Service, Wire};

pub mod call;
pub mod serve;
pub mod siblings;

/// The row in the registry.
pub const SERVICE: Service = Service {
    name: "files",
    hub: Hub::Page,
    is_for_all: true,
    wires: &[
        Wire {
            scheme: Scheme::Http,
            port: DefaultPort::Page,
            about: "one folder, in any browser or with curl",
            try_it: "curl http://HOST:PORT/",
            try_with_key: Some("curl -u \":KEY\" http://HOST:PORT/"),
        },
        Wire {
            scheme: Scheme::Https,
            port: DefaultPort::Page,
            about: "the same, encrypted (--tls)",
            try_it: "curl -k https://HOST:PORT/",
            try_with_key: Some("curl -u \":KEY\" -k https://HOST:PORT/"),
        },
        Wire {
            scheme: Scheme::Tcp,
            port: DefaultPort::AboveBase(8),
            about: "a file's name in, its bytes out",
            try_it: "echo NAME | nc HOST PORT",
            try_with_key: Some("echo \"KEY/NAME\" | nc HOST PORT"),
        },
    ],
};
