//! sendmmsg(2): what waits leaves in parcels, each of one answer, or of several that the kernel
//! parts again (UDP_SEGMENT).
#![allow(unsafe_code, reason = "sendmmsg has no safe wrapper in rustix")]

use std::io;
use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering;

use super::control::Control;
use super::name::Name;
use super::{BATCH, DatagramSocket, Outbox, ReplyTo};

/// Answers in one parcel at most: what every kernel that can part takes (UDP_MAX_SEGMENTS in
/// include/linux/udp.h; later ones take more).
const PARCEL_MAX_ANSWERS: usize = 64;
/// Bytes in one parcel at most: it is one datagram until it is parted, and that is as long as one
/// over IPv4 can be.
const PARCEL_MAX_BYTES: usize = 65_507;
/// The longest answer that shares a parcel: one must fit the path as it is, because what is parted
/// is not fragmented. Ethernet's 1,500 bytes, less the headers of IPv6 and UDP.
const SHARED_MAX_BYTES: usize = 1_452;

/// What the kernel is given as one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel {
    to: ReplyTo,
    answers: usize,
    bytes: usize,
    /// How long each but the last is, if there are several.
    segment: Option<u16>,
}

/// How far an outbox is emptied.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    answers: usize,
    bytes: usize,
}

impl Progress {
    fn after(self, parcel: &Parcel) -> Self {
        Self { answers: self.answers + parcel.answers, bytes: self.bytes + parcel.bytes }
    }
}

/// Sends all that waits, in order, and says how many answers have left. Those whose parcel was
/// refused leave alone; where the kernel says that it cannot part, all do from then on.
pub(super) fn send_all(socket: &DatagramSocket, outbox: &mut Outbox) -> usize {
    let batch = if socket.is_batched { BATCH } else { 1 };
    let Outbox { storage, waiting, parcels } = outbox;
    let (mut gone, mut sent) = (Progress::default(), 0);
    // Up to here, no two share a parcel.
    let mut alone_to = 0;
    while gone.answers < waiting.len() {
        parcels.clear();
        let mut end = gone;
        while parcels.len() < batch {
            let may_share = end.answers >= alone_to && socket.parts.load(Ordering::Relaxed);
            let Some(parcel) = next_parcel(&waiting[end.answers..], may_share) else {
                break;
            };
            end = end.after(&parcel);
            parcels.push(parcel);
        }
        let left = match send_batch(&socket.socket, &storage[gone.bytes..], parcels) {
            Ok(left) => {
                sent += parcels[..left].iter().map(|parcel| parcel.answers).sum::<usize>();
                left
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if parcels[0].answers > 1 => {
                // By EINVAL and EIO the kernel or the device says that it cannot. All else may be a
                // narrow path or a full queue, where answers that leave alone may get through.
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIO)) {
                    socket.parts.store(false, Ordering::Relaxed);
                }
                alone_to = gone.answers + parcels[0].answers;
                continue;
            }
            // The first one cannot be sent: no room, no route, an ICMP error of before.
            Err(_) => 1,
        };
        gone = parcels[..left].iter().fold(gone, Progress::after);
    }
    sent
}

/// The next parcel: one answer, with those after it that go the same way and are as long; the last
/// may be shorter, but not empty.
fn next_parcel(waiting: &[(ReplyTo, usize)], may_share: bool) -> Option<Parcel> {
    let (to, length) = *waiting.first()?;
    let mut parcel = Parcel { to, answers: 1, bytes: length, segment: None };
    if !may_share || !(1..=SHARED_MAX_BYTES).contains(&length) {
        return Some(parcel);
    }
    for (next_to, next_length) in waiting[1..].iter().take(PARCEL_MAX_ANSWERS - 1) {
        let fits = (1..=length).contains(next_length)
            && parcel.bytes + next_length <= PARCEL_MAX_BYTES
            && *next_to == to;
        if !fits {
            break;
        }
        parcel.answers += 1;
        parcel.bytes += next_length;
        parcel.segment = u16::try_from(length).ok();
        if *next_length < length {
            break;
        }
    }
    Some(parcel)
}

/// Sends parcels, whose bytes stand one after the other, and says how many have left.
fn send_batch(socket: &UdpSocket, bytes: &[u8], batch: &[Parcel]) -> io::Result<usize> {
    // SAFETY: all-zero bytes are valid values of these plain C structures.
    let (mut heads, mut rooms): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
        unsafe { (zeroed(), zeroed()) };
    // Each is written before a head points to it.
    let (mut names, mut controls) = ([Name::new(); BATCH], [Control::new(); BATCH]);
    let mut offset = 0;
    for (i, parcel) in batch.iter().enumerate() {
        let piece = &bytes[offset..offset + parcel.bytes];
        offset += parcel.bytes;
        // The kernel only reads what a room of sendmmsg points to.
        rooms[i] = libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() };
        let head = &mut heads[i].msg_hdr;
        names[i].write(head, parcel.to.to);
        head.msg_iov = &raw mut rooms[i];
        head.msg_iovlen = 1;
        controls[i].write(head, parcel.to.from, parcel.segment);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> ReplyTo {
        ReplyTo { to: ([127, 0, 0, 1], port).into(), from: None }
    }

    /// The parcels of answers to ports, by how many answers each holds.
    fn parcels(answers: &[(u16, usize)], may_share: bool) -> Vec<(usize, Option<u16>)> {
        let waiting: Vec<_> = answers.iter().map(|(port, length)| (to(*port), *length)).collect();
        let (mut parcels, mut at) = (Vec::new(), 0);
        while let Some(parcel) = next_parcel(&waiting[at..], may_share) {
            let bytes: usize = waiting[at..at + parcel.answers].iter().map(|(_, n)| n).sum();
            assert_eq!(parcel.bytes, bytes);
            at += parcel.answers;
            parcels.push((parcel.answers, parcel.segment));
        }
        parcels
    }

    #[test]
    fn answers_of_one_length_to_one_peer_share_a_parcel_whose_last_may_be_shorter() {
        let shared = |answers: &[(u16, usize)]| parcels(answers, true);
        assert_eq!(shared(&[(1, 9), (1, 9), (1, 9)]), [(3, Some(9))]);
        assert_eq!(shared(&[(1, 9), (1, 4), (1, 4)]), [(2, Some(9)), (1, None)]);
        assert_eq!(shared(&[(1, 4), (1, 9), (1, 9)]), [(1, None), (2, Some(9))]);
        assert_eq!(shared(&[(1, 9), (2, 9), (1, 9)]), [(1, None), (1, None), (1, None)]);
        assert_eq!(shared(&[(1, 9), (1, 0), (1, 9)]), [(1, None), (1, None), (1, None)]);
        assert_eq!(shared(&[(1, 0), (1, 0)]), [(1, None), (1, None)]);
        assert_eq!(shared(&[(1, 1453), (1, 1453)]), [(1, None), (1, None)]);
        assert_eq!(shared(&[]), []);
        assert_eq!(parcels(&[(1, 9), (1, 9)], false), [(1, None), (1, None)]);
    }

    #[test]
    fn a_parcel_holds_so_many_answers_and_bytes() {
        let small = parcels(&[(1, 1); 130], true);
        assert_eq!(small, [(64, Some(1)), (64, Some(1)), (2, Some(1))]);
        let large = parcels(&[(1, 1452); 64], true);
        assert_eq!(large, [(45, Some(1452)), (19, Some(1452))]);
    }
}
