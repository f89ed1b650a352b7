//! Drives a machine over one TCP connection, as a task.
//!
//! The driver brings the machine what arrives and what time it is, does what it says, and keeps
//! the deadlines that are not the machine's: idle peers, and peers that do not read.

use std::future::Future;
use std::io;
use std::time::Duration;

use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::limits::STALL_DEADLINE;
use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clock;
use crate::listen::{self, Door};

/// How much one read takes at most.
const READ_BYTES: usize = 16 * 1024;

/// Does what a machine asks for.
pub trait Worker<M: Machine>: Send {
    /// Does one thing, with the connection at hand for bulk bytes, and brings the answer.
    fn perform(
        &mut self,
        question: M::Question,
        stream: &mut TcpStream,
    ) -> impl Future<Output = M::Answer> + Send;

    /// Takes note of what happened.
    fn happened(&mut self, event: M::Event);
}

/// What else can end a conversation: a peer idle for too long, or the server's end.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// How long a silent peer is kept.
    pub idle: IdleTimeout,
    /// Knows how many are connected, and when the stop is asked for.
    pub door: &'a Door,
}

/// Runs a conversation to its end and says whose fault that was. A stop ends it where it waits for
/// the peer; what the machine has asked for is finished.
pub async fn drive<M, W>(
    stream: &mut TcpStream,
    machine: &mut M,
    worker: &mut W,
    bounds: Bounds<'_>,
) -> Fault
where
    M: Machine,
    W: Worker<M>,
{
    let mut buffer = vec![0; READ_BYTES];
    let mut last_byte = clock::now();
    loop {
        let until = match obey(stream, machine, worker).await {
            Step::Wait(until) => until,
            Step::Close(Fault::Ours) => {
                // Without lengths on the wire, a reset is the only way to say "this is not all".
                let _ = stream.set_zero_linger();
                return Fault::Ours;
            }
            Step::Close(fault) => {
                let _ = listen::close(stream).await;
                return fault;
            }
        };
        let Some(deadline) = deadline(until, last_byte, bounds) else { return Fault::Network };
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) => machine.handle(clock::now(), Input::End),
                Ok(n) => {
                    last_byte = clock::now();
                    machine.handle(last_byte, Input::Bytes(&buffer[..n]));
                }
                Err(_) => return Fault::Network,
            },
            () = sleep_until(deadline.at) => machine.handle(clock::now(), Input::Time),
            () = bounds.door.stop.asked() => {
                let _ = listen::close(stream).await;
                return Fault::Nobody;
            }
        }
    }
}

enum Step {
    Wait(Option<Tick>),
    Close(Fault),
}

/// Does what the machine says until it waits or closes.
async fn obey<M, W>(stream: &mut TcpStream, machine: &mut M, worker: &mut W) -> Step
where
    M: Machine,
    W: Worker<M>,
{
    loop {
        match machine.poll() {
            Output::Transmit(bytes) => {
                if write_all(stream, &bytes).await.is_err() {
                    return Step::Close(Fault::Network);
                }
            }
            Output::Ask(ticket, question) => {
                let answer = worker.perform(question, stream).await;
                machine.handle(clock::now(), Input::Answer(ticket, answer));
            }
            Output::Happened(event) => worker.happened(event),
            Output::Close(fault) => return Step::Close(fault),
            Output::Wait(until) => return Step::Wait(until),
        }
    }
}

/// Writes all bytes, unless the peer takes none of them for [`STALL_DEADLINE`].
pub async fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match tokio::time::timeout(STALL_DEADLINE, stream.write(bytes)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Ok(n)) => bytes = &bytes[n..],
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}

struct Deadline {
    at: Option<Tick>,
}

/// When to wake next; `None`: the peer has been idle for too long.
fn deadline(machine: Option<Tick>, last_byte: Tick, bounds: Bounds<'_>) -> Option<Deadline> {
    let clients = bounds.door.gate.clients();
    let now = clock::now();
    let overdue = bounds.idle.span(clients).map(|span| last_byte + span);
    if overdue.is_some_and(|overdue| overdue <= now) {
        return None;
    }
    let look = bounds.idle.look_again(clients).map(|look| now + look);
    Some(Deadline { at: [machine, overdue, look].into_iter().flatten().min() })
}

async fn sleep_until(at: Option<Tick>) {
    // Timers tick in milliseconds; a deadline is never announced before it has come.
    const TIMER_GRAIN: Duration = Duration::from_millis(1);
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at + TIMER_GRAIN)).await,
        None => std::future::pending().await,
    }
}
