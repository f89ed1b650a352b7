//! A UDP socket that receives and sends in batches: recvmmsg(2) and sendmmsg(2), or one by one
//! where the kernel has neither.
//!
//! Several datagrams of one size, to or from one peer, go through the kernel as one where it can
//! do that: it parts what leaves (UDP_SEGMENT) and joins what comes (UDP_GRO), and here they are
//! joined and parted again (udp(7)). Nobody outside sees it; a kernel or a device that refuses gets
//! datagrams one at a time from then on.
//!
//! An answer leaves from the address that the question came to, also from a socket that is bound to
//! all of them (IP_PKTINFO, RFC 3542 section 6). What the kernel had to drop for want of buffer is
//! counted (SO_RXQ_OVFL).
//!
//! A socket that only answers says so in the IP header of all that it sends: its datagrams have a
//! code point of their own ([`DatagramSocket::mark_answers`]), and one that arrives with it
//! [is an answer](Datagram::is_answer), which no server has to answer.
#![allow(unsafe_code, reason = "rustix has no wrapper for these socket options")]

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Protocol, Socket, Type};

use self::control::{ANSWER_TRAFFIC_CLASS, CameTo};
use self::receive::receive_batch;
use self::send::{Parcel, send_all};

mod control;
mod name;
mod receive;
mod send;

/// Datagrams moved by one system call at most.
const BATCH: usize = 64;
/// The longest datagram that IP can carry, and room to see that one is longer.
const DATAGRAM_MAX_BYTES: usize = 65_535;
/// An outbox that holds more is to be sent before more is added: a few joined datagrams of a few
/// bytes each may want answers of 64 KB each.
const OUTBOX_FULL_BYTES: usize = 1024 * 1024;
/// What the kernel is asked to hold for us; it may give less (net.core.rmem_max).
const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A bound socket.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: UdpSocket,
    local: SocketAddr,
    is_batched: bool,
    /// Whether the kernel parts what leaves; until it refuses for the first time.
    parts: AtomicBool,
}

/// Room for a batch that is received.
pub struct Inbox {
    storage: Box<[u8]>,
    received: Vec<Received>,
    dropped_before: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    from: SocketAddr,
    came_to: Option<CameTo>,
    is_answer: bool,
    /// Which room it is in.
    room: usize,
    length: usize,
    /// It is several datagrams, each but the last this long.
    segment: Option<usize>,
}

/// A datagram that was received.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it, an IPv4 address as such also on a dual-stack socket.
    pub from: SocketAddr,
    /// What it holds.
    pub bytes: &'a [u8],
    /// Whether it came from a socket that only answers: what is sent back could only come back
    /// again.
    pub is_answer: bool,
    reply_to: ReplyTo,
}

/// Where an answer goes, and from which address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    to: SocketAddr,
    from: Option<CameTo>,
}

/// Answers that wait to leave in one batch.
#[derive(Debug, Default)]
pub struct Outbox {
    storage: Vec<u8>,
    waiting: Vec<(ReplyTo, usize)>,
    /// What is being sent; kept for its memory.
    parcels: Vec<Parcel>,
}

/// What a look at the socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Datagrams in the inbox.
    pub received: usize,
    /// Datagrams that the kernel had to drop since the look before, for want of buffer. Several that
    /// it had joined count as one.
    pub dropped: u64,
}

impl DatagramSocket {
    /// Binds. The port is ours alone: no address reuse.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if let SocketAddr::V6(v6) = address {
            // `[::]` takes IPv4 callers too; any other IPv6 address is just itself.
            socket.set_only_v6(!v6.ip().is_unspecified())?;
        }
        socket.set_nonblocking(true)?;
        // Less buffer than wished for costs datagrams under load, and those are counted.
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(KERNEL_BUFFER_BYTES);
        socket.bind(&address.into())?;
        let socket: UdpSocket = socket.into();
        let local = socket.local_addr()?;
        if local.ip().is_unspecified() {
            ask_for_addresses(&socket, local)?;
        }
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
        for (level, option) in traffic_class(local, [libc::IP_RECVTOS, libc::IPV6_RECVTCLASS]) {
            set_option(&socket, level, option, 1)?;
        }
        // Where the kernel cannot join, each datagram comes alone. A segment of 0 bytes is none: it
        // only asks whether the kernel can part.
        let _ = set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
        let parts = set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        Ok(Self { socket, local, is_batched: true, parts: parts.into() })
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// A second handle of the same socket.
    pub fn second_handle(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    /// Marks all that leaves from now on as answers: what arrives so marked is
    /// [known](Datagram::is_answer) to be one, on whichever port. A router may take the mark off.
    pub fn mark_answers(&self) -> io::Result<()> {
        for (level, option) in traffic_class(self.local, [libc::IP_TOS, libc::IPV6_TCLASS]) {
            set_option(&self.socket, level, option, ANSWER_TRAFFIC_CLASS.into())?;
        }
        Ok(())
    }

    /// Neither joins nor parts datagrams, as on a kernel that cannot.
    pub fn without_offload(self) -> Self {
        let _ = set_option(&self.socket, libc::SOL_UDP, libc::UDP_GRO, 0);
        self.parts.store(false, Ordering::Relaxed);
        self
    }

    /// Uses one system call per datagram, as on a kernel that has no others.
    pub fn one_by_one(self) -> Self {
        Self { is_batched: false, ..self.without_offload() }
    }

    /// Takes what has come, without waiting.
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<Look> {
        inbox.received.clear();
        let wanted = if self.is_batched { BATCH } else { 1 };
        receive_batch(&self.socket, inbox, wanted)
    }

    /// Sends all answers, as many at once as the kernel takes. An answer that the kernel refuses
    /// is lost, as any datagram may be; returns how many were sent.
    pub fn send(&self, outbox: &mut Outbox) -> usize {
        let sent = send_all(self, outbox);
        outbox.storage.clear();
        outbox.waiting.clear();
        sent
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Inbox {
    /// An empty inbox. Its memory is touched only as far as datagrams are long.
    pub fn new() -> Self {
        Self {
            storage: vec![0; BATCH * DATAGRAM_MAX_BYTES].into_boxed_slice(),
            received: Vec::with_capacity(BATCH),
            dropped_before: None,
        }
    }

    /// What was received, in order.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.received.iter().flat_map(|one| {
            let reply_to = ReplyTo { to: one.from, from: one.came_to };
            let from = SocketAddr::new(one.from.ip().to_canonical(), one.from.port());
            let bytes = &self.storage[one.room * DATAGRAM_MAX_BYTES..][..one.length];
            one.segments().map(move |segment| {
                let bytes = &bytes[segment];
                Datagram { from, bytes, is_answer: one.is_answer, reply_to }
            })
        })
    }
}

impl Received {
    /// Where each datagram of it stands; an empty one is one too.
    fn segments(self) -> impl ExactSizeIterator<Item = Range<usize>> {
        let segment = self.segment.unwrap_or(self.length).max(1);
        (0..self.length.div_ceil(segment).max(1))
            .map(move |n| n * segment..((n + 1) * segment).min(self.length))
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("received", &self.received).finish_non_exhaustive()
    }
}

impl Datagram<'_> {
    /// Where an answer to it goes.
    pub fn reply_to(&self) -> ReplyTo {
        self.reply_to
    }
}

impl Outbox {
    /// Adds an answer, which `write` appends to what it is given.
    pub fn push(&mut self, to: ReplyTo, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.storage.len();
        write(&mut self.storage);
        self.waiting.push((to, self.storage.len() - before));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether it is to be sent before more is added.
    pub fn is_full(&self) -> bool {
        self.storage.len() >= OUTBOX_FULL_BYTES
    }

    /// The last answer that was added.
    pub fn last(&self) -> Option<&[u8]> {
        let (_, length) = self.waiting.last()?;
        self.storage.get(self.storage.len() - length..)
    }
}

/// Asks for the address that each datagram came to.
fn ask_for_addresses(socket: &UdpSocket, local: SocketAddr) -> io::Result<()> {
    if local.is_ipv6() {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// The options that a socket has for the traffic class, of one for IPv4 and one for IPv6: one that
/// is bound to IPv6 may carry both.
fn traffic_class(
    local: SocketAddr,
    [v4, v6]: [libc::c_int; 2],
) -> impl Iterator<Item = (libc::c_int, libc::c_int)> {
    let of_v6 = local.is_ipv6().then_some((libc::IPPROTO_IPV6, v6));
    std::iter::once((libc::IPPROTO_IP, v4)).chain(of_v6)
}

fn set_option(
    socket: &UdpSocket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value points to a c_int that outlives the call, with its true length.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
