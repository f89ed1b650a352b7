//! From a name to a connection.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpStream;

use crate::listen::IpVersion;

/// How long each of a name's addresses is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nobody was reached.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The name leads nowhere.
    #[error("cannot find `{0}`: {1}; is the name right?")]
    NotFound(String, io::Error),
    /// The name has addresses, but none of the version that was asked for.
    #[error("`{0}` has no address of that IP version")]
    NoAddress(String),
    /// Nothing listens on the port.
    #[error("nobody listens on {0}: is the server running, and is the port right?")]
    Refused(SocketAddr),
    /// There is no way to the address.
    #[error("cannot reach {0}: {1}")]
    Unreachable(SocketAddr, io::Error),
    /// It did not answer in time.
    #[error("{0} does not answer; is a firewall in between?")]
    TimedOut(SocketAddr),
}

/// The addresses that a host name stands for, or the one that it is; never empty.
pub async fn resolve(
    host: &str,
    port: u16,
    version: IpVersion,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let found: Vec<SocketAddr> = if host.eq_ignore_ascii_case("localhost") {
        // Both loopback addresses (RFC 6761, section 6.3), whatever this machine's files say.
        vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
    } else {
        let found = tokio::net::lookup_host((host, port)).await;
        found.map_err(|e| ConnectError::NotFound(host.to_owned(), e))?.collect()
    };
    let addresses: Vec<SocketAddr> =
        found.into_iter().filter(|at| version.admits(&at.ip())).collect();
    if addresses.is_empty() {
        return Err(ConnectError::NoAddress(host.to_owned()));
    }
    Ok(addresses)
}

/// Connects to the first of a host's addresses that answers.
pub async fn connect(
    host: &str,
    port: u16,
    version: IpVersion,
) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let mut last = ConnectError::NoAddress(host.to_owned());
    for address in resolve(host, port, version).await? {
        last = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok((stream, address));
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                ConnectError::Refused(address)
            }
            Ok(Err(error)) => ConnectError::Unreachable(address, error),
            Err(_) => ConnectError::TimedOut(address),
        };
    }
    Err(last)
}
