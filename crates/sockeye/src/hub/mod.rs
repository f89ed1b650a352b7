//! The hub: a folder and its services on one page, from one command.
//!
//! [`site`] is what the page's port answers: the hub's own paths under `/-/`, and the shared
//! folder for everything else. [`table`] is what the person at the terminal sees.

use sockeye_engine::drive::Driver;
use sockeye_engine::listen::{ListenError, bind_tcp};
use sockeye_proto::address::{Address, Scheme};

use crate::cli;
use crate::exit::Failure;
use crate::services::files::serve::{self, Conversations, Listener};
use crate::services::{Service, Wire, of_the_hub};
use crate::serving::{self, Server, announce};

pub mod api;
pub mod page;
pub mod site;
mod table;

/// `sockeye up`.
pub fn up(arguments: cli::Up) -> Result<(), Failure> {
    let share = serve::open(&arguments.dir, &arguments.share)?;
    check_names(&arguments)?;
    let mut listeners = Vec::new();
    let mut moved = Vec::new();
    for service in of_the_hub() {
        for wire in service.wires {
            if !is_left_out(service, wire, &arguments.without) {
                listeners.extend(bind_wire(service, wire, &arguments, &mut moved)?);
            }
        }
    }
    if listeners.is_empty() {
        return Err(Failure::Usage("--without leaves nothing to start".into()));
    }
    let server = Server::new(arguments.server)?;
    serving::run(&server, Driver::Tasks, || async {
        if server.flags.quiet {
            for listener in &listeners {
                announce(listener.scheme, listener.bound.address)?;
            }
        } else {
            serving::print(&table::table(&share, &listeners, &moved))?;
        }
        serve::start(&server, &share, listeners, Conversations::default())
    })
}

/// A default port that was taken, and by what was put in its place.
#[derive(Debug)]
struct Moved {
    wire: String,
    wanted: u16,
    owner: Option<String>,
}

/// Binds one wire: where `--on` says, else at its default on the loopback addresses. The page's
/// port does not move; another's does when it is taken.
fn bind_wire(
    service: &Service,
    wire: &Wire,
    arguments: &cli::Up,
    moved: &mut Vec<Moved>,
) -> Result<Vec<Listener>, Failure> {
    let version = arguments.server.ip.version();
    let placed = placements(service, wire, &arguments.on)?;
    if !placed.is_empty() {
        let mut listeners = Vec::new();
        for address in placed {
            listeners.extend(serve::bind(&address, version)?);
        }
        return Ok(listeners);
    }
    let port = wire.port.number(arguments.port, arguments.base_port);
    let bound = match bind_tcp("localhost", port, version) {
        Err(ListenError::Taken { owner, .. }) if wire.scheme != Scheme::Http => {
            let wire = format!("{} {}", service.name, wire.scheme.as_str());
            moved.push(Moved { wire, wanted: port, owner });
            bind_tcp("localhost", 0, version)
        }
        bound => bound,
    };
    let bound = bound.map_err(|error| {
        let hint = match &error {
            ListenError::Taken { .. } => {
                format!(
                    "; try `sockeye up {} --port {}`, or --port 0 for any that is free",
                    shell_word(&arguments.dir.to_string_lossy()),
                    if port == u16::MAX { port - 1 } else { port + 1 }
                )
            }
            ListenError::Denied(_) => "; try --port 8080".to_owned(),
            _ => String::new(),
        };
        Failure::Network(format!("{error}{hint}"))
    })?;
    Ok(bound.into_iter().map(|bound| Listener { scheme: wire.scheme, bound }).collect())
}

/// The addresses that `--on` gives a wire.
fn placements(service: &Service, wire: &Wire, on: &[String]) -> Result<Vec<Address>, Failure> {
    let mut placed = Vec::new();
    for text in on {
        let Some((name, url)) = text.split_once('=') else {
            return Err(Failure::Usage(format!(
                "`--on {text}` is not NAME=URL, like files=http://127.0.0.1:9000"
            )));
        };
        let address =
            cli::server_address(url).map_err(|e| Failure::Usage(format!("`--on {text}`: {e}")))?;
        let with_wire = wire_name(service, wire);
        if name == with_wire && address.scheme != wire.scheme {
            return Err(Failure::Usage(format!("`--on {text}`: {name} is not on that wire")));
        }
        if name == with_wire || (name == service.name && address.scheme == wire.scheme) {
            placed.push(address);
        }
    }
    Ok(placed)
}

fn is_left_out(service: &Service, wire: &Wire, without: &[String]) -> bool {
    let with_wire = wire_name(service, wire);
    without.iter().any(|name| *name == service.name || *name == with_wire)
}

/// One wire of a service: `files.tcp`.
fn wire_name(service: &Service, wire: &Wire) -> String {
    format!("{}.{}", service.name, wire.scheme.as_str())
}

/// Every name in `--without` and `--on` must be a service.
fn check_names(arguments: &cli::Up) -> Result<(), Failure> {
    let mut known: Vec<String> = Vec::new();
    for service in of_the_hub() {
        known.push(service.name.to_owned());
        known.extend(service.wires.iter().map(|wire| wire_name(service, wire)));
    }
    let on = arguments.on.iter().map(|text| text.split('=').next().unwrap_or_default());
    for name in arguments.without.iter().map(String::as_str).chain(on) {
        if !known.iter().any(|k| k == name) {
            let known = known.join(", ");
            return Err(Failure::Usage(format!("there is no service `{name}`; there are {known}")));
        }
    }
    Ok(())
}

/// A word as a shell takes it back.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~' | ',');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
