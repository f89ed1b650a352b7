//! `swap`: a file is replaced while it is asked for thousands of times a second, and every answer is
//! judged. It is no race: either all promises hold, or it fails.
//!
//! Promised is: a body is of one generation; an entity tag stands for one content; and what was asked
//! for more than [`LATE_MAX`] after a change ended is answered by what is there since, whichever way
//! the change came about.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::Options;
use crate::contender::{self, Ground};
use crate::process::Janitor;
use crate::programs;
use crate::server::Server;
use crate::table::thousands;

use self::contents::Contents;
use self::history::{History, Judge, Tally};
use self::load::{Load, Target};
use self::scene::Scene;

mod contents;
mod history;
mod load;
mod scene;

/// The lines that `--only` may name.
pub const LINES: [&str; 4] = ["rename", "in-place", "same-stamp", "hard"];

/// How late an answer may be.
const LATE_MAX: Duration = Duration::from_millis(100);
/// What is asked for; a large file comes as often as it can.
const RATE_PER_S: u64 = 10_000;
/// Lengths of the file, in bytes.
const LENGTHS: [usize; 3] = [1 << 10, 20 << 10, 300 << 10];
/// A hard case needs no more of the run's time than this part.
const HARD_PART: u32 = 4;
const PROBE: (&str, &[u8]) = ("probe.bin", b"here");

/// Runs all lines that are wanted, and fails at the end if anything did not hold.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let sockeye = programs::ours(&options.sockeye)?;
    println!("sockeye {}", programs::version(&sockeye, "--version")?);
    let temp = TempDir::with_prefix("sockeye-bench-").context("no temporary folder")?;
    let _janitor = Janitor::hire(temp.path())?;
    let share = temp.path().join("share");
    fs::create_dir(&share)?;
    fs::write(share.join(PROBE.0), PROBE.1)?;
    let ground = Ground { temp: temp.path(), share: &share, probe: PROBE };
    let server = Server::start(temp.path(), |address| {
        Ok(contender::sockeye_files(&sockeye, ground, address))
    })?;
    let (mut played, mut broken) = (0, 0);
    for (line, scenes) in scenes(options.turn) {
        if !options.wants(line) {
            continue;
        }
        for (scene, span) in scenes {
            broken += usize::from(!play(&scene, played, span, &server, temp.path())?);
            played += 1;
        }
    }
    if broken > 0 {
        bail!("{broken} did not hold");
    }
    Ok(())
}

fn scenes(span: Duration) -> Vec<(&'static str, Vec<(Scene, Duration)>)> {
    let lengths = |scene: fn(Contents) -> Scene, varies| {
        let all = LENGTHS.map(|length| (scene(Contents { length, varies }), span));
        all.into_iter().collect::<Vec<_>>()
    };
    let hard = Scene::hard_cases().into_iter().map(|scene| (scene, span / HARD_PART)).collect();
    vec![
        (LINES[0], lengths(Scene::Renamed, true)),
        (LINES[1], lengths(Scene::InPlace, false)),
        (LINES[2], lengths(Scene::SameStamp, false)),
        (LINES[3], hard),
    ]
}

/// Plays one scene under load; says whether all held.
fn play(
    scene: &Scene,
    number: usize,
    span: Duration,
    server: &Server,
    temp: &Path,
) -> anyhow::Result<bool> {
    let stage = scene.set(temp, number)?;
    let history = History::new(Instant::now(), stage.first);
    let target = Target {
        server: server.address,
        path: &stage.path,
        rate_per_s: RATE_PER_S,
        contents: scene.contents(),
    };
    let load = Load::new(target, &history, Judge::new(&history, LATE_MAX, scene.in_place()))?;
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    let cpu_before_s = server.cpu_s()?;
    let (judge, changes) = std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let changes = scene.change(&stage, &history, span);
            is_over.store(true, Ordering::Relaxed);
            changes
        });
        let judge = load.run(&is_over);
        // Where the load failed, the changes need not go on.
        is_over.store(true, Ordering::Relaxed);
        (judge, changing.join())
    });
    let Ok(changes) = changes else { bail!("{scene}: the thread that changes the disk panicked") };
    let (tally, changes) = (judge?.tally, changes?);
    stage.strike()?;
    let rate = tally.answers() as f64 / begun.elapsed().as_secs_f64();
    let cpu_s = (server.cpu_s()? - cpu_before_s) / tally.answers() as f64;
    Ok(report(scene, &tally, changes, rate, cpu_s))
}

fn report(scene: &Scene, tally: &Tally, changes: u64, rate: f64, cpu_s: f64) -> bool {
    let holds = tally.wrong == 0 && (tally.broken == 0 || scene.in_place());
    let verdict = if holds { "held  " } else { "BROKEN" };
    let Tally { whole, not_modified, refused, broken, mid_write, late, .. } = tally;
    println!(
        "{verdict} {:<44} {changes} changes, {}/s, latest {:.1} ms; {whole} whole, {not_modified} not \
         modified, {refused} refused{:?}, {broken} broken off, {mid_write} in mid-write; CPU {:.1} µs/request",
        scene.to_string(),
        thousands(rate),
        late.as_secs_f64() * 1000.0,
        tally.statuses,
        cpu_s * 1e6,
    );
    if let Some(wrong) = &tally.first_wrong {
        println!("       {} answers were wrong; the first: {wrong}", tally.wrong);
    }
    holds
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{SocketAddr, TcpListener};

    use super::*;
    use crate::swap::history::State;

    const CONTENTS: Contents = Contents { length: 64, varies: false };

    /// A server that gives every request the same answer.
    fn server(answer: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = std::sync::Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, answer) = (stream.unwrap(), answer.clone());
                std::thread::spawn(move || {
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    // A request's head ends with an empty line.
                    for _ in lines.map_while(Result::ok).filter(String::is_empty) {
                        if stream.write_all(&answer()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn whole(tag: &str, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    /// What a judge says of that server's answers, about a name whose generation 1 was replaced by
    /// 2 a second ago.
    fn seen_of(server: SocketAddr) -> Tally {
        let clock = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let history = History::new(clock, State::Generation(1));
        history.change_at(State::Generation(2), 0);
        let target = Target { server, path: "/x", rate_per_s: 10_000, contents: CONTENTS };
        let load = Load::new(target, &history, Judge::new(&history, LATE_MAX, false)).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                is_over.store(true, Ordering::Relaxed);
            });
            load.run(&is_over).unwrap().tally
        })
    }

    #[test]
    fn a_server_that_tells_what_is_there_is_right() {
        let tally = seen_of(server(|| whole("\"2\"", &CONTENTS.of(2))));
        assert!(tally.whole > 0, "{tally:?}");
        assert_eq!((tally.wrong, tally.first_wrong), (0, None));
    }

    #[test]
    fn a_server_that_is_late_is_caught() {
        let tally = seen_of(server(|| whole("\"1\"", &CONTENTS.of(1))));
        assert!(tally.wrong > 0 && tally.late >= Duration::from_millis(900), "{tally:?}");
    }

    #[test]
    fn a_mixture_is_caught() {
        let mixture = [&CONTENTS.of(1)[..24], &CONTENTS.of(2)[24..]].concat();
        let tally = seen_of(server(move || whole("\"2\"", &mixture)));
        assert_eq!(tally.wrong, tally.whole);
        assert!(tally.wrong > 0, "{tally:?}");
    }

    #[test]
    fn a_body_that_breaks_off_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut line = String::new();
                let _ = BufReader::new(stream.try_clone().unwrap()).read_line(&mut line);
                let answer = whole("\"2\"", &CONTENTS.of(2));
                let _ = stream.write_all(&answer[..answer.len() - 1]);
            }
        });
        let tally = seen_of(address);
        assert!(tally.broken > 0 && tally.whole == 0, "{tally:?}");
    }
}
