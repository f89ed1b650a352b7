//! Siblings: other servers that are asked for what is missing here.
//!
//! Whose file it is stays with whom it is: what a sibling has is passed on while it comes, and kept
//! nowhere. Who is asked, in which order and for how long, is decided by `sockeye_proto::siblings`;
//! [`contact`] is the way to one of them, [`flight`] a fetch that many clients share, [`relayed`] the
//! body that a client gets, [`all`] a folder as all of them have it, [`found`] takes in those that are
//! found on the network, [`us`] who this hub is among them, [`keeper`] what goes on beside.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use sockeye_engine::clock;
use sockeye_engine::http::body::Content;
use sockeye_engine::http::exchange::Remark;
use sockeye_engine::http::relay::{Reader, Relay};
use sockeye_engine::http::server::Answer;
use sockeye_engine::listen::IpVersion;
use sockeye_engine::metrics::Counter;
use sockeye_engine::request_log::RequestLog;
use sockeye_engine::tls::client::Trust;
use sockeye_engine::trace::Trace;
use sockeye_proto::http::guard::Asked;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::group::{GroupKey, GroupName};
use sockeye_proto::siblings::roster::{Origin, Roster};

use self::contact::Contact;
use self::flight::{Failed, Flight, Head, fly, in_words};
use self::relayed::Relayed;
use self::us::{Group, PROXY_STATUS, Us};
use self::wanted::Wanted;
use crate::cli;
use crate::exit::Failure;
use crate::services::files::serve::file::{self, CACHE_STATUS};
use crate::services::files::serve::refusal::Refusal;
use crate::serving::Server;

pub mod all;
mod contact;
mod flight;
mod found;
mod keeper;
mod relayed;
mod told;
pub mod us;
mod wanted;

/// The siblings of a hub; see the [module](self).
#[derive(Debug)]
pub struct Siblings {
    us: Us,
    roster: Mutex<Roster>,
    contacts: RwLock<HashMap<Sibling, Arc<Contact>>>,
    /// Those that were found on the network, by their ids.
    found: Mutex<HashMap<String, Sibling>>,
    /// What is being fetched, for who wants the same.
    flights: Mutex<HashMap<Wanted, Weak<Flight>>>,
    counts: Counts,
    log: RequestLog,
    trace: Option<Trace>,
    version: IpVersion,
    is_verbose: bool,
    /// Whether there may be any at all.
    is_wanted: bool,
    /// What answers from here say of how they came.
    hit: Option<HeaderValue>,
}

/// How often answers came which way.
#[derive(Debug, Default)]
pub struct Counts {
    /// From the folder here.
    pub hits: Counter,
    /// From a sibling.
    pub relayed: Counter,
    /// From a sibling, by a fetch that was under way for somebody else.
    pub collapsed: Counter,
    /// Nobody has it.
    pub nobody: Counter,
    /// Somebody who could not be asked might have it.
    pub unreached: Counter,
    /// Too much was being fetched.
    pub busy: Counter,
}

impl Counts {
    /// Each by its name in the metrics.
    pub fn by_way(&self) -> [(&'static str, u64); 6] {
        [
            ("hit", self.hits.get()),
            ("sibling", self.relayed.get()),
            ("sibling-collapsed", self.collapsed.get()),
            ("nobody", self.nobody.get()),
            ("unreached", self.unreached.get()),
            ("busy", self.busy.get()),
        ]
    }
}

impl Siblings {
    /// Those that the flags name. Nobody is asked anything yet.
    pub fn new(server: &Server, flags: &cli::Siblings) -> Result<Arc<Self>, Failure> {
        let us = Us::new(group_of(flags)?)?;
        let is_wanted = flags.is_wanted();
        let hit = HeaderValue::from_str(&format!("{}; hit", us.id())).ok();
        let siblings = Self {
            us,
            roster: Mutex::default(),
            contacts: RwLock::default(),
            found: Mutex::default(),
            flights: Mutex::default(),
            counts: Counts::default(),
            log: server.log.clone(),
            trace: server.trace.clone(),
            version: server.flags.ip.version(),
            is_verbose: server.flags.verbose,
            is_wanted,
            hit: hit.filter(|_| is_wanted),
        };
        for peer in &flags.peer {
            let trust = peer.fingerprint.map_or(Trust::System, Trust::Pinned);
            let (version, trace) = (siblings.version, siblings.trace.clone());
            let contact = Contact::new(peer.address.clone(), trust, version, trace)
                .map_err(|error| Failure::Usage(format!("--peer {}: {error}", peer.address)))?;
            if siblings.contacts().values().any(|known| known.name == contact.name) {
                return Err(Failure::Usage(format!("--peer {} is given twice", peer.address)));
            }
            siblings.add(contact, Origin::Named).ok_or_else(|| {
                Failure::Usage("there are more --peer than a hub can ask".to_owned())
            })?;
        }
        Ok(Arc::new(siblings))
    }

    /// This hub among them.
    pub fn us(&self) -> &Us {
        &self.us
    }

    /// How often answers came which way.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What an answer from here says of how it came (RFC 9211); `None` where there are no siblings.
    pub fn hit(&self) -> Option<&HeaderValue> {
        self.hit.as_ref()
    }

    /// Something was answered from here.
    pub fn was_here(&self) {
        if self.is_wanted {
            self.counts.hits.add(1);
        }
    }

    /// Whether anybody is asked for what is missing here.
    pub fn are_asked(&self) -> bool {
        self.is_wanted
    }

    /// Says hello to them, tries those again that failed, forgets those that are silent.
    pub fn keep_up(self: &Arc<Self>) {
        if self.is_wanted {
            tokio::spawn(keeper::keep(Arc::clone(self)));
        }
    }

    /// Answers a GET or HEAD of a file that is missing here with what a sibling has.
    pub async fn relay(
        self: &Arc<Self>,
        request: &Parts,
        path: &SharePath,
        asked: &Asked<'_>,
    ) -> Result<Answer, Refusal> {
        let wanted = Wanted::of(request, path);
        let via = request.headers.get(header::VIA).cloned();
        let (flight, reader, has_joined) = self.board(&wanted, via);
        match flight.head().await {
            Ok(head) => {
                let count = if has_joined { &self.counts.collapsed } else { &self.counts.relayed };
                count.add(1);
                Ok(self.answer(request, wanted, (&head, reader, has_joined), asked))
            }
            Err(failed) => Err(self.refusal(&failed, path)),
        }
    }

    /// A place in a fetch of what is wanted: one that is under way, if its beginning is still there, or
    /// a new one. Says which.
    fn board(
        self: &Arc<Self>,
        wanted: &Wanted,
        via: Option<HeaderValue>,
    ) -> (Arc<Flight>, Reader, bool) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = flights.get(wanted).and_then(Weak::upgrade);
        if let Some(flight) = under_way.filter(|flight| !flight.has_failed())
            && let Some(reader) = flight.relay.join()
        {
            return (flight, reader, true);
        }
        let (relay, feed, reader) = Relay::new();
        let flight = Arc::new(Flight::new(relay));
        flights.insert(wanted.clone(), Arc::downgrade(&flight));
        drop(flights);
        let (siblings, wanted, lands) = (Arc::clone(self), wanted.clone(), Arc::clone(&flight));
        tokio::spawn(async move {
            fly(Arc::clone(&siblings), wanted.clone(), via, Arc::clone(&lands), feed).await;
            let mut flights = siblings.flights.lock().unwrap_or_else(PoisonError::into_inner);
            // Another may have taken its place.
            if flights.get(&wanted).is_some_and(|known| known.as_ptr() == Arc::as_ptr(&lands)) {
                flights.remove(&wanted);
            }
        });
        (flight, reader, false)
    }

    fn answer(
        self: &Arc<Self>,
        request: &Parts,
        wanted: Wanted,
        (head, reader, has_joined): (&Arc<Head>, Reader, bool),
        asked: &Asked<'_>,
    ) -> Answer {
        let has_body = request.method == http::Method::GET && head.length != Some(0);
        let content = if has_body {
            Content::Other(Box::new(Relayed::new(self, wanted, head, reader)))
        } else {
            Content::Empty
        };
        let mut answer = Response::new(content);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.fields.clone();
        let fields = answer.headers_mut();
        file::protect_relayed(fields, asked);
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        fields.append(header::VIA, self.us.via.clone());
        let (id, status, from) = (self.us.id(), head.status.as_u16(), &head.from.name);
        let collapsed = if has_joined { "; collapsed" } else { "" };
        let how = format!("{id}; fwd=uri-miss; fwd-status={status}{collapsed}; detail=\"{from}\"");
        if let Ok(how) = HeaderValue::from_str(&how) {
            fields.append(CACHE_STATUS, how);
        }
        let asked = head.trail.as_ref().map(|trail| format!(" ({trail})")).unwrap_or_default();
        answer.extensions_mut().insert(Remark(format!("from {from}{asked}")));
        answer
    }

    fn refusal(&self, failed: &Failed, path: &SharePath) -> Refusal {
        let (shown, id) = (path.display(), self.us.id());
        match failed {
            Failed::Nobody => {
                self.counts.nobody.add(1);
                let why = format!("there is no {shown} here, nor at any sibling");
                self.with_status(Refusal::new(StatusCode::NOT_FOUND, why), "fwd=uri-miss")
            }
            Failed::Unreached(troubles) => {
                self.counts.unreached.add(1);
                let told: Vec<String> =
                    troubles.iter().map(|(name, t)| format!("{name} {}", in_words(*t))).collect();
                let why = format!(
                    "there is no {shown} here, and not all siblings could be asked: {}",
                    told.join(", ")
                );
                let status: Vec<String> = troubles
                    .iter()
                    .map(|(name, t)| {
                        format!("{id}; error={}; next-hop=\"{name}\"", t.proxy_error())
                    })
                    .collect();
                let refusal = Refusal::new(StatusCode::GATEWAY_TIMEOUT, why);
                let refusal = self.with_status(refusal, "fwd=uri-miss");
                match HeaderValue::from_str(&status.join(", ")) {
                    Ok(status) => refusal.with(PROXY_STATUS, status),
                    Err(_) => refusal,
                }
            }
            Failed::Busy => {
                self.counts.busy.add(1);
                let why = format!("{shown} is at a sibling, and too much is being fetched now");
                let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why);
                self.with_status(refusal, "fwd=uri-miss")
                    .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
            }
            Failed::GivenUp => {
                let why = format!("{shown} was being fetched from a sibling, and that broke off");
                self.with_status(Refusal::new(StatusCode::BAD_GATEWAY, why), "fwd=uri-miss")
            }
        }
    }

    fn with_status(&self, refusal: Refusal, how: &str) -> Refusal {
        match HeaderValue::from_str(&format!("{}; {how}", self.us.id())) {
            Ok(how) => refusal.with(CACHE_STATUS, how),
            Err(_) => refusal,
        }
    }

    fn add(&self, contact: Contact, origin: Origin) -> Option<Sibling> {
        let sibling = self.with_roster(|roster| roster.add(clock::now(), origin)).ok()?;
        let mut contacts = self.contacts.write().unwrap_or_else(PoisonError::into_inner);
        contacts.insert(sibling, Arc::new(contact));
        Some(sibling)
    }

    fn remove(&self, sibling: Sibling) {
        self.with_roster(|roster| roster.remove(sibling));
        let mut contacts = self.contacts.write().unwrap_or_else(PoisonError::into_inner);
        contacts.remove(&sibling);
    }

    fn with_roster<T>(&self, decide: impl FnOnce(&mut Roster) -> T) -> T {
        decide(&mut self.roster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn contacts(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Sibling, Arc<Contact>>> {
        self.contacts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<(Sibling, Arc<Contact>)> {
        self.contacts().iter().map(|(sibling, contact)| (*sibling, Arc::clone(contact))).collect()
    }

    fn contact(&self, sibling: Sibling) -> Option<Arc<Contact>> {
        self.contacts().get(&sibling).cloned()
    }

    fn name_of(&self, sibling: Sibling) -> String {
        self.contact(sibling).map_or_else(|| "a sibling that left".into(), |c| c.name.clone())
    }

    fn count(&self) -> usize {
        self.contacts().len()
    }

    fn is_verbose(&self) -> bool {
        self.is_verbose
    }

    /// Says something to the person at the terminal.
    fn say(&self, text: String) {
        self.log.say(text);
    }
}

/// The group that the flags name, with the key in its file.
fn group_of(flags: &cli::Siblings) -> Result<Option<Group>, Failure> {
    let Some(name) = &flags.group else { return Ok(None) };
    let name = GroupName::parse(name)
        .map_err(|error| Failure::Usage(format!("--group {name}: {error}")))?;
    let key = flags.group_key_file.as_deref().map(group_key).transpose()?;
    Ok(Some(Group { name, key }))
}

fn group_key(file: &Path) -> Result<GroupKey, Failure> {
    use std::io::Read as _;
    let failed =
        |why: String| Failure::Usage(format!("--group-key-file {}: {why}", file.display()));
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|opened| {
        // Also of what is no file, no more than shows that it is too long.
        opened.take(4096).read_to_end(&mut bytes)
    });
    read.map_err(|error| failed(error.to_string()))?;
    GroupKey::from_bytes(&bytes).map_err(|error| {
        failed(format!("{error}; make one with `head -c 32 /dev/urandom | base64 > FILE`"))
    })
}
