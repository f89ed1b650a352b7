//! The table `files`: Sockeye and nginx serve the same folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::Options;
use crate::contender::{self, Ground, nginx_configuration};
use crate::load::http::{self, GIB};
use crate::machine::Run;
use crate::process::Janitor;
use crate::programs::{self, Programs};
use crate::report::{self, Kept};
use crate::server::{Entry, Server, time_to_first_answer};
use crate::table::{Cost, Quantity, Row, Sample, median};
use crate::turns::Turns;

/// The lines that `--only` may name.
pub const LINES: [&str; 4] = ["1k", "100k", "1g", "start"];

const NAME: &str = "files";
const RIVAL: &str = "nginx";
const WARM_UP: Duration = Duration::from_secs(1);
/// Starts in one turn of `start`; their median is the turn's figure.
const STARTS: usize = 5;
/// Ours, the rival.
const SIDES: usize = 2;

/// Runs the table and keeps its rows as they come.
pub fn race(options: &Options) -> anyhow::Result<()> {
    let programs = Programs::find(&options.sockeye)?;
    let mut kept = Kept::<Row>::read(&options.out, NAME)?;
    let temp = TempDir::with_prefix("sockeye-bench-").context("no temporary folder")?;
    let _janitor = Janitor::hire(temp.path())?;
    let track = Track::lay(options, &programs, &temp)?;
    println!("{}", track.turns.run);
    let mut keep = |row: Row| {
        println!("{}", report::line(&row));
        kept.keep(row)
    };
    if options.wants("1k") {
        keep(track.small("files, 1 KiB", "1k.bin", 1 << 10)?)?;
    }
    if options.wants("100k") {
        keep(track.small("files, 100 KiB", "100k.bin", 100 << 10)?)?;
    }
    if options.wants("1g") {
        keep(track.large("files, 1 GiB", "1g.bin", 1 << 30)?)?;
    }
    if options.wants("start") {
        keep(track.starts("start to first answer")?)?;
        keep(track.sizes("stripped binary")?)?;
    }
    Ok(())
}

/// The folder that is served, and all that the rows have in common.
struct Track<'a> {
    options: &'a Options,
    programs: &'a Programs,
    temp: &'a Path,
    share: PathBuf,
    probe: Vec<u8>,
    turns: Turns<'a>,
}

const PROBE: &str = "probe.bin";

impl<'a> Track<'a> {
    fn lay(
        options: &'a Options,
        programs: &'a Programs,
        temp: &'a TempDir,
    ) -> anyhow::Result<Self> {
        let temp = temp.path();
        let share = temp.join("share");
        fs::create_dir(&share)?;
        let neutral = Path::new("TEMP");
        let rival = nginx_configuration(neutral, &neutral.join("share"), "127.0.0.1:PORT");
        let run = Run::now(options, programs.versions()?, rival)?.on_file_system_of(temp);
        let track = Self {
            options,
            programs,
            temp,
            share,
            probe: contents(1 << 10).collect(),
            turns: Turns::new(options, run, RIVAL, LINES.len(), SIDES)?,
        };
        track.file(PROBE, 1 << 10)?;
        Ok(track)
    }

    /// A file in the folder, written a moment ago and therefore in the kernel's memory.
    fn file(&self, name: &str, length: u64) -> anyhow::Result<()> {
        let path = self.share.join(name);
        let mut file = File::create(&path)?;
        let block: Vec<u8> = contents(1 << 20).collect();
        let mut left = length;
        while left > 0 {
            let n = left.min(block.len() as u64);
            file.write_all(&block[..n as usize]).context("the temporary folder is full")?;
            left -= n;
        }
        // On the disk, so that no writing back disturbs the turns; and old enough that it counts
        // as settled.
        file.sync_all()?;
        file.set_modified(SystemTime::now() - Duration::from_hours(1))?;
        let read = std::io::copy(&mut File::open(&path)?, &mut std::io::sink())?;
        ensure!(read == length, "{name} has {read} bytes instead of {length}");
        Ok(())
    }

    fn ground(&self) -> Ground<'_> {
        Ground { temp: self.temp, share: &self.share, probe: (PROBE, &self.probe) }
    }

    /// Side 0 is ours, side 1 the rival.
    fn entry(&self, side: usize, address: SocketAddr) -> anyhow::Result<Entry> {
        match side {
            0 => Ok(contender::sockeye_files(&self.programs.sockeye, self.ground(), address)),
            _ => contender::nginx(&self.programs.nginx, self.ground(), address),
        }
    }

    /// Requests of a small file on many connections.
    fn small(&self, name: &str, file: &str, length: u64) -> anyhow::Result<Row> {
        self.file(file, length)?;
        let load = |url: &str, span| http::wrk(&self.programs.wrk, url, span);
        let sample = |done: http::Done| (done.requests as f64 / done.took_s, done.requests as f64);
        self.under_load(name, file, Quantity::RequestsPerS, load, sample)
    }

    /// A large file on one connection.
    fn large(&self, name: &str, file: &str, length: u64) -> anyhow::Result<Row> {
        self.file(file, length)?;
        let load = |url: &str, span| http::curl(&self.programs.curl, url, length, span);
        let sample = |done: http::Done| (done.bytes as f64 / done.took_s, done.bytes as f64 / GIB);
        self.under_load(name, file, Quantity::BytesPerS, load, sample)
    }

    /// Both servers run all the time; the one whose turn it is not has nothing to do.
    fn under_load(
        &self,
        name: &str,
        file: &str,
        quantity: Quantity,
        load: impl Fn(&str, Duration) -> anyhow::Result<http::Done>,
        sample: impl Fn(http::Done) -> (f64, f64),
    ) -> anyhow::Result<Row> {
        let servers = [
            Server::start(self.temp, |address| self.entry(0, address))?,
            Server::start(self.temp, |address| self.entry(1, address))?,
        ];
        for server in &servers {
            load(&server.url(file), WARM_UP)?;
        }
        self.turns.take(name, quantity, SIDES, |side| {
            let server = &servers[side];
            let before_s = server.cpu_s()?;
            let done = load(&server.url(file), self.options.turn)?;
            let (figure, work) = sample(done);
            let cost = Cost {
                work,
                server_cpu_s: server.cpu_s()? - before_s,
                generator_cpu_s: done.cpu_s,
                generator_ran_s: done.ran_s,
            };
            Ok(Sample { cost: Some(cost), ..Sample::of(figure) })
        })
    }

    fn starts(&self, name: &str) -> anyhow::Result<Row> {
        for side in 0..SIDES {
            time_to_first_answer(self.temp, |address| self.entry(side, address))?;
        }
        self.turns.take(name, Quantity::Ms, SIDES, |side| {
            let mut took_ms = Vec::new();
            for _ in 0..STARTS {
                let took = time_to_first_answer(self.temp, |address| self.entry(side, address))?;
                took_ms.push(took.as_secs_f64() * 1000.0);
            }
            Ok(Sample::of(median(took_ms.into_iter())))
        })
    }

    fn sizes(&self, name: &str) -> anyhow::Result<Row> {
        let size = |program: &Path| -> anyhow::Result<Vec<Sample>> {
            Ok(vec![Sample::of(stripped_bytes(program, self.temp)? as f64)])
        };
        let (ours, rival) = (size(&self.programs.sockeye)?, size(&self.programs.nginx)?);
        Ok(self.turns.row(name, Quantity::Bytes, ours, rival))
    }
}

/// Bytes that repeat neither in a short span nor as text would.
fn contents(length: usize) -> impl Iterator<Item = u8> {
    (0..length).scan(0x2545_F491_u32, |state, _| {
        // Marsaglia's xorshift: the same bytes in every run.
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        Some(*state as u8)
    })
}

/// The program's size without symbols; where there is no strip, its size as it is.
fn stripped_bytes(program: &Path, temp: &Path) -> anyhow::Result<u64> {
    let copy = temp.join("stripped");
    let stripped = programs::optional("strip").is_some_and(|strip| {
        Command::new(strip).arg("-o").arg(&copy).arg(program).status().is_ok_and(|s| s.success())
    });
    Ok(fs::metadata(if stripped { &copy } else { program })?.len())
}
