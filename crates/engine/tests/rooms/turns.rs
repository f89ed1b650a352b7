//! Of a machine that waits for a worker's answer, the peer is not read.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye_engine::drive::{StreamService, Work, Worker};
use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick, Ticket};

use super::house::{Caller, HANG, Server, on_each_driver};

/// Asks about what begins with a question mark; says everything else back.
#[derive(Debug, Default)]
struct Asks {
    tickets: u64,
    asking: Option<Ticket>,
    outputs: VecDeque<Output<(), &'static str, std::convert::Infallible>>,
}

impl Machine for Asks {
    type Question = ();
    type Answer = ();
    type Event = &'static str;
    type Tell = std::convert::Infallible;
    type Told = std::convert::Infallible;

    fn handle(&mut self, _: Tick, input: Input<'_, ()>) {
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
            Input::Bytes(bytes) => self.outputs.push_back(Output::Transmit(bytes.to_vec())),
            Input::End => self.outputs.push_back(Output::Close(Fault::Nobody)),
            Input::Answer(ticket, ()) => {
                assert_eq!(self.asking.take(), Some(ticket));
                self.outputs.push_back(Output::Transmit(b"answer\n".to_vec()));
            }
            Input::Told(never) => match *never {},
            Input::Time => {}
        }
    }

    fn poll(&mut self) -> Output<(), &'static str> {
        self.outputs.pop_front().unwrap_or(Output::Wait(None))
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
    type Machine = Asks;
    type Worker = Slow;

    fn open(&self, _: SocketAddr) -> (Asks, Slow) {
        let notes = self.notes.lock().unwrap().clone();
        (Asks::default(), Slow { notes, release: Arc::clone(&self.release) })
    }
}

impl Worker<Asks> for Slow {
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

#[test]
fn while_a_worker_is_busy_its_peer_is_not_read_and_others_are() {
    on_each_driver(|driver| {
        let (notes, noted) = channel();
        let (release, released) = channel();
        let release_it = || release.send(()).unwrap();
        let note = || noted.recv_timeout(HANG).unwrap();
        let released = Arc::new(Mutex::new(released));
        let service = Slows { notes: Mutex::new(notes), release: released };
        let server = Server::start(driver, 1, Arc::new(service));
        let mut asks = Caller::connect(server.addresses[0]);
        let mut other = Caller::connect(server.addresses[0]);
        asks.say("?\n");
        assert_eq!(note(), "asks", "{driver:?}");
        asks.say("more\n");
        // Whatever the driver would do about that, it has done when it has served another.
        for _ in 0..100 {
            other.say("x\n");
            assert_eq!(other.hear(), "x\n", "{driver:?}");
        }
        release_it();
        assert_eq!(asks.hear_lines(2), ["answer\n", "more\n"], "{driver:?}");
        // The peer hangs up while the worker is busy: that shows itself after the answer.
        asks.say("?\n");
        assert_eq!(note(), "asks", "{driver:?}");
        socket2::SockRef::from(&asks.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(asks);
        for _ in 0..100 {
            other.say("x\n");
            assert_eq!(other.hear(), "x\n", "{driver:?}");
        }
        release_it();
        assert_eq!(note(), "finished", "{driver:?}");
        drop(other);
        server.end();
    });
}
