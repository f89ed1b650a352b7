//! All conversations on one thread, with an event loop (epoll), and one store thread beside it for
//! what may block.
//!
//! The classic server without threads. [`slot`] is one conversation: its machine, what waits to be
//! written, its deadline. A peer that does not take its answers is not read from. The owner of what
//! conversations share has its turn after those that were ready, and those that it called have
//! theirs after it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use sockeye_proto::machine::Tick;

use self::slot::{Done, Job, Slot, Stand};
use super::conversation::Conversation;
use super::link::{Link as _, Own, Serve};
use super::{Bounds, READ_BYTES};
use crate::clock;
use crate::datagram::serve::AnyPort;
use crate::gate::Full;
use crate::listen::{self, BACK_OFF_MAX, Bound, is_exhaustion};

mod slot;

/// How many events one look at epoll brings at most.
const EVENTS_MAX: usize = 256;
/// How many callers one look at a listener lets in, so that the others are not kept waiting.
const ACCEPTS_MAX: usize = 64;

const STOP: u64 = 0;
const STORE: u64 = 1;
/// Listeners, then datagram ports, then conversations: a key is never used twice.
const FIRST_LISTENER: u64 = 2;

/// Serves on all bound sockets until the stop is asked for and the last conversation is over. What
/// conversations share is owned by this loop, so that all its sockets have to be here.
pub fn serve<S: Serve>(
    bound: Vec<Bound>,
    ports: Vec<Box<dyn AnyPort>>,
    service: Arc<S>,
    bounds: Bounds,
) -> io::Result<()> {
    let token = bounds.door.stop.token();
    let mut events = EventLoop::new(bound, ports, service, bounds)?;
    let outcome = events.run();
    drop(token);
    outcome
}

struct EventLoop<S: Serve> {
    poll: OwnedFd,
    /// None of them any more once it is to stop: who comes then is refused.
    listeners: Vec<Bound>,
    /// The key of the first datagram port; those of the listeners stand before it.
    first_port: u64,
    ports: Vec<Box<dyn AnyPort>>,
    /// Until when nothing is accepted, because descriptors or memory ran out.
    backing_off: Option<Tick>,
    service: Arc<S>,
    bounds: Bounds,
    slots: HashMap<u64, Box<Slot<S>>, BuildHasherDefault<KeyHasher>>,
    /// One for each conversation that waits for time, of when it is due or earlier.
    timers: BTreeSet<(Tick, u64)>,
    /// What is read is handed to its machine before anything else is read.
    buffer: Box<[u8]>,
    next_key: u64,
    store: Store<S>,
    owner: Option<S::Owner>,
    called: Arc<Called>,
    is_stopping: bool,
}

/// Spreads keys, which nobody outside chooses, over all bits of the hash: by the golden ratio
/// (Knuth, The Art of Computer Programming, volume 3, section 6.4).
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = (self.0 ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The conversations that were called by the owner of what they share, or by each other.
#[derive(Default)]
struct Called {
    keys: Mutex<Vec<u64>>,
}

impl Called {
    fn take(&self) -> Vec<u64> {
        std::mem::take(&mut *self.lock())
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls one conversation. Whoever calls is on the loop's own thread, so that the loop need not be
/// woken.
struct Caller {
    key: u64,
    called: Arc<Called>,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.called.lock().push(self.key);
    }
}

/// The thread for what may block.
struct Store<S: Serve> {
    jobs: Sender<(u64, Job<S>)>,
    done: Receiver<(u64, Done<S>)>,
    bell: Arc<OwnedFd>,
}

impl<S: Serve> Store<S> {
    fn start() -> io::Result<Self> {
        let (jobs, todo) = channel::<(u64, Job<S>)>();
        let (finished, done) = channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let rings = Arc::clone(&bell);
        std::thread::Builder::new().name("store".into()).spawn(move || {
            while let Ok((key, job)) = todo.recv() {
                if finished.send((key, job())).is_err() {
                    return;
                }
                // It counts up to 2^64, so that it cannot be full.
                let _ = rustix::io::write(&*rings, &1_u64.to_ne_bytes());
            }
        })?;
        Ok(Self { jobs, done, bell })
    }
}

impl<S: Serve> EventLoop<S> {
    fn new(
        bound: Vec<Bound>,
        ports: Vec<Box<dyn AnyPort>>,
        service: Arc<S>,
        bounds: Bounds,
    ) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let store = Store::start()?;
        watch(&poll, bounds.door.stop.bell(), STOP, EventFlags::IN)?;
        watch(&poll, store.bell.as_fd(), STORE, EventFlags::IN)?;
        for (key, one) in (FIRST_LISTENER..).zip(&bound) {
            watch(&poll, one.socket.as_fd(), key, EventFlags::IN)?;
        }
        let first_port = FIRST_LISTENER + bound.len() as u64;
        for (key, port) in (first_port..).zip(&ports) {
            watch(&poll, port.socket(), key, EventFlags::IN)?;
        }
        let next_key = first_port + ports.len() as u64;
        let owner = service.owner();
        if S::Link::IS_SHARED && owner.is_none() {
            let text = "one event loop has to serve all sockets of what is shared";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            poll,
            listeners: bound,
            first_port,
            ports,
            backing_off: None,
            service,
            bounds,
            slots: HashMap::default(),
            timers: BTreeSet::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            next_key,
            store,
            owner,
            called: Arc::default(),
            is_stopping: false,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        while !self.is_over() {
            let wake = self.wake();
            wait(&self.poll, &mut events, wake)?;
            for event in events.drain(..) {
                self.ready(event.data.u64(), event.flags);
            }
            self.timers_due();
            self.owner_turn();
        }
        Ok(())
    }

    fn is_over(&mut self) -> bool {
        self.is_stopping && self.slots.is_empty() && self.owner.as_mut().is_none_or(Own::is_over)
    }

    /// When there is something to do that no descriptor tells.
    fn wake(&mut self) -> Option<Tick> {
        let mut owner_deadline = None;
        if let Some(owner) = &mut self.owner {
            if owner.poll_work(Waker::noop()).is_ready() || !self.called.is_empty() {
                return Some(Tick::START);
            }
            owner_deadline = owner.deadline();
        }
        let timer = self.timers.first().map(|(tick, _)| *tick);
        [timer, self.backing_off, owner_deadline].into_iter().flatten().min()
    }

    /// Lets the owner take in what waits for it, and then whom it called.
    fn owner_turn(&mut self) {
        let Some(owner) = &mut self.owner else { return };
        if owner.poll_work(Waker::noop()).is_ready() {
            owner.turn();
        }
        owner.time();
        for key in self.called.take() {
            self.settle(key, |_, _| {});
        }
    }

    fn ready(&mut self, key: u64, flags: EventFlags) {
        match key {
            STOP => self.begin_to_stop(),
            STORE => self.take_finished(),
            key if key < self.first_port => {
                self.accept((key - FIRST_LISTENER) as usize);
            }
            key if key < self.first_conversation() => self.answer_datagrams(key),
            key => self.settle(key, |slot, buffer| slot.ready(flags, buffer)),
        }
    }

    fn first_conversation(&self) -> u64 {
        self.first_port + self.ports.len() as u64
    }

    /// What is left waits for the next look, so that conversations have their turn too.
    fn answer_datagrams(&mut self, key: u64) {
        if !self.is_stopping {
            self.ports[(key - self.first_port) as usize].answer_batches();
        }
    }

    fn accept(&mut self, listener: usize) {
        for _ in 0..ACCEPTS_MAX {
            if self.is_stopping || self.backing_off.is_some() {
                return;
            }
            match self.listeners[listener].socket.accept() {
                Ok((stream, peer)) => self.let_in(stream, peer),
                Err(error) if is_exhaustion(&error) => {
                    self.bounds.door.counters.accept_failures.add(1);
                    self.mind_listeners(EventFlags::empty());
                    self.backing_off = Some(clock::now() + BACK_OFF_MAX);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The caller was gone before we looked.
                Err(_) => {}
            }
        }
    }

    fn let_in(&mut self, stream: TcpStream, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let door = &self.bounds.door;
        let place = match door.gate.enter(peer.ip()) {
            Ok(place) => place,
            Err(full) => {
                door.counters.refused.add(1);
                return refuse(stream, &full);
            }
        };
        door.counters.connections.add(1);
        listen::prepare(&stream);
        let key = self.next_key;
        self.next_key += 1;
        let talk = Conversation::begin(&*self.service, peer);
        let waker = if S::Link::IS_SHARED {
            Waker::from(Arc::new(Caller { key, called: Arc::clone(&self.called) }))
        } else {
            Waker::noop().clone()
        };
        self.slots.insert(key, Box::new(Slot::new(stream, talk, place, waker)));
        self.settle(key, |_, _| {});
    }

    /// Tells a conversation what happened, lets it go on as far as it can, and remembers what it
    /// waits for. It may be over meanwhile.
    fn settle(&mut self, key: u64, tell: impl FnOnce(&mut Slot<S>, &mut [u8])) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        tell(slot, &mut self.buffer);
        if let Stand::Waits { interest, until, job } = slot.go_on(&self.bounds, self.is_stopping) {
            if let Some(job) = job {
                // The store thread ends only with this loop.
                let _ = self.store.jobs.send((key, job));
            }
            slot.until = until;
            if mind(&self.poll, key, slot, interest).is_ok() {
                set_timer(&mut self.timers, key, slot);
                return;
            }
        }
        if let Some(slot) = self.slots.remove(&key) {
            if let Some(timer) = slot.timer {
                self.timers.remove(&(timer, key));
            }
            slot.finish();
        }
    }

    fn timers_due(&mut self) {
        let now = clock::now();
        if self.backing_off.is_some_and(|until| until <= now) {
            self.backing_off = None;
            self.mind_listeners(EventFlags::IN);
        }
        while let Some((tick, key)) = self.timers.first().copied().filter(|(tick, _)| *tick <= now)
        {
            self.timers.remove(&(tick, key));
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            slot.timer = None;
            if slot.until.is_some_and(|until| until <= now) {
                self.settle(key, |slot, _| slot.time(now));
            } else {
                set_timer(&mut self.timers, key, slot);
            }
        }
    }

    fn take_finished(&mut self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.store.bell, &mut count);
        while let Ok((key, done)) = self.store.done.try_recv() {
            self.settle(key, |slot, _| slot.done(done));
        }
    }

    /// Stops accepting, and ends the conversations that wait for their peers.
    fn begin_to_stop(&mut self) {
        if self.is_stopping {
            return;
        }
        self.is_stopping = true;
        self.listeners.clear();
        let _ = epoll::delete(&self.poll, self.bounds.door.stop.bell());
        for port in &self.ports {
            let _ = epoll::delete(&self.poll, port.socket());
        }
        let keys: Vec<u64> = self.slots.keys().copied().collect();
        for key in keys {
            self.settle(key, |_, _| {});
        }
    }

    fn mind_listeners(&self, flags: EventFlags) {
        for (key, one) in (FIRST_LISTENER..).zip(&self.listeners) {
            let _ = epoll::modify(&self.poll, &one.socket, EventData::new_u64(key), flags);
        }
    }
}

/// Watches a conversation's socket for this and no more. epoll tells of a hang-up whatever it was
/// asked for, so who wants nothing is not watched.
fn mind<S: Serve>(
    poll: &OwnedFd,
    key: u64,
    slot: &mut Slot<S>,
    interest: EventFlags,
) -> io::Result<()> {
    let before = std::mem::replace(&mut slot.interest, interest);
    match (before.is_empty(), interest.is_empty()) {
        _ if before == interest => {}
        (true, _) => watch(poll, slot.stream().as_fd(), key, interest)?,
        (false, true) => epoll::delete(poll, slot.stream())?,
        (false, false) => {
            epoll::modify(poll, slot.stream(), EventData::new_u64(key), interest)?;
        }
    }
    Ok(())
}

/// Sets a conversation's timer where its deadline came nearer. One that was put off, as with every
/// byte of a peer, is looked at when the timer rings.
fn set_timer<S: Serve>(timers: &mut BTreeSet<(Tick, u64)>, key: u64, slot: &mut Slot<S>) {
    let Some(until) = slot.until else { return };
    if let Some(timer) = slot.timer {
        if timer <= until {
            return;
        }
        timers.remove(&(timer, key));
    }
    timers.insert((until, key));
    slot.timer = Some(until);
}

/// Says why, and closes. The text fits any socket's buffer; whether it arrives is the peer's
/// affair.
fn refuse(mut stream: TcpStream, full: &Full) {
    use std::io::Write as _;
    let _ = stream.write_all(format!("{full}\n").as_bytes());
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

fn watch(poll: &OwnedFd, what: BorrowedFd<'_>, key: u64, flags: EventFlags) -> io::Result<()> {
    epoll::add(poll, what, EventData::new_u64(key), flags)?;
    Ok(())
}

/// epoll_wait(2) with a deadline; a signal does not end it.
fn wait(poll: &OwnedFd, events: &mut Vec<epoll::Event>, until: Option<Tick>) -> io::Result<()> {
    loop {
        let left = until.map(|until| until.since(clock::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        events.clear();
        match epoll::wait(poll, rustix::buffer::spare_capacity(events), left.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}
