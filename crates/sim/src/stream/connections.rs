//! Connections in pairs of ends, run in virtual time.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sockeye_proto::machine::{Member, SharedInput, SharedOutput, Tick, Ticket, Weight};

use super::{Arrived, Does, End, Owner, brief};
use crate::network::{EventQueue, Pipe, PipeRules, Received, Segment};
use crate::seed::{Chance, Seed};
use crate::trace::{Bytes, Trace};

/// More events than this in one run mean ends that never come to rest.
const EVENTS_MAX: u64 = 5_000_000;

/// How a connection and the drivers at its ends behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// From the caller to the server.
    pub there: PipeRules,
    /// From the server to the caller.
    pub back: PipeRules,
    /// A worker takes so long, each answer by itself: of several, the last may come first.
    pub answer_delay: Range<Duration>,
    /// What the shared machine says waits so long in the mailbox.
    pub mail_delay: Range<Duration>,
    /// A mailbox holds this many bytes; more is an overflow.
    pub mailbox_max_bytes: usize,
    /// A server's end that has this much to send is neither read from nor given mail. Callers
    /// always read: if both ends waited for the other to read, none ever would.
    pub output_max_bytes: usize,
}

impl Rules {
    /// Everything happens at once and whole.
    pub fn perfect() -> Self {
        Self {
            there: PipeRules::perfect(),
            back: PipeRules::perfect(),
            answer_delay: Duration::ZERO..Duration::ZERO,
            mail_delay: Duration::ZERO..Duration::ZERO,
            mailbox_max_bytes: usize::MAX,
            output_max_bytes: usize::MAX,
        }
    }

    /// Faulty pipes and slow workers, but no cut of the connection.
    pub fn drawn(seed: &mut Seed) -> Self {
        let slowness = [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(150)];
        Self {
            there: PipeRules::drawn(seed),
            back: PipeRules::drawn(seed),
            answer_delay: Duration::ZERO..*seed.pick(&slowness),
            mail_delay: Duration::ZERO..*seed.pick(&slowness),
            mailbox_max_bytes: 65_536,
            output_max_bytes: *seed.pick(&[1, 1_000, 65_536]),
        }
    }

    /// The same, with a connection that each segment may cut, in both directions.
    pub fn with_cuts(mut self, cut: Chance) -> Self {
        (self.there.cut, self.back.cut) = (cut, cut);
        self
    }
}

const CALLER: usize = 0;
const SERVER: usize = 1;

struct Side<'a, T, D> {
    end: &'a mut dyn End<T, D>,
    /// What the other side sends to this one.
    incoming: Pipe,
    wake: Option<Tick>,
    is_closed: bool,
    is_reading: bool,
    is_read_due: bool,
    output_peak_bytes: usize,
}

struct Mailbox<D> {
    messages: VecDeque<Arc<D>>,
    bytes: usize,
    is_due: bool,
    has_overflowed: bool,
}

struct Connection<'a, T, D> {
    rules: Rules,
    sides: [Side<'a, T, D>; 2],
    mailbox: Mailbox<D>,
    is_open: bool,
    /// The connection is no more, or its server has closed it.
    has_left: bool,
    is_lost: bool,
}

enum Event {
    Open { connection: usize },
    Arrive { connection: usize, side: usize, segment: Segment },
    Cut { connection: usize },
    Read { connection: usize, side: usize },
    Wake { connection: usize, side: usize, at: Tick },
    Answer { connection: usize, side: usize, ticket: Ticket },
    Mail { connection: usize },
    OwnerTurn,
    OwnerWake { at: Tick },
}

/// The shared machine, with the bounded queue into it.
struct Table<'a, T, D> {
    owner: &'a mut dyn Owner<T, D>,
    queue: VecDeque<SharedInput<T>>,
    queue_max: usize,
    turn_delay: Range<Duration>,
    is_turn_due: bool,
    wake: Option<Tick>,
}

/// Any number of connections, run together; see the [module](super).
///
/// Each connection has a caller and a server. With an owner, each server's end is one of its
/// members, numbered from 0 in the order of [`Streams::connect`].
pub struct Streams<'a, T, D> {
    seed: Seed,
    queue: EventQueue<Event>,
    connections: Vec<Connection<'a, T, D>>,
    table: Option<Table<'a, T, D>>,
    events: u64,
}

impl<'a, T: Debug, D: Debug + Weight> Streams<'a, T, D> {
    /// A network without connections and without an owner.
    pub fn new(seed: Seed) -> Self {
        let queue = EventQueue::default();
        Self { seed, queue, connections: Vec::new(), table: None, events: 0 }
    }

    /// The shared machine of all servers' ends. At most `queue_max` inputs wait for it before
    /// members' peers are no longer read; each waits for `turn_delay`.
    pub fn with_owner(
        mut self,
        owner: &'a mut dyn Owner<T, D>,
        queue_max: usize,
        turn_delay: Range<Duration>,
    ) -> Self {
        let queue = VecDeque::new();
        self.table =
            Some(Table { owner, queue, queue_max, turn_delay, is_turn_due: false, wake: None });
        self
    }

    /// A connection that stands from then on.
    pub fn connect(
        &mut self,
        at: Tick,
        rules: &Rules,
        caller: &'a mut dyn End<T, D>,
        server: &'a mut dyn End<T, D>,
    ) -> Member {
        let connection = self.connections.len();
        let side = |end, incoming: &PipeRules| Side {
            end,
            incoming: Pipe::new(incoming.clone()),
            wake: None,
            is_closed: false,
            is_reading: true,
            is_read_due: false,
            output_peak_bytes: 0,
        };
        self.connections.push(Connection {
            sides: [side(caller, &rules.back), side(server, &rules.there)],
            rules: rules.clone(),
            mailbox: Mailbox {
                messages: VecDeque::new(),
                bytes: 0,
                is_due: false,
                has_overflowed: false,
            },
            is_open: false,
            has_left: false,
            is_lost: false,
        });
        self.queue.push(at, Event::Open { connection });
        Member(connection as u64)
    }

    /// The most bytes that ever waited to be sent by the server's end of a connection.
    pub fn output_peak_bytes(&self, member: Member) -> usize {
        self.connections[member.0 as usize].sides[SERVER].output_peak_bytes
    }

    /// The virtual time.
    pub fn now(&self) -> Tick {
        self.queue.now()
    }

    /// Runs until nothing is left to happen.
    ///
    /// # Panics
    /// If that never comes, or a machine breaks its contract.
    pub fn run(&mut self, trace: &mut Trace) {
        self.run_until(Tick::from_ns(u64::MAX), trace);
    }

    /// Runs what is due up to then.
    ///
    /// # Panics
    /// As [`Streams::run`].
    pub fn run_until(&mut self, limit: Tick, trace: &mut Trace) {
        while self.queue.next_at().is_some_and(|at| at <= limit) {
            let Some((now, event)) = self.queue.pop() else { return };
            self.events += 1;
            assert!(self.events <= EVENTS_MAX, "{EVENTS_MAX} events and no rest");
            self.happen(now, event, trace);
        }
    }

    fn happen(&mut self, now: Tick, event: Event, trace: &mut Trace) {
        match event {
            Event::Open { connection } => {
                self.connections[connection].is_open = true;
                trace.note(now, format_args!("{connection} opens"));
                self.inform(now, SharedInput::Joined(Member(connection as u64)));
                for side in [SERVER, CALLER] {
                    self.give(now, connection, side, Arrived::Open, trace);
                }
            }
            Event::Arrive { connection, side, segment } => {
                self.connections[connection].sides[side].incoming.arrive(segment);
                self.read_later(now, connection, side);
            }
            Event::Cut { connection } => self.lose(now, connection, "is cut", trace),
            Event::Read { connection, side } => self.read(now, connection, side, trace),
            Event::Wake { connection, side, at } => {
                let side_state = &mut self.connections[connection].sides[side];
                if side_state.wake == Some(at) {
                    side_state.wake = None;
                    self.give(now, connection, side, Arrived::Time, trace);
                }
            }
            Event::Answer { connection, side, ticket } => {
                self.give(now, connection, side, Arrived::Answered(ticket), trace);
            }
            Event::Mail { connection } => self.deliver(now, connection, trace),
            Event::OwnerTurn => {
                let input = self.table.as_mut().and_then(|table| {
                    table.is_turn_due = false;
                    table.queue.pop_front()
                });
                if let Some(input) = input {
                    self.owner_takes(now, input, trace);
                }
                self.owner_later(now);
                // The queue into the owner has room again.
                for connection in 0..self.connections.len() {
                    self.read_later(now, connection, SERVER);
                }
            }
            Event::OwnerWake { at } => {
                if self
                    .table
                    .as_mut()
                    .is_some_and(|table| table.wake.take_if(|t| *t == at).is_some())
                {
                    self.owner_takes(now, SharedInput::Time, trace);
                }
            }
        }
    }

    /// Hands something to an end and does what it says.
    fn give(
        &mut self,
        now: Tick,
        connection: usize,
        side: usize,
        arrived: Arrived<'_, D>,
        trace: &mut Trace,
    ) {
        let state = &mut self.connections[connection];
        if state.is_lost || state.sides[side].is_closed {
            return;
        }
        let name = Name(connection, side);
        match &arrived {
            Arrived::Bytes(bytes) => trace.note(now, format_args!("{name} <- {}", Bytes(bytes))),
            Arrived::Told(told) => trace.note(now, format_args!("{name} <- told {}", brief(told))),
            Arrived::Open => {}
            arrived => trace.note(now, format_args!("{name} <- {arrived:?}")),
        }
        let does = state.sides[side].end.handle(now, arrived);
        for done in does {
            self.act(now, connection, side, done, trace);
        }
        self.send(now, connection, 1 - side);
        self.read_later(now, connection, side);
    }

    fn act(&mut self, now: Tick, connection: usize, side: usize, done: Does<T>, trace: &mut Trace) {
        let name = Name(connection, side);
        match &done {
            Does::Send(bytes) => trace.note(now, format_args!("{name} -> {}", Bytes(bytes))),
            Does::Note(text) => trace.note(now, format_args!("{name}    {text}")),
            Does::Wait(_) | Does::Ask(_) => {}
            done => trace.note(now, format_args!("{name} -> {}", brief(done))),
        }
        let state = &mut self.connections[connection];
        match done {
            Does::Send(bytes) => {
                state.sides[1 - side].incoming.write(&bytes);
                let unsent = state.sides[1 - side].incoming.unsent_bytes();
                let peak = &mut state.sides[side].output_peak_bytes;
                *peak = unsent.max(*peak);
            }
            Does::EndSending => state.sides[1 - side].incoming.end(),
            Does::Ask(ticket) => {
                let at = now + self.seed.span_in(&state.rules.answer_delay);
                self.queue.push(at, Event::Answer { connection, side, ticket });
            }
            Does::Tell(tell) => {
                assert!(side == SERVER, "{name} is no member and tells {tell:?}");
                self.inform(now, SharedInput::From(Member(connection as u64), tell));
            }
            Does::Close(_) => {
                state.sides[side].is_closed = true;
                state.sides[1 - side].incoming.end();
                if side == SERVER {
                    self.leave(now, connection);
                }
            }
            Does::Abort => self.lose(now, connection, "is aborted", trace),
            Does::StopReading => state.sides[side].is_reading = false,
            Does::ReadOn => state.sides[side].is_reading = true,
            Does::Note(_) => {}
            Does::Wait(until) => {
                let until = until.map(|until| until.max(now));
                if state.sides[side].wake != until {
                    state.sides[side].wake = until;
                    if let Some(at) = until {
                        self.queue.push(at, Event::Wake { connection, side, at });
                    }
                }
            }
        }
    }

    /// Sends to a side what its window has room for.
    fn send(&mut self, now: Tick, connection: usize, to: usize) {
        let state = &mut self.connections[connection];
        if state.is_lost {
            return;
        }
        let incoming = &mut state.sides[to].incoming;
        for (at, segment) in incoming.send(&mut self.seed, now) {
            if self.seed.happens(incoming.rules().cut) {
                self.queue.push(at, Event::Cut { connection });
                break;
            }
            self.queue.push(at, Event::Arrive { connection, side: to, segment });
        }
    }

    /// Reads soon, if there is something to read and the driver would.
    fn read_later(&mut self, now: Tick, connection: usize, side: usize) {
        if !self.may_read(connection, side) {
            return;
        }
        let state = &mut self.connections[connection].sides[side];
        if !state.is_read_due && state.incoming.is_readable() {
            state.is_read_due = true;
            let at = now + self.seed.span_in(&state.incoming.rules().read_delay);
            self.queue.push(at, Event::Read { connection, side });
        }
    }

    fn may_read(&self, connection: usize, side: usize) -> bool {
        let state = &self.connections[connection];
        let unsent = state.sides[1 - side].incoming.unsent_bytes();
        // A closed end still takes what comes, so that the last words reach the peer.
        let has_room =
            side == CALLER || state.sides[side].is_closed || unsent < state.rules.output_max_bytes;
        let is_heard = side == CALLER
            || self.table.as_ref().is_none_or(|table| table.queue.len() < table.queue_max);
        state.is_open && !state.is_lost && state.sides[side].is_reading && has_room && is_heard
    }

    fn read(&mut self, now: Tick, connection: usize, side: usize, trace: &mut Trace) {
        self.connections[connection].sides[side].is_read_due = false;
        if !self.may_read(connection, side) {
            return;
        }
        // A driver looks at its clock before it reads: what is due comes first.
        if self.connections[connection].sides[side].wake.take_if(|wake| *wake <= now).is_some() {
            self.give(now, connection, side, Arrived::Time, trace);
        }
        match self.connections[connection].sides[side].incoming.read(&mut self.seed) {
            Some(Received::Bytes(bytes)) => {
                self.give(now, connection, side, Arrived::Bytes(&bytes), trace);
            }
            Some(Received::End) => self.give(now, connection, side, Arrived::End, trace),
            None => {}
        }
        // The window has room again: the other side sends, and may then be read or given mail.
        self.send(now, connection, side);
        self.read_later(now, connection, 1 - side);
        self.read_later(now, connection, side);
        self.mail_later(now, connection);
    }

    fn lose(&mut self, now: Tick, connection: usize, how: &str, trace: &mut Trace) {
        if self.connections[connection].is_lost {
            return;
        }
        trace.note(now, format_args!("{connection} {how}"));
        for side in [CALLER, SERVER] {
            self.give(now, connection, side, Arrived::Lost, trace);
        }
        self.connections[connection].is_lost = true;
        self.leave(now, connection);
    }

    fn leave(&mut self, now: Tick, connection: usize) {
        let state = &mut self.connections[connection];
        if !std::mem::replace(&mut state.has_left, true) {
            state.mailbox.messages.clear();
            self.inform(now, SharedInput::Left(Member(connection as u64)));
        }
    }

    fn inform(&mut self, now: Tick, input: SharedInput<T>) {
        if let Some(table) = &mut self.table {
            table.queue.push_back(input);
            self.owner_later(now);
        }
    }

    fn owner_later(&mut self, now: Tick) {
        if let Some(table) = &mut self.table
            && !table.is_turn_due
            && !table.queue.is_empty()
        {
            table.is_turn_due = true;
            self.queue.push(now + self.seed.span_in(&table.turn_delay), Event::OwnerTurn);
        }
    }

    fn owner_takes(&mut self, now: Tick, input: SharedInput<T>, trace: &mut Trace) {
        let Some(table) = &mut self.table else { return };
        trace.note(now, format_args!("owner <- {}", brief(&input)));
        for output in table.owner.handle(now, input) {
            trace.note(now, format_args!("owner -> {}", brief(&output)));
            match output {
                SharedOutput::To(member, told) => self.put(now, member, told),
                SharedOutput::Cut(member) => {
                    self.lose(now, member.0 as usize, "is cut by the owner", trace);
                }
                SharedOutput::Happened(_) => {}
                SharedOutput::Wait(until) => {
                    let until = until.map(|until| until.max(now));
                    let Some(table) = &mut self.table else { return };
                    if table.wake != until {
                        table.wake = until;
                        if let Some(at) = until {
                            self.queue.push(at, Event::OwnerWake { at });
                        }
                    }
                }
            }
        }
    }

    /// Puts a message into a member's mailbox. After an overflow nothing more goes in: what the
    /// member is told has no holes.
    fn put(&mut self, now: Tick, member: Member, told: Arc<D>) {
        let connection = member.0 as usize;
        let state = &mut self.connections[connection];
        if state.has_left || state.mailbox.has_overflowed {
            return;
        }
        let weight = told.weight_bytes();
        if state.mailbox.bytes.saturating_add(weight) > state.rules.mailbox_max_bytes {
            state.mailbox.has_overflowed = true;
            self.inform(now, SharedInput::Overflow(member));
            return;
        }
        state.mailbox.bytes += weight;
        state.mailbox.messages.push_back(told);
        self.mail_later(now, connection);
    }

    fn mail_later(&mut self, now: Tick, connection: usize) {
        let state = &mut self.connections[connection];
        let has_room = state.sides[CALLER].incoming.unsent_bytes() < state.rules.output_max_bytes;
        if has_room && !state.mailbox.is_due && !state.mailbox.messages.is_empty() {
            state.mailbox.is_due = true;
            let at = now + self.seed.span_in(&state.rules.mail_delay);
            self.queue.push(at, Event::Mail { connection });
        }
    }

    fn deliver(&mut self, now: Tick, connection: usize, trace: &mut Trace) {
        let state = &mut self.connections[connection];
        state.mailbox.is_due = false;
        // Room is asked for again: an answer may have filled the output since.
        let has_room = state.sides[CALLER].incoming.unsent_bytes() < state.rules.output_max_bytes;
        if has_room && let Some(told) = state.mailbox.messages.pop_front() {
            state.mailbox.bytes -= told.weight_bytes();
            self.give(now, connection, SERVER, Arrived::Told(&told), trace);
            self.mail_later(now, connection);
        }
    }
}

/// An end, as the trace calls it.
#[derive(Clone, Copy)]
struct Name(usize, usize);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.1 == CALLER { "caller" } else { "server" })
    }
}
