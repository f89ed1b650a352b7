//! The server's side of files: [`share`] finds what a path leads to, [`http`] and [`raw`] are the
//! wires, [`file`](mod@file) and [`folder`] make the answers, [`refusal`] says no.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sockeye_engine::datagram::serve::DatagramPort;
use sockeye_engine::drive::{Bounds, Driver};
use sockeye_engine::listen::{Bound, IpVersion, bind_tcp};
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::text::framing::Framer;

use crate::cli;
use crate::exit::Failure;
use crate::hub::Place;
use crate::hub::invite::Invite;
use crate::hub::site::{self, Beside, Site};
use crate::services::driver::{self, NoDatagrams};
use crate::services::files::serve::raw::RawService;
use crate::services::files::serve::receive::Receiving;
use crate::services::files::serve::share::Share;
use crate::serving::{self, Server, announce, reachable};

pub mod file;
pub mod folder;
pub mod media_type;
pub mod raw;
pub mod receive;
pub mod refusal;
pub mod share;

/// A listener that is bound and not yet served.
#[derive(Debug)]
pub struct Listener {
    /// Which wire it speaks.
    pub scheme: Scheme,
    /// The socket.
    pub bound: Bound,
}

/// Binds all addresses a URL leads to. Without a port the wire's default is taken.
pub fn bind(address: &Address, version: IpVersion) -> Result<Vec<Listener>, Failure> {
    let default = match address.scheme {
        Scheme::Http => 8080,
        Scheme::Tcp | Scheme::Udp => 7008,
    };
    let bound = bind_tcp(&address.host, address.port.unwrap_or(default), version)
        .map_err(|e| Failure::Network(format!("{e}")))?;
    Ok(bound.into_iter().map(|bound| Listener { scheme: address.scheme, bound }).collect())
}

/// Opens the folder that is to be served.
pub fn open(dir: &Path, flags: &cli::Share) -> Result<Arc<Share>, Failure> {
    Share::open(dir, flags.hidden).map(Arc::new).map_err(|e| {
        let hint = match e.kind() {
            std::io::ErrorKind::NotFound => "; give a folder that exists",
            std::io::ErrorKind::NotADirectory => "; give the folder that it lies in",
            _ => "",
        };
        Failure::Usage(format!("cannot share {}: {e}{hint}", dir.display()))
    })
}

/// `sockeye serve files`.
pub fn alone(arguments: cli::ServeFiles) -> Result<(), Failure> {
    let has_tcp = arguments.on.iter().any(|address| address.scheme == Scheme::Tcp);
    let unframed = (!has_tcp).then_some("http has no messages, and there is no tcp listener");
    let conversations = Conversations {
        driver: driver_of(&arguments)?,
        framer: arguments.framing.framer(unframed)?,
    };
    let share = open(&arguments.dir, &arguments.share)?;
    let mut listeners = Vec::new();
    for address in &arguments.on {
        let bound = bind(address, arguments.server.ip.version())
            .map_err(|e| Failure::Network(format!("{e}; take another with --on, port 0 is any")))?;
        listeners.extend(bound);
    }
    let receiving = Receiving::new(&share, &arguments.share);
    let server = Server::new(arguments.server)?;
    serving::run(&server, conversations.driver, || async {
        for listener in &listeners {
            announce(listener.scheme, listener.bound.address)?;
            let address = listener.bound.address;
            if !address.ip().is_loopback() {
                let at = SocketAddr::new(reachable(address.ip()), address.port());
                let at = serving::url(listener.scheme, at);
                server.log.say(format!("everybody who can reach {at} may read"));
            }
        }
        let place = |listener: &Listener| Place {
            service: &super::SERVICE,
            scheme: listener.scheme,
            address: listener.bound.address,
        };
        let places: Vec<Place> = listeners.iter().map(place).collect();
        let (access, invite) = (Arc::default(), Invite::new(&places, None, None));
        let beside = Beside { places, doors: Vec::new(), access, invite };
        start(&server, receiving, listeners, conversations, beside)
    })
}

/// The driver that was chosen, if it can serve where it is to.
fn driver_of(arguments: &cli::ServeFiles) -> Result<Driver, Failure> {
    let http = arguments.on.iter().find(|address| address.scheme == Scheme::Http);
    match (Driver::from(arguments.driver), http) {
        (Driver::Threads | Driver::Single, Some(address)) => Err(Failure::Usage(format!(
            "{address} is served by tokio tasks alone; leave --driver out, or give only tcp \
             listeners, like --on tcp://127.0.0.1:7008"
        ))),
        (driver, _) => Ok(driver),
    }
}

/// How the conversations on the tcp wire are held.
#[derive(Debug, Default)]
pub struct Conversations {
    /// What runs them; another than tasks has no http beside it.
    pub driver: Driver,
    /// What tells where a name ends.
    pub framer: Framer,
}

/// Serves the folder on these listeners, in a hub with what is beside it.
pub fn start(
    server: &Server,
    receiving: Receiving,
    listeners: Vec<Listener>,
    Conversations { driver, framer }: Conversations,
    beside: Beside,
) -> Result<(), Failure> {
    let door = server.door();
    let share = Arc::clone(receiving.share());
    let site = Site::new(server, &share, receiving, &door, beside);
    let (http, tcp): (Vec<_>, Vec<_>) =
        listeners.into_iter().partition(|listener| listener.scheme == Scheme::Http);
    let site = site::service(server, &door, site);
    for Listener { bound, .. } in http {
        tokio::spawn(sockeye_engine::http::server::serve(bound, Arc::clone(&site)));
    }
    let books = server.books(&door, "files tcp");
    let raw = RawService { share, framer, books };
    let bounds = Bounds { idle: server.idle(), door };
    let streams = tcp.into_iter().map(|listener| listener.bound).collect();
    driver::serve(driver, raw, bounds, streams, Vec::<DatagramPort<NoDatagrams>>::new())
}
