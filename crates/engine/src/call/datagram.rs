//! A conversation over UDP: one request after the other, each a machine of its own. The next goes by
//! the same socket, so that a server sees one client, unless an answer may still be on its way: a
//! late one would be taken for the next.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use sockeye_proto::access::Key;
use sockeye_proto::datagram::client::{Client, Event};
use sockeye_proto::limits::DATAGRAM_MAX_BYTES;
use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick};
use sockeye_proto::text::client::Unsayable;
use tokio::net::UdpSocket;

use super::{CallFailure, Happening, Heard};
use crate::clock;

/// Requests to a server by datagrams.
#[derive(Debug)]
pub struct DatagramCall {
    addresses: Vec<SocketAddr>,
    /// What each request says at its end, if anything.
    key: Option<Key>,
    /// Which of them is tried; the others are left when one has answered.
    at: usize,
    to_say: VecDeque<Vec<u8>>,
    request: Option<Request>,
    /// Of the request before, if all that was sent on it is answered.
    socket: Option<UdpSocket>,
    happened: VecDeque<Happening>,
    buffer: Vec<u8>,
    is_finishing: bool,
    last_fault: Fault,
}

#[derive(Debug)]
struct Request {
    socket: UdpSocket,
    client: Client,
    message: Vec<u8>,
    to_send: Option<Vec<u8>>,
    sent_at: Tick,
    heard_at: Tick,
    /// Datagrams sent, less those that came.
    unanswered: i64,
    deadline: Option<Tick>,
}

impl DatagramCall {
    /// Requests to the first of these addresses that does not refuse them; there is at least one.
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            key: None,
            at: 0,
            to_say: VecDeque::new(),
            request: None,
            socket: None,
            happened: VecDeque::new(),
            buffer: vec![0; DATAGRAM_MAX_BYTES],
            is_finishing: false,
            last_fault: Fault::Nobody,
        }
    }

    /// The same, with this key at the end of each request.
    pub fn with_key(self, key: Option<Key>) -> Self {
        Self { key, ..self }
    }

    /// Who is called.
    pub fn peer(&self) -> SocketAddr {
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        self.addresses.get(self.at).copied().unwrap_or(unknown)
    }

    /// See [`Call::say`](super::Call::say).
    pub fn say(&mut self, message: &[u8]) -> Result<(), Unsayable> {
        if self.is_finishing {
            return Err(Unsayable::Over);
        } else if message.len() > DATAGRAM_MAX_BYTES {
            return Err(Unsayable::TooLongForDatagram);
        }
        self.to_say.push_back(message.to_vec());
        Ok(())
    }

    /// See [`Call::is_ready`](super::Call::is_ready).
    pub fn is_ready(&self) -> bool {
        self.request.is_none() && self.to_say.is_empty()
    }

    /// See [`Call::finish`](super::Call::finish).
    pub fn finish(&mut self) {
        self.is_finishing = true;
    }

    /// See [`Call::next`](super::Call::next).
    pub async fn next(&mut self) -> Happening {
        loop {
            if let Some(happening) = self.happened.pop_front() {
                return happening;
            }
            let Some(request) = &mut self.request else {
                match self.to_say.pop_front() {
                    Some(message) => self.begin(message),
                    None if self.is_finishing => return Happening::Over(self.last_fault),
                    None => std::future::pending().await,
                }
                continue;
            };
            let step = request.step(&mut self.buffer, &mut self.happened).await;
            match step {
                Step::Again => {}
                Step::Done(fault) => {
                    self.last_fault = fault;
                    if fault == Fault::Nobody {
                        // The address that answers is kept.
                        self.addresses = vec![self.peer()];
                        self.at = 0;
                    }
                    let done = self.request.take().filter(|done| done.unanswered == 0);
                    self.socket = done.map(|done| done.socket);
                }
                Step::Refused => self.try_next_address(),
            }
        }
    }

    fn begin(&mut self, message: Vec<u8>) {
        let socket = match self.socket.take() {
            Some(socket) => Ok(socket),
            None => open(self.peer()),
        };
        match socket.map(|socket| Request::new(socket, message, self.key.clone())) {
            Ok(request) => self.request = Some(request),
            Err(error) => self.fail(CallFailure::Socket(error)),
        }
    }

    fn fail(&mut self, failure: CallFailure) {
        self.request = None;
        self.last_fault = Fault::Network;
        self.happened.push_back(Happening::Failed(failure));
    }

    fn try_next_address(&mut self) {
        match self.request.take() {
            Some(request) if self.at + 1 < self.addresses.len() => {
                self.at += 1;
                self.begin(request.message);
            }
            _ => self.fail(CallFailure::Refused),
        }
    }
}

enum Step {
    Again,
    Done(Fault),
    /// Nobody listens on that port.
    Refused,
}

/// A socket for what goes to one address and comes from there.
fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    UdpSocket::from_std(socket)
}

impl Request {
    fn new(socket: UdpSocket, message: Vec<u8>, key: Option<Key>) -> Self {
        // What the network has doubled is no answer to this one.
        while socket.try_recv(&mut [0; 1]).is_ok() {}
        let now = clock::now();
        Self {
            socket,
            client: Client::with_key(now, message.clone(), key),
            message,
            to_send: None,
            sent_at: now,
            heard_at: now,
            unanswered: 0,
            deadline: None,
        }
    }

    /// One thing: a datagram sent or received, or a deadline. Dropping it loses nothing.
    async fn step(&mut self, buffer: &mut [u8], happened: &mut VecDeque<Happening>) -> Step {
        if let Some(fault) = self.obey(happened) {
            return Step::Done(fault);
        }
        if let Some(datagram) = &self.to_send {
            // On one machine, the answer may be there before the call returns.
            self.sent_at = clock::now();
            let sent = self.socket.send(datagram).await;
            self.unanswered += 1;
            self.to_send = None;
            return match sent {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Step::Refused,
                Err(error) => {
                    happened.push_back(Happening::Failed(CallFailure::Socket(error)));
                    Step::Done(Fault::Network)
                }
                Ok(_) => Step::Again,
            };
        }
        if !happened.is_empty() {
            return Step::Again;
        }
        tokio::select! {
            received = self.socket.recv(buffer) => match received {
                Ok(n) => {
                    self.heard_at = clock::now();
                    self.unanswered -= 1;
                    self.client.handle(self.heard_at, Input::Bytes(&buffer[..n]));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Step::Refused;
                }
                // An ICMP error about a datagram of before; the answer may still come.
                Err(_) => {}
            },
            () = super::sleep_until(self.deadline) => {
                self.client.handle(clock::now(), Input::Time);
            }
        }
        Step::Again
    }

    /// Does what the machine says until it waits or closes.
    fn obey(&mut self, happened: &mut VecDeque<Happening>) -> Option<Fault> {
        loop {
            match self.client.poll() {
                Output::Transmit(datagram) => self.to_send = Some(datagram),
                Output::Happened(event) => happened.push_back(match event {
                    Event::Said(spoken) => Happening::Said(spoken),
                    Event::CookieAsked(spoken) => Happening::ProofAsked(spoken),
                    Event::Heard(spoken) => {
                        let round_trip = Some(self.heard_at.since(self.sent_at));
                        Happening::Heard(Heard { spoken, at: self.heard_at, round_trip })
                    }
                    Event::NeverProven => Happening::Failed(CallFailure::NeverProven),
                    Event::Unanswered => Happening::Failed(CallFailure::Unanswered),
                }),
                Output::Close(fault) => return Some(fault),
                Output::Ask(_, never) | Output::Tell(never) => match never {},
                Output::Wait(until) => {
                    self.deadline = until;
                    return None;
                }
            }
        }
    }
}
