//! The short way: a simple request whose whole answer is at hand is answered before hyper sees it.
//!
//! [`Express`] stands between hyper and the connection. When hyper is between two requests and waits
//! for the next head, and what comes is one whole [`Simple`] request that the handler has an answer
//! ready for, then that answer leaves at once, and hyper waits on. Everything else passes through
//! untouched: other requests, those that come in pieces or several at once, bodies, HTTP/2. For a
//! small file this halves the work outside the kernel.
//!
//! Two rules keep both ways in order. What counts as a head, and where it ends, is read by the same
//! parser that hyper uses; and where it cannot be known that hyper holds no part of a request and
//! no part of an answer, this stays out of the way, for the rest of the connection if need be.

mod head;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Version;
use sockeye_proto::http::patience::Patience;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::head::{Next, Simple};
use super::exchange::Exchange;
use super::send_file::SendFile;
use super::server::{Caller, Handler, HttpService};
use crate::clock;

/// A head that comes in more pieces than this, or is longer while its end is missing, is not
/// followed any more: to read it from its beginning with each piece would take ever longer.
const PIECES_MAX: usize = 8;
const PIECES_MAX_BYTES: usize = 8 * 1024;

/// A whole answer, made beforehand.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Its status line, which says 200, and its fields, each with its line's end; without Date, and
    /// without the empty line.
    pub head: Bytes,
    /// Its body, as long as its Content-Length says.
    pub body: Bytes,
    /// The same bytes in a file that nobody can change, if it is worth to be sent from there.
    pub sealed: Option<Arc<OwnedFd>>,
}

/// A connection with a short way; see the [module](self).
pub(super) struct Express<S, H> {
    inner: S,
    service: Arc<HttpService<H>>,
    patience: Arc<Mutex<Patience>>,
    caller: Caller,
    follows: Follows,
    leaving: Option<Leaving>,
}

/// What is known of what passed to hyper.
struct Follows {
    is_on: bool,
    /// The part of a head that has passed, as long as its end has not,
    unfinished: Vec<u8>,
    /// and in how many pieces.
    pieces: usize,
    /// Whole heads that have passed, or were answered here.
    heads: u64,
    /// Whether hyper may still hold something: a request, or a part of an answer.
    is_with_hyper: bool,
}

/// An answer on its way.
struct Leaving {
    ready: Ready,
    date: DateLine,
    /// Bytes of all of it that have left.
    sent: usize,
    exchange: Exchange,
}

impl<S, H: Handler> Express<S, H> {
    /// A short way for a connection, unless somebody watches it: they are shown hyper's view.
    pub(super) fn new(
        inner: S,
        service: &Arc<HttpService<H>>,
        patience: &Arc<Mutex<Patience>>,
        caller: Caller,
    ) -> Self {
        let follows = Follows {
            is_on: service.books.trace.is_none(),
            unfinished: Vec::new(),
            pieces: 0,
            heads: 0,
            is_with_hyper: false,
        };
        let (service, patience) = (Arc::clone(service), Arc::clone(patience));
        Self { inner, service, patience, caller, follows, leaving: None }
    }

    /// The answer to what was just heard, if it is at hand.
    fn answer(&mut self, heard: &[u8]) -> Option<Leaving> {
        if !self.follows.is_quiet() {
            return None;
        }
        let Simple { target, host } = head::simple(heard)?;
        let ready = self.service.handler.ready(target, host, &self.caller)?;
        let (books, peer) = (&self.service.books, self.caller.peer);
        let mut exchange = Exchange::begin(books, &self.patience, peer, Version::HTTP_11, || {
            format!("GET {target}").into_bytes()
        });
        exchange.answered(200, Some(ready.body.len() as u64), None);
        self.follows.heads += 1;
        Some(Leaving { ready, date: date_line(), sent: 0, exchange })
    }
}

impl<S: SendFile + AsyncWrite + Unpin, H> Express<S, H> {
    /// Sends what is left of an answer.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(leaving) = &mut self.leaving {
            let n = ready!(leaving.poll_write(&mut self.inner, cx))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if leaving.went(n) {
                self.leaving = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Leaving {
    fn poll_write<S: SendFile + AsyncWrite + Unpin>(
        &self,
        inner: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(sealed) = self.ready.sealed.as_ref().filter(|_| S::CAN_SEND_FILES) {
            return self.poll_send(inner, cx, sealed.as_fd());
        }
        let all = [&*self.ready.head, &self.date, &*self.ready.body];
        Pin::new(inner).poll_write_vectored(cx, &left(all, self.sent))
    }

    /// The same, with the body moved by the kernel.
    fn poll_send<S: SendFile>(
        &self,
        inner: &mut S,
        cx: &mut Context<'_>,
        sealed: BorrowedFd<'_>,
    ) -> Poll<io::Result<usize>> {
        let (head, date, body) = (self.ready.head.len(), self.date.len(), self.ready.body.len());
        if let Some(gone) = self.sent.checked_sub(head + date) {
            return inner.poll_send_file(cx, sealed, gone as u64, body - gone);
        }
        inner.poll_send_ahead(cx, &left([&*self.ready.head, &self.date], self.sent))
    }

    /// So many bytes have left. Returns whether that is all.
    fn went(&mut self, n: usize) -> bool {
        let head = self.ready.head.len() + self.date.len();
        let body_before = self.sent.saturating_sub(head);
        self.sent += n;
        self.exchange.sent((self.sent.saturating_sub(head) - body_before) as u64);
        self.sent == head + self.ready.body.len()
    }
}

impl Follows {
    /// Whether hyper waits for a head, and holds nothing.
    fn is_quiet(&self) -> bool {
        self.is_on && !self.is_with_hyper && self.unfinished.is_empty()
    }

    /// These bytes pass to hyper.
    fn pass(&mut self, bytes: &[u8]) {
        if !self.is_on {
            return;
        }
        self.is_with_hyper = true;
        if self.unfinished.is_empty() {
            let rest = self.count(bytes);
            self.unfinished.extend_from_slice(&bytes[bytes.len() - rest..]);
            self.pieces = 1;
        } else {
            self.pieces += 1;
            self.unfinished.extend_from_slice(bytes);
            let joined = std::mem::take(&mut self.unfinished);
            let rest = self.count(&joined);
            self.unfinished.extend_from_slice(&joined[joined.len() - rest..]);
        }
        self.is_on &= self.unfinished.len() <= PIECES_MAX_BYTES && self.pieces <= PIECES_MAX;
        if !self.is_on {
            self.unfinished = Vec::new();
        }
    }

    /// Counts the whole heads in these bytes. Returns how many bytes are left behind them.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match head::end(rest) {
                Next::Head(length) => {
                    self.heads += 1;
                    rest = &rest[length..];
                }
                Next::More => return rest.len(),
                Next::Unknown => {
                    self.is_on = false;
                    return 0;
                }
            }
        }
        0
    }

    /// Hyper has nothing more to write.
    fn flushed(&mut self, patience: &Mutex<Patience>) {
        if self.is_on && self.is_with_hyper && self.unfinished.is_empty() {
            let patience = patience.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_with_hyper = patience.requests() != self.heads || patience.is_serving();
        }
    }
}

impl<S: SendFile + AsyncRead + AsyncWrite + Unpin, H: Handler> AsyncRead for Express<S, H> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            ready!(this.poll_send(cx))?;
            let before = room.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, room))?;
            let heard = &room.filled()[before..];
            if heard.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.leaving = this.answer(heard);
            if this.leaving.is_none() {
                this.follows.pass(heard);
                return Poll::Ready(Ok(()));
            }
            room.set_filled(before);
        }
    }
}

impl<S: SendFile + AsyncRead + AsyncWrite + Unpin, H: Handler> AsyncWrite for Express<S, H> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_send(cx))?;
        ready!(Pin::new(&mut this.inner).poll_flush(cx))?;
        this.follows.flushed(&this.patience);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What is left of these parts when so many bytes of them are gone.
fn left<const N: usize>(parts: [&[u8]; N], mut gone: usize) -> [IoSlice<'_>; N] {
    parts.map(|part| {
        let of_this = gone.min(part.len());
        gone -= of_this;
        IoSlice::new(&part[of_this..])
    })
}

/// `date: Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 6.6.1), its line's end, and the empty
/// line behind it.
type DateLine = [u8; 39];

/// The line for this second, made once in it for each thread.
fn date_line() -> DateLine {
    thread_local! {
        static LINE: RefCell<(u64, DateLine)> = const { RefCell::new((u64::MAX, [b' '; 39])) };
    }
    let second = clock::unix_second();
    LINE.with_borrow_mut(|(of, line)| {
        if *of != second {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let text = format!("date: {}\r\n\r\n", httpdate::fmt_http_date(time));
            if let Ok(made) = text.as_bytes().try_into() {
                (*of, *line) = (second, made);
            }
        }
        *line
    })
}
