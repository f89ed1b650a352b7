//! Finding the programs that take part: Sockeye itself, its rivals, the load generators.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::contender::Wire;

/// How to get the binary that races.
const HOW_TO_BUILD: &str = "build it with `cargo build --release -p sockeye`, or name it with \
                            --sockeye PATH";
/// Where servers of the system are, which is not on everybody's PATH.
const SYSTEM: &str = "/usr/sbin";

/// All programs that the `files` table needs.
#[derive(Debug)]
pub struct Programs {
    /// Ours.
    pub sockeye: PathBuf,
    /// The rival.
    pub nginx: PathBuf,
    /// Generates load of many small requests.
    pub wrk: PathBuf,
    /// Fetches one large file.
    pub curl: PathBuf,
}

impl Programs {
    /// Finds them all, or says how to get those that are missing.
    pub fn find(sockeye: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            sockeye: ours(sockeye)?,
            nginx: on_path("nginx", "nginx-light")?,
            wrk: on_path("wrk", "wrk")?,
            curl: on_path("curl", "curl")?,
        })
    }

    /// Name and version of each.
    pub fn versions(&self) -> anyhow::Result<Vec<(String, String)>> {
        [
            ("sockeye", &self.sockeye, "--version"),
            ("nginx", &self.nginx, "-v"),
            ("wrk", &self.wrk, "-v"),
            ("curl", &self.curl, "--version"),
        ]
        .into_iter()
        .map(|(name, program, flag)| Ok((name.to_owned(), version(program, flag)?)))
        .collect()
    }

    /// Those of the tables of messages.
    pub fn text(sockeye: &Path, wire: Wire) -> anyhow::Result<TextPrograms> {
        let rival = match wire {
            Wire::Tcp => on_path("redis-server", "redis-server")?,
            Wire::Udp => on_path("memcached", "memcached")?,
        };
        Ok(TextPrograms { sockeye: ours(sockeye)?, rival })
    }
}

/// The programs that a table of messages needs.
#[derive(Debug)]
pub struct TextPrograms {
    /// Ours.
    pub sockeye: PathBuf,
    /// redis or memcached.
    pub rival: PathBuf,
}

/// Servers are started in another folder, where a relative path would lead nowhere.
pub fn ours(sockeye: &Path) -> anyhow::Result<PathBuf> {
    sockeye
        .canonicalize()
        .with_context(|| format!("there is no {}; {HOW_TO_BUILD}", sockeye.display()))
}

/// `sockeye` in the folder that this program is in.
pub fn sockeye_beside_this() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("where is this program?")?;
    let sockeye = this.with_file_name("sockeye");
    if !sockeye.is_file() {
        bail!("there is no sockeye beside this program; {HOW_TO_BUILD}");
    }
    Ok(sockeye)
}

fn on_path(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    optional(name).with_context(|| {
        format!("{name} is not on PATH; Debian has it in the package {package} (apt install)")
    })
}

/// A program on PATH, if it is there.
pub fn optional(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from(SYSTEM)]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The first line a program says about its version, on whichever stream it does so.
pub fn version(program: &Path, flag: &str) -> anyhow::Result<String> {
    let said = Command::new(program)
        .arg(flag)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    Ok(number_in(said.lines().next().unwrap_or_default()).unwrap_or(&name).to_owned())
}

/// The first word that looks like a version's number: `nginx version: nginx/1.22.1` has 1.22.1.
fn number_in(line: &str) -> Option<&str> {
    line.split([' ', '/', '-', '='])
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (line, number) in [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer", "4.1.0"),
            ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1", "7.88.1"),
            ("sockeye 0.1.0", "0.1.0"),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"),
            ("memcached 1.6.18", "1.6.18"),
        ] {
            assert_eq!(number_in(line), Some(number), "{line}");
        }
    }

    #[test]
    fn a_missing_program_is_told_with_its_package() {
        let error = on_path("no-such-program", "some-package").unwrap_err().to_string();
        assert!(error.contains("no-such-program") && error.contains("some-package"), "{error}");
    }
}
