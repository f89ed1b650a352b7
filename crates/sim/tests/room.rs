//! Many conversations that share one machine: a room, written here as small as it goes, in which
//! everybody is told everything in one order.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sockeye_proto::machine::{
    Fault, Input, Machine, Member, Output, SharedInput, SharedMachine, SharedOutput, Tick, Weight,
};
use sockeye_sim::seed::{Chance, Seed};
use sockeye_sim::stream::{Action, Driven, Rules, Script, Shared, Step, Streams};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore};

/// A line, with its end.
#[derive(Debug)]
struct Line(Vec<u8>);

impl Weight for Line {
    fn weight_bytes(&self) -> usize {
        self.0.len()
    }
}

/// What was told to whom.
#[derive(Debug)]
struct Spread {
    to: BTreeSet<Member>,
    line: Arc<Line>,
}

#[derive(Default)]
struct Room {
    members: BTreeSet<Member>,
    outputs: VecDeque<SharedOutput<Line, Spread>>,
}

impl SharedMachine for Room {
    type Tell = Line;
    type Told = Line;
    type Event = Spread;

    fn handle(&mut self, _: Tick, input: SharedInput<Line>) {
        match input {
            SharedInput::Joined(member) => {
                self.members.insert(member);
            }
            SharedInput::Left(member) => {
                self.members.remove(&member);
            }
            SharedInput::Overflow(member) => {
                self.members.remove(&member);
                self.outputs.push_back(SharedOutput::Cut(member));
            }
            SharedInput::From(_, line) => {
                let (to, line) = (self.members.clone(), Arc::new(line));
                for member in &to {
                    self.outputs.push_back(SharedOutput::To(*member, Arc::clone(&line)));
                }
                self.outputs.push_back(SharedOutput::Happened(Spread { to, line }));
            }
            SharedInput::Time => {}
        }
    }

    fn poll(&mut self) -> SharedOutput<Line, Spread> {
        self.outputs.pop_front().unwrap_or(SharedOutput::Wait(None))
    }
}

/// Tells the room each line, and its peer what the room says.
#[derive(Default)]
struct Talker {
    heard: Vec<u8>,
    outputs: VecDeque<Output<Infallible, (), Line>>,
}

impl Machine for Talker {
    type Question = Infallible;
    type Answer = Infallible;
    type Event = ();
    type Tell = Line;
    type Told = Line;

    fn handle(&mut self, _: Tick, input: Input<'_, Infallible, Line>) {
        match input {
            Input::Bytes(bytes) => {
                for piece in bytes.split_inclusive(|&b| b == b'\n') {
                    self.heard.extend_from_slice(piece);
                    if piece.ends_with(b"\n") {
                        let line = std::mem::take(&mut self.heard);
                        self.outputs.push_back(Output::Tell(Line(line)));
                    }
                }
            }
            Input::Told(Line(line)) => self.outputs.push_back(Output::Transmit(line.clone())),
            Input::End => self.outputs.push_back(Output::Close(Fault::Nobody)),
            Input::Answer(_, never) => match never {},
            Input::Time => {}
        }
    }

    fn poll(&mut self) -> Output<Infallible, (), Line> {
        self.outputs.pop_front().unwrap_or(Output::Wait(None))
    }
}

/// A caller who says some lines; some end their side.
fn caller(seed: &mut Seed, number: usize) -> Script {
    let mut steps = Vec::new();
    for i in 0..=seed.below(9) {
        let line = format!("{number}: line {i} {}\n", "x".repeat(seed.below(100)));
        let after = seed.span_below(Duration::from_millis(50));
        steps.push(Step::after(after, Action::Bytes(line.into_bytes())));
    }
    if seed.one_in(3) {
        steps.push(Step::after(seed.span_below(Duration::from_secs(1)), Action::End));
    }
    Script::new(steps)
}

fn holds(cut: Chance, seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let members = 2 + seed.below(5);
    let mut callers: Vec<Script> = (0..members).map(|number| caller(seed, number)).collect();
    let mut servers: Vec<_> =
        (0..members).map(|_| Driven::without_worker(Talker::default())).collect();
    let mut room = Shared::new(Room::default());
    let queue_max = 1 + seed.below(10);
    let turn = Duration::ZERO..Duration::from_micros(1 + seed.below(2_000) as u64);
    let rules = Rules { mailbox_max_bytes: 1_000_000, ..Rules::drawn(seed).with_cuts(cut) };
    let mut streams = Streams::new(seed.fork()).with_owner(&mut room, queue_max, turn);
    for (caller, server) in callers.iter_mut().zip(&mut servers) {
        let at = Tick::START + seed.span_below(Duration::from_millis(100));
        streams.connect(at, &rules, caller, server);
    }
    streams.run(trace);
    for (number, caller) in callers.iter().enumerate() {
        let member = Member(number as u64);
        let told: Vec<u8> = room
            .events()
            .iter()
            .filter(|spread| spread.to.contains(&member))
            .flat_map(|spread| spread.line.0.clone())
            .collect();
        if !told.starts_with(caller.heard()) {
            return Err(format!("{member:?} did not hear what the room said, in its order"));
        }
        let may_miss = caller.is_lost() || servers[number].run().closed.is_some();
        if !may_miss && caller.heard() != told {
            return Err(format!(
                "{member:?} heard {} of {} bytes",
                caller.heard().len(),
                told.len()
            ));
        }
    }
    Ok(())
}

/// Early in some runs, late in others.
fn cut(seed: &mut Seed) -> Chance {
    *seed.pick(&[Chance::percent(5), Chance::one_in(200), Chance::one_in(2_000)])
}

#[test]
fn everybody_hears_everything_in_one_order() {
    explore("room", |seed, trace| holds(Chance::NEVER, seed, trace));
}

#[test]
fn who_is_cut_heard_the_beginning_and_the_others_all() {
    explore("room, cut", |seed, trace| holds(cut(seed), seed, trace));
}

/// The one who does not read holds nobody up: its mailbox overflows, and the room cuts it.
#[test]
fn who_reads_nothing_is_cut_and_holds_nobody_up() {
    explore("room with one who does not read", |seed, trace| {
        let mut callers = [
            Script::new([Step::now(Action::StopReading)]),
            Script::new((0..50).map(|i| {
                let line = format!("{i} {}\n", "x".repeat(1_000)).into_bytes();
                Step::after(Duration::from_millis(100), Action::Bytes(line))
            })),
        ];
        let mut servers = [(); 2].map(|()| Driven::without_worker(Talker::default()));
        let mut room = Shared::new(Room::default());
        let mut rules = Rules { mailbox_max_bytes: 10_000, ..Rules::drawn(seed) };
        rules.back.window_bytes = rules.back.window_bytes.min(10_000);
        rules.output_max_bytes = rules.output_max_bytes.min(10_000);
        for pipe in [&mut rules.there, &mut rules.back] {
            pipe.segment_max_bytes = pipe.segment_max_bytes.max(100);
            pipe.read_max_bytes = pipe.read_max_bytes.max(100);
            pipe.window_bytes = pipe.window_bytes.max(1_000);
            pipe.delay = Duration::ZERO..Duration::from_millis(1);
            pipe.read_delay = Duration::ZERO..Duration::from_millis(1);
        }
        rules.mail_delay = Duration::ZERO..Duration::from_millis(1);
        let turn = Duration::ZERO..Duration::from_millis(1);
        let mut streams = Streams::new(seed.fork()).with_owner(&mut room, 10, turn);
        for (caller, server) in callers.iter_mut().zip(&mut servers) {
            streams.connect(Tick::START, &rules, caller, server);
        }
        streams.run(trace);
        let waited_most = streams.output_peak_bytes(Member(0));
        let said: usize = room.events().iter().map(|spread| spread.line.0.len()).sum();
        let got = (callers[0].is_lost(), callers[1].is_lost(), callers[1].heard().len());
        // One line more than the bound may have to wait: it was taken when there was room.
        if got == (true, false, said) && waited_most <= rules.output_max_bytes + 1_010 {
            return Ok(());
        }
        Err(format!("(cut, other cut, heard) is {got:?} of {said}; {waited_most} bytes waited"))
    });
}
