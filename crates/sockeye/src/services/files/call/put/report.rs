//! What a person and a program are told of it: a line for what went wrong, a line at the end, and
//! an object for each thing where JSON is wanted.

use std::io::Write as _;
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::json;
use sockeye_engine::request_log::Size;
use sockeye_proto::address::Address;

use super::outcome::{Done, How, Outcome};
use super::plan::{Item, Kind, LeftOut, shown};
use crate::cli;
use crate::exit::Failure;
use crate::serving;

/// So many things that went wrong are told one by one; the rest is counted.
const TOLD_MAX: usize = 20;

/// Tells, and counts.
#[derive(Debug)]
pub struct Report {
    is_quiet: bool,
    is_json: bool,
    bar: ProgressBar,
    total: usize,
    files: usize,
    folders: usize,
    same: usize,
    bytes: u64,
    told: usize,
    refused: usize,
    corrupt: usize,
    unreadable: usize,
    cut: Option<String>,
    not_tried: usize,
    only: Option<Done>,
    why: Option<String>,
    broken_pipe: Option<Failure>,
}

impl Report {
    /// A report on so many things.
    pub fn new(arguments: &cli::Put, bar: ProgressBar, total: usize) -> Self {
        let report = Self {
            is_quiet: arguments.quiet,
            is_json: arguments.json,
            bar,
            total,
            files: 0,
            folders: 0,
            same: 0,
            bytes: 0,
            told: 0,
            refused: 0,
            corrupt: 0,
            unreadable: 0,
            cut: None,
            not_tried: 0,
            only: None,
            why: None,
            broken_pipe: None,
        };
        report.count();
        report
    }

    /// Something stays behind.
    pub fn left_out(&mut self, left: &LeftOut) {
        self.unreadable += usize::from(left.is_failure);
        self.object(&json!({
            "path": left.local.to_string_lossy(), "bytes": 0, "outcome": "left out",
            "url": null, "detail": left.why,
        }));
        if left.is_failure || !self.is_quiet {
            self.told(&format!("{} is left out: {}", shown(&left.local), left.why));
        }
    }

    /// What became of a thing.
    pub fn outcome(&mut self, item: &Item, url: &Address, outcome: Outcome) {
        match outcome {
            Outcome::Done(done) => self.done(item, done),
            Outcome::Refused(why) => {
                self.refused += 1;
                self.failed(item, url, "refused", why);
            }
            Outcome::Corrupt(why) => {
                self.corrupt += 1;
                self.failed(item, url, "changed", why);
            }
            Outcome::Unreadable(why) => {
                self.unreadable += 1;
                self.failed(item, url, "unreadable", format!("it cannot be read: {why}"));
            }
            Outcome::Cut(why) => {
                self.cut.get_or_insert_with(|| why.clone());
                self.failed(item, url, "cut", why);
            }
            Outcome::NotTried => {
                self.not_tried += 1;
                let url = Address { path: item.remote.clone(), ..url.clone() };
                self.thing(item, &url, ("not tried", item.length), None);
            }
        }
        self.count();
    }

    /// The line at the end, and how the command ends.
    pub fn finish(self, url: &Address, took: Duration) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        if self.told > TOLD_MAX {
            say(&format!("and {} more like these", self.told - TOLD_MAX));
        }
        if !self.is_quiet && self.files + self.folders > 0 {
            say(&self.summary(url, took));
        }
        if let Some(failure) = self.broken_pipe {
            return Err(failure);
        }
        let (total, refused) = (self.total, self.refused);
        let alone = self.why.filter(|_| total == 1);
        let not_sent = refused + self.corrupt + self.unreadable + self.not_tried;
        if let Some(why) = self.cut {
            let rest = if total > 1 {
                format!("; {} of {total} are there", self.files + self.folders)
            } else {
                String::new()
            };
            Err(Failure::Network(format!("{why}{rest}")))
        } else if self.corrupt > 0 {
            let many = format!("{} of {total} changed while they were sent", self.corrupt);
            Err(Failure::Corrupt(alone.unwrap_or(many)))
        } else if refused > 0 {
            let many = format!("{refused} of {total} were refused");
            let untried = match self.not_tried {
                0 => String::new(),
                untried => format!(", and {untried} were not tried"),
            };
            Err(Failure::SaidNo(alone.unwrap_or(many + &untried)))
        } else if not_sent > 0 {
            Err(Failure::Usage(alone.unwrap_or(format!("{not_sent} could not be read"))))
        } else {
            Ok(())
        }
    }

    /// Something for the person, above the line of progress.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }

    fn done(&mut self, item: &Item, done: Done) {
        self.thing(item, &done.url, (done.how.as_str(), done.bytes), None);
        let is_folder = item.kind == Kind::EmptyFolder;
        self.folders += usize::from(is_folder);
        self.files += usize::from(!is_folder);
        self.same += usize::from(done.how == How::Same && !is_folder);
        self.bytes += done.bytes;
        if done.how == How::Renamed && self.total > 1 && !self.is_quiet {
            self.told(&format!("{} is there as {}", shown(&item.local), done.url));
        }
        self.only = Some(done);
    }

    fn failed(&mut self, item: &Item, url: &Address, outcome: &str, why: String) {
        let url = Address { path: item.remote.clone(), ..url.clone() };
        self.thing(item, &url, (outcome, item.length), Some(&why));
        let local = shown(&item.local);
        if self.total > 1 {
            self.told(&format!("{local}: {why}"));
        }
        self.why = Some(match outcome {
            "refused" => format!("{url}: {why}"),
            _ => format!("{local}: {why}"),
        });
    }

    fn thing(
        &mut self,
        item: &Item,
        url: &impl std::fmt::Display,
        (outcome, bytes): (&str, u64),
        why: Option<&str>,
    ) {
        let path = item.local.to_string_lossy();
        let url = url.to_string();
        let mut said = json!({ "path": path, "bytes": bytes, "outcome": outcome, "url": url });
        if let Some(why) = why {
            said["detail"] = why.into();
        }
        self.object(&said);
    }

    fn object(&mut self, said: &serde_json::Value) {
        if !self.is_json || self.broken_pipe.is_some() {
            return;
        }
        let printed = self.bar.suspend(|| serving::print(&format!("{said}\n")));
        self.broken_pipe = printed.err();
    }

    fn told(&mut self, text: &str) {
        self.told += 1;
        if self.told <= TOLD_MAX {
            self.say(text);
        }
    }

    fn count(&self) {
        let done = self.files + self.folders;
        self.bar.set_prefix(if self.total > 1 {
            format!("{done}/{}", self.total)
        } else {
            String::new()
        });
    }

    fn summary(&self, url: &Address, took: Duration) -> String {
        let (size, seconds) = (Size(self.bytes), took.as_secs_f64());
        if let (1, Some(only)) = (self.total, &self.only) {
            let how = match only.how {
                How::Saved => "is there",
                How::Same => "was there already, byte for byte",
                How::Replaced => "is there, in place of what was",
                How::Renamed => "is there under another name",
            };
            return format!("{} {how}  {size} in {seconds:.1} s", only.url);
        }
        let some = |n: usize, one: &str| match n {
            1 => format!("1 {one}"),
            n => format!("{n} {one}s"),
        };
        let what = match (self.files, self.folders) {
            (files, 0) => some(files, "file"),
            (0, folders) => some(folders, "empty folder"),
            (files, folders) => {
                format!("{} and {}", some(files, "file"), some(folders, "empty folder"))
            }
        };
        let same = match self.same {
            0 => String::new(),
            same => format!(", of which {same} were there already, byte for byte"),
        };
        format!("{what} at {url}  {size} in {seconds:.1} s{same}")
    }
}

fn say(text: &str) {
    // If stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
