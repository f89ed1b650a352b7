//! The load that servers are put under.
//!
//! [`http`] runs the field's own generators. [`lines`] and [`datagrams`] are ours, for what they do
//! not speak: one thread, one epoll, no runtime and nothing of Sockeye, so that the thing measured
//! is not the measurer. Both are closed loops: a client sends again when it is answered, and what
//! one server does slowly is not piled up before it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use self::histogram::Histogram;

pub mod answer;
pub mod datagrams;
pub mod exchange;
pub mod histogram;
pub mod http;
pub mod idle;
pub mod lines;

/// How many events one look at epoll brings at most.
pub const EVENTS_MAX: usize = 256;

/// What clients got in one run of a load of ours.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Requests answered in time.
    pub answers: u64,
    /// Datagrams that were sent again because no answer came.
    pub resent: u64,
    /// How long the run took, in seconds.
    pub took_s: f64,
    /// CPU seconds of the generator's thread, user and system.
    pub cpu_s: f64,
    /// From each request to its answer, in nanoseconds.
    pub latency_ns: Histogram,
}

/// CPU seconds that this thread has taken until now.
fn thread_cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// As whole nanoseconds.
pub fn ns(span: Duration) -> u64 {
    span.as_nanos().try_into().unwrap_or(u64::MAX)
}
