//! How far everything has come, in one line on the terminal.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// The line for all of it, if a person watches and nothing else is in the way. `is_json`: what is
/// written for a program would be written into it.
pub fn progress(is_unwanted: bool, is_json: bool, bytes: u64) -> ProgressBar {
    let is_in_the_way = is_json && std::io::stdout().is_terminal();
    if is_unwanted || is_in_the_way || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    line((bytes > 0).then_some(bytes))
}

/// A line for so many bytes, if that is known.
pub fn line(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::no_length();
    expect(&bar, total);
    bar
}

/// So many bytes will have gone in the end. Where that is not known there is no bar and no time that
/// is left, but how much it was so far, how fast it goes and for how long.
pub fn expect(bar: &ProgressBar, total: Option<u64>) {
    let template = if let Some(total) = total {
        bar.set_length(total);
        "{prefix} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} \
         {msg}"
    } else {
        bar.unset_length();
        "{prefix} {spinner} {decimal_bytes} {decimal_bytes_per_sec} {elapsed} {msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// One file's part in the line: what is sent again counts once.
#[derive(Clone, Debug)]
pub struct Meter {
    bar: ProgressBar,
    counted: Arc<AtomicU64>,
}

impl Meter {
    /// The part of a file that nothing was sent of.
    pub fn new(bar: &ProgressBar) -> Self {
        Self { bar: bar.clone(), counted: Arc::default() }
    }

    /// One that nobody sees.
    pub fn hidden() -> Self {
        Self::new(&ProgressBar::hidden())
    }

    /// So many bytes of the file have left.
    pub fn set(&self, position: u64) {
        let before = self.counted.swap(position, Ordering::Relaxed);
        if position >= before {
            self.bar.inc(position - before);
        } else {
            self.bar.dec(before - position);
        }
    }

    /// The line itself.
    pub fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// What is going on, beside the line.
    pub fn say(&self, message: &'static str) {
        self.bar.set_message(message);
    }
}
