//! The line `idle` of the table `files`: what ten thousand connections cost that say nothing, and
//! whether a newcomer notices them.

use std::net::SocketAddr;
use std::path::Path;

use crate::load::idle::{Idle, newcomer};
use crate::server::{Entry, Server};
use crate::table::{Cost, Latency, Quantity, Row, Sample};
use crate::turns::Turns;

/// Connections that idle. They come from several addresses of loopback.
pub const CONNECTIONS: usize = 10_000;
/// Newcomers in one turn.
const NEWCOMERS: usize = 200;
const KIB: f64 = 1024.0;

/// Memory of a connection, time of a new request: its median and its longest. Each turn has a server
/// of its own, because one that has held many keeps what it took for them.
pub fn rows(
    turns: &Turns<'_>,
    sides: usize,
    temp: &Path,
    file: &str,
    entry: impl Fn(usize, SocketAddr) -> anyhow::Result<Entry>,
) -> anyhow::Result<[Row; 3]> {
    let name = |what| format!("10,000 idle connections, {what}");
    let memory = turns.take(&name("memory of one"), Quantity::Kib, sides, |side| {
        turn(&Server::start(temp, |address| entry(side, address))?, file)
    })?;
    let times = |what, figure: fn(&Latency) -> f64| {
        let ms = |sample: &Sample| {
            let figure = sample.latency.as_ref().map_or(f64::NAN, figure) / 1000.0;
            Sample { others_share: sample.others_share, ..Sample::of(figure) }
        };
        let [ours, rival] =
            [&memory.ours, &memory.rival].map(|side| side.iter().map(ms).collect::<Vec<_>>());
        turns.row(&name(what), Quantity::Ms, ours, rival)
    };
    let median = times("a new request", |latency| latency.p50_us);
    let longest = times("the longest of 200 new requests", |latency| latency.p999_us);
    // They stand in rows of their own.
    let bare = |side: &[Sample]| {
        side.iter().map(|sample| Sample { latency: None, ..*sample }).collect::<Vec<_>>()
    };
    let memory = Row { ours: bare(&memory.ours), rival: bare(&memory.rival), ..memory };
    Ok([memory, median, longest])
}

fn turn(server: &Server, file: &str) -> anyhow::Result<Sample> {
    let begun = std::time::Instant::now();
    let (empty_bytes, before_s) = (server.resident_bytes()?, server.cpu_s()?);
    let idle = Idle::connect(server.address, CONNECTIONS, file)?;
    let cost = Cost {
        work: CONNECTIONS as f64,
        server_cpu_s: server.cpu_s()? - before_s,
        generator_cpu_s: idle.cpu_s,
        generator_ran_s: begun.elapsed().as_secs_f64(),
    };
    let full_bytes = server.resident_bytes()?;
    let mut took_us = Vec::with_capacity(NEWCOMERS);
    for _ in 0..NEWCOMERS {
        took_us.push(newcomer(server.address, file)?.as_secs_f64() * 1e6);
    }
    idle.check()?;
    took_us.sort_by(f64::total_cmp);
    let at = |part: f64| took_us[((took_us.len() - 1) as f64 * part) as usize];
    let latency = Latency { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(1.0) };
    let kib = full_bytes.saturating_sub(empty_bytes) as f64 / KIB / CONNECTIONS as f64;
    Ok(Sample { cost: Some(cost), latency: Some(latency), ..Sample::of(kib) })
}
