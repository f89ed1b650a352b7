//! One request from its head to the last byte of its answer: it is counted, timed and logged
//! here, whichever way it ends.
//!
//! The body and each piece of it that hyper still holds share the exchange, so that it ends when
//! the last piece has left and not when it was handed over: a slow reader is not idle.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use http::Version;
use sockeye_proto::http::patience::Patience;
use sockeye_proto::text::Direction;

use super::pass::Pass;
use crate::activity::Activity;
use crate::clock;
use crate::metrics::ServiceCounters;
use crate::request_log::{Record, RequestLog};
use crate::trace::Trace;

/// What all exchanges of a service share.
#[derive(Clone, Debug)]
pub struct Books {
    /// The service's counters.
    pub counters: Arc<ServiceCounters>,
    /// Where lines go.
    pub log: RequestLog,
    /// Whether anybody has asked lately.
    pub activity: Arc<Activity>,
    /// The service and wire, for the log.
    pub wire: &'static str,
    /// Who watches the wire, if anybody does.
    pub trace: Option<Trace>,
}

impl Books {
    /// Shows a message to who watches. `meaning` says what it means, and is only asked then.
    pub fn passed(
        &self,
        direction: Direction,
        peer: SocketAddr,
        bytes: &[u8],
        meaning: impl FnOnce() -> String,
    ) {
        if let Some(trace) = &self.trace {
            let scheme = self.wire.rsplit(' ').next().unwrap_or_default();
            trace.passed(direction, (scheme, peer), (bytes, 0), &meaning());
        }
    }
}

/// Among an answer's extensions: what its line in the log should tell besides.
#[derive(Clone, Debug)]
pub struct Remark(pub String);

/// A request that is being answered. When it is dropped, the request is over.
#[derive(Debug)]
pub struct Exchange {
    books: Arc<Books>,
    patience: Arc<Mutex<Patience>>,
    version: Version,
    status: u16,
    sent_bytes: AtomicU64,
    /// Whether the answer is on its way.
    is_answering: bool,
    pass: Option<Pass>,
    /// Bytes that a complete answer has; no number is as large while that is not known.
    promised_bytes: AtomicU64,
    failure: Mutex<Option<String>>,
    line: Option<Line>,
}

/// What is noted at the beginning for the line at the end.
#[derive(Debug)]
struct Line {
    at: SystemTime,
    begun: Instant,
    peer: SocketAddr,
    asked: Vec<u8>,
}

impl Exchange {
    /// A request's head is complete.
    pub(super) fn begin(
        books: &Arc<Books>,
        patience: &Arc<Mutex<Patience>>,
        peer: SocketAddr,
        version: Version,
        asked: impl FnOnce() -> Vec<u8>,
    ) -> Self {
        patience.lock().unwrap_or_else(PoisonError::into_inner).request_begun(clock::coarse());
        books.activity.begun();
        let line = books.log.is_on().then(|| Line {
            at: SystemTime::now(),
            begun: Instant::now(),
            peer,
            asked: asked(),
        });
        Self {
            books: Arc::clone(books),
            patience: Arc::clone(patience),
            version,
            status: 0,
            sent_bytes: AtomicU64::new(0),
            is_answering: false,
            pass: None,
            promised_bytes: AtomicU64::new(0),
            failure: Mutex::new(None),
            line,
        }
    }

    /// The answer's head is known. Its body ends early when its pass is revoked.
    pub(super) fn answered(
        &mut self,
        status: u16,
        promised_bytes: Option<u64>,
        pass: Option<Pass>,
    ) {
        self.status = status;
        self.promised_bytes = promised_bytes.unwrap_or(u64::MAX).into();
        self.pass = pass;
        self.is_answering = true;
        self.patience.lock().unwrap_or_else(PoisonError::into_inner).answer_begun(clock::coarse());
    }

    /// A body whose length nobody knew has so many bytes; its line may have something to tell.
    pub(super) fn is_all(&self, bytes: u64, remark: Option<String>) {
        self.promised_bytes.store(bytes, Ordering::Relaxed);
        if let Some(remark) = remark {
            self.note(remark);
        }
    }

    /// Something that its line should tell.
    pub(super) fn note(&self, what: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    /// The answer says no to a body that was not read to its end.
    pub(super) fn leaves_unread(&self) {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner).leaves_unread();
    }

    /// Whether whom it answers may not be here any more.
    pub(super) fn is_revoked(&self) -> bool {
        self.pass.as_ref().is_some_and(Pass::is_revoked)
    }

    /// Bytes of the body left. On HTTP/2 nothing else is progress: there bytes also leave as
    /// answers to pings.
    pub(super) fn sent(&self, bytes: u64) {
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.version == Version::HTTP_2 {
            let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
            patience.body_progressed(clock::coarse());
        }
    }

    /// The body broke.
    pub(super) fn failed(&self, error: &io::Error) {
        self.note(error.to_string());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        patience.request_ended(clock::coarse(), self.is_answering);
        drop(patience);
        self.books.activity.ended();
        let sent_bytes = self.sent_bytes.load(Ordering::Relaxed);
        self.books.counters.answered(self.status, sent_bytes);
        let Some(line) = self.line.take() else { return };
        let gone = || {
            let missing = sent_bytes < self.promised_bytes.load(Ordering::Relaxed);
            missing.then(|| format!("the peer left after {sent_bytes} bytes"))
        };
        let failure = self.failure.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        self.books.log.record(Record {
            at: line.at,
            wire: self.books.wire,
            peer: line.peer,
            asked: line.asked,
            protocol: Some(match self.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            }),
            status: self.status,
            sent_bytes,
            took: line.begun.elapsed(),
            note: failure.or_else(gone),
        });
    }
}
