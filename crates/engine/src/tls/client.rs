//! The client's side of TLS: whom to trust.
//!
//! A server is trusted because somebody whom this machine trusts has signed its certificate (the
//! system's roots), or because its certificate is the very one whose fingerprint was given. In the
//! second case names and dates do not matter: the fingerprint already says which server it is, and
//! clocks and addresses on a local network change. That the server has the certificate's key is
//! proven in both, by its signature over the handshake.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use thiserror::Error as ThisError;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fingerprint::Fingerprint;
use super::{HTTP11, provider};

/// How long a server may take for its part of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A server's names are told up to this many, where it is asked for by another.
const NAMES_TOLD: usize = 8;

/// Whom to trust.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Whom this machine's roots vouch for.
    #[default]
    System,
    /// Who has the certificate with this fingerprint, and nobody else.
    Pinned(Fingerprint),
}

/// Why a server is not trusted.
#[derive(Clone, Debug, ThisError)]
pub enum Distrust {
    /// Nobody vouches for it.
    #[error("nobody whom this machine trusts has signed its certificate")]
    UnknownIssuer,
    /// This machine trusts nobody at all.
    #[error("this machine has no roots to trust anybody by ({0})")]
    NoRoots(String),
    /// Its certificate is too old, or this machine's clock is wrong.
    #[error("its certificate is not valid any more, if this machine's clock is right")]
    Expired,
    /// Its certificate is too new, or this machine's clock is wrong.
    #[error("its certificate is not valid yet, if this machine's clock is right")]
    NotYet,
    /// It is asked for by a name that its certificate does not hold.
    #[error("its certificate is not for that name, but for {0}")]
    OtherName(String),
    /// It has another certificate than the one that was asked for.
    #[error("its certificate is not the one that was asked for, {0}")]
    NotPinned(Fingerprint),
    /// Something else is wrong with the certificate.
    #[error("its certificate is not right: {0}")]
    Other(String),
}

/// A server that is not trusted, and the certificate that it showed.
#[derive(Clone, Debug, ThisError)]
#[error("{why}")]
pub struct Untrusted {
    /// Why not.
    pub why: Distrust,
    /// The fingerprint of its certificate.
    pub presented: Fingerprint,
}

/// Why there is no TLS connection.
#[derive(Debug, ThisError)]
pub enum TlsError {
    /// TLS could not be set up on this side.
    #[error("TLS cannot be set up: {0}")]
    Setup(Error),
    /// The server is not to be trusted.
    #[error(transparent)]
    Untrusted(Untrusted),
    /// The host can stand in no certificate.
    #[error("`{0}` is no name that a certificate can hold")]
    BadName(String),
    /// What answers is something else.
    #[error("it does not speak TLS; does it speak http://?")]
    NotTls,
    /// It hung up in the middle.
    #[error("it hung up during the TLS handshake")]
    HungUp,
    /// It took too long.
    #[error("it did not finish the TLS handshake in {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    /// The handshake failed in another way.
    #[error("the TLS handshake failed: {0}")]
    Failed(io::Error),
}

/// A client's settings; cheap to clone, and to be kept for all connections to a server: a second
/// one takes up the session of the first.
#[derive(Clone)]
pub struct ClientTls {
    connector: TlsConnector,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Reads the system's roots where they decide: that reads files.
    pub fn new(trust: Trust) -> Result<Self, TlsError> {
        let provider = provider();
        let judge = Judge {
            law: match trust {
                Trust::System => system_roots()?,
                Trust::Pinned(fingerprint) => Law::Pinned(fingerprint),
            },
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_no_client_auth();
        config.alpn_protocols = vec![HTTP11.to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// The handshake with a host, on a connection to it.
    pub async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<Box<TlsStream<TcpStream>>, TlsError> {
        // A scope (`%eth0`) says through which interface the host is reached, and is not its name.
        let name = host.split('%').next().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| TlsError::BadName(host.to_owned()))?;
        let connecting = self.connector.connect(name, stream);
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await {
            Ok(connected) => connected.map(Box::new).map_err(tls_error),
            Err(_) => Err(TlsError::TimedOut),
        }
    }
}

fn system_roots() -> Result<Law, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems keep a root that nothing can read; the others count.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        return Ok(Law::NoRoots(why.unwrap_or_else(|| "is ca-certificates installed?".into())));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|error| TlsError::Setup(Error::General(error.to_string())))?;
    Ok(Law::Roots(verifier))
}

/// What the handshake failed of, as far as the error tells.
fn tls_error(error: io::Error) -> TlsError {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match cause {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(untrusted)))) => {
            match untrusted.downcast_ref::<Untrusted>() {
                Some(untrusted) => TlsError::Untrusted(untrusted.clone()),
                None => TlsError::Failed(error),
            }
        }
        Some(Error::InvalidMessage(_)) => TlsError::NotTls,
        _ if matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
        ) =>
        {
            TlsError::HungUp
        }
        _ => TlsError::Failed(error),
    }
}

/// By what a certificate is judged.
#[derive(Debug)]
enum Law {
    Roots(Arc<WebPkiServerVerifier>),
    NoRoots(String),
    Pinned(Fingerprint),
}

/// Judges certificates, and says of one that is refused what it was: rustls alone would not.
#[derive(Debug)]
struct Judge {
    law: Law,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Judge {
    fn judge(
        &self,
        presented: (&CertificateDer<'_>, &[CertificateDer<'_>]),
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<(), Distrust> {
        let (leaf, chain) = presented;
        match &self.law {
            Law::Pinned(wanted) if Fingerprint::of(leaf) == *wanted => Ok(()),
            Law::Pinned(wanted) => Err(Distrust::NotPinned(*wanted)),
            Law::NoRoots(why) => Err(Distrust::NoRoots(why.clone())),
            Law::Roots(verifier) => verifier
                .verify_server_cert(leaf, chain, name, ocsp_response, now)
                .map(drop)
                .map_err(|error| distrust(&error)),
        }
    }
}

fn distrust(error: &Error) -> Distrust {
    let Error::InvalidCertificate(reason) = error else {
        return Distrust::Other(error.to_string());
    };
    match reason {
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Distrust::NotYet
        }
        CertificateError::NotValidForName => Distrust::OtherName("others".to_owned()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let told = presented.iter().take(NAMES_TOLD).map(|name| told_name(name));
            let mut told: Vec<String> = told.collect();
            if presented.len() > NAMES_TOLD {
                told.push("others".to_owned());
            }
            Distrust::OtherName(if told.is_empty() { "no name".into() } else { told.join(", ") })
        }
        CertificateError::Other(other) => Distrust::Other(other.to_string()),
        reason => Distrust::Other(reason.to_string()),
    }
}

/// A name as rustls tells it, `DnsName("hub")` or `IpAddress(127.0.0.1)`, without its kind. It comes
/// from outside, and rustls has escaped what no terminal should see.
fn told_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = Fingerprint::of(end_entity);
        self.judge((end_entity, intermediates), server_name, ocsp_response, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|why| {
                let untrusted = Arc::new(Untrusted { why, presented });
                Error::InvalidCertificate(CertificateError::Other(OtherError(untrusted)))
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
