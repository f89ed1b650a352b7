//! The body of a request, and the hand that holds it.
//!
//! hyper sends a body as fast as the server takes it. Here it can be told to wait (for a server
//! that was asked whether it wants the body at all), to hold (once the server has answered no), and
//! it says how much of it has left, and why it broke off.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hyper::body::{Frame, SizeHint};
use sockeye_engine::disk::chunk::Chunk;
use thiserror::Error;

use super::source::{Bytestream, SourceTrouble};
use crate::services::files::call::meter::Meter;

/// A body on its way.
#[derive(Debug)]
pub struct Body {
    bytes: Bytestream,
    hand: Arc<Hand>,
}

/// What the sender of a body holds; see the [module](self).
#[derive(Debug)]
pub struct Hand(Mutex<Held>);

#[derive(Debug)]
struct Held {
    is_open: bool,
    is_finished: bool,
    /// Up to where bytes have left, counted from the file's first.
    position: u64,
    trouble: Option<SourceTrouble>,
    /// The bytes are waited for here; the server would take them.
    is_source_late: bool,
    waits: Option<Waker>,
    meter: Meter,
}

/// The body broke off; why is known to who holds the [`Hand`].
#[derive(Debug, Error)]
#[error("what is sent broke off")]
pub struct BrokeOff;

impl Body {
    /// A body of these bytes, which begin at an offset of the file. One that is not open waits.
    pub fn new(bytes: Bytestream, offset: u64, is_open: bool, meter: Meter) -> (Self, Arc<Hand>) {
        let is_finished = bytes.remaining_bytes() == Some(0);
        meter.set(offset);
        let held = Held {
            is_open,
            is_finished,
            position: offset,
            trouble: None,
            is_source_late: false,
            waits: None,
            meter,
        };
        let hand = Arc::new(Hand(Mutex::new(held)));
        (Self { bytes, hand: Arc::clone(&hand) }, hand)
    }

    /// None.
    pub fn empty() -> (Self, Arc<Hand>) {
        let nothing = Bytestream::Bytes(bytes::Bytes::new());
        Self::new(nothing, 0, true, Meter::hidden())
    }
}

impl Hand {
    /// Lets the bytes go.
    pub fn open(&self) {
        let mut held = self.held();
        held.is_open = true;
        if let Some(waker) = held.waits.take() {
            waker.wake();
        }
    }

    /// Lets no more go.
    pub fn hold(&self) {
        self.held().is_open = false;
    }

    /// Whether the bytes may go.
    pub fn is_open(&self) -> bool {
        self.held().is_open
    }

    /// Whether the last has left.
    pub fn is_finished(&self) -> bool {
        self.held().is_finished
    }

    /// Up to where bytes have left, counted from the file's first.
    pub fn position(&self) -> u64 {
        self.held().position
    }

    /// Whether it is the server that is waited for.
    pub fn waits_for_server(&self) -> bool {
        let held = self.held();
        held.is_open && !held.is_source_late
    }

    /// Why the bytes broke off here, if they did.
    pub fn trouble(&self) -> Option<SourceTrouble> {
        self.held().trouble.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for Body {
    type Data = Chunk;
    type Error = BrokeOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, BrokeOff>>> {
        let this = &mut *self;
        let mut held = this.hand.held();
        if !held.is_open {
            held.waits = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let next = this.bytes.poll_next(cx);
        held.is_source_late = next.is_pending();
        Poll::Ready(match std::task::ready!(next) {
            None => {
                held.is_finished = true;
                None
            }
            Some(Ok(chunk)) => {
                held.position += bytes::Buf::remaining(&chunk) as u64;
                held.meter.set(held.position);
                held.is_finished = this.bytes.remaining_bytes() == Some(0);
                Some(Ok(Frame::data(chunk)))
            }
            Some(Err(trouble)) => {
                held.trouble = Some(trouble);
                Some(Err(BrokeOff))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.remaining_bytes() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.bytes.remaining_bytes().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
