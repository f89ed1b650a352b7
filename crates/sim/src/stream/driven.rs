//! A machine as an end of a stream: the part of a driver, with the contract checked on the way.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;

use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick, Ticket};

use super::{Action, Arrived, Does, End, Step, brief};
use crate::trace::{Bytes, Trace};

/// More outputs than this between two inputs mean a machine that never waits.
const OUTPUTS_PER_INPUT_MAX: usize = 1_000_000;

/// What went into a machine and came out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// One read brought these bytes.
    Read(Vec<u8>),
    /// The peer ended its sending side.
    End,
    /// A deadline came.
    Time,
    /// The answer to this ticket was brought.
    Answered(Ticket),
    /// The shared machine said something.
    Told,
    /// It transmitted this.
    Transmitted(Vec<u8>),
    /// It asked under this ticket.
    Asked(Ticket),
    /// It closed the conversation.
    Closed(Fault),
    /// The connection was lost.
    Lost,
}

/// What a machine did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<Q, E> {
    /// Everything it transmitted.
    pub transmitted: Vec<u8>,
    /// What it asked for, in order.
    pub asked: Vec<Q>,
    /// What it reported, in order.
    pub events: Vec<E>,
    /// How it closed, and when; `None`: it still waits, or the connection was lost.
    pub closed: Option<(Tick, Fault)>,
    /// Every input and output in order, but for reports.
    pub log: Vec<(Tick, Logged)>,
}

/// A machine with its worker, as one end of a stream.
///
/// # Panics
/// In [`End::handle`], when the machine breaks its contract: it speaks after it closed, uses a
/// ticket twice, speaks without end, or asks at its deadline to be woken at the same again.
///
/// ```
/// use sockeye_proto::echo::Echo;
/// use sockeye_proto::machine::Tick;
/// use sockeye_sim::stream::{Arrived, Does, Driven, End};
///
/// let mut server = Driven::without_worker(Echo::default());
/// let does = server.handle(Tick::START, Arrived::Bytes(b"x"));
/// assert_eq!(does[0], Does::Send(b"x".to_vec()));
/// assert_eq!(server.run().transmitted, b"x");
/// ```
#[derive(Debug)]
pub struct Driven<M: Machine, W> {
    machine: M,
    worker: W,
    /// Which of the questions each ticket that is still open belongs to.
    open: BTreeMap<Ticket, usize>,
    last_ticket: Option<Ticket>,
    run: Run<M::Question, M::Event>,
}

impl<M, W> Driven<M, W>
where
    M: Machine,
    M::Question: Debug,
    M::Event: Debug,
    W: FnMut(Tick, &M::Question) -> M::Answer,
{
    /// The machine, and who does what it asks for. The worker is called when the answer is due,
    /// not when the question is put.
    pub fn new(machine: M, worker: W) -> Self {
        let run = Run {
            transmitted: Vec::new(),
            asked: Vec::new(),
            events: Vec::new(),
            closed: None,
            log: Vec::new(),
        };
        Self { machine, worker, open: BTreeMap::new(), last_ticket: None, run }
    }

    /// What it did so far.
    pub fn run(&self) -> &Run<M::Question, M::Event> {
        &self.run
    }

    /// The machine itself.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    fn arrived(&mut self, now: Tick, arrived: Arrived<'_, M::Told>) -> Vec<Does<M::Tell>> {
        let is_time = matches!(arrived, Arrived::Time);
        match arrived {
            Arrived::Open => {}
            Arrived::Bytes(bytes) => {
                self.run.log.push((now, Logged::Read(bytes.to_vec())));
                self.machine.handle(now, Input::Bytes(bytes));
            }
            Arrived::End => {
                self.run.log.push((now, Logged::End));
                self.machine.handle(now, Input::End);
            }
            Arrived::Answered(ticket) => {
                self.run.log.push((now, Logged::Answered(ticket)));
                let index = self.open.remove(&ticket);
                let index = index.expect("the network answers what was asked, once");
                let answer = (self.worker)(now, &self.run.asked[index]);
                self.machine.handle(now, Input::Answer(ticket, answer));
            }
            Arrived::Told(told) => {
                self.run.log.push((now, Logged::Told));
                self.machine.handle(now, Input::Told(told));
            }
            Arrived::Time => {
                self.run.log.push((now, Logged::Time));
                self.machine.handle(now, Input::Time);
            }
            Arrived::Lost => {
                self.run.log.push((now, Logged::Lost));
                return Vec::new();
            }
        }
        let (mut does, wake) = self.drain(now);
        assert!(
            !is_time || wake.is_none_or(|wake| wake > now),
            "woken at its deadline, it asks for the same again"
        );
        does.push(Does::Wait(wake));
        does
    }

    /// Takes outputs until the machine waits; with them, until when.
    fn drain(&mut self, now: Tick) -> (Vec<Does<M::Tell>>, Option<Tick>) {
        let mut does = Vec::new();
        for _ in 0..OUTPUTS_PER_INPUT_MAX {
            let output = self.machine.poll();
            let may_follow_close = matches!(output, Output::Wait(_) | Output::Happened(_));
            assert!(self.run.closed.is_none() || may_follow_close, "it speaks after it closed");
            match output {
                Output::Transmit(bytes) => {
                    self.run.transmitted.extend_from_slice(&bytes);
                    self.run.log.push((now, Logged::Transmitted(bytes.clone())));
                    does.push(Does::Send(bytes));
                }
                Output::Ask(ticket, question) => {
                    assert!(self.last_ticket < Some(ticket), "{ticket:?} is not a new ticket");
                    self.last_ticket = Some(ticket);
                    self.open.insert(ticket, self.run.asked.len());
                    self.run.log.push((now, Logged::Asked(ticket)));
                    does.push(Does::Note(format!("asks {}", brief(&question))));
                    does.push(Does::Ask(ticket));
                    self.run.asked.push(question);
                }
                Output::Tell(tell) => does.push(Does::Tell(tell)),
                Output::Happened(event) => {
                    does.push(Does::Note(format!("reports {}", brief(&event))));
                    self.run.events.push(event);
                }
                Output::Close(fault) => {
                    self.run.closed = Some((now, fault));
                    self.run.log.push((now, Logged::Closed(fault)));
                    does.push(Does::Close(fault));
                }
                Output::Wait(until) => return (does, until),
            }
        }
        panic!("{OUTPUTS_PER_INPUT_MAX} outputs and no wait");
    }
}

impl<M> Driven<M, fn(Tick, &Infallible) -> Infallible>
where
    M: Machine<Question = Infallible, Answer = Infallible>,
    M::Event: Debug,
{
    /// A machine that asks for nothing.
    pub fn without_worker(machine: M) -> Self {
        Self::new(machine, |_, never| match *never {})
    }
}

impl<M, W> End<M::Tell, M::Told> for Driven<M, W>
where
    M: Machine,
    M::Question: Debug,
    M::Event: Debug,
    W: FnMut(Tick, &M::Question) -> M::Answer,
{
    fn handle(&mut self, now: Tick, arrived: Arrived<'_, M::Told>) -> Vec<Does<M::Tell>> {
        self.arrived(now, arrived)
    }
}

/// A machine that belongs to no shared one, in a network where others do: the caller's side of a
/// room.
pub struct Alone<M: Machine, W>(pub Driven<M, W>);

impl<M, W, T, D> End<T, D> for Alone<M, W>
where
    M: Machine<Tell = Infallible, Told = Infallible>,
    M::Question: Debug,
    M::Event: Debug,
    W: FnMut(Tick, &M::Question) -> M::Answer,
{
    fn handle(&mut self, now: Tick, arrived: Arrived<'_, D>) -> Vec<Does<T>> {
        let arrived = match arrived {
            Arrived::Open => Arrived::Open,
            Arrived::Bytes(bytes) => Arrived::Bytes(bytes),
            Arrived::End => Arrived::End,
            Arrived::Answered(ticket) => Arrived::Answered(ticket),
            Arrived::Told(_) => unreachable!("only members are told"),
            Arrived::Time => Arrived::Time,
            Arrived::Lost => Arrived::Lost,
        };
        let does = self.0.arrived(now, arrived);
        does.into_iter().map(Does::without_tell).collect()
    }
}

impl Does<Infallible> {
    fn without_tell<T>(self) -> Does<T> {
        match self {
            Self::Send(bytes) => Does::Send(bytes),
            Self::EndSending => Does::EndSending,
            Self::Ask(ticket) => Does::Ask(ticket),
            Self::Tell(never) => match never {},
            Self::Close(fault) => Does::Close(fault),
            Self::Abort => Does::Abort,
            Self::StopReading => Does::StopReading,
            Self::ReadOn => Does::ReadOn,
            Self::Note(text) => Does::Note(text),
            Self::Wait(until) => Does::Wait(until),
        }
    }
}

/// Runs a machine through the steps of its peer, and then on until it closes or has no deadline
/// left. Each step is one read, exactly then; `worker` does what the machine asks for at once. A
/// deadline that falls together with a step comes before it.
///
/// ```
/// use sockeye_proto::echo::Echo;
/// use sockeye_sim::stream::{Action, Step, run};
/// use sockeye_sim::trace::Trace;
///
/// let steps = [Step::now(Action::Bytes(b"x".to_vec()))];
/// let run = run(Echo::default(), &steps, |never| match *never {}, &mut Trace::default());
/// assert_eq!(run.transmitted, b"x");
/// ```
///
/// # Panics
/// If the machine breaks its contract; see [`Driven`].
pub fn run<M>(
    machine: M,
    steps: &[Step],
    mut worker: impl FnMut(&M::Question) -> M::Answer,
    trace: &mut Trace,
) -> Run<M::Question, M::Event>
where
    M: Machine,
    M::Tell: Debug,
    M::Question: Debug,
    M::Event: Debug,
{
    let mut driven = Driven::new(machine, |_, question: &M::Question| worker(question));
    let mut now = Tick::START;
    let mut wake = step(&mut driven, now, Arrived::Open, trace);
    for Step { after, action } in steps {
        let at = now + *after;
        while let Some(deadline) = wake.filter(|&wake| wake <= at && driven.run.closed.is_none()) {
            now = now.max(deadline);
            wake = step(&mut driven, now, Arrived::Time, trace);
        }
        if driven.run.closed.is_some() {
            return driven.run;
        }
        now = at;
        wake = match action {
            Action::Bytes(bytes) => step(&mut driven, now, Arrived::Bytes(bytes), trace),
            Action::End => step(&mut driven, now, Arrived::End, trace),
            Action::Abort => {
                step(&mut driven, now, Arrived::Lost, trace);
                return driven.run;
            }
            Action::StopReading | Action::ReadOn => wake,
        };
    }
    while let Some(deadline) = wake.filter(|_| driven.run.closed.is_none()) {
        now = now.max(deadline);
        wake = step(&mut driven, now, Arrived::Time, trace);
    }
    driven.run
}

/// One input, and the answers to all that it makes the machine ask.
fn step<M, W>(
    driven: &mut Driven<M, W>,
    now: Tick,
    arrived: Arrived<'_, M::Told>,
    trace: &mut Trace,
) -> Option<Tick>
where
    M: Machine,
    M::Tell: Debug,
    M::Question: Debug,
    M::Event: Debug,
    W: FnMut(Tick, &M::Question) -> M::Answer,
{
    match &arrived {
        Arrived::Bytes(bytes) => trace.note(now, format_args!("<- {}", Bytes(bytes))),
        Arrived::End => trace.note(now, "<- end"),
        Arrived::Time => trace.note(now, "<- time"),
        Arrived::Lost => trace.note(now, "<- lost"),
        Arrived::Open | Arrived::Told(_) | Arrived::Answered(_) => {}
    }
    let mut wake = None;
    let mut does = driven.arrived(now, arrived);
    loop {
        let mut tickets = Vec::new();
        for done in does {
            match done {
                Does::Send(bytes) => trace.note(now, format_args!("-> {}", Bytes(&bytes))),
                Does::Ask(ticket) => tickets.push(ticket),
                Does::Wait(until) => wake = until,
                Does::Note(text) => trace.note(now, format_args!("   {text}")),
                done => trace.note(now, format_args!("-> {done:?}")),
            }
        }
        if tickets.is_empty() {
            return wake;
        }
        does = tickets
            .into_iter()
            .flat_map(|ticket| driven.arrived(now, Arrived::Answered(ticket)))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sockeye_proto::machine::Ticket;

    use super::*;

    /// Does what it is made to, whether the contract allows it or not.
    struct Puppet(Vec<Output<u8, (), Infallible>>);

    impl Machine for Puppet {
        type Question = u8;
        type Answer = ();
        type Event = ();
        type Tell = Infallible;
        type Told = Infallible;

        fn handle(&mut self, _: Tick, _: Input<'_, ()>) {}

        fn poll(&mut self) -> Output<u8, ()> {
            if self.0.is_empty() { Output::Wait(None) } else { self.0.remove(0) }
        }
    }

    fn driven(outputs: Vec<Output<u8, ()>>) {
        run(Puppet(outputs), &[Step::now(Action::End)], |_| (), &mut Trace::default());
    }

    #[test]
    #[should_panic(expected = "speaks after it closed")]
    fn a_machine_that_speaks_after_it_closed_is_caught() {
        driven(vec![Output::Close(Fault::Nobody), Output::Transmit(b"x".to_vec())]);
    }

    #[test]
    #[should_panic(expected = "not a new ticket")]
    fn a_ticket_used_twice_is_caught() {
        driven(vec![Output::Ask(Ticket(1), 0), Output::Ask(Ticket(1), 0)]);
    }

    #[test]
    #[should_panic(expected = "asks for the same again")]
    fn a_deadline_that_does_not_move_is_caught() {
        let wait = Output::Wait(Some(Tick::START + Duration::from_millis(1)));
        driven(vec![Output::Wait(None), wait.clone(), wait]);
    }
}
