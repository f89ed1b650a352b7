//! Each conversation as an OS thread, which waits in poll(2) on its socket and on the server's end.
//!
//! The classic server with threads. What blocks, blocks only the conversation that it belongs to.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sockeye_proto::limits::STALL_DEADLINE;
use sockeye_proto::machine::{Fault, Input, Output, Tick};

use super::{
    Alone, Bounds, Look, READ_BYTES, ShipFailure, Shipment, Shipped, StreamService, Work, Worker,
    gather,
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

/// Accepts and serves on one bound socket until the stop is asked for; blocks.
pub fn serve<S: StreamService>(bound: Bound, service: &Arc<S>, bounds: &Bounds) -> io::Result<()> {
    let door = &bounds.door;
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
                let (machine, worker) = service.open(peer);
                let bounds = bounds.clone();
                spawn(&door.stop, move || converse(stream, machine, worker, &bounds, place))
            }
            Err(full) => {
                door.counters.refused.add(1);
                match Turn::take(&turns) {
                    Some(turn) => spawn(&door.stop, move || refuse(stream, &full, turn)),
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

fn spawn(stop: &Stop, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let token = stop.token();
    let thread = std::thread::Builder::new().name("conversation".into()).stack_size(STACK_BYTES);
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

fn converse<M, W>(
    mut stream: TcpStream,
    mut machine: M,
    mut worker: W,
    bounds: &Bounds,
    place: Place,
) where
    M: Alone,
    W: Worker<M>,
{
    listen::prepare(&stream);
    let fault = match stream.set_nonblocking(true) {
        Ok(()) => drive(&mut stream, &mut machine, &mut worker, bounds),
        Err(_) => Fault::Ours,
    };
    match fault {
        // Without lengths on the wire, a reset is the only way to say "this is not all".
        Fault::Ours => {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        Fault::Network => {}
        Fault::Nobody | Fault::Peer | Fault::Refused => close(&mut stream, LINGER),
    }
    worker.finish(fault);
    drop(place);
}

/// Runs a conversation to its end and says whose fault that was. A stop ends it where it waits for
/// the peer.
fn drive<M, W>(stream: &mut TcpStream, machine: &mut M, worker: &mut W, bounds: &Bounds) -> Fault
where
    M: Alone,
    W: Worker<M>,
{
    let mut buffer = vec![0; READ_BYTES];
    let mut last_byte = clock::now();
    loop {
        let until = match obey(stream, machine, worker) {
            Step::Wait(until) => until,
            Step::Close(fault) => return fault,
        };
        let Look::At(deadline) = bounds.look(until, last_byte) else { return Fault::Network };
        match wait_readable(&*stream, bounds.door.stop.bell(), deadline) {
            Ok(Ready::Socket) => {}
            Ok(Ready::Time) => {
                machine.handle(clock::now(), Input::Time);
                continue;
            }
            Ok(Ready::Stop) => return Fault::Nobody,
            Err(_) => return Fault::Ours,
        }
        match stream.read(&mut buffer) {
            Ok(0) => machine.handle(clock::now(), Input::End),
            Ok(n) => {
                last_byte = clock::now();
                machine.handle(last_byte, Input::Bytes(&buffer[..n]));
            }
            Err(error) if is_not_ready(&error) => {}
            Err(_) => return Fault::Network,
        }
    }
}

enum Step {
    Wait(Option<Tick>),
    Close(Fault),
}

/// Does what the machine says until it waits or closes. What it transmits in a row leaves in one
/// write; what blocks is done here, for this thread has nobody else to serve.
fn obey<M, W>(stream: &mut TcpStream, machine: &mut M, worker: &mut W) -> Step
where
    M: Alone,
    W: Worker<M>,
{
    let mut out = Vec::new();
    loop {
        let output = match machine.poll() {
            Output::Transmit(bytes) => {
                gather(&mut out, bytes);
                continue;
            }
            Output::Happened(event) => {
                worker.happened(event);
                continue;
            }
            output => output,
        };
        if write_all(stream, &out).is_err() {
            return Step::Close(Fault::Network);
        }
        out.clear();
        match output {
            Output::Ask(ticket, question) => {
                let answer = match worker.perform(question) {
                    Work::Done(answer) => answer,
                    Work::Blocking(work) => work(),
                    Work::Send(shipment) => ship(stream, shipment),
                };
                machine.handle(clock::now(), Input::Answer(ticket, answer));
            }
            Output::Close(fault) => return Step::Close(fault),
            Output::Wait(until) => return Step::Wait(until),
            Output::Tell(never) => match never {},
            Output::Transmit(_) | Output::Happened(_) => unreachable!("handled above"),
        }
    }
}

fn ship<A>(stream: &mut TcpStream, shipment: Shipment<A>) -> A {
    let Shipment { open, done } = shipment;
    let (file, mut range) = match open() {
        Ok(opened) => opened,
        Err(answer) => return answer,
    };
    let mut shipped = Shipped { bytes: 0, failure: None };
    while range.start < range.end {
        let read = read_waiting(&file, range).map_err(|e| ShipFailure::File(e.to_string()));
        let sent = read.and_then(|chunk| {
            write_all(stream, chunk.bytes()).map_err(|e| ShipFailure::Peer(e.to_string()))?;
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

/// Writes all bytes, unless the peer takes none of them for [`STALL_DEADLINE`].
fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut waits = [PollFd::new(&*stream, PollFlags::OUT)];
                if poll_until(&mut waits, Some(clock::now() + STALL_DEADLINE))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
