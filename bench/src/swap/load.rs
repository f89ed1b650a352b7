//! Asks for one name at a steady rate over some keep-alive connections, and hands each answer to the
//! judge: one thread, one epoll.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::contents::Contents;
use super::history::{History, Judge, Seen};
use crate::load::answer::Answer;
use crate::load::{EVENTS_MAX, ns};

/// Connections that ask in turns.
const CONNECTIONS: usize = 16;
/// One request of so many is conditional.
const CONDITIONAL_EVERY: u64 = 4;
/// Entity tags that are remembered: the newest is asked with, and the oldest.
const TAGS_MAX: usize = 16;
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 128 * 1024;
/// What a request that was due and found no free connection is made up for, in requests: more would
/// be a burst of its own.
const ARREARS_MAX: u64 = CONNECTIONS as u64;

/// What is asked for, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where the server listens.
    pub server: SocketAddr,
    /// The name, from its slash on.
    pub path: &'a str,
    /// Requests a second.
    pub rate_per_s: u64,
    /// What is in the file.
    pub contents: Contents,
}

/// The connections.
#[derive(Debug)]
pub struct Load<'a> {
    target: Target<'a>,
    history: &'a History,
    judge: Judge<'a>,
    poll: OwnedFd,
    connections: Vec<Connection>,
    /// Those that wait for their turn.
    free: VecDeque<usize>,
    tags: VecDeque<Vec<u8>>,
    asked: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// When the request under way was sent.
    asked_ns: u64,
    /// The entity tag that it named.
    tag: Option<Vec<u8>>,
    answer: Answer,
}

impl<'a> Load<'a> {
    /// Connects.
    pub fn new(target: Target<'a>, history: &'a History, judge: Judge<'a>) -> anyhow::Result<Self> {
        let mut load = Self {
            target,
            history,
            judge,
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(CONNECTIONS),
            free: (0..CONNECTIONS).collect(),
            tags: VecDeque::new(),
            asked: 0,
            buffer: vec![0; READ_BYTES],
        };
        for i in 0..CONNECTIONS {
            let connection = load.connect(i)?;
            load.connections.push(connection);
        }
        Ok(load)
    }

    fn connect(&self, i: usize) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.target.server).context("cannot connect")?;
        stream.set_nodelay(true)?;
        epoll::add(&self.poll, &stream, EventData::new_u64(i as u64), EventFlags::IN)?;
        Ok(Connection { stream, asked_ns: 0, tag: None, answer: Answer::default() })
    }

    /// Asks until it is over and every answer has come; gives back what the judge saw.
    pub fn run(mut self, is_over: &AtomicBool) -> anyhow::Result<Judge<'a>> {
        let begun_ns = self.history.now_ns();
        let between_ns = 1_000_000_000 / self.target.rate_per_s;
        let mut due = 0;
        loop {
            let now_ns = self.history.now_ns();
            let over = is_over.load(Ordering::Relaxed);
            if over && self.free.len() == CONNECTIONS {
                return Ok(self.judge);
            }
            let should = (now_ns - begun_ns) / between_ns;
            due = due.max(should.saturating_sub(ARREARS_MAX));
            while !over && due < should {
                let Some(i) = self.free.pop_front() else { break };
                self.ask(i);
                due += 1;
            }
            let next_ns = begun_ns + (due + 1) * between_ns;
            // Where no connection is free, an answer is what is waited for.
            let span = if self.free.is_empty() || over {
                PATIENCE
            } else {
                Duration::from_nanos(next_ns.saturating_sub(now_ns))
            };
            self.look(span)?;
        }
    }

    fn ask(&mut self, i: usize) {
        self.asked += 1;
        let tag = match (self.asked % CONDITIONAL_EVERY, self.asked / CONDITIONAL_EVERY % 2) {
            (0, 0) => self.tags.back(),
            (0, _) => self.tags.front(),
            _ => None,
        };
        let Target { server, path, .. } = self.target;
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n").into_bytes();
        if let Some(tag) = tag {
            request.extend_from_slice(&[b"If-None-Match: ", &tag[..], b"\r\n"].concat());
        }
        request.extend_from_slice(b"\r\n");
        let connection = &mut self.connections[i];
        connection.tag = tag.cloned();
        connection.asked_ns = self.history.now_ns();
        // Far less than a socket's buffer holds, so that it does not block. Where the server has just
        // closed, the event of it is there.
        let _ = connection.stream.write_all(&request);
    }

    /// Waits for answers, and takes what has come.
    fn look(&mut self, span: Duration) -> anyhow::Result<()> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS_MAX];
        let timeout =
            Timespec { tv_sec: span.as_secs().try_into()?, tv_nsec: span.subsec_nanos().into() };
        let ready: Vec<usize> = match epoll::wait(&self.poll, &mut events, Some(&timeout)) {
            Err(Errno::INTR) => return Ok(()),
            events => events?.0.iter().map(|event| event.data.u64() as usize).collect(),
        };
        ensure!(ns(span) < ns(PATIENCE) || !ready.is_empty(), "no answer for {PATIENCE:?}");
        ready.into_iter().try_for_each(|i| self.take(i))
    }

    fn take(&mut self, i: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[i];
        let flags = RecvFlags::DONTWAIT;
        let n = match rustix::net::recv(&connection.stream, &mut self.buffer[..], flags) {
            Ok((_, n)) => n,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(Errno::CONNRESET | Errno::PIPE) => 0,
            Err(error) => return Err(error.into()),
        };
        if n == 0 {
            return self.broken_off(i);
        }
        if connection.answer.take(&self.buffer[..n])? {
            self.answered(i)?;
        }
        Ok(())
    }

    fn answered(&mut self, i: usize) -> anyhow::Result<()> {
        let answered_ns = self.history.now_ns();
        let connection = &mut self.connections[i];
        let asked_ns = connection.asked_ns;
        let Some((head, body)) = connection.answer.parts() else { return Ok(()) };
        let closes = head.closes;
        match (head.status, connection.tag.take()) {
            (304, Some(tag)) => self.judge.take(Seen::NotModified(tag), asked_ns, answered_ns),
            (200, _) => match self.target.contents.generation_of(body) {
                Ok(generation) => {
                    if self.tags.back() != Some(&head.tag) && !head.tag.is_empty() {
                        self.tags.push_back(head.tag.clone());
                        if self.tags.len() > TAGS_MAX {
                            self.tags.pop_front();
                        }
                    }
                    let seen = Seen::Whole(generation, head.tag.clone());
                    self.judge.take(seen, asked_ns, answered_ns);
                }
                Err(mixture) => self.judge.take_mixture(mixture, asked_ns, answered_ns),
            },
            (status, _) => self.judge.take(Seen::Refused(status), asked_ns, answered_ns),
        }
        connection.answer.clear();
        if closes {
            self.connections[i] = self.connect(i)?;
        }
        self.free.push_back(i);
        Ok(())
    }

    /// A connection that ended: between answers, or in one.
    fn broken_off(&mut self, i: usize) -> anyhow::Result<()> {
        let was_asked = !self.free.contains(&i);
        let asked_ns = self.connections[i].asked_ns;
        if was_asked {
            self.judge.take(Seen::Broken, asked_ns, self.history.now_ns());
            self.free.push_back(i);
        }
        self.connections[i] = self.connect(i)?;
        Ok(())
    }
}
