//! One request and the answer that it must get: what the clients of a load say and expect.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The bytes of the request, its end included.
    pub request: Vec<u8>,
    /// The bytes of the answer. A digit in it stands for any digit, if `any_digits`.
    pub answer: Vec<u8>,
    /// Whether the answer's digits differ from time to time.
    pub any_digits: bool,
}

impl Exchange {
    /// A request that always gets the same answer.
    pub fn fixed(request: &[u8], answer: &[u8]) -> Self {
        Self { request: request.to_vec(), answer: answer.to_vec(), any_digits: false }
    }

    /// A message that comes back as it is.
    pub fn echo(message: &[u8]) -> Self {
        Self::fixed(message, message)
    }

    /// The clock's: a request by name, a time of day.
    pub fn time_of_day() -> Self {
        let fixed = Self::fixed(b"SEND_TIME\n", b"00:00:00\n");
        Self { any_digits: true, ..fixed }
    }

    /// Whether these bytes stand at `offset` in the answer.
    pub fn answer_has(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(wanted) = self.answer.get(offset..offset + bytes.len()) else { return false };
        if self.any_digits {
            let is_same = |(w, b): (&u8, &u8)| w == b || w.is_ascii_digit() && b.is_ascii_digit();
            wanted.iter().zip(bytes).all(is_same)
        } else {
            wanted == bytes
        }
    }

    /// Asks once over a connected stream, which waits, and checks the answer.
    pub fn ask_stream(&self, stream: &mut TcpStream, patience: Duration) -> anyhow::Result<()> {
        use std::io::{Read as _, Write as _};
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(&self.request)?;
        let mut answer = vec![0; self.answer.len()];
        stream.read_exact(&mut answer).context("no answer")?;
        self.check(&answer)
    }

    /// Asks once by a datagram and checks the answer; the error says if none came.
    pub fn ask_datagram(&self, to: SocketAddr, patience: Duration) -> anyhow::Result<()> {
        let socket = UdpSocket::bind((to.ip(), 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(patience))?;
        socket.send(&self.request)?;
        let mut answer = vec![0; self.answer.len() + 1];
        let n = socket.recv(&mut answer).context("no answer")?;
        self.check(&answer[..n])
    }

    fn check(&self, answer: &[u8]) -> anyhow::Result<()> {
        ensure!(
            answer.len() == self.answer.len() && self.answer_has(0, answer),
            "the answer to {:?} is {:?}, not {:?}",
            String::from_utf8_lossy(&self.request),
            String::from_utf8_lossy(answer),
            String::from_utf8_lossy(&self.answer)
        );
        Ok(())
    }
}

/// A datagram of memcached's protocol: its frame's header of 8 bytes, then the text. The header
/// holds, in the network's order, a request's number, which comes back, this datagram's place in
/// the message, how many datagrams the message has, and nothing (memcached's doc/protocol.txt,
/// "UDP protocol").
pub fn memcached_frame(request: u16, text: &[u8]) -> Vec<u8> {
    const FIRST: u16 = 0;
    const ONE_IN_ALL: u16 = 1;
    const RESERVED: u16 = 0;
    let header = [request, FIRST, ONE_IN_ALL, RESERVED];
    header.into_iter().flat_map(u16::to_be_bytes).chain(text.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_memcached_has_its_header_in_the_networks_order() {
        let frame = memcached_frame(0x0102, b"version\r\n");
        assert_eq!(frame, b"\x01\x02\x00\x00\x00\x01\x00\x00version\r\n");
    }

    #[test]
    fn a_fixed_answer_is_told_from_any_other() {
        let exchange = Exchange::fixed(b"PING\r\n", b"+PONG\r\n");
        assert!(exchange.answer_has(0, b"+PONG\r\n"));
        assert!(exchange.answer_has(3, b"NG"), "also in pieces");
        assert!(!exchange.answer_has(0, b"-ERR un\r"));
        assert!(!exchange.answer_has(5, b"\r\nx"), "not past its end");
    }

    #[test]
    fn a_time_may_be_any_time_and_nothing_else() {
        let exchange = Exchange::time_of_day();
        assert!(exchange.answer_has(0, b"23:59:07\n"));
        assert!(!exchange.answer_has(0, b"23-59-07\n"));
        assert!(!exchange.answer_has(0, b"Error in "));
    }
}
