//! Ending in good order: stop accepting, tell the peers, drain, go.
//!
//! One [`Stop`] is shared by all listeners and connections of a process. Connections hold a
//! [`Stop::track`]ed task each, so that draining knows when the last one is done.

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A shared switch that goes one way, and a count of what still runs.
#[derive(Clone, Debug)]
pub struct Stop {
    asked: CancellationToken,
    /// The same, to be looked up without a lock.
    is_asked: Arc<AtomicBool>,
    running: TaskTracker,
    /// An eventfd that becomes readable, for who waits in poll(2) or epoll.
    bell: Arc<OwnedFd>,
}

impl Stop {
    /// A switch that nobody has thrown.
    pub fn new() -> std::io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            asked: CancellationToken::new(),
            is_asked: Arc::new(AtomicBool::new(false)),
            running: TaskTracker::new(),
            bell: Arc::new(bell),
        })
    }

    /// Stops accepting and asks every connection to finish.
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
        self.asked.cancel();
        self.running.close();
        // It counts up to 2^64, so that it cannot be full.
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
    }

    /// A descriptor that is readable once [`Stop::ask`] was called, and stays so.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Counts something that runs outside the runtime, until the token is dropped.
    pub fn token(&self) -> TaskTrackerToken {
        self.running.token()
    }

    /// Whether [`Stop::ask`] was called.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// Waits until [`Stop::ask`] is called.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Runs a task that draining waits for.
    pub fn track<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.running.spawn(task);
    }

    /// The same on another event loop than this one.
    pub fn track_on<F>(&self, task: F, runtime: &Handle)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.running.spawn_on(task, runtime);
    }

    /// How many tracked tasks still run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// After [`Stop::ask`]: waits until all tracked tasks have ended, or for `deadline`. Returns
    /// how many still run.
    pub async fn drained(&self, deadline: Duration) -> usize {
        let _ = tokio::time::timeout(deadline, self.running.wait()).await;
        self.running.len()
    }
}

/// Ctrl-C and SIGTERM, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches them. To be made, inside the runtime, before the server says that it is there:
    /// who reads that may end it at once.
    pub fn catch() -> std::io::Result<Self> {
        // A file over this process's limit (`ulimit -f`) would end it. Caught once, for good, the
        // signal leaves it to the write to fail, and that is told to the one who sends the file.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one, throws the switch, and exits the process at once on a second one.
    pub async fn throw(mut self, stop: Stop) {
        self.next().await;
        stop.ask();
        let code = self.next().await;
        std::process::exit(code);
    }

    /// The exit code of who is ended by the next signal.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_ends_with_the_last_task() {
        let stop = Stop::new().unwrap();
        let (release, held) = tokio::sync::oneshot::channel::<()>();
        stop.track(async {
            let _ = held.await;
        });
        stop.ask();
        assert_eq!(stop.drained(Duration::from_millis(1)).await, 1);
        release.send(()).unwrap();
        assert_eq!(stop.drained(Duration::from_mins(1)).await, 0);
    }
}
