//! A line to the server: one connection at a time, kept for the next request, opened again when it
//! is gone.
//!
//! A large body is announced first (Expect: 100-continue), and a server that answers before it has
//! heard all is listened to: what it does not want is not sent to the end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use sockeye_proto::access::Key;
use sockeye_proto::address::Address;

use super::body::{Body, Hand};
use super::source::{Source, SourceTrouble};
use crate::exit::Failure;
use crate::services::files::call::SILENCE_TIMEOUT;
use crate::services::files::call::connection::{self, Connection, field};
use crate::services::files::call::key::Refused;
use crate::services::files::call::meter::Meter;
use crate::services::files::call::reach::Way;
use crate::services::files::call::redirect::redirected;

/// Longer bodies are announced, and
const ANNOUNCED_FROM_BYTES: u64 = 1024 * 1024;
/// sent after this long where no word comes (RFC 9110, section 10.1.1).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);
/// A server that has all of it may take so much longer until it is on its disk.
const KEPT_AT_LEAST_BYTES_PER_S: u64 = 4 * 1024 * 1024;
/// How often a silent server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// See the [module](self).
#[derive(Debug)]
pub struct Line {
    way: Arc<Way>,
    /// Whether the server was ever reached: if not, there is no use in trying again.
    is_reached: Arc<AtomicBool>,
    open: Option<(String, Connection<Body>)>,
    /// Whether the server can be asked first whether it wants a body.
    announces: bool,
}

/// A request.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What is to be done.
    pub method: Method,
    /// With what.
    pub url: &'a Address,
    /// Fields besides those of each request.
    pub fields: Vec<(&'static str, String)>,
    /// The body, if there is one, and from which offset on.
    pub body: Option<(&'a Source, u64)>,
    /// Who sees how much of it has left.
    pub meter: &'a Meter,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub fields: HeaderMap,
    /// The body, where it was short.
    pub body: Vec<u8>,
    /// Up to where the request's body has left, counted from the file's first byte.
    pub position: u64,
}

/// Why nothing came back.
#[derive(Debug)]
pub enum Trouble {
    /// The connection broke, or could not be made: to be tried again.
    Broken {
        /// How.
        why: String,
        /// Up to where the request's body had left.
        position: u64,
    },
    /// The bytes to send did not come.
    Source(SourceTrouble),
    /// The hub wants a key, and takes none that we have.
    NoKey(&'static str),
    /// There is no use in trying again.
    Failed(Failure),
}

impl Asked<'_> {
    /// Whether the server may not have heard of it, where it says nothing and this much has left:
    /// what fits into a request's first packets, or nothing of what is announced first.
    fn is_unheard(&self, position: u64) -> bool {
        match self.body {
            None => true,
            Some((source, offset)) => {
                let is_short = source.length().is_some_and(|length| length <= ANNOUNCED_FROM_BYTES);
                is_short || position == offset
            }
        }
    }
}

impl Answer {
    /// Its refusal, in one line.
    pub fn reason(&self) -> String {
        connection::reason(self.status, &self.fields, &self.body)
    }

    /// Where it leads on to, if it does.
    pub fn leads_to(&self, from: &Address, way: &Way) -> Option<Result<Address, Failure>> {
        let is_redirect = matches!(self.status.as_u16(), 301 | 302 | 307 | 308);
        let to = field(&self.fields, header::LOCATION).filter(|_| is_redirect)?;
        let to = redirected(from, to);
        Some(to.and_then(|to| way.check_redirect(from, &to).map(|()| to)))
    }
}

impl Line {
    /// A line that is not open yet.
    pub fn new(way: Arc<Way>, is_reached: Arc<AtomicBool>) -> Self {
        Self { way, is_reached, open: None, announces: true }
    }

    /// How the server is reached.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Asks with the key that is held, and with another where the hub does not take it.
    pub async fn ask(&mut self, asked: &Asked<'_>) -> Result<Answer, Trouble> {
        loop {
            let key = self.way.keys.held_for(asked.url);
            let answer = self.ask_once(asked, key.as_ref()).await?;
            if answer.status.is_success() && key.is_some() {
                self.way.keys.accepted();
            }
            let is_unasked = answer.status == StatusCode::EXPECTATION_FAILED && self.announces;
            if is_unasked && !is_gone(asked, answer.position) {
                // RFC 9110, section 10.1.1: the same without asking.
                self.announces = false;
                continue;
            }
            let is_refused = answer.status == StatusCode::UNAUTHORIZED;
            if !is_refused || !self.way.keys.are_for(asked.url) {
                return Ok(answer);
            }
            match self.way.keys.refused(key.as_ref()) {
                Refused::No(why) => return Err(Trouble::NoKey(why)),
                Refused::AskAgain if is_gone(asked, answer.position) => return Ok(answer),
                Refused::AskAgain => {}
            }
        }
    }

    async fn ask_once(&mut self, asked: &Asked<'_>, key: Option<&Key>) -> Result<Answer, Trouble> {
        loop {
            let announces = self.announces;
            let (connection, is_kept) = self.connection(asked.url).await?;
            let (request, hand) = request(asked, key, announces)?;
            let talked = talk(asked.url, connection, request, &hand).await;
            if !matches!(talked, Ok((_, true))) {
                self.open = None;
            }
            match talked {
                // The server may have ended a connection that was kept before it heard of this.
                Err(Trouble::Broken { position, .. }) if is_kept && asked.is_unheard(position) => {}
                talked => return talked.map(|(answer, _)| answer),
            }
        }
    }

    /// A connection that takes a request, and whether one was made over it before.
    async fn connection(
        &mut self,
        url: &Address,
    ) -> Result<(&mut Connection<Body>, bool), Trouble> {
        let host = origin(url);
        let mut is_kept = false;
        if let Some((open_to, open)) = &mut self.open {
            is_kept = *open_to == host && open.is_ready().await;
        }
        if !is_kept {
            self.open = None;
            let opened = Connection::open(url, &self.way).await;
            let connection = match opened {
                Err(Failure::Network(why)) if self.is_reached.load(Ordering::Relaxed) => {
                    return Err(Trouble::Broken { why, position: 0 });
                }
                opened => opened.map_err(Trouble::Failed)?,
            };
            self.is_reached.store(true, Ordering::Relaxed);
            self.open = Some((host, connection));
        }
        match &mut self.open {
            Some((_, connection)) => Ok((connection, is_kept)),
            None => unreachable!("it was opened just now"),
        }
    }
}

/// Whom a connection is to.
fn origin(url: &Address) -> String {
    Address { path: String::new(), ..url.clone() }.to_string()
}

/// Whether a part of the body has left that cannot be had again.
fn is_gone(asked: &Asked<'_>, position: u64) -> bool {
    matches!(asked.body, Some((Source::Stdin(_), _))) && position > 0
}

fn request(
    asked: &Asked<'_>,
    key: Option<&Key>,
    announces: bool,
) -> Result<(Request<Body>, Arc<Hand>), Trouble> {
    let mut request = connection::request(asked.method.clone(), asked.url, key)
        .header(header::ACCEPT, "application/json");
    for (name, value) in &asked.fields {
        request = request.header(*name, value);
    }
    let mut is_announced = false;
    let (body, hand) = match asked.body {
        None => {
            if asked.method != Method::HEAD {
                request = request.header(header::CONTENT_LENGTH, 0);
            }
            Body::empty()
        }
        Some((source, offset)) => {
            let bytes = source.bytes_from(offset);
            let length = bytes.remaining_bytes();
            is_announced = announces && length.is_none_or(|length| length > ANNOUNCED_FROM_BYTES);
            if let Some(length) = length {
                request = request.header(header::CONTENT_LENGTH, length);
            }
            Body::new(bytes, offset, !is_announced, asked.meter.clone())
        }
    };
    if is_announced {
        request = request.header(header::EXPECT, "100-continue");
    }
    let mut request =
        request.body(body).map_err(|e| Trouble::Failed(connection::no_path(asked.url, &e)))?;
    let told = Arc::clone(&hand);
    hyper::ext::on_informational(&mut request, move |answer| {
        if answer.status() == StatusCode::CONTINUE {
            told.open();
        }
    });
    Ok((request, hand))
}

/// One request and its answer, and whether the connection may be kept.
async fn talk(
    url: &Address,
    connection: &mut Connection<Body>,
    request: Request<Body>,
    hand: &Hand,
) -> Result<(Answer, bool), Trouble> {
    let broken = |why: String| match hand.trouble() {
        Some(trouble) => Trouble::Source(trouble),
        None => Trouble::Broken { why, position: hand.position() },
    };
    let silent = || broken(format!("{} fell silent", url.authority()));
    let answered = first_answer(connection, request, hand).await.ok_or_else(silent)?;
    let mut response = match answered {
        Ok(response) => response,
        Err(error) if error.is_parse() => {
            return Err(Trouble::Failed(connection::no_http(url, &error)));
        }
        Err(error) => {
            return Err(broken(format!("the connection to {} broke: {error}", url.authority())));
        }
    };
    if response.status().is_success() {
        // It is about all of it only if it has all of it.
        if !finished(connection, hand).await {
            return Err(broken(format!("{} hung up before it had all", url.authority())));
        }
    } else {
        hand.hold();
    }
    let body = connection::read_short(response.body_mut()).await;
    let may_be_kept = body.is_some() && hand.is_finished();
    let answer = Answer {
        status: response.status(),
        fields: std::mem::take(response.headers_mut()),
        body: body.unwrap_or_default(),
        position: hand.position(),
    };
    Ok((answer, may_be_kept))
}

/// The head of the answer; `None` if the server has fallen silent.
async fn first_answer(
    connection: &mut Connection<Body>,
    request: Request<Body>,
    hand: &Hand,
) -> Option<hyper::Result<Response<Incoming>>> {
    let mut silence = Silence::new(hand);
    let announced = tokio::time::Instant::now();
    let mut answer = pin!(connection.ask(request));
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return Some(answer),
            () = tokio::time::sleep_until(announced + CONTINUE_WAIT), if !hand.is_open() => hand.open(),
            () = tokio::time::sleep(LOOK_EVERY) => {
                if silence.is_too_long(hand) {
                    return None;
                }
            }
        }
    }
}

/// Waits until all of the body has left; not if the connection ends before.
async fn finished(connection: &Connection<Body>, hand: &Hand) -> bool {
    /// This is for servers that say yes before they have heard all, which few do.
    const LOOK_EVERY: Duration = Duration::from_millis(5);
    let mut silence = Silence::new(hand);
    while !hand.is_finished() {
        if connection.is_closed() || silence.is_too_long(hand) {
            return false;
        }
        hand.open();
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}

/// How long the server has neither taken nor said anything.
struct Silence {
    position: u64,
    sent: u64,
    since: Instant,
}

impl Silence {
    fn new(hand: &Hand) -> Self {
        Self { position: hand.position(), sent: 0, since: Instant::now() }
    }

    fn is_too_long(&mut self, hand: &Hand) -> bool {
        let position = hand.position();
        if position != self.position || !hand.waits_for_server() {
            self.sent += position - self.position;
            self.position = position;
            self.since = Instant::now();
        }
        let kept_after_s =
            if hand.is_finished() { self.sent / KEPT_AT_LEAST_BYTES_PER_S } else { 0 };
        self.since.elapsed() > SILENCE_TIMEOUT + Duration::from_secs(kept_after_s)
    }
}
