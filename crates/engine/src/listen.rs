//! Listening: from an address to bound sockets, and from those to clients that were let in.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use sockeye_proto::limits::REFUSALS_AT_ONCE;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::datagram::socket::DatagramSocket;
use crate::gate::{Full, Gate, Place};
use crate::metrics::ServiceCounters;
use crate::port_owner::owner_of_tcp_port;
use crate::stop::Stop;

/// Connections that wait for `accept`; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;
/// A peer that vanished without a word is found by TCP within about two minutes.
const KEEPALIVE_AFTER: Duration = Duration::from_mins(1);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
/// Out of descriptors: wait this long before accepting again, doubled up to the second figure.
pub(crate) const BACK_OFF_FIRST: Duration = Duration::from_millis(10);
pub(crate) const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// A conversation that is over is read from for this long at most, so that its last words arrive.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// And for this much.
pub(crate) const UNREAD_MAX_BYTES: usize = 1024 * 1024;

/// Which IP versions a name may resolve to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpVersion {
    /// Either.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl IpVersion {
    /// Whether an address is of this version.
    pub fn admits(self, address: &IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Why a server cannot listen where it was told to.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another program, or another listener of this one, has the port.
    #[error("{address} is taken{}", by(.owner.as_deref()))]
    Taken {
        /// Where.
        address: SocketAddr,
        /// Who has it, if that can be seen.
        owner: Option<String>,
    },
    /// The name leads to no address of the wanted IP version.
    #[error("`{host}` leads to no {version} address: {reason}")]
    NoAddress {
        /// The host as it was given.
        host: String,
        /// The kind that was wanted.
        version: &'static str,
        /// What the resolver says.
        reason: String,
    },
    /// This machine does not have that address.
    #[error("{0} is no address of this machine; `ip addr` shows those that are")]
    NotOurs(SocketAddr),
    /// Ports below 1024 want a privilege that is given up at start.
    #[error("{0} wants a privilege: ports below 1024 do. Take one from 1024 on")]
    Denied(SocketAddr),
    /// Something else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

fn by(owner: Option<&str>) -> String {
    owner.map(|o| format!(" by {o}")).unwrap_or_default()
}

/// A socket that is bound and listens.
#[derive(Debug)]
pub struct Bound {
    /// The socket, not yet handed to a runtime.
    pub socket: std::net::TcpListener,
    /// Where, with the port really bound.
    pub address: SocketAddr,
}

/// Binds every address that a host leads to, all on the same port. `localhost` is both loopback
/// addresses; where one of several addresses cannot be had because this machine lacks the IP
/// version, the others do.
pub fn bind_tcp(host: &str, port: u16, version: IpVersion) -> Result<Vec<Bound>, ListenError> {
    /// Free ports drawn before it is given up that one is free on all addresses.
    const DRAWS: usize = 8;
    let addresses = resolve(host, version)?;
    let mut outcome = bind_all(&addresses, port);
    for _ in 1..DRAWS {
        match &outcome {
            Err(ListenError::Taken { .. }) if port == 0 => outcome = bind_all(&addresses, port),
            _ => break,
        }
    }
    outcome
}

fn bind_all(addresses: &[IpAddr], port: u16) -> Result<Vec<Bound>, ListenError> {
    let mut bound: Vec<Bound> = Vec::new();
    let mut missing = None;
    for &ip in addresses {
        // With port 0 the first socket gets a free port, and the others follow it there.
        let port = bound.first().map_or(port, |first| first.address.port());
        match bind_one(SocketAddr::new(ip, port)) {
            Ok(one) => bound.push(one),
            Err(error @ ListenError::NotOurs(_)) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

/// Binds UDP on every address that a host leads to, all on the same port; see [`bind_tcp`].
pub fn bind_udp(
    host: &str,
    port: u16,
    version: IpVersion,
) -> Result<Vec<DatagramSocket>, ListenError> {
    let mut bound: Vec<DatagramSocket> = Vec::new();
    let mut missing = None;
    for ip in resolve(host, version)? {
        let port = bound.first().map_or(port, |first| first.local().port());
        let address = SocketAddr::new(ip, port);
        match DatagramSocket::bind(address).map_err(|source| listen_error(address, source)) {
            Ok(one) => bound.push(one),
            Err(error @ ListenError::NotOurs(_)) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

/// The address of this machine that others on its network would use: the one that the kernel would
/// send from. Nothing is sent; `None` where there is no network.
pub fn own_address() -> Option<IpAddr> {
    // TEST-NET-1 (RFC 5737) stands for "somewhere else".
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

fn resolve(host: &str, version: IpVersion) -> Result<Vec<IpAddr>, ListenError> {
    let mut addresses: Vec<IpAddr> = if let Ok(ip) = host.parse() {
        vec![ip]
    } else if host == "localhost" {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(host, 0));
        let found = found.map_err(|e| no_address(host, version, e.to_string()))?;
        found.map(|a| a.ip()).collect()
    };
    addresses.retain(|a| version.admits(a));
    addresses.dedup();
    if addresses.is_empty() {
        return Err(no_address(host, version, "it has none of that kind".into()));
    }
    Ok(addresses)
}

fn no_address(host: &str, version: IpVersion, reason: String) -> ListenError {
    let version = match version {
        IpVersion::Any => "IP",
        IpVersion::V4 => "IPv4",
        IpVersion::V6 => "IPv6",
    };
    ListenError::NoAddress { host: host.to_owned(), version, reason }
}

fn bind_one(address: SocketAddr) -> Result<Bound, ListenError> {
    let listen = || -> io::Result<Bound> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if let SocketAddr::V6(v6) = address {
            // `[::]` takes IPv4 callers too; any other IPv6 address is just itself.
            socket.set_only_v6(!v6.ip().is_unspecified())?;
        }
        // On Linux this lets a restarted server take its port back from connections in TIME_WAIT;
        // it never shares a port with a live listener.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket: std::net::TcpListener = socket.into();
        let address = socket.local_addr()?;
        Ok(Bound { socket, address })
    };
    listen().map_err(|source| listen_error(address, source))
}

fn listen_error(address: SocketAddr, source: io::Error) -> ListenError {
    match Errno::from_io_error(&source) {
        Some(Errno::ADDRINUSE) => {
            ListenError::Taken { address, owner: owner_of_tcp_port(address.port()) }
        }
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) => ListenError::NotOurs(address),
        Some(Errno::ACCESS) => ListenError::Denied(address),
        _ => ListenError::Other { address, source },
    }
}

/// What accepting needs to know, shared by all listeners of one service.
#[derive(Clone, Debug)]
pub struct Door {
    /// Counts who is in.
    pub gate: Arc<Gate>,
    /// Ends the accepting.
    pub stop: Stop,
    /// Counts what happens at the door.
    pub counters: Arc<ServiceCounters>,
}

/// A client that was let in.
#[derive(Debug)]
pub struct Client {
    /// Its connection.
    pub stream: TcpStream,
    /// Its address, an IPv4 one as such also on a dual-stack listener.
    pub peer: SocketAddr,
    /// Its place, to be kept as long as the connection.
    pub place: Place,
}

/// Accepts until the stop is asked for. Who is let in is handed to `serve`, which makes a tracked
/// task of it; who is not is told so by `refuse`, as another. Running out of descriptors or memory
/// is waited out and counted, and never ends the loop.
pub async fn accept<S, R, RF>(bound: Bound, door: Door, serve: S, refuse: R) -> io::Result<()>
where
    S: Fn(Client),
    R: Fn(TcpStream, Full) -> RF,
    RF: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(bound.socket)?;
    let refusing = Turn::counter();
    let mut back_off = BACK_OFF_FIRST;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.stop.asked() => return Ok(()),
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_exhaustion(&error) => {
                door.counters.accept_failures.add(1);
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF_MAX);
                continue;
            }
            // The caller was gone before we looked (accept(2), "Error handling").
            Err(_) => continue,
        };
        back_off = BACK_OFF_FIRST;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        match door.gate.enter(peer.ip()) {
            Ok(place) => {
                door.counters.connections.add(1);
                prepare(&stream);
                serve(Client { stream, peer, place });
            }
            Err(full) => {
                door.counters.refused.add(1);
                if let Some(turn) = Turn::take(&refusing) {
                    let refusal = refuse(stream, full);
                    door.stop.track(async move {
                        refusal.await;
                        drop(turn);
                    });
                }
            }
        }
    }
}

/// One of the few refusals that are being said at once; more callers than that are just closed.
pub(crate) struct Turn(Arc<AtomicUsize>);

impl Turn {
    /// A counter of turns that are taken.
    pub(crate) fn counter() -> Arc<AtomicUsize> {
        Arc::default()
    }

    /// A turn, if not too many are taken.
    pub(crate) fn take(refusing: &Arc<AtomicUsize>) -> Option<Self> {
        let turn = Self(Arc::clone(refusing));
        (refusing.fetch_add(1, Ordering::Relaxed) < REFUSALS_AT_ONCE).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Socket options of every connection. Failing to set one costs comfort, not correctness.
pub(crate) fn prepare(stream: &impl AsFd) {
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_PROBES);
    let _ = socket.set_tcp_keepalive(&keepalive);
}

/// Says `text` to somebody who is not let in, and closes.
pub async fn say_and_close<S>(mut stream: S, text: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    const PATIENCE: Duration = Duration::from_millis(500);
    // Whether it arrived is the peer's affair: it is being turned away.
    let _ = tokio::time::timeout(PATIENCE, async {
        stream.write_all(text).await?;
        close(&mut stream).await
    })
    .await;
}

/// Closes so that what was sent arrives: closing over bytes that were never read would reset the
/// connection and take the last words with it. So our side is ended first, and what the peer still
/// sends is read and thrown away until it ends its own, within bounds.
pub async fn close<S>(stream: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.shutdown().await?;
    let mut scrap = [0; 4096];
    let mut unread_bytes = 0;
    let read_on = async {
        while unread_bytes < UNREAD_MAX_BYTES {
            match stream.read(&mut scrap).await {
                Ok(n) if n > 0 => unread_bytes += n,
                _ => break,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, read_on).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_loopback_addresses_on_one_port() {
        let bound = bind_tcp("localhost", 0, IpVersion::Any).unwrap();
        let ports: Vec<u16> = bound.iter().map(|b| b.address.port()).collect();
        assert!(bound[0].address.is_ipv4() && ports.iter().all(|p| *p == ports[0]), "{bound:?}");
    }

    #[test]
    fn a_taken_port_is_named_with_its_owner() {
        let first = bind_tcp("127.0.0.1", 0, IpVersion::Any).unwrap();
        let port = first[0].address.port();
        let error = bind_tcp("127.0.0.1", port, IpVersion::Any).unwrap_err().to_string();
        assert!(error.starts_with(&format!("127.0.0.1:{port} is taken by ")), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_told_as_that() {
        let error = bind_tcp("192.0.2.1", 0, IpVersion::Any).unwrap_err();
        assert!(matches!(error, ListenError::NotOurs(_)), "{error}");
    }

    #[test]
    fn a_name_without_the_wanted_version_says_so() {
        let error = bind_tcp("127.0.0.1", 0, IpVersion::V6).unwrap_err().to_string();
        assert!(error.contains("no IPv6 address"), "{error}");
    }
}
