//! The hub: a folder and its services on one page, from one command.
//!
//! [`site`] is what the page's port answers: the hub's own paths under `/-/`, and the shared
//! folder for everything else. [`access`] decides who may, [`guests`] knows who is here, [`invite`]
//! makes the link that lets others in, [`link`] the one to a file or folder. [`table`] is what the
//! person at the terminal sees.

use std::net::SocketAddr;
use std::sync::Arc;

use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::datagram::socket::DatagramSocket;
use sockeye_engine::drive::Driver;
use sockeye_engine::listen::{Bound, IpVersion, ListenError, bind_tcp, bind_udp};
use sockeye_engine::tls::server::ServerTls;
use sockeye_proto::address::{Address, Scheme};

use self::access::{Access, Wanted};
use self::invite::Invite;
use crate::cli;
use crate::data::DataFolder;
use crate::discovery::announce::{Presence, announce};
use crate::exit::Failure;
use crate::hub::site::Beside;
use crate::services::by_hand::shell_word;
use crate::services::files::serve::receive::Receiving;
use crate::services::files::serve::{self, Conversations, Listener};
use crate::services::files::siblings::Siblings;
use crate::services::text::listeners::Listeners;
use crate::services::{Hub, Service, Text, Wire, of_the_hub};
use crate::serving::{self, Server};
use crate::tls::Certificate;

pub mod access;
pub mod api;
pub mod commands;
pub mod exchange;
pub mod guests;
pub mod invite;
pub mod key;
mod link;
mod listed;
pub mod page;
pub mod site;
mod table;

/// `sockeye up`.
pub fn up(arguments: cli::Up) -> Result<(), Failure> {
    let share = serve::open(&arguments.dir, &arguments.share)?;
    check_names(&arguments)?;
    let mut ground = Ground::default();
    for service in of_the_hub().filter(|service| is_wanted(service, &arguments)) {
        ground.bind(service, &arguments)?;
    }
    if ground.places.is_empty() {
        return Err(Failure::Usage("--without leaves nothing to start".into()));
    }
    let certificate = certificate_of(&arguments, &ground.places)?;
    let fingerprint = certificate.as_ref().map(Certificate::fingerprint);
    let access = access_of(&arguments, &ground.places)?;
    let invite = Invite::new(&ground.places, arguments.network.addr, fingerprint);
    let receiving = Receiving::new(&share, &arguments.share);
    let (is_announced, finds_peers) = (is_announced(&arguments), arguments.siblings.find_peers);
    let server = Server::new(arguments.server)?;
    let siblings = Siblings::new(&server, &arguments.siblings)?;
    serving::run(&server, Driver::Tasks, || async {
        if server.flags.quiet {
            for place in &ground.places {
                serving::announce(place.scheme, place.address)?;
            }
        } else {
            let at_start = table::AtStart {
                share: &share,
                receiving: &receiving,
                places: &ground.places,
                moved: &ground.moved,
                access: &access,
                invite: &invite,
            };
            serving::print(&at_start.table())?;
        }
        let tls = certificate.map(|certificate| certificate.put_to_use(&server.log));
        siblings.keep_up();
        let presence = is_announced.then(|| Presence {
            id: siblings.us().id().clone(),
            folder: share.name(),
            wanted: access.wanted(),
            group: siblings.fingerprint(),
            places: ground.places.clone(),
        });
        let told = finds_peers.then(|| Arc::clone(&siblings).listener());
        ground.start(&server, receiving, access, (invite, siblings), tls)?;
        if let Some(presence) = presence {
            announce(&server, &presence, told);
        }
        Ok(())
    })
}

/// Who opens the hub to the network, or looks for others there, is to be found.
fn is_announced(arguments: &cli::Up) -> bool {
    let network = &arguments.network;
    (network.lan && !network.no_announce) || arguments.siblings.find_peers
}

/// What is of use to few is not offered to the network unless asked for.
fn is_wanted(service: &Service, arguments: &cli::Up) -> bool {
    service.is_for_all || !arguments.network.lan || arguments.network.all
}

/// What https is served under, where any is.
fn certificate_of(arguments: &cli::Up, places: &[Place]) -> Result<Option<Certificate>, Failure> {
    if places.iter().any(|place| place.scheme == Scheme::Https) {
        return Certificate::get(&arguments.tls, &arguments.server).map(Some);
    }
    if arguments.tls.is_wanted() {
        let why = "--tls would do nothing: --without leaves no https; leave one of them out";
        return Err(Failure::Usage(why.into()));
    }
    Ok(None)
}

/// Who may: beyond this machine, whoever has the key, unless told otherwise.
fn access_of(arguments: &cli::Up, places: &[Place]) -> Result<Arc<Access>, Failure> {
    let network = &arguments.network;
    let is_beyond = places
        .iter()
        .any(|place| matches!(place.service.hub, Hub::Page) && !place.address.ip().is_loopback());
    let asks_for_key = network.join_key.is_some() || network.new_key;
    if network.open == Some(cli::Open::All) && asks_for_key {
        let why = "--open wants no key, and --join-key and --new-key are about one; --open=read \
                   wants it to write";
        return Err(Failure::Usage(why.into()));
    }
    let wanted = match network.open {
        Some(cli::Open::Read) => Wanted::ToWrite,
        None if is_beyond || asks_for_key => Wanted::Always,
        Some(cli::Open::All) | None => Wanted::Nothing,
    };
    if wanted == Wanted::Nothing && arguments.share.dropbox {
        let why = "--dropbox is for those who have no key, and no key is wanted here; start with \
                   --lan, or leave it out";
        return Err(Failure::Usage(why.into()));
    }
    if wanted == Wanted::Nothing {
        return Ok(Arc::new(Access::new(Wanted::Nothing, None, DataFolder::default())));
    }
    let (key, data) = if let Some(given) = &network.join_key {
        // One that changes has nothing to do with the one that is kept.
        (given.key("--join-key")?, DataFolder::default())
    } else {
        let flags = &arguments.server.data;
        let data = DataFolder::find(flags.data.as_deref(), flags.ephemeral)?;
        (key::kept(&data, network.new_key)?, data)
    };
    Ok(Arc::new(Access::new(wanted, Some(SharedDoorkeeper::new(key)), data)))
}

/// Where a wire of a service listens.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The service.
    pub service: &'static Service,
    /// The wire.
    pub scheme: Scheme,
    /// The address, with the port really bound.
    pub address: SocketAddr,
}

impl Place {
    /// Whether it is where this wire of this service listens.
    pub fn is_of(&self, service: &Service, wire: &Wire) -> bool {
        self.service.name == service.name && self.scheme == wire.scheme
    }
}

/// All that is bound and not yet served.
#[derive(Debug, Default)]
struct Ground {
    places: Vec<Place>,
    moved: Vec<Moved>,
    files: Vec<Listener>,
    text: Vec<(&'static Service, Text, Listeners)>,
}

impl Ground {
    fn bind(&mut self, service: &'static Service, arguments: &cli::Up) -> Result<(), Failure> {
        let mut text = Listeners::default();
        for wire in service.wires {
            if is_left_out(service, wire, &arguments.without) {
                continue;
            }
            let scheme = wire.scheme;
            for socket in bind_wire(service, wire, arguments, &mut self.moved)? {
                let address = match &socket {
                    Socket::Stream(bound) => bound.address,
                    Socket::Datagrams(socket) => socket.local(),
                };
                self.places.push(Place { service, scheme, address });
                match (service.hub, socket) {
                    (Hub::Page, Socket::Stream(bound)) => {
                        self.files.push(Listener { scheme, bound });
                    }
                    (Hub::Text(_), Socket::Stream(bound)) => text.streams.push(bound),
                    (_, Socket::Datagrams(socket)) => text.datagrams.push(socket),
                }
            }
        }
        if let Hub::Text(part) = service.hub {
            self.text.push((service, part, text));
        }
        Ok(())
    }

    fn start(
        self,
        server: &Server,
        receiving: Receiving,
        access: Arc<Access>,
        (invite, siblings): (Invite, Arc<Siblings>),
        tls: Option<ServerTls>,
    ) -> Result<(), Failure> {
        let mut doors = Vec::new();
        let of_datagrams = |place: &&Place| place.scheme == Scheme::Udp;
        let ports: Vec<u16> =
            self.places.iter().filter(of_datagrams).map(|place| place.address.port()).collect();
        for (service, part, mut listeners) in self.text {
            listeners.ports_beside.clone_from(&ports);
            let door = server.door();
            (part.start)(server, listeners, door.clone())?;
            doors.push((service.name, door));
        }
        let mut conversations = Conversations::default();
        if let Some(doorkeeper) = access.doorkeeper() {
            server.log.mask().hide_key_of(doorkeeper);
            conversations.doorkeeper =
                (access.wanted() == Wanted::Always).then(|| doorkeeper.clone());
        }
        let beside = Beside { places: self.places, doors, access, invite, siblings };
        serve::start(server, receiving, self.files, conversations, beside, tls)
    }
}

/// A bound socket of either kind.
#[derive(Debug)]
enum Socket {
    Stream(Bound),
    Datagrams(DatagramSocket),
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
) -> Result<Vec<Socket>, Failure> {
    let version = arguments.server.ip.version();
    let bind = |host: &str, port: u16| -> Result<Vec<Socket>, ListenError> {
        Ok(match wire.scheme {
            Scheme::Udp => {
                bind_udp(host, port, version)?.into_iter().map(Socket::Datagrams).collect()
            }
            Scheme::Tcp | Scheme::Http | Scheme::Https => {
                bind_tcp(host, port, version)?.into_iter().map(Socket::Stream).collect()
            }
        })
    };
    let port = wire.port.number(arguments.port, arguments.base_port);
    let placed = placements(service, wire, &arguments.on)?;
    if !placed.is_empty() {
        let mut sockets = Vec::new();
        for address in placed {
            let bound = bind(&address.host, address.port.unwrap_or(port));
            sockets.extend(bound.map_err(|error| Failure::Network(error.to_string()))?);
        }
        return Ok(sockets);
    }
    // The page's port speaks one of the two.
    let is_other = match wire.scheme {
        Scheme::Http => arguments.tls.is_wanted(),
        Scheme::Https => !arguments.tls.is_wanted(),
        Scheme::Tcp | Scheme::Udp => false,
    };
    if is_other {
        return Ok(Vec::new());
    }
    let usual = |port| match (arguments.network.lan, version) {
        (false, _) => bind("localhost", port),
        (true, IpVersion::V4) => bind("0.0.0.0", port),
        // It takes IPv4 callers, too.
        (true, _) => match bind("::", port) {
            Err(ListenError::NotOurs(_)) => bind("0.0.0.0", port),
            bound => bound,
        },
    };
    let bound = match usual(port) {
        Err(ListenError::Taken { owner, .. }) if !wire.scheme.is_http() => {
            let wire = format!("{} {}", service.name, wire.scheme.as_str());
            moved.push(Moved { wire, wanted: port, owner });
            usual(0)
        }
        bound => bound,
    };
    bound.map_err(|error| {
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
    })
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
            cli::hub_address(url).map_err(|e| Failure::Usage(format!("`--on {text}`: {e}")))?;
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
