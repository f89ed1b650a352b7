//! One sibling: the way to it, connections kept for the next question, and what it has told of
//! itself.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sockeye_engine::call::connect::{ConnectError, connect};
use sockeye_engine::clock;
use sockeye_engine::listen::IpVersion;
use sockeye_engine::tls::client::{ClientTls, TlsError, Trust};
use sockeye_engine::tls::stream::Stream;
use sockeye_engine::trace::{Trace, Traced};
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::limits::{
    NONCE_LASTS, SIBLING_CONNECTIONS_KEPT, SIBLING_HELLO_MAX_BYTES, SIBLING_RETRY,
};
use sockeye_proto::machine::Tick;
use sockeye_proto::siblings::group::{Claim, Question, Signature};
use sockeye_proto::siblings::node::NodeId;
use sockeye_proto::siblings::nonce::Nonce;
use sockeye_proto::siblings::search::Trouble;

use super::us::{PROVE, SIBLING, Us};
use crate::services::files::call::reach::port;

/// A connection that nothing went over for so long is not used again: the other end may be closing
/// it just now. Servers' timeouts begin at 5 s.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// Bodies come in pieces of at most so many bytes: larger ones would each be asked of the system, and
/// given back to it.
const PIECE_BYTES: usize = 64 * 1024;

/// A sibling; see the [module](self).
#[derive(Debug)]
pub(super) struct Contact {
    /// What it is called: host and port.
    pub(super) name: String,
    address: Address,
    host: HeaderValue,
    tls: Option<ClientTls>,
    version: IpVersion,
    trace: Option<Trace>,
    /// Whether it is asked for nothing unless it has proven that it is of the group.
    must_prove: bool,
    /// Each is kept for the thread whose event loop drives it: to wake another costs more than the
    /// request itself.
    kept: Mutex<HashMap<ThreadId, Vec<Kept>>>,
    session: Mutex<Session>,
    /// When it was last said hello to, whatever came of it.
    tried: Mutex<Option<Tick>>,
}

/// A connection that is free.
#[derive(Debug)]
struct Kept {
    line: Line,
    since: Tick,
}

type Line = http1::SendRequest<Empty<Bytes>>;

/// What is known of who answers there.
#[derive(Debug, Default)]
struct Session {
    /// When it last answered a hello.
    since: Option<Tick>,
    /// `None`: it is no Sockeye.
    id: Option<NodeId>,
    /// What it gave out, if it has proven that it has the group's key,
    nonce: Option<Nonce>,
    /// and how often it was used.
    count: u64,
}

/// What a request asks for, as it goes over the wire.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: http::Method,
    pub(super) target: &'a str,
    pub(super) fields: Vec<(header::HeaderName, HeaderValue)>,
    /// Who has passed the request on already.
    pub(super) via: Option<&'a HeaderValue>,
}

/// A sibling's answer. Its connection is kept for the next question when the body was read to its end.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) head: http::response::Parts,
    body: Incoming,
    line: Option<Line>,
    contact: Arc<Contact>,
}

impl Contact {
    /// A sibling at an address. Nothing is asked yet.
    pub(super) fn new(
        address: Address,
        trust: Trust,
        version: IpVersion,
        trace: Option<Trace>,
    ) -> Result<Self, TlsError> {
        let tls = (address.scheme == Scheme::Https).then(|| ClientTls::new(trust)).transpose()?;
        let mut full = address.clone();
        full.port = Some(port(&address));
        let host = HeaderValue::from_str(&address.authority())
            .map_err(|_| TlsError::BadName(address.host.clone()))?;
        Ok(Self {
            name: full.authority(),
            address,
            host,
            tls,
            version,
            trace,
            must_prove: false,
            kept: Mutex::default(),
            session: Mutex::default(),
            tried: Mutex::default(),
        })
    }

    /// The same where nobody but itself says that it is a sibling.
    pub(super) fn must_prove(self) -> Self {
        Self { must_prove: true, ..self }
    }

    /// Whether this is its address.
    pub(super) fn is_at(&self, address: &Address) -> bool {
        self.address == *address
    }

    /// Who it is, if it has said so.
    pub(super) fn id(&self) -> Option<NodeId> {
        self.session().id.clone()
    }

    /// Whether it is a Sockeye.
    pub(super) fn is_ours(&self) -> bool {
        self.session().id.is_some()
    }

    /// Whether it has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.session().since.is_some()
    }

    /// Whether it is time for a hello: before what it gave out is worth nothing.
    pub(super) fn wants_hello(&self, now: Tick) -> bool {
        let is_old = self.session().since.is_none_or(|since| now.since(since) >= NONCE_LASTS / 2);
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        is_old && tried.is_none_or(|tried| now.since(tried) >= SIBLING_RETRY)
    }

    /// It is being said hello to now.
    pub(super) fn tries_hello(&self, now: Tick) {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Asks who it is. It has answered if it says anything at all.
    pub(super) async fn hello(self: &Arc<Self>, us: &Us) -> Result<Duration, Trouble> {
        let (challenge, target) = Us::challenge()?;
        let asked =
            Asked { method: http::Method::GET, target: &target, fields: Vec::new(), via: None };
        let (mut said, took) = self.send(us, &asked, None).await?;
        let is_ours = said.head.status == http::StatusCode::OK;
        let body = said.read(SIBLING_HELLO_MAX_BYTES).await.unwrap_or_default();
        let heard = is_ours.then(|| us.hear(&challenge, &body)).flatten();
        let mut session = self.session();
        session.since = Some(clock::now());
        session.id = heard.as_ref().map(|heard| heard.id.clone());
        session.nonce = heard.and_then(|heard| heard.nonce);
        session.count = 0;
        Ok(took)
    }

    /// Asks for a file. Whoever it is has been asked, if it was not known.
    pub(super) async fn ask(
        self: &Arc<Self>,
        us: &Us,
        asked: &Asked<'_>,
    ) -> Result<(Said, Duration), Trouble> {
        let is_known = self.session().since.is_some_and(|at| clock::now().since(at) < NONCE_LASTS);
        if !is_known {
            self.hello(us).await?;
        }
        let claim = self.claim(us, asked);
        if self.must_prove && claim.is_none() {
            return Err(Trouble::Denied);
        }
        let is_signed = claim.is_some();
        let answered = self.send(us, asked, claim).await?;
        let is_refused = answered.0.head.status == http::StatusCode::UNAUTHORIZED;
        if !(is_signed && is_refused) {
            return Ok(answered);
        }
        // It may have begun anew, so that what it gave out is not its own any more.
        self.hello(us).await?;
        let claim = self.claim(us, asked);
        if self.must_prove && claim.is_none() {
            return Err(Trouble::Denied);
        }
        self.send(us, asked, claim).await
    }

    /// What is said of us to a sibling of the same group: a proof, or on this machine its name.
    fn claim(&self, us: &Us, asked: &Asked<'_>) -> Option<HeaderValue> {
        let group = us.group.as_ref()?;
        let mut session = self.session();
        let to = session.id.clone()?;
        let signature = match (&group.key, session.nonce.clone()) {
            (Some(key), Some(nonce)) => {
                session.count += 1;
                let field = |name: &str| {
                    let (_, value) = asked.fields.iter().find(|(known, _)| known == name)?;
                    value.to_str().ok()
                };
                let question = Question {
                    method: asked.method.as_str(),
                    target: asked.target,
                    range: field("range"),
                    prove: field(PROVE.as_str()),
                    from: &us.id,
                    to: &to,
                    nonce: &nonce,
                    count: session.count,
                    group: &group.name,
                };
                let proof = key.sign(&question);
                Some(Signature { count: session.count, nonce, proof })
            }
            (None, _) if is_loopback(&self.address) => None,
            _ => return None,
        };
        drop(session);
        let claim = Claim { group: group.name.clone(), from: us.id.clone(), to, signature };
        HeaderValue::from_str(&claim.to_string()).ok()
    }

    /// Sends a request and waits for the answer's head: over a connection that is kept, or another
    /// one.
    async fn send(
        self: &Arc<Self>,
        us: &Us,
        asked: &Asked<'_>,
        claim: Option<HeaderValue>,
    ) -> Result<(Said, Duration), Trouble> {
        while let Some(mut line) = self.take_kept() {
            let began = clock::now();
            let request = self.request(us, asked, claim.clone())?;
            // The other end may have closed it in the meantime; then nothing of the answer has come.
            if let Ok(response) = line.send_request(request).await {
                return Ok((self.said(response, line), clock::now().since(began)));
            }
        }
        let mut line = self.connect().await?;
        let began = clock::now();
        let request = self.request(us, asked, claim)?;
        let response = line.send_request(request).await.map_err(|_| Trouble::Protocol)?;
        Ok((self.said(response, line), clock::now().since(began)))
    }

    fn request(
        &self,
        us: &Us,
        asked: &Asked<'_>,
        claim: Option<HeaderValue>,
    ) -> Result<Request<Empty<Bytes>>, Trouble> {
        let mut request = Request::builder()
            .method(&asked.method)
            .uri(asked.target)
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, concat!("sockeye/", env!("CARGO_PKG_VERSION")))
            .header(header::CACHE_CONTROL, "only-if-cached");
        if let Some(via) = asked.via {
            request = request.header(header::VIA, via);
        }
        request = request.header(header::VIA, &us.via);
        for (name, value) in &asked.fields {
            request = request.header(name, value);
        }
        if let Some(claim) = claim {
            request = request.header(&SIBLING, claim);
        }
        request.body(Empty::new()).map_err(|_| Trouble::Protocol)
    }

    fn said(self: &Arc<Self>, response: Response<Incoming>, line: Line) -> Said {
        let (head, body) = response.into_parts();
        Said { head, body, line: Some(line), contact: Arc::clone(self) }
    }

    async fn connect(&self) -> Result<Line, Trouble> {
        let connected = connect(&self.address.host, port(&self.address), self.version).await;
        let (stream, peer) = connected.map_err(|error| match error {
            ConnectError::TimedOut(_) => Trouble::ConnectionTimeout,
            _ => Trouble::ConnectionRefused,
        })?;
        let stream = match &self.tls {
            None => Stream::Plain(stream),
            Some(tls) => {
                let secured = tls.connect(stream, &self.address.host).await;
                Stream::Secure(secured.map_err(|_| Trouble::ConnectionRefused)?)
            }
        };
        let scheme = self.address.scheme.as_str();
        let stream = Traced::new(stream, self.trace.as_ref(), scheme, peer);
        let shaken =
            http1::Builder::new().max_buf_size(PIECE_BYTES).handshake(TokioIo::new(stream)).await;
        let (line, connection) = shaken.map_err(|_| Trouble::Protocol)?;
        // How it ends is seen by who asks over it.
        tokio::spawn(async { drop(connection.await) });
        Ok(line)
    }

    fn take_kept(&self) -> Option<Line> {
        let now = clock::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_mut(&thread::current().id())?;
        // The latest first: those at the bottom may go stale.
        while let Some(Kept { line, since }) = kept.pop() {
            if now.since(since) >= KEPT_FOR {
                kept.clear();
                return None;
            }
            if line.is_ready() {
                return Some(line);
            }
        }
        None
    }

    fn keep(&self, line: Line) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.entry(thread::current().id()).or_default();
        if kept.len() < SIBLING_CONNECTIONS_KEPT {
            kept.push(Kept { line, since: clock::now() });
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    /// Whom it came from.
    pub(super) fn contact(&self) -> Arc<Contact> {
        Arc::clone(&self.contact)
    }

    /// Whether a Sockeye said it.
    pub(super) fn is_ours(&self) -> bool {
        self.contact.is_ours()
    }

    /// How long the body is, if that was said.
    pub(super) fn length(&self) -> Option<u64> {
        hyper::body::Body::size_hint(&self.body).exact()
    }

    /// Whether the end of the body can be told from a connection that breaks.
    pub(super) fn has_end(&self) -> bool {
        self.length().is_some() || self.head.headers.contains_key(header::TRANSFER_ENCODING)
    }

    /// The next piece of the body; `None` at its end.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<hyper::Result<Bytes>>> {
        use hyper::body::Body as _;
        loop {
            let frame = std::task::ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx));
            match frame {
                Some(Ok(frame)) => {
                    // Trailers are not passed on.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => {
                    self.line = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.give_back();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Reads a whole body that is no longer than this.
    pub(super) async fn read(&mut self, max_bytes: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(piece) = poll_fn(|cx| self.poll_piece(cx)).await {
            let piece = piece.ok()?;
            if bytes.len() + piece.len() > max_bytes {
                return None;
            }
            bytes.extend_from_slice(&piece);
        }
        Some(bytes)
    }

    /// The body is over, or there is none: the connection can be asked again as soon as it is ready.
    fn give_back(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        if line.is_ready() {
            self.contact.keep(line);
            return;
        }
        let contact = Arc::clone(&self.contact);
        tokio::spawn(async move {
            if line.ready().await.is_ok() {
                contact.keep(line);
            }
        });
    }
}

fn is_loopback(address: &Address) -> bool {
    address.host == "localhost" || address.ip().is_some_and(|ip| ip.is_loopback())
}
