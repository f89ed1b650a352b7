//! A peer that does what a list says, in its time, and keeps what it hears.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_proto::machine::Tick;

use super::{Arrived, Does, End};
use crate::seed::Seed;

/// Something that a peer does, so long after the step before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How long after the step before.
    pub after: Duration,
    /// What.
    pub action: Action,
}

impl Step {
    /// Together with the step before.
    pub fn now(action: Action) -> Self {
        Self { after: Duration::ZERO, action }
    }

    /// So long after the step before.
    pub fn after(after: Duration, action: Action) -> Self {
        Self { after, action }
    }
}

/// What a peer can do on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends these bytes in one write.
    Bytes(Vec<u8>),
    /// Ends its sending side.
    End,
    /// Cuts the connection.
    Abort,
    /// Reads no more.
    StopReading,
    /// Reads on.
    ReadOn,
}

/// Cuts bytes into writes of any length, each less than `gap` after the one before.
///
/// ```
/// use std::time::Duration;
/// use sockeye_sim::seed::Seed;
/// use sockeye_sim::stream::{Action, segments};
///
/// let steps = segments(&mut Seed::new(3), b"a name", Duration::from_millis(20));
/// let whole: Vec<u8> = steps.iter().flat_map(|step| match &step.action {
///     Action::Bytes(bytes) => bytes.clone(),
///     _ => vec![],
/// }).collect();
/// assert_eq!(whole, b"a name");
/// ```
pub fn segments(seed: &mut Seed, bytes: &[u8], gap: Duration) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (segment, after) = rest.split_at(1 + seed.below(rest.len()));
        steps.push(Step::after(seed.span_below(gap), Action::Bytes(segment.to_vec())));
        rest = after;
    }
    steps
}

/// A peer that does its steps from the moment the connection stands. It never closes by itself:
/// [`Action::End`] and [`Action::Abort`] do.
#[derive(Clone, Debug)]
pub struct Script {
    steps: VecDeque<Step>,
    last: Tick,
    heard: Vec<u8>,
    ended: Option<Tick>,
    is_lost: bool,
}

impl Script {
    /// A peer that will do these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            last: Tick::START,
            heard: Vec::new(),
            ended: None,
            is_lost: false,
        }
    }

    /// Everything that came.
    pub fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// When the other side ended.
    pub fn ended(&self) -> Option<Tick> {
        self.ended
    }

    /// Whether the connection was cut.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    fn act<T>(&mut self, now: Tick) -> Vec<Does<T>> {
        let mut does = Vec::new();
        while let Some(step) = self.steps.pop_front_if(|step| self.last + step.after <= now) {
            self.last = now;
            does.push(match step.action {
                Action::Bytes(bytes) => Does::Send(bytes),
                Action::End => Does::EndSending,
                Action::Abort => Does::Abort,
                Action::StopReading => Does::StopReading,
                Action::ReadOn => Does::ReadOn,
            });
        }
        does.push(Does::Wait(self.steps.front().map(|step| self.last + step.after)));
        does
    }
}

impl<T, D> End<T, D> for Script {
    fn handle(&mut self, now: Tick, arrived: Arrived<'_, D>) -> Vec<Does<T>> {
        match arrived {
            Arrived::Open => self.last = now,
            Arrived::Bytes(bytes) => self.heard.extend_from_slice(bytes),
            Arrived::End => self.ended = Some(now),
            Arrived::Lost => {
                self.is_lost = true;
                return Vec::new();
            }
            Arrived::Time => {}
            Arrived::Answered(_) | Arrived::Told(_) => unreachable!("a script asks nothing"),
        }
        self.act(now)
    }
}
