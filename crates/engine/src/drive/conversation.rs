//! One conversation without its socket: what all drivers do with a machine between two waits.

use std::net::SocketAddr;

use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick, Ticket};

use super::link::{Link, Serve};
use super::{Work, Worker};
use crate::clock;

/// Mail is given to a machine until so much is to be written: enough that a write is worth its
/// system call, little enough that it may wait in every conversation at once.
const MAIL_WRITE_BYTES: usize = 64 * 1024;

pub(super) type Answer<S> = <<S as Serve>::Machine as Machine>::Answer;

/// A machine with who works for it, and what it has said that is not yet written.
pub(super) struct Conversation<S: Serve> {
    pub(super) machine: S::Machine,
    pub(super) worker: S::Worker,
    pub(super) link: S::Link,
    /// What is to be written next.
    pub(super) out: Vec<u8>,
    /// When the machine wants to be told the time.
    pub(super) deadline: Option<Tick>,
}

/// What a machine came to. What is in [`Conversation::out`] is to be written first.
pub(super) enum Said<A> {
    /// It waits for an input.
    Wait,
    /// It wants this done, and the answer under this ticket, before anything else.
    Work(Ticket, Work<A>),
    /// It is done.
    Close(Fault),
}

impl<S: Serve> Conversation<S> {
    pub(super) fn begin(service: &S, peer: SocketAddr) -> Self {
        let (machine, worker, link) = service.begin(peer);
        Self { machine, worker, link, out: Vec::new(), deadline: None }
    }

    /// Does what the machine says until it waits, closes, or asks for what takes time.
    pub(super) fn obey(&mut self) -> Said<Answer<S>> {
        loop {
            match self.machine.poll() {
                Output::Transmit(bytes) => self.gather(bytes),
                Output::Tell(tell) => self.link.tell(tell),
                Output::Happened(event) => self.worker.happened(event),
                Output::Ask(ticket, question) => match self.worker.perform(question) {
                    Work::Done(answer) => {
                        self.machine.handle(clock::now(), Input::Answer(ticket, answer));
                    }
                    work => return Said::Work(ticket, work),
                },
                Output::Close(fault) => return Said::Close(fault),
                Output::Wait(until) => {
                    self.deadline = until;
                    return Said::Wait;
                }
            }
        }
    }

    /// Adds what the machine transmits to what it transmitted just before.
    fn gather(&mut self, bytes: Vec<u8>) {
        if self.out.capacity() == 0 {
            self.out = bytes;
        } else {
            self.out.extend_from_slice(&bytes);
        }
    }

    /// What was to be written is written; its memory is given back.
    pub(super) fn written(&mut self) {
        self.out = Vec::new();
    }

    /// Bytes came in.
    pub(super) fn hear(&mut self, now: Tick, bytes: &[u8]) -> Said<Answer<S>> {
        self.machine.handle(now, Input::Bytes(bytes));
        self.obey()
    }

    /// The peer ended its side.
    pub(super) fn end(&mut self) -> Said<Answer<S>> {
        self.machine.handle(clock::now(), Input::End);
        self.obey()
    }

    /// A deadline may have come.
    pub(super) fn time(&mut self) -> Said<Answer<S>> {
        self.machine.handle(clock::now(), Input::Time);
        self.obey()
    }

    /// What it asked for is done.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer<S>) -> Said<Answer<S>> {
        self.machine.handle(clock::now(), Input::Answer(ticket, answer));
        self.obey()
    }

    /// Hands the machine its mail, until there is no more or enough to write.
    pub(super) fn take_mail(&mut self) -> Said<Answer<S>> {
        let now = clock::now();
        while self.out.len() < MAIL_WRITE_BYTES {
            let Some(told) = self.link.next_mail() else { break };
            self.machine.handle(now, Input::Told(&told));
            match self.obey() {
                Said::Wait => {}
                said => return said,
            }
        }
        Said::Wait
    }
}
