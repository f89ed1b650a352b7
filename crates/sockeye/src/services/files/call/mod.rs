//! The client's side of files: `sockeye get` and `sockeye put`.
//!
//! [`get`] fetches one file and [`put`] sends files and folders. What they share stands here: how a
//! host is reached, [`connection`] for one http connection, [`redirect`] for where it leads on to,
//! [`key`] for the key that a hub is told, and [`by_hand`] for the same with other people's tools.

use std::sync::Arc;
use std::time::Duration;

use sockeye_engine::call::connect;
use sockeye_engine::listen::IpVersion;
use sockeye_engine::trace::{Trace, Traced};
use sockeye_proto::address::Address;
use sockeye_proto::passed::Passed;
use tokio::net::TcpStream;

use crate::exit::Failure;
use crate::terminal::Screen;
use key::Keys;

mod by_hand;
mod connection;
pub mod get;
mod key;
pub mod put;
mod redirect;

/// How long a server may be silent.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// How servers are reached, what they are told to be let in, and who watches.
#[derive(Debug)]
struct Way {
    version: IpVersion,
    keys: Arc<Keys>,
    trace: Option<Trace>,
}

impl Way {
    /// A way that is shown to who watches, but for the keys.
    fn new(version: IpVersion, keys: Keys, is_watched: bool) -> Self {
        let keys = Arc::new(keys);
        let trace = is_watched.then(|| {
            let (screen, keys) = (Screen::plain(), Arc::clone(&keys));
            Trace::new(move |passed| {
                let bytes = keys.masked(passed.bytes);
                screen.say(&Passed { bytes: &bytes, ..*passed }.to_string());
            })
        });
        Self { version, keys, trace }
    }
}

/// Connects to the first of a host's addresses that answers.
async fn connect(
    url: &Address,
    default_port: u16,
    way: &Way,
) -> Result<Traced<TcpStream>, Failure> {
    let port = url.port.unwrap_or(default_port);
    let connected = connect::connect(&url.host, port, way.version).await;
    let (stream, peer) = connected.map_err(|error| Failure::Network(error.to_string()))?;
    Ok(Traced::new(stream, way.trace.as_ref(), url.scheme.as_str(), peer))
}
