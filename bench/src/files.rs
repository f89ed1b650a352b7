//! The table `files`: Sockeye and nginx serve the same folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::Options;
use crate::contender::{Contender, Ground, Server, time_to_first_answer};
use crate::load::{self, GIB};
use crate::machine::Run;
use crate::process::Janitor;
use crate::programs::{self, Programs};
use crate::report::{self, Kept};
use crate::table::{Cost, Quantity, Quoted, Row, Sample, median};

/// The lines that `--only` may name.
pub const LINES: [&str; 4] = ["1k", "100k", "1g", "start"];

const NAME: &str = "files";
const RIVAL: &str = "nginx";
const WARM_UP: Duration = Duration::from_secs(1);
/// Starts in one turn of `start`; their median is the turn's figure.
const STARTS: usize = 5;
/// What a row may take besides its turns: starting, warming up, stopping.
const ROW_OVERHEAD: Duration = Duration::from_mins(1);
/// A turn may take this much longer than asked; a turn of `start` takes no longer either.
const TURN_OVERHEAD: Duration = Duration::from_secs(20);

/// Runs the table and keeps its rows as they come.
pub fn race(options: &Options) -> anyhow::Result<()> {
    let programs = Programs::find(&options.sockeye)?;
    let mut kept = Kept::read(&options.out, NAME)?;
    let temp = TempDir::with_prefix("sockeye-bench-").context("no temporary folder")?;
    let _janitor = Janitor::hire(temp.path())?;
    let track = Track::lay(options, &programs, &temp)?;
    println!("{}", track.run);
    let is_wanted = |line: &str| options.only.is_empty() || options.only.iter().any(|o| o == line);
    let mut keep = |row: Row| {
        println!("{}", report::line(&row));
        kept.keep(row)
    };
    if is_wanted("1k") {
        keep(track.small("files, 1 KiB", "1k.bin", 1 << 10)?)?;
    }
    if is_wanted("100k") {
        keep(track.small("files, 100 KiB", "100k.bin", 100 << 10)?)?;
    }
    if is_wanted("1g") {
        keep(track.large("files, 1 GiB", "1g.bin", 1 << 30)?)?;
    }
    if is_wanted("start") {
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
    run: Run,
    /// When the whole run is given up.
    until: Instant,
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
        let turns = 2 * u32::try_from(options.turns)?;
        let row = (options.turn + TURN_OVERHEAD) * turns + ROW_OVERHEAD;
        let track = Self {
            options,
            programs,
            temp,
            share,
            probe: contents(1 << 10).collect(),
            run: Run::now(options, programs, temp)?,
            until: Instant::now() + row * LINES.len() as u32,
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
        Ground {
            programs: self.programs,
            temp: self.temp,
            share: &self.share,
            probe: (PROBE, &self.probe),
        }
    }

    /// Requests of a small file on many connections.
    fn small(&self, name: &str, file: &str, length: u64) -> anyhow::Result<Row> {
        self.file(file, length)?;
        let load = |url: &str, span| load::wrk(&self.programs.wrk, url, span);
        let sample = |done: load::Done| (done.requests as f64 / done.took_s, done.requests as f64);
        self.under_load(name, file, Quantity::RequestsPerS, load, sample)
    }

    /// A large file on one connection.
    fn large(&self, name: &str, file: &str, length: u64) -> anyhow::Result<Row> {
        self.file(file, length)?;
        let load = |url: &str, span| load::curl(&self.programs.curl, url, length, span);
        let sample = |done: load::Done| (done.bytes as f64 / done.took_s, done.bytes as f64 / GIB);
        self.under_load(name, file, Quantity::BytesPerS, load, sample)
    }

    /// Both servers run all the time; the one whose turn it is not has nothing to do.
    fn under_load(
        &self,
        name: &str,
        file: &str,
        quantity: Quantity,
        load: impl Fn(&str, Duration) -> anyhow::Result<load::Done>,
        sample: impl Fn(load::Done) -> (f64, f64),
    ) -> anyhow::Result<Row> {
        let servers = [
            Server::start(Contender::Sockeye, self.ground())?,
            Server::start(Contender::Nginx, self.ground())?,
        ];
        for server in &servers {
            load(&server.url(file), WARM_UP)?;
        }
        self.turns(name, quantity, |side| {
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
            Ok(Sample { figure, cost: Some(cost) })
        })
    }

    fn starts(&self, name: &str) -> anyhow::Result<Row> {
        let contenders = [Contender::Sockeye, Contender::Nginx];
        for contender in contenders {
            time_to_first_answer(contender, self.ground())?;
        }
        self.turns(name, Quantity::Ms, |side| {
            let mut took_ms = Vec::new();
            for _ in 0..STARTS {
                let took = time_to_first_answer(contenders[side], self.ground())?;
                took_ms.push(took.as_secs_f64() * 1000.0);
            }
            Ok(Sample { figure: median(took_ms.into_iter()), cost: None })
        })
    }

    fn sizes(&self, name: &str) -> anyhow::Result<Row> {
        let size = |program: &Path| -> anyhow::Result<Vec<Sample>> {
            Ok(vec![Sample { figure: stripped_bytes(program, self.temp)? as f64, cost: None }])
        };
        let (ours, rival) = (size(&self.programs.sockeye)?, size(&self.programs.nginx)?);
        Ok(self.row(name, Quantity::Bytes, ours, rival))
    }

    /// Alternates: side 0 is ours, side 1 the rival.
    fn turns(
        &self,
        name: &str,
        quantity: Quantity,
        mut turn: impl FnMut(usize) -> anyhow::Result<Sample>,
    ) -> anyhow::Result<Row> {
        let mut sides = [Vec::new(), Vec::new()];
        for i in 1..=self.options.turns {
            for (side, samples) in sides.iter_mut().enumerate() {
                ensure!(Instant::now() < self.until, "{name}: the run takes too long, given up");
                samples.push(turn(side).with_context(|| format!("{name}, turn {i}"))?);
            }
            let [ours, rival] = [&sides[0], &sides[1]].map(|s| quantity.show(s[i - 1].figure));
            println!("  {name}, turn {i}: {ours}, {RIVAL} {rival}");
        }
        let [ours, rival] = sides;
        Ok(self.row(name, quantity, ours, rival))
    }

    fn row(&self, name: &str, quantity: Quantity, ours: Vec<Sample>, rival: Vec<Sample>) -> Row {
        Row {
            name: name.to_owned(),
            rival_name: RIVAL.to_owned(),
            quantity,
            quoted: Quoted::of(quantity, &ours, &rival),
            ours,
            rival,
            run: self.run.clone(),
        }
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
