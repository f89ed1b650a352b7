//! The server's side of TLS: one certificate, and the rules of the handshake.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::CipherSuite::{
    self, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{Acceptor, ProducesTickets, ResolvesServerCert};
use rustls::sign::SingleCertAndKey;
use sockeye_proto::limits::TLS_WRITE_MAX_BYTES;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::certificate::Identity;
use super::fingerprint::Fingerprint;
use super::{HTTP2, HTTP10, HTTP11, provider};

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
#[error("TLS cannot be set up: {0}")]
pub struct SetupError(#[from] rustls::Error);

/// What a server needs to speak TLS; cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    /// For most.
    usual: Arc<ServerConfig>,
    /// For who prefers ChaCha20, because it has no instructions for AES.
    without_aes: Arc<ServerConfig>,
    /// For who is told no, in the words of HTTP/1.1.
    http1_only: Arc<ServerConfig>,
    fingerprint: Fingerprint,
}

impl ServerTls {
    /// Serves under this certificate: TLS 1.3 and 1.2, and by ALPN HTTP/2 or 1.1. Who comes again
    /// may take up its session with a ticket, whose keys change every six hours.
    pub fn new(identity: Identity) -> Result<Self, SetupError> {
        let fingerprint = identity.fingerprint();
        let certificate: Arc<dyn ResolvesServerCert> =
            Arc::new(SingleCertAndKey::from(identity.certified));
        let tickets = Ticketer::new()?;
        let config = |prefers: fn(CipherSuite) -> bool| {
            config(Arc::clone(&certificate), Arc::clone(&tickets), prefers)
        };
        let (usual, without_aes) = (config(is_short_aes)?, config(is_chacha)?);
        let mut http1_only = usual.clone();
        http1_only.alpn_protocols.retain(|name| name != HTTP2);
        Ok(Self {
            usual: Arc::new(usual),
            without_aes: Arc::new(without_aes),
            http1_only: Arc::new(http1_only),
            fingerprint,
        })
    }

    /// What people compare with what their browser or client shows.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The handshake. It ends when it is done, or when the peer ends it; a deadline is the caller's.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = begun.client_hello();
        // Some put a value first that means nothing, to keep servers tolerant (RFC 8701).
        let first = hello.cipher_suites().iter().find(|suite| suite.as_str().is_some()).copied();
        let config = if first.is_some_and(is_chacha) { &self.without_aes } else { &self.usual };
        let accepting = begun.into_stream_with(Arc::clone(config), |connection| {
            connection.set_buffer_limit(Some(TLS_WRITE_MAX_BYTES));
        });
        accepting.await
    }

    /// The same for who can only be told no: HTTP/2 is not agreed on.
    pub async fn accept_http1(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.http1_only)).accept(stream).await
    }
}

/// The rules, with the suites in an order of our own, in which `prefers` come first. All of them
/// are strong, so that the order is a matter of speed: AES with 128 bits is the fastest on machines
/// that have instructions for it, ChaCha20 on those that have none.
fn config(
    certificate: Arc<dyn ResolvesServerCert>,
    tickets: Arc<dyn ProducesTickets>,
    prefers: fn(CipherSuite) -> bool,
) -> Result<ServerConfig, SetupError> {
    let mut provider = CryptoProvider::clone(&provider());
    provider.cipher_suites.sort_by_key(|suite| !prefers(suite.suite()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = [HTTP2, HTTP11, HTTP10].map(<[u8]>::to_vec).into();
    config.ignore_client_order = true;
    config.ticketer = tickets;
    Ok(config)
}

fn is_short_aes(suite: CipherSuite) -> bool {
    matches!(
        suite,
        TLS13_AES_128_GCM_SHA256
            | TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

fn is_chacha(suite: CipherSuite) -> bool {
    matches!(
        suite,
        TLS13_CHACHA20_POLY1305_SHA256
            | TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
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
    let suite = suite.as_ref().and_then(CipherSuite::as_str).unwrap_or("an unknown suite");
    let application = match connection.alpn_protocol() {
        Some(name) => format!("{} by ALPN", String::from_utf8_lossy(name)),
        None => "no ALPN".to_owned(),
    };
    format!("{version} with {suite}, {application}")
}
