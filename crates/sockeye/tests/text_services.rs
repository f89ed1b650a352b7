//! echo and clock, on each driver, over TCP and UDP, IPv4 and IPv6, as a person with netcat, a
//! script without line ends and piped input use them.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

mod support;

use support::{HANG, Server, connect, read_to_the_end, sockeye};

const DRIVERS: [&str; 3] = ["tasks", "threads", "single"];
const HOSTS: [&str; 2] = ["127.0.0.1", "[::1]"];

fn serve(
    service: &str,
    driver: &str,
    host: &str,
    flags: &[&str],
) -> (Server, SocketAddr, SocketAddr) {
    let mut command = sockeye();
    command.args(["serve", service, "--driver", driver]);
    command.args(["--on", &format!("tcp://{host}:0"), "--on", &format!("udp://{host}:0")]);
    command.args(flags);
    let server = Server::start(&mut command, 2);
    let address = |scheme: &str| -> SocketAddr {
        let start = format!("listening on {scheme}://");
        server.lines.iter().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    };
    let (tcp, udp) = (address("tcp"), address("udp"));
    (server, tcp, udp)
}

fn for_each(test: impl Fn(&str, &str)) {
    for driver in DRIVERS {
        for host in HOSTS {
            test(driver, host);
        }
    }
}

/// One write without a line end, one read.
fn ask(stream: &mut TcpStream, message: &str) -> String {
    stream.write_all(message.as_bytes()).unwrap();
    let mut buffer = [0; 1024];
    let n = stream.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

fn ask_datagram(to: SocketAddr, message: &[u8]) -> Vec<u8> {
    let own: SocketAddr = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }.parse().unwrap();
    let socket = UdpSocket::bind(own).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket.send(message).unwrap();
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).unwrap();
    buffer.truncate(n);
    buffer
}

fn is_time(text: &str) -> bool {
    let fields: Vec<&str> = text.split(':').collect();
    fields.len() == 3
        && fields.iter().all(|f| f.len() == 2 && f.bytes().all(|b| b.is_ascii_digit()))
}

fn is_date(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [4, 2, 2] && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

#[test]
fn the_clock_answers_lines_by_lines_in_order() {
    for_each(|driver, host| {
        let (_server, tcp, _) = serve("clock", driver, host, &[]);
        let mut stream = connect(tcp);
        stream.write_all(b"SEND_DATE\nSEND_TIME\r\nwhat?\nSEND_DATE").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = String::from_utf8(read_to_the_end(&mut stream)).unwrap();
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!(lines.len(), 4, "{driver} {host}: {answer}");
        assert!(is_date(lines[0]) && is_time(lines[1]) && is_date(lines[3]), "{answer}");
        assert_eq!(lines[2], "Error in request format");
        assert!(answer.ends_with('\n'));
    });
}

#[test]
fn the_clock_answers_a_script_without_line_ends_in_kind() {
    for_each(|driver, host| {
        let (_server, tcp, _) = serve("clock", driver, host, &["--utc"]);
        let mut stream = connect(tcp);
        let date = ask(&mut stream, "SEND_DATE");
        assert!(is_date(&date), "{driver} {host}: {date:?}");
        let time = ask(&mut stream, "SEND_TIME");
        assert!(is_time(&time), "{driver} {host}: {time:?}");
    });
}

#[test]
fn a_line_peers_message_is_not_split_by_a_boundary() {
    for driver in DRIVERS {
        let (_server, tcp, _) = serve("clock", driver, "127.0.0.1", &[]);
        let mut stream = connect(tcp);
        assert!(is_date(ask(&mut stream, "SEND_DATE\n").trim_end()));
        stream.write_all(b"SEND_").unwrap();
        // Longer than the pause that ends a message of a peer without line ends.
        std::thread::sleep(Duration::from_millis(300));
        let time = ask(&mut stream, "TIME\n");
        assert!(is_time(time.trim_end()), "{driver}: {time:?}");
    }
}

#[test]
fn the_clock_answers_datagrams_in_kind() {
    for_each(|driver, host| {
        let (_server, _, udp) = serve("clock", driver, host, &[]);
        let text = |message: &[u8]| String::from_utf8(ask_datagram(udp, message)).unwrap();
        assert!(is_date(&text(b"SEND_DATE")), "{driver} {host}");
        let time = text(b"SEND_TIME\n");
        assert!(is_time(time.strip_suffix('\n').unwrap()), "{driver} {host}");
        assert_eq!(text(b""), "Error in request format", "an empty message is a message");
    });
}

#[test]
fn echo_gives_the_same_bytes_back_also_many_and_not_utf8() {
    for_each(|driver, host| {
        let (_server, tcp, udp) = serve("echo", driver, host, &[]);
        let bytes = support::pattern(3_000_000);
        let mut stream = connect(tcp);
        let mut reading = stream.try_clone().unwrap();
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || {
            stream.write_all(&sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        support::assert_same_bytes(&read_to_the_end(&mut reading), &bytes, driver);
        writer.join().unwrap();
        for length in [0, 1, 1400, 60_000] {
            assert!(ask_datagram(udp, &bytes[..length]) == bytes[..length], "{driver} {length}");
        }
    });
}

#[test]
fn a_fixed_reply_answers_every_message_and_datagram() {
    for_each(|driver, host| {
        let flags = ["--reply", "Hello UDP Client"];
        let (_server, tcp, udp) = serve("echo", driver, host, &flags);
        assert_eq!(ask_datagram(udp, b"anything"), b"Hello UDP Client");
        assert_eq!(ask(&mut connect(tcp), "hi\n"), "Hello UDP Client\n");
        assert_eq!(ask(&mut connect(tcp), "hello"), "Hello UDP Client");
    });
}

#[test]
fn who_is_over_is_told_so_at_once_and_a_leaver_makes_room() {
    for driver in DRIVERS {
        let flags = ["--max-clients", "2", "--idle-timeout", "none"];
        let (_server, tcp, _) = serve("echo", driver, "127.0.0.1", &flags);
        let mut inside = [connect(tcp), connect(tcp)];
        for stream in &mut inside {
            assert_eq!(ask(stream, "x"), "x", "{driver}");
        }
        let told = String::from_utf8(read_to_the_end(&mut connect(tcp))).unwrap();
        assert_eq!(told, "busy: 2 of 2 clients are here, try again later\n", "{driver}");
        let [first, _second] = inside;
        drop(first);
        let mut tries = 0;
        while ask(&mut connect(tcp), "y") != "y" {
            tries += 1;
            assert!(tries < 1000, "{driver}: the place was never free again");
        }
    }
}

#[test]
fn over_udp_a_client_is_an_address_and_port_until_it_was_silent_for_the_idle_timeout() {
    for driver in DRIVERS {
        for service in ["echo", "clock"] {
            let flags = ["--max-clients", "2", "--idle-timeout", "none"];
            let (_server, _, udp) = serve(service, driver, "127.0.0.1", &flags);
            let inside = [udp_client(udp), udp_client(udp)];
            let answers = inside.each_ref().map(|client| ask_again(client, b"SEND_TIME"));
            let told = ask_again(&udp_client(udp), b"SEND_TIME\n");
            let busy = "busy: 2 of 2 clients are here, try again later\n";
            assert_eq!(String::from_utf8_lossy(&told), busy, "{driver} {service}");
            for (client, answer) in inside.iter().zip(&answers) {
                assert!(!answer.starts_with(b"busy"), "{driver} {service}: {answer:?}");
                let again = ask_again(client, b"SEND_TIME");
                assert_eq!(again.len(), answer.len(), "{driver} {service}: who is here stays");
            }
        }
    }
}

#[test]
fn over_udp_one_address_has_its_share_and_a_place_is_free_after_the_idle_timeout() {
    for driver in DRIVERS {
        let flags = ["--max-clients", "none", "--max-per-address", "1", "--idle-timeout", "none"];
        let (_server, _, udp) = serve("echo", driver, "127.0.0.1", &flags);
        assert_eq!(ask_datagram(udp, b"x"), b"x");
        let told = ask_datagram(udp, b"x");
        assert_eq!(told, b"busy: 1 of 1 from your address, try again later", "{driver}");

        let flags = ["--max-clients", "1", "--idle-timeout", "100ms"];
        let (_server, _, udp) = serve("echo", driver, "127.0.0.1", &flags);
        assert_eq!(ask_datagram(udp, b"x"), b"x");
        let second = udp_client(udp);
        let mut told = ask_again(&second, b"x");
        while told != b"x" {
            assert_eq!(told, b"busy: 1 of 1 clients are here, try again later", "{driver}");
            told = ask_again(&second, b"x");
        }
    }
}

#[test]
fn what_the_kernel_dropped_while_the_server_was_held_up_is_counted_to_the_last_datagram() {
    // More than the kernel holds for a socket of ours: 8 MiB at most, of the 4 that we ask for.
    const SENT: usize = 200;
    let long = vec![b'x'; 60_000];
    for driver in DRIVERS {
        let (server, _, udp) = serve("clock", driver, "127.0.0.1", &["--log", "json"]);
        let client = udp_client(udp);
        server.process.signal(rustix::process::Signal::STOP);
        for _ in 0..SENT {
            client.send(&long).unwrap();
        }
        server.process.signal(rustix::process::Signal::CONT);
        let mut answered = 0;
        // It is answered in order; and tells, because it found room, how many did not.
        let mut answer = ask_again(&client, b"SEND_TIME");
        while answer == b"Error in request format" {
            answered += 1;
            let mut buffer = [0; 64];
            let n = client.recv(&mut buffer).unwrap();
            answer = buffer[..n].to_vec();
        }
        assert!(is_time(&String::from_utf8_lossy(&answer)), "{driver}: {answer:?}");
        assert!(answered < SENT, "{driver}: all {SENT} found room");
        let so_far = format!("for want of buffer, {} so far", SENT - answered);
        let waits_since = std::time::Instant::now();
        while !server.process.stderr().contains(&so_far) {
            let stderr = server.process.stderr();
            assert!(waits_since.elapsed() < HANG, "{driver}: no `{so_far}` in {stderr}");
            std::thread::yield_now();
        }
    }
}

fn udp_client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket
}

fn ask_again(socket: &UdpSocket, message: &[u8]) -> Vec<u8> {
    socket.send(message).unwrap();
    let mut buffer = [0; 1024];
    let n = socket.recv(&mut buffer).unwrap();
    buffer[..n].to_vec()
}

#[test]
fn a_client_that_never_reads_blocks_nobody() {
    for driver in DRIVERS {
        let (_server, tcp, _) = serve("echo", driver, "127.0.0.1", &[]);
        let mut deaf = connect(tcp);
        deaf.set_nonblocking(true).unwrap();
        // Until both sides' buffers are full, so that the server holds an answer nobody takes.
        let mut refusals = 0;
        while refusals < 3 {
            if deaf.write(&vec![b'x'; 65_536]).is_err() {
                refusals += 1;
                assert_eq!(ask(&mut connect(tcp), "others"), "others", "{driver}");
            }
        }
    }
}

#[test]
fn a_browser_or_a_tls_client_is_closed_without_a_word() {
    for driver in DRIVERS {
        let (_server, tcp, _) = serve("clock", driver, "127.0.0.1", &[]);
        for opening in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x00\x05"] {
            let mut stream = connect(tcp);
            stream.write_all(opening).unwrap();
            assert_eq!(read_to_the_end(&mut stream), b"", "{driver}");
        }
    }
}

#[test]
fn ctrl_c_ends_every_driver_with_exit_code_0_while_clients_idle() {
    for driver in DRIVERS {
        let (mut server, tcp, _) = serve("clock", driver, "127.0.0.1", &[]);
        let mut idle = connect(tcp);
        assert!(is_date(&ask(&mut idle, "SEND_DATE")), "{driver}");
        server.process.signal(rustix::process::Signal::INT);
        assert_eq!(server.process.wait().code(), Some(0), "{driver}");
        assert_eq!(read_to_the_end(&mut idle), b"", "{driver}");
    }
}

#[test]
fn who_comes_while_it_ends_is_refused_by_every_driver() {
    for driver in DRIVERS {
        let (server, tcp, _) = serve("clock", driver, "127.0.0.1", &[]);
        // It is not closed before its peer closes too, so that the server goes on draining.
        let mut inside = connect(tcp);
        assert!(is_date(&ask(&mut inside, "SEND_DATE")), "{driver}");
        server.process.signal(rustix::process::Signal::INT);
        assert_eq!(read_to_the_end(&mut inside), b"", "{driver}: our conversation is ended");
        let mut tries = 0;
        while TcpStream::connect(tcp).is_ok() {
            tries += 1;
            assert!(tries < 1000, "{driver}: it still takes callers");
        }
    }
}
