//! The real clock, in the form that machines take it.

use std::sync::OnceLock;
use std::time::Instant;

use sockeye_proto::machine::Tick;

/// The instant that [`Tick::START`] stands for in this process.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Now, as a machine is told it.
pub fn now() -> Tick {
    Tick::from_ns(u64::try_from(start().elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The instant that a tick stands for, for timers.
pub fn instant(tick: Tick) -> tokio::time::Instant {
    (start() + tick.since(Tick::START)).into()
}
