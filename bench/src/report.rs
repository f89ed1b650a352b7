//! Where figures are kept: all samples in `results/NAME.json`, a line for people in `RESULTS.md`.
//!
//! A run replaces the rows that it measured and leaves the others, each with the circumstances of
//! its own run. Of RESULTS.md only the table's own section is written; what people wrote around
//! it stays.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::table::Row;

const INTRODUCTION: &str = "\
# Results

Both sides ran on the same machine in turns, ours first, logs off. Quoted are medians over the turns;
a ratio is the median over the pairs of turns, with the lowest and the highest, and **above 1
Sockeye is ahead**, also where less is better. CPU is user and system time of all the server's
processes, per unit of work; where the load generator fills a core (its share is near 100%), it is
the figure to trust. All samples are in `results/`. Each section is written by
`cargo run --release -p bench -- NAME`.
";

/// The rows of one table, as they are kept.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    name: &'static str,
    rows: Vec<Row>,
}

impl Kept {
    /// Reads what earlier runs kept.
    pub fn read(folder: &Path, name: &'static str) -> anyhow::Result<Self> {
        let mut kept = Self { folder: folder.to_owned(), name, rows: Vec::new() };
        let file = kept.json();
        if file.exists() {
            kept.rows = serde_json::from_slice(&fs::read(&file)?).with_context(|| {
                format!("{} was kept by another version; remove it", file.display())
            })?;
        }
        Ok(kept)
    }

    /// Keeps a row, in the place of an earlier one of its name.
    pub fn keep(&mut self, row: Row) -> anyhow::Result<()> {
        match self.rows.iter_mut().find(|kept| kept.name == row.name) {
            Some(kept) => *kept = row,
            None => self.rows.push(row),
        }
        let file = self.json();
        let folder = file.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let mut text = serde_json::to_string_pretty(&self.rows)?;
        text.push('\n');
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let file = self.folder.join("RESULTS.md");
        let old = fs::read_to_string(&file).unwrap_or_else(|_| INTRODUCTION.into());
        let new = with_section(&old, self.name, &section(&self.rows));
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
    let mut text = String::from(
        "| what | Sockeye | rival | ratio | CPU, Sockeye | CPU, rival | CPU ratio | load generator's CPU | run |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
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
        let _ = writeln!(text, " {} |", row.run);
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
