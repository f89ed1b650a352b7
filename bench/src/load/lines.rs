//! Many clients over TCP, each with one request under way, or a few of them (`depth`).

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use super::exchange::Exchange;
use super::histogram::Histogram;
use super::{Answered, EVENTS_MAX, ns, thread_cpu_s};

/// So many clients come from one address; the next ones from the next, 127.0.0.2 and so on, because
/// an address has some 28,000 ports to call from.
const CLIENTS_PER_ADDRESS: usize = 5000;
/// How long one client may take to be let in, and how long the last answers of a run.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 4096;

/// Clients that are connected.
#[derive(Debug)]
pub struct Lines {
    poll: OwnedFd,
    clients: Vec<Client>,
    exchange: Exchange,
    /// `depth` requests in a row, as a client's first ones leave.
    opening: Vec<u8>,
    depth: usize,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    /// When the requests under way were sent, in nanoseconds of the run.
    sent_ns: VecDeque<u64>,
    /// How much of the next answer has come.
    come: usize,
}

impl Lines {
    /// Connects them all. `depth` requests of each are under way at once.
    pub fn connect(
        to: SocketAddr,
        clients: usize,
        depth: usize,
        exchange: &Exchange,
    ) -> anyhow::Result<Self> {
        raise_descriptor_limit();
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut lines = Self {
            poll,
            clients: Vec::with_capacity(clients),
            exchange: exchange.clone(),
            opening: exchange.request.repeat(depth),
            depth,
        };
        for i in 0..clients {
            let stream = call(to, i).with_context(|| format!("client {} of {clients}", i + 1))?;
            let key = EventData::new_u64(i as u64);
            epoll::add(&lines.poll, &stream, key, EventFlags::IN)?;
            lines.clients.push(Client { stream, sent_ns: VecDeque::new(), come: 0 });
        }
        Ok(lines)
    }

    /// Lets every client ask once, one after the other, and waits for the answer: after that the
    /// server has let in and served each of them.
    pub fn greet(&mut self) -> anyhow::Result<()> {
        for client in &mut self.clients {
            client.stream.set_nonblocking(false)?;
            self.exchange.ask_stream(&mut client.stream, PATIENCE)?;
            client.stream.set_nonblocking(true)?;
        }
        Ok(())
    }

    /// Keeps all clients asking for a while; what is answered until then counts. Afterwards
    /// nothing is under way.
    pub fn run(&mut self, span: Duration) -> anyhow::Result<Answered> {
        let begun = Instant::now();
        let cpu_before_s = thread_cpu_s();
        let mut run =
            Running { begun, until_ns: ns(span), is_over: false, latency_ns: Histogram::new() };
        for client in &mut self.clients {
            let now_ns = ns(begun.elapsed());
            client.sent_ns.extend(std::iter::repeat_n(now_ns, self.depth));
            send(&client.stream, &self.opening)?;
        }
        self.serve_events(&mut run, span)?;
        let took_s = begun.elapsed().as_secs_f64();
        let cpu_s = thread_cpu_s() - cpu_before_s;
        run.is_over = true;
        let answers = run.latency_ns.total();
        let last = ns(begun.elapsed() + PATIENCE);
        while self.clients.iter().any(|client| !client.sent_ns.is_empty()) {
            ensure!(ns(begun.elapsed()) < last, "the last answers have not come in {PATIENCE:?}");
            self.look(&mut run, Duration::from_millis(100))?;
        }
        Ok(Answered { answers, resent: 0, took_s, cpu_s, latency_ns: run.latency_ns })
    }

    fn serve_events(&mut self, run: &mut Running, span: Duration) -> anyhow::Result<()> {
        while let Some(left) = span.checked_sub(run.begun.elapsed()).filter(|left| !left.is_zero())
        {
            let looked = self.look(run, left.min(PATIENCE))?;
            ensure!(looked > 0 || left < PATIENCE, "no answer has come for {PATIENCE:?}");
        }
        Ok(())
    }

    /// Takes what has come, and asks again; says how many clients something came for.
    fn look(&mut self, run: &mut Running, patience: Duration) -> anyhow::Result<usize> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS_MAX];
        let patience = Timespec {
            tv_sec: patience.as_secs().try_into()?,
            tv_nsec: patience.subsec_nanos().into(),
        };
        let (events, _) = match epoll::wait(&self.poll, &mut events, Some(&patience)) {
            Err(Errno::INTR) => return Ok(1),
            events => events?,
        };
        for event in events.iter() {
            let client = &mut self.clients[event.data.u64() as usize];
            client.take(&self.exchange, run)?;
        }
        Ok(events.len())
    }
}

impl Drop for Lines {
    /// Closes by a reset: ten thousand connections in TIME_WAIT would be in the way of the next
    /// ones.
    fn drop(&mut self) {
        for client in &self.clients {
            let _ = sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO));
        }
    }
}

struct Running {
    begun: Instant,
    until_ns: u64,
    /// Nothing is asked or counted any more.
    is_over: bool,
    latency_ns: Histogram,
}

impl Client {
    /// Reads once; for every answer that is complete, asks again.
    fn take(&mut self, exchange: &Exchange, run: &mut Running) -> anyhow::Result<()> {
        let mut buffer = [0; READ_BYTES];
        let n = match rustix::net::recv(&self.stream, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => bail!("the server has closed a connection"),
            Ok((_, n)) => n,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let now_ns = ns(run.begun.elapsed());
        let mut rest = &buffer[..n];
        let mut again = 0;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(exchange.answer.len() - self.come));
            ensure!(
                exchange.answer_has(self.come, piece),
                "a wrong answer: {:?}",
                String::from_utf8_lossy(piece)
            );
            self.come += piece.len();
            rest = after;
            if self.come == exchange.answer.len() {
                self.come = 0;
                let sent_ns = self.sent_ns.pop_front().context("an answer to no request")?;
                if !run.is_over {
                    run.latency_ns.count(now_ns - sent_ns);
                    again += 1;
                }
            }
        }
        if now_ns < run.until_ns && !run.is_over {
            for _ in 0..again {
                self.sent_ns.push_back(now_ns);
            }
            match again {
                0 => {}
                1 => send(&self.stream, &exchange.request)?,
                _ => send(&self.stream, &exchange.request.repeat(again))?,
            }
        }
        Ok(())
    }
}

/// What is under way is far less than a socket's buffer holds.
fn send(stream: &TcpStream, bytes: &[u8]) -> anyhow::Result<()> {
    let sent = rustix::net::send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
    ensure!(sent == bytes.len(), "a socket took only {sent} of {} bytes", bytes.len());
    Ok(())
}

/// Connects from the address whose turn it is.
pub(super) fn call(to: SocketAddr, client: usize) -> anyhow::Result<TcpStream> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    if client >= CLIENTS_PER_ADDRESS {
        let last = 1 + u8::try_from(client / CLIENTS_PER_ADDRESS).context("too many clients")?;
        rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
    }
    match rustix::net::connect(&socket, &to) {
        Err(error) => return Err(io::Error::from(error).into()),
        Ok(()) => sockopt::set_tcp_nodelay(&socket, true)?,
    }
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// As many descriptors as this process may have: each client takes one.
pub(super) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ =
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Answers each byte by two, in pieces that are no answers.
    fn server(clients: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..clients {
            let listener = listener.try_clone().unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                let mut bytes = [0; 64];
                while let Ok(n) = stream.read(&mut bytes)
                    && n > 0
                {
                    let answers = b"ok".repeat(n);
                    let (first, second) = answers.split_at(n);
                    if stream.write_all(first).is_err() || stream.write_all(second).is_err() {
                        return;
                    }
                }
            });
        }
        address
    }

    #[test]
    fn every_answer_is_counted_once_however_it_arrives() {
        for depth in [1, 3] {
            let exchange = Exchange::fixed(b"?", b"ok");
            let mut lines = Lines::connect(server(2), 2, depth, &exchange).unwrap();
            lines.greet().unwrap();
            for _ in 0..2 {
                let answered = lines.run(Duration::from_millis(50)).unwrap();
                assert!(answered.answers > 0);
                assert_eq!(answered.answers, answered.latency_ns.total());
            }
        }
    }

    #[test]
    fn a_wrong_answer_is_refused() {
        let exchange = Exchange::fixed(b"?", b"no");
        let mut lines = Lines::connect(server(1), 1, 1, &exchange).unwrap();
        let error = lines.run(Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("wrong answer"), "{error}");
    }
}
