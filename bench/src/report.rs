//! Where figures are kept: all samples in `results/NAME.json`, a line for people in `RESULTS.md`.
//!
//! A run replaces the rows that it measured and leaves the others, each with the circumstances of
//! its own run. Of RESULTS.md only the table's own section is written; what people wrote around
//! it stays.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::table::{Latency, Quantity, Row, Sample, median};

const INTRODUCTION: &str = "\
# Results

Both sides ran on the same machine in turns, ours first, logs off. Quoted are medians over the turns;
a ratio is the median over the pairs of turns, with the lowest and the highest, and **above 1
Sockeye is ahead**, also where less is better. CPU is user and system time of all the server's
processes, per unit of work; where the load generator fills a core (its share is near 100%), it is
the figure to trust. All samples are in `results/`. Each section is written by
`cargo run --release -p bench -- NAME`.
";

const MEMORY: &str = "
Memory of a connection is by how much the server's processes have grown, divided. The kernel's own is
not in it, nor what nginx sets aside for all connections that it may have when it starts. Each has
asked once before it idles, and the CPU is that of letting it in and answering. New requests come
one after the other on connections of their own, 200 in a turn.
";

/// What a table is made of.
pub trait Line: Serialize + DeserializeOwned {
    /// By this a later run's line replaces an earlier one.
    fn name(&self) -> String;

    /// All lines for people, in Markdown.
    fn section(lines: &[Self]) -> String;
}

impl Line for Row {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn section(rows: &[Self]) -> String {
        section(rows)
    }
}

/// The lines of one table, as they are kept.
#[derive(Debug)]
pub struct Kept<L> {
    folder: PathBuf,
    name: &'static str,
    lines: Vec<L>,
    /// What stands under the lines.
    note: String,
}

impl<L: Line> Kept<L> {
    /// Reads what earlier runs kept.
    pub fn read(folder: &Path, name: &'static str) -> anyhow::Result<Self> {
        let mut kept =
            Self { folder: folder.to_owned(), name, lines: Vec::new(), note: String::new() };
        let file = kept.json();
        if file.exists() {
            kept.lines = serde_json::from_slice(&fs::read(&file)?).with_context(|| {
                format!("{} was kept by another version; remove it", file.display())
            })?;
        }
        Ok(kept)
    }

    /// Says something under the lines, for people.
    pub fn note(&mut self, note: &str) {
        self.note = format!("\n{note}\n");
    }

    /// What is kept.
    pub fn lines(&self) -> &[L] {
        &self.lines
    }

    /// Keeps a line, in the place of an earlier one of its name.
    pub fn keep(&mut self, line: L) -> anyhow::Result<()> {
        match self.lines.iter_mut().find(|kept| kept.name() == line.name()) {
            Some(kept) => *kept = line,
            None => self.lines.push(line),
        }
        let file = self.json();
        let folder = file.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let mut text = serde_json::to_string_pretty(&self.lines)?;
        text.push('\n');
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let file = self.folder.join("RESULTS.md");
        let old = fs::read_to_string(&file).unwrap_or_else(|_| INTRODUCTION.into());
        let new = with_section(&old, self.name, &(L::section(&self.lines) + &self.note));
        fs::write(&file, new).with_context(|| format!("cannot write {}", file.display()))
    }

    fn json(&self) -> PathBuf {
        self.folder.join("results").join(format!("{}.json", self.name))
    }
}

/// One row for people, in the terminal.
pub fn line(row: &Row) -> String {
    let [ours, rival] = row.quoted.figures.map(|figure| row.quantity.show(figure));
    let (name, rival_name, ratio) = (&row.name, &row.rival_name, row.quoted.ratio);
    let mut text = format!("{name}: {ours}, {rival_name} {rival}, ratio {ratio}");
    if let Some(cost) = &row.quoted.cost {
        let [ours, rival] = cost.cpu_s_per_work.map(|cpu_s| row.quantity.show_cpu(cpu_s));
        let [against_us, against_rival] = cost.generator_share.map(|share| share * 100.0);
        let _ = write!(
            text,
            "\n  CPU: {ours}, {rival_name} {rival}, ratio {}; load generator \
             {against_us:.0}% and {against_rival:.0}% of a core",
            cost.ratio
        );
    }
    text
}

fn section(rows: &[Row]) -> String {
    let has_latency = rows.iter().any(|row| row.ours.iter().any(|s| s.latency.is_some()));
    let mut text = String::from(
        "| what | Sockeye | rival | ratio | CPU, Sockeye | CPU, rival | CPU ratio | load generator's CPU |",
    );
    if has_latency {
        text.push_str(" p50 / p99, Sockeye | p50 / p99, rival |");
    }
    let columns = if has_latency { 11 } else { 9 };
    let _ = writeln!(text, " run |\n|{}", "---|".repeat(columns));
    for row in rows {
        let [ours, rival] = row.quoted.figures.map(|figure| row.quantity.show(figure));
        let (name, rival_name, ratio) = (&row.name, &row.rival_name, row.quoted.ratio);
        let _ = write!(text, "| {name} | {ours} | {rival_name}: {rival} | {ratio} |");
        let _ = match &row.quoted.cost {
            Some(cost) => {
                let [ours, rival] = cost.cpu_s_per_work.map(|cpu_s| row.quantity.show_cpu(cpu_s));
                let [a, b] = cost.generator_share.map(|share| share * 100.0);
                let ratio = cost.ratio;
                write!(text, " {ours} | {rival} | {ratio} | {a:.0}% / {b:.0}% |")
            }
            None => write!(text, " | | | |"),
        };
        if has_latency {
            let [ours, rival] = [&row.ours, &row.rival].map(|side| latencies(side));
            let _ = write!(text, " {ours} | {rival} |");
        }
        let _ = writeln!(text, " {} |", row.run);
    }
    if rows.iter().any(|row| row.quantity == Quantity::Kib) {
        text.push_str(MEMORY);
    }
    if rows.iter().any(|row| !row.null.is_empty()) {
        text.push_str(&generator(rows));
    }
    text
}

/// Medians of two quantiles.
fn latencies(side: &[Sample]) -> String {
    let all: Vec<Latency> = side.iter().filter_map(|sample| sample.latency).collect();
    if all.is_empty() {
        return String::new();
    }
    let p50 = median(all.iter().map(|latency| latency.p50_us));
    let p99 = median(all.iter().map(|latency| latency.p99_us));
    format!("{p50:.0} / {p99:.0} µs")
}

/// The load generator beside what it measures.
fn generator(rows: &[Row]) -> String {
    let mut text = String::from(
        "\nThe load generator beside what it measures. The null server is the simplest loop that sends \
         back what comes, on one thread: what the generator gets from it is the most that it could \
         get from anybody.\n\n\
         | what | against | rate | CPU, load generator | CPU, server | load generator's share of a core | datagrams lost | others' share of the machine |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let sides = [("Sockeye", &row.ours), (&row.rival_name, &row.rival)];
        for (name, side) in sides.into_iter().chain([("the null server", &row.null)]) {
            let costs: Vec<_> = side.iter().filter_map(|sample| sample.cost).collect();
            if costs.is_empty() {
                continue;
            }
            let rate = row.quantity.show(median(side.iter().map(|sample| sample.figure)));
            let generator = median(costs.iter().map(|cost| cost.generator_cpu_s / cost.work));
            let server = median(costs.iter().map(|cost| cost.server_cpu_s / cost.work));
            let share =
                median(costs.iter().map(|cost| cost.generator_cpu_s / cost.generator_ran_s));
            let [generator, server] = [generator, server].map(|cpu_s| row.quantity.show_cpu(cpu_s));
            let others = side.iter().map(|sample| sample.others_share.unwrap_or_default());
            let others = median(others);
            let lost: u64 = side.iter().map(|sample| sample.resent).sum();
            let _ = writeln!(
                text,
                "| {} | {name} | {rate} | {generator} | {server} | {:.0}% | {lost} | {:.0}% |",
                row.name,
                share * 100.0,
                others * 100.0
            );
        }
    }
    text
}

/// The text with this section in the place of its earlier one, or at the end.
fn with_section(text: &str, name: &str, section: &str) -> String {
    let heading = format!("## {name}\n");
    let start = match text.find(&format!("\n{heading}")) {
        Some(before) => before + 1,
        None => text.len(),
    };
    let end = match text[start..].find("\n## ") {
        Some(next) => start + next + 1,
        None => text.len(),
    };
    let before = text[..start].trim_end();
    let after = text[end..].trim_start();
    let gap = if after.is_empty() { "" } else { "\n" };
    format!("{before}\n\n{heading}\n{section}{gap}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_appended_then_replaced_and_all_around_it_stays() {
        let once = with_section("# Results\n\nWords.\n", "files", "one\n");
        assert_eq!(once, "# Results\n\nWords.\n\n## files\n\none\n");
        let two = with_section(&once, "chat", "other\n");
        let again = with_section(&two, "files", "1\n2\n");
        assert_eq!(again, "# Results\n\nWords.\n\n## files\n\n1\n2\n\n## chat\n\nother\n");
        assert_eq!(with_section(&again, "files", "1\n2\n"), again);
    }
}
