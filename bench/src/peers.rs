//! The file servers of the same kind: dufs, miniserve and static-web-server, each run as its users
//! would for speed: no log, no password, this machine alone.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::contender::Ground;
use crate::programs;
use crate::server::Entry;

/// Their names, which are those of their programs and crates.
pub const PEERS: [&str; 3] = ["dufs", "miniserve", "static-web-server"];

/// The folder to look in first.
const FOLDER: &str = "SOCKEYE_RIVALS";

/// One that was found.
#[derive(Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// Its program.
    pub program: PathBuf,
}

/// Those that are here.
pub fn find() -> anyhow::Result<Vec<Peer>> {
    let mut found = Vec::new();
    for name in PEERS {
        if let Some(program) = place(name) {
            let version = programs::version(&program, "--version")?;
            found.push(Peer { name, version, program });
        }
    }
    Ok(found)
}

/// How to get those that are not; empty if all are here.
pub fn missing(found: &[Peer]) -> String {
    let here = |name: &&str| found.iter().any(|peer| peer.name == *name);
    let missing: Vec<&str> = PEERS.into_iter().filter(|name| !here(name)).collect();
    match &missing[..] {
        [] => String::new(),
        names => format!(
            "{} not here: `cargo install --locked {}`, or say in {FOLDER} which folder has them",
            if let [one] = names {
                format!("{one} is")
            } else {
                format!("{} are", names.join(", "))
            },
            names.join(" "),
        ),
    }
}

/// In the folder that is named, on PATH, or where cargo installs.
fn place(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os(FOLDER).map(PathBuf::from);
    let cargo = std::env::home_dir().map(|home| home.join(".cargo/bin"));
    let in_folder = |folder: Option<PathBuf>| {
        folder.map(|folder| folder.join(name)).filter(|program| program.is_file())
    };
    // Servers are started in another folder, where a relative path would lead nowhere.
    let found = in_folder(named).or_else(|| programs::optional(name)).or_else(|| in_folder(cargo));
    found.and_then(|program| program.canonicalize().ok())
}

impl Peer {
    /// How it is started.
    pub fn entry(&self, ground: Ground<'_>, address: SocketAddr) -> Entry {
        let mut arguments: Vec<OsString> = self.told(&address.ip().to_string(), address.port());
        if self.name == "static-web-server" {
            arguments.push("--root".into());
        }
        arguments.push(ground.share.into());
        Entry { name: self.name, program: self.program.clone(), arguments, first: ground.first() }
    }

    /// Its flags, for people.
    pub fn shown(&self) -> String {
        let told = self.told("HOST", 0);
        let words: Vec<_> = told.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    fn told(&self, host: &str, port: u16) -> Vec<OsString> {
        let port = port.to_string();
        let words: &[&str] = match self.name {
            // An empty format is no log.
            "dufs" => &["--bind", host, "--port", &port, "--log-format", ""],
            "miniserve" => &["--interfaces", host, "--port", &port],
            _ => &["--host", host, "--port", &port, "--log-level", "error"],
        };
        words.iter().map(OsString::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_ones_are_named_with_what_installs_them() {
        let peer = |name| Peer { name, version: "1.0".into(), program: PathBuf::from("/nowhere") };
        assert_eq!(missing(&PEERS.map(peer)), "");
        let told = missing(&[peer("dufs")]);
        assert!(told.contains("`cargo install --locked miniserve static-web-server`"), "{told}");
        assert!(
            missing(&[peer("dufs"), peer("miniserve")]).starts_with("static-web-server is not")
        );
    }
}
