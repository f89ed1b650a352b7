//! The flags of `sockeye get`, and whom a client trusts over https.

use std::ffi::OsString;

use clap::{Args, ValueHint};
use sockeye_engine::tls::client::Trust;
use sockeye_engine::tls::fingerprint::Fingerprint;
use sockeye_proto::address::{Address, Scheme};

use super::{ClientKey, Config, Ip, Link, Secret};
use crate::exit::Failure;

/// `sockeye get`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:\n  sockeye get http://127.0.0.1:8080/photo.jpg\n  \
                        sockeye get http://127.0.0.1:8080/list.txt -o - | sort\n  \
                        sockeye get https://192.168.1.7:8080/photo.jpg --fingerprint AB:01:...\n  \
                        sockeye get http://127.0.0.1:8080/Photos/ -o ~/Pictures\n  \
                        sockeye get tcp://127.0.0.1:7008/photo.jpg -o copy.jpg\n\n\
                        A folder of a hub comes with everything in it, into a folder of its name or the one of\n\
                        -o. Files that are here with the same size and time are not fetched again.\n\
                        Over http, a get that was cut goes on where it was when it is run again. The raw\n\
                        tcp wire has no lengths: there, a cut cannot be told from the file's end.")]
pub struct Get {
    /// What to fetch, a file or a folder: http://HOST:PORT/PATH, https:// likewise, or
    /// tcp://HOST:PORT/NAME. A hub's link may be given as it is, with its #k=KEY.
    #[arg(value_name = "URL", value_parser = Secret(client_link))]
    pub url: Link,
    /// Where to write it; `-` is standard output, for a file. Without it, the URL's last name.
    #[arg(long, short, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub output: Option<OsString>,
    /// Replaces files that exist.
    #[arg(long)]
    pub overwrite: bool,
    /// Says what was done as one JSON object on standard output; of a folder, one for each file.
    #[arg(long)]
    pub json: bool,
    /// Shows no progress.
    #[arg(long, short)]
    pub quiet: bool,
    /// Shows what goes over the wire on stderr: when, which way, its bytes, and what it means.
    #[arg(long)]
    pub wire: bool,
    /// What the hub is told to let us in.
    #[command(flatten)]
    pub key: ClientKey,
    /// Over https, whom to trust.
    #[command(flatten)]
    pub pin: Pin,
    /// Of names, only the IP version.
    #[command(flatten)]
    pub ip: Ip,
    /// Where settings come from.
    #[command(flatten)]
    pub config: Config,
}

/// Flags of the clients that speak https.
#[derive(Clone, Debug, Default, Args)]
pub struct Pin {
    /// Trusts the server with this certificate and no other, whatever its names and dates: its
    /// SHA-256, as the hub shows it. Without it, whom this machine's roots vouch for.
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<Fingerprint>,
}

impl Pin {
    /// What this was not given is taken from the link.
    pub fn or_of(self, link: &Link) -> Self {
        Self { fingerprint: self.fingerprint.or(link.fingerprint) }
    }

    /// Whom to trust.
    pub fn trust(&self) -> Trust {
        self.fingerprint.map_or(Trust::System, Trust::Pinned)
    }

    /// A fingerprint that nothing would be compared with is refused: who gives one relies on it.
    pub fn check(&self, url: &Address) -> Result<(), Failure> {
        match self.fingerprint {
            Some(_) if url.scheme != Scheme::Https => Err(Failure::Usage(format!(
                "{url} shows no certificate to compare the fingerprint with; write https://, or leave \
                 the fingerprint out"
            ))),
            _ => Ok(()),
        }
    }
}

fn client_link(text: &str) -> Result<Link, String> {
    Link::read(text, &[Scheme::Http, Scheme::Https, Scheme::Tcp])
}
