//! Socket addresses as the kernel has them (ip(7), ipv6(7)).
#![allow(unsafe_code, reason = "the kernel writes addresses of several kinds into one place")]

use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for an address of either kind. It holds nothing until somebody has written into it, so that
/// a batch of them costs nothing.
#[derive(Clone, Copy)]
pub(super) union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
    empty: MaybeUninit<libc::sockaddr_in6>,
}

impl Name {
    /// Empty room.
    pub(super) const fn new() -> Self {
        Self { empty: MaybeUninit::uninit() }
    }

    /// Lets a head point to this room, all of it.
    pub(super) fn give_to(&mut self, head: &mut libc::msghdr) {
        head.msg_name = (&raw mut *self).cast();
        head.msg_namelen = size_of::<Self>() as libc::socklen_t;
    }

    /// Reads what the kernel wrote here for a head that this room was given to.
    pub(super) fn read(&self, head: &libc::msghdr) -> Option<SocketAddr> {
        debug_assert!(std::ptr::eq(head.msg_name.cast(), self), "its own room");
        let length = head.msg_namelen as usize;
        if length < size_of::<libc::sockaddr_in>() {
            return None;
        }
        // SAFETY: the kernel has written at least as many bytes as the shorter kind has, and both
        // begin with the family; any bytes are a valid value of these plain C structures.
        let v4 = unsafe { self.v4 };
        match libc::c_int::from(v4.sin_family) {
            libc::AF_INET => {
                let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
                // SAFETY: the kernel has written all of it.
                let v6 = unsafe { self.v6 };
                let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddrV6::new(address, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    /// Writes an address, to which the head then points.
    pub(super) fn write(&mut self, head: &mut libc::msghdr, to: SocketAddr) {
        self.give_to(head);
        let length = match to {
            SocketAddr::V4(to) => {
                // SAFETY: all-zero bytes are a valid value of this plain C structure.
                let mut v4: libc::sockaddr_in = unsafe { zeroed() };
                v4.sin_family = libc::AF_INET as libc::sa_family_t;
                v4.sin_port = to.port().to_be();
                v4.sin_addr.s_addr = u32::from(*to.ip()).to_be();
                self.v4 = v4;
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(to) => {
                // SAFETY: as above.
                let mut v6: libc::sockaddr_in6 = unsafe { zeroed() };
                v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                v6.sin6_port = to.port().to_be();
                v6.sin6_flowinfo = to.flowinfo();
                v6.sin6_addr.s6_addr = to.ip().octets();
                v6.sin6_scope_id = to.scope_id();
                self.v6 = v6;
                size_of::<libc::sockaddr_in6>()
            }
        };
        head.msg_namelen = length as libc::socklen_t;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written_and_half_a_one_not_at_all() {
        let v6 = SocketAddrV6::new("fe80::1:2".parse().unwrap(), 0x1234, 5, 6);
        for address in ["192.0.2.1:4660".parse().unwrap(), "[::1]:9".parse().unwrap(), v6.into()] {
            // SAFETY: all-zero bytes are a valid value of this plain C structure.
            let mut head: libc::msghdr = unsafe { zeroed() };
            let mut name = Name::new();
            name.write(&mut head, address);
            assert_eq!(name.read(&head), Some(address));
            head.msg_namelen -= 1;
            assert_eq!(name.read(&head), None);
        }
    }
}
