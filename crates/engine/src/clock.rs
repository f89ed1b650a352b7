//! The real clock, in the form that machines take it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use sockeye_proto::machine::Tick;

/// The instant that [`Tick::START`] stands for in this process.
struct Start {
    instant: Instant,
    /// The same on the kernel's clock.
    monotonic: Duration,
}

fn start() -> &'static Start {
    static START: OnceLock<Start> = OnceLock::new();
    START.get_or_init(|| Start { instant: Instant::now(), monotonic: read(ClockId::Monotonic) })
}

/// Now, as a machine is told it.
pub fn now() -> Tick {
    Tick::from_ns(u64::try_from(start().instant.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Now or up to 10 ms ago, at less cost: for deadlines of seconds that are moved with each
/// request. May be earlier than what [`now`] said before.
pub fn coarse() -> Tick {
    let since_start = read(ClockId::MonotonicCoarse).saturating_sub(start().monotonic);
    Tick::from_ns(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
}

/// The second since the Unix epoch, by the system's clock.
pub fn unix_second() -> u64 {
    read(ClockId::RealtimeCoarse).as_secs()
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // The kernel's clocks do not go below zero.
    let (seconds, nanoseconds) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

/// The instant that a tick stands for, for timers.
pub fn instant(tick: Tick) -> tokio::time::Instant {
    (start().instant + tick.since(Tick::START)).into()
}
