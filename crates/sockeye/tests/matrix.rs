//! Every way in, on every driver: echo and clock, over TCP and UDP, IPv4 and IPv6, for netcat with
//! lines, a Python script without line ends, piped input that ends, and our own client, whose
//! recipes for doing the same by hand are run too.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::process::Command;
use std::sync::Mutex;

mod support;

use support::{Server, other_program, run, sockeye};

/// One server and one of its listeners.
#[derive(Clone, Copy, Debug)]
struct Cell {
    service: &'static str,
    driver: &'static str,
    host: &'static str,
    scheme: &'static str,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for service in ["echo", "clock"] {
        for driver in ["tasks", "threads", "single"] {
            for host in ["127.0.0.1", "::1"] {
                for scheme in ["tcp", "udp"] {
                    cells.push(Cell { service, driver, host, scheme });
                }
            }
        }
    }
    cells
}

impl Cell {
    fn url(self, port: &str) -> String {
        let Self { host, scheme, .. } = self;
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }

    fn serve(self) -> (Server, String) {
        let mut command = sockeye();
        command.args(["serve", self.service, "--driver", self.driver, "--on", &self.url("0")]);
        let server = Server::start(&mut command, 1);
        let port = server.lines[0].rsplit(':').next().unwrap().to_owned();
        (server, port)
    }

    fn netcat(self) -> &'static str {
        if self.scheme == "udp" { "nc -u -w1" } else { "nc -N" }
    }

    /// What is asked here, and whether that is a right answer to it.
    fn request(self) -> &'static str {
        if self.service == "echo" { "hello" } else { "SEND_TIME" }
    }

    fn check(self, how: &str, answer: &[u8], end: &str) {
        let text = String::from_utf8_lossy(answer);
        let answer = text.strip_suffix(end);
        let is_right = match (self.service, answer) {
            ("echo", Some(answer)) => answer == "hello",
            (_, Some(answer)) => is_time(answer),
            (_, None) => false,
        };
        assert!(is_right, "{self:?}, {how}: {text:?}");
    }
}

fn is_time(text: &str) -> bool {
    let fields: Vec<&str> = text.split(':').collect();
    fields.len() == 3
        && fields.iter().all(|f| f.len() == 2 && f.bytes().all(|b| b.is_ascii_digit()))
}

fn shell(line: &str) -> Vec<u8> {
    let output = run(Command::new("sh").args(["-c", line]));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn python(program: &str) -> Vec<u8> {
    let output = run(Command::new("python3").args(["-c", program]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said} of\n{program}");
    output.stdout
}

/// A beginner's script: one send, one recv, no line end, twice.
fn script(cell: Cell, port: &str) -> String {
    let Cell { host, scheme, .. } = cell;
    let request = cell.request();
    let family = if host.contains(':') { "AF_INET6" } else { "AF_INET" };
    let kind = if scheme == "udp" { "SOCK_DGRAM" } else { "SOCK_STREAM" };
    format!(
        "import socket\n\
         s = socket.socket(socket.{family}, socket.{kind})\n\
         s.settimeout(20)\n\
         s.connect(('{host}', {port}))\n\
         for turn in range(2):\n    \
             s.send(b'{request}')\n    \
             answer = s.recv(1024).decode()\n    \
             assert not answer.endswith('\\n'), answer\n    \
             print(answer)\n"
    )
}

fn by_netcat_with_lines(cell: Cell, port: &str) {
    let Cell { host, scheme, .. } = cell;
    let (netcat, request) = (cell.netcat(), cell.request());
    // Over UDP, netcat makes one datagram of what stands in the pipe.
    let times = if scheme == "udp" { 1 } else { 3 };
    let lines = format!("{request}\\n").repeat(times);
    let answer = shell(&format!("printf '{lines}' | {netcat} {host} {port}"));
    let answers: Vec<&[u8]> = answer.split_inclusive(|&b| b == b'\n').collect();
    assert_eq!(answers.len(), times, "{cell:?}: {}", String::from_utf8_lossy(&answer));
    for answer in answers {
        cell.check("netcat, lines", answer, "\n");
    }
}

fn by_our_client(cell: Cell, port: &str) {
    let url = cell.url(port);
    let mut command = sockeye();
    match cell.service {
        "echo" => command.args(["echo", &url, "hello", "--wire"]),
        _ => command.args(["clock", "time", &url, "--wire"]),
    };
    let output = run(&mut command);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{cell:?}: {told}");
    cell.check("our client", &output.stdout, "\n");
    let request = cell.request();
    assert!(told.contains(&format!("-> {url}")) && told.contains(&format!("<- {url}")), "{told}");
    assert!(told.contains(&format!("\"{request}\"")) && told.contains("bytes"), "{told}");
    let (_, by_hand) = told.split_once("The same by hand:\n").unwrap();
    let (netcat, program) = by_hand.split_once("or in Python:\n").unwrap();
    cell.check("the printed netcat line", &shell(netcat.trim()), "");
    let lines = program.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let program: Vec<&str> = lines.map(|line| line.strip_prefix("    ").unwrap_or("")).collect();
    assert!(program.len() <= 10, "{program:?}");
    cell.check("the printed Python", &python(&program.join("\n")), "\n");
}

fn every_way_in(cell: Cell) {
    let (_server, port) = cell.serve();
    let (netcat, host, request) = (cell.netcat(), cell.host, cell.request());
    by_netcat_with_lines(cell, &port);
    let answers = python(&script(cell, &port));
    for answer in answers.split_inclusive(|&b| b == b'\n') {
        cell.check("Python without line ends", answer, "\n");
    }
    let piped = shell(&format!("printf '{request}' | {netcat} {host} {port}"));
    cell.check("piped input that ends", &piped, "");
    by_our_client(cell, &port);
    // Our client takes a pipe too.
    let verb = cell.service;
    let url = cell.url(&port);
    let ours = env!("CARGO_BIN_EXE_sockeye");
    let piped = shell(&format!("printf '{request}\\n{request}' | {ours} {verb} {url} 2>&1 -q"));
    let answers: Vec<&[u8]> = piped.split_inclusive(|&b| b == b'\n').collect();
    assert_eq!(answers.len(), 2, "{cell:?}: {}", String::from_utf8_lossy(&piped));
    for answer in answers {
        cell.check("a pipe into our client", answer, "\n");
    }
}

#[test]
fn every_way_in_is_answered_by_every_driver_on_every_wire() {
    drop(other_program("nc", "netcat-openbsd"));
    drop(other_program("python3", "python3"));
    let left = Mutex::new(cells());
    let next = || left.lock().unwrap().pop();
    // netcat waits a second after a datagram, so that several go side by side.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(cell) = next() {
                    every_way_in(cell);
                }
            });
        }
    });
}
