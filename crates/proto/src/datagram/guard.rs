//! What a service gets to see of the datagrams that arrive, and what may leave in answer.
//!
//! Four rules stand here, for every text service over UDP alike. Nothing that could be the answer
//! of another server is answered, so that no two servers can be set talking to each other. An
//! address that has not proven itself is never sent more than 3 times what came from it; a longer
//! answer is replaced by `COOKIE c`, and the caller asks again with ` cookie=c` at the very end.
//! Such addresses have a [budget](super::budget). And who is one too many for the
//! [roster](super::roster) is told `busy`.
//!
//! The service sees the text without its line end and without a cookie. A cookie is not looked for
//! where the address is proven without one, and never in what begins with `POST `, whose text may
//! end as it likes.

use core::net::{IpAddr, SocketAddr};

use super::budget::{Budget, Spent};
use super::cookie::{CookieKey, split_attempt};
use super::network::Network;
use super::roster::{Heard, Roster};
use super::{LineEnd, room_bytes};
use crate::clients::{ClientLimits, Full};
use crate::idle::IdleTimeout;
use crate::limits::DATAGRAM_MAX_BYTES;
use crate::machine::Tick;

/// Ports from which servers answer that anybody can reach: what comes from one is an answer, or
/// forged to make one. The services that floods are known to be reflected from, as far as their
/// ports are none that a caller's system picks for itself.
const REFLECTOR_PORTS: &[u16] = &[
    0,   // no port: it cannot be answered
    7,   // echo (RFC 862)
    9,   // discard
    11,  // active users
    13,  // daytime (RFC 867)
    17,  // quote of the day
    19,  // character generator
    37,  // time
    53,  // DNS
    69,  // TFTP
    111, // port mapper
    NTP_PORT, 137,   // NetBIOS names
    138,   // NetBIOS datagrams
    161,   // SNMP
    177,   // XDMCP
    389,   // CLDAP
    427,   // SLP
    500,   // IKE
    520,   // RIP
    623,   // IPMI
    1434,  // SQL Server Browser
    1900,  // SSDP
    3283,  // Apple Remote Desktop
    3478,  // STUN
    3702,  // WS-Discovery
    5060,  // SIP
    5351,  // NAT-PMP
    5353,  // mDNS
    5355,  // LLMNR
    5683,  // CoAP
    11211, // memcached
];

const NTP_PORT: u16 = 123;

/// What the answers of servers begin with, in any case.
const ANSWER_WORDS: [&[u8]; 3] = [b"error", b"busy", b"COOKIE"];

/// What an answer that no datagram can hold is replaced by.
const TOO_LONG: &[u8] = b"error: answer too long for a datagram; ask over tcp";

/// How a service is guarded.
#[derive(Clone, Debug, Default)]
pub struct GuardRules {
    /// The default ports and the real ports of the UDP services here.
    pub own_ports: Vec<u16>,
    /// Networks whose addresses are trusted as they stand (`--plain NET`). Loopback always is.
    pub trusted: Vec<Network>,
    /// The service takes any text (talk, inbox): also what begins with `error`, `busy` or `COOKIE`,
    /// and what ends like a cookie but is none of ours.
    pub takes_any_text: bool,
    /// The service is ntp: a request may come from port 123 if it is one in client mode (RFC 5905,
    /// section 7.3, mode 3), which no server's answer is.
    pub is_ntp_client: bool,
    /// How many clients there may be; see [`roster`](super::roster).
    pub clients: ClientLimits,
    /// After how long a silence a client has left.
    pub idle: IdleTimeout,
}

/// Why a datagram was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Its source is no address of one machine (RFC 1122, section 3.2.1.3).
    NotUnicast,
    /// Its source port is that of a server that answers anybody.
    ReflectorPort,
    /// Its source port is that of a service here.
    OwnPort,
    /// It begins as the answers of servers do.
    AnswerText,
    /// Its source says the same without end; see [`refrain`](super::refrain).
    Refrain,
    /// Its source has used up its budget.
    SourceBudget,
    /// All unproven sources together have used up theirs.
    TotalBudget,
}

impl DropReason {
    /// In words, for the log and the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUnicast => "its source is no address of one machine",
            Self::ReflectorPort => "it comes from the port of a server that answers anybody",
            Self::OwnPort => "it comes from the port of a service here",
            Self::AnswerText => "it begins like the answer of a server",
            Self::Refrain => "its source says the same without end",
            Self::SourceBudget => "its source asks too often",
            Self::TotalBudget => "unproven sources ask too often",
        }
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is dropped.
    Drop(DropReason),
    /// There is no place for who asks; [`Guard::refuse`] makes the answer.
    Refuse(Request<'a>, Full),
    /// The service answers it.
    Serve(Request<'a>),
}

/// How far an address has proven that it receives what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is loopback or in a trusted network.
    Address,
    /// It sent its cookie back.
    Cookie,
    /// It sent one that is wrong or has expired.
    WrongCookie,
    /// It sent none.
    None,
}

/// A request as a service sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Who asks, or is said to.
    pub from: SocketAddr,
    /// The message, without its line end and without a cookie.
    pub text: &'a [u8],
    /// How it ended: the answer ends so too.
    pub line_end: LineEnd,
    /// How many bytes may answer it, line end included; `None` for a proven address.
    pub room_bytes: Option<usize>,
    /// What is known of the address.
    pub proof: Proof,
}

impl Request<'_> {
    /// The same without its text: all that an answer needs, for as long as it takes.
    pub fn without_text(self) -> Request<'static> {
        Request { text: b"", ..self }
    }

    /// Whether its address has proven that it receives what is sent to it.
    pub(super) fn is_proven(&self) -> bool {
        matches!(self.proof, Proof::Address | Proof::Cookie)
    }

    /// Whether an answer of so many bytes may leave, with the request's line end after it.
    fn fits(&self, answer_bytes: usize) -> bool {
        let room_bytes = self.room_bytes.unwrap_or(DATAGRAM_MAX_BYTES).min(DATAGRAM_MAX_BYTES);
        answer_bytes + self.line_end.as_bytes().len() <= room_bytes
    }
}

/// What [`Guard::answer`] put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// The answer, with the request's line end.
    Answer,
    /// `COOKIE c`: the answer is more than the address may be sent as yet.
    Cookie,
    /// An error instead of an answer that no datagram can hold.
    TooLong,
    /// Nothing: not even the demand for a cookie may be sent.
    Nothing,
}

/// The guard of one service.
///
/// ```
/// use sockeye_proto::datagram::cookie::CookieKey;
/// use sockeye_proto::datagram::guard::{Guard, GuardRules, Leaving, Verdict};
/// use sockeye_proto::machine::Tick;
///
/// let mut guard = Guard::new(GuardRules::default(), CookieKey::new([7; 32]));
/// let (now, ana) = (Tick::START, "192.0.2.1:4000".parse()?);
/// let mut out = Vec::new();
///
/// let Verdict::Serve(request) = guard.admit(now, ana, b"GET\n") else { panic!("it is served") };
/// assert_eq!((request.text, request.room_bytes), (&b"GET"[..], Some(68)));
/// assert_eq!(guard.answer(now, &request, &[b'x'; 1000], &mut out), Leaving::Cookie);
///
/// let cookie = String::from_utf8_lossy(&out).trim_end().replace("COOKIE ", " cookie=");
/// let again = format!("GET{cookie}\n");
/// let Verdict::Serve(request) = guard.admit(now, ana, again.as_bytes()) else { panic!("again") };
/// assert_eq!((request.text, request.room_bytes), (&b"GET"[..], None));
/// assert_eq!(guard.answer(now, &request, &[b'x'; 1000], &mut out), Leaving::Answer);
/// assert_eq!(out.len(), 1001);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Guard {
    own_ports: Vec<u16>,
    trusted: Vec<Network>,
    takes_any_text: bool,
    is_ntp_client: bool,
    key: CookieKey,
    budget: Budget,
    roster: Roster,
}

impl Guard {
    /// A guard that has seen nobody yet.
    pub fn new(rules: GuardRules, key: CookieKey) -> Self {
        let GuardRules { mut own_ports, trusted, takes_any_text, is_ntp_client, clients, idle } =
            rules;
        own_ports.sort_unstable();
        let (budget, roster) = (Budget::default(), Roster::new(clients, idle));
        Self { own_ports, trusted, takes_any_text, is_ntp_client, key, budget, roster }
    }

    /// Whether a datagram is served, and as what. One that is costs its source, if that is not
    /// proven, one answer of its budget.
    pub fn admit<'a>(&mut self, now: Tick, from: SocketAddr, datagram: &'a [u8]) -> Verdict<'a> {
        if let Some(reason) = self.loop_risk(from, datagram) {
            return Verdict::Drop(reason);
        }
        let request = self.read(now, from, datagram);
        let costs = request.room_bytes.is_some();
        self.receive(now, (request, datagram), costs)
    }

    /// The same for a service that answers with the bytes that came, which is never too much:
    /// nothing is parted from the datagram, and a cookie lifts no budget.
    pub fn admit_raw<'a>(
        &mut self,
        now: Tick,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Verdict<'a> {
        if let Some(reason) = self.loop_risk(from, datagram) {
            return Verdict::Drop(reason);
        }
        let request = self.read(now, from, datagram);
        let costs = request.proof != Proof::Address;
        match self.receive(now, (request, datagram), costs) {
            Verdict::Serve(request) => {
                Verdict::Serve(Request { text: datagram, line_end: LineEnd::None, ..request })
            }
            verdict => verdict,
        }
    }

    /// Tells who is one too many so, in one line. To an address that is not proven and asked with a
    /// wrong cookie, a new one goes instead: with it, the address gets the place of one that is not
    /// proven.
    pub fn refuse(
        &self,
        now: Tick,
        request: &Request<'_>,
        full: Full,
        out: &mut Vec<u8>,
    ) -> Leaving {
        if request.proof == Proof::WrongCookie {
            return self.demand(now, request, out);
        }
        self.answer(now, request, full.to_string().as_bytes(), out)
    }

    /// Turns an answer into what may leave. `out` then holds one datagram and nothing else; it may
    /// be an empty one.
    pub fn answer(
        &self,
        now: Tick,
        request: &Request<'_>,
        answer: &[u8],
        out: &mut Vec<u8>,
    ) -> Leaving {
        out.clear();
        if request.fits(answer.len()) {
            out.extend_from_slice(answer);
            out.extend_from_slice(request.line_end.as_bytes());
            Leaving::Answer
        } else if request.room_bytes.is_none() {
            out.extend_from_slice(TOO_LONG);
            out.extend_from_slice(request.line_end.as_bytes());
            Leaving::TooLong
        } else {
            self.demand(now, request, out)
        }
    }

    /// Asks for the cookie of an address.
    pub(super) fn demand(&self, now: Tick, request: &Request<'_>, out: &mut Vec<u8>) -> Leaving {
        out.clear();
        self.key.make(request.from, now).write_demand(out);
        if !request.fits(out.len()) {
            out.clear();
            return Leaving::Nothing;
        }
        out.extend_from_slice(request.line_end.as_bytes());
        Leaving::Cookie
    }

    /// Takes a request's cost from its source's budget, and gives its source a place.
    fn receive<'a>(
        &mut self,
        now: Tick,
        (request, datagram): (Request<'a>, &[u8]),
        costs: bool,
    ) -> Verdict<'a> {
        if costs && let Err(reason) = self.spend(now, request.from) {
            return Verdict::Drop(reason);
        }
        match self.roster.enter(now, request.from, request.is_proven(), datagram) {
            Ok(Heard::Answered) => Verdict::Serve(request),
            Ok(Heard::Ignored) => Verdict::Drop(DropReason::Refrain),
            Err(full) => Verdict::Refuse(request, full),
        }
    }

    /// Whether an answer could be the next step of two servers talking to each other.
    fn loop_risk(&self, from: SocketAddr, datagram: &[u8]) -> Option<DropReason> {
        let port = from.port();
        if !is_unicast(from.ip()) {
            Some(DropReason::NotUnicast)
        } else if self.own_ports.binary_search(&port).is_ok() {
            Some(DropReason::OwnPort)
        } else if REFLECTOR_PORTS.binary_search(&port).is_ok()
            && !(port == NTP_PORT && self.is_ntp_client && is_ntp_request(datagram))
        {
            Some(DropReason::ReflectorPort)
        } else if !self.takes_any_text && is_answer(datagram) {
            Some(DropReason::AnswerText)
        } else {
            None
        }
    }

    fn read<'a>(&self, now: Tick, from: SocketAddr, datagram: &'a [u8]) -> Request<'a> {
        let (whole, line_end) = LineEnd::split(datagram);
        let proven = |text, proof| Request { from, text, line_end, room_bytes: None, proof };
        if self.is_trusted(from.ip()) {
            return proven(whole, Proof::Address);
        }
        let attempt = if whole.starts_with(b"POST ") { None } else { split_attempt(whole) };
        let (text, proof) = match attempt {
            None => (whole, Proof::None),
            Some((text, cookie)) if self.key.is_valid(cookie, from, now) => {
                return proven(text, Proof::Cookie);
            }
            Some(_) if self.takes_any_text => (whole, Proof::None),
            // The service sees the request as it was meant. If its answer fits, no cookie was
            // needed; if not, the caller gets a new one.
            Some((text, _)) => (text, Proof::WrongCookie),
        };
        Request { from, text, line_end, room_bytes: Some(room_bytes(datagram.len())), proof }
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        address.to_canonical().is_loopback()
            || self.trusted.iter().any(|network| network.contains(address))
    }

    fn spend(&mut self, now: Tick, from: SocketAddr) -> Result<(), DropReason> {
        self.budget.spend(now, from.ip()).map_err(|spent| match spent {
            Spent::Source => DropReason::SourceBudget,
            Spent::Total => DropReason::TotalBudget,
        })
    }
}

fn is_unicast(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast()),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast()),
    }
}

fn is_ntp_request(datagram: &[u8]) -> bool {
    const CLIENT_MODE: u8 = 3;
    datagram.first().is_some_and(|first| first & 0b111 == CLIENT_MODE)
}

/// Whether it begins as the answers of servers do.
pub(super) fn is_answer(datagram: &[u8]) -> bool {
    ANSWER_WORDS.iter().any(|word| {
        datagram.get(..word.len()).is_some_and(|opening| opening.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests;
