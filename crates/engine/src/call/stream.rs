//! A conversation over TCP, as the client's machine says.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick};
use sockeye_proto::text::client::{Client, Event, Unsayable};
use tokio::net::TcpStream;

use super::{CallFailure, Happening, Heard};
use crate::clock;

const READ_BYTES: usize = 16 * 1024;
/// When each message left that is not answered yet; of more, none is timed any more.
const TIMED_MAX: usize = 4_096;
/// Messages that may wait for the gap that tells them apart.
const WAITING_MAX: usize = 16;

/// A connection with the machine that speaks on it.
#[derive(Debug)]
pub struct StreamCall {
    stream: TcpStream,
    peer: SocketAddr,
    client: Client,
    out: Vec<u8>,
    happened: VecDeque<Happening>,
    said_at: VecDeque<Tick>,
    last_read: Tick,
    deadline: Option<Tick>,
    is_half_closed: bool,
    over: Option<Fault>,
}

impl StreamCall {
    /// A conversation on a new connection. With `lines`, it sends lines from the start.
    pub fn new((stream, peer): (TcpStream, SocketAddr), lines: bool) -> Self {
        Self {
            stream,
            peer,
            client: Client::new(lines),
            out: Vec::new(),
            happened: VecDeque::new(),
            said_at: VecDeque::new(),
            last_read: Tick::START,
            deadline: None,
            is_half_closed: false,
            over: None,
        }
    }

    /// Who is called.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// See [`Call::say`](super::Call::say).
    pub fn say(&mut self, message: &[u8]) -> Result<(), Unsayable> {
        self.client.say(clock::now(), message)
    }

    /// See [`Call::is_ready`](super::Call::is_ready).
    pub fn is_ready(&self) -> bool {
        self.out.is_empty() && self.client.waiting() < WAITING_MAX
    }

    /// See [`Call::says_lines`](super::Call::says_lines).
    pub fn says_lines(&self) -> bool {
        self.client.says_lines()
    }

    /// See [`Call::finish`](super::Call::finish).
    pub fn finish(&mut self) {
        self.client.finish(clock::now());
    }

    /// See [`Call::next`](super::Call::next).
    pub async fn next(&mut self) -> Happening {
        loop {
            self.obey();
            self.write();
            let may_end = self.client.half_close().is_some_and(|due| due <= clock::now());
            if may_end && self.out.is_empty() && !self.is_half_closed {
                self.is_half_closed = true;
                // If it is closed already there is nothing to end.
                let _ = socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
            }
            if let Some(happening) = self.happened.pop_front() {
                return happening;
            }
            match self.over {
                Some(fault) if self.out.is_empty() || fault != Fault::Nobody => {
                    return Happening::Over(fault);
                }
                _ => self.wait().await,
            }
        }
    }

    /// Does what the machine says until it waits.
    fn obey(&mut self) {
        loop {
            match self.client.poll() {
                Output::Transmit(bytes) => self.out.extend_from_slice(&bytes),
                Output::Happened(event) => {
                    let happening = self.note(event);
                    self.happened.push_back(happening);
                }
                Output::Close(fault) => self.over = self.over.or(Some(fault)),
                Output::Ask(_, never) | Output::Tell(never) => match never {},
                Output::Wait(until) => {
                    self.deadline = until;
                    return;
                }
            }
        }
    }

    fn note(&mut self, event: Event) -> Happening {
        match event {
            Event::Said(spoken) => {
                if self.said_at.len() < TIMED_MAX {
                    self.said_at.push_back(clock::now());
                }
                Happening::Said(spoken)
            }
            Event::Heard(spoken) => {
                let said_at = self.said_at.pop_front();
                let round_trip = said_at.map(|at| self.last_read.since(at));
                Happening::Heard(Heard { spoken, at: self.last_read, round_trip })
            }
            Event::TooLong => Happening::Failed(CallFailure::TooLong),
            Event::Ended => Happening::Failed(CallFailure::Closed),
        }
    }

    /// Writes as much as the socket takes.
    fn write(&mut self) {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.broke(error),
            }
        }
    }

    fn broke(&mut self, error: io::Error) {
        self.out.clear();
        if self.over.is_none() {
            self.happened.push_back(Happening::Failed(CallFailure::Broken(error)));
            self.over = Some(Fault::Network);
        }
    }

    /// Waits for the socket or for time. Dropping it loses nothing.
    async fn wait(&mut self) {
        let deadline = self.deadline;
        tokio::select! {
            ready = self.stream.readable() => match ready {
                Ok(()) => self.read(),
                Err(error) => self.broke(error),
            },
            ready = self.stream.writable(), if !self.out.is_empty() => {
                if let Err(error) = ready {
                    self.broke(error);
                }
            }
            () = super::sleep_until(deadline) => self.client.handle(clock::now(), Input::Time),
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; READ_BYTES];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => self.client.handle(clock::now(), Input::End),
            Ok(n) => {
                self.last_read = clock::now();
                self.client.handle(self.last_read, Input::Bytes(&buffer[..n]));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.broke(error),
        }
    }
}
