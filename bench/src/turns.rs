//! Taking turns: A B A B, with a deadline for the whole, into rows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::Options;
use crate::machine::{self, Run};
use crate::table::{Quantity, Quoted, Row, Sample};

/// What a row may take besides its turns: starting, warming up, stopping.
const ROW_OVERHEAD: Duration = Duration::from_mins(1);
/// A turn may take this much longer than asked; a turn without a load takes no longer either.
const TURN_OVERHEAD: Duration = Duration::from_secs(20);

/// Others take no more than this share of all cores while a turn counts as undisturbed.
const OTHERS_MAX: f64 = 0.1;
/// Between two looks whether others are quiet.
const LOOK: Duration = Duration::from_secs(1);

/// Takes a turn again that others on this machine disturbed, as long as there is patience.
#[derive(Debug)]
pub struct Calm {
    until: Instant,
}

impl Calm {
    /// The patience of one row, which begins now.
    pub fn new(options: &Options) -> Self {
        Self { until: Instant::now() + options.patience }
    }

    /// Takes a turn: all sides, one after the other; `most` is the most that others took in any.
    pub fn turn<T>(
        &self,
        mut all_sides: impl FnMut() -> anyhow::Result<T>,
        most: impl Fn(&T) -> f64,
    ) -> anyhow::Result<T> {
        loop {
            let taken = all_sides()?;
            let most = most(&taken);
            if most <= OTHERS_MAX || Instant::now() >= self.until {
                return Ok(taken);
            }
            println!(
                "  others took {:.0}% of this machine: again when they are quiet",
                most * 100.0
            );
            while Instant::now() < self.until {
                let (before_s, begun) = (machine::busy_s()?, Instant::now());
                std::thread::sleep(LOOK);
                if share_of_cores(machine::busy_s()? - before_s, begun.elapsed()) <= OTHERS_MAX {
                    break;
                }
            }
        }
    }
}

/// Notes with a sample what others on this machine took meanwhile.
pub fn measured_beside_others(
    turn: impl FnOnce() -> anyhow::Result<Sample>,
) -> anyhow::Result<Sample> {
    let (before_s, begun) = (machine::busy_s()?, Instant::now());
    let sample = turn()?;
    let all_s = machine::busy_s()? - before_s;
    let others_share = sample.cost.map(|cost| {
        let others_s = all_s - cost.server_cpu_s - cost.generator_cpu_s;
        share_of_cores(others_s.max(0.0), begun.elapsed())
    });
    Ok(Sample { others_share, ..sample })
}

fn share_of_cores(cpu_s: f64, span: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cpu_s / span.as_secs_f64() / cores as f64
}

/// What the rows of one run have in common.
#[derive(Clone, Debug)]
pub struct Turns<'a> {
    options: &'a Options,
    /// The circumstances.
    pub run: Run,
    /// The rival's name.
    rival: &'static str,
    /// When the whole run is given up.
    until: Instant,
}

impl<'a> Turns<'a> {
    /// Of `sides` for each of so many rows.
    pub fn new(
        options: &'a Options,
        run: Run,
        rival: &'static str,
        rows: usize,
        sides: usize,
    ) -> anyhow::Result<Self> {
        let turns = u32::try_from(sides * options.turns)?;
        let row = (options.turn + TURN_OVERHEAD) * turns + ROW_OVERHEAD + options.patience;
        Ok(Self { options, run, rival, until: Instant::now() + row * u32::try_from(rows)? })
    }

    /// The same, against somebody else: the name, the version, and what it is told.
    pub fn against(&self, rival: &'static str, version: &str, told: String) -> Self {
        let mut run = self.run.clone();
        let is_ours = |name: &str| name == "sockeye" || name == "wrk";
        run.versions.retain(|(name, _)| is_ours(name));
        run.versions.insert(1, (rival.to_owned(), version.to_owned()));
        Self { run, rival, ..*self }.told(told)
    }

    /// The same, with the rival told something else.
    pub fn told(&self, told: String) -> Self {
        let run = Run { rival_configuration: told, ..self.run.clone() };
        Self { run, ..*self }
    }

    /// Fails if the run takes too long.
    pub fn check_time(&self, name: &str) -> anyhow::Result<()> {
        ensure!(Instant::now() < self.until, "{name}: the run takes too long, given up");
        Ok(())
    }

    /// Alternates: side 0 is ours, side 1 the rival, side 2, where there are three, the null
    /// server.
    pub fn take(
        &self,
        name: &str,
        quantity: Quantity,
        sides: usize,
        mut turn: impl FnMut(usize) -> anyhow::Result<Sample>,
    ) -> anyhow::Result<Row> {
        let mut samples = [Vec::new(), Vec::new(), Vec::new()];
        let calm = Calm::new(self.options);
        for i in 1..=self.options.turns {
            let all_sides = || {
                let one = |side| {
                    self.check_time(name)?;
                    measured_beside_others(|| turn(side))
                };
                (0..sides).map(one).collect::<anyhow::Result<Vec<Sample>>>()
            };
            let taken = calm.turn(all_sides, |samples| {
                samples.iter().filter_map(|sample| sample.others_share).fold(0.0, f64::max)
            });
            for (samples, sample) in
                samples.iter_mut().zip(taken.with_context(|| format!("{name}, turn {i}"))?)
            {
                samples.push(sample);
            }
            let [ours, rival] = [&samples[0], &samples[1]].map(|s| quantity.show(s[i - 1].figure));
            println!("  {name}, turn {i}: {ours}, {} {rival}", self.rival);
        }
        let [ours, rival, null] = samples;
        Ok(Row { null, ..self.row(name, quantity, ours, rival) })
    }

    /// A row of samples that are there.
    pub fn row(
        &self,
        name: &str,
        quantity: Quantity,
        ours: Vec<Sample>,
        rival: Vec<Sample>,
    ) -> Row {
        Row {
            name: name.to_owned(),
            rival_name: self.rival.to_owned(),
            quantity,
            quoted: Quoted::of(quantity, &ours, &rival),
            ours,
            rival,
            null: Vec::new(),
            run: self.run.clone(),
        }
    }
}
