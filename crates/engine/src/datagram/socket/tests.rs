//! The socket's promises, on loopback.

use super::*;
use std::time::Duration;

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
