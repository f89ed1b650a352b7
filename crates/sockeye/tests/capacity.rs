//! How many clients each driver holds, and that those who never read cost little.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::process::{Resource, getrlimit, setrlimit};

mod support;

use support::{Server, connect, connect_from, read_to_the_end, sockeye};

/// Each driver with the clients that it is promised to hold.
const DRIVERS: [(&str, usize); 3] = [("tasks", 10_000), ("threads", 2_000), ("single", 10_000)];
/// The server's own limit for one address is 256.
const CLIENTS_PER_SOURCE: usize = 250;

fn serve(service: &str, driver: &str, flags: &[&str]) -> Server {
    let mut command = sockeye();
    command.args(["serve", service, "--on", "tcp://127.0.0.1:0", "--driver", driver, "--quiet"]);
    // A crowd's dynamic timeout is 5 s, which a loaded machine may need for one round.
    Server::start(command.args(["--idle-timeout", "none"]).args(flags), 1)
}

/// Every client is a descriptor here and another in the server, which raises its own limit.
fn raise_descriptor_limit(clients: usize) {
    let needed = clients as u64 + 100;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        most >= needed,
        "{clients} clients need {needed} descriptors and `ulimit -Hn` allows {most}: raise it"
    );
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// All of them say it, then all of them hear the answer.
fn all_ask(clients: &mut [TcpStream], text: &[u8], round: &str) {
    for client in &mut *clients {
        client.write_all(text).unwrap();
    }
    let mut answer = vec![0; text.len()];
    for (i, client) in clients.iter_mut().enumerate() {
        client.read_exact(&mut answer).unwrap_or_else(|e| panic!("{round}: client {i}: {e}"));
        assert_eq!(answer, text, "{round}: client {i}");
    }
}

fn nth_client(i: usize, to: SocketAddr) -> TcpStream {
    let source = u32::from(Ipv4Addr::LOCALHOST) + (i / CLIENTS_PER_SOURCE) as u32;
    connect_from(source.into(), to)
}

#[test]
fn each_driver_holds_its_clients_and_tells_the_next_one_so() {
    for (driver, clients) in DRIVERS {
        raise_descriptor_limit(clients);
        let server = serve("echo", driver, &["--max-clients", &clients.to_string()]);
        let mut crowd: Vec<TcpStream> = (0..clients).map(|i| nth_client(i, server.tcp())).collect();
        all_ask(&mut crowd, b"hello", driver);
        all_ask(&mut crowd, b"still here", driver);
        let told = read_to_the_end(&mut nth_client(clients, server.tcp()));
        let busy = format!("busy: {clients} of {clients} clients are here, try again later\n");
        assert_eq!(String::from_utf8_lossy(&told), busy, "{driver}");
        all_ask(&mut crowd[..10], b"and not disturbed", driver);
    }
}

/// More than both sides' socket buffers hold by far.
const FLOOD_BYTES: usize = 200 * 1024 * 1024;
/// What a client who sends and never reads may cost the server: the answers to one read, of which
/// the shortest message has the longest, and what the allocator keeps of making them.
const DEAF_MAX_KIB: u64 = 2 * 1024;

#[test]
fn clients_who_send_and_never_read_cost_little_memory() {
    const DEAF: u64 = 8;
    for (driver, _) in DRIVERS {
        for (service, flood) in [("echo", "x"), ("clock", "\n")] {
            let server = serve(service, driver, &[]);
            let mut other = connect(server.tcp());
            let before_kib = server.memory_kib("VmRSS");
            let mut crowd = Vec::new();
            for _ in 0..DEAF {
                let mut deaf = connect(server.tcp());
                let taken = fill(&mut deaf, flood.repeat(65_536).as_bytes(), &mut other);
                assert!(taken < FLOOD_BYTES, "{driver} {service} took all of it");
                crowd.push(deaf);
            }
            let grown_kib = server.memory_kib("VmRSS").saturating_sub(before_kib);
            let most_kib = DEAF * DEAF_MAX_KIB;
            assert!(grown_kib < most_kib, "{driver} {service}: {grown_kib} KiB for {DEAF} of them");
        }
    }
}

/// Writes until nothing more is taken, however often another client is answered meanwhile.
/// Returns how much was.
fn fill(deaf: &mut TcpStream, bytes: &[u8], other: &mut TcpStream) -> usize {
    const REFUSALS: usize = 20;
    deaf.set_nonblocking(true).unwrap();
    let (mut taken, mut refusals) = (0, 0);
    while refusals < REFUSALS && taken < FLOOD_BYTES {
        match deaf.write(bytes) {
            Ok(n) => (taken, refusals) = (taken + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refusals += 1;
                other.write_all(b"SEND_MONEY\n").unwrap();
                assert_ne!(other.read(&mut [0; 100]).unwrap(), 0);
            }
        }
    }
    taken
}
