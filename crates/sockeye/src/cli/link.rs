//! What a client is given to reach a hub and be let in: a link, a key.

use std::ffi::OsStr;

use clap::Args;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use sockeye_engine::tls::fingerprint::Fingerprint;
use sockeye_proto::access::Key;
use sockeye_proto::address::{Address, Scheme};

use super::{Data, GivenKey};

/// What a hub is told to let a client in.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The key")]
pub struct ClientKey {
    /// The hub's key. One that was taken is remembered for that hub.
    #[arg(long, value_name = "KEY")]
    pub key: Option<GivenKey>,
    /// Where keys are remembered.
    #[command(flatten)]
    pub data: Data,
}

/// A URL that a client is given, with the key that it may carry in its fragment.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where it leads.
    pub address: Address,
    /// The `KEY` of `#k=KEY`.
    pub key: Option<Key>,
    /// The `HEX` of `f=HEX`: the certificate to trust.
    pub fingerprint: Option<Fingerprint>,
}

impl Link {
    /// Reads a URL of one of these wires, the first of which it is if it names none. What is said
    /// of a wrong one holds no key.
    pub fn read(text: &str, known: &[Scheme]) -> Result<Self, String> {
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let default = known.first().copied().unwrap_or(Scheme::Http);
        let address = Address::parse(address, known, default).map_err(|e| e.to_string())?;
        let said = fragment.split('&').find_map(|part| part.strip_prefix("k="));
        let key = said.map(|said| Key::parse(said).map_err(|e| format!("the link's key: {e}")));
        let pin = fragment.split('&').find_map(|part| part.strip_prefix("f="));
        let pin = pin.map(|said| {
            said.parse::<Fingerprint>().map_err(|e| format!("the link's fingerprint: {e}"))
        });
        Ok(Self { address, key: key.transpose()?, fingerprint: pin.transpose()? })
    }
}

/// Reads a value that holds a secret: what is said of a wrong one does not repeat it.
#[derive(Clone, Debug)]
pub struct Secret<T>(pub fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Secret<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let read = value.to_str().ok_or_else(|| "it is no text".to_owned()).and_then(self.0);
        read.map_err(|why| {
            let name = argument.map(ToString::to_string).unwrap_or_default();
            let kind = ErrorKind::ValueValidation;
            clap::Error::raw(kind, format!("{name}: {why}\n")).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Link, String> {
        Link::read(text, &[Scheme::Http, Scheme::Tcp])
    }

    #[test]
    fn a_link_carries_its_key_in_the_fragment_and_does_not_show_it() {
        for text in ["h:8080/a#k=abcdefghijkl", "http://h:8080/a#x=12&k=abcdefghijkl"] {
            let link = read(text).unwrap();
            assert_eq!(link.key.as_ref().map(Key::as_str), Some("abcdefghijkl"), "{text}");
            assert_eq!(link.address.to_string(), "http://h:8080/a");
            assert!(!format!("{link:?}").contains("abcdefghijkl"));
        }
        assert!(read("http://h/#top").unwrap().key.is_none());
    }

    #[test]
    fn a_link_may_tell_which_certificate_to_trust() {
        let hex = "ab".repeat(32);
        let link = Link::read(&format!("https://h/#k=abcdefghijkl&f={hex}"), &[Scheme::Https]);
        let shown = link.unwrap().fingerprint.unwrap().to_string();
        assert_eq!(shown.replace(':', "").to_ascii_lowercase(), hex);
        assert!(read("http://h/#f=12").is_err());
    }

    #[test]
    fn what_is_said_of_a_wrong_link_holds_no_key() {
        for text in ["#k=abcdefghijkl", "gopher://h/#k=abcdefghijkl", "http://h/#k=abc!efghijkl"] {
            let why = read(text).unwrap_err();
            assert!(!why.contains("efghijkl"), "{why}");
        }
    }
}
