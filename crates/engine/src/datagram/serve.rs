//! Serving on a UDP socket: what has come is answered in one batch, and the answers leave in one.
#![allow(unsafe_code, reason = "tokio takes a descriptor to watch only on our word")]

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use sockeye_proto::machine::Tick;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::socket::{Datagram, DatagramSocket, Inbox, Outbox};
use crate::clock;
use crate::stop::Stop;

/// Batches answered before others have their turn.
const BATCHES_MAX: usize = 8;

/// A service over datagrams.
pub trait DatagramService: Send + 'static {
    /// Answers one datagram, at once: what it says goes into the outbox. `now` is when the batch that
    /// it is of was taken.
    fn answer(&mut self, now: Tick, datagram: &Datagram<'_>, outbox: &mut Outbox);

    /// One came that is itself an answer, of a server that was set talking to us: it is not
    /// answered.
    fn answered_back(&mut self);

    /// The kernel had to drop this many for want of buffer.
    fn dropped(&mut self, count: u64);
}

/// A bound socket with the service that answers on it.
#[derive(Debug)]
pub struct DatagramPort<D> {
    socket: DatagramSocket,
    service: D,
    inbox: Inbox,
    outbox: Outbox,
}

impl<D: DatagramService> DatagramPort<D> {
    /// Puts a service on a socket, which from now on only answers, and says so in each answer's IP
    /// header. Two such ports never talk to each other, whoever forges what.
    pub fn new(socket: DatagramSocket, service: D) -> Self {
        // Where the mark cannot be set, the service has rules of its own against loops.
        let _ = socket.mark_answers();
        Self { socket, service, inbox: Inbox::new(), outbox: Outbox::default() }
    }

    /// Answers what has come, without waiting. An error of one datagram (an ICMP message about an
    /// answer of before) is no error of the socket.
    pub fn answer_batches(&mut self) -> Answered {
        for _ in 0..BATCHES_MAX {
            let look = match self.socket.receive(&mut self.inbox) {
                Ok(look) => look,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Answered::All,
                Err(_) => continue,
            };
            if look.dropped > 0 {
                self.service.dropped(look.dropped);
            }
            let now = clock::now();
            for datagram in self.inbox.iter() {
                if datagram.is_answer {
                    self.service.answered_back();
                } else {
                    self.service.answer(now, &datagram, &mut self.outbox);
                }
                if self.outbox.is_full() {
                    self.socket.send(&mut self.outbox);
                }
            }
            if !self.outbox.is_empty() {
                self.socket.send(&mut self.outbox);
            }
        }
        Answered::Perhaps
    }
}

impl<D> AsFd for DatagramPort<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A port whose service is forgotten: what the event loop holds.
pub trait AnyPort: Send {
    /// Its socket, to be waited for.
    fn socket(&self) -> BorrowedFd<'_>;

    /// Answers what has come; see [`DatagramPort::answer_batches`].
    fn answer_batches(&mut self) -> Answered;
}

impl<D: DatagramService> AnyPort for DatagramPort<D> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn answer_batches(&mut self) -> Answered {
        Self::answer_batches(self)
    }
}

/// Whether everything that had come is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nothing waits.
    All,
    /// There may be more.
    Perhaps,
}

/// As a tokio task, until the stop is asked for.
pub async fn serve_as_task<D: DatagramService>(
    mut port: DatagramPort<D>,
    stop: Stop,
) -> io::Result<()> {
    let watch = watch(&port.socket)?;
    let mut asked = pin!(stop.asked());
    loop {
        let mut ready = tokio::select! {
            ready = watch.readable() => ready?,
            () = &mut asked => return Ok(()),
        };
        match port.answer_batches() {
            // What comes between the last look and this is not lost, although epoll tells of it only
            // once (EPOLLET). If the runtime has heard of it already, `ready` is of before, and what
            // is of before clears nothing. If not, it will hear of it after this, and set anew what
            // is cleared here. A look that ended early by an error is the only one to hide what
            // waits behind, until the next datagram comes; on a socket that is not connected only
            // want of memory ends it so.
            Answered::All => ready.clear_ready(),
            Answered::Perhaps => tokio::task::yield_now().await,
        }
    }
}

/// Lets the runtime tell when there is something to read, by a handle of its own. It is not asked
/// for room to write, as its own UDP socket would: the kernel tells of that after each datagram that
/// left, which would wake a worker each time for nothing.
fn watch(socket: &DatagramSocket) -> io::Result<AsyncFd<UdpSocket>> {
    let handle = socket.second_handle()?;
    // SAFETY: the handle is open, is always the same descriptor, and belongs to what watches it.
    Ok(unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) }?)
}

/// On a thread of its own, until the stop is asked for; blocks.
pub fn serve_on_thread<D: DatagramService>(
    mut port: DatagramPort<D>,
    stop: &Stop,
) -> io::Result<()> {
    loop {
        let mut waits = [
            PollFd::new(&port.socket, PollFlags::IN),
            PollFd::from_borrowed_fd(stop.bell(), PollFlags::IN),
        ];
        match poll(&mut waits, None) {
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        if !waits[1].revents().is_empty() {
            return Ok(());
        }
        while port.answer_batches() == Answered::Perhaps {}
    }
}
