//! Processes that end with this one, and how much CPU they took, as /proc tells it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::programs;

/// The unit of times in /proc/PID/stat. Linux shows them to programs in hundredths of a second
/// whatever its own tick is (proc(5); USER_HZ).
pub const TICKS_PER_S: f64 = 100.0;
/// How long a server may take to stop when it is asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// A process that is stopped, with its children, when this is dropped.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
}

impl Guarded {
    /// Starts a process.
    pub fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// CPU seconds, user and system, that it and its children have taken until now.
    pub fn cpu_s(&self) -> anyhow::Result<f64> {
        let own = Stat::read(self.child.id())?;
        let children: f64 = children(self.child.id()).iter().map(|(_, stat)| stat.cpu_s).sum();
        Ok(own.cpu_s + children)
    }

    /// Memory that it and its children have resident, in bytes; what they share counts for each.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let children: Vec<u32> =
            children(self.child.id()).iter().map(|(id, _)| id.unsigned_abs()).collect();
        children.into_iter().chain([self.child.id()]).map(resident_bytes).sum()
    }

    /// Waits until it has ended, `timeout` at most; says whether it has. What it took can be read
    /// until it is reaped by [`Guarded::reap`].
    pub fn ends_within(&self, timeout: Duration) -> anyhow::Result<bool> {
        let until = Instant::now() + timeout;
        let end = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: left.as_secs().try_into()?,
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&left)) {
                Err(Errno::INTR) => {}
                ended => return Ok(ended? > 0),
            }
        }
    }

    /// Whether it succeeded, and what it said on its piped standard output and error.
    pub fn reap(mut self) -> anyhow::Result<(bool, String, String)> {
        let mut said = [String::new(), String::new()];
        if let Some(stdout) = &mut self.child.stdout {
            std::io::Read::read_to_string(stdout, &mut said[0])?;
        }
        if let Some(stderr) = &mut self.child.stderr {
            std::io::Read::read_to_string(stderr, &mut said[1])?;
        }
        let [stdout, stderr] = said;
        Ok((self.child.wait()?.success(), stdout, stderr))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let children = children(self.child.id());
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if !self.ends_within(STOP_DEADLINE).unwrap_or(false) {
            // Its children would outlive a parent that had no chance to stop them.
            for (id, _) in children {
                let _ = Pid::from_raw(id).map(|id| kill_process(id, Signal::KILL));
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A command that is asked to end when this program dies, however that happens, where the system
/// can arrange it: setpriv sets the signal and then becomes the program, with the same id.
pub fn bound_to_this(program: &Path) -> Command {
    let Some(setpriv) = programs::optional("setpriv") else { return Command::new(program) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

/// Removes a folder also when this program is killed and cannot do so itself: a shell in a process
/// group of its own, which Ctrl-C does not reach, waits for its standard input to end.
#[derive(Debug)]
pub struct Janitor(Child);

impl Janitor {
    /// Hires one for a folder.
    pub fn hire(folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", "read _; rm -rf -- \"$0\""]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.process_group(0).spawn().context("cannot start sh")?))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn resident_bytes(id: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/statm"))
        .with_context(|| format!("process {id} is gone"))?;
    // proc(5): the second number, in pages.
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.with_context(|| format!("/proc/{id}/statm reads {text}"))?;
    Ok(pages * rustix::param::page_size() as u64)
}

fn children(parent: u32) -> Vec<(i32, Stat)> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let stats = ids.filter_map(|id| Some((id.try_into().ok()?, Stat::read(id).ok()?)));
    stats.filter(|(_, stat)| stat.parent == parent).collect()
}

/// What is used of /proc/PID/stat.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: u32,
    cpu_s: f64,
}

impl Stat {
    fn read(id: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat"))
            .with_context(|| format!("process {id} is gone"))?;
        Self::parse(&text).with_context(|| format!("/proc/{id}/stat reads {text}"))
    }

    /// The fields after the name; that stands in parentheses and may hold any character itself.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = |i: usize| fields.get(i)?.parse::<u64>().ok();
        // proc(5) counts from 1, and the first field here is its third: 4 ppid, 14 utime, 15 stime.
        let cpu_s = (ticks(11)? + ticks(12)?) as f64 / TICKS_PER_S;
        Some(Self { parent: fields.get(1)?.parse().ok()?, cpu_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_past_a_name_with_spaces_and_parentheses() {
        let line =
            "4242 (a) b) (c) S 17 4242 4242 0 -1 4194304 1 0 0 0 150 75 900 900 20 0 3 0 1\n";
        assert_eq!(Stat::parse(line), Some(Stat { parent: 17, cpu_s: 2.25 }));
        assert_eq!(Stat::parse("4242 (short) S 17"), None);
    }

    #[test]
    fn a_process_that_has_ended_still_tells_its_cpu_and_output() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo done; exit 3"]).stdout(Stdio::piped());
        let process = Guarded::spawn(&mut command).unwrap();
        assert!(process.ends_within(Duration::from_secs(10)).unwrap());
        assert!(process.cpu_s().unwrap() < 5.0);
        assert_eq!(process.reap().unwrap(), (false, "done\n".into(), String::new()));
    }

    #[test]
    fn a_janitor_removes_the_folder_when_his_work_is_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        let janitor = Janitor::hire(folder.path()).unwrap();
        assert!(folder.path().exists());
        drop(janitor);
        assert!(!folder.path().exists());
    }

    #[test]
    fn what_is_dropped_is_stopped() {
        let process = Guarded::spawn(Command::new("sleep").arg("60")).unwrap();
        let id = process.child.id();
        assert!(!process.ends_within(Duration::ZERO).unwrap());
        drop(process);
        assert!(Stat::read(id).is_err(), "process {id} is still there");
    }

    #[test]
    fn resident_memory_is_that_of_a_small_program() {
        let process = Guarded::spawn(Command::new("sleep").arg("60")).unwrap();
        let bytes = process.resident_bytes().unwrap();
        assert!((1..100_000_000).contains(&bytes), "{bytes}");
    }
}
