//! A table's rows: the samples of both sides, and what is quoted of them.
//!
//! The turns alternate, so that each sample of ours has one of the rival's taken right after it.
//! What is quoted is the median of these pairs' ratios, with the lowest and the highest. A ratio
//! above 1 always says that Sockeye is ahead, also where less is better.

use serde::{Deserialize, Serialize};

use crate::machine::Run;

/// What a row's figures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// More is better.
    RequestsPerS,
    /// More is better.
    BytesPerS,
    /// Less is better.
    Ms,
    /// Less is better.
    Bytes,
    /// Of each of many; less is better.
    Kib,
}

impl Quantity {
    fn ratio(self, ours: f64, rival: f64) -> f64 {
        match self {
            Self::RequestsPerS | Self::BytesPerS => ours / rival,
            Self::Ms | Self::Bytes | Self::Kib => rival / ours,
        }
    }

    /// For people.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::RequestsPerS => format!("{} /s", thousands(figure)),
            Self::BytesPerS => format!("{:.2} GB/s", figure / 1e9),
            Self::Ms => format!("{figure:.1} ms"),
            Self::Bytes => format!("{:.1} MB", figure / 1e6),
            Self::Kib => format!("{figure:.1} KiB"),
        }
    }

    /// CPU seconds per unit of work, for people.
    pub fn show_cpu(self, cpu_s: f64) -> String {
        match self {
            Self::RequestsPerS => format!("{:.2} µs/request", cpu_s * 1e6),
            Self::BytesPerS => format!("{cpu_s:.3} s/GiB"),
            Self::Kib => format!("{:.1} µs/connection", cpu_s * 1e6),
            Self::Ms | Self::Bytes => format!("{cpu_s:.3} s"),
        }
    }
}

/// One turn of one side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The figure, in the row's [`Quantity`].
    pub figure: f64,
    /// What the load cost, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cost: Option<Cost>,
    /// How long answers took, where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latency: Option<Latency>,
    /// Datagrams that were lost and sent again.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub resent: u64,
    /// The share of all cores that went to neither side nor the load generator.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub others_share: Option<f64>,
}

impl Sample {
    /// A figure alone.
    pub fn of(figure: f64) -> Self {
        Self { figure, cost: None, latency: None, resent: 0, others_share: None }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// From a request to its answer, as a client sees it; at most 1.6% too high.
#[allow(clippy::struct_field_names, reason = "units stand last in names")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the answers took no longer.
    pub p50_us: f64,
    /// 99 of 100 answers.
    pub p99_us: f64,
    /// 999 of 1,000 answers.
    pub p999_us: f64,
}

/// What one turn of load cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Units of work that were done: requests, or where bytes are counted GiB.
    pub work: f64,
    /// CPU seconds of the server, user and system.
    pub server_cpu_s: f64,
    /// CPU seconds of the load generator.
    pub generator_cpu_s: f64,
    /// How long the load generator ran, in seconds.
    pub generator_ran_s: f64,
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name, by which a later run replaces it.
    pub name: String,
    /// The rival's name.
    pub rival_name: String,
    /// What the figures are.
    pub quantity: Quantity,
    /// Our turns.
    pub ours: Vec<Sample>,
    /// The rival's turns, each after ours of the same place.
    pub rival: Vec<Sample>,
    /// Turns of the null server, where the load generator is ours.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub null: Vec<Sample>,
    /// What was quoted of the samples when they were taken.
    pub quoted: Quoted,
    /// When, on what, and by which versions.
    pub run: Run,
}

/// What is quoted of a row's samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quoted {
    /// Medians of the figures: ours, the rival's.
    pub figures: [f64; 2],
    /// Of the figures' ratios.
    pub ratio: Ratio,
    /// Of costs, where there are any.
    pub cost: Option<QuotedCost>,
}

/// What is quoted of the costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotedCost {
    /// Medians of CPU seconds per unit of work: ours, the rival's.
    pub cpu_s_per_work: [f64; 2],
    /// Of the rival's CPU seconds per unit of work to ours.
    pub ratio: Ratio,
    /// Medians of the share of one core that the load generator took: against us, the rival.
    pub generator_share: [f64; 2],
}

/// The ratios of the pairs in three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Half of the pairs are above.
    pub median: f64,
    /// The worst for us.
    pub min: f64,
    /// The best for us.
    pub max: f64,
}

impl Quoted {
    /// Quotes pairs of samples; there must be at least one.
    pub fn of(quantity: Quantity, ours: &[Sample], rival: &[Sample]) -> Self {
        let figures = [ours, rival].map(|side| median(side.iter().map(|s| s.figure)));
        let pairs = ours.iter().zip(rival);
        let ratio = Ratio::of(pairs.map(|(o, r)| quantity.ratio(o.figure, r.figure)));
        let costs = |side: &[Sample]| side.iter().map(|s| s.cost).collect::<Option<Vec<Cost>>>();
        let cost = costs(ours).zip(costs(rival)).map(|(ours, rival)| {
            let per_work = |cost: &Cost| cost.server_cpu_s / cost.work;
            let pairs = ours.iter().zip(&rival);
            QuotedCost {
                cpu_s_per_work: [&ours, &rival].map(|side| median(side.iter().map(per_work))),
                ratio: Ratio::of(pairs.map(|(o, r)| per_work(r) / per_work(o))),
                generator_share: [&ours, &rival]
                    .map(|side| median(side.iter().map(|c| c.generator_cpu_s / c.generator_ran_s))),
            }
        });
        Self { figures, ratio, cost }
    }
}

impl Ratio {
    fn of(ratios: impl Iterator<Item = f64>) -> Self {
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        assert!(!ratios.is_empty(), "a row has at least one turn");
        Self { median: middle(&ratios), min: ratios[0], max: ratios[ratios.len() - 1] }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.min, self.max)
    }
}

/// The middle one of some numbers, or the mean of the two in the middle.
pub fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    middle(&numbers)
}

fn middle(sorted: &[f64]) -> f64 {
    match (sorted.len() / 2, sorted.len() % 2) {
        (half, 1) => sorted[half],
        (half, _) => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// A whole number with a comma before each group of three digits.
pub fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(figures: &[f64]) -> Vec<Sample> {
        figures.iter().map(|&figure| Sample::of(figure)).collect()
    }

    #[test]
    fn the_median_of_the_pairs_ratios_is_quoted_not_the_ratio_of_medians() {
        let (ours, rival) = (samples(&[10.0, 30.0, 20.0]), samples(&[10.0, 10.0, 40.0]));
        let quoted = Quoted::of(Quantity::RequestsPerS, &ours, &rival);
        let ratio = Ratio { median: 1.0, min: 0.5, max: 3.0 };
        assert_eq!(quoted, Quoted { figures: [20.0, 10.0], ratio, cost: None });
    }

    #[test]
    fn an_even_number_of_turns_has_the_mean_of_the_middle_two() {
        let (ours, rival) = (samples(&[1.0, 2.0, 4.0, 9.0]), samples(&[1.0; 4]));
        assert!((Quoted::of(Quantity::BytesPerS, &ours, &rival).ratio.median - 3.0).abs() < 1e-9);
    }

    #[test]
    fn above_one_we_are_ahead_also_where_less_is_better() {
        let (ours, rival) = (samples(&[5.0]), samples(&[10.0]));
        assert_eq!(
            Quoted::of(Quantity::Ms, &ours, &rival).ratio.to_string(),
            "2.00 (2.00 to 2.00)"
        );
        let cost = |server_cpu_s| {
            let cost = Cost { work: 4.0, server_cpu_s, generator_cpu_s: 1.0, generator_ran_s: 2.0 };
            [Sample { cost: Some(cost), ..Sample::of(1.0) }]
        };
        let cost = Quoted::of(Quantity::RequestsPerS, &cost(2.0), &cost(3.0)).cost.unwrap();
        let ratio = Ratio { median: 1.5, min: 1.5, max: 1.5 };
        let expected =
            QuotedCost { cpu_s_per_work: [0.5, 0.75], ratio, generator_share: [0.5, 0.5] };
        assert_eq!(cost, expected);
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(Quantity::RequestsPerS.show(118_514.81), "118,515 /s");
        assert_eq!(Quantity::RequestsPerS.show(999.0), "999 /s");
        assert_eq!(Quantity::BytesPerS.show(2.345e9), "2.35 GB/s");
        assert_eq!(Quantity::Bytes.show(4_555_480.0), "4.6 MB");
        assert_eq!(Quantity::RequestsPerS.show_cpu(9.876e-6), "9.88 µs/request");
    }
}
