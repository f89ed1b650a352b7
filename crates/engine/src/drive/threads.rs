//! Each conversation as an OS thread, which waits in poll(2) on its socket, on its mailbox's
//! eventfd and on the server's end; and the owner of what they share as another.
//!
//! The classic server with threads. What blocks, blocks only the conversation that it belongs to.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sockeye_proto::limits::STALL_DEADLINE;
use sockeye_proto::machine::{Fault, Machine, Tick};

use super::bell::Bell;
use super::conversation::{Answer, Conversation, Said};
use super::link::{Call, Link, Own, Serve};
use super::{
    Bounds, End, Look, READ_BYTES, ShipFailure, Shipment, Shipped, Unwritten, Work, Worker,
};
use crate::clock;
use crate::disk::reader::read_waiting;
use crate::gate::{Full, Place};
use crate::listen::{
    self, BACK_OFF_FIRST, BACK_OFF_MAX, Bound, LINGER, Turn, UNREAD_MAX_BYTES, is_exhaustion,
};
use crate::stop::Stop;

/// A conversation's stack. Only the pages that are touched cost memory; 128 KiB were too few for a
/// look at the calendar in an unoptimised build.
const STACK_BYTES: usize = 512 * 1024;
/// The name of a thread with a conversation.
const CONVERSATION: &str = "conversation";

/// Accepts and serves on one bound socket until the stop is asked for; blocks.
pub fn serve<S: Serve>(bound: Bound, service: &Arc<S>, bounds: &Bounds) -> io::Result<()> {
    let door = &bounds.door;
    if let Some(owner) = service.owner() {
        let (bell, stop) = (Bell::new()?, door.stop.clone());
        spawn(&door.stop, "owner", move || own(owner, &bell, &stop))?;
    }
    let turns = Turn::counter();
    let mut back_off = BACK_OFF_FIRST;
    while wait_readable(&bound.socket, door.stop.bell(), None)? == Ready::Socket {
        let (stream, peer) = match bound.socket.accept() {
            Ok(accepted) => accepted,
            Err(error) if is_exhaustion(&error) => {
                door.counters.accept_failures.add(1);
                std::thread::sleep(back_off);
                back_off = (back_off * 2).min(BACK_OFF_MAX);
                continue;
            }
            // The caller was gone before we looked, or another thread was quicker.
            Err(_) => continue,
        };
        back_off = BACK_OFF_FIRST;
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let started = match door.gate.enter(peer.ip()) {
            Ok(place) => {
                door.counters.connections.add(1);
                begin(stream, peer, place, &**service, bounds)
            }
            Err(full) => {
                door.counters.refused.add(1);
                match Turn::take(&turns) {
                    Some(turn) => {
                        spawn(&door.stop, CONVERSATION, move || refuse(stream, &full, turn))
                    }
                    None => Ok(()),
                }
            }
        };
        if started.is_err() {
            // Out of threads is out of places: the caller is closed, and the others are served.
            door.counters.accept_failures.add(1);
        }
    }
    Ok(())
}

fn begin<S: Serve>(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    service: &S,
    bounds: &Bounds,
) -> io::Result<()> {
    let bell = if S::Link::IS_SHARED { Some(Bell::new()?) } else { None };
    let talk = Conversation::begin(service, peer);
    let (stop, bounds) = (bounds.door.stop.clone(), bounds.clone());
    spawn(&stop, CONVERSATION, move || converse(stream, talk, bell.as_ref(), &bounds, place))
}

/// Runs the owner until the last member has left after the stop.
fn own(mut owner: impl Own, bell: &Bell, stop: &Stop) {
    loop {
        let is_asked = stop.is_asked();
        if is_asked && owner.is_over() {
            return;
        }
        if owner.poll_work(bell.waker()).is_ready() {
            owner.turn();
            continue;
        }
        let waits = &mut [
            PollFd::new(bell, PollFlags::IN),
            PollFd::from_borrowed_fd(stop.bell(), PollFlags::IN),
        ];
        let waits = if is_asked { &mut waits[..1] } else { &mut waits[..] };
        // Where poll(2) itself fails there is no waiting; the owner's end lets the members go.
        if poll_until(waits, owner.deadline()).is_err() {
            return;
        }
        bell.silence();
        owner.time();
    }
}

fn spawn(stop: &Stop, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let token = stop.token();
    let thread = std::thread::Builder::new().name(name.into()).stack_size(STACK_BYTES);
    thread.spawn(move || {
        work();
        drop(token);
    })?;
    Ok(())
}

fn refuse(mut stream: TcpStream, full: &Full, turn: Turn) {
    // Whether it arrives is the peer's affair: it is being turned away.
    let _ = stream.set_nonblocking(true);
    let _ = stream.write_all(format!("{full}\n").as_bytes());
    close(&mut stream, Duration::from_millis(500));
    drop(turn);
}

fn converse<S: Serve>(
    mut stream: TcpStream,
    mut talk: Conversation<S>,
    bell: Option<&Bell>,
    bounds: &Bounds,
    place: Place,
) {
    listen::prepare(&stream);
    let end = match stream.set_nonblocking(true) {
        Ok(()) => {
            let Err(end) = Line { stream: &mut stream, bell, bounds }.drive(&mut talk);
            end
        }
        Err(_) => End::Over(Fault::Ours),
    };
    if let Some(bell) = bell.filter(|_| end != End::Cut) {
        while talk.link.poll_sent(bell.waker()).is_pending() {
            if poll_until(&mut [PollFd::new(bell, PollFlags::IN)], None).is_err() {
                break;
            }
            bell.silence();
        }
    }
    // Whoever shares a machine with it hears of the end now, not when the peer has closed too.
    talk.link.leave();
    if end.is_abort() {
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    } else if end != End::Lost {
        close(&mut stream, LINGER);
    }
    talk.worker.finish(end.fault());
    drop(place);
}

/// One conversation's socket, and what else wakes its thread.
struct Line<'a> {
    stream: &'a mut TcpStream,
    /// The mailbox's eventfd, where there is a mailbox.
    bell: Option<&'a Bell>,
    bounds: &'a Bounds,
}

impl Line<'_> {
    /// Runs a conversation to its end. A stop ends it where it waits for the peer.
    fn drive<S: Serve>(&mut self, talk: &mut Conversation<S>) -> Result<Infallible, End> {
        let mut last_byte = clock::now();
        let said = talk.obey();
        self.settle(talk, said)?;
        loop {
            let may_read = talk.link.send();
            let call = talk.link.poll_call(self.bell.map_or(Waker::noop(), Bell::waker));
            if call == Poll::Ready(Call::Cut) {
                return Err(End::Cut);
            }
            let Look::At(deadline) = self.bounds.look(talk.deadline, last_byte) else {
                return Err(End::Lost);
            };
            // Mail that is there does not keep the peer from being heard.
            let deadline = if call.is_ready() { Some(clock::now()) } else { deadline };
            let ready = self.wait(may_read, deadline).map_err(|_| End::Over(Fault::Ours))?;
            if ready == Ready::Stop {
                return Err(End::Over(Fault::Nobody));
            }
            if ready == Ready::Socket {
                // Memory for what comes is taken when something is there, and is none that an idle
                // conversation keeps.
                let mut buffer = Vec::with_capacity(READ_BYTES);
                let said = match rustix::io::read(&*self.stream, spare_capacity(&mut buffer)) {
                    Ok(0) => talk.end(),
                    Ok(_) => {
                        last_byte = clock::now();
                        talk.hear(last_byte, &buffer)
                    }
                    Err(Errno::WOULDBLOCK | Errno::INTR) => Said::Wait,
                    Err(_) => return Err(End::Lost),
                };
                drop(buffer);
                self.settle(talk, said)?;
            }
            if call == Poll::Ready(Call::Mail) {
                let said = talk.take_mail();
                self.settle(talk, said)?;
            }
            if talk.deadline.is_some_and(|deadline| deadline <= clock::now()) {
                let said = talk.time();
                self.settle(talk, said)?;
            }
        }
    }

    /// Writes what the machine said and does what it asked for, until it waits. What blocks is done
    /// here, for this thread has nobody else to serve.
    fn settle<S: Serve>(
        &mut self,
        talk: &mut Conversation<S>,
        mut said: Said<Answer<S>>,
    ) -> Result<(), End> {
        loop {
            if !talk.out.is_empty() {
                self.write_all(&talk.out, &mut talk.link)?;
                talk.written();
            }
            let (ticket, work) = match said {
                Said::Wait => return Ok(()),
                Said::Close(fault) => return Err(End::Over(fault)),
                Said::Work(ticket, work) => (ticket, work),
            };
            talk.link.away();
            let answer = match work {
                Work::Done(answer) => answer,
                Work::Blocking(work) => work(),
                Work::Send(shipment) => self.ship::<S>(shipment, &mut talk.link),
            };
            said = talk.answer(ticket, answer);
        }
    }

    fn ship<S: Serve>(&mut self, shipment: Shipment<Answer<S>>, link: &mut S::Link) -> Answer<S> {
        let Shipment { open, done } = shipment;
        let (file, mut range) = match open() {
            Ok(opened) => opened,
            Err(answer) => return answer,
        };
        let mut shipped = Shipped { bytes: 0, failure: None };
        while range.start < range.end {
            let read = read_waiting(&file, range).map_err(|e| ShipFailure::File(e.to_string()));
            let sent = read.and_then(|chunk| {
                self.write_all(chunk.bytes(), link)
                    .map_err(|unwritten| ShipFailure::Peer(unwritten.to_string()))?;
                Ok(chunk.bytes().len() as u64)
            });
            match sent {
                Ok(bytes) => {
                    shipped.bytes += bytes;
                    range.start += bytes;
                }
                Err(failure) => {
                    shipped.failure = Some(failure);
                    break;
                }
            }
        }
        done(shipped)
    }

    /// Writes all bytes, unless the peer takes none of them for [`STALL_DEADLINE`], or is cut.
    fn write_all<M: Machine>(
        &mut self,
        mut bytes: &[u8],
        link: &mut impl Link<M>,
    ) -> Result<(), Unwritten> {
        let mut stalled = None;
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(n) => (bytes, stalled) = (&bytes[n..], None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let until = *stalled.get_or_insert_with(|| clock::now() + STALL_DEADLINE);
                    self.wait_writable(until, link)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until the peer may take something again, or the conversation was called.
    fn wait_writable<M: Machine>(
        &mut self,
        until: Tick,
        link: &mut impl Link<M>,
    ) -> Result<(), Unwritten> {
        let ready = if let Some(bell) = self.bell {
            bell.silence();
            if link.poll_cut(bell.waker()).is_ready() {
                return Err(Unwritten::Cut);
            }
            let waits =
                [PollFd::new(&*self.stream, PollFlags::OUT), PollFd::new(bell, PollFlags::IN)];
            poll_until(&mut { waits }, Some(until))?
        } else {
            poll_until(&mut [PollFd::new(&*self.stream, PollFlags::OUT)], Some(until))?
        };
        if ready == 0 {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        Ok(())
    }

    /// Waits until the peer can be read, if it may be, or the stop is asked for, or the bell rings,
    /// or it is time.
    fn wait(&mut self, may_read: bool, until: Option<Tick>) -> io::Result<Ready> {
        let stop = self.bounds.door.stop.bell();
        let Some(bell) = self.bell else { return wait_readable(&*self.stream, stop, until) };
        let waits = &mut [
            PollFd::new(bell, PollFlags::IN),
            PollFd::new(&stop, PollFlags::IN),
            PollFd::new(&*self.stream, PollFlags::IN),
        ];
        // A hang-up shows itself also to who does not want to read; it has to wait until he does.
        let waits = if may_read { &mut waits[..] } else { &mut waits[..2] };
        poll_until(waits, until)?;
        let is_ready = |at: usize| waits.get(at).is_some_and(|wait| !wait.revents().is_empty());
        if is_ready(0) {
            bell.silence();
        }
        Ok(match (is_ready(1), is_ready(2)) {
            (true, _) => Ready::Stop,
            (false, true) => Ready::Socket,
            (false, false) => Ready::Time,
        })
    }
}

/// Closes so that what was sent arrives; see [`listen::close`].
fn close(stream: &mut TcpStream, linger: Duration) {
    let until = clock::now() + linger;
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut scrap = [0; 4096];
    let mut unread_bytes = 0;
    while unread_bytes < UNREAD_MAX_BYTES {
        match poll_until(&mut [PollFd::new(&*stream, PollFlags::IN)], Some(until)) {
            Ok(n) if n > 0 => {}
            _ => return,
        }
        match stream.read(&mut scrap) {
            Ok(n) if n > 0 => unread_bytes += n,
            Err(error) if is_not_ready(&error) => {}
            _ => return,
        }
    }
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Socket,
    Time,
    Stop,
}

/// Waits until a socket can be read (or accepted from), the stop is asked for, or it is time.
fn wait_readable(
    socket: &impl AsFd,
    stop: BorrowedFd<'_>,
    until: Option<Tick>,
) -> io::Result<Ready> {
    let mut waits = [PollFd::new(socket, PollFlags::IN), PollFd::new(&stop, PollFlags::IN)];
    let ready = poll_until(&mut waits, until)?;
    let is_stopped = !waits[1].revents().is_empty();
    Ok(match (ready, is_stopped) {
        (0, _) => Ready::Time,
        (_, true) => Ready::Stop,
        (_, false) => Ready::Socket,
    })
}

/// poll(2) with a deadline; a signal does not end it.
fn poll_until(waits: &mut [PollFd<'_>], until: Option<Tick>) -> io::Result<usize> {
    loop {
        let left = until.map(|until| until.since(clock::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(waits, left.as_ref()) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready?),
        }
    }
}
