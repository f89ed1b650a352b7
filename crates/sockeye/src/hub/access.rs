//! Who may: the decision over each request, and the ways in and out.
//!
//! Somebody is let in by a cookie, which they got for the key, or by the key itself. What they may
//! then do depends on what the hub wants it for. The person at the hub's own machine, who is known
//! by the address, may also turn receiving on and off, change the key, and throw guests out.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::clock;
use sockeye_engine::http::pass::Pass;
use sockeye_engine::http::server::Caller;
use sockeye_proto::access::credentials::Presented;
use sockeye_proto::access::session::Token;
use sockeye_proto::access::{Key, Verdict};
use sockeye_proto::machine::Tick;

use super::guests::{Guest, Guests, Known, Seen};
use crate::data::DataFolder;
use crate::services::files::serve::receive::Sender;
use crate::services::files::serve::refusal::Refusal;

/// What the key is kept as in the data folder.
pub const KEY_NAME: &str = "key";
/// So many addresses are remembered of the last second.
const SEEN_PLACES: usize = 256;
/// A guest's name has at most so many characters.
const NAME_MAX_CHARS: usize = 40;

/// What the key is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// For nothing.
    #[default]
    Nothing,
    /// For all that changes something here.
    ToWrite,
    /// For everything.
    Always,
}

/// Who may; see the [module](self).
#[derive(Debug)]
pub struct Access {
    wanted: Wanted,
    doorkeeper: Option<SharedDoorkeeper>,
    data: DataFolder,
    guests: Mutex<Guests>,
    /// From where somebody asked, each address in the place that its hash says, with the second.
    seen: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// Somebody who asks, and what they may.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// See what is here.
    pub may_read: bool,
    /// Send files, and make folders.
    pub may_write: bool,
    /// All that concerns the hub itself.
    pub is_host: bool,
    /// Who they are among the guests.
    pub known: Known,
    /// What they are called there; `None`: they are none.
    pub guest: Option<String>,
    pass: Option<Pass>,
}

/// Somebody who may see what is here.
#[derive(Clone, Debug)]
pub struct Reader {
    /// What ends when they are thrown out.
    pub pass: Option<Pass>,
}

impl Visitor {
    /// Another server of this hub's group, which may read.
    pub fn sibling(caller: &Caller) -> Self {
        Self {
            may_read: true,
            may_write: false,
            is_host: false,
            known: Known::Address(caller.peer.ip()),
            guest: None,
            pass: None,
        }
    }

    /// As a sender of files.
    pub fn sender(&self) -> Sender {
        let holder = match (&self.guest, &self.known) {
            (Some(guest), _) => guest.clone(),
            (None, Known::Address(address)) => address.to_string(),
            (None, Known::Cookie(_)) => String::new(),
        };
        Sender { is_stranger: !self.may_write, pass: self.pass.clone(), holder }
    }

    /// What ends when they are thrown out.
    pub fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }

    /// For what only the person at the hub's own machine may do.
    pub fn must_be_host(&self) -> Result<(), Refusal> {
        if self.is_host {
            return Ok(());
        }
        let why = "only the person at the hub's own machine may do that";
        Err(Refusal::new(StatusCode::FORBIDDEN, why))
    }
}

impl Access {
    /// Access for which the key is wanted; a new one is kept in the data folder.
    pub fn new(wanted: Wanted, doorkeeper: Option<SharedDoorkeeper>, data: DataFolder) -> Self {
        let wanted = if doorkeeper.is_some() { wanted } else { Wanted::Nothing };
        let seen = (0..SEEN_PLACES).map(|_| AtomicU64::new(0)).collect();
        let hasher = RandomState::new();
        Self { wanted, doorkeeper, data, guests: Mutex::default(), seen, hasher }
    }

    /// What the key is wanted for.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Who compares keys, if any are wanted.
    pub fn doorkeeper(&self) -> Option<&SharedDoorkeeper> {
        self.doorkeeper.as_ref()
    }

    /// The key, where nothing can be read without it.
    pub fn key_for_reading(&self) -> Option<Key> {
        let doorkeeper = self.doorkeeper.as_ref().filter(|_| self.wanted == Wanted::Always);
        doorkeeper.map(SharedDoorkeeper::key)
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who asks, and what they may.
    pub fn visitor(&self, request: &Parts, caller: &Caller) -> Result<Visitor, Refusal> {
        // Held from the look at the cookie on: whoever is thrown out meanwhile is not taken up again.
        let mut guests = self.guests();
        let known = self.known(request, caller, &guests)?;
        let is_in = known.is_some() || self.wanted == Wanted::Nothing;
        let is_own = is_own_machine(request, caller);
        let known = known.unwrap_or(Known::Address(caller.peer.ip()));
        let mut visitor = Visitor {
            may_read: is_in || self.wanted == Wanted::ToWrite,
            may_write: is_in,
            is_host: is_in && is_own,
            known: known.clone(),
            guest: None,
            pass: None,
        };
        if is_in {
            let agent = field(&request.headers, header::USER_AGENT);
            let seen = Seen { address: caller.peer.ip(), agent, is_host: is_own };
            let guest = guests.see(known, seen, Timestamp::now());
            visitor.guest = Some(guest.id.clone());
            visitor.pass = self.doorkeeper.is_some().then(|| guest.pass.clone());
        }
        Ok(visitor)
    }

    /// Somebody who may see what is here; `None` for anybody of whom more is to be found out.
    pub fn reader(&self, request: &Parts, caller: &Caller) -> Option<Reader> {
        if self.doorkeeper.is_none() && self.was_seen_now(caller) {
            return Some(Reader { pass: None });
        }
        let visitor = self.visitor(request, caller).ok()?;
        visitor.may_read.then_some(Reader { pass: visitor.pass })
    }

    /// Whether somebody who shows nothing may see what is here, and there is nothing to note about them.
    pub fn lets_strangers_read(&self, caller: &Caller) -> bool {
        match self.wanted {
            Wanted::Nothing => self.was_seen_now(caller),
            Wanted::ToWrite => true,
            Wanted::Always => false,
        }
    }

    /// Whether somebody asked from this address within this second, so that there is nothing new to
    /// note about them.
    fn was_seen_now(&self, caller: &Caller) -> bool {
        let second = clock::now().since(Tick::START).as_secs();
        let noted = (self.hasher.hash_one(caller.peer.ip()) & !0xffff) | (second & 0xffff);
        let place = &self.seen[noted as usize / 0x1_0000 % SEEN_PLACES];
        place.load(Ordering::Relaxed) == noted || {
            place.store(noted, Ordering::Relaxed);
            false
        }
    }

    /// How somebody who has a good cookie or the key is known. A wrong key is refused, because
    /// whoever shows one means to be let in by it.
    fn known(
        &self,
        request: &Parts,
        caller: &Caller,
        guests: &Guests,
    ) -> Result<Option<Known>, Refusal> {
        let Some(doorkeeper) = &self.doorkeeper else { return Ok(None) };
        let bytes = |name| request.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let (authorizations, cookies) = (bytes(header::AUTHORIZATION), bytes(header::COOKIE));
        let presented = Presented::read(authorizations, cookies, &cookie_name(caller));
        let token = presented.token.as_deref().and_then(Token::parse);
        if let Some(token) = token {
            let known = Known::Cookie(token.as_str().to_owned());
            // A cookie made for a key that was changed since is good as long as its guest is here.
            let is_here = guests.get(&known).is_some();
            if is_here || (token.is_of(&doorkeeper.key()) && !guests.has_left(&known)) {
                return Ok(Some(known));
            }
        }
        match presented.key {
            Some(key) => match doorkeeper.check(caller.peer.ip(), &key) {
                Verdict::Right => Ok(Some(Known::Address(caller.peer.ip()))),
                verdict => Err(wrong_key(verdict)),
            },
            None => Ok(None),
        }
    }

    /// What is said to somebody who may not read, or write.
    pub fn key_wanted(&self, fields: &HeaderMap) -> Refusal {
        let why = match self.wanted {
            Wanted::ToWrite => "the key is wanted to change anything here",
            _ => "the key is wanted here; whoever runs this hub has it, and a link with it",
        };
        let how = "; give it as `Authorization: Bearer KEY`, or as the password with any user";
        let is_browser = field(fields, header::USER_AGENT).starts_with("Mozilla/");
        // A browser would ask for a user and a password by itself, before the page can.
        let challenge = if is_browser {
            HeaderValue::from_static("Bearer realm=\"Sockeye\"")
        } else {
            HeaderValue::from_static("Basic realm=\"Sockeye\", Bearer realm=\"Sockeye\"")
        };
        let why = if is_browser { why.to_owned() } else { format!("{why}{how}") };
        Refusal::new(StatusCode::UNAUTHORIZED, why).with(header::WWW_AUTHENTICATE, challenge)
    }

    /// Lets somebody in who says the key. The cookie that they get is the answer.
    pub fn join(
        &self,
        request: &Parts,
        caller: &Caller,
        (said, name): (&str, &str),
    ) -> Result<HeaderValue, Refusal> {
        let Some(doorkeeper) = &self.doorkeeper else {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "no key is wanted here"));
        };
        // People type keys in groups, or with a space behind.
        let is_apart =
            |c: char| c.is_whitespace() || (c == '-' && !doorkeeper.key().as_str().contains('-'));
        let said: String = said.chars().filter(|c| !is_apart(*c)).collect();
        // The key that was said and the one that the cookie is made of are the same.
        let mut guests = self.guests();
        let verdict = doorkeeper.check(caller.peer.ip(), said.as_bytes());
        if verdict != Verdict::Right {
            return Err(wrong_key(verdict));
        }
        let token = Token::mint(random().map_err(|e| internal(&e))?, &doorkeeper.key());
        let known = Known::Cookie(token.as_str().to_owned());
        let agent = field(&request.headers, header::USER_AGENT);
        let is_host = is_own_machine(request, caller);
        let seen = Seen { address: caller.peer.ip(), agent, is_host };
        let name = name.chars().filter(|c| !c.is_control()).take(NAME_MAX_CHARS);
        let name: String = name.collect();
        guests.see(known.clone(), seen, Timestamp::now());
        guests.rename(&known, name.trim().to_owned());
        cookie(caller, token.as_str(), None)
    }

    /// Lets somebody go. The cookie that replaces theirs is the answer.
    pub fn leave(&self, visitor: &Visitor, caller: &Caller) -> Result<HeaderValue, Refusal> {
        self.guests().leave(&visitor.known);
        cookie(caller, "", Some(0))
    }

    /// Who is here, for those who are.
    pub fn here(&self, visitor: &Visitor) -> Value {
        let guests = self.guests();
        let guest = |(known, guest): (&Known, &Guest)| {
            json!({
                "id": guest.id,
                "name": guest.name,
                "address": guest.address.to_string(),
                "device": guest.device,
                "since": guest.since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "last_seen": guest.last_seen.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "is_you": *known == visitor.known,
                "is_host": guest.is_host,
            })
        };
        json!({ "guests": guests.all().into_iter().map(guest).collect::<Vec<_>>() })
    }

    /// Throws a guest out, who cannot come back by the key that they know.
    pub fn throw_out(&self, id: &str) -> Result<(), Refusal> {
        let doorkeeper = self.must_have_key()?;
        let mut guests = self.guests();
        if !guests.has(id) {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "that guest is not here any more"));
        }
        // In this order, and under one lock: a cookie is good for as long as its guest is here, and
        // its guest is taken up again for as long as the key is the one that it was made of.
        self.change_key(doorkeeper, &mut guests)?;
        guests.throw_out(id);
        Ok(())
    }

    /// Makes a new key. Who is here by a cookie stays.
    pub fn new_key(&self) -> Result<(), Refusal> {
        self.change_key(self.must_have_key()?, &mut self.guests())
    }

    fn change_key(
        &self,
        doorkeeper: &SharedDoorkeeper,
        guests: &mut Guests,
    ) -> Result<(), Refusal> {
        let key = random_key().map_err(|e| internal(&e))?;
        let kept = self.data.write_secret(KEY_NAME, format!("{}\n", key.as_str()).as_bytes());
        kept.map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
        doorkeeper.change(key);
        guests.forget_keys();
        Ok(())
    }

    fn must_have_key(&self) -> Result<&SharedDoorkeeper, Refusal> {
        self.doorkeeper.as_ref().ok_or_else(|| {
            let why = "this hub wants no key, so that nobody can be kept out; start it with --lan";
            Refusal::new(StatusCode::NOT_FOUND, why)
        })
    }
}

/// A key of 12 random characters.
pub fn random_key() -> std::io::Result<Key> {
    let bytes: [u8; 8] = random()?;
    Ok(Key::from_random(bytes))
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes)
}

/// Whether a request comes from the hub's own machine, and was not passed on by a proxy there.
fn is_own_machine(request: &Parts, caller: &Caller) -> bool {
    const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let ip: IpAddr = caller.peer.ip();
    let is_own = ip.is_loopback() || ip == caller.local.ip();
    is_own && !PASSED_ON.iter().any(|name| request.headers.contains_key(*name))
}

/// Cookies know no ports: two hubs on one machine must not take each other's.
fn cookie_name(caller: &Caller) -> String {
    format!("sockeye-{}", caller.local.port())
}

fn cookie(caller: &Caller, value: &str, max_age_s: Option<u64>) -> Result<HeaderValue, Refusal> {
    /// Browsers forget a cookie after 400 days at the latest.
    const YEAR_S: u64 = 365 * 24 * 60 * 60;
    let name = cookie_name(caller);
    let age = max_age_s.unwrap_or(YEAR_S);
    let secure = if caller.is_secure { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).map_err(|e| internal(&e))
}

/// Why a key that was said lets nobody in.
fn wrong_key(verdict: Verdict) -> Refusal {
    match verdict.wait_s() {
        None => Refusal::new(StatusCode::UNAUTHORIZED, "that is not the key of this hub"),
        Some(wait_s) => {
            let why = format!("too many wrong keys came from there; try again in {wait_s} s");
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, why)
                .with(header::RETRY_AFTER, wait_s.into())
        }
    }
}

fn internal(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn field(fields: &HeaderMap, name: HeaderName) -> &str {
    fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
