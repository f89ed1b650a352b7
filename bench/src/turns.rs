//! Taking turns: A B A B, with a deadline for the whole, into rows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::Options;
use crate::machine::Run;
use crate::table::{Quantity, Quoted, Row, Sample};

/// What a row may take besides its turns: starting, warming up, stopping.
const ROW_OVERHEAD: Duration = Duration::from_mins(1);
/// A turn may take this much longer than asked; a turn without a load takes no longer either.
const TURN_OVERHEAD: Duration = Duration::from_secs(20);

/// What the rows of one run have in common.
#[derive(Debug)]
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
        let row = (options.turn + TURN_OVERHEAD) * turns + ROW_OVERHEAD;
        Ok(Self { options, run, rival, until: Instant::now() + row * u32::try_from(rows)? })
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
        for i in 1..=self.options.turns {
            for (side, samples) in samples.iter_mut().enumerate().take(sides) {
                self.check_time(name)?;
                samples.push(turn(side).with_context(|| format!("{name}, turn {i}"))?);
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
