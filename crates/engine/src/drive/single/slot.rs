//! One conversation in the event loop.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::{Poll, Waker};

use rustix::event::epoll::EventFlags;
use sockeye_proto::http::range::ByteRange;
use sockeye_proto::limits::STALL_DEADLINE;
use sockeye_proto::machine::{Fault, Input, Machine as _, Output, Tick, Ticket};

use crate::clock;
use crate::disk::chunk::PooledChunk;
use crate::disk::folder::FileHandle;
use crate::disk::reader::{read_cached, read_waiting};
use crate::drive::conversation::{Answer, Conversation, Said};
use crate::drive::link::{Call, Link as _, Serve};
use crate::drive::{Bounds, End, Found, Look, ShipFailure, Shipment, Shipped, Work, Worker};
use crate::gate::Place;
use crate::listen::{LINGER, UNREAD_MAX_BYTES};

/// What the store thread does for a conversation.
pub(super) type Job<S> = Box<dyn FnOnce() -> Done<S> + Send>;

/// What it brings back.
pub(super) enum Done<S: Serve> {
    /// An answer for the machine.
    Answer(Answer<S>),
    /// A file to be sent, or the answer that there is none.
    Opened(Found<Answer<S>>),
    /// The next piece of the file that is being sent.
    Read(io::Result<PooledChunk>),
}

/// Where a conversation stands after it went on.
pub(super) enum Stand<S: Serve> {
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
pub(super) struct Slot<S: Serve> {
    stream: TcpStream,
    talk: Conversation<S>,
    /// Puts this conversation among those to be looked after.
    waker: Waker,
    place: Place,
    phase: Phase<S>,
    chunk: Option<PooledChunk>,
    /// How much of what the machine said, or else of `chunk`, is written.
    written: usize,
    /// All that the machine told what it shares has found room.
    may_read: bool,
    last_byte: Tick,
    last_progress: Tick,
    /// What epoll watches for; for nothing, not even a hang-up, where it is empty.
    pub(super) interest: EventFlags,
    /// Until when it waits at most.
    pub(super) until: Option<Tick>,
    /// Its entry among the timers; never later than `until`.
    pub(super) timer: Option<Tick>,
}

enum Phase<S: Serve> {
    /// The machine has the word.
    Open,
    /// The store works on its question.
    Working(Ticket),
    /// The store looks for the file.
    Opening(Ticket, Box<dyn FnOnce(Shipped) -> Answer<S> + Send>),
    /// The file's bytes are on their way.
    Shipping(Ticket, Shipping<S>),
    /// All is said; what is to be written and told goes out first.
    Ending(End),
    /// Our side is ended; what the peer still says is thrown away.
    Lingering { fault: Fault, until: Tick, unread_bytes: usize },
    /// Nothing more to do.
    Over(End),
}

struct Shipping<S: Serve> {
    file: Arc<FileHandle>,
    range: ByteRange,
    is_reading: bool,
    shipped: Shipped,
    done: Box<dyn FnOnce(Shipped) -> Answer<S> + Send>,
}

impl<S: Serve> Slot<S> {
    pub(super) fn new(
        stream: TcpStream,
        talk: Conversation<S>,
        place: Place,
        waker: Waker,
    ) -> Self {
        let now = clock::now();
        Self {
            stream,
            talk,
            waker,
            place,
            phase: Phase::Open,
            chunk: None,
            written: 0,
            may_read: true,
            last_byte: now,
            last_progress: now,
            interest: EventFlags::empty(),
            until: None,
            timer: None,
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket is ready. Hang-ups and errors show themselves at the next read or write.
    /// What is read goes through the buffer, and nothing of it stays there.
    pub(super) fn ready(&mut self, flags: EventFlags, buffer: &mut [u8]) {
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.read(buffer);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) {
        let may_read = self.is_written() && self.may_read;
        let machine = &mut self.talk.machine;
        match &mut self.phase {
            Phase::Open if may_read => match self.stream.read(buffer) {
                Ok(0) => machine.handle(clock::now(), Input::End),
                Ok(n) => {
                    self.last_byte = clock::now();
                    machine.handle(self.last_byte, Input::Bytes(&buffer[..n]));
                }
                Err(error) if is_not_ready(&error) => {}
                Err(_) => self.phase = Phase::Ending(End::Lost),
            },
            Phase::Lingering { fault, unread_bytes, .. } => match self.stream.read(buffer) {
                Ok(n) if n > 0 && *unread_bytes < UNREAD_MAX_BYTES => *unread_bytes += n,
                Err(error) if is_not_ready(&error) => {}
                _ => self.phase = Phase::Over(End::Over(*fault)),
            },
            _ => {}
        }
    }

    /// Its deadline has come.
    pub(super) fn time(&mut self, now: Tick) {
        match &self.phase {
            Phase::Lingering { fault, until, .. } if *until <= now => {
                self.phase = Phase::Over(End::Over(*fault));
            }
            Phase::Open if self.is_written() => self.talk.machine.handle(now, Input::Time),
            _ => {}
        }
        if !self.is_written() && self.last_progress + STALL_DEADLINE <= now {
            self.give_up("the peer took nothing for too long");
        }
    }

    /// The store is done with what it was given.
    pub(super) fn done(&mut self, done: Done<S>) {
        let now = clock::now();
        match (std::mem::replace(&mut self.phase, Phase::Open), done) {
            (Phase::Working(ticket), Done::Answer(answer))
            | (Phase::Opening(ticket, _), Done::Opened(Err(answer))) => {
                self.talk.machine.handle(now, Input::Answer(ticket, answer));
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
            let went = match self.phase {
                Phase::Over(_) => return Stand::Over,
                _ if !self.is_written() => self.hold(),
                Phase::Open => {
                    let said = self.talk.obey();
                    self.follow(said)
                }
                Phase::Shipping(..) => self.ship(),
                Phase::Ending(end) => self.end(end),
                Phase::Working(_) | Phase::Opening(..) | Phase::Lingering { .. } => Went::Waits,
            };
            let job = match went {
                Went::On => continue,
                Went::Waits => None,
                Went::Job(job) => Some(job),
            };
            let is_idle = matches!(self.phase, Phase::Open) && self.is_written() && job.is_none();
            if is_stopping && is_idle {
                self.phase = Phase::Ending(End::Over(Fault::Nobody));
                continue;
            }
            let Look::At(until) = self.until(bounds) else {
                self.phase = Phase::Ending(End::Lost);
                continue;
            };
            return Stand::Waits { interest: self.wanted(), until, job };
        }
    }

    /// The conversation is over and its place is free.
    pub(super) fn finish(self) {
        let end = match self.phase {
            Phase::Over(end) => end,
            _ => End::Lost,
        };
        if end.is_abort() {
            let _ =
                socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO));
        }
        self.talk.worker.finish(end.fault());
        drop(self.place);
    }

    fn is_written(&self) -> bool {
        self.talk.out.is_empty() && self.chunk.is_none()
    }

    fn wanted(&self) -> EventFlags {
        if !self.is_written() {
            return EventFlags::OUT;
        }
        match self.phase {
            Phase::Open if self.may_read => EventFlags::IN,
            Phase::Lingering { .. } => EventFlags::IN,
            _ => EventFlags::empty(),
        }
    }

    fn until(&self, bounds: &Bounds) -> Look {
        if !self.is_written() {
            return Look::At(Some(self.last_progress + STALL_DEADLINE));
        }
        match self.phase {
            Phase::Open => bounds.look(self.talk.deadline, self.last_byte),
            Phase::Lingering { until, .. } => Look::At(Some(until)),
            _ => Look::At(None),
        }
    }

    fn write(&mut self) {
        while !self.is_written() {
            let pending = match &self.chunk {
                _ if !self.talk.out.is_empty() => &self.talk.out[self.written..],
                Some(chunk) => &chunk.bytes()[self.written..],
                None => return,
            };
            match self.stream.write(pending) {
                Ok(n) if n > 0 => {
                    self.last_progress = clock::now();
                    self.written += n;
                    if n == pending.len() {
                        self.written = 0;
                        if self.talk.out.is_empty() {
                            self.chunk = None;
                        } else {
                            self.talk.written();
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => self.give_up("the peer left"),
            }
        }
    }

    /// The peer is gone. A shipment on its way is reported before the end.
    fn give_up(&mut self, why: &str) {
        self.talk.written();
        self.chunk = None;
        let phase = std::mem::replace(&mut self.phase, Phase::Ending(End::Lost));
        if let Phase::Shipping(ticket, mut shipping) = phase {
            shipping.shipped.failure = Some(ShipFailure::Peer(why.to_owned()));
            let answer = (shipping.done)(shipping.shipped);
            self.talk.machine.handle(clock::now(), Input::Answer(ticket, answer));
            while let Output::Happened(event) = self.talk.machine.poll() {
                self.talk.worker.happened(event);
            }
        }
    }

    /// Does what comes of what the machine said, and gives it its mail, until it waits, asks what
    /// takes time, or has more to write than the peer takes.
    fn follow(&mut self, mut said: Said<Answer<S>>) -> Went<S> {
        loop {
            if !self.is_written() {
                self.last_progress = clock::now();
            }
            match said {
                Said::Work(ticket, work) => return self.ask(ticket, work),
                Said::Close(fault) => {
                    self.phase = Phase::Ending(End::Over(fault));
                    return Went::On;
                }
                Said::Wait => self.may_read = self.talk.link.send(),
            }
            // Most answers leave at once; only what does not waits for the socket.
            self.write();
            if !matches!(self.phase, Phase::Open) {
                return Went::On;
            }
            if !self.is_written() {
                return self.hold();
            }
            said = match self.talk.link.poll_call(&self.waker) {
                Poll::Pending => return Went::Waits,
                Poll::Ready(Call::Cut) => {
                    self.phase = Phase::Over(End::Cut);
                    return Went::On;
                }
                Poll::Ready(Call::Mail) => self.talk.take_mail(),
                Poll::Ready(Call::Room) => Said::Wait,
            };
        }
    }

    /// The peer takes nothing at the moment: nobody waits for it, and it may be cut.
    fn hold(&mut self) -> Went<S> {
        if self.talk.link.poll_cut(&self.waker).is_ready() {
            self.talk.written();
            self.chunk = None;
            self.phase = Phase::Over(End::Cut);
            return Went::On;
        }
        Went::Waits
    }

    fn ask(&mut self, ticket: Ticket, work: Work<Answer<S>>) -> Went<S> {
        self.talk.link.away();
        match work {
            Work::Done(answer) => {
                self.talk.machine.handle(clock::now(), Input::Answer(ticket, answer));
                Went::On
            }
            Work::Blocking(work) => {
                self.phase = Phase::Working(ticket);
                Went::Job(Box::new(move || Done::Answer(work())))
            }
            Work::Send(Shipment { open, done }) => {
                self.phase = Phase::Opening(ticket, done);
                Went::Job(Box::new(move || Done::Opened(open())))
            }
        }
    }

    /// Everything before is written: takes the next piece of the file, or ends the shipment.
    fn ship(&mut self) -> Went<S> {
        let Phase::Shipping(ticket, mut shipping) = std::mem::replace(&mut self.phase, Phase::Open)
        else {
            return Went::Waits;
        };
        if shipping.is_reading {
            self.phase = Phase::Shipping(ticket, shipping);
            return Went::Waits;
        }
        if shipping.range.start >= shipping.range.end || shipping.shipped.failure.is_some() {
            let answer = (shipping.done)(shipping.shipped);
            self.talk.machine.handle(clock::now(), Input::Answer(ticket, answer));
            return Went::On;
        }
        let step = match read_cached(&shipping.file, shipping.range) {
            Ok(Some(chunk)) => {
                self.take_chunk(&mut shipping, Ok(chunk));
                Went::On
            }
            Err(error) => {
                self.take_chunk(&mut shipping, Err(error));
                Went::On
            }
            Ok(None) => {
                shipping.is_reading = true;
                let (file, range) = (Arc::clone(&shipping.file), shipping.range);
                Went::Job(Box::new(move || Done::Read(read_waiting(&file, range))))
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

    /// Everything is written: leaves, and ends our side, so that the last words arrive.
    fn end(&mut self, end: End) -> Went<S> {
        if self.talk.link.poll_sent(&self.waker).is_pending() {
            return Went::Waits;
        }
        // Whoever shares a machine with it hears of the end now, not when the peer has closed too.
        self.talk.link.leave();
        self.phase = match end {
            End::Over(fault)
                if !end.is_abort() && self.stream.shutdown(Shutdown::Write).is_ok() =>
            {
                Phase::Lingering { fault, until: clock::now() + LINGER, unread_bytes: 0 }
            }
            _ => Phase::Over(end),
        };
        Went::On
    }
}

/// How far a conversation went.
enum Went<S: Serve> {
    /// Something changed: look again.
    On,
    /// It waits.
    Waits,
    /// It waits for this.
    Job(Job<S>),
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
