//! The server's side of TLS: one certificate, and the rules of the handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::sign::SingleCertAndKey;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::Identity;
use super::fingerprint::Fingerprint;
use super::{HTTP2, HTTP10, HTTP11, provider};

/// Plaintext that a connection takes in at once: as much as one chunk of a file, which then leaves
/// in records of 16 KiB with one system call.
const PLAINTEXT_MAX_BYTES: usize = 256 * 1024;

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
#[error("TLS cannot be set up: {0}")]
pub struct SetupError(#[from] rustls::Error);

/// What a server needs to speak TLS; cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    fingerprint: Fingerprint,
}

impl ServerTls {
    /// Serves under this certificate: TLS 1.3 and 1.2, and by ALPN HTTP/2 or 1.1. Who comes again
    /// may take up its session with a ticket, whose keys change every six hours.
    pub fn new(identity: Identity) -> Result<Self, SetupError> {
        let fingerprint = identity.fingerprint();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified)));
        config.alpn_protocols = [HTTP2, HTTP11, HTTP10].map(<[u8]>::to_vec).into();
        config.ticketer = Ticketer::new()?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), fingerprint })
    }

    /// What people compare with what their browser or client shows.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The handshake. It ends when it is done, or when the peer ends it; a deadline is the caller's.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let accepting = self.acceptor.accept_with(stream, |connection| {
            connection.set_buffer_limit(Some(PLAINTEXT_MAX_BYTES));
        });
        accepting.await
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// What a handshake agreed on, in words.
pub fn agreed(stream: &TlsStream<TcpStream>) -> String {
    let (_, connection) = stream.get_ref();
    let version = connection.protocol_version().and_then(|version| version.as_str());
    let version = version.unwrap_or("TLS").replace("TLSv1_", "TLS 1.");
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let suite = suite.as_ref().and_then(rustls::CipherSuite::as_str).unwrap_or("an unknown suite");
    let application = match connection.alpn_protocol() {
        Some(name) => format!("{} by ALPN", String::from_utf8_lossy(name)),
        None => "no ALPN".to_owned(),
    };
    format!("{version} with {suite}, {application}")
}
