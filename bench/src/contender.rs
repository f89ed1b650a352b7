//! The servers that race: how each is started, when it is ready, and what CPU it takes.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::process::{Guarded, bound_to_this};
use crate::programs::Programs;

/// How long a server may take from its start to its first answer.
const READY_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks whether a starting server listens already.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

/// Who races.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Ours.
    Sockeye,
    /// The rival.
    Nginx,
}

/// What the contenders share.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The programs.
    pub programs: &'a Programs,
    /// For configurations and logs.
    pub temp: &'a Path,
    /// The folder that is served.
    pub share: &'a Path,
    /// A small file in it, and its contents: the first answer must hold them.
    pub probe: (&'a str, &'a [u8]),
}

/// A server that answers; it is stopped when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Guarded,
    address: SocketAddr,
}

impl Server {
    /// Starts a contender and waits for its first answer.
    pub fn start(contender: Contender, ground: Ground<'_>) -> anyhow::Result<Self> {
        let program = contender.program(ground.programs);
        let start = || start(contender, ground, bound_to_this(program)).map(|(server, _)| server);
        // Its port was free a moment before; should somebody have taken it, another will do.
        start().or_else(|_| start())
    }

    /// A file's URL.
    pub fn url(&self, file: &str) -> String {
        format!("http://{}/{file}", self.address)
    }

    /// CPU seconds taken so far, by all processes of the server.
    pub fn cpu_s(&self) -> anyhow::Result<f64> {
        self.process.cpu_s()
    }
}

/// Starts a contender, measures from there to its first answer, and stops it.
pub fn time_to_first_answer(contender: Contender, ground: Ground<'_>) -> anyhow::Result<Duration> {
    let program = contender.program(ground.programs);
    start(contender, ground, Command::new(program)).map(|(_, took)| took)
}

fn start(
    contender: Contender,
    ground: Ground<'_>,
    mut command: Command,
) -> anyhow::Result<(Server, Duration)> {
    let address = free_address()?;
    contender.configure(&mut command, ground, address)?;
    let errors = ground.temp.join(format!("{contender:?}.stderr"));
    command.current_dir(ground.temp).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(&errors)?);
    let begun = Instant::now();
    let process = Guarded::spawn(&mut command)?;
    let server = Server { process, address };
    match first_answer(&server, ground.probe) {
        Ok(()) => Ok((server, begun.elapsed())),
        Err(error) => {
            drop(server);
            let said = fs::read_to_string(&errors).unwrap_or_default();
            Err(error.context(format!("{contender:?} does not answer; it says: {said}")))
        }
    }
}

/// Port 0 makes the kernel choose one that is free; a moment later it still is.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?)
}

fn first_answer(server: &Server, (file, contents): (&str, &[u8])) -> anyhow::Result<()> {
    let until = Instant::now() + READY_DEADLINE;
    let mut stream = loop {
        match TcpStream::connect(server.address) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) if server.process.ends_within(LOOK_AGAIN)? => bail!("it has ended"),
            Err(_) => {}
        }
    };
    stream.set_read_timeout(Some(READY_DEADLINE))?;
    let host = server.address;
    write!(stream, "GET /{file} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.strip_suffix(contents).unwrap_or(&answer);
    ensure!(
        head.len() < answer.len() && head.starts_with(b"HTTP/1.1 200 "),
        "its answer is not the file: {}",
        String::from_utf8_lossy(&head[..head.len().min(200)])
    );
    Ok(())
}

impl Contender {
    fn program(self, programs: &Programs) -> &Path {
        match self {
            Self::Sockeye => &programs.sockeye,
            Self::Nginx => &programs.nginx,
        }
    }

    fn configure(
        self,
        command: &mut Command,
        ground: Ground<'_>,
        address: SocketAddr,
    ) -> anyhow::Result<()> {
        match self {
            Self::Sockeye => {
                // What this user has set for other runs is no part of the race.
                for (name, _) in std::env::vars_os() {
                    if name.as_encoded_bytes().starts_with(b"SOCKEYE_") {
                        command.env_remove(name);
                    }
                }
                command.args(["serve", "files"]).arg(ground.share);
                command.arg("--on").arg(format!("http://{address}"));
                command.args(["--log", "off", "--max-per-address", "none"]);
            }
            Self::Nginx => {
                let file = ground.temp.join("nginx.conf");
                let text = nginx_configuration(ground.temp, ground.share, &address.to_string());
                fs::write(&file, text)?;
                command.arg("-p").arg(ground.temp).arg("-c").arg(file);
                command.arg("-e").arg(ground.temp.join("nginx.log"));
            }
        }
        Ok(())
    }
}

/// nginx as it serves files best: a worker for each core with its own queue of connections, open
/// files kept, sendfile, no log.
pub fn nginx_configuration(temp: &Path, share: &Path, listen: &str) -> String {
    let temp = temp.display();
    // Started by root it would give its workers to a user who may not look into our folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut text = format!(
        "daemon off;\n{user}worker_processes {workers};\npid {temp}/nginx.pid;\n\
         lock_file {temp}/nginx.lock;\nerror_log {temp}/nginx.log error;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n  sendfile on;\n  \
         open_file_cache max=1000;\n  keepalive_requests 1000000000;\n  \
         default_type application/octet-stream;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "  {kind}_temp_path {temp}/{kind};");
    }
    let share = share.display();
    let _ = writeln!(text, "  server {{ listen {listen} reuseport; root {share}; }}\n}}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_nginx_writes_is_in_the_temporary_folder() {
        let text = nginx_configuration(Path::new("/T"), Path::new("/T/share"), "127.0.0.1:1");
        let paths = text.split([' ', ';']).filter(|word| word.starts_with('/'));
        let outside: Vec<&str> = paths.filter(|path| !path.starts_with("/T/")).collect();
        assert_eq!(outside, Vec::<&str>::new(), "in\n{text}");
        assert!(text.contains("listen 127.0.0.1:1 reuseport;"), "{text}");
    }
}
