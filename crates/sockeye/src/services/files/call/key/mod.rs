//! Which key a hub is told, and what becomes of it.
//!
//! The key that was given counts first: by the link that is the URL, by `--key`, by SOCKEYE_KEY.
//! Without one, the key that this hub took before is told again; and a hub on this very machine is
//! told the key that stands in the data folder, but only when it asks for one, and only when it
//! runs as this user. A key goes to the host and port that it is for and to nobody else, also where
//! a redirect leads away.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use sockeye_engine::port_owner;
use sockeye_proto::access::Key;
use sockeye_proto::access::mask::without_key;
use sockeye_proto::address::{Address, Scheme};

use super::reach;
use crate::cli;
use crate::data::DataFolder;
use crate::exit::Failure;
use remembered::Remembered;

mod remembered;

/// In the data folder, the keys of hubs elsewhere.
const REMEMBERED: &str = "keys";
/// And that of the hub on this machine.
const OWN: &str = "key";

/// The keys for one hub.
#[derive(Debug)]
pub struct Keys {
    hub: String,
    /// The hub's port, where it is on this machine.
    own_port: Option<u16>,
    data: DataFolder,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    held: Option<(Key, Source)>,
    /// All that were ever told: none of them is shown.
    told: Vec<Key>,
    is_own_tried: bool,
    is_kept: bool,
    remarks: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Given,
    Remembered,
    Own,
}

/// What follows when a hub did not take what it was told.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another key is held now, or none: ask again.
    AskAgain,
    /// There is no other: why, for a person.
    No(&'static str),
}

impl Keys {
    /// The keys for the hub of a URL. The link's own counts before the flag's.
    pub fn new(link: &cli::Link, flags: &cli::ClientKey) -> Result<Self, Failure> {
        let url = &link.address;
        let given = match (&link.key, &flags.key) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(given)) => Some(given.key("--key")?),
            (None, None) => None,
        };
        let data = data_folder(&flags.data)?;
        let hub = origin(url);
        let is_here = url.ip().is_some_and(|ip| ip.is_loopback()) || url.host == "localhost";
        let own_port = is_here.then(|| reach::port(url));
        let held = match given {
            Some(key) => Some((key, Source::Given)),
            None => remembered(&data)?.of(&hub).map(|key| (key.clone(), Source::Remembered)),
        };
        let told = held.iter().map(|(key, _)| key.clone()).collect();
        let state = State { held, told, is_own_tried: false, is_kept: false, remarks: Vec::new() };
        Ok(Self { hub, own_port, data, state: Mutex::new(state) })
    }

    /// The key for this URL; none for other hosts than the hub's.
    pub fn held_for(&self, url: &Address) -> Option<Key> {
        let is_the_hub = self.are_for(url);
        let state = self.state();
        state.held.as_ref().filter(|_| is_the_hub).map(|(key, _)| key.clone())
    }

    /// Whether this URL is of the hub that the keys are for.
    pub fn are_for(&self, url: &Address) -> bool {
        // A hub that goes over to https at its port is the same hub.
        let port = Some(reach::port(url));
        let in_the_clear = Address { scheme: Scheme::Http, port, ..url.clone() };
        let is_secured = url.scheme == Scheme::Https && origin(&in_the_clear) == self.hub;
        is_secured || origin(url) == self.hub
    }

    /// The hub has answered well to what is held: a key that was given is remembered.
    pub fn accepted(&self) {
        let mut state = self.state();
        let Some((key, Source::Given)) = state.held.clone() else { return };
        if std::mem::replace(&mut state.is_kept, true) {
            return;
        }
        if let Err(failure) = self.change_remembered(|keys| keys.keep(&self.hub, key)) {
            state.remarks.push(format!("the key is not remembered: {failure}"));
        }
    }

    /// The hub did not take what it was told, which was this.
    pub fn refused(&self, told: Option<&Key>) -> Refused {
        let mut state = self.state();
        let held = state.held.as_ref().map(|(key, source)| (key.clone(), *source));
        if held.as_ref().map(|(key, _)| key.as_str()) != told.map(Key::as_str) {
            // Somebody else was refused meanwhile, and has found another.
            return Refused::AskAgain;
        }
        let no = match held {
            Some((_, Source::Given)) => {
                return Refused::No(
                    "the hub does not take this key; `sockeye key`, on its machine, tells the right one",
                );
            }
            Some((_, Source::Remembered)) => {
                state.held = None;
                self.forget(&mut state);
                "the hub does not take the key it took before: --key KEY or SOCKEYE_KEY"
            }
            Some((_, Source::Own)) => {
                "the hub does not take this machine's key: --key KEY or SOCKEYE_KEY"
            }
            None => "the hub wants its key: --key KEY or SOCKEYE_KEY",
        };
        let is_first_try = !std::mem::replace(&mut state.is_own_tried, true);
        match self.own_key().filter(|_| is_first_try) {
            Some(key) => {
                state.told.push(key.clone());
                state.held = Some((key, Source::Own));
                Refused::AskAgain
            }
            None => Refused::No(no),
        }
    }

    /// What is to be said to the person, once.
    pub fn remarks(&self) -> Vec<String> {
        std::mem::take(&mut self.state().remarks)
    }

    /// Bytes as they may be shown, with `…` where a key stands.
    pub fn masked<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let state = self.state();
        state.told.iter().fold(Cow::Borrowed(bytes), |bytes, key| match bytes {
            Cow::Borrowed(bytes) => without_key(bytes, key),
            Cow::Owned(bytes) => Cow::Owned(without_key(&bytes, key).into_owned()),
        })
    }

    fn forget(&self, state: &mut State) {
        let forgotten = self.change_remembered(|keys| keys.forget(&self.hub));
        let hub = &self.hub;
        state.remarks.push(match forgotten {
            Ok(()) => format!("{hub} does not take the key it took before; it is forgotten"),
            Err(failure) => format!("{hub} does not take the key it took before: {failure}"),
        });
    }

    fn change_remembered(&self, change: impl FnOnce(&mut Remembered)) -> Result<(), Failure> {
        let _lock = self.data.lock()?;
        let mut keys = remembered(&self.data)?;
        change(&mut keys);
        self.data.write_secret(REMEMBERED, keys.to_string().as_bytes())
    }

    /// The key of this machine's own hub, if this may be it.
    fn own_key(&self) -> Option<Key> {
        // Any program may listen on a loopback address; only one of this user could read the key.
        self.own_port.filter(|port| port_owner::is_of_this_user(*port))?;
        let text = self.data.read(OWN).ok()??;
        Key::parse(std::str::from_utf8(&text).ok()?.trim()).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key as HTTP is told it (RFC 6750, section 2.1).
pub fn bearer(key: &Key) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.as_str())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn data_folder(flags: &cli::Data) -> Result<DataFolder, Failure> {
    match DataFolder::find(flags.data.as_deref(), flags.ephemeral) {
        // Without a home nothing was remembered, and nothing will be.
        Err(_) if flags.data.is_none() => DataFolder::find(None, true),
        found => found,
    }
}

fn remembered(data: &DataFolder) -> Result<Remembered, Failure> {
    let bytes = data.read(REMEMBERED)?.unwrap_or_default();
    Ok(Remembered::parse(&String::from_utf8_lossy(&bytes)))
}

/// Scheme, host and port: whom a key is for.
fn origin(url: &Address) -> String {
    let port = Some(reach::port(url));
    Address { port, path: String::new(), ..url.clone() }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(dir: &std::path::Path, url: &str, given: Option<&str>) -> Keys {
        let link = cli::Link::read(url, &[Scheme::Http]).unwrap();
        let key = given.map(|key| key.parse().unwrap());
        let data = cli::Data { data: Some(dir.to_owned()), ephemeral: false };
        let flags = cli::ClientKey { key, data };
        Keys::new(&link, &flags).unwrap()
    }

    fn url(text: &str) -> Address {
        Address::parse(text, &[Scheme::Http, Scheme::Https], Scheme::Http).unwrap()
    }

    fn held(keys: &Keys, at: &str) -> Option<String> {
        keys.held_for(&url(at)).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn a_key_is_for_its_own_host_and_port() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(dir.path(), "http://h/a", Some("abcdefghijkl"));
        for (at, is_told) in [
            ("http://h/b", true),
            ("http://h:80/", true),
            ("http://H/", true),
            ("https://h:80/", true),
            ("https://h/", false),
            ("http://h:81/", false),
            ("http://h.example/", false),
        ] {
            assert_eq!(held(&keys, at).is_some(), is_told, "{at}");
        }
    }

    #[test]
    fn the_links_key_counts_first_and_one_that_was_taken_is_told_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = keys(dir.path(), "http://h/#k=abcdefghijkl", Some("aaaabbbbcccc"));
        assert_eq!(held(&first, "http://h/").as_deref(), Some("abcdefghijkl"));
        first.accepted();
        assert!(first.remarks().is_empty());
        let second = keys(dir.path(), "http://h/x", None);
        assert_eq!(held(&second, "http://h/").as_deref(), Some("abcdefghijkl"));
        assert_eq!(held(&keys(dir.path(), "http://h:81/", None), "http://h:81/"), None);
    }

    #[test]
    fn a_remembered_key_that_is_refused_is_forgotten_and_said() {
        let dir = tempfile::tempdir().unwrap();
        keys(dir.path(), "http://h/", Some("abcdefghijkl")).accepted();
        let again = keys(dir.path(), "http://h/", None);
        let told = again.held_for(&url("http://h/"));
        assert!(matches!(again.refused(told.as_ref()), Refused::No(_)));
        let remarks = again.remarks();
        assert!(remarks.len() == 1 && remarks[0].contains("forgotten"), "{remarks:?}");
        assert_eq!(held(&keys(dir.path(), "http://h/", None), "http://h/"), None);
    }

    #[test]
    fn a_hub_that_takes_no_key_is_told_so_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let none = keys(dir.path(), "http://h/", None);
        let Refused::No(why) = none.refused(None) else { panic!("there is no other key") };
        assert_eq!(why, "the hub wants its key: --key KEY or SOCKEYE_KEY");
    }

    /// A listener of this user on a loopback address, and a key in the data folder.
    #[test]
    fn this_machines_key_is_told_when_the_hub_asks_and_not_before() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = format!("http://{}/", listener.local_addr().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let data = DataFolder::find(Some(dir.path()), false).unwrap();
        data.write_secret("key", b"abcdefghijkl\n").unwrap();
        let own = keys(dir.path(), &at, None);
        assert_eq!(held(&own, &at), None);
        assert_eq!(own.refused(None), Refused::AskAgain);
        assert_eq!(held(&own, &at).as_deref(), Some("abcdefghijkl"));
        let told = own.held_for(&url(&at));
        assert!(matches!(own.refused(told.as_ref()), Refused::No(_)), "it is tried once");
        drop(listener);
        let closed = keys(dir.path(), &at, None);
        assert!(matches!(closed.refused(None), Refused::No(_)), "nobody of ours listens");
    }

    #[test]
    fn no_key_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(dir.path(), "http://h/", Some("abcdefghijkl"));
        let shown = keys.masked(b"Authorization: Bearer ABCDEFGHIJKL\r\n\r\nabcdefghijkl");
        let shown = String::from_utf8_lossy(&shown);
        assert_eq!(shown, "Authorization: Bearer …\r\n\r\n…");
        let debugged = format!("{keys:?}");
        assert!(!debugged.to_lowercase().contains("abcdefghijkl"), "{debugged}");
    }
}
