//! Whether anybody has asked for anything lately: what `--exit-after-idle` waits for.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_proto::machine::Tick;

use crate::clock;

/// Requests that are open, and when the last one ended.
#[derive(Debug)]
pub struct Activity {
    open: AtomicUsize,
    last_ns: AtomicU64,
}

impl Activity {
    /// Nothing open; the last thing happened now.
    pub fn new() -> Self {
        Self { open: AtomicUsize::new(0), last_ns: AtomicU64::new(clock::now().as_ns()) }
    }

    /// A request began.
    pub fn begun(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A request ended, now.
    pub fn ended(&self) {
        self.last_ns.fetch_max(clock::now().as_ns(), Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Release);
    }

    /// A request began and ended at once.
    pub fn touch(&self) {
        self.touch_at(clock::now());
    }

    /// The same, where it is known when that was.
    pub fn touch_at(&self, now: Tick) {
        self.last_ns.fetch_max(now.as_ns(), Ordering::Relaxed);
    }

    /// How many requests are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until no request has been open for `span`.
    pub async fn idle_for(&self, span: Duration) {
        loop {
            let quiet_until = if self.open.load(Ordering::Acquire) > 0 {
                clock::now() + span
            } else {
                Tick::from_ns(self.last_ns.load(Ordering::Relaxed)) + span
            };
            if quiet_until <= clock::now() {
                return;
            }
            tokio::time::sleep_until(clock::instant(quiet_until)).await;
        }
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self::new()
    }
}
