//! Serving HTTP/1.0, 1.1 and 2 on bound sockets.
//!
//! hyper parses and frames; who is let in, how long a silent peer is kept, and what is counted and
//! logged is ours. A service gives a [`Handler`], which turns a request's head into an [`Answer`].

use std::convert::Infallible;
use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockeye_proto::http::patience::{Patience, Spans};
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::limits::{
    CONNECTION_WINDOW_BYTES, HEAD_DEADLINE, HEAD_MAX_BYTES, HEAD_MAX_FIELDS, STALL_DEADLINE,
    STREAM_WINDOW_BYTES, STREAMS_MAX, UNREAD_LINGER, UNREAD_LINGER_MAX_BYTES,
    UNREAD_SKIP_MAX_BYTES,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::body::{Body, Content};
use super::exchange::{Books, Exchange, Remark};
use super::express::{Express, Ready};
use super::pass::Pass;
use super::patient_io::PatientIo;
use super::request_body::{Receipt, RequestBody};
use super::secure;
use super::send_file::SendFile;
use crate::clock;
use crate::gate::Full;
use crate::listen::{Bound, Client, Door, accept, say_and_close};
use crate::request_log::Size;
use crate::tls::HTTP2;
use crate::tls::server::ServerTls;
use crate::trace::Traced;
use crate::workers::Workers;

/// What a handler returns.
pub type Answer = Response<Content>;

/// Turns requests into answers.
pub trait Handler: Send + Sync + 'static {
    /// The whole answer to a simple GET of this target at this host, if it is at hand; see
    /// [`express`](super::express). Must not wait for anything.
    fn ready(&self, _target: &str, _host: &str, _caller: &Caller) -> Option<Ready> {
        None
    }

    /// Answers a request without a body that can be answered at once and cheaply, with what is at
    /// hand; `None`: [`Handler::handle`] does it. Must not wait for anything.
    fn at_once(&self, _request: &Parts, _caller: &Caller) -> Option<Answer> {
        None
    }

    /// Answers one request. A body that it does not read to its end ends the connection, unless
    /// little is left of it.
    fn handle(
        &self,
        request: Request<RequestBody>,
        caller: Caller,
    ) -> impl Future<Output = Answer> + Send;
}

/// Who asks, as the connection tells it.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its address, an IPv4 one as such.
    pub peer: SocketAddr,
    /// The address of ours that it reached.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub is_secure: bool,
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
    /// Where its connections are served.
    pub workers: Arc<Workers>,
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
    let serve = |client: Client| {
        let Client { stream, peer, place } = client;
        // It fails only if the socket is gone already.
        let Ok(stream) = stream.into_std() else { return };
        let served = Arc::clone(&service);
        service.workers.serve(&service.door.stop, stream, move |stream| {
            connection(Client { stream, peer, place }, served)
        });
    };
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
    let Ok(local) = stream.local_addr() else { return };
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let caller = Caller { peer, local, is_secure: service.tls.is_some() };
    match &service.tls {
        None => converse(stream, caller, &service, builder()).await,
        // Apart, so that connections in the clear hold no room for it.
        Some(tls) => Box::pin(encrypted(stream, caller, &service, tls)).await,
    }
    drop(place);
}

async fn encrypted<H: Handler>(
    stream: TcpStream,
    caller: Caller,
    service: &Arc<HttpService<H>>,
    tls: &ServerTls,
) {
    let entered = secure::enter(stream, caller.peer, tls, &service.books, &service.door).await;
    let Some(stream) = entered else { return };
    // Only the handshake agrees on a version here (RFC 9113, section 3.3).
    let builder = match stream.get_ref().1.alpn_protocol() {
        Some(name) if name == HTTP2 => builder().http2_only(),
        _ => builder().http1_only(),
    };
    converse(stream, caller, service, builder).await;
}

/// Answers the requests of one connection until it ends. All that it holds lies in one box: a future
/// that is moved into another takes its room twice, and idle connections are many.
fn converse<H: Handler, S: SendFile + AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    caller: Caller,
    service: &Arc<HttpService<H>>,
    builder: auto::Builder<TokioExecutor>,
) -> impl Future<Output = ()> + Send + use<H, S> {
    let spans = Spans { head: HEAD_DEADLINE, stall: STALL_DEADLINE, linger: UNREAD_LINGER };
    let mut patience = Patience::new(clock::now(), spans);
    if !builder.is_http1_available() {
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
    let io = Express::new(io, service, &patience, caller);
    let io = TokioIo::new(Traced::new(io, trace, service.scheme(), caller.peer));
    let answering = Answering { caller, service: Arc::clone(service), patience };
    let mut connection = Box::pin(builder.serve_connection(io, answering).into_owned());
    let stop = service.door.stop.clone();
    async move {
        let mut asked = pin!(stop.asked());
        let mut is_listening = false;
        let mut is_leaving = false;
        // What ends a connection early (a reset, a deadline, a head that is no head) has been counted
        // and, where there was a request, logged; there is nobody left to tell.
        let _ = poll_fn(|cx| {
            // A task is woken by one waker for as long as it lives, so that it stands in the queue of
            // who waits for the stop from the first time on.
            if !is_leaving && (!is_listening || stop.is_asked()) {
                is_listening = true;
                if asked.as_mut().poll(cx).is_ready() {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
            connection.as_mut().poll(cx)
        })
        .await;
    }
}

/// Answers the requests of one connection, as hyper hands them over.
struct Answering<H> {
    caller: Caller,
    service: Arc<HttpService<H>>,
    patience: Arc<Mutex<Patience>>,
}

/// An answer that is there, or on its way. Most are there, and moving them about is cheap.
enum Answered {
    There(Option<Response<Body>>),
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

impl Future for Answered {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::There(answer) => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending,
            },
            Self::Later(answer) => answer.as_mut().poll(cx).map(Ok),
        }
    }
}

impl<H: Handler> Service<Request<Incoming>> for Answering<H> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn call(&self, request: Request<Incoming>) -> Answered {
        let Self { caller, service, patience } = self;
        let (head, incoming) = request.into_parts();
        let framing = Framing::of(&head, &incoming);
        let mut exchange = begin(service, patience, caller, &head);
        if framing == Framing::None
            && let Some(answer) = service.handler.at_once(&head, caller)
        {
            let (mut head, content) = answer.into_parts();
            let pass = head.extensions.remove::<Pass>();
            exchange.answered(head.status.as_u16(), content.remaining_bytes(), pass);
            let answer = Response::from_parts(head, Body::new(content, exchange));
            return Answered::There(Some(answer));
        }
        let (service, patience) = (Arc::clone(service), Arc::clone(patience));
        let body = RequestBody::new(incoming, patience, Arc::clone(&service.books.counters));
        let request = Request::from_parts(head, body);
        Answered::Later(Box::pin(respond(request, *caller, service, exchange, framing)))
    }
}

/// A request's head is complete.
fn begin<H>(
    service: &HttpService<H>,
    patience: &Arc<Mutex<Patience>>,
    caller: &Caller,
    head: &Parts,
) -> Exchange {
    Exchange::begin(&service.books, patience, caller.peer, head.version, || {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        format!("{} {target}", head.method).into_bytes()
    })
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
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(HEAD_MAX_BYTES);
    builder
}

async fn respond<H: Handler>(
    request: Request<RequestBody>,
    caller: Caller,
    service: Arc<HttpService<H>>,
    mut exchange: Exchange,
    framing: Framing,
) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let version = request.version();
    let receipt = request.body().receipt();
    let answer = service.handler.handle(request, caller).await;
    let (mut head, mut content) = answer.into_parts();
    if is_head {
        // Its length stands in the head all the same, if the handler put it there.
        content = Content::Empty;
    }
    if version < Version::HTTP_2 {
        let after = framing.after(&receipt).await;
        if after != After::Another {
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if after == After::EndUnread {
            exchange.leaves_unread();
        }
    } else if let Some(rest) = receipt.take_rest() {
        tokio::spawn(listen_on(rest));
    }
    match receipt.received_bytes() {
        0 => {}
        received_bytes => exchange.note(format!("{} received", Size(received_bytes))),
    }
    if let Some(Remark(remark)) = head.extensions.remove::<Remark>() {
        exchange.note(remark);
    }
    let pass = head.extensions.remove::<Pass>();
    exchange.answered(head.status.as_u16(), content.remaining_bytes(), pass);
    Response::from_parts(head, Body::new(content, exchange))
}

/// How a request's body is framed, where that decides whether its connection may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is none.
    None,
    /// It has a length.
    Length { expects_continue: bool },
    /// Two parsers could read its end differently: it stands where none belongs (RFC 9110, sections
    /// 9.3.1 and 9.3.2), or it is chunked, and a length may have stood beside that (RFC 9112,
    /// section 6.3).
    Doubtful,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Another,
    End,
    /// The same, and the peer may still be sending.
    EndUnread,
}

impl Framing {
    fn of(head: &Parts, body: &Incoming) -> Self {
        let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
        let is_meaningless = matches!(head.method, Method::GET | Method::HEAD);
        let expects_continue = head.headers.contains_key(header::EXPECT);
        match body.is_end_stream() && !is_chunked {
            true => Self::None,
            false if is_chunked || is_meaningless => Self::Doubtful,
            false => Self::Length { expects_continue },
        }
    }

    async fn after(self, receipt: &Receipt) -> After {
        let rest = receipt.take_rest();
        match (self, rest) {
            (Self::Doubtful, None) => After::End,
            (Self::Length { .. }, None) if receipt.is_broken() => After::End,
            (Self::None, _) | (Self::Length { .. }, None) => After::Another,
            // Whoever waits for `100 Continue` does not send its body now, or does: nobody knows.
            (Self::Length { expects_continue: false }, Some(rest)) => skip(rest).await,
            (_, Some(_)) => After::EndUnread,
        }
    }
}

/// Reads and throws away what still comes on an HTTP/2 stream whose request was told no in the
/// middle. To end the stream at once is allowed (RFC 9113, section 8.1), but curl 7.88 then forgets
/// the answer; left alone, it reads it and ends the stream by itself.
async fn listen_on(mut rest: Incoming) {
    let mut unread_bytes = 0;
    let read = async {
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
            unread_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if unread_bytes >= UNREAD_LINGER_MAX_BYTES {
                break;
            }
        }
    };
    // Whichever way it ends, the stream does too.
    let _ = tokio::time::timeout(UNREAD_LINGER, read).await;
}

/// Reads the rest of a body, if it is short and comes soon.
async fn skip(mut rest: Incoming) -> After {
    let is_short = rest.size_hint().exact().is_some_and(|left| left <= UNREAD_SKIP_MAX_BYTES);
    let read = async {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    if is_short && matches!(tokio::time::timeout(UNREAD_LINGER, read).await, Ok(true)) {
        After::Another
    } else {
        After::EndUnread
    }
}
