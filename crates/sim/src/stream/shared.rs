//! The one owner of what several conversations share.

use std::collections::BTreeSet;
use std::fmt::Debug;

use sockeye_proto::machine::{Member, SharedInput, SharedMachine, SharedOutput, Tick};

use super::brief;

/// More outputs than this between two inputs mean a machine that never waits.
const OUTPUTS_PER_INPUT_MAX: usize = 1_000_000;

/// What stands behind the conversations of a network: a [`Shared`] machine.
pub trait Owner<T, D> {
    /// Takes one input, says what it does; the last is a wait.
    fn handle(&mut self, now: Tick, input: SharedInput<T>) -> Vec<SharedOutput<D, String>>;
}

/// A shared machine, with what it reported.
///
/// # Panics
/// In [`Owner::handle`], when the machine breaks its contract: it speaks to a member of whom it
/// was told that it left, speaks without end, or asks at its deadline to be woken at the same
/// again.
#[derive(Debug)]
pub struct Shared<S: SharedMachine> {
    machine: S,
    left: BTreeSet<Member>,
    events: Vec<S::Event>,
}

impl<S: SharedMachine> Shared<S> {
    /// The machine, which nobody has joined yet.
    pub fn new(machine: S) -> Self {
        Self { machine, left: BTreeSet::new(), events: Vec::new() }
    }

    /// The machine itself.
    pub fn machine(&self) -> &S {
        &self.machine
    }

    /// What it reported, in order.
    pub fn events(&self) -> &[S::Event] {
        &self.events
    }
}

impl<S> Owner<S::Tell, S::Told> for Shared<S>
where
    S: SharedMachine,
    S::Event: Debug,
{
    fn handle(
        &mut self,
        now: Tick,
        input: SharedInput<S::Tell>,
    ) -> Vec<SharedOutput<S::Told, String>> {
        let is_time = matches!(input, SharedInput::Time);
        if let SharedInput::Left(member) = input {
            self.left.insert(member);
        }
        self.machine.handle(now, input);
        let mut outputs = Vec::new();
        for _ in 0..OUTPUTS_PER_INPUT_MAX {
            match self.machine.poll() {
                SharedOutput::To(member, told) => {
                    assert!(!self.left.contains(&member), "it speaks to {member:?}, who left");
                    outputs.push(SharedOutput::To(member, told));
                }
                SharedOutput::Cut(member) => outputs.push(SharedOutput::Cut(member)),
                SharedOutput::Happened(event) => {
                    outputs.push(SharedOutput::Happened(brief(&event)));
                    self.events.push(event);
                }
                SharedOutput::Wait(until) => {
                    assert!(
                        !is_time || until.is_none_or(|until| until > now),
                        "woken at its deadline, it asks for the same again"
                    );
                    outputs.push(SharedOutput::Wait(until));
                    return outputs;
                }
            }
        }
        panic!("{OUTPUTS_PER_INPUT_MAX} outputs and no wait");
    }
}
