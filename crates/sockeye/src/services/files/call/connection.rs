//! One connection over which http is asked: opened, asked one request after the other, and read.
//!
//! It copes with servers that are barely HTTP, and with those that answer before they have heard
//! all and hang up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::request::Builder;
use ::http::{HeaderMap, Method, Request, Response, StatusCode, header};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sockeye_proto::access::Key;
use sockeye_proto::address::Address;
use sockeye_proto::printable::Printable;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;

use super::key;
use super::reach::Way;
use crate::exit::Failure;

/// What cannot stand in a request's target as it is (RFC 3986, appendix A); a percent sign is taken
/// for what it is meant to be.
const NOT_IN_A_TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// How much of a refusal's body is shown.
const REASON_MAX_BYTES: usize = 512;
/// A body that tells what became of a request is no longer than this.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// And has come this long after its head.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// A connection to one host.
#[derive(Debug)]
pub struct Connection<B> {
    sender: http1::SendRequest<B>,
    task: AbortHandle,
}

impl<B> Connection<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Connects to where a URL leads.
    pub async fn open(url: &Address, way: &Way) -> Result<Self, Failure> {
        let stream = LastWords { inner: way.connect(url).await?, is_deaf: false };
        // Some small servers compare field names letter by letter, as they stand in the textbooks.
        let (sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| no_http(url, &error))?;
        // How it ends is seen by the sender and the body.
        let task = tokio::spawn(async { drop(connection.await) }).abort_handle();
        Ok(Self { sender, task })
    }

    /// Whether it takes another request.
    pub async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Asks, and gives the answer's head. Its body is to be read before the connection is dropped.
    pub async fn ask(&mut self, request: Request<B>) -> hyper::Result<Response<Incoming>> {
        self.sender.send_request(request).await
    }
}

impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        // One that still has something to say would go on saying it.
        self.task.abort();
    }
}

/// What each request says. The key is told to whom it is for.
pub fn request(method: Method, url: &Address, key: Option<&Key>) -> Builder {
    let path = if url.path.is_empty() { "/" } else { &url.path };
    // People paste addresses with spaces and letters of their own in them.
    let path = utf8_percent_encode(path, NOT_IN_A_TARGET).to_string();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, concat!("sockeye/", env!("CARGO_PKG_VERSION")));
    match key.and_then(key::bearer) {
        Some(value) => request.header(header::AUTHORIZATION, value),
        None => request,
    }
}

/// The failure of a path that makes no request.
pub fn no_path(url: &Address, error: &::http::Error) -> Failure {
    Failure::Usage(format!("`{}` is no path of a URL: {error}", url.path))
}

/// The failure of an answer that is none.
pub fn no_http(url: &Address, error: &hyper::Error) -> Failure {
    Failure::Network(format!("{} does not speak HTTP: {error}", url.authority()))
}

/// A field's text, if it stands there and is text.
pub fn field(fields: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    fields.get(name).and_then(|value| value.to_str().ok())
}

/// Reads a short body; `None` if it breaks, is longer than any of ours, or takes too long.
pub async fn read_short(body: &mut Incoming) -> Option<Vec<u8>> {
    let read = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.ok()?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            if bytes.len() + data.len() > ANSWER_MAX_BYTES {
                return None;
            }
            bytes.extend_from_slice(data);
        }
        Some(bytes)
    };
    tokio::time::timeout(ANSWER_DEADLINE, read).await.ok().flatten()
}

/// A refusal in one line: its detail, where the body is JSON of ours; the body, where it is plain
/// text; else what the status means.
pub fn reason(status: StatusCode, fields: &HeaderMap, body: &[u8]) -> String {
    let media_type = field(fields, header::CONTENT_TYPE).unwrap_or_default();
    let said: Vec<u8> = if media_type.starts_with("application/json") {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = json["detail"].as_str().or_else(|| json["error"].as_str());
        text.unwrap_or_default().into()
    } else if media_type.starts_with("text/plain") {
        body.into()
    } else {
        Vec::new()
    };
    let said = &said[..said.len().min(REASON_MAX_BYTES)];
    let words: Vec<&[u8]> =
        said.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let said = Printable(&words.join(&b' ')).to_string();
    match (said.is_empty(), field(fields, header::RETRY_AFTER)) {
        (false, _) => said,
        (true, Some(wait)) if wait.parse::<u64>().is_ok() => {
            format!("{status}; try again in {wait} s")
        }
        (true, _) => status.to_string(),
    }
}

/// A stream whose other end may hang up while it is still told something. What it said before is
/// still read: hyper would end the connection at the first write that fails.
#[derive(Debug)]
struct LastWords<S> {
    inner: S,
    /// A write has failed; nothing is said any more.
    is_deaf: bool,
}

impl<S> LastWords<S> {
    /// A write that failed never ends: the reading ends the connection, which is soon.
    fn written<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error))
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                self.is_deaf = true;
                Poll::Pending
            }
            written => written,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LastWords<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, room)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LastWords<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf {
            return Poll::Pending;
        }
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.written(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(media_type: &str, body: &str) -> String {
        let fields = [(header::CONTENT_TYPE, media_type.parse().unwrap())].into_iter().collect();
        reason(StatusCode::CONFLICT, &fields, body.as_bytes())
    }

    #[test]
    fn a_refusal_is_one_line_in_the_servers_words() {
        let json = r#"{"status":409,"error":"conflict","detail":"another file has this name"}"#;
        assert_eq!(said("application/json", json), "another file has this name");
        assert_eq!(said("application/json; charset=utf-8", r#"{"error":"no"}"#), "no");
        assert_eq!(said("text/plain; charset=utf-8", "no\r\n  room\n"), "no room");
        assert_eq!(said("text/plain", "\x1b[2Jno"), "\\x1b[2Jno");
        for (media_type, body) in
            [("text/html", "<h1>no</h1>"), ("application/json", "[]"), ("text/plain", " \n")]
        {
            assert_eq!(said(media_type, body), "409 Conflict", "{media_type}");
        }
    }
}
