//! What a figure is worth nothing without: when it was taken, on what machine, by which versions.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::Options;
use crate::load::http::GIB;
use crate::process::TICKS_PER_S;

/// The circumstances of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The day, in UTC.
    pub date: String,
    /// The checkout's commit, with `+changes` if it has any. The binary is taken to be its.
    pub commit: String,
    /// The processor's model, how often it is there, memory, kernel.
    pub machine: Machine,
    /// The load average of a minute when the run began: what others had to do on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_average: Option<f64>,
    /// Pairs of turns.
    pub turns: usize,
    /// Length of one turn under load.
    pub turn_s: u64,
    /// Name and version of each program.
    pub versions: Vec<(String, String)>,
    /// The file system that the served folder is on, where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file_system: String,
    /// The rival's configuration, or what its command line says; TEMP stands for the temporary
    /// folder.
    pub rival_configuration: String,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// As /proc/cpuinfo has it.
    pub cpu: String,
    /// That this process may use.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// As uname has it.
    pub kernel: String,
}

impl Run {
    /// The circumstances now.
    pub fn now(
        options: &Options,
        versions: Vec<(String, String)>,
        rival_configuration: String,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            date: said(Command::new("date").args(["-u", "+%F"])).context("no date")?,
            commit: commit(&options.out),
            machine: Machine::this()?,
            load_average: load_average(),
            turns: options.turns,
            turn_s: options.turn.as_secs(),
            versions,
            file_system: String::new(),
            rival_configuration,
        })
    }

    /// The same, on the file system of a folder.
    pub fn on_file_system_of(mut self, folder: &Path) -> Self {
        self.file_system = said(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder))
            .unwrap_or_else(|| "unknown".into());
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine { cpu, cores, memory_gib, kernel } = &self.machine;
        write!(f, "{}, {}, {} turns of {} s", self.date, self.commit, self.turns, self.turn_s)?;
        write!(f, "; {cpu}, {cores} cores, {memory_gib:.0} GiB, Linux {kernel};")?;
        for (i, (name, version)) in self.versions.iter().enumerate() {
            write!(f, "{} {name} {version}", if i == 0 { "" } else { "," })?;
        }
        if let Some(load) = self.load_average {
            write!(f, "; load average before: {load:.1}")?;
        }
        Ok(())
    }
}

impl Machine {
    fn this() -> anyhow::Result<Self> {
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo")?;
        let memory_kib = field(&memory, "MemTotal").and_then(|v| v.split(' ').next()?.parse().ok());
        let memory_kib: f64 = memory_kib.context("/proc/meminfo has no MemTotal")?;
        Ok(Self {
            // Processors other than x86 have no such field.
            cpu: field(&cpu, "model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: memory_kib * 1024.0 / GIB,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        })
    }
}

/// CPU seconds that all processors together have been busy for since the machine started, also for
/// other guests of its host (proc(5), /proc/stat).
pub fn busy_s() -> anyhow::Result<f64> {
    parse_busy_s(&fs::read_to_string("/proc/stat")?).context("/proc/stat has no sum")
}

/// user, nice, system, idle, iowait, irq, softirq, steal; all but the two of rest.
fn parse_busy_s(text: &str) -> Option<f64> {
    let sums = text.lines().next()?.strip_prefix("cpu ")?;
    let sums: Vec<u64> = sums.split_whitespace().map_while(|sum| sum.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = sums[..] else {
        return None;
    };
    Some((user + nice + system + irq + softirq + steal) as f64 / TICKS_PER_S)
}

fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The value of `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// What this bench writes is no change: else a second run would never be of a clean checkout.
fn commit(folder: &Path) -> String {
    let git = || {
        let mut git = Command::new("git");
        git.arg("-C").arg(folder);
        git
    };
    let Some(commit) = said(git().args(["rev-parse", "--short", "HEAD"])) else {
        return "no commit".into();
    };
    let changes = said(
        git()
            .args(["status", "--porcelain", "--", ":/"])
            .args([":(exclude)results", ":(exclude)RESULTS.md"])
            .arg(":(top,exclude)docs/drivers.svg"),
    );
    if changes.is_none_or(|changes| changes.is_empty()) { commit } else { commit + "+changes" }
}

/// What a command says, if it succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_not_counted_as_work() {
        let text = "cpu  100 20 30 4000 5000 6 7 800 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(parse_busy_s(text), Some(9.63));
        assert_eq!(parse_busy_s("cpu  1 2 3\n"), None);
        assert!(busy_s().unwrap() > 0.0);
    }

    #[test]
    fn fields_of_proc_are_found_by_name() {
        let text =
            "processor\t: 0\nmodel name\t: Some CPU @ 2.50GHz\nMemTotal:       24638436 kB\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2.50GHz"));
        assert_eq!(field(text, "MemTotal"), Some("24638436 kB"));
        assert_eq!(field(text, "bogomips"), None);
    }
}
