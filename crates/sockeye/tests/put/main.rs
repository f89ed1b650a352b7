//! `sockeye put`: files and folders are sent to our hub, to other people's servers, and to servers
//! that refuse early, cut, or lie.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

#[path = "../support/mod.rs"]
mod support;

mod fake;
mod hub;
mod key;
mod local;
mod others;
mod pieces;
mod requests;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::{Running, run, sockeye};
use tempfile::TempDir;

/// How a put ended.
struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Done {
    /// What it said of each thing, one object a line.
    fn json(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn assert_well(&self) {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
    }

    /// It ended with this code, and said this.
    #[track_caller]
    fn assert_ended(&self, code: i32, part: &str) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stderr.contains(part), "{part} in: {}", self.stderr);
    }
}

/// `sockeye put` in a folder of its own, which holds what is sent.
struct Putter(TempDir);

impl Putter {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = sockeye();
        command.arg("put").args(arguments).current_dir(self.0.path());
        command.env("XDG_DATA_HOME", self.0.path().join("data-home"));
        command
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::spawn(&mut self.command(arguments))
    }

    fn put(&self, arguments: &[&str]) -> Done {
        done(run(&mut self.command(arguments)))
    }

    fn put_with_input(&self, arguments: &[&str], input: Vec<u8>) -> Done {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        let mut running = Running::spawn(&mut command);
        let mut pipe = running.child.stdin.take().unwrap();
        let feeding = std::thread::spawn(move || {
            // Who refuses early does not read to the end.
            let _ = pipe.write_all(&input);
        });
        let status = running.wait();
        feeding.join().unwrap();
        let stderr = running.stderr().into_bytes();
        done(std::process::Output { status, stdout: running.stdout(), stderr })
    }
}

fn done(output: std::process::Output) -> Done {
    let stderr = String::from_utf8(output.stderr).unwrap();
    for odd in ["panicked", "Err(", "Os {", "Kind", "hyper::"] {
        assert!(!stderr.contains(odd), "{stderr}");
    }
    let stdout = String::from_utf8(output.stdout).unwrap();
    Done { code: output.status.code(), stdout, stderr }
}
