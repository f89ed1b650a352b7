//! `sockeye find`.

use std::time::Duration;

use clap::Args;

use super::{Config, duration};

/// `sockeye find`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sockeye find               the hubs on this network\n  \
                  sockeye find --wait 10s    on a slow one\n  \
                  sockeye find --json        one object a line, for scripts\n\n\
                  A hub is announced when it was started with --lan. This asks by multicast DNS, UDP port 5353.")]
pub struct Find {
    /// How long answers are waited for, from 100ms to 5m.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = wait,
          allow_hyphen_values = true)]
    pub wait: Duration,
    /// Writes each hub as one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Where settings come from.
    #[command(flatten)]
    pub config: Config,
}

fn wait(text: &str) -> Result<Duration, String> {
    const RANGE: std::ops::RangeInclusive<Duration> =
        Duration::from_millis(100)..=Duration::from_mins(5);
    match duration(text) {
        Ok(span) if RANGE.contains(&span) => Ok(span),
        _ => Err("write a time from 100ms to 5m, like 2s".into()),
    }
}
