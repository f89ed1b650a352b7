//! The table `drivers`: echo over TCP on each of the three drivers, with few clients and with many.
//!
//! No rival stands beside it; the drivers take turns with each other. Each turn has a server of its
//! own, so that its memory is that of this many clients and not what an earlier crowd left.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::Options;
use crate::chart::{self, Panel, Series};
use crate::contender::{self, Wire};
use crate::load::exchange::Exchange;
use crate::load::lines::Lines;
use crate::machine::Run;
use crate::process::Janitor;
use crate::programs;
use crate::report::{Kept, Line};
use crate::server::Server;
use crate::table::{Cost, Latency, median, thousands};
use crate::text;
use crate::turns::{Calm, measured_beside_others};

/// The lines that `--only` may name: how many clients.
pub const LINES: [&str; 4] = ["10", "100", "1000", "10000"];

const NAME: &str = "drivers";
const DRIVERS: [&str; 3] = ["tasks", "threads", "single"];
const CHART: &str = "docs/drivers.svg";
const MESSAGE: &[u8] = b"PING\r\n";
const KIB: f64 = 1024.0;

/// One driver with so many clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    driver: String,
    clients: usize,
    turns: Vec<Turn>,
    /// Why there are fewer turns than there should be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    failure: Option<String>,
    run: Run,
}

/// One turn of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Turn {
    rate_per_s: f64,
    latency: Latency,
    /// The server's memory before the first client came.
    empty_bytes: u64,
    /// The same at the end of the load, with all clients connected.
    full_bytes: u64,
    cost: Cost,
    /// The share of all cores that went to neither the server nor the load generator.
    others_share: f64,
}

/// Runs the table, keeps its lines as they come, and draws them.
pub fn race(options: &Options) -> anyhow::Result<()> {
    let sockeye = programs::ours(&options.sockeye)?;
    let versions = vec![("sockeye".into(), programs::version(&sockeye, "--version")?)];
    let run = Run::now(options, versions, String::new())?;
    let mut kept = Kept::<Point>::read(&options.out, NAME)?;
    let temp = TempDir::with_prefix("sockeye-bench-").context("no temporary folder")?;
    let _janitor = Janitor::hire(temp.path())?;
    println!("{run}");
    for line in LINES.into_iter().filter(|line| options.wants(line)) {
        let clients = line.parse()?;
        let mut points = DRIVERS.map(|driver| Point {
            driver: driver.to_owned(),
            clients,
            turns: Vec::new(),
            failure: None,
            run: run.clone(),
        });
        let calm = Calm::new(options);
        for _ in 0..options.turns {
            for point in points.iter_mut().filter(|point| point.failure.is_none()) {
                let one = || turn(&sockeye, &point.driver, clients, options, temp.path());
                let taken = calm.turn(one, |turn| turn.others_share);
                match taken {
                    Ok(turn) => {
                        println!("  {}, {clients} clients: {turn}", point.driver);
                        point.turns.push(turn);
                    }
                    Err(error) => {
                        println!("  {}, {clients} clients: {error:#}", point.driver);
                        point.failure = Some(format!("{error:#}"));
                    }
                }
            }
        }
        for point in points {
            kept.keep(point)?;
        }
    }
    draw(kept.lines(), &options.out)
}

fn turn(
    sockeye: &Path,
    driver: &str,
    clients: usize,
    options: &Options,
    temp: &Path,
) -> anyhow::Result<Turn> {
    let exchange = Exchange::echo(MESSAGE);
    let service = format!("echo --driver {driver}");
    let server = Server::start(temp, |address| {
        Ok(contender::sockeye_text(sockeye, &service, Wire::Tcp, &exchange, address))
    })?;
    let empty_bytes = server.resident_bytes()?;
    let mut lines = Lines::connect(server.address, clients, 1, &exchange)?;
    // Letting in ten thousand takes a while, and is not what is measured.
    lines.greet()?;
    let sample = measured_beside_others(|| text::sample(&server, || lines.run(options.turn)))?;
    let full_bytes = server.resident_bytes()?;
    let (latency, cost) = sample.latency.zip(sample.cost).context("a load was measured")?;
    let others_share = sample.others_share.unwrap_or_default();
    Ok(Turn { rate_per_s: sample.figure, latency, empty_bytes, full_bytes, cost, others_share })
}

impl Turn {
    fn client_kib(&self, clients: usize) -> f64 {
        self.full_bytes.saturating_sub(self.empty_bytes) as f64 / KIB / clients as f64
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Latency { p50_us, p99_us, .. } = self.latency;
        let mib = self.full_bytes as f64 / KIB / KIB;
        let rate = thousands(self.rate_per_s);
        write!(f, "{rate} /s, p50 {p50_us:.0} µs, p99 {p99_us:.0} µs, {mib:.1} MiB")
    }
}

impl Point {
    fn median(&self, figure: impl Fn(&Turn) -> f64) -> Option<f64> {
        (!self.turns.is_empty()).then(|| median(self.turns.iter().map(figure)))
    }
}

impl Line for Point {
    fn name(&self) -> String {
        format!("{} {}", self.driver, self.clients)
    }

    fn section(points: &[Self]) -> String {
        let mut text = String::from(
            "echo over TCP, one message of 6 bytes under way on each connection. Memory is what the \
             server has resident, the kernel's buffers not counted; a client's is what it grew by \
             since it was empty, divided. Medians over the turns.\n\n\
             | clients | driver | rate | p50 | p99 | server's memory | a client's | CPU, server | load generator's CPU | others' share of the machine | run |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for point in points {
            let _ = writeln!(text, "{}", point.row());
        }
        text
    }
}

impl Point {
    fn row(&self) -> String {
        let mut text = format!("| {} | {} |", thousands(self.clients as f64), self.driver);
        if self.turns.is_empty() {
            text.push_str(" | | | | | | | |");
        } else {
            let of = |figure: &dyn Fn(&Turn) -> f64| self.median(figure).unwrap_or_default();
            let _ = write!(
                text,
                " {} /s | {} | {} | {:.1} MiB | {:.1} KiB | {:.2} µs/request | {:.0}% | {:.0}% |",
                thousands(of(&|turn| turn.rate_per_s)),
                time(of(&|turn| turn.latency.p50_us)),
                time(of(&|turn| turn.latency.p99_us)),
                of(&|turn| turn.full_bytes as f64) / KIB / KIB,
                of(&|turn| turn.client_kib(self.clients)),
                of(&|turn| turn.cost.server_cpu_s / turn.cost.work) * 1e6,
                of(&|turn| turn.cost.generator_cpu_s / turn.cost.generator_ran_s) * 100.0,
                of(&|turn| turn.others_share) * 100.0,
            );
        }
        let _ = write!(text, " {}", self.run);
        if let Some(failure) = &self.failure {
            let _ = write!(text, "; after {} turns: {failure}", self.turns.len());
        }
        text + " |"
    }
}

fn time(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} µs") } else { format!("{:.1} ms", us / 1000.0) }
}

/// The chart beside the manuals: the repository's folder is the one that holds this crate's.
fn draw(points: &[Point], out: &Path) -> anyhow::Result<()> {
    let Some(run) = points.last().map(|point| &point.run) else { return Ok(()) };
    let panels = [
        panel(points, "requests answered", "thousand a second", false, |turn, _| {
            turn.rate_per_s / 1000.0
        }),
        panel(points, "99 of 100 answers take at most", "milliseconds", true, |turn, _| {
            turn.latency.p99_us / 1000.0
        }),
        panel(points, "server's memory for a client", "KiB", false, Turn::client_kib),
    ];
    let caption = format!(
        "sockeye serve echo over TCP, one message of 6 bytes under way per client; {} turns of {} s; \
         {} cores, shared with the clients; {}, {}",
        run.turns, run.turn_s, run.machine.cores, run.date, run.commit
    );
    let svg = chart::draw("Three drivers, from 10 to 10,000 clients", &caption, &panels);
    let file = out.canonicalize()?.parent().unwrap_or(out).join(CHART);
    let folder = file.parent().unwrap_or(out);
    fs::create_dir_all(folder)?;
    fs::write(&file, svg).with_context(|| format!("cannot write {}", file.display()))?;
    println!("drawn: {}", file.display());
    Ok(())
}

fn panel(
    points: &[Point],
    title: &'static str,
    unit: &'static str,
    is_logarithmic: bool,
    figure: impl Fn(&Turn, usize) -> f64,
) -> Panel {
    let series = DRIVERS.map(|driver| {
        let mut of: Vec<&Point> = points.iter().filter(|point| point.driver == driver).collect();
        of.sort_by_key(|point| point.clients);
        let all = of.into_iter().filter_map(|point| {
            let figures = point.turns.iter().map(|turn| figure(turn, point.clients));
            let figures: Vec<f64> = figures.collect();
            let low = figures.iter().copied().reduce(f64::min)?;
            let high = figures.iter().copied().reduce(f64::max)?;
            let median = median(figures.into_iter());
            Some(chart::Mark { at: point.clients as f64, median, low, high })
        });
        Series { name: driver, marks: all.collect() }
    });
    Panel { title, unit, is_logarithmic, series: series.into() }
}
