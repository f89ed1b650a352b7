//! The table `files`: Sockeye and nginx serve the same folder, and so do the file servers of its own
//! kind that are here.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::Options;
use crate::contender::{self, Crowd, Ground, nginx_configuration};
use crate::idle;
use crate::load::http::{self, GIB};
use crate::machine::Run;
use crate::peers::{self, Peer};
use crate::process::Janitor;
use crate::programs::{self, Programs};
use crate::report::{self, Kept};
use crate::server::{Entry, Server, time_to_first_answer};
use crate::table::{Cost, Quantity, Row, Sample, median};
use crate::turns::Turns;

/// The lines that `--only` may name.
pub const LINES: [&str; 6] = ["1k", "peers", "100k", "1g", "idle", "start"];

const NAME: &str = "files";
const RIVAL: &str = "nginx";
/// Rows that may be run, for the deadline of them all.
const ROWS: usize = 16;
const WARM_UP: Duration = Duration::from_secs(1);
/// Starts in one turn of `start`; their median is the turn's figure.
const STARTS: usize = 5;
/// Ours, the rival.
const SIDES: usize = 2;

/// Runs the table and keeps its rows as they come.
pub fn race(options: &Options) -> anyhow::Result<()> {
    let programs = Programs::find(&options.sockeye)?;
    let mut kept = Kept::<Row>::read(&options.out, NAME)?;
    let peers = peers::find()?;
    let missing = peers::missing(&peers);
    if !missing.is_empty() {
        println!("{missing}");
        kept.note(&format!("In the last run, {missing}."));
    }
    let temp = TempDir::with_prefix("sockeye-bench-").context("no temporary folder")?;
    let _janitor = Janitor::hire(temp.path())?;
    let track = Track::lay(options, &programs, &temp)?;
    println!("{}", track.turns.run);
    let mut keep = |row: Row| {
        println!("{}", report::line(&row));
        kept.keep(row)
    };
    if options.wants("1k") {
        keep(track.small(Rival::Nginx(Crowd::Busy), "1k.bin", 1 << 10)?)?;
    }
    if options.wants("peers") {
        for peer in &peers {
            keep(track.small(Rival::Peer(peer), "1k.bin", 1 << 10)?)?;
        }
    }
    if options.wants("100k") {
        keep(track.small(Rival::Nginx(Crowd::Busy), "100k.bin", 100 << 10)?)?;
    }
    if options.wants("1g") {
        keep(track.large(Rival::Nginx(Crowd::Busy), "1g.bin", 1 << 30)?)?;
    }
    if options.wants("idle") {
        let rival = Rival::Nginx(Crowd::Idle);
        let entry = |side, address| track.entry(rival, side, address);
        idle::rows(&track.turns(rival), SIDES, track.temp, PROBE, entry)?
            .into_iter()
            .try_for_each(&mut keep)?;
    }
    if options.wants("start") {
        let rivals =
            || [Rival::Nginx(Crowd::Busy)].into_iter().chain(peers.iter().map(Rival::Peer));
        for rival in rivals() {
            keep(track.starts(rival)?)?;
        }
        for rival in rivals() {
            keep(track.sizes(rival)?)?;
        }
    }
    Ok(())
}

/// Whom a row is against.
#[derive(Clone, Copy, Debug)]
enum Rival<'a> {
    Nginx(Crowd),
    Peer(&'a Peer),
}

impl Rival<'_> {
    /// The row's name: nginx stands in those that name nobody.
    fn row(self, what: &str) -> String {
        match self {
            Self::Nginx(_) => what.to_owned(),
            Self::Peer(peer) => format!("{what}, beside {}", peer.name),
        }
    }
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
        let told = configuration(Crowd::Busy);
        let run = Run::now(options, programs.versions()?, told)?.on_file_system_of(temp);
        let track = Self {
            options,
            programs,
            temp,
            share,
            probe: contents(1 << 10).collect(),
            turns: Turns::new(options, run, RIVAL, ROWS, SIDES)?,
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
    fn entry(&self, rival: Rival<'_>, side: usize, address: SocketAddr) -> anyhow::Result<Entry> {
        let (programs, ground) = (self.programs, self.ground());
        match (side, rival) {
            (0, Rival::Nginx(Crowd::Idle)) => {
                Ok(contender::sockeye_files_idle(&programs.sockeye, ground, address))
            }
            (0, _) => Ok(contender::sockeye_files(&programs.sockeye, ground, address)),
            (_, Rival::Nginx(crowd)) => contender::nginx(&programs.nginx, ground, crowd, address),
            (_, Rival::Peer(peer)) => Ok(peer.entry(ground, address)),
        }
    }

    fn turns(&self, rival: Rival<'_>) -> Turns<'a> {
        match rival {
            Rival::Nginx(crowd) => self.turns.told(configuration(crowd)),
            Rival::Peer(peer) => self.turns.against(peer.name, &peer.version, peer.shown()),
        }
    }

    /// Requests of a small file on many connections.
    fn small(&self, rival: Rival<'_>, file: &str, length: u64) -> anyhow::Result<Row> {
        let name = rival.row(&format!("files, {} KiB", length >> 10));
        self.file(file, length)?;
        let load = |url: &str, span| http::wrk(&self.programs.wrk, url, span);
        let sample = |done: http::Done| (done.requests as f64 / done.took_s, done.requests as f64);
        self.under_load(rival, (&name, file), Quantity::RequestsPerS, load, sample)
    }

    /// A large file on one connection.
    fn large(&self, rival: Rival<'_>, file: &str, length: u64) -> anyhow::Result<Row> {
        let name = rival.row(&format!("files, {} GiB", length >> 30));
        self.file(file, length)?;
        let load = |url: &str, span| http::curl(&self.programs.curl, url, length, span);
        let sample = |done: http::Done| (done.bytes as f64 / done.took_s, done.bytes as f64 / GIB);
        self.under_load(rival, (&name, file), Quantity::BytesPerS, load, sample)
    }

    /// Both servers run all the time; the one whose turn it is not has nothing to do.
    fn under_load(
        &self,
        rival: Rival<'_>,
        (name, file): (&str, &str),
        quantity: Quantity,
        load: impl Fn(&str, Duration) -> anyhow::Result<http::Done>,
        sample: impl Fn(http::Done) -> (f64, f64),
    ) -> anyhow::Result<Row> {
        let servers = [
            Server::start(self.temp, |address| self.entry(rival, 0, address))?,
            Server::start(self.temp, |address| self.entry(rival, 1, address))?,
        ];
        for server in &servers {
            load(&server.url(file), WARM_UP)?;
        }
        self.turns(rival).take(name, quantity, SIDES, |side| {
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

    fn starts(&self, rival: Rival<'_>) -> anyhow::Result<Row> {
        let start =
            |side| time_to_first_answer(self.temp, |address| self.entry(rival, side, address));
        for side in 0..SIDES {
            start(side)?;
        }
        let name = rival.row("start to first answer");
        self.turns(rival).take(&name, Quantity::Ms, SIDES, |side| {
            let mut took_ms = Vec::new();
            for _ in 0..STARTS {
                took_ms.push(start(side)?.as_secs_f64() * 1000.0);
            }
            Ok(Sample::of(median(took_ms.into_iter())))
        })
    }

    fn sizes(&self, rival: Rival<'_>) -> anyhow::Result<Row> {
        let size = |program: &Path| -> anyhow::Result<Vec<Sample>> {
            Ok(vec![Sample::of(stripped_bytes(program, self.temp)? as f64)])
        };
        let theirs = match rival {
            Rival::Nginx(_) => &self.programs.nginx,
            Rival::Peer(peer) => &peer.program,
        };
        let (ours, theirs) = (size(&self.programs.sockeye)?, size(theirs)?);
        let name = rival.row("stripped binary");
        Ok(self.turns(rival).row(&name, Quantity::Bytes, ours, theirs))
    }
}

/// nginx's, as it is written down.
fn configuration(crowd: Crowd) -> String {
    let neutral = Path::new("TEMP");
    nginx_configuration(neutral, &neutral.join("share"), crowd, "127.0.0.1:PORT")
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
