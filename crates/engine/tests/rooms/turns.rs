//! Whose turn it is: while a worker is busy the peer is not read, while the peer does not read no
//! time is told, and a peer that never pauses does not keep the time from being told.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye_engine::drive::{Driver, StreamService, Work, Worker};
use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick, Ticket};

use super::house::{Caller, HANG, Server, on_each_driver};

/// What a tick of `!` says.
const TICK_BYTES: usize = 64 * 1024;
/// More than sockets hold on loopback.
const SOCKETS_BYTES: usize = 24 * 1024 * 1024;

/// Odd about `?`; after `!` says a lot at every tick of a clock that ticks always; after `%` says
/// once that a short time has passed, and nothing else. Says everything else back.
#[derive(Debug, Default)]
struct Odd {
    tickets: u64,
    asking: Option<Ticket>,
    ticks: bool,
    deadline: Option<Tick>,
    swallows: bool,
    outputs: VecDeque<Output<(), &'static str, std::convert::Infallible>>,
}

impl Machine for Odd {
    type Question = ();
    type Answer = ();
    type Event = &'static str;
    type Tell = std::convert::Infallible;
    type Told = std::convert::Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, ()>) {
        match input {
            Input::Bytes(_) | Input::End if self.asking.is_some() => {
                self.outputs.push_back(Output::Happened("was read too early"));
            }
            Input::Bytes(bytes) if bytes.starts_with(b"?") => {
                let ticket = Ticket(self.tickets);
                self.tickets += 1;
                self.asking = Some(ticket);
                self.outputs.push_back(Output::Happened("asks"));
                self.outputs.push_back(Output::Ask(ticket, ()));
            }
            // Slower than a peer can write, so that there is always more to read.
            Input::Bytes(bytes) if self.swallows => {
                for _ in 0..20 {
                    std::hint::black_box(bytes.iter().fold(0_u8, |sum, byte| sum ^ byte));
                }
            }
            Input::Bytes(bytes) if bytes.starts_with(b"%") => {
                self.swallows = true;
                self.deadline = Some(now + Duration::from_millis(5));
            }
            Input::Bytes(bytes) if bytes.starts_with(b"!") => {
                self.ticks = true;
                self.deadline = Some(now);
            }
            Input::Bytes(bytes) => self.outputs.push_back(Output::Transmit(bytes.to_vec())),
            Input::End => self.outputs.push_back(Output::Close(Fault::Nobody)),
            Input::Answer(ticket, ()) => {
                assert_eq!(self.asking.take(), Some(ticket));
                self.outputs.push_back(Output::Transmit(b"answer\n".to_vec()));
            }
            Input::Told(never) => match *never {},
            Input::Time if self.deadline.is_some_and(|deadline| deadline <= now) => {
                if self.ticks {
                    self.deadline = Some(now + Duration::from_nanos(1));
                    self.outputs.push_back(Output::Happened("tick"));
                    self.outputs.push_back(Output::Transmit(vec![b'x'; TICK_BYTES]));
                } else {
                    self.deadline = None;
                    self.outputs.push_back(Output::Transmit(b"time\n".to_vec()));
                }
            }
            Input::Time => {}
        }
    }

    fn poll(&mut self) -> Output<(), &'static str> {
        self.outputs.pop_front().unwrap_or(Output::Wait(self.deadline))
    }
}

/// Answers when the test says so.
struct Slow {
    notes: Sender<&'static str>,
    release: Arc<Mutex<Receiver<()>>>,
}

struct Slows {
    notes: Mutex<Sender<&'static str>>,
    release: Arc<Mutex<Receiver<()>>>,
}

impl StreamService for Slows {
    type Machine = Odd;
    type Worker = Slow;

    fn open(&self, _: SocketAddr) -> (Odd, Slow) {
        let notes = self.notes.lock().unwrap().clone();
        (Odd::default(), Slow { notes, release: Arc::clone(&self.release) })
    }
}

impl Worker<Odd> for Slow {
    fn perform(&mut self, (): ()) -> Work<()> {
        let release = Arc::clone(&self.release);
        Work::Blocking(Box::new(move || {
            let _ = release.lock().unwrap().recv_timeout(HANG);
        }))
    }

    fn happened(&mut self, note: &'static str) {
        let _ = self.notes.send(note);
    }

    fn finish(self, _: Fault) {
        let _ = self.notes.send("finished");
    }
}

/// A server of such machines, what they note, and what lets a busy worker go on.
fn start(driver: Driver) -> (Server, Receiver<&'static str>, Sender<()>) {
    let (notes, noted) = channel();
    let (release, released) = channel();
    let released = Arc::new(Mutex::new(released));
    let service = Slows { notes: Mutex::new(notes), release: released };
    (Server::start(driver, 1, Arc::new(service)), noted, release)
}

/// Whatever a driver would do at once for one caller, it has done when it has served another.
fn serve_another(other: &mut Caller, times: usize) {
    for _ in 0..times {
        other.say("x\n");
        assert_eq!(other.hear(), "x\n");
    }
}

#[test]
fn while_a_worker_is_busy_its_peer_is_not_read_and_others_are() {
    on_each_driver(|driver| {
        let (server, noted, release) = start(driver);
        let note = || noted.recv_timeout(HANG).unwrap();
        let mut asks = Caller::connect(server.addresses[0]);
        let mut other = Caller::connect(server.addresses[0]);
        asks.say("?\n");
        assert_eq!(note(), "asks", "{driver:?}");
        asks.say("more\n");
        serve_another(&mut other, 100);
        release.send(()).unwrap();
        assert_eq!(asks.hear_lines(2), ["answer\n", "more\n"], "{driver:?}");
        // The peer hangs up while the worker is busy: that shows itself after the answer.
        asks.say("?\n");
        assert_eq!(note(), "asks", "{driver:?}");
        socket2::SockRef::from(&asks.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(asks);
        serve_another(&mut other, 100);
        release.send(()).unwrap();
        assert_eq!(note(), "finished", "{driver:?}");
        drop(other);
        server.end();
    });
}

#[test]
fn while_a_peer_does_not_read_its_machines_deadlines_do_not_pile_up() {
    on_each_driver(|driver| {
        let (server, noted, _release) = start(driver);
        let mut deaf = Caller::connect(server.addresses[0]);
        let mut other = Caller::connect(server.addresses[0]);
        deaf.say("!");
        assert_eq!(noted.recv_timeout(HANG), Ok("tick"), "{driver:?}");
        serve_another(&mut other, 2 * SOCKETS_BYTES / TICK_BYTES);
        let ticks = 1 + noted.try_iter().count();
        assert!(ticks * TICK_BYTES <= SOCKETS_BYTES, "{driver:?}: {ticks} ticks");
        drop((deaf, other));
        server.end();
    });
}

#[test]
fn a_deadline_comes_also_while_the_peer_never_pauses() {
    on_each_driver(|driver| {
        let (server, _noted, _release) = start(driver);
        let mut caller = Caller::connect(server.addresses[0]);
        caller.say("%");
        let mut mouth = caller.stream.try_clone().unwrap();
        let flood = vec![b'x'; 65_536];
        let floods = std::thread::spawn(move || while mouth.write_all(&flood).is_ok() {});
        assert_eq!(caller.hear(), "time\n", "{driver:?}");
        caller.stream.shutdown(Shutdown::Both).unwrap();
        floods.join().unwrap();
        drop(caller);
        server.end();
    });
}
