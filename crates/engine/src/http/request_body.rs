//! What a request brings: its body, read piece by piece by whoever answers it.
//!
//! Nothing is read before it is asked for, so that a client that waits for `100 Continue` (RFC 9110,
//! section 10.1.1) gets its answer instead of it. The floor under the sender's rate is kept here,
//! for each body by itself: on HTTP/2 one connection may bring several.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use sockeye_proto::http::floor::Floor;
use sockeye_proto::http::patience::Patience;
use thiserror::Error;
use tokio::time::Sleep;

use super::pass::Pass;
use crate::clock;
use crate::metrics::ServiceCounters;

/// Why a body did not come to its end.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It came too slowly; see [`Floor`].
    #[error("it came too slowly")]
    Slow,
    /// The connection ended, or the framing is wrong.
    #[error("it broke: {0}")]
    Broken(String),
    /// Whoever sends it may not be here any more.
    #[error("its sender was thrown out")]
    Revoked,
}

/// A request's body.
#[derive(Debug)]
pub struct RequestBody {
    /// Gone only while it is being dropped.
    incoming: Option<Incoming>,
    floor: Floor,
    timer: Option<Pin<Box<Sleep>>>,
    patience: Arc<Mutex<Patience>>,
    counters: Arc<ServiceCounters>,
    passes: Vec<Pass>,
    has_ended: bool,
    received_bytes: u64,
    receipt: Arc<Receipt>,
}

/// What became of a body, for who handed it out.
#[derive(Debug, Default)]
pub(super) struct Receipt {
    /// The body itself, where it was not read to its end.
    left: Mutex<Option<Incoming>>,
    is_broken: AtomicBool,
    received_bytes: AtomicU64,
}

impl Receipt {
    /// The rest of the body, if there is one.
    pub(super) fn take_rest(&self) -> Option<Incoming> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How much of it was read.
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// Whether reading it failed.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }
}

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        patience: Arc<Mutex<Patience>>,
        counters: Arc<ServiceCounters>,
    ) -> Self {
        Self {
            has_ended: incoming.is_end_stream(),
            incoming: Some(incoming),
            floor: Floor::default(),
            timer: None,
            patience,
            counters,
            passes: Vec::new(),
            received_bytes: 0,
            receipt: Arc::default(),
        }
    }

    pub(super) fn receipt(&self) -> Arc<Receipt> {
        Arc::clone(&self.receipt)
    }

    /// How many bytes it has, if the sender said so.
    pub fn length(&self) -> Option<u64> {
        if self.has_ended && self.received_bytes == 0 {
            return Some(0);
        }
        let left = self.incoming.as_ref()?.size_hint().exact()?;
        Some(left + self.received_bytes)
    }

    /// How many bytes came so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// From now on the body ends when this pass is revoked, too.
    pub fn is_under(&mut self, pass: Pass) {
        self.passes.push(pass);
    }

    fn is_revoked(&self) -> bool {
        self.passes.iter().any(Pass::is_revoked)
    }

    /// The next piece; `None` at the body's end, which is the end that the sender meant.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if self.is_revoked() {
                return Poll::Ready(Some(Err(BodyError::Revoked)));
            }
            let Some(incoming) = self.incoming.as_mut().filter(|_| !self.has_ended) else {
                return Poll::Ready(None);
            };
            match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing that we would want to know.
                    let Ok(piece) = frame.into_data() else { continue };
                    self.received(piece.len() as u64);
                    return Poll::Ready(Some(Ok(piece)));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.receipt.is_broken.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(BodyError::Broken(error.to_string()))));
                }
                Poll::Ready(None) => {
                    self.has_ended = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => return self.poll_overdue(cx).map(|error| Some(Err(error))),
            }
        }
    }

    fn received(&mut self, bytes: u64) {
        let now = clock::now();
        self.floor.received(now, bytes);
        self.received_bytes += bytes;
        self.receipt.received_bytes.store(self.received_bytes, Ordering::Relaxed);
        self.counters.received_bytes.add(bytes);
        self.patience.lock().unwrap_or_else(PoisonError::into_inner).body_progressed(now);
    }

    /// Whether the sender is too slow; if not, this task is woken when it may be, or when a pass
    /// is to be looked at again.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let until = clock::instant(self.floor.waits(clock::now()));
        let until = if self.passes.is_empty() {
            until
        } else {
            until.min(tokio::time::Instant::now() + Pass::LOOK_AGAIN)
        };
        let mut timer =
            self.timer.take().unwrap_or_else(|| Box::pin(tokio::time::sleep_until(until)));
        timer.as_mut().reset(until);
        let overdue = loop {
            if timer.as_mut().poll(cx).is_pending() {
                break Poll::Pending;
            }
            if self.is_revoked() {
                break Poll::Ready(BodyError::Revoked);
            }
            if self.floor.is_overdue(clock::now()) {
                self.counters.overdue.add(1);
                break Poll::Ready(BodyError::Slow);
            }
            timer.as_mut().reset(tokio::time::Instant::now() + Pass::LOOK_AGAIN);
        };
        self.timer = Some(timer);
        overdue
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.has_ended {
            *self.receipt.left.lock().unwrap_or_else(PoisonError::into_inner) =
                self.incoming.take();
        }
    }
}
