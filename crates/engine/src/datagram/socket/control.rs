//! Control messages (RFC 3542, section 20): what the kernel tells with a datagram, and what it is
//! told with one.
#![allow(unsafe_code, reason = "control messages have no safe wrapper in rustix")]

use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Room for the messages that we ask for: an address (40 bytes), and a number (24 bytes) each for
/// what was dropped and for the traffic class, with some to spare.
const CONTROL_BYTES: usize = 128;

/// What is set in the traffic class of every answer of a server, above the two bits of ECN: the
/// code point 000011, of those for local use (RFC 2474, section 6). Its first three bits are those
/// of ordinary traffic.
pub(super) const ANSWER_TRAFFIC_CLASS: u8 = 0b0000_1100;
/// The six bits of the traffic class that are the code point (RFC 2474, section 3).
const CODE_POINT_MASK: u8 = 0b1111_1100;

/// Room for control messages, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control([u8; CONTROL_BYTES]);

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
}

impl Control {
    /// Empty room.
    pub(super) const fn new() -> Self {
        Self([0; CONTROL_BYTES])
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
        // room, which the head points to; the CMSG functions stay inside it, and each kind of
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
                    _ => {}
                }
                message = libc::CMSG_NXTHDR(head, message);
            }
        }
        told
    }

    /// Tells from which of our addresses a datagram leaves; the head then points here.
    pub(super) fn write_source(&mut self, head: &mut libc::msghdr, from: CameTo) {
        self.give_to(head);
        // SAFETY: the head points to this aligned, zeroed room, which holds one message of either
        // kind.
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
            head.msg_controllen = libc::CMSG_SPACE(length as libc::c_uint) as usize;
        }
    }
}

fn is_answer(traffic_class: u8) -> bool {
    traffic_class & CODE_POINT_MASK == ANSWER_TRAFFIC_CLASS
}
