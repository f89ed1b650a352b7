//! The server's side of files: [`share`] finds what a path leads to, [`http`] and [`raw`] are the
//! wires, [`file`](mod@file), [`folder`] and [`archive`] make the answers, [`prove`] states what another
//! server is to compare, [`refusal`] says no.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::datagram::serve::DatagramPort;
use sockeye_engine::drive::{Bounds, Driver};
use sockeye_engine::http::server::serve;
use sockeye_engine::listen::{Bound, IpVersion, bind_tcp};
use sockeye_engine::tls::server::ServerTls;
use sockeye_engine::workers::Workers;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::text::framing::Framer;

use crate::cli;
use crate::data::DataFolder;
use crate::discovery;
use crate::discovery::announce::Presence;
use crate::exit::Failure;
use crate::hub::Place;
use crate::hub::access::{Access, Wanted};
use crate::hub::invite::Invite;
use crate::hub::site::{self, Beside, Site};
use crate::services::driver::{self, NoDatagrams};
use crate::services::files::serve::raw::RawService;
use crate::services::files::serve::receive::Receiving;
use crate::services::files::serve::share::Share;
use crate::services::files::siblings::Siblings;
use crate::serving::{self, Server, announce, reachable};
use crate::tls::Certificate;

pub mod archive;
pub mod file;
pub mod folder;
pub mod media_type;
pub mod prove;
pub mod raw;
pub mod receive;
pub mod refusal;
pub mod share;

/// Where http or https is served unless told otherwise.
const PAGE_PORT: u16 = 8080;

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
        Scheme::Http | Scheme::Https => PAGE_PORT,
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
    let on = addresses(&arguments)?;
    let has_tcp = on.iter().any(|address| address.scheme == Scheme::Tcp);
    let unframed = (!has_tcp).then_some("http has no messages, and there is no tcp listener");
    let mut conversations = Conversations {
        driver: driver_of(arguments.driver.into(), &on)?,
        framer: arguments.framing.framer(unframed)?,
        doorkeeper: None,
    };
    arguments.join_key.check()?;
    let share = open(&arguments.dir, &arguments.share)?;
    let mut listeners = Vec::new();
    for address in &on {
        let bound = bind(address, arguments.server.ip.version())
            .map_err(|e| Failure::Network(format!("{e}; take another with --on, port 0 is any")))?;
        listeners.extend(bound);
    }
    check_openness(&arguments, &listeners)?;
    let has_https = on.iter().any(|address| address.scheme == Scheme::Https);
    let certificate =
        has_https.then(|| Certificate::get(&arguments.tls, &arguments.server)).transpose()?;
    let receiving = Receiving::new(&share, &arguments.share);
    let server = Server::new(arguments.server)?;
    let siblings = Siblings::new(&server, &arguments.siblings)?;
    let finds_peers = arguments.siblings.find_peers;
    conversations.doorkeeper = arguments.join_key.doorkeeper(&server)?;
    let doorkeeper = conversations.doorkeeper.clone();
    let who = if doorkeeper.is_some() { "everybody with the key" } else { "everybody" };
    let may = if receiving.is_on() { "read and send" } else { "read" };
    serving::run(&server, conversations.driver, || async {
        for listener in &listeners {
            announce(listener.scheme, listener.bound.address)?;
            let address = listener.bound.address;
            if !address.ip().is_loopback() {
                let at = SocketAddr::new(reachable(address.ip()), address.port());
                let at = serving::url(listener.scheme, at);
                server.log.say(format!("{who} who can reach {at} may {may}"));
            }
        }
        let place = |listener: &Listener| Place {
            service: &super::SERVICE,
            scheme: listener.scheme,
            address: listener.bound.address,
        };
        let places: Vec<Place> = listeners.iter().map(place).collect();
        let fingerprint = certificate.as_ref().map(Certificate::fingerprint);
        if let Some(fingerprint) = &fingerprint {
            server.log.say(format!("the certificate's fingerprint (SHA-256) is {fingerprint}"));
        }
        let wanted = Access::new(Wanted::Always, doorkeeper, DataFolder::default());
        let (access, invite) = (Arc::new(wanted), Invite::new(&places, None, fingerprint));
        siblings.keep_up();
        let presence = Presence {
            id: siblings.us().id().clone(),
            folder: share.name(),
            wanted: if access.doorkeeper().is_some() { Wanted::Always } else { Wanted::Nothing },
            group: siblings.fingerprint(),
            places: places.clone(),
        };
        let told = finds_peers.then(|| Arc::clone(&siblings).listener());
        let beside = Beside { places, doors: Vec::new(), access, invite, siblings };
        let tls = certificate.map(|certificate| certificate.put_to_use(&server.log));
        start(&server, receiving, listeners, conversations, beside, tls)?;
        if told.is_some() {
            discovery::announce::announce(&server, &presence, told);
        }
        Ok(())
    })
}

/// To let everybody write who can reach this machine is never a default.
fn check_openness(arguments: &cli::ServeFiles, listeners: &[Listener]) -> Result<(), Failure> {
    let has_key = !arguments.join_key.is_none();
    if arguments.share.dropbox && !has_key {
        let why = "--dropbox is for those who have no key, and no key is wanted; give --join-key";
        return Err(Failure::Usage(why.into()));
    }
    let beyond = listeners.iter().find(|listener| !listener.bound.address.ip().is_loopback());
    match beyond {
        Some(listener) if arguments.share.uploads && !has_key && !arguments.open => {
            let at = listener.bound.address;
            Err(Failure::Usage(format!(
                "--uploads would let everybody write who can reach {at}; give --join-key KEY, or \
                 --open if that is meant"
            )))
        }
        _ => Ok(()),
    }
}

/// Where to listen: where `--on` says, else at the page's port of this machine.
fn addresses(arguments: &cli::ServeFiles) -> Result<Vec<Address>, Failure> {
    let is_wanted = arguments.tls.is_wanted();
    if arguments.on.is_empty() {
        let scheme = if is_wanted { Scheme::Https } else { Scheme::Http };
        let (host, path) = ("127.0.0.1".to_owned(), String::new());
        return Ok(vec![Address { scheme, host, port: Some(PAGE_PORT), path }]);
    }
    if is_wanted && !arguments.on.iter().any(|address| address.scheme == Scheme::Https) {
        let why = "--tls would do nothing: no --on is https://; write it there, or leave --tls out";
        return Err(Failure::Usage(why.into()));
    }
    Ok(arguments.on.clone())
}

/// The driver that was chosen, if it can serve where it is to.
fn driver_of(chosen: Driver, on: &[Address]) -> Result<Driver, Failure> {
    let http = on.iter().find(|address| address.scheme.is_http());
    match (chosen, http) {
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
    /// Who knows the key, where one is wanted.
    pub doorkeeper: Option<SharedDoorkeeper>,
}

/// Serves the folder on these listeners, in a hub with what is beside it. Where one of them speaks
/// https, `tls` is what it is served under.
pub fn start(
    server: &Server,
    receiving: Receiving,
    listeners: Vec<Listener>,
    Conversations { driver, framer, doorkeeper }: Conversations,
    beside: Beside,
    tls: Option<ServerTls>,
) -> Result<(), Failure> {
    let door = server.door();
    let share = Arc::clone(receiving.share());
    let site = Arc::new(Site::new(server, &share, receiving, &door, beside));
    let workers = Workers::start()
        .map_err(|e| Failure::Ours(format!("cannot start the threads that serve http: {e}")))?;
    let workers = Arc::new(workers);
    let http = site::service(server, &door, &site, &workers, None);
    let https = tls.map(|tls| site::service(server, &door, &site, &workers, Some(tls)));
    let mut streams = Vec::new();
    for Listener { scheme, bound } in listeners {
        match (scheme, &https) {
            (Scheme::Http, _) => drop(tokio::spawn(serve(bound, Arc::clone(&http)))),
            (Scheme::Https, Some(https)) => drop(tokio::spawn(serve(bound, Arc::clone(https)))),
            // Nobody binds https without a certificate, and files have no udp.
            (Scheme::Https, None) | (Scheme::Udp, _) => {}
            (Scheme::Tcp, _) => streams.push(bound),
        }
    }
    let books = server.books(&door, "files tcp");
    let raw = RawService { share, framer, doorkeeper, books };
    let bounds = Bounds { idle: server.idle(), door };
    driver::serve(driver, raw, bounds, streams, Vec::<DatagramPort<NoDatagrams>>::new())
}
