//! Many sockets over UDP, each with a window of requests under way, moved in batches: recvmmsg(2)
//! and sendmmsg(2).
//!
//! Of a socket's answers the first is taken to be that of its first request. What has no answer
//! after a while is lost: it is sent again, and counted.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;

use super::exchange::Exchange;
use super::histogram::Histogram;
use super::{Answered, EVENTS_MAX, ns, thread_cpu_s};

/// The largest window.
pub const WINDOW_MAX: usize = 16;
/// What has not been answered for so long is lost. On loopback an answer takes well under a
/// millisecond per hundred requests under way.
const RESEND_AFTER: Duration = Duration::from_millis(200);
/// Between two looks for what is lost.
const LOOK_AFTER: Duration = Duration::from_millis(50);
/// How much of an answer is read: more than any that is expected.
const ANSWER_MAX_BYTES: usize = 128;

/// Sockets that are connected to a server.
#[derive(Debug)]
pub struct Datagrams {
    poll: OwnedFd,
    sockets: Vec<Socket>,
    exchange: Exchange,
    window: usize,
    mail: Mail,
}

#[derive(Debug)]
struct Socket {
    socket: UdpSocket,
    /// When the requests under way were sent, in nanoseconds of the run.
    sent_ns: VecDeque<u64>,
}

/// What the system calls need, made once.
#[derive(Debug)]
struct Mail {
    rooms: Box<[[u8; ANSWER_MAX_BYTES]; WINDOW_MAX]>,
    receiving: MultiHeaders<SockaddrIn>,
    sending: MultiHeaders<SockaddrIn>,
}

struct Running {
    begun: Instant,
    is_over: bool,
    resent: u64,
    latency_ns: Histogram,
}

impl Datagrams {
    /// Opens so many sockets, which keep `window` requests under way each.
    pub fn connect(
        to: SocketAddr,
        sockets: usize,
        window: usize,
        exchange: &Exchange,
    ) -> anyhow::Result<Self> {
        ensure!((1..=WINDOW_MAX).contains(&window), "a window is 1 to {WINDOW_MAX} requests");
        ensure!(exchange.answer.len() < ANSWER_MAX_BYTES, "the answer is too long");
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut open = Vec::with_capacity(sockets);
        for i in 0..sockets {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            epoll::add(&poll, &socket, EventData::new_u64(i as u64), EventFlags::IN)?;
            open.push(Socket { socket, sent_ns: VecDeque::new() });
        }
        let mail = Mail {
            rooms: Box::new([[0; ANSWER_MAX_BYTES]; WINDOW_MAX]),
            receiving: MultiHeaders::preallocate(WINDOW_MAX, None),
            sending: MultiHeaders::preallocate(WINDOW_MAX, None),
        };
        Ok(Self { poll, sockets: open, exchange: exchange.clone(), window, mail })
    }

    /// Keeps all windows full for a while; what is answered until then counts.
    pub fn run(&mut self, span: Duration) -> anyhow::Result<Answered> {
        let begun = Instant::now();
        let cpu_before_s = thread_cpu_s();
        let mut run = Running { begun, is_over: false, resent: 0, latency_ns: Histogram::new() };
        for socket in &mut self.sockets {
            // What of an earlier run was late is no answer to this one.
            while socket.receive(&mut self.mail, &self.exchange)? > 0 {}
            socket.sent_ns.clear();
            socket.ask(self.window, ns(begun.elapsed()), &mut self.mail, &self.exchange)?;
        }
        let mut look_at = LOOK_AFTER;
        while let Some(left) = span.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            self.look(&mut run, left.min(LOOK_AFTER))?;
            if begun.elapsed() >= look_at {
                look_at = begun.elapsed() + LOOK_AFTER;
                self.ask_again(&mut run)?;
            }
        }
        let took_s = begun.elapsed().as_secs_f64();
        let cpu_s = thread_cpu_s() - cpu_before_s;
        run.is_over = true;
        let (answers, resent) = (run.latency_ns.total(), run.resent);
        ensure!(answers > 0, "no answer has come in {span:?}");
        while self.sockets.iter().any(|socket| !socket.sent_ns.is_empty())
            && begun.elapsed() < span + RESEND_AFTER
        {
            self.look(&mut run, LOOK_AFTER)?;
        }
        Ok(Answered { answers, resent, took_s, cpu_s, latency_ns: run.latency_ns })
    }

    /// Takes what has come, and asks as often again.
    fn look(&mut self, run: &mut Running, patience: Duration) -> anyhow::Result<()> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS_MAX];
        let patience = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
        let (events, _) = match epoll::wait(&self.poll, &mut events, Some(&patience)) {
            Err(Errno::INTR) => return Ok(()),
            events => events?,
        };
        for event in events.iter() {
            let socket = &mut self.sockets[event.data.u64() as usize];
            let come = socket.receive(&mut self.mail, &self.exchange)?;
            let now_ns = ns(run.begun.elapsed());
            // An answer to what was already sent again is one too many.
            let answered = come.min(socket.sent_ns.len());
            for sent_ns in socket.sent_ns.drain(..answered) {
                run.latency_ns.count(now_ns - sent_ns);
            }
            if !run.is_over {
                socket.ask(answered, now_ns, &mut self.mail, &self.exchange)?;
            }
        }
        Ok(())
    }

    /// Sends again what is lost.
    fn ask_again(&mut self, run: &mut Running) -> anyhow::Result<()> {
        let now_ns = ns(run.begun.elapsed());
        let overdue_ns = now_ns.saturating_sub(ns(RESEND_AFTER));
        for socket in &mut self.sockets {
            let lost = socket.sent_ns.iter().filter(|sent| **sent < overdue_ns).count();
            socket.sent_ns.drain(..lost);
            socket.ask(lost, now_ns, &mut self.mail, &self.exchange)?;
            run.resent += lost as u64;
        }
        Ok(())
    }
}

impl Socket {
    /// Takes what has come, checks it, and says how many answers it was.
    fn receive(&mut self, mail: &mut Mail, exchange: &Exchange) -> anyhow::Result<usize> {
        let mut rooms = mail.rooms.each_mut().map(|room| [IoSliceMut::new(room)]);
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let received = match recvmmsg(fd, &mut mail.receiving, rooms.iter_mut(), flags, None) {
            Ok(received) => received,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(0),
            Err(nix::errno::Errno::ECONNREFUSED) => bail!("nobody is at the server's port"),
            Err(error) => return Err(error.into()),
        };
        let mut answers = 0;
        for one in received {
            let answer = one.iovs().next().unwrap_or_default();
            ensure!(
                answer.len() == exchange.answer.len() && exchange.answer_has(0, answer),
                "a wrong answer: {:?}",
                String::from_utf8_lossy(answer)
            );
            answers += 1;
        }
        Ok(answers)
    }

    /// Sends so many requests.
    fn ask(
        &mut self,
        requests: usize,
        now_ns: u64,
        mail: &mut Mail,
        exchange: &Exchange,
    ) -> anyhow::Result<()> {
        let request = [IoSlice::new(&exchange.request)];
        let mut left = requests;
        while left > 0 {
            let batch = std::iter::repeat_n(&request, left.min(WINDOW_MAX));
            let addresses = [None; WINDOW_MAX];
            let fd = self.socket.as_raw_fd();
            let flags = MsgFlags::MSG_DONTWAIT;
            let sent = sendmmsg(fd, &mut mail.sending, batch, addresses, [], flags)
                .context("cannot send a datagram")?
                .count();
            self.sent_ns.extend(std::iter::repeat_n(now_ns, sent));
            left -= sent;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Echoes, but for every tenth datagram.
    fn forgetful_server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 64];
            for i in 1.. {
                let Ok((n, from)) = socket.recv_from(&mut bytes) else { return };
                if i % 10 != 0 {
                    socket.send_to(&bytes[..n], from).unwrap();
                }
            }
        });
        address
    }

    #[test]
    fn what_is_lost_is_sent_again_and_counted() {
        let exchange = Exchange::echo(b"hello");
        let mut datagrams = Datagrams::connect(forgetful_server(), 2, 4, &exchange).unwrap();
        for _ in 0..2 {
            let answered = datagrams.run(RESEND_AFTER * 3).unwrap();
            assert!(answered.answers >= 8, "{} answers", answered.answers);
            assert!((8..=40).contains(&answered.resent), "{} lost", answered.resent);
        }
    }

    #[test]
    fn a_port_where_nobody_is_is_told() {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut datagrams = Datagrams::connect(gone, 1, 1, &Exchange::echo(b"hello")).unwrap();
        let error = datagrams.run(Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("nobody"), "{error}");
    }
}
