//! The client of any text service: one request and its answer, or a session with a person or a
//! pipe.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use sockeye_engine::access::Mask;
use sockeye_engine::call::connect::{connect, resolve};
use sockeye_engine::call::datagram::DatagramCall;
use sockeye_engine::call::stream::StreamCall;
use sockeye_engine::call::{Call, CallFailure, Happening, Heard};
use sockeye_engine::clock;
use sockeye_engine::trace::Trace;
use sockeye_proto::access::Key;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::datagram::split_key;
use sockeye_proto::machine::Tick;
use sockeye_proto::printable::Printable;
use sockeye_proto::text::client::Unsayable;
use sockeye_proto::text::spoken::Spoken;
use sockeye_proto::text::{Direction, is_refusal};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli;
use crate::exit::Failure;
use crate::services::by_hand::ByHand;
use crate::terminal::{Screen, Terminal, Typed};

mod key;

/// What a message means in words; the direction is the server's.
pub type Meaning = fn(&[u8], Direction) -> String;

/// Whom to call, and how.
#[derive(Clone, Debug)]
pub struct Whom {
    /// Where it is.
    pub url: Address,
    /// Where it is if the URL has no port.
    pub default_port: u16,
    /// What its messages mean.
    pub meaning: Meaning,
    /// Whether the answer to a request is the request itself, as echo's is.
    pub repeats: bool,
    /// The words that it knows, for who types.
    pub words: &'static str,
    /// Whether a person wants to know how long each answer took.
    pub tells_round_trips: bool,
    /// The flags.
    pub flags: cli::TextClient,
}

/// A message from the server, and what it answers.
#[derive(Debug)]
pub struct Answer {
    /// The oldest request that was not answered yet; none if the server speaks unasked.
    pub request: Option<Vec<u8>>,
    /// What it says.
    pub text: Vec<u8>,
    /// How long after the request had left.
    pub round_trip: Option<Duration>,
    /// Whether it says no.
    pub is_refusal: bool,
}

/// What came of waiting.
#[derive(Debug)]
pub enum Came {
    /// A message from the server.
    Answer(Answer),
    /// This went wrong.
    Failed(CallFailure),
    /// The call is over.
    Over,
}

/// A call under way.
#[derive(Debug)]
pub struct Session {
    call: Call,
    whom: Whom,
    trace: Option<Trace>,
    /// What is not answered yet.
    asked: VecDeque<Vec<u8>>,
    /// The first that was said, as it went over the wire.
    first: Option<Spoken>,
    /// Whether the server wanted our address proven.
    is_proof_asked: bool,
    /// When something was said last.
    last_said: Option<Instant>,
    /// Whether that has not left yet.
    is_leaving: bool,
    answers: u64,
    round_trips: Vec<Duration>,
}

/// Round trips that are kept for the summary.
const ROUND_TRIPS_MAX: usize = 100_000;
/// How long a message may stand unanswered before the next is said, where only a pause tells them
/// apart: longer than the second for which some servers wait for who types a byte at a time.
const UNANSWERED_GAP: Duration = Duration::from_millis(1_200);
/// So many messages may be unanswered before a pipe is read on, where they have ends.
const ASKED_MAX: usize = 4_096;

impl Session {
    /// Calls, says the key if one was given, and shows what passes to who watches.
    pub async fn open(whom: Whom, trace: Option<Trace>) -> Result<Self, Failure> {
        let key = whom.flags.key.as_ref().map(|given| given.key("--key")).transpose()?;
        let call = reach(&whom, key.as_ref()).await?;
        // Over UDP, each request says it.
        let first = key.filter(|_| whom.url.scheme != Scheme::Udp);
        let mut session = Self {
            call,
            whom,
            trace,
            asked: VecDeque::new(),
            first: None,
            is_proof_asked: false,
            last_said: None,
            is_leaving: false,
            answers: 0,
            round_trips: Vec::new(),
        };
        if let Some(key) = first {
            session.enter(&key).await?;
        }
        Ok(session)
    }

    /// Whether another message may be said now.
    pub fn is_ready(&self) -> bool {
        self.call.is_ready()
    }

    /// Whether nothing that was said waits for an answer.
    fn is_settled(&self) -> bool {
        self.asked.is_empty() && !self.is_leaving
    }

    /// When the next may be said: at once if all before is answered, or messages have ends and few
    /// wait; else when a server that takes its time to see where one ends has surely seen it.
    fn may_say_at(&self) -> Option<Instant> {
        let is_apart =
            if self.call.says_lines() { self.asked.len() < ASKED_MAX } else { self.is_settled() };
        self.last_said.filter(|_| !is_apart).map(|last| last + UNANSWERED_GAP)
    }

    /// What was said last has stood for long enough: the next may follow, answered or not.
    fn has_waited(&mut self) {
        self.last_said = None;
    }

    /// Says a message.
    pub fn say(&mut self, message: &[u8]) -> Result<(), Unsayable> {
        self.call.say(message)?;
        self.is_leaving = true;
        self.last_said = Some(Instant::now());
        Ok(())
    }

    /// Says no more.
    pub fn finish(&mut self) {
        self.call.finish();
    }

    /// What comes next. It may be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Came {
        loop {
            match self.call.next().await {
                Happening::Said(spoken) => self.said(spoken),
                Happening::Heard(heard) => return Came::Answer(self.heard(heard)),
                Happening::ProofAsked(spoken) => {
                    self.is_proof_asked = true;
                    let meaning = "asks for proof of the address: the same again, with this cookie";
                    self.show(clock::now(), Direction::In, &spoken, meaning);
                    // It is said again, and was not answered.
                    self.asked.pop_front();
                }
                Happening::Failed(failure) => {
                    self.settle_datagram();
                    return Came::Failed(failure);
                }
                Happening::Over(_) => return Came::Over,
            }
        }
    }

    fn said(&mut self, spoken: Spoken) {
        let meaning = (self.whom.meaning)(spoken.text(), Direction::In);
        self.show(clock::now(), Direction::Out, &spoken, &meaning);
        self.last_said = Some(Instant::now());
        self.is_leaving = false;
        // The answer is to the message, not to the key and the cookie behind it.
        let text = spoken.text();
        let said_key = split_key(text).filter(|_| self.whom.flags.key.is_some());
        self.asked.push_back(said_key.map_or(text, |(before, _)| before).to_vec());
        self.first.get_or_insert(spoken);
    }

    fn heard(&mut self, Heard { spoken, at, round_trip }: Heard) -> Answer {
        let request = self.asked.pop_front();
        self.settle_datagram();
        let text = spoken.text().to_vec();
        let is_repeated = request.as_ref() == Some(&text);
        let is_refusal =
            !(self.whom.repeats && is_repeated) && is_refusal(&String::from_utf8_lossy(&text));
        let meaning = if is_refusal {
            "says no".to_owned()
        } else if self.whom.repeats && !is_repeated {
            "says something else".to_owned()
        } else {
            (self.whom.meaning)(&text, Direction::Out)
        };
        self.show(at, Direction::In, &spoken, &meaning);
        self.answers += u64::from(request.is_some());
        if let Some(round_trip) = round_trip.filter(|_| self.round_trips.len() < ROUND_TRIPS_MAX) {
            self.round_trips.push(round_trip);
        }
        Answer { request, text, round_trip, is_refusal }
    }

    /// Over UDP a request is over, sent once or more, before the next is sent.
    fn settle_datagram(&mut self) {
        if self.whom.url.scheme == Scheme::Udp {
            self.asked.clear();
        }
    }

    /// Shows a message to who watches.
    fn show(&self, at: Tick, direction: Direction, spoken: &Spoken, meaning: &str) {
        let Some(trace) = &self.trace else { return };
        let meaning = format!("{meaning}, {}", spoken.ending());
        let other_end = (self.whom.url.scheme.as_str(), self.call.peer());
        trace.passed_at(at, direction, other_end, (spoken.wire(), 0), &meaning);
    }

    /// What may help where no answer comes.
    fn hint(&self) -> &'static str {
        if self.call.says_lines() { "" } else { "; if it reads whole lines, try --lines" }
    }

    /// Who is called, for people.
    fn name(&self) -> String {
        name(self.whom.url.scheme, self.call.peer())
    }

    /// Prints an answer.
    pub fn print(&self, answer: &Answer, screen: &Screen) -> Result<(), Failure> {
        let flags = &self.whom.flags;
        if flags.json {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let object = json!({
                "url": self.name(),
                "request": answer.request.as_deref().map(text),
                "answer": text(&answer.text),
                "round_trip_ms": answer.round_trip.map(ms),
                "refused": answer.is_refusal,
            });
            return screen.print(object.to_string().as_bytes());
        }
        match answer.round_trip {
            Some(round_trip) if self.whom.tells_round_trips && !flags.quiet => {
                screen.print_with(&answer.text, &format!("{:.3} ms", ms(round_trip)))
            }
            _ => screen.print(&answer.text),
        }
    }

    /// How to do the same without us, for who watches the wire.
    fn show_by_hand(&self, screen: &Screen) {
        if let (Some(first), true) = (&self.first, self.trace.is_some()) {
            let (scheme, peer) = (self.whom.url.scheme, self.call.peer());
            let (host, port) = (peer.ip().to_string(), peer.port());
            let by_hand = if self.whom.flags.key.is_some() {
                let text = split_key(first.text()).map_or(first.text(), |(before, _)| before);
                let end = first.ending().as_bytes();
                ByHand::with_key(scheme, &host, port, (text, end), self.is_proof_asked)
            } else if self.is_proof_asked {
                ByHand::with_proof(&host, port, first.text(), first.ending().as_bytes())
            } else {
                ByHand::of_a_message(scheme, &host, port, first.wire())
            };
            let with =
                if self.whom.flags.key.is_some() { ", with the key in SOCKEYE_KEY" } else { "" };
            screen.say(&format!("The same by hand{with}:\n    {}\nor in Python:", by_hand.netcat));
            for line in by_hand.python.lines() {
                screen.say(format!("    {line}").trim_end());
            }
        }
    }
}

/// Asks one thing, prints what comes, and returns the last of it. Ctrl-C ends it.
pub async fn ask(whom: Whom, request: &[u8]) -> Result<Answer, Failure> {
    tokio::select! {
        answer = ask_to_the_end(whom, request) => answer,
        _ = tokio::signal::ctrl_c() => Err(interrupted()),
    }
}

async fn ask_to_the_end(whom: Whom, request: &[u8]) -> Result<Answer, Failure> {
    if request.is_empty() && whom.url.scheme != Scheme::Udp && !whom.flags.lines {
        return Err(Failure::Usage(Unsayable::Empty.to_string()));
    }
    let screen = Screen::plain();
    let mut session = Session::open(whom.clone(), watch(&whom.flags, &screen)).await?;
    session.say(request).map_err(|error| Failure::Usage(error.to_string()))?;
    session.finish();
    let mut last = None;
    let outcome = loop {
        match session.next().await {
            Came::Answer(answer) => {
                session.print(&answer, &screen)?;
                last = Some(answer);
            }
            // It may close when it has answered.
            Came::Failed(CallFailure::Closed) if last.is_some() => {}
            Came::Failed(failure) => break Err(failed(&session, &failure)),
            Came::Over => break Ok(()),
        }
    };
    session.show_by_hand(&screen);
    outcome?;
    let name = session.name();
    match last {
        None => Err(Failure::Network(format!("{name} did not answer{}", session.hint()))),
        Some(answer) if answer.is_refusal => Err(said_no(&name, &answer)),
        Some(answer) => Ok(answer),
    }
}

/// A session with whoever types: each line is a message, each answer is printed.
pub async fn converse(whom: Whom) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|e| Failure::Ours(format!("cannot catch SIGTERM: {e}")))?;
    let mut terminal = Terminal::open()?;
    let (screen, interrupts) = (terminal.screen(), terminal.interrupts());
    let mut session = Session::open(whom.clone(), watch(&whom.flags, &screen)).await?;
    let is_person = terminal.is_person();
    if is_person && !session.whom.flags.quiet {
        let (name, words) = (session.name(), session.whom.words);
        screen.say(&format!("{name}: each line is sent as a message{words}; Ctrl-D ends"));
    }
    let mut typed = Typing { is_on: true, is_person, lines: 0, left_out: 0 };
    let (mut refusal, mut failure) = (None, None);
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let is_interrupted = loop {
        let may_say = session.may_say_at().map(tokio::time::Instant::from_std);
        let may_take = typed.is_on && session.is_ready() && may_say.is_none();
        tokio::select! {
            line = terminal.next(), if may_take => typed.take(line, &mut session, &screen),
            came = session.next() => match came {
                Came::Answer(answer) => {
                    session.print(&answer, &screen)?;
                    refusal = answer.is_refusal.then_some(answer).or(refusal);
                }
                // Who has said all that was to say, and has its answers, is not cut off by that.
                Came::Failed(CallFailure::Closed)
                    if session.is_settled() && typed.is_all(&mut terminal).await => {}
                Came::Failed(error) => {
                    let error = failed(&session, &error);
                    screen.say(&error.to_string());
                    failure = Some(error);
                }
                Came::Over => break false,
            },
            () = sleep_until(may_say) => session.has_waited(),
            () = interrupts.notified() => break true,
            _ = &mut interrupt => break true,
            _ = terminate.recv() => break true,
        }
    };
    drop(terminal);
    let screen = Screen::plain();
    session.show_by_hand(&screen);
    if !session.whom.flags.quiet && (session.whom.tells_round_trips || is_person) {
        summarise(&session, typed.lines);
    }
    match (is_interrupted, is_person) {
        (true, true) => Ok(()),
        (true, false) => Err(interrupted()),
        (false, _) => typed.outcome(&session, refusal, failure),
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Whether nothing was asked at all: the server is full.
fn is_busy(answer: &Answer) -> bool {
    answer.text.get(..4).is_some_and(|opening| opening.eq_ignore_ascii_case(b"busy"))
}

/// What has been typed so far.
struct Typing {
    is_on: bool,
    is_person: bool,
    /// Messages to be said.
    lines: u64,
    /// Lines that cannot be one.
    left_out: u64,
}

impl Typing {
    /// How a session that came to its end has gone: from a pipe, what was not said or not answered
    /// is no success.
    fn outcome(
        &self,
        session: &Session,
        refusal: Option<Answer>,
        failure: Option<Failure>,
    ) -> Result<(), Failure> {
        let (name, lines) = (session.name(), self.lines);
        match (refusal, failure) {
            (_, Some(failure)) => Err(failure),
            (Some(answer), None) if lines == 1 || is_busy(&answer) => Err(said_no(&name, &answer)),
            _ if self.is_person => Ok(()),
            _ if session.answers < lines => {
                let (answers, hint) = (session.answers, session.hint());
                let what = format!("{name} answered {answers} of {lines} messages{hint}");
                Err(Failure::Network(what))
            }
            _ if self.left_out > 0 => {
                let what =
                    format!("lines that were not sent: {}; why is told above", self.left_out);
                Err(Failure::Usage(what))
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing more will be typed, as far as can be seen without waiting for a person.
    async fn is_all(&self, terminal: &mut Terminal) -> bool {
        /// A pipe that has ended says so as soon as somebody looks.
        const LOOK: Duration = Duration::from_millis(250);
        if !self.is_on || self.is_person {
            return !self.is_on;
        }
        matches!(tokio::time::timeout(LOOK, terminal.next()).await, Ok(Typed::End))
    }

    fn take(&mut self, typed: Typed, session: &mut Session, screen: &Screen) {
        let line = match typed {
            Typed::Line(line) => line,
            Typed::TooLong => {
                self.left_out += 1;
                return screen.say("not sent: a line longer than 65536 bytes");
            }
            Typed::End => {
                self.is_on = false;
                return session.finish();
            }
        };
        match session.say(&line) {
            // What cannot be said any more counts too: it will have no answer.
            Ok(()) | Err(Unsayable::Over) => self.lines += 1,
            // A person who presses Enter wants a new line, and means nothing.
            Err(Unsayable::Empty) if self.is_person => {}
            Err(error) => {
                self.left_out += 1;
                screen.say(&format!("not sent: {error}"));
            }
        }
    }
}

fn summarise(session: &Session, said: u64) {
    let mut trips = session.round_trips.clone();
    trips.sort_unstable();
    let (Some(least), Some(most)) = (trips.first(), trips.last()) else {
        return Screen::plain().say(&format!("no answer to {said} messages"));
    };
    let median = trips[trips.len() / 2];
    let [least, median, most] = [*least, median, *most].map(ms);
    let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (of, times) = (
        format!("{} to {}", count(session.answers, "answer"), count(said, "message")),
        format!("round trip {least:.3} ms at least, {median:.3} median, {most:.3} at most"),
    );
    // If stderr is closed there is nobody to tell.
    Screen::plain().say(&format!("{of}, {times}"));
}

/// Shows the wire on a screen, if that was asked for.
pub fn watch(flags: &cli::TextClient, screen: &Arc<Screen>) -> Option<Trace> {
    let screen = Arc::clone(screen);
    let key = flags.key.as_ref().and_then(|given| given.key("--key").ok());
    let mask = key.map(Mask::of_key).unwrap_or_default();
    flags.wire.then(|| Trace::new(move |passed| screen.say(&passed.to_string())).masked_by(mask))
}

async fn reach(whom: &Whom, key: Option<&Key>) -> Result<Call, Failure> {
    let Whom { url, default_port, flags, .. } = whom;
    let (port, version) = (url.port.unwrap_or(*default_port), flags.ip.version());
    match url.scheme {
        Scheme::Udp => {
            let found = resolve(&url.host, port, version).await;
            found.map(|addresses| {
                Call::Datagrams(DatagramCall::new(addresses).with_key(key.cloned()))
            })
        }
        Scheme::Tcp | Scheme::Http | Scheme::Https => {
            let found = connect(&url.host, port, version).await;
            found.map(|connection| Call::Stream(StreamCall::new(connection, flags.lines)))
        }
    }
    .map_err(|error| Failure::Network(error.to_string()))
}

/// A failure of the call, for the exit code.
pub fn failed(session: &Session, failure: &CallFailure) -> Failure {
    Failure::Network(format!("{}: {failure}", session.name()))
}

fn interrupted() -> Failure {
    Failure::Interrupted("interrupted".into())
}

fn said_no(name: &str, answer: &Answer) -> Failure {
    Failure::SaidNo(format!("{name} says no: {}", Printable(&answer.text)))
}

fn name(scheme: Scheme, peer: SocketAddr) -> String {
    format!("{}://{peer}", scheme.as_str())
}

/// Milliseconds.
pub fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Runs a client on a runtime of its own.
pub fn run<T>(client: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Ours(format!("cannot start the runtime: {e}")))?;
    let outcome = runtime.block_on(client);
    // A name that is still being looked up does not keep the process.
    runtime.shutdown_background();
    outcome
}
