//! Threads on which connections are served, each with an event loop of its own.
//!
//! A connection stays on the thread that it was given to. Nothing that it does wakes another one,
//! and no two threads take work from one queue: for short requests that costs more than the
//! requests themselves. A connection goes to whichever thread has the fewest.

use std::future::Future;
use std::io;
use std::net::TcpStream as StdTcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::stop::Stop;

/// The threads; see the [module](self). They end when this is dropped.
#[derive(Debug)]
pub struct Workers {
    crew: Vec<Worker>,
    /// Who is asked first of those that have equally many.
    next: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// Dropped to end it.
    _ends: oneshot::Sender<()>,
}

/// A connection's place on its thread.
struct Here(Arc<AtomicUsize>);

impl Workers {
    /// One thread for each core that this process may use.
    pub fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let crew = (0..cores).map(|_| Worker::start()).collect::<io::Result<_>>()?;
        Ok(Self { crew, next: AtomicUsize::new(0) })
    }

    /// Serves a connection on one of the threads, as a task that draining waits for.
    pub fn serve<F>(
        &self,
        stop: &Stop,
        stream: StdTcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        let Some(worker) = self.least_busy() else { return };
        let here = Here::take(&worker.connections);
        let task = async move {
            // It fails only where this process is out of descriptors or memory; the peer is closed.
            if let Ok(stream) = TcpStream::from_std(stream) {
                serve(stream).await;
            }
            drop(here);
        };
        stop.track_on(task, &worker.runtime);
    }

    fn least_busy(&self) -> Option<&Worker> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..self.crew.len()).map(|i| &self.crew[(first + i) % self.crew.len()]);
        in_turn.min_by_key(|worker| worker.connections.load(Ordering::Relaxed))
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().thread_name("sockeye").build()?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel();
        thread::Builder::new().name("sockeye".into()).spawn(move || {
            let _ = runtime.block_on(ended);
            // What still hangs in a disk read keeps nobody.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, connections: Arc::default(), _ends: ends })
    }
}

impl Here {
    fn take(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn connections_go_to_the_thread_that_has_the_fewest_and_stay_there() {
        let workers = Workers::start().unwrap();
        let stop = Stop::new().unwrap();
        let by_thread: Arc<Mutex<HashMap<thread::ThreadId, usize>>> = Arc::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let clients = 4 * workers.crew.len();
        let (release, _) = tokio::sync::broadcast::channel::<()>(1);
        for _ in 0..clients {
            let _client = StdTcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let (by_thread, mut released) = (Arc::clone(&by_thread), release.subscribe());
            workers.serve(&stop, stream, move |_stream| async move {
                let before = thread::current().id();
                let _ = released.recv().await;
                assert_eq!(thread::current().id(), before);
                *by_thread.lock().unwrap().entry(before).or_default() += 1;
            });
        }
        let _ = release.send(());
        stop.ask();
        assert_eq!(stop.drained(Duration::from_mins(1)).await, 0);
        let shares: Vec<usize> = by_thread.lock().unwrap().values().copied().collect();
        assert_eq!(shares, vec![4; workers.crew.len()]);
    }
}
