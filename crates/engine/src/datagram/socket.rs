//! A UDP socket that receives and sends in batches: recvmmsg(2) and sendmmsg(2), or one by one
//! where the kernel has neither.
//!
//! An answer leaves from the address that the question came to, also from a socket that is bound to
//! all of them (IP_PKTINFO, RFC 3542 section 6). What the kernel had to drop for want of buffer is
//! counted (SO_RXQ_OVFL).
//!
//! A socket that only answers says so in the IP header of all that it sends: its datagrams have a
//! code point of their own ([`DatagramSocket::mark_answers`]), and one that arrives with it
//! [is an answer](Datagram::is_answer), which no server has to answer.
#![allow(unsafe_code, reason = "recvmmsg and control messages have no safe wrapper in rustix")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use self::control::{ANSWER_TRAFFIC_CLASS, CameTo, Control};

mod control;

/// Datagrams moved by one system call at most.
const BATCH: usize = 64;
/// The longest datagram that IP can carry, and room to see that one is longer.
const DATAGRAM_MAX_BYTES: usize = 65_535;
/// What the kernel is asked to hold for us; it may give less (net.core.rmem_max).
const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A bound socket.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: UdpSocket,
    local: SocketAddr,
    is_batched: bool,
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
    length: usize,
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
#[derive(Clone, Copy, Debug)]
pub struct ReplyTo {
    to: SocketAddr,
    from: Option<CameTo>,
}

/// Answers that wait to leave in one batch.
#[derive(Debug, Default)]
pub struct Outbox {
    storage: Vec<u8>,
    waiting: Vec<(ReplyTo, usize)>,
}

/// What a look at the socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Datagrams in the inbox.
    pub received: usize,
    /// Datagrams that the kernel had to drop since the look before, for want of buffer.
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
        Ok(Self { socket, local, is_batched: true })
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

    /// Uses one system call per datagram, as on a kernel that has no others.
    pub fn one_by_one(mut self) -> Self {
        self.is_batched = false;
        self
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
        let batch = if self.is_batched { BATCH } else { 1 };
        let mut sent = 0;
        let mut offset = 0;
        let mut waiting = outbox.waiting.as_slice();
        while !waiting.is_empty() {
            let now = &waiting[..waiting.len().min(batch)];
            let gone = match send_batch(&self.socket, &outbox.storage[offset..], now) {
                Ok(gone) => {
                    sent += gone;
                    gone
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The first one cannot be sent: no room, no route, an ICMP error of before.
                Err(_) => 1,
            };
            offset += now[..gone].iter().map(|(_, length)| length).sum::<usize>();
            waiting = &waiting[gone..];
        }
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
        self.received.iter().zip(self.storage.chunks(DATAGRAM_MAX_BYTES)).map(|(one, room)| {
            let reply_to = ReplyTo { to: one.from, from: one.came_to };
            let from = SocketAddr::new(one.from.ip().to_canonical(), one.from.port());
            let bytes = &room[..one.length];
            Datagram { from, bytes, is_answer: one.is_answer, reply_to }
        })
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

    /// The last answer that was added.
    pub fn last(&self) -> Option<&[u8]> {
        let (_, length) = self.waiting.last()?;
        self.storage.get(self.storage.len() - length..)
    }
}

fn receive_batch(socket: &UdpSocket, inbox: &mut Inbox, wanted: usize) -> io::Result<Look> {
    // SAFETY: all-zero bytes are valid values of these plain C structures.
    let (mut heads, mut names, mut rooms): (
        [libc::mmsghdr; BATCH],
        [libc::sockaddr_storage; BATCH],
        [libc::iovec; BATCH],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    let mut controls = [Control::new(); BATCH];
    for (i, room) in inbox.storage.chunks_mut(DATAGRAM_MAX_BYTES).take(wanted).enumerate() {
        rooms[i] = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        let head = &mut heads[i].msg_hdr;
        head.msg_name = (&raw mut names[i]).cast();
        head.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        head.msg_iov = &raw mut rooms[i];
        head.msg_iovlen = 1;
        controls[i].give_to(head);
    }
    // SAFETY: every head points to a name, a room and a control buffer of its own, all of which
    // outlive the call, with their true lengths; `wanted` is at most BATCH.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            heads.as_mut_ptr(),
            wanted as libc::c_uint,
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    let mut dropped = 0;
    for ((head, name), control) in heads.iter().zip(&names).zip(&controls).take(received) {
        let told = control.read(&head.msg_hdr);
        if let Some(overflow) = told.overflow {
            // The kernel counts up from the socket's beginning, and wraps.
            let before = inbox.dropped_before.replace(overflow).unwrap_or(0);
            dropped += u64::from(overflow.wrapping_sub(before));
        }
        let Some(from) = address_of(name) else { continue };
        let length = (head.msg_len as usize).min(DATAGRAM_MAX_BYTES);
        let (came_to, is_answer) = (told.came_to, told.is_answer);
        inbox.received.push(Received { from, came_to, is_answer, length });
    }
    Ok(Look { received, dropped })
}

fn send_batch(socket: &UdpSocket, bytes: &[u8], batch: &[(ReplyTo, usize)]) -> io::Result<usize> {
    // SAFETY: all-zero bytes are valid values of these plain C structures.
    let (mut heads, mut rooms): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
        unsafe { (zeroed(), zeroed()) };
    let mut controls = [Control::new(); BATCH];
    let names: Vec<socket2::SockAddr> = batch.iter().map(|(to, _)| to.to.into()).collect();
    let mut offset = 0;
    for (i, ((to, length), name)) in batch.iter().zip(&names).enumerate() {
        let piece = &bytes[offset..offset + length];
        offset += length;
        // The kernel only reads what a room of sendmmsg points to.
        rooms[i] = libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: *length };
        let head = &mut heads[i].msg_hdr;
        head.msg_name = name.as_ptr().cast_mut().cast();
        head.msg_namelen = name.len();
        head.msg_iov = &raw mut rooms[i];
        head.msg_iovlen = 1;
        if let Some(from) = to.from {
            controls[i].write_source(head, from);
        }
    }
    // SAFETY: every head points to a name, a room and, where its length is not 0, a control buffer,
    // all of which outlive the call, with their true lengths; the batch is at most BATCH long.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            heads.as_mut_ptr(),
            batch.len() as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn address_of(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is this structure, which is no larger.
            let v4 = unsafe { (&raw const *name).cast::<libc::sockaddr_in>().read_unaligned() };
            let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is this structure, which is no larger.
            let v6 = unsafe { (&raw const *name).cast::<libc::sockaddr_in6>().read_unaligned() };
            let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(address, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
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
