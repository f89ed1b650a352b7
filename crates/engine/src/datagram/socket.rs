//! A UDP socket that receives and sends in batches: recvmmsg(2) and sendmmsg(2), or one by one
//! where the kernel has neither.
//!
//! An answer leaves from the address that the question came to, also from a socket that is bound to
//! all of them (IP_PKTINFO, RFC 3542 section 6). What the kernel had to drop for want of buffer is
//! counted (SO_RXQ_OVFL).
#![allow(unsafe_code, reason = "recvmmsg and control messages have no safe wrapper in rustix")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

/// Datagrams moved by one system call at most.
const BATCH: usize = 64;
/// The longest datagram that IP can carry, and room to see that one is longer.
const DATAGRAM_MAX_BYTES: usize = 65_535;
/// What the kernel is asked to hold for us; it may give less (net.core.rmem_max).
const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Room for the control messages that we ask for.
const CONTROL_BYTES: usize = 128;

/// A bound socket.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: UdpSocket,
    local: SocketAddr,
    is_batched: bool,
}

/// The address of ours that a datagram came to, as the kernel tells it and takes it back.
#[derive(Clone, Copy, Debug)]
enum CameTo {
    V4(Ipv4Addr),
    V6(Ipv6Addr, u32),
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
    length: usize,
}

/// A datagram that was received.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it, an IPv4 address as such also on a dual-stack socket.
    pub from: SocketAddr,
    /// What it holds.
    pub bytes: &'a [u8],
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
        set_flag(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL)?;
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
            Datagram { from, bytes: &room[..one.length], reply_to }
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

/// Room for control messages, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

fn receive_batch(socket: &UdpSocket, inbox: &mut Inbox, wanted: usize) -> io::Result<Look> {
    // SAFETY: all-zero bytes are valid values of these plain C structures.
    let (mut heads, mut names, mut rooms): (
        [libc::mmsghdr; BATCH],
        [libc::sockaddr_storage; BATCH],
        [libc::iovec; BATCH],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    let mut controls = [Control([0; CONTROL_BYTES]); BATCH];
    for (i, room) in inbox.storage.chunks_mut(DATAGRAM_MAX_BYTES).take(wanted).enumerate() {
        rooms[i] = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        let head = &mut heads[i].msg_hdr;
        head.msg_name = (&raw mut names[i]).cast();
        head.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        head.msg_iov = &raw mut rooms[i];
        head.msg_iovlen = 1;
        head.msg_control = controls[i].0.as_mut_ptr().cast();
        head.msg_controllen = CONTROL_BYTES;
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
    for (head, name) in heads.iter().zip(&names).take(received) {
        let (came_to, overflow) = control_messages(&head.msg_hdr);
        if let Some(overflow) = overflow {
            // The kernel counts up from the socket's beginning, and wraps.
            let before = inbox.dropped_before.replace(overflow).unwrap_or(0);
            dropped += u64::from(overflow.wrapping_sub(before));
        }
        let Some(from) = address_of(name) else { continue };
        let length = (head.msg_len as usize).min(DATAGRAM_MAX_BYTES);
        inbox.received.push(Received { from, came_to, length });
    }
    Ok(Look { received, dropped })
}

fn send_batch(socket: &UdpSocket, bytes: &[u8], batch: &[(ReplyTo, usize)]) -> io::Result<usize> {
    // SAFETY: all-zero bytes are valid values of these plain C structures.
    let (mut heads, mut rooms): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
        unsafe { (zeroed(), zeroed()) };
    let mut controls = [Control([0; CONTROL_BYTES]); BATCH];
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
            head.msg_control = controls[i].0.as_mut_ptr().cast();
            head.msg_controllen = CONTROL_BYTES;
            head.msg_controllen = write_source(head, from);
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

/// The address of ours that a datagram came to, and the kernel's count of dropped ones.
fn control_messages(head: &libc::msghdr) -> (Option<CameTo>, Option<u32>) {
    let (mut came_to, mut overflow) = (None, None);
    // SAFETY: the kernel has written whole control messages of `msg_controllen` bytes into the
    // buffer that the head points to; the CMSG functions stay inside it, and each kind of message
    // holds the structure that it is read as, which may stand unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(head);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    overflow = Some(data.cast::<u32>().read_unaligned());
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    came_to = Some(CameTo::V4(u32::from_be(info.ipi_addr.s_addr).into()));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    came_to = Some(CameTo::V6(address, info.ipi6_ifindex));
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(head, message);
        }
    }
    (came_to, overflow)
}

/// Writes the control message that says from which of our addresses an answer leaves; returns the
/// length of what was written.
fn write_source(head: &libc::msghdr, from: CameTo) -> usize {
    // SAFETY: the head points to an aligned, zeroed control buffer of CONTROL_BYTES, which has room
    // for one message of either kind.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(head);
        let data = libc::CMSG_DATA(message);
        let length = match from {
            CameTo::V4(address) => {
                let mut info: libc::in_pktinfo = zeroed();
                info.ipi_spec_dst.s_addr = u32::from(address).to_be();
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                size_of::<libc::in_pktinfo>()
            }
            CameTo::V6(address, interface) => {
                let mut info: libc::in6_pktinfo = zeroed();
                info.ipi6_addr.s6_addr = address.octets();
                // Only a link-local address says nothing without its interface.
                let is_link_local = address.is_unicast_link_local();
                info.ipi6_ifindex = if is_link_local { interface } else { 0 };
                (*message).cmsg_level = libc::IPPROTO_IPV6;
                (*message).cmsg_type = libc::IPV6_PKTINFO;
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                size_of::<libc::in6_pktinfo>()
            }
        };
        (*message).cmsg_len = libc::CMSG_LEN(length as libc::c_uint) as usize;
        libc::CMSG_SPACE(length as libc::c_uint) as usize
    }
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
        set_flag(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    } else {
        set_flag(socket, libc::IPPROTO_IP, libc::IP_PKTINFO)
    }
}

fn set_flag(socket: &UdpSocket, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value points to a c_int that outlives the call, with its true length.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
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
}
