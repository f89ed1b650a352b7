//! Serving HTTP/1.0, 1.1 and 2 on bound sockets.
//!
//! hyper parses and frames; who is let in, how long a silent peer is kept, and what is counted and
//! logged is ours. A service gives a [`Handler`], which turns a request's head into an [`Answer`].

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockeye_proto::http::patience::{Patience, Spans};
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::limits::{
    HEAD_DEADLINE, HEAD_MAX_BYTES, HEAD_MAX_FIELDS, STALL_DEADLINE, STREAMS_MAX,
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{Body, Content};
use super::exchange::{Books, Exchange};
use super::patient_io::PatientIo;
use super::secure;
use crate::clock;
use crate::gate::Full;
use crate::listen::{Bound, Client, Door, accept, say_and_close};
use crate::tls::HTTP2;
use crate::tls::server::ServerTls;
use crate::trace::Traced;

/// What a handler returns.
pub type Answer = Response<Content>;

/// Turns requests into answers.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The body is not for it to read: requests that carry one are answered
    /// and their connection is closed.
    fn handle(&self, head: Request<()>) -> impl Future<Output = Answer> + Send;
}

/// All that a connection needs, shared by those of one service.
#[derive(Debug)]
pub struct HttpService<H> {
    /// The decisions.
    pub handler: Arc<H>,
    /// Counters, log, activity.
    pub books: Arc<Books>,
    /// Who is in.
    pub door: Door,
    /// How long an idle connection is kept.
    pub idle: IdleTimeout,
    /// What it is encrypted with; none where HTTP is spoken in the clear.
    pub tls: Option<ServerTls>,
}

impl<H> HttpService<H> {
    /// What stands before `://` in its URLs.
    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Accepts and serves on one bound socket until the stop is asked for.
pub async fn serve<H: Handler>(bound: Bound, service: Arc<HttpService<H>>) -> io::Result<()> {
    let door = service.door.clone();
    let serve = |client| connection(client, Arc::clone(&service));
    let refuse = |stream, full| {
        let tls = service.tls.clone();
        async move {
            let refusal = too_many(&full);
            match tls {
                Some(tls) => secure::refuse(stream, &tls, refusal.as_bytes()).await,
                None => say_and_close(stream, refusal.as_bytes()).await,
            }
        }
    };
    accept(bound, door, serve, refuse).await
}

/// What somebody is told for whom there is no place.
fn too_many(full: &Full) -> String {
    let text = format!("{full}\n");
    let length = text.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{text}"
    )
}

async fn connection<H: Handler>(client: Client, service: Arc<HttpService<H>>) {
    let Client { stream, peer, place } = client;
    match &service.tls {
        None => converse(stream, peer, &service, builder()).await,
        Some(tls) => {
            let entered = secure::enter(stream, peer, tls, &service.books, &service.door).await;
            if let Some(stream) = entered {
                // Only the handshake agrees on a version here (RFC 9113, section 3.3).
                let agreed = stream.get_ref().1.alpn_protocol();
                let builder = match agreed {
                    Some(name) if name == HTTP2 => builder().http2_only(),
                    _ => builder().http1_only(),
                };
                converse(stream, peer, &service, builder).await;
            }
        }
    }
    drop(place);
}

/// Answers the requests of one connection until it ends.
async fn converse<H: Handler, S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    peer: SocketAddr,
    service: &Arc<HttpService<H>>,
    builder: auto::Builder<TokioExecutor>,
) {
    let spans = Spans { head: HEAD_DEADLINE, stall: STALL_DEADLINE };
    let mut patience = Patience::new(clock::now(), spans);
    if builder.is_http2_available() && !builder.is_http1_available() {
        patience.is_http2();
    }
    let patience = Arc::new(Mutex::new(patience));
    let io = PatientIo::new(
        stream,
        Arc::clone(&patience),
        service.idle,
        Arc::clone(&service.door.gate),
        Arc::clone(&service.door.counters),
    );
    let trace = service.books.trace.as_ref();
    let io = TokioIo::new(Traced::new(io, trace, service.scheme(), peer));
    let answering = Arc::clone(service);
    let answer = service_fn(move |request: Request<Incoming>| {
        respond(request, peer, Arc::clone(&answering), Arc::clone(&patience))
    });
    let connection = builder.serve_connection(io, answer);
    tokio::pin!(connection);
    // What ends a connection early (a reset, a deadline, a head that is no head) has been counted
    // and, where there was a request, logged; there is nobody left to tell.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = service.door.stop.asked() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// hyper's own settings: bounds on heads, no timers (ours are in [`PatientIo`]).
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(HEAD_MAX_BYTES)
        .max_headers(HEAD_MAX_FIELDS);
    builder
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_MAX_BYTES as u32)
        .max_send_buf_size(HEAD_MAX_BYTES);
    builder
}

async fn respond<H: Handler>(
    request: Request<Incoming>,
    peer: SocketAddr,
    service: Arc<HttpService<H>>,
    patience: Arc<Mutex<Patience>>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let version = head.version;
    let mut exchange = Exchange::begin(&service.books, &patience, peer, version, || {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        format!("{} {target}", head.method).into_bytes()
    });
    let is_head = head.method == Method::HEAD;
    let closes = has_body(&head.headers, &body) && version < Version::HTTP_2;
    let answer = service.handler.handle(Request::from_parts(head, ())).await;
    let (mut head, mut content) = answer.into_parts();
    if is_head {
        // Its length stands in the head all the same, if the handler put it there.
        content = Content::Empty;
    }
    if closes {
        // Nothing here reads bodies. Reading on behind one would mean to trust its framing.
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    exchange.answered(head.status.as_u16(), content.remaining_bytes());
    Ok(Response::from_parts(head, Body::new(content, exchange)))
}

fn has_body(fields: &HeaderMap, body: &Incoming) -> bool {
    !body.is_end_stream() || fields.contains_key(header::TRANSFER_ENCODING)
}
