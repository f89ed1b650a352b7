//! Races Sockeye against the specialists on this machine, one command per table.
//!
//! `cargo run --release -p bench -- files` starts both servers on loopback, lets them take turns
//! under the same load, stops them, and writes every sample to `results/files.json` and a row per
//! line of the table to `RESULTS.md`, both in this crate's folder. It builds and installs nothing.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench's output is its purpose")]
#![allow(unreachable_pub, reason = "in a binary, pub says what other modules may use")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

mod contender;
mod files;
mod load;
mod machine;
mod process;
mod programs;
mod report;
mod table;

const USAGE: &str = "\
Usage: cargo run --release -p bench -- TABLE [OPTIONS]

Tables:
  files            nginx: GET of 1 KiB, 100 KiB and 1 GiB, start to first answer, size

Options:
  --turns N        pairs of turns, Sockeye and the rival alternating [default: 5]
  --seconds N      length of one turn under load [default: 5]
  --only A,B       only these lines: 1k, 100k, 1g, start
  --sockeye PATH   the binary that races [default: sockeye beside this program]
  --out DIR        where RESULTS.md and results/ are [default: this crate's folder]
";

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    /// Pairs of turns.
    pub turns: usize,
    /// Length of one turn under load; whole seconds, as wrk takes them.
    pub turn: Duration,
    /// The lines to measure; empty stands for all.
    pub only: Vec<String>,
    /// The binary that races.
    pub sockeye: PathBuf,
    /// Where the results go.
    pub out: PathBuf,
}

fn main() -> ExitCode {
    let outcome = match command(std::env::args_os().skip(1).collect()) {
        Ok(Command::Files(options)) => files::race(&options),
        Ok(Command::Help) => {
            print!("{USAGE}");
            Ok(())
        }
        Err(error) => {
            eprintln!("bench: {error:#}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
enum Command {
    Files(Options),
    Help,
}

fn command(arguments: Vec<OsString>) -> anyhow::Result<Command> {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref().and_then(|table| table.to_str()) {
        Some("files") => {}
        Some("help" | "-h" | "--help") => return Ok(Command::Help),
        Some(other) => bail!("there is no table `{other}`"),
        None => bail!("name a table"),
    }
    let (mut turns, mut seconds, mut only, mut sockeye, mut out) = (5, 5, Vec::new(), None, None);
    while let Some(flag) = arguments.next() {
        if flag == "--help" || flag == "-h" {
            return Ok(Command::Help);
        }
        let flag = flag.to_string_lossy().into_owned();
        let mut value = || arguments.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--turns" => turns = number(&flag, &value()?)?,
            "--seconds" => seconds = number(&flag, &value()?)?,
            "--only" => {
                only = value()?.to_string_lossy().split(',').map(str::to_owned).collect();
                if let Some(line) = only.iter().find(|l| !files::LINES.contains(&l.as_str())) {
                    bail!("files has no line `{line}`; it has {}", files::LINES.join(", "));
                }
            }
            "--sockeye" => sockeye = Some(PathBuf::from(value()?)),
            "--out" => out = Some(PathBuf::from(value()?)),
            _ => bail!("there is no option `{flag}`"),
        }
    }
    Ok(Command::Files(Options {
        turns: turns as usize,
        turn: Duration::from_secs(seconds),
        only,
        sockeye: sockeye.map_or_else(programs::sockeye_beside_this, Ok)?,
        out: out.map_or_else(this_crate, Ok)?,
    }))
}

fn number(flag: &str, value: &OsString) -> anyhow::Result<u64> {
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(n) if (1..=1000).contains(&n) => Ok(n),
        _ => bail!("{flag} wants a number from 1 to 1000, not {}", value.display()),
    }
}

/// The crate's folder, as cargo tells it or seen from the repository's root.
fn this_crate() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR") {
        return Ok(folder.into());
    }
    let folder = Path::new("bench");
    if !folder.join("Cargo.toml").is_file() {
        bail!("run it from the repository's root, or say with --out where the results go");
    }
    Ok(folder.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Command> {
        command(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn flags_change_what_they_name() {
        let line = "files --turns 2 --seconds 3 --only 1k,1g --sockeye /s --out /o";
        let Ok(Command::Files(options)) = parse(line) else { panic!("{line} is well formed") };
        assert_eq!((options.turns, options.turn), (2, Duration::from_secs(3)));
        assert_eq!(options.only, ["1k", "1g"]);
        assert_eq!((options.sockeye, options.out), ("/s".into(), "/o".into()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("film", "`film`"),
            ("files --only 1k,2k", "`2k`"),
            ("files --turns 0", "--turns"),
            ("files --turns", "--turns"),
            ("files --fast", "`--fast`"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
