//! Echo over faulty connections: the same bytes back, or the fixed reply to each message.

use sockeye_proto::echo::{Echo, FixedReply};
use sockeye_proto::limits::PAUSE;
use sockeye_proto::machine::{Fault, Tick};
use sockeye_proto::text::dialogue::Dialogue;
use sockeye_proto::text::framing::{Framer, Framing};
use sockeye_sim::reference::conversation::check;
use sockeye_sim::reference::peer::{odd_message, talk};
use sockeye_sim::seed::{Chance, Seed};
use sockeye_sim::stream::{Action, Driven, Logged, Rules, Script, Step, Streams};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore};

fn echo_holds(cut: Chance, seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let steps = talk(seed, odd_message);
    let sent: Vec<u8> = steps.iter().flat_map(|step| bytes_of(step).to_vec()).collect();
    let ends = steps.iter().any(|step| step.action == Action::End);
    let mut caller = Script::new(steps);
    let mut server = Driven::without_worker(Echo::default());
    let rules = Rules::drawn(seed).with_cuts(cut);
    let mut streams = Streams::new(seed.fork());
    let member = streams.connect(Tick::START, &rules, &mut caller, &mut server);
    streams.run(trace);
    let waited_most = streams.output_peak_bytes(member);

    let read: Vec<u8> =
        server.run().log.iter().flat_map(|(_, logged)| read_of(logged).to_vec()).collect();
    if server.run().transmitted != read {
        return Err("what was transmitted is not what was read".into());
    }
    // One read more than the bound may have to wait: it was begun when there was room.
    if waited_most > rules.output_max_bytes.saturating_add(rules.there.window_bytes) {
        return Err(format!("{waited_most} bytes waited to be sent"));
    }
    if caller.is_lost() {
        let is_begun = sent.starts_with(caller.heard());
        return if is_begun { Ok(()) } else { Err("what came back is not how it began".into()) };
    }
    if caller.heard() != sent {
        return Err(format!("{} bytes came back of {}", caller.heard().len(), sent.len()));
    }
    let closed = server.run().closed.map(|(_, fault)| fault);
    let wanted = ends.then_some(Fault::Nobody);
    if closed == wanted { Ok(()) } else { Err(format!("closed with {closed:?}, not {wanted:?}")) }
}

fn bytes_of(step: &Step) -> &[u8] {
    if let Action::Bytes(bytes) = &step.action { bytes } else { &[] }
}

fn read_of(logged: &Logged) -> &[u8] {
    if let Logged::Read(bytes) = logged { bytes } else { &[] }
}

fn fixed_reply_holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    const REPLY: &str = "Hello TCP Client";
    let mut caller = Script::new(talk(seed, odd_message));
    let machine = Dialogue::new(FixedReply(REPLY.into()), Framer::default());
    let mut server = Driven::without_worker(machine);
    let rules = Rules::drawn(seed);
    let mut streams = Streams::new(seed.fork());
    streams.connect(Tick::START, &rules, &mut caller, &mut server);
    streams.run(trace);
    check(&server.run().log, Framing::Auto, PAUSE, |_| Some(REPLY.into()))?;
    if server.run().transmitted == caller.heard() {
        Ok(())
    } else {
        Err("what was said is not what came".into())
    }
}

/// Early in some runs, late in others.
fn cut(seed: &mut Seed) -> Chance {
    *seed.pick(&[Chance::percent(5), Chance::one_in(200), Chance::one_in(2_000)])
}

#[test]
fn the_same_bytes_come_back_whatever_the_cuts_and_the_end_closes() {
    explore("echo", |seed, trace| echo_holds(Chance::NEVER, seed, trace));
}

#[test]
fn of_a_connection_that_is_cut_the_beginning_came_back() {
    explore("echo, cut", |seed, trace| echo_holds(cut(seed), seed, trace));
}

#[test]
fn a_fixed_reply_answers_each_message_in_kind() {
    explore("echo with a fixed reply", fixed_reply_holds);
}

#[test]
fn a_peer_that_sends_and_never_reads_is_soon_no_longer_read() {
    explore("echo to a peer that does not read", |seed, trace| {
        let flood = Step::now(Action::Bytes(vec![b'x'; 300_000]));
        let mut caller = Script::new([Step::now(Action::StopReading), flood]);
        let mut server = Driven::without_worker(Echo::default());
        let mut rules = Rules::drawn(seed);
        // The bounds are reached sooner by more bytes at once.
        let there = &mut rules.there;
        there.segment_max_bytes = there.segment_max_bytes.max(1_000);
        there.read_max_bytes = there.read_max_bytes.max(1_000);
        there.window_bytes = there.window_bytes.max(1_000);
        let mut streams = Streams::new(seed.fork());
        let member = streams.connect(Tick::START, &rules, &mut caller, &mut server);
        streams.run(trace);
        let waited_most = streams.output_peak_bytes(member);
        let bound = rules.output_max_bytes + rules.there.window_bytes;
        if waited_most <= bound && caller.heard().is_empty() {
            Ok(())
        } else {
            Err(format!("{waited_most} bytes waited, at most {bound} may"))
        }
    });
}
