//! Handshakes that never come, that break, or that come a byte at a time.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use crate::house::{House, TEXT, curl_trusting, python};
use crate::support::{connect, curl, ends_after, run};

/// How a TLS connection begins: a handshake record of 512 bytes with a hello (RFC 8446, sections 4
/// and 5.1), and no more of it.
const HELLO_BEGUN: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];

#[test]
fn a_handshake_that_never_comes_is_given_up_in_time_and_holds_nobody() {
    let house = House::new();
    let server = house.serve(&["--max-clients", "200", "--idle-timeout", "none"]);
    let url = format!("https://{}", server.https());
    let begun = Instant::now();
    let openings: [&[u8]; 3] = [b"", HELLO_BEGUN, b"GET / HTTP/1.1\r\nHost: "];
    let silent: Vec<_> = openings
        .iter()
        .flat_map(|opening| [opening; 20])
        .map(|opening| {
            let mut stream = connect(server.https());
            stream.write_all(opening).unwrap();
            stream
        })
        .collect();
    let served = Instant::now();
    let output = curl_trusting(&house.certificate(), &[], &format!("{url}/a.txt"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), TEXT);
    assert!(served.elapsed() < Duration::from_secs(5), "others are served meanwhile");
    thread::scope(|scope| {
        for mut stream in silent {
            scope.spawn(move || {
                let took = ends_after(&mut stream, begun);
                let bounds = Duration::from_secs(8)..Duration::from_secs(20);
                assert!(bounds.contains(&took), "ended after {took:?}");
            });
        }
    });
    let metrics = run(curl().args(["-k", &format!("{url}/-/metrics")])).stdout;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains("sockeye_overdue_total{service=\"files\"} 60\n"), "{metrics}");
    assert!(metrics.contains("sockeye_clients{service=\"files\"} 1\n"), "{metrics}");
}

#[test]
fn a_handshake_that_fails_is_counted_and_disturbs_nobody() {
    let house = House::new();
    let server = house.serve(&[]);
    let url = format!("https://{}", server.https());
    // One that does not trust us, one too old for us, and one that speaks no TLS after all.
    assert_eq!(run(curl().arg(&url)).status.code(), Some(60));
    let mut broken = connect(server.https());
    broken.write_all(&[22, 3, 1, 0, 5, 9, 9, 9, 9, 9]).unwrap();
    ends_after(&mut broken, Instant::now());
    let old = python(
        server.https(),
        "
context.set_ciphers('ALL:@SECLEVEL=0')
context.minimum_version = ssl.TLSVersion.TLSv1
context.maximum_version = ssl.TLSVersion.TLSv1_1
try:
    talk()
    print('taken')
except ssl.SSLError as error:
    print('refused')
",
    );
    assert_eq!(old, "refused\n");
    let metrics = run(curl().args(["-k", &format!("{url}/-/metrics")])).stdout;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(
        metrics.contains("sockeye_handshake_failures_total{service=\"files\"} 3\n"),
        "{metrics}"
    );
}

#[test]
fn bytes_and_records_may_come_one_at_a_time() {
    let house = House::new();
    let server = house.serve(&[]);
    let said = python(
        server.https(),
        "
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
within = context.wrap_bio(incoming, outgoing)
stream = plain()
stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def send():
    for byte in outgoing.read():
        stream.sendall(bytes([byte]))
def until_done(what):
    while True:
        try:
            done = what()
            send()
            return done
        except ssl.SSLWantReadError:
            send()
            incoming.write(stream.recv(1))
until_done(within.do_handshake)
for byte in GET:
    within.write(bytes([byte]))
send()
answer = b''
while not answer.endswith(b'hello over TLS'):
    answer += until_done(lambda: within.read(65536))
print(answer[:15].decode())
",
    );
    assert_eq!(said, "HTTP/1.1 200 OK\n");
}

#[test]
fn a_head_that_does_not_end_is_told_so_within_tls() {
    let house = House::new();
    let server = house.serve(&[]);
    let said = python(
        server.https(),
        "
stream = talk()
stream.sendall(b'GET / HTTP/1.1\\r\\n')
begun = time.time()
got = rest(stream)
print(got[:24], got[-12:], 8 < time.time() - begun < 20)
",
    );
    assert_eq!(said, "b'HTTP/1.1 408 Request Tim' b'ask faster.\\n' True\n");
}
