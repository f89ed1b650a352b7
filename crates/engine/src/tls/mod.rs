//! TLS 1.2 and 1.3, both sides: rustls on the inside, our certificates and our trust around it.
//!
//! [`certificate`] makes a certificate for this machine or reads one, [`server`] serves under it,
//! [`client`] connects and decides whether who answers is to be trusted, [`fingerprint`] is what
//! people compare. Nothing weaker is spoken than rustls has by itself: no older version, no
//! compression, no renegotiation, and no data before the handshake's end, which could be replayed.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub mod certificate;
pub mod client;
pub mod fingerprint;
pub mod server;
pub mod stream;

/// HTTP/2 as the handshake agrees on it (RFC 9113, section 3.1).
pub const HTTP2: &[u8] = b"h2";
/// HTTP/1.1 likewise (RFC 7301, section 6).
pub const HTTP11: &[u8] = b"http/1.1";
/// HTTP/1.0, which curl offers when it is told to speak that.
pub const HTTP10: &[u8] = b"http/1.0";

/// The cryptography that all of it stands on.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
