use std::time::Duration;

use super::*;
use crate::limits::{RELAYS_MAX, SIBLING_RELAYS_MAX};
use crate::siblings::roster::Origin;

/// A question to some siblings, at a time that the test moves.
struct Asking {
    roster: Roster,
    siblings: Vec<Sibling>,
    search: Search,
    now: Tick,
}

const HAS: Reply = Reply::Has;
const HAS_NOT: Reply = Reply::HasNot;
const REFUSED: Reply = Reply::Trouble(Trouble::ConnectionRefused);

fn at(ms: u64) -> Tick {
    Tick::from_ns(ms * 1_000_000)
}

/// Siblings that have answered once, each in 2 ms more than the one before: 2, 4, 6...
fn measured(many: u64) -> (Roster, Vec<Sibling>) {
    let mut roster = Roster::default();
    let siblings: Vec<_> = (0..many).map(|_| roster.add(at(0), Origin::Named).unwrap()).collect();
    for (sibling, nth) in siblings.iter().zip(1..) {
        roster.answered(at(0), *sibling, Some(Duration::from_millis(2 * nth)));
    }
    (roster, siblings)
}

impl Asking {
    fn get(many: u64) -> Self {
        let (roster, siblings) = measured(many);
        Self::with(roster, siblings, Kind::Get)
    }

    fn with(mut roster: Roster, siblings: Vec<Sibling>, kind: Kind) -> Self {
        let search = Search::new(&mut roster, at(0), "/b.mkv", kind);
        Self { roster, siblings, search, now: at(0) }
    }

    /// The same siblings, later, asked for the same.
    fn again(self, ms: u64, kind: Kind) -> Self {
        let Self { mut roster, siblings, .. } = self;
        let now = at(ms);
        let search = Search::new(&mut roster, now, "/b.mkv", kind);
        Self { roster, siblings, search, now }
    }

    /// All that is to be done now, but the wait.
    fn actions(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        loop {
            match self.search.next(&mut self.roster, self.now) {
                Action::Wait(_) => return actions,
                done @ Action::Done(_) => {
                    actions.push(done);
                    return actions;
                }
                action => actions.push(action),
            }
        }
    }

    fn wait(&mut self) -> Option<Tick> {
        match self.search.next(&mut self.roster, self.now) {
            Action::Wait(until) => until,
            other => panic!("{other:?}"),
        }
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.search.handle(&mut self.roster, self.now, event);
        self.actions()
    }

    fn at(&mut self, ms: u64) -> Vec<Action> {
        self.now = at(ms);
        self.tell(Event::Time)
    }

    fn probed(&mut self, sibling: usize, reply: Reply) -> Vec<Action> {
        self.tell(Event::Probed(self.siblings[sibling], reply))
    }

    fn fetched(&mut self, sibling: usize, reply: Reply) -> Vec<Action> {
        self.tell(Event::Fetched(self.siblings[sibling], reply))
    }

    fn broke(&mut self, passed: u64) -> Vec<Action> {
        self.tell(Event::Broke { passed, may_resume: true })
    }
}

fn probe(sibling: u32) -> Action {
    Action::Probe(Sibling(sibling))
}

fn fetch(from: u32) -> Action {
    Action::Fetch { from: Sibling(from), resume_at: None }
}

fn resume(from: u32, at: u64) -> Action {
    Action::Fetch { from: Sibling(from), resume_at: Some(at) }
}

fn abandon(sibling: u32) -> Action {
    Action::Abandon(Sibling(sibling))
}

fn unreached<const MANY: usize>(who: [(u32, Trouble); MANY]) -> Action {
    let who = who.map(|(sibling, trouble)| (Sibling(sibling), trouble));
    Action::Done(Verdict::Unreached(who.to_vec()))
}

const NOBODY: Action = Action::Done(Verdict::Nobody);
const WHOLE: Action = Action::Done(Verdict::Whole);
const BROKEN: Action = Action::Done(Verdict::Broken);

#[test]
fn the_nearest_three_are_asked_at_once_and_the_next_when_one_has_answered() {
    let mut asking = Asking::get(5);
    assert_eq!(asking.actions(), [probe(0), probe(1), probe(2)]);
    assert_eq!(asking.probed(1, HAS_NOT), [probe(3)]);
    assert_eq!(asking.probed(1, HAS_NOT), [], "twice is no answer of another");
    assert_eq!(asking.probed(0, REFUSED), [probe(4)]);
    assert_eq!(asking.probed(2, HAS_NOT), []);
}

#[test]
fn the_first_that_has_it_is_fetched_from_and_the_others_are_let_go() {
    let mut asking = Asking::get(3);
    asking.actions();
    assert_eq!(asking.probed(2, HAS), [fetch(2)]);
    assert_eq!(asking.probed(0, HAS_NOT), [], "the others are still listened to");
    assert_eq!(asking.fetched(2, HAS), [abandon(1)]);
    assert_eq!(asking.probed(1, HAS), [], "what was let go is not");
    assert_eq!(asking.tell(Event::Progress), []);
    assert_eq!(asking.roster.relays(), 1);
    assert_eq!(asking.tell(Event::Ended), [WHOLE]);
    assert_eq!(asking.roster.relays(), 0);
    assert_eq!(asking.fetched(0, HAS), [WHOLE], "and so it stays");
}

#[test]
fn a_head_is_answered_by_the_first_probe_that_has_it() {
    let (roster, siblings) = measured(3);
    let mut asking = Asking::with(roster, siblings, Kind::Head);
    asking.actions();
    let found = Action::Done(Verdict::Found(Sibling(1)));
    assert_eq!(asking.probed(1, HAS), [abandon(0), abandon(2), found]);
    assert_eq!(asking.roster.relays(), 0);
}

#[test]
fn who_had_it_lately_is_asked_by_get_at_once() {
    let mut asking = Asking::get(3);
    asking.actions();
    asking.probed(2, HAS);
    asking.fetched(2, HAS);
    asking.tell(Event::Ended);
    let mut asking = asking.again(9_999, Kind::Get);
    assert_eq!(asking.actions(), [fetch(2)]);
    assert_eq!(asking.fetched(2, HAS_NOT), [probe(0), probe(1)], "it is asked no second time");
    asking.probed(0, HAS_NOT);
    assert_eq!(asking.probed(1, HAS_NOT), [NOBODY]);
}

#[test]
fn who_had_it_longer_ago_is_only_the_first_that_is_asked() {
    let mut asking = Asking::get(5);
    asking.actions();
    asking.probed(2, HAS);
    let mut asking = asking.again(10_000, Kind::Get);
    assert_eq!(asking.actions(), [probe(2), probe(0), probe(1)]);
    let mut asking = asking.again(9_000, Kind::Head);
    assert_eq!(asking.actions(), [probe(2), probe(0), probe(1)], "a head is a probe anyway");
}

#[test]
fn a_probe_past_its_deadline_lets_the_next_begin_and_its_late_answer_counts() {
    let mut asking = Asking::get(4);
    assert_eq!(asking.actions(), [probe(0), probe(1), probe(2)]);
    assert_eq!(asking.wait(), Some(at(20)), "twice 2 ms is less than the least");
    assert_eq!(asking.at(19), []);
    assert_eq!(asking.at(20), [probe(3)]);
    assert_eq!(asking.probed(1, HAS), [fetch(1)]);
    asking.now = at(30);
    assert_eq!(asking.fetched(1, HAS_NOT), []);
    assert_eq!(asking.probed(0, HAS), [fetch(0)]);
}

#[test]
fn who_is_late_is_waited_for_when_nobody_else_is_left() {
    let mut asking = Asking::get(2);
    asking.actions();
    asking.probed(1, HAS_NOT);
    assert_eq!(asking.at(20), []);
    assert_eq!(asking.wait(), Some(at(250)));
    asking.now = at(249);
    assert_eq!(asking.probed(0, HAS_NOT), [NOBODY]);
    let late = Duration::from_millis(2) * 7 / 8 + Duration::from_millis(249) / 8;
    let measured = asking.roster.round_trip(Sibling(0)).unwrap();
    assert!(measured.abs_diff(late) < Duration::from_micros(1), "{measured:?} {late:?}");
}

#[test]
fn nobody_has_it_only_if_all_have_said_so() {
    let mut asking = Asking::get(3);
    asking.actions();
    asking.probed(0, HAS_NOT);
    asking.probed(1, Reply::Trouble(Trouble::Denied));
    assert_eq!(asking.at(20), []);
    let silent = [(1, Trouble::Denied), (2, Trouble::ResponseTimeout)];
    assert_eq!(asking.at(250), [abandon(2), unreached(silent)]);
    let mut asking = asking.again(300, Kind::Get);
    asking.actions();
    asking.probed(0, HAS_NOT);
    asking.probed(1, HAS_NOT);
    assert_eq!(asking.probed(2, HAS_NOT), [NOBODY]);
}

#[test]
fn without_siblings_nobody_has_it() {
    assert_eq!(Asking::get(0).actions(), [NOBODY]);
}

#[test]
fn that_nobody_has_it_is_told_for_two_seconds_without_asking() {
    let mut asking = Asking::get(1);
    asking.actions();
    assert_eq!(asking.probed(0, HAS_NOT), [NOBODY]);
    let mut asking = asking.again(1_999, Kind::Head);
    assert_eq!(asking.actions(), [NOBODY]);
    asking.roster.appeared("/b.mkv");
    let mut asking = asking.again(1_999, Kind::Head);
    assert_eq!(asking.actions(), [probe(0)]);
    asking.probed(0, HAS_NOT);
    assert_eq!(asking.again(4_000, Kind::Get).actions(), [probe(0)]);
}

#[test]
fn that_nobody_has_it_is_not_remembered_when_another_question_saw_it() {
    let mut asking = Asking::get(2);
    asking.actions();
    asking.probed(0, HAS_NOT);
    asking.roster.has(at(1), PathMark::new("/b.mkv"), Sibling(0));
    assert_eq!(asking.probed(1, HAS_NOT), [NOBODY]);
    assert_eq!(asking.again(2, Kind::Get).actions(), [fetch(0)]);
}

#[test]
fn a_fetch_that_fails_before_its_first_byte_goes_on_with_the_others() {
    let mut asking = Asking::get(4);
    asking.actions();
    assert_eq!(asking.probed(1, HAS), [fetch(1)]);
    assert_eq!(asking.probed(0, HAS), []);
    assert_eq!(asking.fetched(1, REFUSED), [fetch(0)]);
    assert_eq!(asking.wait(), Some(at(20)), "the other probe is still awaited");
    assert_eq!(asking.at(999), []);
    assert_eq!(asking.wait(), Some(at(1_000)));
    assert_eq!(asking.at(1_000), [abandon(0), probe(3)]);
    assert_eq!(asking.probed(3, HAS), [fetch(3)]);
    assert_eq!(asking.probed(2, HAS), [], "a second late, while another is waited for");
    assert_eq!(asking.broke(0), [fetch(2)], "broken before its head");
    assert_eq!(asking.fetched(2, HAS), []);
    assert_eq!(asking.tell(Event::Ended), [WHOLE]);
    assert_eq!(asking.roster.relays(), 0);
}

#[test]
fn a_body_that_breaks_is_gone_on_with_from_who_has_the_same() {
    let mut asking = Asking::get(4);
    asking.actions();
    asking.probed(0, HAS);
    asking.fetched(0, HAS);
    assert_eq!(asking.broke(1_000), [probe(1), probe(2), probe(3)]);
    assert_eq!(asking.probed(2, HAS), [resume(2, 1_000)]);
    assert_eq!(asking.wait(), Some(at(20)));
    assert_eq!(asking.fetched(2, Reply::Other), []);
    assert_eq!(asking.probed(1, HAS), [resume(1, 1_000)]);
    asking.at(14_999);
    assert_eq!(asking.wait(), Some(at(15_000)), "it reads a thousand bytes first");
    assert_eq!(asking.fetched(1, HAS), [abandon(3)]);
    assert_eq!(asking.broke(3_000), [probe(3)], "neither who broke nor who has another content");
    assert_eq!(asking.probed(3, HAS), [resume(3, 3_000)]);
    asking.fetched(3, HAS);
    assert_eq!(asking.tell(Event::Ended), [WHOLE]);
}

#[test]
fn a_body_that_nobody_can_go_on_with_is_broken() {
    for how in [HAS_NOT, REFUSED, Reply::Other] {
        let mut asking = Asking::get(2);
        asking.actions();
        asking.probed(0, HAS);
        asking.fetched(0, HAS);
        assert_eq!(asking.broke(1_000), [probe(1)]);
        assert_eq!(asking.probed(1, how), [BROKEN], "{how:?}");
        assert_eq!(asking.roster.relays(), 0);
    }
    let mut asking = Asking::get(2);
    asking.actions();
    asking.probed(0, HAS);
    asking.fetched(0, HAS);
    assert_eq!(asking.tell(Event::Broke { passed: 1, may_resume: false }), [BROKEN]);
}

#[test]
fn a_body_may_pause_for_fifteen_seconds_and_last_as_long_as_it_likes() {
    let mut asking = Asking::get(2);
    asking.actions();
    asking.probed(0, HAS);
    asking.fetched(0, HAS);
    for second in (14..1_000).step_by(14) {
        assert_eq!(asking.at(1_000 * second), []);
        asking.tell(Event::Progress);
    }
    let last = asking.now;
    assert_eq!(asking.wait(), Some(last + SIBLING_BODY_IDLE));
    asking.now = last + SIBLING_BODY_IDLE;
    assert_eq!(asking.actions(), [abandon(0)]);
    assert_eq!(asking.wait(), None, "how much was passed on is yet to be told");
    assert_eq!(asking.roster.relays(), 0);
    assert_eq!(asking.broke(70), [probe(1)]);
}

#[test]
fn a_sibling_that_failed_three_times_is_not_asked_and_is_told_of() {
    let mut asking = Asking::get(2);
    for question in 0..3 {
        asking = asking.again(question * 1_000, Kind::Get);
        assert_eq!(asking.actions(), [probe(0), probe(1)]);
        asking.probed(0, REFUSED);
        let refused = unreached([(0, Trouble::ConnectionRefused)]);
        assert_eq!(asking.probed(1, HAS_NOT), [refused]);
    }
    let mut asking = asking.again(3_000, Kind::Get);
    assert_eq!(asking.actions(), [probe(1)]);
    assert_eq!(asking.probed(1, HAS_NOT), [unreached([(0, Trouble::LeftOut)])]);
    asking.roster.answered(at(5_000), Sibling(0), None);
    assert_eq!(asking.again(5_000, Kind::Get).actions(), [probe(0), probe(1)]);
}

#[test]
fn who_says_no_or_is_not_asked_has_not_failed() {
    let mut asking = Asking::get(1);
    for trouble in [Trouble::Denied, Trouble::Busy, Trouble::LeftOut] {
        for question in 0..4 {
            asking = asking.again(question, Kind::Get);
            asking.actions();
            asking.probed(0, Reply::Trouble(trouble));
        }
        assert!(!asking.roster.is_left_out(Sibling(0)), "{trouble:?}");
    }
}

#[test]
fn when_too_much_is_being_fetched_another_may_have_it_and_else_it_is_busy() {
    let mut asking = Asking::get(2);
    for _ in 0..SIBLING_RELAYS_MAX {
        asking.roster.begin_relay(Sibling(0)).unwrap();
    }
    asking.actions();
    assert_eq!(asking.probed(0, HAS), []);
    assert_eq!(asking.probed(1, HAS), [fetch(1)]);
    assert_eq!(asking.fetched(1, HAS_NOT), [Action::Done(Verdict::Busy)]);
    assert_eq!(asking.roster.relays(), SIBLING_RELAYS_MAX);
}

#[test]
fn who_stops_asking_gives_back_what_was_held() {
    for is_running in [false, true] {
        let mut asking = Asking::get(3);
        asking.actions();
        asking.probed(1, HAS);
        let mut abandoned = vec![abandon(0), abandon(2), abandon(1), BROKEN];
        if is_running {
            asking.fetched(1, HAS);
            abandoned.drain(..2);
        }
        asking.search.handle(&mut asking.roster, at(1), Event::Left);
        assert_eq!(asking.roster.relays(), 0, "at once");
        assert_eq!(asking.actions(), abandoned);
    }
}

#[test]
fn a_sibling_that_leaves_is_not_counted_and_one_that_comes_is_asked() {
    let mut asking = Asking::get(2);
    asking.actions();
    asking.probed(0, REFUSED);
    asking.roster.remove(Sibling(0));
    let new = asking.roster.add(at(1), Origin::Found).unwrap();
    assert_eq!(asking.probed(1, HAS_NOT), [Action::Probe(new)]);
    assert_eq!(asking.tell(Event::Probed(new, HAS_NOT)), [NOBODY]);
}

#[test]
fn events_that_belong_to_nothing_are_ignored() {
    let mut asking = Asking::get(2);
    assert_eq!(asking.actions(), [probe(0), probe(1)]);
    assert_eq!(asking.fetched(0, HAS), []);
    for event in [Event::Progress, Event::Ended, Event::Broke { passed: 9, may_resume: true }] {
        assert_eq!(asking.tell(event), []);
    }
    assert_eq!(asking.tell(Event::Probed(Sibling(77), HAS)), []);
    assert_eq!(asking.probed(0, HAS), [fetch(0)]);
    assert_eq!(asking.fetched(1, HAS), [], "another was asked");
    assert_eq!(asking.tell(Event::Ended), [], "a body without a head is none");
    assert_eq!(asking.probed(1, HAS), [fetch(1)]);
}

#[test]
fn a_second_and_a_third_that_lately_had_it_are_asked_by_get_too() {
    let mut asking = Asking::get(3);
    let path = PathMark::new("/b.mkv");
    for (sibling, ms) in [(2, 5), (0, 6)] {
        asking.roster.has(at(ms), path, Sibling(sibling));
    }
    let mut asking = asking.again(10, Kind::Get);
    assert_eq!(asking.actions(), [fetch(0)]);
    assert_eq!(asking.fetched(0, REFUSED), [fetch(2)]);
    assert_eq!(asking.fetched(2, REFUSED), [probe(1)]);
    assert!(RELAYS_MAX > asking.roster.relays());
}

#[test]
fn each_trouble_has_a_name_of_the_registry() {
    // RFC 9209 section 2.3.
    const NAMES: [&str; 7] = [
        "connection_refused",
        "connection_timeout",
        "http_response_timeout",
        "http_protocol_error",
        "proxy_configuration_error",
        "destination_unavailable",
        "connection_limit_reached",
    ];
    for trouble in [
        Trouble::ConnectionRefused,
        Trouble::ConnectionTimeout,
        Trouble::ResponseTimeout,
        Trouble::Protocol,
        Trouble::Denied,
        Trouble::Unavailable,
        Trouble::LeftOut,
        Trouble::Busy,
    ] {
        assert!(NAMES.contains(&trouble.proxy_error()), "{trouble:?}");
    }
}
