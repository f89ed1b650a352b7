//! One fetch from the siblings, for as many clients as want the same at the same time.
//!
//! A [`Flight`] has a head, which all of them wait for, and a body in a window that all of them read.
//! [`fly`] drives the pure [`Search`] that decides who is asked; it moves the bytes by itself.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use blake3::Hasher;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sockeye_engine::clock;
use sockeye_engine::http::relay::{Feed, Relay};
use sockeye_proto::http::range::parse_content_range;
use sockeye_proto::machine::Tick;
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::search::{Action, Event, Kind, Reply, Search, Trouble, Verdict};
use tokio::sync::Notify;

use super::Siblings;
use super::contact::{Asked, Contact, Said};
use super::us::PROOF;
use super::wanted::{Span, Wanted, passed_on};

/// A fetch; see the [module](self).
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) relay: Arc<Relay>,
    head: OnceLock<Result<Arc<Head>, Failed>>,
    has_head: Notify,
}

/// The head of what a sibling answered.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    /// Of the body, if that is known.
    pub(super) length: Option<u64>,
    /// Whom it came from.
    pub(super) from: Arc<Contact>,
    /// Who was asked, in words, if that is to be told.
    pub(super) trail: Option<String>,
}

/// Why there is no head.
#[derive(Clone, Debug)]
pub(super) enum Failed {
    /// All siblings say that they have it not.
    Nobody,
    /// These could not be asked.
    Unreached(Vec<(String, Trouble)>),
    /// Too much is being fetched.
    Busy,
    /// It was given up.
    GivenUp,
}

impl Flight {
    pub(super) fn new(relay: Arc<Relay>) -> Self {
        Self { relay, head: OnceLock::new(), has_head: Notify::new() }
    }

    /// Waits for the head.
    pub(super) async fn head(&self) -> Result<Arc<Head>, Failed> {
        loop {
            let mut noticed = pin!(self.has_head.notified());
            noticed.as_mut().enable();
            if let Some(head) = self.head.get() {
                return head.clone();
            }
            noticed.await;
        }
    }

    /// Whether it may still be joined for its head.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.head.get(), Some(Err(_)))
    }

    fn tell(&self, head: Result<Arc<Head>, Failed>) {
        // The first counts.
        if self.head.set(head).is_ok() {
            self.has_head.notify_waiters();
        }
    }
}

/// What was asked of a sibling.
enum Answered {
    Probe(Reply, Option<Said>),
    Fetch(Reply, Option<Said>),
}

/// What is asked of a sibling.
enum What {
    Probe,
    /// After so many bytes, if there were any.
    Fetch {
        resume_at: Option<u64>,
    },
}

type Asking = Pin<Box<dyn Future<Output = Answered> + Send>>;

struct Pilot {
    siblings: Arc<Siblings>,
    wanted: Wanted,
    via: Option<HeaderValue>,
    flight: Arc<Flight>,
    search: Search,
    asking: Vec<(Sibling, Asking)>,
    /// The answer whose body is under way.
    coming: Option<(Sibling, Said)>,
    /// Whether its readers are slower than it; then it is not it that pauses.
    is_held_up: bool,
    /// Of a HEAD: what each said.
    heads: Vec<(Sibling, Said)>,
    /// Bytes of the body that were passed on.
    passed: u64,
    /// Of these; there if another sibling could go on.
    hash: Option<Hasher>,
    trail: Vec<String>,
    why: Option<String>,
}

/// Fetches what is wanted. It ends when the body is whole, or broke, or nobody wants it.
pub(super) async fn fly(
    siblings: Arc<Siblings>,
    wanted: Wanted,
    via: Option<HeaderValue>,
    flight: Arc<Flight>,
    mut feed: Feed,
) {
    let kind = if wanted.method == Method::HEAD { Kind::Head } else { Kind::Get };
    let search =
        siblings.with_roster(|roster| Search::new(roster, clock::now(), &wanted.target, kind));
    let mut pilot = Pilot {
        siblings,
        wanted,
        via,
        flight,
        search,
        asking: Vec::new(),
        coming: None,
        is_held_up: false,
        heads: Vec::new(),
        passed: 0,
        hash: None,
        trail: Vec::new(),
        why: None,
    };
    let verdict = pilot.run(&mut feed).await;
    pilot.land(verdict, feed);
}

impl Pilot {
    async fn run(&mut self, feed: &mut Feed) -> Verdict {
        loop {
            let now = clock::now();
            let action = self.siblings.with_roster(|roster| self.search.next(roster, now));
            match action {
                Action::Probe(sibling) => self.ask(sibling, What::Probe),
                Action::Fetch { from, resume_at } => self.ask(from, What::Fetch { resume_at }),
                Action::Abandon(sibling) => self.abandon(sibling),
                Action::Wait(until) => {
                    let event = self.event(feed, until).await;
                    self.tell(event);
                }
                Action::Done(verdict) => return verdict,
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let now = clock::now();
        self.siblings.with_roster(|roster| self.search.handle(roster, now, event));
    }

    /// Begins to ask a sibling: by a probe, or for the body.
    fn ask(&mut self, sibling: Sibling, what: What) {
        let Some(contact) = self.siblings.contact(sibling) else {
            let gone = Reply::Trouble(Trouble::ConnectionRefused);
            return self.tell(match what {
                What::Probe => Event::Probed(sibling, gone),
                What::Fetch { .. } => Event::Fetched(sibling, gone),
            });
        };
        let siblings = Arc::clone(&self.siblings);
        let (target, via) = (self.wanted.target.clone(), self.via.clone());
        let asking: Asking = match what {
            What::Probe => {
                let fields = if self.wanted.method == Method::HEAD {
                    self.wanted.fields()
                } else {
                    Vec::new()
                };
                Box::pin(probe(siblings, contact, sibling, (target, via, fields)))
            }
            What::Fetch { resume_at } => {
                let (fields, check) = match (resume_at, self.flight.head.get()) {
                    (Some(passed), Some(Ok(head))) => self.resume(passed, head),
                    _ => (self.wanted.fields(), None),
                };
                Box::pin(fetch_from(siblings, contact, (target, via, fields), check))
            }
        };
        self.asking.push((sibling, asking));
    }

    /// What is asked to go on after so many bytes, and what must then be true of the answer.
    fn resume(
        &self,
        passed: u64,
        head: &Head,
    ) -> (Vec<(header::HeaderName, HeaderValue)>, Option<Check>) {
        let Some(span) = span_of(head) else {
            return (self.wanted.fields(), Some(Check::Impossible));
        };
        let sent = span.start..span.start + passed;
        let hash = self.hash.as_ref().map(|hash| hash.finalize().to_hex().to_string());
        let fields = Wanted::resuming(&sent, span.end);
        (fields, Some(Check::Same { rest: sent.end..span.end, sent, hash, total: total_of(head) }))
    }

    fn abandon(&mut self, sibling: Sibling) {
        self.asking.retain(|(asked, _)| *asked != sibling);
        if self.coming.as_ref().is_some_and(|(from, _)| *from == sibling) {
            self.why = Some("nothing came for too long".into());
            let event = self.broke();
            self.tell(event);
        }
    }

    fn broke(&mut self) -> Event {
        self.coming = None;
        Event::Broke { passed: self.passed, may_resume: self.hash.is_some() || self.passed == 0 }
    }

    /// Waits until something happens, or the time has come.
    async fn event(&mut self, feed: &mut Feed, until: Option<Tick>) -> Event {
        let mut timer = pin!(async {
            match until {
                Some(until) => tokio::time::sleep_until(clock::instant(until)).await,
                None => std::future::pending().await,
            }
        });
        let mut has_progressed = false;
        poll_fn(|cx| {
            let event = if self.coming.is_some() {
                self.poll_body(feed, &mut has_progressed, cx)
            } else {
                self.poll_asking(feed, cx)
            };
            if event.is_ready() {
                return event;
            }
            let on_time = if self.is_held_up { Event::Progress } else { Event::Time };
            timer.as_mut().poll(cx).map(|()| on_time)
        })
        .await
    }

    fn poll_asking(&mut self, feed: &mut Feed, cx: &mut Context<'_>) -> Poll<Event> {
        if feed.poll_deserted(cx).is_ready() {
            return Poll::Ready(Event::Left);
        }
        for place in 0..self.asking.len() {
            let (sibling, asking) = &mut self.asking[place];
            let sibling = *sibling;
            if let Poll::Ready(answered) = asking.as_mut().poll(cx) {
                drop(self.asking.swap_remove(place));
                return Poll::Ready(self.answered(sibling, answered));
            }
        }
        Poll::Pending
    }

    fn answered(&mut self, sibling: Sibling, answered: Answered) -> Event {
        match answered {
            Answered::Probe(reply, said) => {
                self.note(sibling, reply);
                self.heads.extend(said.map(|said| (sibling, said)));
                Event::Probed(sibling, reply)
            }
            Answered::Fetch(reply, said) => {
                self.note(sibling, reply);
                if let Some(said) = said {
                    self.begin(sibling, said);
                }
                Event::Fetched(sibling, reply)
            }
        }
    }

    /// The body begins, or goes on.
    fn begin(&mut self, sibling: Sibling, said: Said) {
        if self.flight.head.get().is_none() {
            let head = self.head_of(&said);
            // What no other sibling could go on with need not be hashed.
            let may_resume = span_of(&head).is_some() && self.siblings.count() > 1;
            self.hash = may_resume.then(Hasher::new);
            self.flight.tell(Ok(Arc::new(head)));
        } else {
            let name = self.siblings.name_of(sibling);
            self.siblings
                .say(format!("{}: {name} goes on at byte {}", self.wanted.target, self.passed));
        }
        self.coming = Some((sibling, said));
    }

    fn head_of(&self, said: &Said) -> Head {
        let trail = (!self.trail.is_empty()).then(|| self.trail.join(", "));
        Head {
            status: said.head.status,
            fields: passed_on(&said.head.headers),
            length: said.length(),
            from: said.contact(),
            trail: trail.filter(|_| self.siblings.is_verbose()),
        }
    }

    /// Passes on what comes. A pause is told of, so that its length counts anew.
    fn poll_body(
        &mut self,
        feed: &mut Feed,
        has_progressed: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        loop {
            match feed.poll_room(cx) {
                Poll::Ready(true) => *has_progressed |= std::mem::take(&mut self.is_held_up),
                Poll::Ready(false) => return Poll::Ready(Event::Left),
                Poll::Pending => {
                    self.is_held_up = true;
                    return Poll::Pending;
                }
            }
            let Some((_, said)) = &mut self.coming else { return Poll::Ready(Event::Time) };
            match said.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    *has_progressed = true;
                    self.passed += piece.len() as u64;
                    if let Some(hash) = &mut self.hash {
                        hash.update(&piece);
                    }
                    feed.put(piece);
                }
                Poll::Ready(Some(Err(error))) => {
                    self.why = Some(error.to_string());
                    return Poll::Ready(self.broke());
                }
                Poll::Ready(None) if self.is_short() => {
                    self.why = Some("it ended too early".into());
                    return Poll::Ready(self.broke());
                }
                Poll::Ready(None) => {
                    self.coming = None;
                    return Poll::Ready(Event::Ended);
                }
                Poll::Pending if std::mem::take(has_progressed) => {
                    return Poll::Ready(Event::Progress);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_short(&self) -> bool {
        match self.flight.head.get() {
            Some(Ok(head)) if self.wanted.method == Method::GET => {
                head.length.is_some_and(|length| self.passed < length)
            }
            _ => false,
        }
    }

    fn note(&mut self, sibling: Sibling, reply: Reply) {
        if !self.siblings.is_verbose() {
            return;
        }
        let name = self.siblings.name_of(sibling);
        self.trail.push(match reply {
            Reply::Has => format!("{name} has it"),
            Reply::HasNot => format!("{name} has it not"),
            Reply::Other => format!("{name} has something else of that name"),
            Reply::Trouble(trouble) => format!("{name}: {}", in_words(trouble)),
        });
    }

    /// It is over.
    fn land(mut self, verdict: Verdict, feed: Feed) {
        match verdict {
            Verdict::Whole => return feed.whole(),
            Verdict::Found(sibling) => {
                let place = self.heads.iter().position(|(said_by, _)| *said_by == sibling);
                if let Some(place) = place {
                    let (_, said) = self.heads.swap_remove(place);
                    let head = self.head_of(&said);
                    self.flight.tell(Ok(Arc::new(head)));
                    return feed.whole();
                }
                self.flight.tell(Err(Failed::GivenUp));
            }
            Verdict::Nobody => self.flight.tell(Err(Failed::Nobody)),
            Verdict::Busy => self.flight.tell(Err(Failed::Busy)),
            Verdict::Unreached(troubles) => {
                let named =
                    troubles.into_iter().map(|(s, trouble)| (self.siblings.name_of(s), trouble));
                self.flight.tell(Err(Failed::Unreached(named.collect())));
            }
            Verdict::Broken => self.flight.tell(Err(Failed::GivenUp)),
        }
        let why = self.why.take().unwrap_or_else(|| "the sibling that has it is gone".into());
        feed.broken(why);
    }
}

/// What must be true of an answer that is to go on with what another sibling began.
enum Check {
    /// It cannot go on: nobody knows which bytes came.
    Impossible,
    /// It gives the rest of a file of that many bytes, and what was sent has that hash.
    Same { sent: Span, rest: Span, hash: Option<String>, total: Option<u64> },
}

impl Check {
    fn holds(&self, said: &Said) -> bool {
        let Self::Same { sent, rest, hash, total } = self else { return false };
        let field = |name| said.head.headers.get(name).and_then(|value| value.to_str().ok());
        let range = field(header::CONTENT_RANGE).and_then(parse_content_range);
        let is_rest = range.is_some_and(|range| {
            let is_there = range.range.start == rest.start && range.range.end == rest.end;
            is_there && (total.is_none() || range.length == *total)
        });
        let is_proven = sent.is_empty() || (hash.is_some() && field(PROOF) == hash.as_deref());
        said.head.status == StatusCode::PARTIAL_CONTENT && is_rest && is_proven
    }
}

type Question = (String, Option<HeaderValue>, Vec<(header::HeaderName, HeaderValue)>);

/// Asks by HEAD. It is asked to its end even if nobody waits any more, so that the connection can be
/// used again.
async fn probe(
    siblings: Arc<Siblings>,
    contact: Arc<Contact>,
    sibling: Sibling,
    (target, via, fields): Question,
) -> Answered {
    let asking = tokio::spawn(async move {
        let asked = Asked { method: Method::HEAD, target: &target, fields, via: via.as_ref() };
        let (mut said, took) = contact.ask(siblings.us(), &asked).await?;
        siblings.with_roster(|roster| roster.answered(clock::now(), sibling, Some(took)));
        // There is nothing to read, and the connection is free.
        let _ = said.read(0).await;
        Ok(said)
    });
    match asking.await {
        Ok(Ok(said)) => Answered::Probe(reply(&said), Some(said)),
        Ok(Err(trouble)) => Answered::Probe(Reply::Trouble(trouble), None),
        Err(_) => Answered::Probe(Reply::Trouble(Trouble::Protocol), None),
    }
}

/// Asks by GET.
async fn fetch_from(
    siblings: Arc<Siblings>,
    contact: Arc<Contact>,
    (target, via, fields): Question,
    check: Option<Check>,
) -> Answered {
    let asked = Asked { method: Method::GET, target: &target, fields, via: via.as_ref() };
    match contact.ask(siblings.us(), &asked).await {
        Err(trouble) => Answered::Fetch(Reply::Trouble(trouble), None),
        Ok((said, _)) => match (reply(&said), check) {
            (Reply::Has, Some(check)) if !check.holds(&said) => Answered::Fetch(Reply::Other, None),
            (Reply::Has, _) if !said.has_end() => {
                Answered::Fetch(Reply::Trouble(Trouble::Protocol), None)
            }
            (Reply::Has, _) => Answered::Fetch(Reply::Has, Some(said)),
            (reply, _) => Answered::Fetch(reply, None),
        },
    }
}

/// What a status says.
fn reply(said: &Said) -> Reply {
    match said.head.status.as_u16() {
        200 | 206 | 304 | 412 | 416 => Reply::Has,
        // Where a HEAD is not known, a GET may be.
        405 | 501 if said.head.headers.contains_key(header::ALLOW) => Reply::Has,
        // A folder is no file.
        301 | 302 | 303 | 307 | 308 | 404 | 410 => Reply::HasNot,
        504 if said.is_ours() => Reply::HasNot,
        401 | 403 | 407 | 421 => Reply::Trouble(Trouble::Denied),
        500.. => Reply::Trouble(Trouble::Unavailable),
        _ => Reply::Trouble(Trouble::Protocol),
    }
}

/// Which bytes of its file an answer holds, if that is one run of them.
pub(super) fn span_of(head: &Head) -> Option<Span> {
    match head.status {
        StatusCode::OK => head.length.map(|length| 0..length),
        StatusCode::PARTIAL_CONTENT => {
            let field = head.fields.get(header::CONTENT_RANGE)?.to_str().ok()?;
            parse_content_range(field).map(|told| told.range.start..told.range.end)
        }
        _ => None,
    }
}

/// How many bytes the whole file has.
fn total_of(head: &Head) -> Option<u64> {
    if head.status == StatusCode::OK {
        return head.length;
    }
    let field = head.fields.get(header::CONTENT_RANGE)?.to_str().ok()?;
    parse_content_range(field)?.length
}

/// What went wrong with a sibling, for people.
pub(super) fn in_words(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::ConnectionRefused => "cannot be reached",
        Trouble::ConnectionTimeout => "does not let us connect in time",
        Trouble::ResponseTimeout => "does not answer in time",
        Trouble::Protocol => "does not answer as it should",
        Trouble::Denied => "does not let us in",
        Trouble::Unavailable => "says that it cannot answer",
        Trouble::LeftOut => "has failed too often, and is tried again soon",
        Trouble::Busy => "is being read from as much as may be",
    }
}
