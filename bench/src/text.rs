//! The tables `lines` and `datagrams`: one message, one answer, by our own load generator.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::Options;
use crate::contender::{self, Wire};
use crate::load::Answered;
use crate::load::datagrams::Datagrams;
use crate::load::exchange::{Exchange, memcached_frame};
use crate::load::lines::Lines;
use crate::machine::Run;
use crate::process::Janitor;
use crate::programs::{self, Programs, TextPrograms};
use crate::report::{self, Kept};
use crate::server::Server;
use crate::table::{Cost, Latency, Quantity, Row, Sample};
use crate::turns::Turns;

/// The lines that `--only` may name, in both tables. calc joins them when it is served.
pub const LINES: [&str; 2] = ["echo", "clock"];

/// Connections or sockets of the load.
const CLIENTS: usize = 50;
/// Datagrams under way for each socket. What is under way in all must fit the buffer that the kernel
/// gives a socket that asks for none, some 270 small datagrams: else the rival loses some.
const WINDOW: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
/// Ours, the rival, the null server.
const SIDES: usize = 3;

/// Runs the table of one wire and keeps its rows as they come.
pub fn race(options: &Options, wire: Wire) -> anyhow::Result<()> {
    let programs = Programs::text(&options.sockeye, wire)?;
    let mut kept = Kept::<Row>::read(&options.out, table_name(wire))?;
    let temp = TempDir::with_prefix("sockeye-bench-").context("no temporary folder")?;
    let _janitor = Janitor::hire(temp.path())?;
    let track = Track::lay(options, wire, programs, temp.path())?;
    println!("{}", track.turns.run);
    for line in LINES {
        if options.wants(line) {
            let row = track.row(line)?;
            println!("{}", report::line(&row));
            kept.keep(row)?;
        }
    }
    Ok(())
}

fn table_name(wire: Wire) -> &'static str {
    match wire {
        Wire::Tcp => "lines",
        Wire::Udp => "datagrams",
    }
}

struct Track<'a> {
    options: &'a Options,
    wire: Wire,
    programs: TextPrograms,
    temp: &'a Path,
    /// What the rival is asked.
    rival: Exchange,
    turns: Turns<'a>,
}

impl<'a> Track<'a> {
    fn lay(
        options: &'a Options,
        wire: Wire,
        programs: TextPrograms,
        temp: &'a Path,
    ) -> anyhow::Result<Self> {
        let sockeye = programs::version(&programs.sockeye, "--version")?;
        let flag = if wire == Wire::Tcp { "--version" } else { "-V" };
        let rival_version = programs::version(&programs.rival, flag)?;
        let (rival_name, told, rival) = match wire {
            Wire::Tcp => ("redis", contender::REDIS, Exchange::fixed(b"PING\r\n", b"+PONG\r\n")),
            Wire::Udp => {
                let answer = format!("VERSION {rival_version}\r\n");
                let answer = memcached_frame(1, answer.as_bytes());
                let request = memcached_frame(1, b"version\r\n");
                ("memcached", contender::MEMCACHED, Exchange::fixed(&request, &answer))
            }
        };
        let versions = vec![("sockeye".into(), sockeye), (rival_name.into(), rival_version)];
        let run = Run::now(options, versions, told.to_owned())?;
        let turns = Turns::new(options, run, rival_name, LINES.len(), SIDES)?;
        Ok(Self { options, wire, programs, temp, rival, turns })
    }

    /// All servers run all the time, and their clients stay connected; those whose turn it is not
    /// have nothing to do.
    fn row(&self, line: &str) -> anyhow::Result<Row> {
        let (service, ours) = match line {
            "clock" => ("clock --utc", Exchange::time_of_day()),
            // As many bytes as the rival is asked.
            _ => ("echo", Exchange::echo(&self.rival.request)),
        };
        let null = Exchange::echo(&ours.request);
        let (wire, temp, programs) = (self.wire, self.temp, &self.programs);
        let servers = [
            Server::start(temp, |address| {
                Ok(contender::sockeye_text(&programs.sockeye, service, wire, &ours, address))
            })?,
            Server::start(temp, |address| {
                Ok(match wire {
                    Wire::Tcp => contender::redis(&programs.rival, temp, address),
                    Wire::Udp => contender::memcached(&programs.rival, &self.rival, address),
                })
            })?,
            Server::start(temp, |address| contender::null(wire, &null, address))?,
        ];
        let mut loads = Vec::new();
        for (server, exchange) in servers.iter().zip([&ours, &self.rival, &null]) {
            let mut load = self.load(server, exchange)?;
            load.run(WARM_UP)?;
            loads.push(load);
        }
        self.turns.take(&self.name(line), Quantity::RequestsPerS, SIDES, |side| {
            sample(&servers[side], || loads[side].run(self.options.turn))
        })
    }

    fn name(&self, line: &str) -> String {
        match (self.wire, self.options.depth) {
            (Wire::Tcp, 1) => format!("{line} over TCP, {CLIENTS} connections"),
            (Wire::Tcp, n) => format!("{line} over TCP, {CLIENTS} connections, {n} under way each"),
            (Wire::Udp, _) => {
                format!("{line} over UDP, {CLIENTS} sockets, {WINDOW} under way each")
            }
        }
    }

    fn load(&self, server: &Server, exchange: &Exchange) -> anyhow::Result<Load> {
        Ok(match self.wire {
            Wire::Tcp => {
                let depth = self.options.depth;
                Load::Lines(Lines::connect(server.address, CLIENTS, depth, exchange)?)
            }
            Wire::Udp => {
                Load::Datagrams(Datagrams::connect(server.address, CLIENTS, WINDOW, exchange)?)
            }
        })
    }
}

enum Load {
    Lines(Lines),
    Datagrams(Datagrams),
}

impl Load {
    fn run(&mut self, span: Duration) -> anyhow::Result<Answered> {
        match self {
            Self::Lines(lines) => lines.run(span),
            Self::Datagrams(datagrams) => datagrams.run(span),
        }
    }
}

/// One turn of a load against a server.
pub fn sample(
    server: &Server,
    load: impl FnOnce() -> anyhow::Result<Answered>,
) -> anyhow::Result<Sample> {
    let before_s = server.cpu_s()?;
    let answered = load()?;
    let cost = Cost {
        work: answered.answers as f64,
        server_cpu_s: server.cpu_s()? - before_s,
        generator_cpu_s: answered.cpu_s,
        generator_ran_s: answered.took_s,
    };
    let quantile = |share| answered.latency_ns.quantile(share) as f64 / 1000.0;
    Ok(Sample {
        figure: answered.answers as f64 / answered.took_s,
        cost: Some(cost),
        latency: Some(Latency {
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
        }),
        resent: answered.resent,
        others_share: None,
    })
}
