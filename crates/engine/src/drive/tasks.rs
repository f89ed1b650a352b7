//! Each conversation as a tokio task, and the owner of what they share as another.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf as _;
use sockeye_proto::limits::STALL_DEADLINE;
use sockeye_proto::machine::{Fault, Machine, Tick};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::conversation::{Answer, Conversation, Said};
use super::link::{Call, Link, Own, Serve};
use super::{
    Bounds, End, Look, READ_BYTES, ShipFailure, Shipment, Shipped, Unwritten, Work, Worker,
};
use crate::clock;
use crate::disk::reader::{FileReader, Part};
use crate::gate::Full;
use crate::listen::{self, Bound, Client, accept, say_and_close};
use crate::stop::Stop;

/// Accepts and serves on one bound socket until the stop is asked for.
pub async fn serve<S: Serve>(bound: Bound, service: Arc<S>, bounds: Bounds) -> io::Result<()> {
    let door = bounds.door.clone();
    if let Some(owner) = service.owner() {
        door.stop.track(own(owner, door.stop.clone()));
    }
    let stop = door.stop.clone();
    let serve = |client: Client| {
        let talk = Conversation::begin(&*service, client.peer);
        stop.track(conversation(client, talk, bounds.clone()));
    };
    let refuse = |stream, full: Full| async move {
        say_and_close(stream, format!("{full}\n").as_bytes()).await;
    };
    accept(bound, door, serve, refuse).await
}

/// Runs the owner until the last member has left after the stop. Between two turns it yields, so
/// that members have theirs.
async fn own<O: Own>(mut owner: O, stop: Stop) {
    loop {
        let is_asked = stop.is_asked();
        if is_asked && owner.is_over() {
            return;
        }
        let deadline = owner.deadline();
        tokio::select! {
            () = poll_fn(|cx| owner.poll_work(cx.waker())) => owner.turn(),
            () = sleep_until(deadline) => owner.time(),
            () = stop.asked(), if !is_asked => {}
        }
        tokio::task::yield_now().await;
    }
}

async fn conversation<S: Serve>(client: Client, mut talk: Conversation<S>, bounds: Bounds) {
    let Client { mut stream, peer: _, place } = client;
    let Err(end) = drive(&mut stream, &mut talk, &bounds).await;
    if end != End::Cut {
        poll_fn(|cx| talk.link.poll_sent(cx.waker())).await;
    }
    // Whoever shares a machine with it hears of the end now, not when the peer has closed too.
    talk.link.leave();
    if end.is_abort() {
        let _ = stream.set_zero_linger();
    } else if end != End::Lost {
        let _ = listen::close(&mut stream).await;
    }
    talk.worker.finish(end.fault());
    drop(place);
}

/// Runs a conversation to its end. A stop ends it where it waits for the peer; what the machine has
/// asked for is finished.
async fn drive<S: Serve>(
    stream: &mut TcpStream,
    talk: &mut Conversation<S>,
    bounds: &Bounds,
) -> Result<Infallible, End> {
    let stop = &bounds.door.stop;
    let mut asked = pin!(stop.asked());
    // It wakes this task from now on; whether it was asked is then looked up, which is cheaper.
    poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx).is_ready())).await;
    let mut last_byte = clock::now();
    let mut alarm = Alarm::default();
    let mut said = talk.obey();
    let mut is_mails_turn = false;
    loop {
        settle(stream, talk, said).await?;
        if talk.deadline.is_some_and(|deadline| deadline <= clock::now()) {
            said = talk.time();
            continue;
        }
        let may_read = talk.link.send();
        let Look::At(deadline) = bounds.look(talk.deadline, last_byte) else {
            return Err(End::Lost);
        };
        is_mails_turn = !is_mails_turn;
        let came = poll_fn(|cx| {
            if stop.is_asked() {
                return Poll::Ready(Err(End::Over(Fault::Nobody)));
            }
            // Neither a peer that never pauses nor a room that never does keeps the other waiting.
            if !is_mails_turn
                && may_read
                && let Poll::Ready(heard) = poll_hear(stream, talk, &mut last_byte, cx)
            {
                return Poll::Ready(heard.map(Came::Said));
            }
            if let Poll::Ready(call) = talk.link.poll_call(cx.waker()) {
                return Poll::Ready(Ok(Came::Call(call)));
            }
            if is_mails_turn
                && may_read
                && let Poll::Ready(heard) = poll_hear(stream, talk, &mut last_byte, cx)
            {
                return Poll::Ready(heard.map(Came::Said));
            }
            alarm.poll(deadline, cx).map(|()| Ok(Came::Time))
        });
        said = match came.await? {
            Came::Said(said) => said,
            Came::Call(Call::Cut) => return Err(End::Cut),
            Came::Call(Call::Mail) => {
                tokio::task::coop::consume_budget().await;
                talk.take_mail()
            }
            // Whether the machine's deadline has come is seen above.
            Came::Call(Call::Room) | Came::Time => Said::Wait,
        };
    }
}

/// What a waiting conversation is woken by.
enum Came<A> {
    /// The peer was heard, and the machine said this.
    Said(Said<A>),
    /// The shared machine calls.
    Call(Call),
    /// It is time.
    Time,
}

/// Reads, if there is something, and tells the machine. The memory for it is this thread's stack:
/// who is idle keeps none.
fn poll_hear<S: Serve>(
    stream: &mut TcpStream,
    talk: &mut Conversation<S>,
    last_byte: &mut Tick,
    cx: &mut Context<'_>,
) -> Poll<Result<Said<Answer<S>>, End>> {
    let mut storage = [MaybeUninit::uninit(); READ_BYTES];
    let mut room = ReadBuf::uninit(&mut storage);
    Poll::Ready(match ready!(Pin::new(stream).poll_read(cx, &mut room)) {
        Ok(()) if room.filled().is_empty() => Ok(talk.end()),
        Ok(()) => {
            *last_byte = clock::now();
            Ok(talk.hear(*last_byte, room.filled()))
        }
        Err(_) => Err(End::Lost),
    })
}

/// A timer that is set anew only where its time came nearer: deadlines mostly move away, and to
/// wake too early costs less than to set it with every message.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn poll(&mut self, at: Option<Tick>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = at else { return Poll::Pending };
        let at = clock::instant(at + TIMER_GRAIN);
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if at < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

/// Writes what the machine said and does what it asked for, until it waits.
async fn settle<S: Serve>(
    stream: &mut TcpStream,
    talk: &mut Conversation<S>,
    mut said: Said<Answer<S>>,
) -> Result<(), End> {
    loop {
        if !talk.out.is_empty() {
            write_all(stream, &talk.out, &mut talk.link).await?;
            talk.written();
        }
        let (ticket, work) = match said {
            Said::Wait => return Ok(()),
            Said::Close(fault) => return Err(End::Over(fault)),
            Said::Work(ticket, work) => (ticket, work),
        };
        talk.link.away();
        let answer = match work {
            Work::Done(answer) => Some(answer),
            Work::Blocking(work) => tokio::task::spawn_blocking(work).await.ok(),
            Work::Send(shipment) => ship::<S>(stream, shipment, &mut talk.link).await?,
        };
        // Where there is none, the work itself broke off.
        said = talk.answer(ticket, answer.ok_or(End::Over(Fault::Ours))?);
    }
}

/// `None`: the work itself broke off, which is our fault.
async fn ship<S: Serve>(
    stream: &mut TcpStream,
    shipment: Shipment<Answer<S>>,
    link: &mut S::Link,
) -> Result<Option<Answer<S>>, End> {
    let Shipment { open, done } = shipment;
    let (file, range) = match tokio::task::spawn_blocking(open).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(answer)) => return Ok(Some(answer)),
        Err(_) => return Ok(None),
    };
    let mut reader = FileReader::new(file, (range.start < range.end).then_some(Part::Range(range)));
    let mut shipped = Shipped { bytes: 0, failure: None };
    while let Some(chunk) = poll_fn(|cx| reader.poll_chunk(cx)).await {
        let sent = match chunk {
            Ok(chunk) => write_all(stream, chunk.chunk(), link)
                .await
                .map(|()| chunk.remaining() as u64)
                .map_err(|unwritten| ShipFailure::Peer(unwritten.to_string())),
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
    Ok(Some(done(shipped)))
}

/// Writes all bytes, unless the peer takes none of them for [`STALL_DEADLINE`], or is cut.
async fn write_all<M: Machine>(
    stream: &TcpStream,
    mut bytes: &[u8],
    link: &mut impl Link<M>,
) -> Result<(), Unwritten> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::select! {
                ready = stream.writable() => ready?,
                () = poll_fn(|cx| link.poll_cut(cx.waker())) => return Err(Unwritten::Cut),
                () = tokio::time::sleep(STALL_DEADLINE) => {
                    return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                }
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Timers tick in milliseconds; a deadline is never announced before it has come.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

async fn sleep_until(at: Option<Tick>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at + TIMER_GRAIN)).await,
        None => std::future::pending().await,
    }
}
