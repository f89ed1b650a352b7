//! What a hub says of itself: the keys and values of its TXT record (RFC 6763, section 6).
//!
//! | key | value |
//! |---|---|
//! | `txtvers` | `1` |
//! | `id` | a name that is the hub's alone, made by chance when it starts |
//! | `machine`, `folder` | what people call them |
//! | `access` | `key`: wanted for everything; `read`: for writing; `open`: for nothing |
//! | `group` | the [fingerprint](Fingerprint) of the group it belongs to |
//! | a service's name | its wires and their ports: `http:8080,tcp:7008` |

use super::group::Fingerprint;
use super::shortened;
use crate::limits::{
    ANNOUNCED_NAME_MAX_BYTES, ANNOUNCED_SERVICES_MAX, ANNOUNCED_WIRES_MAX, TXT_STRING_MAX_BYTES,
};

const VERSION: (&str, &str) = ("txtvers", "1");
/// What a service or a wire is called has at most this many characters.
const WORD_MAX_CHARS: usize = 16;
const KEYS: [&str; 6] = ["txtvers", "id", "machine", "folder", "access", "group"];

/// What a hub says of itself. What it does not say, or not well, is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// A name that is the hub's alone.
    pub id: Option<String>,
    /// Its machine's name.
    pub machine: Option<String>,
    /// Its folder's name.
    pub folder: Option<String>,
    /// What the key is wanted for.
    pub access: Option<Access>,
    /// The group that it belongs to.
    pub group: Option<Fingerprint>,
    /// Its services.
    pub services: Vec<Offered>,
}

/// What the key is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Key,
    /// Changing anything.
    Read,
    /// Nothing.
    Open,
}

/// A service that a hub offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its name, in lower case.
    pub service: String,
    /// Where it is spoken to.
    pub wires: Vec<OfferedWire>,
}

/// A wire of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedWire {
    /// What stands before `://`, in lower case.
    pub scheme: String,
    /// Its port; not 0.
    pub port: u16,
}

impl Access {
    const ALL: [Self; 3] = [Self::Key, Self::Read, Self::Open];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Read => "read",
            Self::Open => "open",
        }
    }
}

impl Record {
    /// Reads what somebody announced. The first of two equal keys counts, keys are equal without
    /// regard to case (RFC 6763, section 6.4), and what is not understood is passed over.
    ///
    /// ```
    /// use sockeye_proto::discovery::record::Record;
    /// let said: [(&str, &[u8]); 3] =
    ///     [("id", b"a"), ("files", b"http:8080,gopher,tcp:7008"), ("folder", b"\xff")];
    /// let record = Record::parse(said);
    /// assert_eq!(record.id.as_deref(), Some("a"));
    /// assert_eq!(record.port("files", "tcp"), Some(7008));
    /// assert_eq!(record.machine, None);
    /// ```
    pub fn parse<'a>(said: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut record = Self::default();
        for (key, value) in said {
            let key = key.to_ascii_lowercase();
            match key.as_str() {
                "id" => keep(&mut record.id, || name(value)),
                "machine" => keep(&mut record.machine, || name(value)),
                "folder" => keep(&mut record.folder, || name(value)),
                "access" => keep(&mut record.access, || access(value)),
                "group" => keep(&mut record.group, || str::from_utf8(value).ok()?.parse().ok()),
                _ if KEYS.contains(&key.as_str()) => {}
                _ => record.add_service(key, value),
            }
        }
        record
    }

    fn add_service(&mut self, service: String, value: &[u8]) {
        let is_known = self.services.iter().any(|offered| offered.service == service);
        if is_known || self.services.len() >= ANNOUNCED_SERVICES_MAX || !is_word(&service) {
            return;
        }
        let wires = wires(value);
        if !wires.is_empty() {
            self.services.push(Offered { service, wires });
        }
    }

    /// The keys and values that say this; each pair fits one string of a TXT record.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = vec![(VERSION.0.to_owned(), VERSION.1.to_owned())];
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let room = TXT_STRING_MAX_BYTES.saturating_sub(key.len() + 1);
                pairs.push((key.to_owned(), shortened(&value, room).to_owned()));
            }
        };
        let short = |name: &Option<String>| {
            name.as_ref().map(|name| shortened(name, ANNOUNCED_NAME_MAX_BYTES).to_owned())
        };
        add("id", short(&self.id));
        add("machine", short(&self.machine));
        add("folder", short(&self.folder));
        add("access", self.access.map(|access| access.as_str().to_owned()));
        add("group", self.group.map(|group| group.to_string()));
        for offered in &self.services {
            let wires = offered.wires.iter().map(|wire| format!("{}:{}", wire.scheme, wire.port));
            add(&offered.service, Some(wires.collect::<Vec<_>>().join(",")));
        }
        pairs
    }

    /// The port of a service's wire.
    pub fn port(&self, service: &str, scheme: &str) -> Option<u16> {
        let offered = self.services.iter().find(|offered| offered.service == service)?;
        offered.wires.iter().find(|wire| wire.scheme == scheme).map(|wire| wire.port)
    }

    /// Where its page is, and its files over http are: the scheme and the port; the encrypted one
    /// before the other.
    pub fn page(&self) -> Option<(&'static str, u16)> {
        ["https", "http"].into_iter().find_map(|scheme| Some((scheme, self.port("files", scheme)?)))
    }
}

fn keep<T>(place: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if place.is_none() {
        *place = value();
    }
}

/// A name for people: what is no UTF-8 is replaced, what is too long cut.
fn name(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let text = shortened(&text, ANNOUNCED_NAME_MAX_BYTES);
    (!text.is_empty()).then(|| text.to_owned())
}

fn access(value: &[u8]) -> Option<Access> {
    Access::ALL.into_iter().find(|access| access.as_str().as_bytes() == value)
}

fn wires(value: &[u8]) -> Vec<OfferedWire> {
    let Ok(text) = str::from_utf8(value) else { return Vec::new() };
    let wire = |text: &str| {
        let (scheme, port) = text.trim().split_once(':')?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
        let scheme = scheme.to_ascii_lowercase();
        is_word(&scheme).then_some(OfferedWire { scheme, port })
    };
    text.split(',').filter_map(wire).take(ANNOUNCED_WIRES_MAX).collect()
}

fn is_word(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=WORD_MAX_CHARS).contains(&text.len()) && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(said: &[(&str, &[u8])]) -> Record {
        Record::parse(said.iter().copied())
    }

    fn parse_own(pairs: &[(String, String)]) -> Record {
        Record::parse(pairs.iter().map(|(key, value)| (key.as_str(), value.as_bytes())))
    }

    fn whole() -> Record {
        let wire = |scheme: &str, port| OfferedWire { scheme: scheme.into(), port };
        Record {
            id: Some("sockeye-abcdefghijklm".into()),
            machine: Some("ana-laptop".into()),
            folder: Some("Fotos für alle".into()),
            access: Some(Access::Read),
            group: Some(Fingerprint::new([7; 8])),
            services: vec![
                Offered {
                    service: "files".into(),
                    wires: vec![wire("http", 8080), wire("tcp", 7008)],
                },
                Offered { service: "echo".into(), wires: vec![wire("udp", 7001)] },
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let record = whole();
        let pairs = record.pairs();
        assert!(pairs.contains(&("files".into(), "http:8080,tcp:7008".into())), "{pairs:?}");
        assert_eq!(parse_own(&pairs), record);
        assert_eq!(record.page(), Some(("http", 8080)));
    }

    #[test]
    fn an_encrypted_page_is_the_page() {
        let record = parse(&[("files", b"http:80,https:443")]);
        assert_eq!(record.page(), Some(("https", 443)));
        assert_eq!(parse(&[("files", b"tcp:7008")]).page(), None);
    }

    #[test]
    fn nonsense_is_passed_over() {
        let record = parse(&[
            ("txtvers", b"9"),
            ("access", b"all"),
            ("group", b"x"),
            ("folder", b""),
            ("files", b"http:0,tcp:+1,tcp:65536,:1,http,,HTTP:81"),
            ("a service that is none", b"tcp:1"),
            ("echo", b"\xff:1"),
            ("chat", b""),
        ]);
        let files = OfferedWire { scheme: "http".into(), port: 81 };
        let services = vec![Offered { service: "files".into(), wires: vec![files] }];
        assert_eq!(record, Record { services, ..Record::default() });
    }

    #[test]
    fn the_first_of_two_keys_counts_whatever_their_case() {
        let record = parse(&[("ID", b"a"), ("id", b"b"), ("files", b"tcp:1"), ("Files", b"tcp:2")]);
        assert_eq!(record.id.as_deref(), Some("a"));
        assert_eq!(record.port("files", "tcp"), Some(1));
    }

    #[test]
    fn what_is_too_much_is_cut() {
        let many: Vec<String> = (0..1000).map(|n| format!("s{n}")).collect();
        let record = Record::parse(many.iter().map(|key| (key.as_str(), &b"tcp:1"[..])));
        assert_eq!(record.services.len(), ANNOUNCED_SERVICES_MAX);
        let wires = "tcp:1,".repeat(1000);
        let record = parse(&[("files", wires.as_bytes()), ("machine", &[b'm'; 9000])]);
        assert_eq!(record.services[0].wires.len(), ANNOUNCED_WIRES_MAX);
        assert_eq!(record.machine.map(|name| name.len()), Some(ANNOUNCED_NAME_MAX_BYTES));
    }

    proptest! {
        #[test]
        fn what_anybody_says_is_read_and_what_was_read_is_said_again(
            said in prop::collection::vec((".{0,20}", prop::collection::vec(any::<u8>(), 0..300)), 0..40),
        ) {
            let record = Record::parse(said.iter().map(|(key, value)| (key.as_str(), value.as_slice())));
            let pairs = record.pairs();
            prop_assert!(pairs.iter().all(|(key, value)| key.len() + 1 + value.len() <= 255));
            prop_assert_eq!(parse_own(&pairs), record);
        }
    }
}
