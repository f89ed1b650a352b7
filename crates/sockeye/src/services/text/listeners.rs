//! Where a text service listens, and how it is served there.

use std::sync::Arc;

use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::datagram::serve::{DatagramPort, DatagramService};
use sockeye_engine::datagram::socket::DatagramSocket;
use sockeye_engine::drive::{Bounds, Driver, StreamService};
use sockeye_engine::http::exchange::Books;
use sockeye_engine::listen::{Bound, Door, bind_tcp, bind_udp};
use sockeye_proto::access::entrance::TakesOver;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::datagram::cookie::CookieKey;
use sockeye_proto::datagram::guard::{Guard, GuardRules};
use sockeye_proto::datagram::network::Network;
use sockeye_proto::text::framing::Framer;

use crate::cli;
use crate::exit::Failure;
use crate::services::text::keyed::Keyed;
use crate::services::{SERVICES, driver};
use crate::serving::{Server, announce};

/// How a text service is served.
#[derive(Debug, Default)]
pub struct Options {
    /// What runs its conversations.
    pub driver: Driver,
    /// What tells messages apart over TCP.
    pub framer: Framer,
    /// Networks whose datagrams are trusted as they stand.
    pub plain: Vec<Network>,
    /// Whether datagrams are answered that begin like the answers of servers.
    pub takes_any_text: bool,
    /// Who knows the key, where one is wanted.
    pub doorkeeper: Option<SharedDoorkeeper>,
}

/// Sockets that are bound and not yet served.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For TCP.
    pub streams: Vec<Bound>,
    /// For UDP.
    pub datagrams: Vec<DatagramSocket>,
    /// The ports of the services beside it that take datagrams.
    pub ports_beside: Vec<u16>,
}

impl Listeners {
    /// Binds all addresses; one without a port takes the service's default. Without any, tcp and
    /// udp at that port on this machine.
    pub fn bind(on: &[Address], default_port: u16, ip: &cli::Ip) -> Result<Self, Failure> {
        let mut listeners = Self::default();
        let loopback =
            |scheme| Address { scheme, host: "127.0.0.1".into(), port: None, path: String::new() };
        let default = [loopback(Scheme::Tcp), loopback(Scheme::Udp)];
        for address in if on.is_empty() { &default } else { on } {
            let port = address.port.unwrap_or(default_port);
            let failed =
                |e| Failure::Network(format!("{e}; take another with --on, port 0 is any"));
            match address.scheme {
                Scheme::Udp => {
                    let bound = bind_udp(&address.host, port, ip.version()).map_err(failed)?;
                    listeners.datagrams.extend(bound);
                }
                Scheme::Tcp | Scheme::Http | Scheme::Https => {
                    let bound = bind_tcp(&address.host, port, ip.version()).map_err(failed)?;
                    listeners.streams.extend(bound);
                }
            }
        }
        Ok(listeners)
    }

    /// Why no message comes over tcp, if none does.
    pub fn unframed(&self) -> Option<&'static str> {
        self.streams.is_empty().then_some("a datagram is a message, and there is no tcp listener")
    }

    /// Tells scripts where each of them is.
    pub fn announce(&self) -> Result<(), Failure> {
        for bound in &self.streams {
            announce(Scheme::Tcp, bound.address)?;
        }
        for socket in &self.datagrams {
            announce(Scheme::Udp, socket.local())?;
        }
        Ok(())
    }

    /// The rules for datagrams to one of these sockets, with a cookie key of its own.
    fn guard(&self, server: &Server, options: &Options) -> Result<Guard, Failure> {
        let mut key = [0; 32];
        rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| Failure::Ours(format!("the system gives no random bytes: {e}")))?;
        let bound = self.datagrams.iter().map(|socket| socket.local().port());
        let usual = SERVICES.iter().map(|service| service.default_port(Scheme::Udp));
        let rules = GuardRules {
            own_ports: bound.chain(usual).chain(self.ports_beside.iter().copied()).collect(),
            trusted: options.plain.clone(),
            takes_any_text: options.takes_any_text,
            clients: server.client_limits(),
            idle: server.idle(),
            ..GuardRules::default()
        };
        Ok(Guard::new(rules, CookieKey::new(key)))
    }

    /// Serves on all of them; over TCP behind the key, where one is wanted. `datagram` sees to that
    /// over UDP.
    pub fn serve<S, D>(
        self,
        server: &Server,
        options: &Options,
        (service, books, door): (S, Arc<Books>, Door),
        datagram: impl Fn(Guard) -> D,
    ) -> Result<(), Failure>
    where
        S: StreamService<Machine: TakesOver>,
        D: DatagramService,
    {
        let bounds = Bounds { idle: server.idle(), door };
        let guards: Vec<Guard> =
            self.datagrams.iter().map(|_| self.guard(server, options)).collect::<Result<_, _>>()?;
        let sockets = self.datagrams.into_iter().zip(guards);
        let ports =
            sockets.map(|(socket, guard)| DatagramPort::new(socket, datagram(guard))).collect();
        let Some(doorkeeper) = options.doorkeeper.clone() else {
            return driver::serve(options.driver, service, bounds, self.streams, ports);
        };
        let keyed = Keyed { inner: service, framer: options.framer.clone(), doorkeeper, books };
        driver::serve(options.driver, keyed, bounds, self.streams, ports)
    }
}
