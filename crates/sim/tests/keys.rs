//! Conversations that begin with the key: over TCP under every cut and delay, against a reference
//! that knows who may be heard when; over UDP on faulty links, also when somebody else's datagrams
//! have used up an address's guesses.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sockeye_proto::access::entrance::{Answer, Entrance, Question, Said};
use sockeye_proto::access::{Doorkeeper, Key, Verdict as Says};
use sockeye_proto::clock::{CivilTime, Clock};
use sockeye_proto::datagram::client::{Client, Event};
use sockeye_proto::datagram::cookie::CookieKey;
use sockeye_proto::datagram::guard::{Guard, GuardRules};
use sockeye_proto::datagram::responder::{Outcome, Responder};
use sockeye_proto::echo::Echo;
use sockeye_proto::files::raw;
use sockeye_proto::limits::{GUESSES_MAX, GUESSES_SPAN, PAUSE};
use sockeye_proto::machine::{Fault, Tick};
use sockeye_proto::text::dialogue::Dialogue;
use sockeye_proto::text::framing::{Framer, Framing};
use sockeye_sim::datagrams::{Calling, Datagrams, Outcome as Ended, Responds};
use sockeye_sim::network::LinkRules;
use sockeye_sim::reference::conversation::check;
use sockeye_sim::reference::peer::talk;
use sockeye_sim::seed::{Chance, Seed};
use sockeye_sim::stream::{Action, Driven, Rules, Script, Step, Streams, run, segments};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore, replay};

const KEY: &str = "sesame-street";
const NOW: CivilTime = CivilTime { year: 2026, month: 11, day: 20, hour: 14, minute: 3, second: 9 };

fn key() -> Key {
    Key::parse(KEY).expect("it is a key")
}

fn ana() -> IpAddr {
    [192, 0, 2, 2].into()
}

/// A doorkeeper held to the plainest count of wrong keys, and what it said.
struct Watched {
    doorkeeper: Doorkeeper,
    wrong: Vec<Tick>,
    said: Vec<Says>,
}

impl Watched {
    fn new() -> Self {
        Self { doorkeeper: Doorkeeper::new(key()), wrong: Vec::new(), said: Vec::new() }
    }

    fn check(&mut self, now: Tick, said: &[u8]) -> Says {
        let verdict = self.doorkeeper.check(now, ana(), said);
        let recent = self.wrong.iter().filter(|then| now.since(**then) < GUESSES_SPAN);
        let is_heard = recent.count() < GUESSES_MAX;
        let expected = match (is_heard, said.eq_ignore_ascii_case(KEY.as_bytes())) {
            (false, _) => "too many",
            (true, true) => "right",
            (true, false) => "wrong",
        };
        let came = match verdict {
            Says::TooMany { .. } => "too many",
            Says::Right => "right",
            Says::Wrong => "wrong",
        };
        assert_eq!(came, expected, "{said:?} at {now:?} after {:?}", self.wrong);
        if verdict == Says::Wrong {
            self.wrong.push(now);
        }
        self.said.push(verdict);
        verdict
    }
}

/// What a caller says: the key now and then, wrong ones, requests, nothing much.
fn message(seed: &mut Seed) -> Vec<u8> {
    let messages: [&[u8]; 10] = [
        b"KEY sesame-street",
        b"KEY SESAME-STREET",
        b"KEY sesame-stroll",
        b"KEY x",
        b"KEY",
        b"key sesame-street",
        b"SEND_DATE",
        b"SEND_TIME",
        b"what?",
        b"",
    ];
    seed.pick(&messages).to_vec()
}

/// What has to be answered when the doorkeeper has said this to the keys, in order.
fn reference(verdicts: Vec<Says>) -> impl FnMut(&str) -> Option<String> {
    let (mut verdicts, mut is_in) = (verdicts.into_iter(), false);
    move |message| {
        if is_in {
            return Some(match message {
                "SEND_DATE" => "2026-11-20".into(),
                "SEND_TIME" => "14:03:09".into(),
                _ => "Error in request format".into(),
            });
        }
        let said = message.strip_prefix("KEY ").filter(|said| !said.trim().is_empty());
        let Some(_) = said else { return Some("error: key wanted".into()) };
        let verdict = verdicts.next()?;
        is_in = verdict == Says::Right;
        Some(verdict.to_string())
    }
}

fn clock_holds(how: Framing, cut: Chance, seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let mut caller = Script::new(talk(seed, message));
    let framer = Framer::new(how, PAUSE);
    // Inside, messages go on to be told apart as they were outside.
    let machine = Entrance::new(Dialogue::new(Clock::default(), Framer::default()), framer);
    let watched = RefCell::new(Watched::new());
    let mut server = Driven::new(machine, |now, question: &Question<_>| match question {
        Question::Check(Said(said)) => Answer::Checked(watched.borrow_mut().check(now, said)),
        Question::Inner(_) => Answer::Inner(NOW),
    });
    let rules = Rules::drawn(seed).with_cuts(cut);
    let mut streams = Streams::new(seed.fork());
    streams.connect(Tick::START, &rules, &mut caller, &mut server);
    streams.run(trace);
    let run = server.run();
    check(&run.log, how, PAUSE, reference(watched.borrow().said.clone()))?;
    let is_whole = run.transmitted == caller.heard();
    let is_begun = run.transmitted.starts_with(caller.heard());
    if is_whole || (caller.is_lost() && is_begun) {
        Ok(())
    } else {
        Err(format!("{} of {} bytes came", caller.heard().len(), run.transmitted.len()))
    }
}

/// Early in some runs, late in others.
fn cut(seed: &mut Seed) -> Chance {
    *seed.pick(&[Chance::percent(5), Chance::one_in(200), Chance::one_in(2_000)])
}

#[test]
fn a_clock_behind_the_key_answers_in_order_and_nobody_without_it() {
    explore("keyed clock", |seed, trace| clock_holds(Framing::Auto, Chance::NEVER, seed, trace));
}

#[test]
fn by_lines_alone_the_same_holds() {
    explore("keyed clock by lines", |seed, trace| {
        clock_holds(Framing::Line, Chance::NEVER, seed, trace)
    });
}

#[test]
fn up_to_where_the_connection_is_cut_the_answers_are_right() {
    explore("keyed clock, cut", |seed, trace| clock_holds(Framing::Auto, cut(seed), seed, trace));
}

#[test]
fn the_same_seed_replays_to_the_same_trace() {
    let property = |seed: &mut Seed, trace: &mut Trace| {
        let cut = cut(seed);
        clock_holds(Framing::Auto, cut, seed, trace)
    };
    assert_eq!(replay(7, property), replay(7, property));
}

/// Lines until the key, then bytes as they are, wherever the reads are cut.
fn echo_holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let outside = seed.below(3);
    let payload: Vec<u8> = (0..seed.below(200)).map(|_| *seed.pick(b"ab \r\n\n\xff\0")).collect();
    let opening = format!("{}KEY {KEY}\r\n", "hello\n".repeat(outside));
    let sent = [opening.as_bytes(), &payload].concat();
    let mut steps = segments(seed, &sent, PAUSE);
    steps.push(Step { after: seed.span_below(PAUSE), action: Action::End });
    let machine = Entrance::new(Echo::default(), Framer::default());
    let mut watched = Watched::new();
    let worker = |question: &Question<_>| match question {
        Question::Check(Said(said)) => Answer::Checked(watched.check(Tick::START, said)),
        Question::Inner(never) => match *never {},
    };
    let run = run(machine, &steps, worker, trace);
    let told = format!("{}OK\n", "error: key wanted\n".repeat(outside));
    let expected = [told.as_bytes(), &payload].concat();
    if run.transmitted == expected && run.closed.map(|(_, fault)| fault) == Some(Fault::Nobody) {
        return Ok(());
    }
    Err(format!("{sent:?} came to {:?}, {:?}", run.transmitted, run.closed))
}

#[test]
fn what_follows_the_key_comes_back_byte_for_byte() {
    explore("keyed echo", echo_holds);
}

/// A name with what stands in the key's place, wherever the reads are cut.
fn raw_holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let (before, told) = *seed.pick(&[
        ("sesame-street/", "Error: File not found\n"),
        ("/SESAME-street/", "Error: File not found\n"),
        ("sesame-stroll/", "error: wrong key\n"),
        ("sub/", "error: key wanted\n"),
        ("", "error: key wanted\n"),
    ]);
    let steps = segments(seed, format!("{before}a.txt\n").as_bytes(), PAUSE);
    let mut watched = Watched::new();
    let worker = |question: &raw::Question| match question {
        raw::Question::CheckKey(Said(said)) => raw::Answer::Checked(
            (said.len() == KEY.len()).then(|| watched.check(Tick::START, said)),
        ),
        raw::Question::SendFile(path) => {
            assert_eq!(path.display(), "/a.txt");
            raw::Answer::Sent(raw::Sent::NotFound { note: String::new() })
        }
    };
    let run = run(raw::Server::default().wanting_key(), &steps, worker, trace);
    let came = String::from_utf8_lossy(&run.transmitted).into_owned();
    let is_closed = run.closed.map(|(_, fault)| fault) == Some(Fault::Refused);
    if came == told && is_closed { Ok(()) } else { Err(format!("{before}a.txt came to {came:?}")) }
}

#[test]
fn the_key_before_a_name_counts_wherever_the_name_is_cut() {
    explore("keyed raw files", raw_holds);
}

fn host(number: u8, port: u16) -> SocketAddr {
    ([192, 0, 2, number], port).into()
}

/// A clock over UDP that wants the key.
struct KeyedClock {
    responder: Responder<Clock>,
    doorkeeper: Doorkeeper,
}

impl KeyedClock {
    fn new() -> Self {
        let guard = Guard::new(GuardRules::default(), CookieKey::new([7; 32]));
        let responder = Responder::new(Clock::default(), guard).wanting_key();
        Self { responder, doorkeeper: Doorkeeper::new(key()) }
    }

    fn answer(&mut self, now: Tick, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut outcome = self.responder.handle(now, from, datagram, &mut out);
        loop {
            outcome = match outcome {
                Outcome::Check(knock) => {
                    let said = knock.said(datagram);
                    let verdict = if knock.is_proven() {
                        self.doorkeeper.check(now, knock.from(), said)
                    } else {
                        self.doorkeeper.check_unproven(now, knock.from(), said)
                    };
                    self.responder.checked(now, &knock, datagram, verdict, &mut out)
                }
                Outcome::Ask(_, pending) => self.responder.answered(now, pending, NOW, &mut out),
                Outcome::Send | Outcome::Refuse | Outcome::TurnAway => return Some(out),
                Outcome::Nothing | Outcome::Dropped(_) => return None,
            }
        }
    }
}

fn datagrams_hold(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let (server_at, client_at) = (host(1, 7002), host(2, 50_000));
    let mut clock = KeyedClock::new();
    // Somebody guesses under the client's address.
    for _ in 0..seed.below(2 * GUESSES_MAX) {
        clock.answer(Tick::START, host(2, 40_000), b"SEND_DATE key=wrong-key");
    }
    let mut server = Responds(|now, from, datagram: &[u8]| {
        clock.answer(now, from, datagram).map(|out| (from, out)).into_iter().collect()
    });
    let (request, answer) = *seed.pick(&[
        ("SEND_DATE", "2026-11-20"),
        ("SEND_TIME\n", "14:03:09"),
        ("what?\r\n", "Error in request format"),
    ]);
    let client = Client::with_key(Tick::START, request.into(), Some(key()));
    let mut client = Calling::new(client, server_at);
    let mut network = Datagrams::new(seed.fork(), LinkRules::drawn(seed));
    network.place(server_at, &mut server);
    network.place(client_at, &mut client);
    let ended = network.run_until(Tick::START + Duration::from_mins(1), trace);
    if ended != Ended::Quiet {
        return Err("somebody is still waiting after a minute".into());
    }
    let came = network.tally(client_at, server_at);
    let sent = network.tally(server_at, client_at);
    let is_lossy = came.arrived < came.sent || sent.arrived < sent.sent;
    match client.events().last() {
        Some(Event::Heard(heard)) if heard.text() == answer.as_bytes() => Ok(()),
        Some(Event::Unanswered) if is_lossy => Ok(()),
        other => Err(format!("{request:?} came to {other:?}")),
    }
}

#[test]
fn who_has_the_key_is_answered_whoever_guesses_in_their_name() {
    explore("keyed datagrams", datagrams_hold);
}
