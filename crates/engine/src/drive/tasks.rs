//! Each conversation as a tokio task.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf as _;
use sockeye_proto::limits::STALL_DEADLINE;
use sockeye_proto::machine::{Fault, Input, Output, Tick};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    Alone, Bounds, Look, READ_BYTES, ShipFailure, Shipment, Shipped, StreamService, Work, Worker,
    gather,
};
use crate::clock;
use crate::disk::reader::{FileReader, Part};
use crate::gate::Full;
use crate::listen::{self, Bound, Client, accept, say_and_close};

/// Accepts and serves on one bound socket until the stop is asked for.
pub async fn serve<S: StreamService>(
    bound: Bound,
    service: Arc<S>,
    bounds: Bounds,
) -> io::Result<()> {
    let door = bounds.door.clone();
    let serve = |client: Client| {
        let (machine, worker) = service.open(client.peer);
        conversation(client, machine, worker, bounds.clone())
    };
    let refuse = |stream, full: Full| async move {
        say_and_close(stream, format!("{full}\n").as_bytes()).await;
    };
    accept(bound, door, serve, refuse).await
}

async fn conversation<M, W>(client: Client, mut machine: M, mut worker: W, bounds: Bounds)
where
    M: Alone,
    W: Worker<M>,
{
    let Client { mut stream, peer: _, place } = client;
    let fault = drive(&mut stream, &mut machine, &mut worker, &bounds).await;
    worker.finish(fault);
    drop(place);
}

/// Runs a conversation to its end and says whose fault that was. A stop ends it where it waits for
/// the peer; what the machine has asked for is finished.
async fn drive<M, W>(
    stream: &mut TcpStream,
    machine: &mut M,
    worker: &mut W,
    bounds: &Bounds,
) -> Fault
where
    M: Alone,
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
        let Look::At(deadline) = bounds.look(until, last_byte) else { return Fault::Network };
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) => machine.handle(clock::now(), Input::End),
                Ok(n) => {
                    last_byte = clock::now();
                    machine.handle(last_byte, Input::Bytes(&buffer[..n]));
                }
                Err(_) => return Fault::Network,
            },
            () = sleep_until(deadline) => machine.handle(clock::now(), Input::Time),
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

/// Does what the machine says until it waits or closes. What it transmits in a row leaves in one
/// write.
async fn obey<M, W>(stream: &mut TcpStream, machine: &mut M, worker: &mut W) -> Step
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
        if write_all(stream, &out).await.is_err() {
            return Step::Close(Fault::Network);
        }
        out.clear();
        match output {
            Output::Ask(ticket, question) => {
                let answer = match worker.perform(question) {
                    Work::Done(answer) => answer,
                    Work::Blocking(work) => match tokio::task::spawn_blocking(work).await {
                        Ok(answer) => answer,
                        Err(_) => return Step::Close(Fault::Ours),
                    },
                    Work::Send(shipment) => match ship(stream, shipment).await {
                        Some(answer) => answer,
                        None => return Step::Close(Fault::Ours),
                    },
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

/// `None`: the work itself broke off, which is our fault.
async fn ship<A: Send + 'static>(stream: &mut TcpStream, shipment: Shipment<A>) -> Option<A> {
    let Shipment { open, done } = shipment;
    let (file, range) = match tokio::task::spawn_blocking(open).await.ok()? {
        Ok(opened) => opened,
        Err(answer) => return Some(answer),
    };
    let mut reader = FileReader::new(file, (range.start < range.end).then_some(Part::Range(range)));
    let mut shipped = Shipped { bytes: 0, failure: None };
    while let Some(chunk) = std::future::poll_fn(|cx| reader.poll_chunk(cx)).await {
        let sent = match chunk {
            Ok(chunk) => write_all(stream, chunk.chunk())
                .await
                .map(|()| chunk.remaining() as u64)
                .map_err(|error| ShipFailure::Peer(error.to_string())),
            Err(error) => Err(ShipFailure::File(error.to_string())),
        };
        match sent {
            Ok(bytes) => shipped.bytes += bytes,
            Err(failure) => {
                shipped.failure = Some(failure);
                break;
            }
        }
    }
    Some(done(shipped))
}

/// Writes all bytes, unless the peer takes none of them for [`STALL_DEADLINE`].
async fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
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

async fn sleep_until(at: Option<Tick>) {
    // Timers tick in milliseconds; a deadline is never announced before it has come.
    const TIMER_GRAIN: Duration = Duration::from_millis(1);
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at + TIMER_GRAIN)).await,
        None => std::future::pending().await,
    }
}
