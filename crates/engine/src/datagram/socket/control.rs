//! Control messages (RFC 3542, section 20): what the kernel tells with a datagram, and what it is
//! told with one.
#![allow(unsafe_code, reason = "control messages have no safe wrapper in rustix")]

use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Room for the messages that we ask for: an address (40 bytes), and a number (24 bytes) each for
/// what was dropped, for the traffic class and for the length of a segment.
const CONTROL_BYTES: usize = 128;

/// What is set in the traffic class of every answer of a server, above the two bits of ECN: the
/// code point 000011, of those for local use (RFC 2474, section 6). Its first three bits are those
/// of ordinary traffic.
pub(super) const ANSWER_TRAFFIC_CLASS: u8 = 0b0000_1100;
/// The six bits of the traffic class that are the code point (RFC 2474, section 3).
const CODE_POINT_MASK: u8 = 0b1111_1100;

/// Room for control messages, in words: aligned as the kernel wants it. It holds nothing until
/// somebody has written into it, so that a batch of them costs nothing.
#[derive(Clone, Copy)]
pub(super) struct Control(MaybeUninit<[u64; CONTROL_BYTES / size_of::<u64>()]>);

/// The address of ours that a datagram came to, as the kernel tells it and takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CameTo {
    V4(Ipv4Addr),
    V6(Ipv6Addr, u32),
}

/// What the kernel told with a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// The address of ours that it came to.
    pub(super) came_to: Option<CameTo>,
    /// How many datagrams were dropped since the socket's beginning, counted up and wrapping.
    pub(super) overflow: Option<u32>,
    /// Whether it is marked as an answer.
    pub(super) is_answer: bool,
    /// It is several datagrams, each but the last this long.
    pub(super) segment: Option<usize>,
}

impl Control {
    /// Empty room.
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Lets a head point to this room, all of it.
    pub(super) fn give_to(&mut self, head: &mut libc::msghdr) {
        head.msg_control = self.0.as_mut_ptr().cast();
        head.msg_controllen = CONTROL_BYTES;
    }

    /// Reads what the kernel wrote here for a head that this room was given to.
    pub(super) fn read(&self, head: &libc::msghdr) -> Told {
        debug_assert!(std::ptr::eq(head.msg_control.cast(), &raw const self.0), "its own room");
        let mut told = Told::default();
        // SAFETY: the kernel has written whole control messages of `msg_controllen` bytes into this
        // room, which the head points to; the CMSG functions stay inside these, and each kind of
        // message holds what it is read as, which may stand unaligned.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(head);
            while !message.is_null() {
                let data = libc::CMSG_DATA(message);
                match ((*message).cmsg_level, (*message).cmsg_type) {
                    (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                        told.overflow = Some(data.cast::<u32>().read_unaligned());
                    }
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                        told.came_to = Some(CameTo::V4(u32::from_be(info.ipi_addr.s_addr).into()));
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        told.came_to = Some(CameTo::V6(address, info.ipi6_ifindex));
                    }
                    (libc::IPPROTO_IP, libc::IP_TOS) => {
                        told.is_answer |= is_answer(data.read());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                        let class = data.cast::<libc::c_int>().read_unaligned();
                        told.is_answer |= u8::try_from(class).is_ok_and(is_answer);
                    }
                    (libc::SOL_UDP, libc::UDP_GRO) => {
                        let segment = data.cast::<libc::c_int>().read_unaligned();
                        told.segment = usize::try_from(segment).ok();
                    }
                    _ => {}
                }
                message = libc::CMSG_NXTHDR(head, message);
            }
        }
        told
    }

    /// Tells from which of our addresses a message leaves, and how long each datagram of it is if
    /// there are several. The head then points here, if there is something to tell.
    pub(super) fn write(
        &mut self,
        head: &mut libc::msghdr,
        from: Option<CameTo>,
        segment: Option<u16>,
    ) {
        let mut written = 0;
        if let Some(from) = from {
            written += match from {
                CameTo::V4(address) => {
                    // SAFETY: all-zero bytes are a valid value of this plain C structure.
                    let mut info: libc::in_pktinfo = unsafe { zeroed() };
                    info.ipi_spec_dst.s_addr = u32::from(address).to_be();
                    self.put(written, (libc::IPPROTO_IP, libc::IP_PKTINFO), info)
                }
                CameTo::V6(address, interface) => {
                    // SAFETY: as above.
                    let mut info: libc::in6_pktinfo = unsafe { zeroed() };
                    info.ipi6_addr.s6_addr = address.octets();
                    // Only a link-local address says nothing without its interface.
                    let is_link_local = address.is_unicast_link_local();
                    info.ipi6_ifindex = if is_link_local { interface } else { 0 };
                    self.put(written, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), info)
                }
            };
        }
        if let Some(segment) = segment {
            written += self.put(written, (libc::SOL_UDP, libc::UDP_SEGMENT), segment);
        }
        if written > 0 {
            self.give_to(head);
            head.msg_controllen = written;
        }
    }

    /// Writes one message at an offset, and says how long it is.
    fn put<T: Copy>(&mut self, offset: usize, kind: (libc::c_int, libc::c_int), value: T) -> usize {
        let length = size_of::<T>() as libc::c_uint;
        // SAFETY: these two only calculate.
        let (whole, space) =
            unsafe { (libc::CMSG_LEN(length) as usize, libc::CMSG_SPACE(length) as usize) };
        assert!(offset + space <= CONTROL_BYTES, "there is room for all that is told at once");
        // SAFETY: the message lies inside this room, as asserted, at an offset that is a sum of
        // CMSG_SPACEs and therefore aligned as the room is; the value may stand unaligned. The
        // kernel is given the gaps too, which hold nothing of ours then.
        unsafe {
            let message = self.0.as_mut_ptr().byte_add(offset).cast::<libc::cmsghdr>();
            message.cast::<u8>().write_bytes(0, space);
            (*message).cmsg_level = kind.0;
            (*message).cmsg_type = kind.1;
            (*message).cmsg_len = whole;
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
        }
        space
    }
}

fn is_answer(traffic_class: u8) -> bool {
    traffic_class & CODE_POINT_MASK == ANSWER_TRAFFIC_CLASS
}
