//! One conversation in the event loop.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustix::event::epoll::EventFlags;
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::limits::STALL_DEADLINE;
use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick, Ticket};

use crate::clock;
use crate::disk::chunk::PooledChunk;
use crate::disk::folder::FileHandle;
use crate::disk::reader::{read_cached, read_waiting};
use crate::drive::{
    Bounds, Found, Look, READ_BYTES, ShipFailure, Shipment, Shipped, StreamService, Work, Worker,
    gather,
};
use crate::gate::Place;
use crate::listen::{LINGER, UNREAD_MAX_BYTES};

type Question<S> = <<S as StreamService>::Machine as Machine>::Question;
type Answer<S> = <<S as StreamService>::Machine as Machine>::Answer;

/// What the store thread does for a conversation.
pub(super) type Job<S> = Box<dyn FnOnce() -> Done<S> + Send>;

/// What it brings back.
pub(super) enum Done<S: StreamService> {
    /// An answer for the machine.
    Answer(Answer<S>),
    /// A file to be sent, or the answer that there is none.
    Opened(Found<Answer<S>>),
    /// The next piece of the file that is being sent.
    Read(io::Result<PooledChunk>),
}

/// Where a conversation stands after it went on.
pub(super) enum Stand<S: StreamService> {
    /// It is over.
    Over,
    /// It waits for its socket, for time, or for the store.
    Waits {
        /// What of the socket.
        interest: EventFlags,
        /// Until when at most.
        until: Option<Tick>,
        /// What the store is to do.
        job: Option<Job<S>>,
    },
}

/// A conversation.
pub(super) struct Slot<S: StreamService> {
    stream: TcpStream,
    machine: S::Machine,
    worker: Option<S::Worker>,
    place: Option<Place>,
    phase: Phase<S>,
    out: Vec<u8>,
    chunk: Option<PooledChunk>,
    /// How much of `out`, or else of `chunk`, is written.
    written: usize,
    machine_deadline: Option<Tick>,
    last_byte: Tick,
    last_progress: Tick,
    /// What epoll watches for.
    pub(super) interest: EventFlags,
    /// Its entry among the timers.
    pub(super) timer: Option<Tick>,
}

enum Phase<S: StreamService> {
    /// The machine has the word.
    Open,
    /// The store works on its question.
    Working(Ticket),
    /// The store looks for the file.
    Opening(Ticket, Box<dyn FnOnce(Shipped) -> Answer<S> + Send>),
    /// The file's bytes are on their way.
    Shipping(Ticket, Shipping<S>),
    /// All is said; what is written goes out first.
    Ending(Fault),
    /// Our side is ended; what the peer still says is thrown away.
    Lingering { fault: Fault, until: Tick, unread_bytes: usize },
    /// Nothing more to do.
    Over(Fault),
}

struct Shipping<S: StreamService> {
    file: Arc<FileHandle>,
    range: ByteRange,
    is_reading: bool,
    shipped: Shipped,
    done: Box<dyn FnOnce(Shipped) -> Answer<S> + Send>,
}

impl<S: StreamService> Slot<S> {
    pub(super) fn new(
        stream: TcpStream,
        machine: S::Machine,
        worker: S::Worker,
        place: Place,
    ) -> Self {
        let now = clock::now();
        Self {
            stream,
            machine,
            worker: Some(worker),
            place: Some(place),
            phase: Phase::Open,
            out: Vec::new(),
            chunk: None,
            written: 0,
            machine_deadline: None,
            last_byte: now,
            last_progress: now,
            interest: EventFlags::empty(),
            timer: None,
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket is ready. Hang-ups and errors show themselves at the next read or write.
    pub(super) fn ready(&mut self, flags: EventFlags) {
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.read();
        }
    }

    fn read(&mut self) {
        let mut buffer = [0; READ_BYTES];
        let is_written = self.is_written();
        match &mut self.phase {
            Phase::Open if is_written => match self.stream.read(&mut buffer) {
                Ok(0) => self.machine.handle(clock::now(), Input::End),
                Ok(n) => {
                    self.last_byte = clock::now();
                    self.machine.handle(self.last_byte, Input::Bytes(&buffer[..n]));
                }
                Err(error) if is_not_ready(&error) => {}
                Err(_) => self.phase = Phase::Over(Fault::Network),
            },
            Phase::Lingering { fault, unread_bytes, .. } => match self.stream.read(&mut buffer) {
                Ok(n) if n > 0 && *unread_bytes < UNREAD_MAX_BYTES => *unread_bytes += n,
                Err(error) if is_not_ready(&error) => {}
                _ => self.phase = Phase::Over(*fault),
            },
            _ => {}
        }
    }

    /// Its deadline has come.
    pub(super) fn time(&mut self, now: Tick) {
        match &self.phase {
            Phase::Lingering { fault, until, .. } if *until <= now => {
                self.phase = Phase::Over(*fault);
            }
            Phase::Open if self.is_written() => self.machine.handle(now, Input::Time),
            _ => {}
        }
        if !self.is_written() && self.last_progress + STALL_DEADLINE <= now {
            self.phase = Phase::Over(Fault::Network);
        }
    }

    /// The store is done with what it was given.
    pub(super) fn done(&mut self, done: Done<S>) {
        let now = clock::now();
        match (std::mem::replace(&mut self.phase, Phase::Open), done) {
            (Phase::Working(ticket), Done::Answer(answer))
            | (Phase::Opening(ticket, _), Done::Opened(Err(answer))) => {
                self.machine.handle(now, Input::Answer(ticket, answer));
            }
            (Phase::Opening(ticket, done), Done::Opened(Ok((file, range)))) => {
                let shipped = Shipped { bytes: 0, failure: None };
                let shipping = Shipping { file, range, is_reading: false, shipped, done };
                self.phase = Phase::Shipping(ticket, shipping);
            }
            (Phase::Shipping(ticket, mut shipping), Done::Read(read)) => {
                shipping.is_reading = false;
                self.take_chunk(&mut shipping, read);
                self.phase = Phase::Shipping(ticket, shipping);
            }
            (phase, _) => self.phase = phase,
        }
    }

    /// Goes on as far as it can without waiting.
    pub(super) fn go_on(&mut self, bounds: &Bounds, is_stopping: bool) -> Stand<S> {
        loop {
            self.write();
            let job = match self.phase {
                _ if !self.is_written() => None,
                Phase::Open => match self.obey() {
                    Obeyed::Again => continue,
                    Obeyed::Waits => None,
                    Obeyed::Job(job) => Some(job),
                },
                Phase::Shipping(..) => match self.ship() {
                    Obeyed::Again => continue,
                    Obeyed::Waits => None,
                    Obeyed::Job(job) => Some(job),
                },
                Phase::Ending(fault) => {
                    self.end(fault);
                    continue;
                }
                Phase::Over(_) => return Stand::Over,
                Phase::Working(_) | Phase::Opening(..) | Phase::Lingering { .. } => None,
            };
            if let Phase::Over(_) = self.phase {
                return Stand::Over;
            }
            if is_stopping
                && matches!(self.phase, Phase::Open)
                && self.is_written()
                && job.is_none()
            {
                self.phase = Phase::Ending(Fault::Nobody);
                continue;
            }
            let Look::At(until) = self.until(bounds) else {
                self.phase = Phase::Over(Fault::Network);
                return Stand::Over;
            };
            return Stand::Waits { interest: self.wanted(), until, job };
        }
    }

    /// The conversation is over and its place is free.
    pub(super) fn finish(mut self) {
        let fault = match self.phase {
            Phase::Over(fault) => fault,
            _ => Fault::Network,
        };
        if fault == Fault::Ours {
            // Without lengths on the wire, a reset is the only way to say "this is not all".
            let _ =
                socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
        }
        if let Some(worker) = self.worker.take() {
            worker.finish(fault);
        }
        drop(self.place.take());
    }

    fn is_written(&self) -> bool {
        self.out.is_empty() && self.chunk.is_none()
    }

    fn wanted(&self) -> EventFlags {
        if !self.is_written() {
            return EventFlags::OUT;
        }
        match self.phase {
            Phase::Open | Phase::Lingering { .. } => EventFlags::IN,
            _ => EventFlags::empty(),
        }
    }

    fn until(&self, bounds: &Bounds) -> Look {
        if !self.is_written() {
            return Look::At(Some(self.last_progress + STALL_DEADLINE));
        }
        match self.phase {
            Phase::Open => bounds.look(self.machine_deadline, self.last_byte),
            Phase::Lingering { until, .. } => Look::At(Some(until)),
            _ => Look::At(None),
        }
    }

    fn write(&mut self) {
        while !self.is_written() {
            let pending = match &self.chunk {
                _ if !self.out.is_empty() => &self.out[self.written..],
                Some(chunk) => &chunk.bytes()[self.written..],
                None => return,
            };
            match self.stream.write(pending) {
                Ok(n) if n > 0 => {
                    self.last_progress = clock::now();
                    self.written += n;
                    if n == pending.len() {
                        self.written = 0;
                        if self.out.is_empty() { self.chunk = None } else { self.out.clear() }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.out.clear();
                    self.chunk = None;
                    self.give_up("the peer left");
                }
            }
        }
    }

    /// The peer is gone. A shipment on its way is reported before the end.
    fn give_up(&mut self, why: &str) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over(Fault::Network));
        if let Phase::Shipping(ticket, mut shipping) = phase {
            shipping.shipped.failure = Some(ShipFailure::Peer(why.to_owned()));
            let answer = (shipping.done)(shipping.shipped);
            self.machine.handle(clock::now(), Input::Answer(ticket, answer));
            while let Output::Happened(event) = self.machine.poll() {
                self.note(event);
            }
        }
    }

    fn note(&mut self, event: <S::Machine as Machine>::Event) {
        if let Some(worker) = &mut self.worker {
            worker.happened(event);
        }
    }

    /// Does what the machine says until it waits, asks what takes time, or has something to write.
    fn obey(&mut self) -> Obeyed<S> {
        loop {
            match self.machine.poll() {
                Output::Transmit(bytes) => {
                    if self.is_written() {
                        self.last_progress = clock::now();
                    }
                    gather(&mut self.out, bytes);
                }
                Output::Happened(event) => self.note(event),
                Output::Ask(ticket, question) => {
                    if let Some(job) = self.ask(ticket, question) {
                        return Obeyed::Job(job);
                    }
                }
                Output::Close(fault) => {
                    self.phase = Phase::Ending(fault);
                    return Obeyed::Again;
                }
                Output::Tell(never) => match never {},
                Output::Wait(until) => {
                    self.machine_deadline = until;
                    return if self.is_written() { Obeyed::Waits } else { self.try_to_write() };
                }
            }
        }
    }

    /// Most answers leave at once; only what does not waits for the socket.
    fn try_to_write(&mut self) -> Obeyed<S> {
        self.write();
        Obeyed::Waits
    }

    fn ask(&mut self, ticket: Ticket, question: Question<S>) -> Option<Job<S>> {
        let worker = self.worker.as_mut()?;
        match worker.perform(question) {
            Work::Done(answer) => {
                self.machine.handle(clock::now(), Input::Answer(ticket, answer));
                None
            }
            Work::Blocking(work) => {
                self.phase = Phase::Working(ticket);
                Some(Box::new(move || Done::Answer(work())))
            }
            Work::Send(Shipment { open, done }) => {
                self.phase = Phase::Opening(ticket, done);
                Some(Box::new(move || Done::Opened(open())))
            }
        }
    }

    /// Everything before is written: takes the next piece of the file, or ends the shipment.
    fn ship(&mut self) -> Obeyed<S> {
        let Phase::Shipping(ticket, mut shipping) = std::mem::replace(&mut self.phase, Phase::Open)
        else {
            return Obeyed::Waits;
        };
        if shipping.is_reading {
            self.phase = Phase::Shipping(ticket, shipping);
            return Obeyed::Waits;
        }
        if shipping.range.start >= shipping.range.end || shipping.shipped.failure.is_some() {
            let answer = (shipping.done)(shipping.shipped);
            self.machine.handle(clock::now(), Input::Answer(ticket, answer));
            return Obeyed::Again;
        }
        let step = match read_cached(&shipping.file, shipping.range) {
            Ok(Some(chunk)) => {
                self.take_chunk(&mut shipping, Ok(chunk));
                Obeyed::Again
            }
            Err(error) => {
                self.take_chunk(&mut shipping, Err(error));
                Obeyed::Again
            }
            Ok(None) => {
                shipping.is_reading = true;
                let (file, range) = (Arc::clone(&shipping.file), shipping.range);
                Obeyed::Job(Box::new(move || Done::Read(read_waiting(&file, range))))
            }
        };
        self.phase = Phase::Shipping(ticket, shipping);
        step
    }

    fn take_chunk(&mut self, shipping: &mut Shipping<S>, read: io::Result<PooledChunk>) {
        match read {
            Ok(chunk) => {
                let bytes = chunk.bytes().len() as u64;
                shipping.range.start += bytes;
                shipping.shipped.bytes += bytes;
                self.last_progress = clock::now();
                self.written = 0;
                self.chunk = Some(chunk);
            }
            Err(error) => {
                shipping.shipped.failure = Some(ShipFailure::File(error.to_string()));
            }
        }
    }

    /// Everything is written: ends our side, so that the last words arrive.
    fn end(&mut self, fault: Fault) {
        let is_over = fault == Fault::Ours || self.stream.shutdown(Shutdown::Write).is_err();
        self.phase = if is_over {
            Phase::Over(fault)
        } else {
            Phase::Lingering { fault, until: clock::now() + LINGER, unread_bytes: 0 }
        };
    }
}

/// How far the machine or a shipment got.
enum Obeyed<S: StreamService> {
    /// Something changed: look again.
    Again,
    /// It waits.
    Waits,
    /// It waits for this.
    Job(Job<S>),
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
