//! How far one file has come: alone in the line of progress, or as a part of many.

use indicatif::ProgressBar;

use crate::services::files::call::meter::{self, Meter};

/// See the [module](self).
#[derive(Debug)]
pub enum Gauge<'a> {
    /// The line is for this file.
    Alone(&'a ProgressBar),
    /// The line is for all files.
    Part(&'a Meter),
}

impl Gauge<'_> {
    /// The line itself.
    pub fn bar(&self) -> &ProgressBar {
        match self {
            Self::Alone(bar) => bar,
            Self::Part(meter) => meter.bar(),
        }
    }

    /// So many bytes will have come in the end, if that is known, and so many are here. What was here
    /// before counts for the line and not for the speed.
    pub fn begin(&self, total: Option<u64>, position: u64) {
        self.set(position);
        if let Self::Alone(bar) = self {
            meter::expect(bar, total);
            bar.reset_eta();
        }
    }

    /// So many bytes have come.
    pub fn set(&self, position: u64) {
        match self {
            Self::Alone(bar) => bar.set_position(position),
            Self::Part(meter) => meter.set(position),
        }
    }
}
