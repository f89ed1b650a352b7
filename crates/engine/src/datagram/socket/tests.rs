//! The socket's promises, on loopback.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::*;

fn peer(to: SocketAddr) -> UdpSocket {
    let address = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(address).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Waits until the socket has something and echoes it, until `count` datagrams went back.
fn echo(socket: &DatagramSocket, count: usize) {
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::default());
    let mut echoed = 0;
    while echoed < count {
        let mut waits = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut waits, None).unwrap();
        socket.receive(&mut inbox).unwrap();
        for datagram in inbox.iter() {
            outbox.push(datagram.reply_to(), |out| out.extend_from_slice(datagram.bytes));
        }
        echoed += socket.send(&mut outbox);
    }
}

#[test]
fn every_length_goes_through_in_batches_and_one_by_one() {
    let lengths = [0, 1, 1400, 9000, 65_507];
    for is_batched in [true, false] {
        let socket = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let socket = if is_batched { socket } else { socket.one_by_one() };
        let peer = peer(socket.local());
        for length in lengths {
            peer.send(&vec![length as u8; length]).unwrap();
        }
        echo(&socket, lengths.len());
        let mut buffer = vec![0; 65_536];
        for length in lengths {
            let n = peer.recv(&mut buffer).unwrap();
            assert_eq!((n, buffer[..n].iter().all(|b| *b == length as u8)), (length, true));
        }
    }
}

#[test]
fn an_answer_leaves_from_the_address_that_the_question_came_to() {
    let socket = DatagramSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let other = SocketAddr::new(Ipv4Addr::new(127, 7, 7, 7).into(), socket.local().port());
    let peer = peer(other);
    peer.send(b"who?").unwrap();
    echo(&socket, 1);
    // A connected socket hears nobody but 127.7.7.7.
    assert_eq!(peer.recv(&mut [0; 16]).unwrap(), 4);
}

#[test]
fn a_dual_stack_socket_answers_both_and_shows_ipv4_as_such() {
    let socket = DatagramSocket::bind("[::]:0".parse().unwrap()).unwrap();
    let port = socket.local().port();
    let v4 = peer(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    let v6 = peer(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port));
    v4.send(b"4").unwrap();
    v6.send(b"6").unwrap();
    echo(&socket, 2);
    for (peer, text) in [(&v4, b"4"), (&v6, b"6")] {
        let mut buffer = [0; 4];
        assert_eq!(peer.recv(&mut buffer).unwrap(), 1);
        assert_eq!(&buffer[..1], text);
    }
}

#[test]
fn what_the_kernel_had_to_drop_is_counted() {
    let socket = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let small = socket2::SockRef::from(&socket.socket);
    small.set_recv_buffer_size(4096).unwrap();
    let peer = peer(socket.local());
    for _ in 0..200 {
        peer.send(&[0; 1000]).unwrap();
    }
    let mut inbox = Inbox::new();
    let (mut received, mut dropped) = (0, 0);
    while received + dropped < 200 {
        // The count comes with the next datagram that finds room.
        while let Ok(look) = socket.receive(&mut inbox) {
            received += look.received as u64;
            dropped += look.dropped;
        }
        if received + dropped < 200 {
            peer.send(&[0; 1]).unwrap();
            received = received.saturating_sub(1);
        }
    }
    assert!(dropped > 0, "{received} received");
}

#[test]
fn the_outbox_knows_what_was_added_last() {
    let mut outbox = Outbox::default();
    let to = ReplyTo { to: "127.0.0.1:9".parse().unwrap(), from: None };
    outbox.push(to, |out| out.extend_from_slice(b"one"));
    outbox.push(to, |out| out.extend_from_slice(b"two"));
    assert_eq!(outbox.last(), Some(&b"two"[..]));
}

#[test]
fn what_leaves_a_socket_that_only_answers_is_known_as_an_answer() {
    for (host, to) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "[::1]"), ("[::]", "127.0.0.1")] {
        let bind = |host: &str| DatagramSocket::bind(format!("{host}:0").parse().unwrap()).unwrap();
        let (server, plain) = (bind(host), bind(to));
        let answering = bind(to);
        answering.mark_answers().unwrap();
        let to =
            SocketAddr::new(to.trim_matches(['[', ']']).parse().unwrap(), server.local().port());
        for (socket, is_answer) in [(&plain, false), (&answering, true)] {
            let mut outbox = Outbox::default();
            outbox.push(ReplyTo { to, from: None }, |out| out.push(b'x'));
            assert_eq!(socket.send(&mut outbox), 1);
            let mut inbox = Inbox::new();
            assert_eq!(server.receive(&mut inbox).unwrap().received, 1);
            let datagram = inbox.iter().next().unwrap();
            assert_eq!((datagram.bytes, datagram.is_answer), (&b"x"[..], is_answer), "{host} {to}");
        }
    }
}

/// Sends datagrams of these lengths to a peer that is a plain socket of its own, and says what the
/// peer heard.
fn heard(socket: &DatagramSocket, to: &UdpSocket, lengths: &[usize]) -> Vec<Vec<u8>> {
    let reply_to = ReplyTo { to: to.local_addr().unwrap(), from: None };
    let mut outbox = Outbox::default();
    for (n, length) in lengths.iter().enumerate() {
        outbox.push(reply_to, |out| out.resize(out.len() + length, n as u8));
    }
    assert_eq!(socket.send(&mut outbox), lengths.len());
    assert!(outbox.is_empty());
    let mut buffer = vec![0; 65_536];
    lengths
        .iter()
        .map(|_| {
            let n = to.recv(&mut buffer).unwrap();
            buffer[..n].to_vec()
        })
        .collect()
}

fn expected(lengths: &[usize]) -> Vec<Vec<u8>> {
    lengths.iter().enumerate().map(|(n, length)| vec![n as u8; *length]).collect()
}

const LENGTHS: [&[usize]; 5] = [
    &[100; 70],
    &[1452; 60],
    &[5, 5, 5, 2, 2, 0, 0, 7, 7, 1453, 1453, 9000, 3, 3, 3],
    &[0],
    &[1, 65_507, 1],
];

fn bound() -> DatagramSocket {
    DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn plain() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

#[test]
fn the_peer_hears_each_answer_whole_however_they_leave() {
    for socket in [bound(), bound().without_offload(), bound().one_by_one()] {
        for lengths in LENGTHS {
            assert_eq!(heard(&socket, &plain(), lengths), expected(lengths));
        }
    }
}

#[test]
fn what_a_kernel_refuses_to_part_leaves_alone_and_nothing_is_lost() {
    let socket = bound();
    assert!(socket.parts.load(Ordering::Relaxed), "this kernel can part");
    // No datagram that leaves without a checksum can be parted.
    set_option(&socket.socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    assert_eq!(heard(&socket, &plain(), LENGTHS[2]), expected(LENGTHS[2]));
    assert!(!socket.parts.load(Ordering::Relaxed), "it is not tried again");
    assert_eq!(heard(&socket, &plain(), LENGTHS[0]), expected(LENGTHS[0]));
}

#[test]
fn answers_to_several_peers_keep_their_order_for_each() {
    let socket = bound();
    let peers = [plain(), plain(), plain()];
    let mut outbox = Outbox::default();
    let to = |n: usize| ReplyTo { to: peers[n].local_addr().unwrap(), from: None };
    for n in 0..90_u8 {
        // Runs of one, two and three to each.
        let peer = [0, 1, 1, 2, 2, 2, 1, 0, 0][usize::from(n) % 9];
        outbox.push(to(peer), |out| out.extend([n; 20]));
    }
    assert_eq!(socket.send(&mut outbox), 90);
    for peer in &peers {
        let mut buffer = [0; 64];
        let mut last = None;
        for _ in 0..30 {
            assert_eq!(peer.recv(&mut buffer).unwrap(), 20);
            assert!(last < Some(buffer[0]), "{last:?} before {}", buffer[0]);
            last = Some(buffer[0]);
        }
    }
}

/// What a socket receives of datagrams that its peer lets the kernel part, and in how many pieces
/// the kernel handed them over.
fn received(socket: &DatagramSocket, bytes: &[u8], segment: u16) -> (Vec<Vec<u8>>, usize) {
    let sender = plain();
    set_option(&sender, libc::SOL_UDP, libc::UDP_SEGMENT, segment.into()).unwrap();
    sender.send_to(bytes, socket.local()).unwrap();
    set_option(&sender, libc::SOL_UDP, libc::UDP_SEGMENT, 0).unwrap();
    sender.send_to(b"the end", socket.local()).unwrap();
    let (mut inbox, mut datagrams, mut pieces) = (Inbox::new(), Vec::new(), 0);
    loop {
        let look = match socket.receive(&mut inbox) {
            Ok(look) => look,
            Err(error) => panic!("{error} after {datagrams:?}"),
        };
        assert_eq!(look.received, inbox.iter().count());
        pieces += inbox.received.len();
        for datagram in inbox.iter() {
            assert_eq!(datagram.from, sender.local_addr().unwrap());
            if datagram.bytes == b"the end" {
                return (datagrams, pieces - 1);
            }
            datagrams.push(datagram.bytes.to_vec());
        }
    }
}

#[test]
fn what_the_kernel_joined_is_parted_again() {
    for (length, segment) in [(64_000, 1000), (6_400, 100), (6_350, 100), (99, 100), (101, 100)] {
        let bytes: Vec<u8> = (0..length).map(|n| (n / 7) as u8).collect();
        let expected: Vec<&[u8]> = bytes.chunks(segment).collect();
        for (socket, is_joined) in
            [(bound(), true), (bound().without_offload(), false), (bound().one_by_one(), false)]
        {
            let (datagrams, pieces) = received(&socket, &bytes, segment as u16);
            assert_eq!(datagrams, expected, "{length} in pieces of {segment}");
            assert_eq!(pieces, if is_joined { 1 } else { expected.len() });
        }
    }
}

#[test]
fn two_of_our_sockets_understand_each_other() {
    let (one, other) = (bound(), bound());
    for lengths in LENGTHS {
        let to = ReplyTo { to: other.local(), from: None };
        let mut outbox = Outbox::default();
        for (n, length) in lengths.iter().enumerate() {
            outbox.push(to, |out| out.resize(out.len() + length, n as u8));
        }
        assert_eq!(one.send(&mut outbox), lengths.len());
        let (mut inbox, mut datagrams) = (Inbox::new(), Vec::new());
        while datagrams.len() < lengths.len() {
            other.receive(&mut inbox).unwrap();
            datagrams.extend(inbox.iter().map(|datagram| datagram.bytes.to_vec()));
        }
        assert_eq!(datagrams, expected(lengths));
    }
}
