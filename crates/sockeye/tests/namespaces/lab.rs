//! Two namespaces with a cable between them, and what can be done in each.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fd::OwnedFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::{self, HANG, Server};

/// Addresses of each machine: the first 200 from 1 on of its own /24.
const ADDRESSES: u8 = 200;

/// One of the two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

/// Two machines, 10.77.1.0/24 and 10.77.2.0/24, that end with the test.
pub(crate) struct Lab {
    names: [String; 2],
}

impl Lab {
    /// # Panics
    /// Without root or `ip`, with the name of what is missing.
    pub(crate) fn new() -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "root is missing: network namespaces are made by root alone"
        );
        let (process, lab) = (std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let names = ["a", "b"].map(|side| format!("sockeye-{process}-{lab}-{side}"));
        let lab = Self { names };
        for side in [Side::A, Side::B] {
            ip(&["netns", "add", lab.name(side)]);
        }
        let (a, b) = (lab.name(Side::A), lab.name(Side::B));
        ip(&["-n", a, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", b]);
        for side in [Side::A, Side::B] {
            lab.give_addresses(side);
        }
        lab
    }

    fn give_addresses(&self, side: Side) {
        let name = self.name(side);
        let mut batch = String::from("link set lo up\nlink set cable up\n");
        for n in 1..=ADDRESSES {
            // A /16 holds both machines; an IPv4 address needs no check for duplicates.
            let _ = writeln!(batch, "address add {}/16 dev cable", address(side, n));
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), batch).unwrap();
        ip(&["-n", name, "-batch", file.path().to_str().unwrap()]);
    }

    fn name(&self, side: Side) -> &str {
        &self.names[side as usize]
    }

    /// `sockeye serve ...` on one of the machines; it has printed where it listens.
    pub(crate) fn serve(&self, side: Side, arguments: &[&str]) -> Server {
        let mut command = inside(self.name(side), &support::sockeye());
        command.args(["serve"]).args(arguments).arg("--quiet");
        Server::start(&mut command, 1)
    }

    /// Does something on one of the machines, on a thread of its own; the sockets that it opens
    /// stay there.
    pub(crate) fn on<T: Send>(&self, side: Side, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                enter(self.name(side));
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A socket on one of the machines, at its address with this number, on any port.
    pub(crate) fn socket(&self, side: Side, n: u8) -> UdpSocket {
        self.on(side, || {
            let socket = UdpSocket::bind((address(side, n), 0)).unwrap();
            socket.set_read_timeout(Some(HANG)).unwrap();
            socket
        })
    }

    /// A socket that sends under any address.
    pub(crate) fn forger(&self, side: Side) -> Forger {
        self.on(side, || {
            // IPPROTO_RAW: the IP header is ours to write (raw(7)).
            let raw = Some(rustix::net::ipproto::RAW);
            let family = rustix::net::AddressFamily::INET;
            Forger(rustix::net::socket(family, rustix::net::SocketType::RAW, raw).unwrap())
        })
    }

    /// How many datagrams were sent on one of the machines by UDP sockets.
    pub(crate) fn sent(&self, side: Side) -> u64 {
        let table =
            self.on(side, || std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
        let mut rows = table.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, numbers) = (rows.next().unwrap(), rows.next().unwrap());
        let at = names.split(' ').position(|name| name == "OutDatagrams").unwrap();
        numbers.split(' ').nth(at).unwrap().parse().unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            // The cable goes with its ends.
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// An address of a machine.
pub(crate) fn address(side: Side, n: u8) -> Ipv4Addr {
    assert!((1..=ADDRESSES).contains(&n));
    Ipv4Addr::new(10, 77, 1 + side as u8, n)
}

/// Sends datagrams that say they are somebody else's.
pub(crate) struct Forger(OwnedFd);

impl Forger {
    /// Sends one; RFC 791, section 3.1, and RFC 768, whose checksum may be left out.
    pub(crate) fn send(&self, from: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) {
        let udp_length = u16::try_from(8 + bytes.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend((20 + udp_length).to_be_bytes());
        // The kernel fills in the identification and the checksum.
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend(from.ip().octets());
        packet.extend(to.ip().octets());
        for number in [from.port(), to.port(), udp_length, 0] {
            packet.extend(number.to_be_bytes());
        }
        packet.extend(bytes);
        let to = SocketAddrV4::new(*to.ip(), 0);
        rustix::net::sendto(&self.0, &packet, rustix::net::SendFlags::empty(), &to).unwrap();
    }
}

/// One request, one answer.
pub(crate) fn ask(socket: &UdpSocket, server: SocketAddr, request: &[u8]) -> Vec<u8> {
    socket.send_to(request, server).unwrap();
    let mut buffer = vec![0; 65_536];
    let (n, from) = socket.recv_from(&mut buffer).unwrap_or_else(|e| {
        panic!("{server} did not answer {:?}: {e}", String::from_utf8_lossy(request))
    });
    assert_eq!(from, server);
    buffer.truncate(n);
    buffer
}

/// The same program with the same variables in a namespace; its arguments are still to come.
pub(crate) fn inside(namespace: &str, program: &Command) -> Command {
    let mut command = support::other_program("ip", "iproute2");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["netns", "exec", namespace]).arg(program.get_program());
    command
}

/// Moves this thread, and what it starts from now on, into a namespace.
pub(crate) fn enter(namespace: &str) {
    let namespace = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    let kind = Some(LinkNameSpaceType::Network);
    move_into_link_name_space(rustix::fd::AsFd::as_fd(&namespace), kind).unwrap();
}

pub(crate) fn ip(arguments: &[&str]) {
    let output = support::other_program("ip", "iproute2").args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {stderr}", arguments.join(" "));
}
