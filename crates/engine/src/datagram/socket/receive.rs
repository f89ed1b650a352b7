//! recvmmsg(2).
#![allow(unsafe_code, reason = "recvmmsg has no safe wrapper in rustix")]

use std::io;
use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use super::control::{Control, Told};
use super::name::Name;
use super::{BATCH, DATAGRAM_MAX_BYTES, Inbox, Look, Received};

/// Takes what has come into the inbox, up to `wanted` messages.
pub(super) fn receive_batch(
    socket: &UdpSocket,
    inbox: &mut Inbox,
    wanted: usize,
) -> io::Result<Look> {
    // SAFETY: all-zero bytes are valid values of these plain C structures.
    let (mut heads, mut rooms): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
        unsafe { (zeroed(), zeroed()) };
    // Only the kernel writes into these, and only what it wrote is read.
    let (mut names, mut controls) = ([Name::new(); BATCH], [Control::new(); BATCH]);
    for (i, room) in inbox.storage.chunks_mut(DATAGRAM_MAX_BYTES).take(wanted).enumerate() {
        rooms[i] = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        let head = &mut heads[i].msg_hdr;
        names[i].give_to(head);
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
    let mut look = Look { received: 0, dropped: 0 };
    let taken = heads.iter().zip(&names).zip(&controls).take(received);
    for (room, ((head, name), control)) in taken.enumerate() {
        let told = control.read(&head.msg_hdr);
        if let Some(overflow) = told.overflow {
            // The kernel counts up from the socket's beginning, and wraps.
            let before = inbox.dropped_before.replace(overflow).unwrap_or(0);
            look.dropped += u64::from(overflow.wrapping_sub(before));
        }
        let Some(from) = name.read(&head.msg_hdr) else { continue };
        let length = (head.msg_len as usize).min(DATAGRAM_MAX_BYTES);
        let Told { came_to, is_answer, segment, .. } = told;
        let one = Received { from, came_to, is_answer, room, length, segment };
        look.received += one.segments().len();
        inbox.received.push(one);
    }
    Ok(look)
}
