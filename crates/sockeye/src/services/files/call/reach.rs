//! How servers are reached, whom to trust, what they are told to be let in, and who watches.

use std::sync::{Arc, OnceLock};

use sockeye_engine::call::connect;
use sockeye_engine::listen::IpVersion;
use sockeye_engine::tls::client::{ClientTls, Distrust, TlsError, Trust};
use sockeye_engine::tls::stream::Stream;
use sockeye_engine::trace::{Trace, Traced};
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::passed::Passed;

use super::by_hand;
use super::key::Keys;
use crate::exit::Failure;
use crate::terminal::Screen;

/// See the [module](self).
#[derive(Debug)]
pub struct Way {
    version: IpVersion,
    trust: Trust,
    /// Made when https is first spoken.
    tls: OnceLock<ClientTls>,
    /// What hubs are told to let us in.
    pub keys: Arc<Keys>,
    trace: Option<Trace>,
}

impl Way {
    /// A way that is shown to who watches, but for the keys.
    pub fn new(version: IpVersion, trust: Trust, keys: Keys, is_watched: bool) -> Self {
        let keys = Arc::new(keys);
        let trace = is_watched.then(|| {
            let (screen, keys) = (Screen::plain(), Arc::clone(&keys));
            Trace::new(move |passed| {
                let bytes = keys.masked(passed.bytes);
                screen.say(&Passed { bytes: &bytes, ..*passed }.to_string());
            })
        });
        Self { version, trust, tls: OnceLock::new(), keys, trace }
    }

    /// What lines for the same by hand are for.
    pub fn wanted_by_hand(&self, url: &Address) -> by_hand::Wanted {
        let any_certificate = matches!(self.trust, Trust::Pinned(_));
        by_hand::Wanted { key: self.keys.held_for(url).is_some(), any_certificate }
    }

    /// Refuses to follow where nothing would be compared with the certificate that was named.
    pub fn check_redirect(&self, from: &Address, to: &Address) -> Result<(), Failure> {
        if matches!(self.trust, Trust::Pinned(_)) && to.scheme != Scheme::Https {
            return Err(Failure::SaidNo(format!(
                "{from} leads on to {to}, which shows no certificate to compare --fingerprint with"
            )));
        }
        Ok(())
    }

    /// Connects to the first of a host's addresses that answers, within TLS if the URL says so.
    pub async fn connect(&self, url: &Address) -> Result<Traced<Stream>, Failure> {
        let connected = connect::connect(&url.host, port(url), self.version).await;
        let (stream, peer) = connected.map_err(|error| Failure::Network(error.to_string()))?;
        let stream = if url.scheme == Scheme::Https {
            let secured = async { self.tls()?.connect(stream, &url.host).await }.await;
            Stream::Secure(secured.map_err(|error| no_tls(url, &error))?)
        } else {
            Stream::Plain(stream)
        };
        Ok(Traced::new(stream, self.trace.as_ref(), url.scheme.as_str(), peer))
    }

    fn tls(&self) -> Result<&ClientTls, TlsError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls);
        }
        let made = ClientTls::new(self.trust)?;
        Ok(self.tls.get_or_init(|| made))
    }
}

/// The port that a URL means.
pub fn port(url: &Address) -> u16 {
    url.port.unwrap_or(match url.scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
        Scheme::Tcp | Scheme::Udp => 7008,
    })
}

/// Says why there is no connection, and how a certificate that nobody vouches for is relied on.
fn no_tls(url: &Address, error: &TlsError) -> Failure {
    let at = url.authority();
    let TlsError::Untrusted(untrusted) = error else {
        return Failure::Network(format!("{at}: {error}"));
    };
    let presented = untrusted.presented;
    let advice = match untrusted.why {
        Distrust::NotPinned(_) => {
            "Has the hub made a new one? Compare it with what the hub shows: somebody may stand \
             in between"
        }
        _ => "If that, compared pair by pair, is what the hub itself shows, rely on it with",
    };
    Failure::Network(format!(
        "{at} is not trusted: {}.\nIts fingerprint (SHA-256) is\n  {presented}\n{advice}:\n  \
         --fingerprint {presented}",
        untrusted.why
    ))
}
