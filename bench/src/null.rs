//! The null server: the simplest loop that sends back what comes, on one thread.
//!
//! It stands in no race. A load generator that gets more answers from it than from the servers that
//! race is not what holds those back; and what a request costs it is what the kernel takes.

use std::convert::Infallible;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, bail};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

const EVENTS_MAX: usize = 256;
const READ_BYTES: usize = 4096;
/// Datagrams moved by one system call at most, and the longest of them.
const BATCH: usize = 64;
const DATAGRAM_BYTES: usize = 256;

/// Serves at `tcp://ADDRESS` or `udp://ADDRESS` until it is killed.
pub fn serve(url: &str) -> anyhow::Result<Infallible> {
    match url.split_once("://") {
        Some(("tcp", address)) => streams(address.parse()?),
        Some(("udp", address)) => datagrams(address.parse()?),
        _ => bail!("{url} is neither tcp://ADDRESS nor udp://ADDRESS"),
    }
}

fn streams(address: SocketAddr) -> anyhow::Result<Infallible> {
    let listener = TcpListener::bind(address).context("cannot listen")?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let listening = u64::MAX;
    epoll::add(&poll, &listener, EventData::new_u64(listening), EventFlags::IN)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut buffer = [0; READ_BYTES];
    loop {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS_MAX];
        let (events, _) = epoll::wait(&poll, &mut events, None)?;
        for event in events.iter() {
            let key = event.data.u64();
            if key == listening {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let key = EventData::new_u64(streams.len() as u64);
                epoll::add(&poll, &stream, key, EventFlags::IN)?;
                streams.push(Some(stream));
                continue;
            }
            let slot = &mut streams[key as usize];
            let Some(stream) = slot else { continue };
            match rustix::net::recv(&*stream, &mut buffer[..], RecvFlags::DONTWAIT) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Ok((_, 0)) | Err(_) => *slot = None,
                Ok((_, n)) => {
                    // A load of one request at a time never fills a socket's buffer.
                    rustix::net::send(&*stream, &buffer[..n], SendFlags::NOSIGNAL)?;
                }
            }
        }
    }
}

fn datagrams(address: SocketAddr) -> anyhow::Result<Infallible> {
    let socket = UdpSocket::bind(address).context("cannot listen")?;
    let fd = socket.as_raw_fd();
    let mut rooms = [[0; DATAGRAM_BYTES]; BATCH];
    let mut receiving: MultiHeaders<SockaddrIn> = MultiHeaders::preallocate(BATCH, None);
    let mut sending: MultiHeaders<SockaddrIn> = MultiHeaders::preallocate(BATCH, None);
    loop {
        let mut come = [(None, 0); BATCH];
        let mut slices = rooms.each_mut().map(|room| [IoSliceMut::new(room)]);
        // It waits for the first one only.
        let flags = MsgFlags::MSG_WAITFORONE;
        let received = recvmmsg(fd, &mut receiving, slices.iter_mut(), flags, None)?;
        let mut count = 0;
        for one in received {
            come[count] = (one.address, one.bytes);
            count += 1;
        }
        let mut begin = 0;
        while begin < count {
            let some = &come[begin..count];
            let to: Vec<Option<SockaddrIn>> = some.iter().map(|(from, _)| *from).collect();
            let answers: Vec<[IoSlice<'_>; 1]> = (rooms[begin..].iter().zip(some))
                .map(|(room, (_, length))| [IoSlice::new(&room[..*length])])
                .collect();
            let sent = sendmmsg(fd, &mut sending, &answers, to, [], MsgFlags::empty())?;
            begin += sent.count();
        }
    }
}
