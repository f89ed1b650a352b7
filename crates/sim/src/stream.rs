//! A machine at one end of a simulated TCP connection.
//!
//! What the peer sends is a list of [`Step`]s in virtual time. Between them the machine is woken
//! whenever it asked to be. What it says is kept as a [`Run`], with a trace that can be read.

use std::fmt::Debug;
use std::time::Duration;

use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick, Ticket};

use crate::seed::Seed;

/// More outputs than this between two inputs mean a machine that never waits.
const OUTPUTS_PER_INPUT_MAX: usize = 10_000;

/// Something that the peer does, so long after the step before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long after the step before.
    pub after: Duration,
    /// What.
    pub action: Action,
}

/// What a peer can do on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// These bytes arrive in one read.
    Bytes(Vec<u8>),
    /// It ends its sending side.
    End,
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
    /// How it closed, and when; `None`: it still waits.
    pub closed: Option<(Tick, Fault)>,
    /// One line for each input and output.
    pub trace: Vec<String>,
}

/// Cuts bytes into segments as a network may, each at most `gap` after the one before.
pub fn segments(seed: &mut Seed, bytes: &[u8], gap: Duration) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = 1 + seed.below(rest.len());
        let (segment, after) = rest.split_at(length);
        let action = Action::Bytes(segment.to_vec());
        steps.push(Step { after: seed.span_below(gap), action });
        rest = after;
    }
    steps
}

/// Runs a machine through the steps, and then on until it closes or has no deadline left.
/// `answer` does what it asks for, at once.
///
/// # Panics
/// If the machine speaks without end, or asks to be woken in the past for ever.
pub fn run<M>(
    machine: &mut M,
    steps: &[Step],
    mut answer: impl FnMut(&M::Question) -> M::Answer,
) -> Run<M::Question, M::Event>
where
    M: Machine,
    M::Question: Clone + Debug,
    M::Event: Clone + Debug,
{
    let mut run = Run {
        transmitted: Vec::new(),
        asked: Vec::new(),
        events: Vec::new(),
        closed: None,
        trace: Vec::new(),
    };
    let mut now = Tick::START;
    let mut wake = drain(machine, now, &mut run, &mut answer);
    for step in steps {
        let at = now + step.after;
        while let Some(deadline) = wake.filter(|deadline| *deadline <= at && run.closed.is_none()) {
            now = deadline;
            wake = wake_up(machine, now, &mut run, &mut answer);
        }
        if run.closed.is_some() {
            return run;
        }
        now = at;
        run.trace.push(format!("{now:?} <- {:?}", step.action));
        match &step.action {
            Action::Bytes(bytes) => machine.handle(now, Input::Bytes(bytes)),
            Action::End => machine.handle(now, Input::End),
        }
        wake = drain(machine, now, &mut run, &mut answer);
    }
    while let Some(deadline) = wake.filter(|_| run.closed.is_none()) {
        now = deadline;
        wake = wake_up(machine, now, &mut run, &mut answer);
    }
    run
}

fn wake_up<M>(
    machine: &mut M,
    now: Tick,
    run: &mut Run<M::Question, M::Event>,
    answer: &mut impl FnMut(&M::Question) -> M::Answer,
) -> Option<Tick>
where
    M: Machine,
    M::Question: Clone + Debug,
    M::Event: Clone + Debug,
{
    run.trace.push(format!("{now:?} <- time"));
    machine.handle(now, Input::Time);
    let wake = drain(machine, now, run, answer);
    assert!(
        wake.is_none_or(|wake| wake > now),
        "woken at its deadline, it asks for the same again"
    );
    wake
}

/// Takes outputs until the machine waits; returns until when.
fn drain<M>(
    machine: &mut M,
    now: Tick,
    run: &mut Run<M::Question, M::Event>,
    answer: &mut impl FnMut(&M::Question) -> M::Answer,
) -> Option<Tick>
where
    M: Machine,
    M::Question: Clone + Debug,
    M::Event: Clone + Debug,
{
    for _ in 0..OUTPUTS_PER_INPUT_MAX {
        let output = machine.poll();
        if let Output::Wait(until) = output {
            return until;
        }
        run.trace.push(format!("{now:?} -> {output:?}"));
        match output {
            Output::Transmit(bytes) => {
                assert!(run.closed.is_none(), "it speaks after it closed");
                run.transmitted.extend_from_slice(&bytes);
            }
            Output::Ask(ticket, question) => {
                let answered = answer(&question);
                run.asked.push(question);
                answer_with(machine, now, ticket, answered);
            }
            Output::Happened(event) => run.events.push(event),
            Output::Close(fault) => run.closed = Some((now, fault)),
            Output::Wait(_) => {}
        }
    }
    panic!("{OUTPUTS_PER_INPUT_MAX} outputs and no wait:\n{}", run.trace.join("\n"));
}

fn answer_with<M: Machine>(machine: &mut M, now: Tick, ticket: Ticket, answer: M::Answer) {
    machine.handle(now, Input::Answer(ticket, answer));
}
