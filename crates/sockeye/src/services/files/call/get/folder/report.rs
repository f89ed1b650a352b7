//! What a person and a program are told of a folder: a line for what went wrong, a line at the end,
//! and an object for each thing where JSON is wanted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::json;
use sockeye_engine::request_log::Size;
use sockeye_proto::address::Address;
use sockeye_proto::printable::Printable;

use super::above;
use crate::cli;
use crate::exit::Failure;
use crate::serving;

/// So many things that went wrong are told one by one; the rest is counted.
const TOLD_MAX: usize = 20;

/// What became of a thing.
#[derive(Debug)]
pub enum Outcome {
    /// It is here.
    Saved {
        /// Its length.
        bytes: u64,
        /// How much of it an earlier run had fetched.
        resumed_from: u64,
        /// Whether something was in its place.
        has_replaced: bool,
    },
    /// It was here, with the same length and time.
    Same,
    /// The hub does not give it, and why.
    Refused(String),
    /// It changed while it was fetched, or what came is something else.
    Changed(String),
    /// It cannot be written here.
    Unwritable(String),
    /// The network failed.
    Cut(String),
    /// It was not come to the end with, because all was stopped.
    NotFetched,
}

/// A thing and what became of it.
#[derive(Debug)]
pub struct Told {
    /// Where it is here.
    pub local: PathBuf,
    /// Where it came from.
    pub url: Address,
    /// How long it was said to be.
    pub length: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// Tells, and counts.
#[derive(Debug)]
pub struct Report {
    is_quiet: bool,
    is_json: bool,
    bar: ProgressBar,
    saved: usize,
    same: usize,
    bytes: u64,
    told: usize,
    refused: usize,
    changed: usize,
    unwritable: usize,
    not_fetched: usize,
    cut: Option<String>,
    broken_pipe: Option<Failure>,
}

impl Report {
    /// A report on nothing yet.
    pub fn new(arguments: &cli::Get, bar: ProgressBar) -> Self {
        Self {
            is_quiet: arguments.quiet,
            is_json: arguments.json,
            bar,
            saved: 0,
            same: 0,
            bytes: 0,
            told: 0,
            refused: 0,
            changed: 0,
            unwritable: 0,
            not_fetched: 0,
            cut: None,
            broken_pipe: None,
        }
    }

    /// What became of a thing.
    pub fn take(&mut self, told: &Told) {
        let (name, why) = match &told.outcome {
            Outcome::Saved { bytes, has_replaced, .. } => {
                self.saved += 1;
                self.bytes += bytes;
                (if *has_replaced { "replaced" } else { "saved" }, None)
            }
            Outcome::Same => {
                self.same += 1;
                ("same", None)
            }
            Outcome::Refused(why) => {
                self.refused += 1;
                ("refused", Some(why))
            }
            Outcome::Changed(why) => {
                self.changed += 1;
                ("changed", Some(why))
            }
            Outcome::Unwritable(why) => {
                self.unwritable += 1;
                ("unwritable", Some(why))
            }
            Outcome::Cut(why) => {
                self.cut.get_or_insert_with(|| why.clone());
                ("cut", Some(why))
            }
            Outcome::NotFetched => {
                self.not_fetched += 1;
                ("not fetched", None)
            }
        };
        self.object(told, name, why);
        if let Some(why) = why {
            self.told += 1;
            if self.told <= TOLD_MAX {
                self.say(&format!("{}: {why}", shown(&told.local)));
            }
        }
        self.bar.set_prefix(self.files());
    }

    /// Something for the person, above the line of progress.
    pub fn say(&self, text: &str) {
        above(&self.bar, text);
    }

    /// The line at the end, and how the command ends; `left` things were not come to.
    pub fn finish(mut self, place: &Path, left: usize, took: Duration) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        self.not_fetched += left;
        if self.told > TOLD_MAX {
            self.say(&format!("and {} more like these", self.told - TOLD_MAX));
        }
        if !self.is_quiet {
            self.say(&self.summary(place, took));
        }
        if let Some(failure) = self.broken_pipe {
            return Err(failure);
        }
        let untried = match self.not_fetched {
            0 => String::new(),
            untried => format!("; {untried} were not fetched"),
        };
        if let Some(why) = self.cut {
            Err(Failure::Network(format!("{why}{untried}; the same command goes on from there")))
        } else if self.changed > 0 {
            Err(Failure::Corrupt(format!("{} changed while they were fetched", self.changed)))
        } else if self.refused > 0 {
            Err(Failure::SaidNo(format!("{} were refused", self.refused)))
        } else if self.unwritable > 0 {
            Err(Failure::Usage(format!("{} could not be written here", self.unwritable)))
        } else {
            Ok(())
        }
    }

    /// How many are here now, in words.
    fn files(&self) -> String {
        match self.saved + self.same {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        }
    }

    fn summary(&self, place: &Path, took: Duration) -> String {
        let files = self.files();
        let same = match self.same {
            0 => String::new(),
            same => format!(", of which {same} were here already"),
        };
        let (size, seconds) = (Size(self.bytes), took.as_secs_f64());
        format!("{files} in {}  {size} in {seconds:.1} s{same}", shown(place))
    }

    fn object(&mut self, told: &Told, outcome: &str, why: Option<&String>) {
        if !self.is_json || self.broken_pipe.is_some() {
            return;
        }
        let mut said = json!({
            "url": told.url.to_string(), "file": told.local.to_string_lossy(),
            "bytes": told.length, "outcome": outcome,
        });
        if let Outcome::Saved { bytes, resumed_from, .. } = &told.outcome {
            said["bytes"] = (*bytes).into();
            said["resumed_from"] = (*resumed_from).into();
        }
        if let Some(why) = why {
            said["detail"] = why.as_str().into();
        }
        let printed = self.bar.suspend(|| serving::print(&format!("{said}\n")));
        self.broken_pipe = printed.err();
    }
}

fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    Printable(path.as_os_str().as_bytes()).to_string()
}
