//! One request from its head to the last byte of its answer: it is counted, timed and logged
//! here, whichever way it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use sockeye_proto::http::patience::Patience;

use crate::activity::Activity;
use crate::clock;
use crate::metrics::ServiceCounters;
use crate::request_log::{Record, RequestLog};

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
}

/// A request that is being answered. When it is dropped, the request is over.
#[derive(Debug)]
pub struct Exchange {
    books: Arc<Books>,
    patience: Arc<Mutex<Patience>>,
    status: u16,
    sent_bytes: u64,
    /// Bytes that a complete answer has.
    promised_bytes: u64,
    failure: Option<String>,
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
        asked: impl FnOnce() -> Vec<u8>,
    ) -> Self {
        patience.lock().unwrap_or_else(PoisonError::into_inner).request_begun(clock::now());
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
            status: 0,
            sent_bytes: 0,
            promised_bytes: 0,
            failure: None,
            line,
        }
    }

    /// The answer's head is known.
    pub(super) fn answered(&mut self, status: u16, promised_bytes: u64) {
        self.status = status;
        self.promised_bytes = promised_bytes;
    }

    /// Bytes of the body were handed over.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.sent_bytes += bytes;
    }

    /// The body broke.
    pub(super) fn failed(&mut self, error: &io::Error) {
        self.failure = Some(error.to_string());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner).request_ended(clock::now());
        self.books.activity.ended();
        self.books.counters.answered(self.status, self.sent_bytes);
        let Some(line) = self.line.take() else { return };
        let gone = || {
            let missing = self.sent_bytes < self.promised_bytes;
            missing.then(|| format!("the peer left after {} bytes", self.sent_bytes))
        };
        self.books.log.record(Record {
            at: line.at,
            wire: self.books.wire,
            peer: line.peer,
            asked: line.asked,
            status: self.status,
            sent_bytes: self.sent_bytes,
            took: line.begun.elapsed(),
            note: self.failure.take().or_else(gone),
        });
    }
}
