//! A server in the race: started on a free port of loopback, stopped when it is dropped.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::load::exchange::Exchange;
use crate::process::{Guarded, bound_to_this};

/// How long a server may take from its start to its first answer.
const READY_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks whether a starting server listens already.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// How long a datagram to a starting server may stay without an answer before the next one.
const DATAGRAM_PATIENCE: Duration = Duration::from_millis(20);

/// What a contender is started with, and by what answer it is known to be ready.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its program.
    pub program: PathBuf,
    /// What the program is told.
    pub arguments: Vec<OsString>,
    /// The first thing that it is asked.
    pub first: First,
}

/// The first thing that a server is asked, and its answer.
#[derive(Clone, Debug)]
pub enum First {
    /// A file over HTTP: its name and contents.
    File(String, Vec<u8>),
    /// A message over TCP.
    Line(Exchange),
    /// A datagram.
    Datagram(Exchange),
}

/// A server that answers; it is stopped when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Guarded,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a contender, which is to listen where it is told, and waits for its first answer.
    /// `temp` is the folder that it runs in.
    pub fn start(
        temp: &Path,
        entry: impl Fn(SocketAddr) -> anyhow::Result<Entry>,
    ) -> anyhow::Result<Self> {
        let start = || start(temp, &entry, bound_to_this).map(|(server, _)| server);
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

    /// Memory that it has in use, in bytes, without what the kernel holds for it.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.process.resident_bytes()
    }
}

/// Starts a contender, measures from there to its first answer, and stops it.
pub fn time_to_first_answer(
    temp: &Path,
    entry: impl Fn(SocketAddr) -> anyhow::Result<Entry>,
) -> anyhow::Result<Duration> {
    start(temp, &entry, |program| Command::new(program)).map(|(_, took)| took)
}

fn start(
    temp: &Path,
    entry: &impl Fn(SocketAddr) -> anyhow::Result<Entry>,
    run: impl Fn(&Path) -> Command,
) -> anyhow::Result<(Server, Duration)> {
    let address = free_address()?;
    let entry = entry(address)?;
    let mut command = run(&entry.program);
    command.args(&entry.arguments);
    // What this user has set for other runs is no part of the race.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"SOCKEYE_") {
            command.env_remove(name);
        }
    }
    let errors = temp.join(format!("{}.stderr", entry.name.replace(' ', "-")));
    command.current_dir(temp).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(&errors)?);
    let begun = Instant::now();
    let process = Guarded::spawn(&mut command)?;
    let server = Server { process, address };
    match first_answer(&server, &entry.first) {
        Ok(()) => Ok((server, begun.elapsed())),
        Err(error) => {
            drop(server);
            let mut told = format!("{} does not answer", entry.name);
            let said = fs::read_to_string(&errors).unwrap_or_default();
            let _ = write!(told, "; it says: {said}");
            Err(error.context(told))
        }
    }
}

/// Port 0 makes the kernel choose one that is free; a moment later it still is. Free for both TCP
/// and UDP, because the wire is the contender's affair.
fn free_address() -> anyhow::Result<SocketAddr> {
    const ATTEMPTS: usize = 100;
    for _ in 0..ATTEMPTS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let address = listener.local_addr()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free for both TCP and UDP")
}

fn first_answer(server: &Server, first: &First) -> anyhow::Result<()> {
    match first {
        First::File(name, contents) => {
            ask_for_file(connected(server)?, server.address, name, contents)
        }
        First::Line(exchange) => exchange.ask_stream(&mut connected(server)?, READY_DEADLINE),
        First::Datagram(exchange) => {
            let until = Instant::now() + READY_DEADLINE;
            loop {
                match exchange.ask_datagram(server.address, DATAGRAM_PATIENCE) {
                    Ok(()) => return Ok(()),
                    Err(error) if Instant::now() > until => return Err(error),
                    Err(_) if server.process.ends_within(LOOK_AGAIN)? => bail!("it has ended"),
                    Err(_) => {}
                }
            }
        }
    }
}

fn connected(server: &Server) -> anyhow::Result<TcpStream> {
    let until = Instant::now() + READY_DEADLINE;
    loop {
        match TcpStream::connect(server.address) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) if server.process.ends_within(LOOK_AGAIN)? => bail!("it has ended"),
            Err(_) => {}
        }
    }
}

fn ask_for_file(
    mut stream: TcpStream,
    host: SocketAddr,
    file: &str,
    contents: &[u8],
) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(READY_DEADLINE))?;
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
