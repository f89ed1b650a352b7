//! Other servers, which are asked for what is missing here.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueHint};
use sockeye_engine::tls::fingerprint::Fingerprint;
use sockeye_proto::address::{Address, Scheme};

use super::Link;

/// Flags about siblings.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Siblings: other servers, asked for what is missing here")]
pub struct Siblings {
    /// Asks this server, like http://192.168.1.7:8080; https://HOST:PORT/#f=FINGERPRINT trusts that
    /// certificate alone. Repeatable.
    #[arg(long, value_name = "URL", action = ArgAction::Append, value_parser = peer)]
    pub peer: Vec<Peer>,
    /// Finds the hubs of the same group on the network by mDNS, and is found by them.
    #[arg(long, requires = "group", requires = "group_key_file")]
    pub find_peers: bool,
    /// The group's name: its members may read from each other what needs the key here.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// The file with the group's key, the same on all its members: 16 to 1024 bytes. Without it,
    /// members know each other on this machine alone.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "group")]
    pub group_key_file: Option<PathBuf>,
}

/// A server that `--peer` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: Address,
    /// The certificate to trust.
    pub fingerprint: Option<Fingerprint>,
}

impl Siblings {
    /// Whether anybody is asked.
    pub fn is_wanted(&self) -> bool {
        !self.peer.is_empty() || self.find_peers
    }
}

fn peer(text: &str) -> Result<Peer, String> {
    let Link { address, key, fingerprint } = Link::read(text, &[Scheme::Http, Scheme::Https])?;
    if key.is_some() {
        return Err(
            "siblings are let in by their group's key, not by #k=; see --group-key-file".into()
        );
    }
    if !address.path.trim_start_matches('/').is_empty() {
        let path = &address.path;
        return Err(format!(
            "a sibling is a host and a port, and is asked for whole paths; leave `{path}` out"
        ));
    }
    if fingerprint.is_some() && address.scheme != Scheme::Https {
        return Err("#f= names a certificate, and http has none; write https://".into());
    }
    Ok(Peer { address, fingerprint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_host_and_a_port() {
        let read = |text| peer(text).map(|peer| peer.address.to_string());
        assert_eq!(read("192.168.1.7:8080").unwrap(), "http://192.168.1.7:8080");
        assert_eq!(read("https://hub.lan/").unwrap(), "https://hub.lan/");
        for (wrong, why) in [
            ("http://hub/films/", "leave `/films/` out"),
            ("http://hub/#k=AAAAAAAAAAAA", "--group-key-file"),
            ("tcp://hub:7008", "no wire"),
            ("http://", "names no host"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
