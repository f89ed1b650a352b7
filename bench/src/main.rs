//! Races Sockeye against the specialists on this machine, one command per table.
//!
//! `cargo run --release -p bench -- files` starts both servers on loopback, lets them take turns
//! under the same load, stops them, and writes every sample to `results/files.json` and a row per
//! line of the table to `RESULTS.md`, both in this crate's folder. `drivers` draws a chart in
//! `docs/` besides. It builds and installs nothing.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench's output is its purpose")]
#![allow(unreachable_pub, reason = "in a binary, pub says what other modules may use")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

mod chart;
mod contender;
mod drivers;
mod files;
mod idle;
mod load;
mod machine;
mod null;
mod peers;
mod process;
mod programs;
mod report;
mod server;
mod swap;
mod table;
mod text;
mod turns;

use self::contender::Wire;

const USAGE: &str = "\
Usage: cargo run --release -p bench -- TABLE [OPTIONS]

Tables:
  files            nginx: GET of 1 KiB, 100 KiB and 1 GiB, 10,000 idle connections, start to
                   first answer, size; dufs, miniserve, static-web-server: GET of 1 KiB, start,
                   size, if they are on PATH, in ~/.cargo/bin or in the folder of SOCKEYE_RIVALS
  lines            redis: echo and clock over TCP, one line, one answer
  datagrams        memcached: echo and clock over UDP
  drivers          no rival: echo over TCP on tasks, threads and a single thread, 10 to 10,000
                   clients; draws docs/drivers.svg
  swap             no rival and no table: a file is replaced in many ways while it is asked for 10,000
                   times a second, and every answer is judged

Options:
  --turns N        turns of each side, alternating [default: 5]
  --seconds N      length of one turn under load, or of one way of replacing [default: 5; of swap: 20]
  --only A,B       only these lines; of files: 1k, peers, 100k, 1g, idle,
                   start; of lines and datagrams: echo,
                   clock; of drivers: 10, 100, 1000, 10000; of swap: rename, in-place, same-stamp, hard
  --patience N     up to N seconds a row, a turn is taken again in which others on this machine
                   took more than a tenth of it [default: 0]
  --depth N        lines: requests under way on each connection [default: 1]
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
    /// How long a row may wait for others on this machine to be quiet.
    pub patience: Duration,
    /// Requests under way on each connection, where the load is ours and over TCP.
    pub depth: usize,
    /// The binary that races.
    pub sockeye: PathBuf,
    /// Where the results go.
    pub out: PathBuf,
}

impl Options {
    /// Whether this line is to be measured.
    pub fn wants(&self, line: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == line)
    }
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Files,
    Lines,
    Datagrams,
    Drivers,
    Swap,
}

impl Table {
    const ALL: [(&str, Self, &[&str]); 5] = [
        ("files", Self::Files, &files::LINES),
        ("lines", Self::Lines, &text::LINES),
        ("datagrams", Self::Datagrams, &text::LINES),
        ("drivers", Self::Drivers, &drivers::LINES),
        ("swap", Self::Swap, &swap::LINES),
    ];

    fn race(self, options: &Options) -> anyhow::Result<()> {
        match self {
            Self::Files => files::race(options),
            Self::Lines => text::race(options, Wire::Tcp),
            Self::Datagrams => text::race(options, Wire::Udp),
            Self::Drivers => drivers::race(options),
            Self::Swap => swap::run(options),
        }
    }
}

fn main() -> ExitCode {
    let outcome = match command(std::env::args_os().skip(1).collect()) {
        Ok(Command::Race(table, options)) => table.race(&options),
        Ok(Command::Null(url)) => null::serve(&url).map(|never| match never {}),
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
    Race(Table, Options),
    /// Serve at this URL: what this program starts itself for, to measure its own load generator.
    Null(String),
    Help,
}

fn command(arguments: Vec<OsString>) -> anyhow::Result<Command> {
    let mut arguments = arguments.into_iter();
    let (name, table, lines) = match arguments.next().as_deref().and_then(|table| table.to_str()) {
        Some("help" | "-h" | "--help") => return Ok(Command::Help),
        Some("null") => {
            let url = arguments.next().context("null wants a URL")?;
            return Ok(Command::Null(url.to_string_lossy().into_owned()));
        }
        Some(name) => *(Table::ALL.iter().find(|(known, ..)| *known == name))
            .with_context(|| format!("there is no table `{name}`"))?,
        None => bail!("name a table"),
    };
    let (mut turns, mut patience, mut depth, mut only) = (5, 0, 1, Vec::new());
    let mut seconds = if table == Table::Swap { 20 } else { 5 };
    let (mut sockeye, mut out) = (None, None);
    while let Some(flag) = arguments.next() {
        if flag == "--help" || flag == "-h" {
            return Ok(Command::Help);
        }
        let flag = flag.to_string_lossy().into_owned();
        let mut value = || arguments.next().with_context(|| format!("{flag} wants a value"));
        match flag.as_str() {
            "--turns" | "--patience" | "--out" if table == Table::Swap => {
                bail!("{name} has no option `{flag}`");
            }
            "--turns" => turns = number(&flag, &value()?)?,
            "--seconds" => seconds = number(&flag, &value()?)?,
            "--only" => {
                only = value()?.to_string_lossy().split(',').map(str::to_owned).collect();
                if let Some(line) = only.iter().find(|only| !lines.contains(&only.as_str())) {
                    bail!("{name} has no line `{line}`; it has {}", lines.join(", "));
                }
            }
            "--patience" => patience = number(&flag, &value()?)?,
            "--depth" if table == Table::Lines => depth = number(&flag, &value()?)?,
            "--sockeye" => sockeye = Some(PathBuf::from(value()?)),
            "--out" => out = Some(PathBuf::from(value()?)),
            _ => bail!("there is no option `{flag}`"),
        }
    }
    let options = Options {
        turns: turns as usize,
        turn: Duration::from_secs(seconds),
        patience: Duration::from_secs(patience),
        only,
        depth: depth as usize,
        sockeye: sockeye.map_or_else(programs::sockeye_beside_this, Ok)?,
        out: out.map_or_else(this_crate, Ok)?,
    };
    Ok(Command::Race(table, options))
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
        let Ok(Command::Race(Table::Files, options)) = parse(line) else {
            panic!("{line} is well formed")
        };
        assert_eq!((options.turns, options.turn), (2, Duration::from_secs(3)));
        assert_eq!(options.only, ["1k", "1g"]);
        assert_eq!((options.sockeye, options.out), ("/s".into(), "/o".into()));
    }

    #[test]
    fn each_table_has_lines_of_its_own() {
        for (line, wanted) in [
            ("lines --only clock --depth 8 --sockeye /s --out /o", Table::Lines),
            ("datagrams --only echo,clock --sockeye /s --out /o", Table::Datagrams),
            ("drivers --only 10,10000 --sockeye /s --out /o", Table::Drivers),
        ] {
            let Ok(Command::Race(table, options)) = parse(line) else { panic!("{line}") };
            assert_eq!((table, options.depth), (wanted, if line.contains('8') { 8 } else { 1 }));
            assert!(options.wants(&options.only[0]) && !options.wants("1k"));
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("film", "`film`"),
            ("files --only 1k,2k", "`2k`"),
            ("lines --only 1k", "`1k`"),
            ("drivers --only 20", "`20`"),
            ("files --depth 2", "`--depth`"),
            ("lines --depth 0", "--depth"),
            ("swap --turns 2", "`--turns`"),
            ("swap --only 1k", "`1k`"),
            ("null", "URL"),
            ("files --turns 0", "--turns"),
            ("files --turns", "--turns"),
            ("files --fast", "`--fast`"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
