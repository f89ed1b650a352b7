//! A server with one room, on any driver, and its callers.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sockeye_engine::drive::{
    Bounds, Driver, Hall, HallLimits, Serve, SharedService, Work, Worker, single, tasks, threads,
};
use sockeye_engine::gate::{ClientLimits, Gate};
use sockeye_engine::listen::{Bound, Door, IpVersion, bind_tcp};
use sockeye_engine::metrics::ServiceCounters;
use sockeye_engine::stop::Stop;
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::machine::{Fault, Member};
use tokio::runtime::Runtime;

use super::room::{Alive, Note, Room, Talker};

/// Longer than anything here takes; who waits this long has met a hang. A connection on which
/// nothing moves is given up after twice as long, so that nothing here passes by that.
pub(crate) const HANG: Duration = Duration::from_secs(30);

/// Runs a test on each driver.
pub(crate) fn on_each_driver(test: impl Fn(Driver)) {
    for driver in [Driver::Tasks, Driver::Threads, Driver::Single] {
        test(driver);
    }
}

/// The service: notes go to the test.
#[derive(Debug)]
pub(crate) struct Rooms {
    alive: Arc<Alive>,
    notes: Mutex<Sender<Note>>,
    /// What the owner waits for before it goes on from a `hold`.
    release: Mutex<Receiver<()>>,
}

impl SharedService for Rooms {
    type Shared = Room;
    type Machine = Talker;
    type Worker = Silent;

    fn open(&self, _: SocketAddr, _: Member) -> (Talker, Silent) {
        (Talker::new(&self.alive), Silent)
    }

    fn happened(&self, note: Note) {
        let is_hold = note == Note::Held;
        let _ = self.notes.lock().unwrap().send(note);
        if is_hold {
            let _ = self.release.lock().unwrap().recv_timeout(HANG);
        }
    }
}

/// A worker with nothing to do.
#[derive(Debug)]
pub(crate) struct Silent;

impl Worker<Talker> for Silent {
    fn perform(&mut self, never: Infallible) -> Work<Infallible> {
        match never {}
    }

    fn happened(&mut self, (): ()) {}

    fn finish(self, _: Fault) {}
}

/// Sockets that are served, by whatever driver.
pub(crate) struct Server {
    pub(crate) addresses: Vec<SocketAddr>,
    stop: Stop,
    runtime: Runtime,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Server {
    pub(crate) fn start<S: Serve>(driver: Driver, listeners: usize, service: Arc<S>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).enable_all().build().unwrap();
        let bound: Vec<Bound> = (0..listeners)
            .flat_map(|_| bind_tcp("127.0.0.1", 0, IpVersion::Any).unwrap())
            .collect();
        let addresses = bound.iter().map(|one| one.address).collect();
        let stop = Stop::new().unwrap();
        let limits = ClientLimits { max_clients: None, max_per_address: None };
        let counters = Arc::new(ServiceCounters::default());
        let door = Door { gate: Gate::new(limits), stop: stop.clone(), counters };
        let bounds = Bounds { idle: IdleTimeout::None, door };
        let mut threads = Vec::new();
        match driver {
            Driver::Tasks => {
                for one in bound {
                    runtime.spawn(tasks::serve(one, Arc::clone(&service), bounds.clone()));
                }
            }
            Driver::Threads => {
                for one in bound {
                    let (service, bounds) = (Arc::clone(&service), bounds.clone());
                    let serve = move || threads::serve(one, &service, &bounds);
                    threads.push(std::thread::spawn(serve));
                }
            }
            Driver::Single => {
                let serve = move || single::serve(bound, Vec::new(), service, bounds);
                threads.push(std::thread::spawn(serve));
            }
        }
        Self { addresses, stop, runtime, threads }
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop.ask();
    }

    /// Everything ends, and with it what was started for it.
    pub(crate) fn end(self) {
        self.stop.ask();
        let left = self.runtime.block_on(self.stop.drained(HANG));
        assert_eq!(left, 0, "something still runs after the stop");
        for thread in self.threads {
            thread.join().unwrap().unwrap();
        }
    }
}

/// A room that is served.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) alive: Arc<Alive>,
    notes: Receiver<Note>,
    release: Sender<()>,
}

impl House {
    pub(crate) fn start(driver: Driver, listeners: usize, limits: HallLimits) -> Self {
        let alive = Arc::new(Alive::default());
        let (sender, notes) = channel();
        let (release, released) = channel();
        let rooms = Rooms {
            alive: Arc::clone(&alive),
            notes: Mutex::new(sender),
            release: Mutex::new(released),
        };
        let hall = Hall::new(rooms, Room::new(&alive), limits);
        let server = Server::start(driver, listeners, Arc::new(hall));
        Self { server, alive, notes, release }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addresses[0]
    }

    /// The next thing that happened in the room.
    pub(crate) fn note(&self) -> Note {
        let note = self.notes.recv_timeout(HANG).expect("something happens in the room");
        assert!(!matches!(note, Note::Broken(_)), "{note:?}");
        note
    }

    /// The next thing that happened in the room, if it has happened already.
    pub(crate) fn poll_note(&self) -> Option<Note> {
        let note = self.notes.try_recv().ok()?;
        assert!(!matches!(note, Note::Broken(_)), "{note:?}");
        Some(note)
    }

    /// A caller who is in the room.
    pub(crate) fn join(&self) -> (Caller, Member) {
        let caller = Caller::connect(self.address());
        match self.note() {
            Note::Joined(member) => (caller, member),
            other => panic!("{other:?} instead of a joining"),
        }
    }

    /// Lets the owner go on from a `hold`.
    pub(crate) fn release(&self) {
        self.release.send(()).unwrap();
    }

    /// Stops, waits for everything to end, and returns what is left of the notes.
    pub(crate) fn end(self) -> Vec<Note> {
        self.server.end();
        // A listener's task may be dropped a moment after it has ended.
        let notes: Vec<Note> = std::iter::from_fn(|| match self.notes.recv_timeout(HANG) {
            Ok(note) => Some(note),
            Err(error) => {
                assert_eq!(error, RecvTimeoutError::Disconnected, "somebody holds on to the room");
                None
            }
        })
        .collect();
        assert!(!notes.iter().any(|note| matches!(note, Note::Broken(_))), "{notes:?}");
        assert_eq!(self.alive.bytes(), 0, "nobody holds on to a line");
        notes
    }
}

/// Somebody in the room.
pub(crate) struct Caller {
    pub(crate) stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Caller {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_write_timeout(Some(HANG)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn hear_lines(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.hear()).collect()
    }

    /// Everything until the connection ends; whether it ended in order, and not by a reset.
    pub(crate) fn hear_to_the_end(&mut self) -> (Vec<u8>, bool) {
        let mut heard = Vec::new();
        match self.reader.read_to_end(&mut heard) {
            Ok(_) => (heard, true),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => (heard, false),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}
