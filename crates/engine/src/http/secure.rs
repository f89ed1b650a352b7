//! What comes before HTTP on a port that speaks TLS: the handshake; or a plain request of somebody
//! who did not know, and is sent on to https.
//!
//! Both have the deadline of a request's head: who is silent or slow here is closed like who is slow
//! with a head, and holds no place for longer.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use sockeye_proto::http::plain::{self, Plain};
use sockeye_proto::limits::{HEAD_DEADLINE, PLAIN_HEAD_MAX_BYTES};
use sockeye_proto::text::Direction;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::exchange::Books;
use crate::listen::{Door, say_and_close};
use crate::request_log::Record;
use crate::tls::server::{ServerTls, agreed};
use crate::trace::Traced;

/// Who is turned away gets this long for the handshake and for being told why.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// Who has come to a port that speaks TLS.
enum Comer {
    Secure(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
    /// Nobody any more.
    Gone,
}

/// Brings a connection to where HTTP begins; `None` where it does not come to that.
pub(super) async fn enter(
    stream: TcpStream,
    peer: SocketAddr,
    tls: &ServerTls,
    books: &Books,
    door: &Door,
) -> Option<Box<TlsStream<TcpStream>>> {
    let met = tokio::select! {
        met = timeout(HEAD_DEADLINE, meet(stream, tls)) => met,
        () = door.stop.asked() => return None,
    };
    match met {
        Ok(Ok(Comer::Secure(stream))) => {
            tell(books, peer, || agreed(&stream));
            return Some(stream);
        }
        Ok(Ok(Comer::Plain(stream))) => {
            let stream = Traced::new(stream, books.trace.as_ref(), "http", peer);
            let sent_on = tokio::select! {
                sent_on = timeout(HEAD_DEADLINE, send_on(stream, peer, books)) => sent_on,
                () = door.stop.asked() => return None,
            };
            if sent_on.is_err() {
                door.counters.overdue.add(1);
            }
        }
        Ok(Ok(Comer::Gone)) => {}
        Ok(Err(error)) => {
            door.counters.handshake_failures.add(1);
            tell(books, peer, || format!("no TLS: the handshake failed: {error}"));
        }
        Err(_) => {
            door.counters.overdue.add(1);
            tell(books, peer, || "no TLS: the handshake took too long".to_owned());
        }
    }
    None
}

/// Says why there is no place, within TLS to who speaks it.
pub(super) async fn refuse(stream: TcpStream, tls: &ServerTls, refusal: &[u8]) {
    let said = async {
        match speaks_tls(&stream).await {
            Some(true) => {
                if let Ok(stream) = tls.accept_http1(stream).await {
                    say_and_close(stream, refusal).await;
                }
            }
            Some(false) => say_and_close(stream, refusal).await,
            None => {}
        }
    };
    // It is turned away either way.
    let _ = timeout(REFUSAL_PATIENCE, said).await;
}

/// Tells who has come, and shakes hands with who speaks TLS.
async fn meet(stream: TcpStream, tls: &ServerTls) -> io::Result<Comer> {
    match speaks_tls(&stream).await {
        Some(true) => Ok(Comer::Secure(Box::new(tls.accept(stream).await?))),
        Some(false) => Ok(Comer::Plain(stream)),
        None => Ok(Comer::Gone),
    }
}

/// Whether the first byte is one of TLS; it stays there. `None` if none comes any more.
async fn speaks_tls(stream: &TcpStream) -> Option<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(plain::is_tls(first[0])),
    }
}

/// Shows to who watches what became of a handshake.
fn tell(books: &Books, peer: SocketAddr, meaning: impl FnOnce() -> String) {
    if let Some(trace) = &books.trace {
        trace.passed(Direction::In, ("https", peer), (b"", 0), &meaning());
    }
}

/// Answers a plain request with where it should go.
async fn send_on(mut stream: Traced<TcpStream>, peer: SocketAddr, books: &Books) {
    let (at, begun) = (SystemTime::now(), Instant::now());
    let Some(head) = read_head(&mut stream).await else { return };
    let plain = Plain::read(&head);
    let (status, answer) = answer(&plain);
    books.counters.answered(status, 0);
    say_and_close(stream, answer.as_bytes()).await;
    books.log.record(Record {
        at,
        wire: books.wire,
        peer,
        asked: plain.asked.into_bytes(),
        protocol: None,
        status,
        sent_bytes: 0,
        took: begun.elapsed(),
        note: Some("it was asked by http, in the clear".to_owned()),
    });
}

/// Reads to the end of a head, or as much as one may have; `None` if the peer is gone before.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(PLAIN_HEAD_MAX_BYTES);
    loop {
        match stream.read_buf(&mut head).await {
            Ok(n) if n > 0 => {}
            _ => return None,
        }
        if plain::head_length(&head).is_some() || head.len() >= PLAIN_HEAD_MAX_BYTES {
            return Some(head);
        }
    }
}

/// The answer to a plain request, and its status. No cache may keep it: without `--tls` the same
/// port speaks http the next time.
fn answer(plain: &Plain) -> (u16, String) {
    let (status, reason, location, text) = if let Some(to) = &plain.location {
        let text = format!("This port speaks https: {to}\n");
        (308, "Permanent Redirect", format!("Location: {to}\r\n"), text)
    } else {
        let text = "This port speaks https, and this is no request that could be sent on.\n";
        (400, "Bad Request", String::new(), text.to_owned())
    };
    let length = text.len();
    let body = if plain.is_head { "" } else { &text };
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\n{location}Connection: close\r\nCache-Control: no-store\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    (status, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_plain_http_is_told_where_to_go_and_caches_are_not() {
        let plain = Plain::read(b"GET /a HTTP/1.1\r\nHost: hub:8080\r\n\r\n");
        let (status, text) = answer(&plain);
        assert_eq!(status, 308);
        assert!(text.contains("\r\nLocation: https://hub:8080/a\r\n"), "{text}");
        assert!(text.contains("no-store") && text.ends_with("https://hub:8080/a\n"), "{text}");
        let head = Plain::read(b"HEAD /a HTTP/1.1\r\nHost: hub:8080\r\n\r\n");
        assert!(answer(&head).1.ends_with("\r\n\r\n"));
        assert_eq!(answer(&Plain::read(b"hello\n\n")).0, 400);
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_read_no_further_than_its_bound() {
        let endless = vec![b'x'; 3 * PLAIN_HEAD_MAX_BYTES];
        let head = read_head(&mut endless.as_slice()).await.unwrap();
        assert!((PLAIN_HEAD_MAX_BYTES..2 * PLAIN_HEAD_MAX_BYTES).contains(&head.len()));
        assert_eq!(read_head(&mut b"GET / HTTP/1.1\r\n".as_slice()).await, None);
    }
}
