//! Reads answers to GET from one keep-alive connection: as much of HTTP/1.1 as the servers in the
//! race answer with, and an error for the rest.

use anyhow::{Context as _, bail, ensure};

/// A head is no longer.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// One answer, which is being read.
#[derive(Debug, Default)]
pub struct Answer {
    bytes: Vec<u8>,
    head: Option<Head>,
}

/// What is used of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// 200, say.
    pub status: u16,
    /// The entity tag; empty where there is none.
    pub tag: Vec<u8>,
    /// Whether the server closes after it.
    pub closes: bool,
    body_starts: usize,
    body_bytes: usize,
}

impl Answer {
    /// Takes bytes that have come; says whether the answer is whole now.
    pub fn take(&mut self, bytes: &[u8]) -> anyhow::Result<bool> {
        self.bytes.extend_from_slice(bytes);
        if self.head.is_none() {
            let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end else {
                ensure!(self.bytes.len() <= HEAD_MAX_BYTES, "a head without an end");
                return Ok(false);
            };
            self.head = Some(Head::read(&self.bytes[..end], end + 4)?);
        }
        let Some(head) = &self.head else { return Ok(false) };
        let wanted = head.body_starts + head.body_bytes;
        ensure!(self.bytes.len() <= wanted, "more bytes than were announced");
        Ok(self.bytes.len() == wanted)
    }

    /// Head and body, of an answer that is whole.
    pub fn parts(&self) -> Option<(&Head, &[u8])> {
        let head = self.head.as_ref()?;
        Some((head, self.bytes.get(head.body_starts..)?))
    }

    /// Ready for the next one; the memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.head = None;
    }
}

impl Head {
    fn read(bytes: &[u8], body_starts: usize) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(bytes).context("a head that is no text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|line| line.get(..3)?.parse::<u16>().ok());
        let status = status.with_context(|| format!("no status in {text:?}"))?;
        let (mut tag, mut closes, mut length) = (Vec::new(), false, None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match name.to_ascii_lowercase().as_str() {
                "etag" => tag = value.trim().as_bytes().to_vec(),
                "connection" => closes = value.trim().eq_ignore_ascii_case("close"),
                "content-length" => length = Some(value.trim().parse::<usize>()?),
                "transfer-encoding" => bail!("a body in chunks, which is not understood"),
                _ => {}
            }
        }
        // RFC 9112, section 6.3: a 304 has no body, whatever its length says.
        let body_bytes = match status {
            304 => 0,
            _ => length.with_context(|| format!("an answer without a length: {text:?}"))?,
        };
        Ok(Self { status, tag, closes, body_starts, body_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_last_byte_has_come() {
        let text = b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 3\r\n\r\nxyz";
        let mut answer = Answer::default();
        for &byte in &text[..text.len() - 1] {
            assert!(!answer.take(&[byte]).unwrap());
        }
        assert!(answer.take(b"z").unwrap());
        let (head, body) = answer.parts().unwrap();
        assert_eq!(
            (head.status, &head.tag[..], head.closes, body),
            (200, &b"\"a\""[..], false, &b"xyz"[..])
        );
        answer.clear();
        assert!(answer.parts().is_none());
    }

    #[test]
    fn a_304_ends_with_its_head() {
        let mut answer = Answer::default();
        assert!(answer.take(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n").unwrap());
        assert_eq!(answer.parts().unwrap().0.status, 304);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"SPDY\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
        ] {
            assert!(Answer::default().take(text).is_err(), "{text:?}");
        }
    }
}
