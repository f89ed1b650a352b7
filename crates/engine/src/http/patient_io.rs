//! A connection with our deadlines: one timer beside the socket serves the idle, the head and the
//! stall deadline, as [`Patience`] knows them.
//!
//! The timer is not set anew with every request. Deadlines mostly move away, so that it is left to
//! fire early and is then set again; only a deadline that came nearer moves it at once.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use sockeye_proto::http::patience::{Overdue, Patience, Verdict};
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::limits::UNREAD_LINGER_MAX_BYTES;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::send_file::SendFile;
use crate::clock;
use crate::gate::Gate;
use crate::metrics::ServiceCounters;

/// What a client is told whose head did not come in time (RFC 9110, section 15.5.9).
const HEAD_OVERDUE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 52\r\n\r\n\
    The request's head did not end in time; ask faster.\n";
/// How an HTTP/2 connection begins (RFC 9113, section 3.4).
const HTTP2_OPENING: &[u8] = b"PRI ";

/// A connection, within TLS or not, with deadlines; see the [module](self).
pub struct PatientIo<S> {
    socket: S,
    patience: Arc<Mutex<Patience>>,
    timer: Option<Pin<Box<Sleep>>>,
    idle: IdleTimeout,
    gate: Arc<Gate>,
    counters: Arc<ServiceCounters>,
    has_heard: bool,
    ending: Ending,
}

/// How far the end of our side has come.
enum Ending {
    Open,
    /// Our side has ended; the peer is listened to for a while, and this much of it was thrown away.
    Lingering {
        unread_bytes: u64,
    },
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PatientIo<S> {
    /// Puts deadlines around a connection.
    pub fn new(
        socket: S,
        patience: Arc<Mutex<Patience>>,
        idle: IdleTimeout,
        gate: Arc<Gate>,
        counters: Arc<ServiceCounters>,
    ) -> Self {
        Self {
            socket,
            patience,
            timer: None,
            idle,
            gate,
            counters,
            has_heard: false,
            ending: Ending::Open,
        }
    }

    fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the peer is overdue; if not, this task is woken when it may be.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Overdue> {
        let mut now = clock::coarse();
        loop {
            let verdict = self.patience().verdict(now, self.idle, self.gate.clients());
            let until = match verdict {
                Verdict::Close(overdue) => {
                    self.counters.overdue.add(1);
                    return Poll::Ready(overdue);
                }
                Verdict::Wait(None) => {
                    self.timer = None;
                    return Poll::Pending;
                }
                Verdict::Wait(Some(until)) => clock::instant(until),
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            if until < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(until);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // The coarse clock may not have come to the deadline that the timer saw.
            now = clock::now();
        }
    }

    /// Reads and throws away what a peer still sends that was told no in the middle.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 16 * 1024];
        while let Ending::Lingering { unread_bytes } = &mut self.ending {
            let mut buffer = ReadBuf::new(&mut scrap);
            let read = Pin::new(&mut self.socket).poll_read(cx, &mut buffer);
            match read {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    *unread_bytes += buffer.filled().len() as u64;
                    if *unread_bytes < UNREAD_LINGER_MAX_BYTES {
                        continue;
                    }
                }
                Poll::Ready(_) => {}
                Poll::Pending => std::task::ready!(self.poll_overdue(cx).map(drop)),
            }
            self.ending = Ending::Ended;
        }
        Poll::Ready(())
    }

    fn heard(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut patience = self.patience();
        if !self.has_heard && bytes.starts_with(HTTP2_OPENING) {
            patience.is_http2();
        }
        patience.received(clock::coarse());
        drop(patience);
        self.has_heard = true;
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if written.is_ok() {
                self.patience().wrote(clock::coarse());
            }
            return Poll::Ready(written);
        }
        self.poll_overdue(cx).map(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for PatientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.socket).poll_read(cx, buffer) {
            self.heard(&buffer.filled()[filled..]);
            return Poll::Ready(read);
        }
        self.poll_overdue(cx).map(|overdue| match overdue {
            // To hyper this is a peer that has ended its side between requests.
            Overdue::Idle => Ok(()),
            Overdue::Head => {
                // No answer is in flight before a head is complete, so that these bytes cannot
                // land inside one. Whether they arrive is the peer's affair.
                let _ = Pin::new(&mut self.socket).poll_write(cx, HEAD_OVERDUE);
                let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
                Err(io::ErrorKind::TimedOut.into())
            }
            Overdue::Stalled => Err(io::ErrorKind::TimedOut.into()),
        })
    }
}

impl<S: SendFile + AsyncRead + AsyncWrite + Unpin> SendFile for PatientIo<S> {
    const CAN_SEND_FILES: bool = S::CAN_SEND_FILES;

    fn poll_send_ahead(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = self.socket.poll_send_ahead(cx, bytes);
        self.after_write(cx, sent)
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        let sent = self.socket.poll_send_file(cx, file, offset, count);
        self.after_write(cx, sent)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PatientIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Ending::Open = self.ending {
            std::task::ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            let lingers = self.patience().leaves(clock::coarse());
            self.ending =
                if lingers { Ending::Lingering { unread_bytes: 0 } } else { Ending::Ended };
        }
        self.poll_linger(cx).map(Ok)
    }
}
