//! Endpoints that exchange datagrams over faulty links.
//!
//! An [`Endpoint`] stands at an address. It is handed each datagram that reaches it, and woken at
//! its deadline; what it returns is sent. Every pair of addresses has a link of its own in each
//! direction. A datagram to an address where nobody is, is lost.
//!
//! A caller that asks again until it is answered:
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Duration;
//! use sockeye_proto::machine::Tick;
//! use sockeye_sim::datagrams::{Datagrams, Endpoint, Outcome, Responds, Sent};
//! use sockeye_sim::network::{LinkRules, Loss};
//! use sockeye_sim::seed::{Chance, Seed};
//! use sockeye_sim::trace::Trace;
//!
//! struct Caller { server: SocketAddr, ask_at: Option<Tick>, heard: Option<Vec<u8>> }
//!
//! impl Endpoint for Caller {
//!     fn handle(&mut self, _now: Tick, _from: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
//!         (self.heard, self.ask_at) = (Some(bytes.to_vec()), None);
//!         vec![]
//!     }
//!     fn deadline(&self) -> Option<Tick> {
//!         self.ask_at
//!     }
//!     fn time(&mut self, now: Tick) -> Vec<Sent> {
//!         self.ask_at = Some(now + Duration::from_millis(300));
//!         vec![(self.server, b"ping".to_vec())]
//!     }
//! }
//!
//! let (here, there) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
//! let mut caller = Caller { server: there, ask_at: Some(Tick::START), heard: None };
//! let mut server = Responds(|_now, from, _bytes: &[u8]| vec![(from, b"pong".to_vec())]);
//! let loss = Loss::Independent(Chance::percent(50));
//! let mut network = Datagrams::new(Seed::new(9), LinkRules { loss, ..LinkRules::perfect() });
//! network.place(here, &mut caller);
//! network.place(there, &mut server);
//! let outcome = network.run_until(Tick::START + Duration::from_secs(60), &mut Trace::default());
//! assert_eq!(outcome, Outcome::Quiet);
//! assert_eq!(caller.heard.as_deref(), Some(&b"pong"[..]));
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;

use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick};

use crate::network::{EventQueue, Fate, Link, LinkRules};
use crate::seed::Seed;
use crate::trace::{Bytes, Trace};

/// A datagram to send: to whom, and what.
pub type Sent = (SocketAddr, Vec<u8>);

/// Whoever stands at an address.
pub trait Endpoint {
    /// A datagram has come.
    fn handle(&mut self, now: Tick, from: SocketAddr, bytes: &[u8]) -> Vec<Sent>;

    /// When it wants [`Endpoint::time`].
    fn deadline(&self) -> Option<Tick> {
        None
    }

    /// The deadline has come.
    fn time(&mut self, _now: Tick) -> Vec<Sent> {
        Vec::new()
    }
}

/// An endpoint that is a function of what came: it has no deadline.
#[derive(Clone, Copy, Debug)]
pub struct Responds<F>(pub F);

impl<F: FnMut(Tick, SocketAddr, &[u8]) -> Vec<Sent>> Endpoint for Responds<F> {
    fn handle(&mut self, now: Tick, from: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        (self.0)(now, from, bytes)
    }
}

/// A machine whose transmissions are datagrams to one address: a caller. It begins when it is
/// placed.
///
/// ```
/// use sockeye_proto::datagram::client::{Client, Event};
/// use sockeye_proto::machine::Tick;
/// use sockeye_sim::datagrams::{Calling, Datagrams, Responds};
/// use sockeye_sim::network::LinkRules;
/// use sockeye_sim::seed::Seed;
/// use sockeye_sim::trace::Trace;
///
/// let (here, there) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
/// let mut client = Calling::new(Client::new(Tick::START, b"ping".to_vec()), there);
/// let mut server = Responds(|_now, from, _bytes: &[u8]| vec![(from, b"pong".to_vec())]);
/// let mut network = Datagrams::new(Seed::new(1), LinkRules::perfect());
/// network.place(here, &mut client);
/// network.place(there, &mut server);
/// network.run_until(Tick::from_ns(u64::MAX), &mut Trace::default());
/// let Some(Event::Heard(answer)) = client.events().last() else { panic!("it is answered") };
/// assert_eq!(answer.text(), b"pong");
/// ```
#[derive(Debug)]
pub struct Calling<M: Machine> {
    machine: M,
    peer: SocketAddr,
    wake: Option<Tick>,
    has_begun: bool,
    events: Vec<M::Event>,
    closed: Option<(Tick, Fault)>,
}

/// A machine that asks nobody and belongs to nothing shared.
pub trait Plain:
    Machine<Question = Infallible, Answer = Infallible, Tell = Infallible, Told = Infallible>
{
}

impl<M> Plain for M where
    M: Machine<Question = Infallible, Answer = Infallible, Tell = Infallible, Told = Infallible>
{
}

impl<M: Plain> Calling<M> {
    /// The machine, and whom it calls. Datagrams from others are not given to it.
    pub fn new(machine: M, peer: SocketAddr) -> Self {
        let wake = Some(Tick::START);
        Self { machine, peer, wake, has_begun: false, events: Vec::new(), closed: None }
    }

    /// What it reported, in order.
    pub fn events(&self) -> &[M::Event] {
        &self.events
    }

    /// How it closed, and when.
    pub fn closed(&self) -> Option<(Tick, Fault)> {
        self.closed
    }

    fn drain(&mut self, now: Tick) -> Vec<Sent> {
        let mut all_sent = Vec::new();
        loop {
            match self.machine.poll() {
                Output::Transmit(bytes) => {
                    assert!(self.closed.is_none(), "it speaks after it closed");
                    all_sent.push((self.peer, bytes));
                }
                Output::Happened(event) => self.events.push(event),
                Output::Close(fault) => self.closed = Some((now, fault)),
                Output::Ask(_, never) | Output::Tell(never) => match never {},
                Output::Wait(until) => {
                    self.wake = until;
                    return all_sent;
                }
            }
        }
    }
}

impl<M: Plain> Endpoint for Calling<M> {
    fn handle(&mut self, now: Tick, from: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        if from == self.peer {
            self.machine.handle(now, Input::Bytes(bytes));
        }
        self.drain(now)
    }

    fn deadline(&self) -> Option<Tick> {
        self.wake
    }

    fn time(&mut self, now: Tick) -> Vec<Sent> {
        if std::mem::replace(&mut self.has_begun, true) {
            self.machine.handle(now, Input::Time);
        }
        self.drain(now)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is under way and nobody has a deadline.
    Quiet,
    /// The time was up first.
    TimeUp,
}

/// What went from one address to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them, without headers.
    pub sent_bytes: u64,
    /// Datagrams that arrived, copies counted.
    pub arrived: u64,
    /// Bytes in them, without headers.
    pub arrived_bytes: u64,
    /// Datagrams that were lost.
    pub lost: u64,
}

enum Event {
    Arrive { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Wake { address: SocketAddr, at: Tick },
}

struct Place<'a> {
    endpoint: &'a mut dyn Endpoint,
    wake: Option<Tick>,
}

/// A network of endpoints; see the [module](self).
pub struct Datagrams<'a> {
    seed: Seed,
    rules: LinkRules,
    queue: EventQueue<Event>,
    places: BTreeMap<SocketAddr, Place<'a>>,
    links: BTreeMap<(SocketAddr, SocketAddr), Link>,
    tallies: BTreeMap<(SocketAddr, SocketAddr), Tally>,
}

impl<'a> Datagrams<'a> {
    /// An empty network, whose links keep to these rules unless told otherwise.
    pub fn new(seed: Seed, rules: LinkRules) -> Self {
        Self {
            seed,
            rules,
            queue: EventQueue::default(),
            places: BTreeMap::new(),
            links: BTreeMap::new(),
            tallies: BTreeMap::new(),
        }
    }

    /// Whoever stands at this address from now on.
    pub fn place(&mut self, address: SocketAddr, endpoint: &'a mut dyn Endpoint) {
        self.places.insert(address, Place { endpoint, wake: None });
        self.wake_later(address);
    }

    /// Other rules for one direction, from now on.
    pub fn set_link(&mut self, from: SocketAddr, to: SocketAddr, rules: LinkRules) {
        self.links.entry((from, to)).or_insert_with(|| Link::new(rules.clone())).set_rules(rules);
    }

    /// A datagram from an address where nobody needs to be: a forged sender, a stray.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], trace: &mut Trace) {
        self.send(self.queue.now(), from, (to, bytes.to_vec()), trace);
    }

    /// What went from one address to another so far.
    pub fn tally(&self, from: SocketAddr, to: SocketAddr) -> Tally {
        self.tallies.get(&(from, to)).copied().unwrap_or_default()
    }

    /// The virtual time.
    pub fn now(&self) -> Tick {
        self.queue.now()
    }

    /// Runs what is due up to then.
    ///
    /// # Panics
    /// If an endpoint asks at its deadline to be woken at the same again.
    pub fn run_until(&mut self, limit: Tick, trace: &mut Trace) -> Outcome {
        while let Some(at) = self.queue.next_at() {
            if at > limit {
                return Outcome::TimeUp;
            }
            match self.queue.pop() {
                Some((now, Event::Arrive { from, to, bytes })) => {
                    self.arrive(now, from, to, &bytes, trace);
                }
                Some((now, Event::Wake { address, at })) => self.wake(now, address, at, trace),
                None => {}
            }
        }
        Outcome::Quiet
    }

    fn arrive(
        &mut self,
        now: Tick,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        trace: &mut Trace,
    ) {
        let Some(place) = self.places.get_mut(&to) else {
            trace.note(now, format_args!("{to} <- {from} nobody is there: {}", Bytes(bytes)));
            return;
        };
        trace.note(now, format_args!("{to} <- {from} {}", Bytes(bytes)));
        let tally = self.tallies.entry((from, to)).or_default();
        tally.arrived += 1;
        tally.arrived_bytes += bytes.len() as u64;
        for sent in place.endpoint.handle(now, from, bytes) {
            self.send(now, to, sent, trace);
        }
        self.wake_later(to);
    }

    fn wake(&mut self, now: Tick, address: SocketAddr, at: Tick, trace: &mut Trace) {
        let Some(place) = self.places.get_mut(&address) else { return };
        if place.wake.take_if(|wake| *wake == at).is_none() {
            return;
        }
        trace.note(now, format_args!("{address} <- time"));
        let all_sent = place.endpoint.time(now);
        let is_past = place.endpoint.deadline().is_some_and(|deadline| deadline <= now);
        assert!(!is_past, "{address}, woken at its deadline, asks for the same again");
        for sent in all_sent {
            self.send(now, address, sent, trace);
        }
        self.wake_later(address);
    }

    fn send(&mut self, now: Tick, from: SocketAddr, (to, bytes): Sent, trace: &mut Trace) {
        trace.note(now, format_args!("{from} -> {to} {}", Bytes(&bytes)));
        let tally = self.tallies.entry((from, to)).or_default();
        tally.sent += 1;
        tally.sent_bytes += bytes.len() as u64;
        let link = self.links.entry((from, to)).or_insert_with(|| Link::new(self.rules.clone()));
        for fate in link.carry(&mut self.seed, now, &bytes) {
            match fate {
                Fate::Lost(why) => {
                    tally.lost += 1;
                    trace.note(now, format_args!("{from} -> {to} {why}"));
                }
                Fate::Arrives { at, bytes, is_damaged, is_copy } => {
                    if is_damaged {
                        trace.note(now, format_args!("{from} -> {to} damaged"));
                    }
                    if is_copy {
                        trace.note(now, format_args!("{from} -> {to} doubled"));
                    }
                    self.queue.push(at, Event::Arrive { from, to, bytes });
                }
            }
        }
    }

    fn wake_later(&mut self, address: SocketAddr) {
        let now = self.queue.now();
        let Some(place) = self.places.get_mut(&address) else { return };
        let deadline = place.endpoint.deadline().map(|deadline| deadline.max(now));
        if place.wake != deadline {
            place.wake = deadline;
            if let Some(at) = deadline {
                self.queue.push(at, Event::Wake { address, at });
            }
        }
    }
}
