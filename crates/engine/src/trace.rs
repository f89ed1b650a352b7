//! The trace: each message that goes over a wire, shown to who watches (`--wire`).
//!
//! Where nobody watches there is no trace, and nothing is made that only it would show.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_proto::limits::SHOWN_MAX_BYTES;
use sockeye_proto::machine::Tick;
use sockeye_proto::passed::Passed;
use sockeye_proto::text::Direction;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::access::Mask;
use crate::clock;

/// Somebody watches; cheap to clone.
#[derive(Clone)]
pub struct Trace {
    began: Tick,
    show: Arc<dyn Fn(&Passed<'_>) + Send + Sync>,
    mask: Mask,
}

impl Trace {
    /// A watch that begins now. `show` is called where messages are handled, so it must not block.
    pub fn new(show: impl Fn(&Passed<'_>) + Send + Sync + 'static) -> Self {
        Self { began: clock::now(), show: Arc::new(show), mask: Mask::default() }
    }

    /// The same watch, which sees `…` where the mask's key stands.
    pub fn masked_by(self, mask: Mask) -> Self {
        Self { mask, ..self }
    }

    /// Shows a message that passed just now: its bytes, and how many of it went past unseen.
    pub fn passed(
        &self,
        direction: Direction,
        other_end: (&str, SocketAddr),
        bytes: (&[u8], u64),
        meaning: &str,
    ) {
        self.passed_at(clock::now(), direction, other_end, bytes, meaning);
    }

    /// The same for one that passed before, and is understood only now.
    pub fn passed_at(
        &self,
        at: Tick,
        direction: Direction,
        (wire, peer): (&str, SocketAddr),
        (bytes, unseen_bytes): (&[u8], u64),
        meaning: &str,
    ) {
        let after = at.since(self.began);
        let hidden = self.mask.hide_in_message(wire, bytes);
        let shown = Some(&*hidden).filter(|shown| *shown != bytes);
        (self.show)(&Passed { after, direction, wire, peer, bytes, unseen_bytes, shown, meaning });
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("began", &self.began).finish_non_exhaustive()
    }
}

/// A connection whose bytes are shown: what goes one way until something goes the other, or until
/// the length is reached that its head has given, is a message.
#[derive(Debug)]
pub struct Traced<S> {
    inner: S,
    watch: Option<Watch>,
}

#[derive(Debug)]
struct Watch {
    trace: Trace,
    wire: &'static str,
    peer: SocketAddr,
    direction: Direction,
    /// What went this way, as far as it is shown.
    head: Vec<u8>,
    bytes: u64,
    is_http2: bool,
}

impl<S> Traced<S> {
    /// Puts a watch around a connection, if there is somebody to watch.
    pub fn new(inner: S, trace: Option<&Trace>, wire: &'static str, peer: SocketAddr) -> Self {
        let watch = trace.map(|trace| Watch {
            trace: trace.clone(),
            wire,
            peer,
            direction: Direction::In,
            head: Vec::new(),
            bytes: 0,
            is_http2: false,
        });
        Self { inner, watch }
    }

    fn note(&mut self, direction: Direction, bytes: &[u8]) {
        if let Some(watch) = &mut self.watch {
            watch.note(direction, bytes);
        }
    }
}

impl Watch {
    fn note(&mut self, direction: Direction, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.direction != direction {
            self.show();
            self.direction = direction;
        }
        let room = SHOWN_MAX_BYTES.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.bytes += bytes.len() as u64;
        let (head, rest) = split_head(&self.head, self.bytes);
        if content_length(head) == Some(rest) {
            self.show();
        }
    }

    fn show(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let (head, rest) = split_head(&self.head, self.bytes);
        self.is_http2 |= head.starts_with(b"PRI * HTTP/2");
        let other_end = (self.wire, self.peer);
        if self.is_http2 {
            // Fields are packed in there (RFC 7541), where a key would be shown and not be seen.
            let meaning = "frames of HTTP/2";
            self.trace.passed(self.direction, other_end, (b"", self.bytes), meaning);
        } else {
            let meaning = meaning(head, rest);
            self.trace.passed(self.direction, other_end, (head, rest), &meaning);
        }
        self.head.clear();
        self.bytes = 0;
    }
}

/// The head of an HTTP message, and how much follows it; all that is known, if it is none.
fn split_head(seen: &[u8], bytes: u64) -> (&[u8], u64) {
    const BLANK: &[u8] = b"\r\n\r\n";
    let end = seen.windows(BLANK.len()).position(|w| w == BLANK).map(|at| at + BLANK.len());
    match end {
        Some(end) => (&seen[..end], bytes - end as u64),
        None => (seen, bytes - seen.len() as u64),
    }
}

/// The length that a head gives to what follows it (RFC 9110, section 8.6).
fn content_length(head: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"content-length:";
    let is_whole = head.ends_with(b"\r\n\r\n");
    let field = head.split(|&b| b == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    })?;
    let text = std::str::from_utf8(field.trim_ascii()).ok()?;
    text.parse().ok().filter(|_| is_whole)
}

fn meaning(head: &[u8], body_bytes: u64) -> String {
    let first = head.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    let what = if first.starts_with(b"HTTP/1") {
        "the head of an answer"
    } else if first.windows(8).any(|w| w == b" HTTP/1.") {
        "the head of a request"
    } else {
        return "all that went this way before the other had its turn".into();
    };
    match body_bytes {
        0 => what.to_owned(),
        n => format!("{what}, and {n} bytes of body"),
    }
}

impl<S> Drop for Traced<S> {
    fn drop(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.show();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Traced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, room);
        if read.is_ready() {
            self.note(Direction::In, &room.filled()[before..]);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Traced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(n)) = written {
            self.note(Direction::Out, &bytes[..n]);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        if self.watch.is_some()
            && let Poll::Ready(Ok(mut left)) = written
        {
            for slice in slices {
                let part = left.min(slice.len());
                self.note(Direction::Out, &slice[..part]);
                left -= part;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::access::Key;
    use std::sync::{Mutex, PoisonError};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn no_key_is_seen_and_every_byte_is_counted() {
        let key = Key::parse("sesame-street").unwrap();
        let (shown, peer) = (Arc::new(Mutex::new(Vec::new())), ([127, 0, 0, 1], 1).into());
        let sink = Arc::clone(&shown);
        let trace = Trace::new(move |passed| {
            let line = (passed.length(), passed.lines().concat());
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        });
        let trace = trace.masked_by(Mask::of_key(key));
        let messages = [
            ("tcp", "KEY wrong", r#""KEY …""#),
            ("udp", "GET key=wrong\n", r#""GET key=…\n""#),
            ("tcp", "is it SESAME-street", r#""is it …""#),
            ("http", "GET /\r\ncookie: a=b\r\n\r\n", r#""GET /\r\n""cookie: …\r\n""\r\n""#),
            ("tcp", "hello", r#""hello""#),
        ];
        for (wire, message, _) in messages {
            trace.passed(Direction::In, (wire, peer), (message.as_bytes(), 0), "");
        }
        let expected = messages.map(|(_, message, seen)| (message.len() as u64, seen.to_owned()));
        assert_eq!(*shown.lock().unwrap_or_else(PoisonError::into_inner), expected);
    }

    #[tokio::test]
    async fn each_message_is_shown_once_with_its_head_and_the_length_of_its_body() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&shown);
        let trace = Trace::new(move |passed| {
            let line = format!("{:?} {} {}", passed.direction, passed.length(), passed.meaning);
            sink.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        });
        let (mut far, near) = tokio::io::duplex(1 << 20);
        let peer = ([127, 0, 0, 1], 1).into();
        let mut near = Traced::new(near, Some(&trace), "http", peer);
        for _ in 0..2 {
            far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            near.read_exact(&mut [0; 18]).await.unwrap();
            near.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n").await.unwrap();
            near.write_all(&[b'x'; 10_000]).await.unwrap();
        }
        let answer = "Out 10042 the head of an answer, and 10000 bytes of body";
        let once = ["In 18 the head of a request", answer];
        let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(shown, [once, once].concat());
    }
}
