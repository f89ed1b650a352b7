use super::*;

fn at(ms: u64) -> Tick {
    Tick::from_ns(ms * 1_000_000)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn roster_of(many: usize) -> (Roster, Vec<Sibling>) {
    let mut roster = Roster::default();
    let siblings = (0..many).map(|_| roster.add(at(0), Origin::Named).unwrap()).collect();
    (roster, siblings)
}

fn fail_times(roster: &mut Roster, sibling: Sibling, times: u64, from_ms: u64) {
    for time in 0..times {
        let now = at(from_ms + 10 * time);
        roster.failed(now, sibling, now);
    }
}

#[test]
fn the_round_trip_is_smoothed_and_gives_the_deadline() {
    let (mut roster, siblings) = roster_of(1);
    let [sibling] = siblings[..] else { unreachable!() };
    assert_eq!(roster.probe_deadline(sibling), ms(250));
    for (sample, smoothed, deadline) in [
        (ms(80), ms(80), ms(160)),
        (ms(160), ms(90), ms(180)),
        (ms(10), ms(80), ms(160)),
        (ms(8_000), ms(1_070), ms(250)),
    ] {
        roster.answered(at(0), sibling, Some(sample));
        assert_eq!(roster.round_trip(sibling), Some(smoothed));
        assert_eq!(roster.probe_deadline(sibling), deadline);
    }
    roster.answered(at(0), sibling, None);
    assert_eq!(roster.round_trip(sibling), Some(ms(1_070)));
    for _ in 0..100 {
        roster.answered(at(0), sibling, Some(Duration::from_micros(200)));
    }
    assert_eq!(roster.probe_deadline(sibling), ms(20));
}

#[test]
fn three_failures_in_a_row_leave_a_sibling_out_and_an_answer_lets_it_in() {
    let (mut roster, siblings) = roster_of(2);
    let [failing, other] = siblings[..] else { unreachable!() };
    fail_times(&mut roster, failing, 2, 0);
    roster.answered(at(20), failing, None);
    fail_times(&mut roster, failing, 2, 30);
    assert!(!roster.is_left_out(failing), "two, twice");
    fail_times(&mut roster, failing, 1, 60);
    assert!(roster.is_left_out(failing));
    assert!(!roster.is_left_out(other));
    roster.answered(at(70), failing, Some(ms(1)));
    assert!(!roster.is_left_out(failing));
    assert_eq!(roster.next_due(), None);
}

#[test]
fn failures_of_one_pause_count_once() {
    let (mut roster, siblings) = roster_of(1);
    let [sibling] = siblings[..] else { unreachable!() };
    for question in 0..200 {
        roster.failed(at(250 + question), sibling, at(question));
    }
    assert!(!roster.is_left_out(sibling));
    roster.failed(at(900), sibling, at(500));
    roster.failed(at(1_200), sibling, at(950));
    assert!(roster.is_left_out(sibling));
}

#[test]
fn who_is_left_out_is_tried_once_in_five_seconds() {
    let (mut roster, siblings) = roster_of(2);
    fail_times(&mut roster, siblings[0], 3, 0);
    assert_eq!(roster.next_due(), Some(at(5_020)));
    assert_eq!(roster.due(at(5_019)), []);
    assert_eq!(roster.due(at(5_020)), [siblings[0]]);
    assert_eq!(roster.due(at(5_020)), [], "once");
    roster.failed(at(5_300), siblings[0], at(5_020));
    assert_eq!(roster.next_due(), Some(at(10_020)));
    assert_eq!(roster.due(at(10_020)), [siblings[0]]);
    roster.answered(at(10_021), siblings[0], None);
    assert_eq!((roster.next_due(), roster.due(at(99_000))), (None, Vec::new()));
}

#[test]
fn who_was_found_is_forgotten_after_a_minute_of_silence_and_who_was_named_never() {
    let mut roster = Roster::default();
    let named = roster.add(at(0), Origin::Named).unwrap();
    let found = roster.add(at(0), Origin::Found).unwrap();
    assert_eq!(roster.next_due(), Some(at(60_000)));
    roster.heard(found, at(5_000));
    roster.answered(at(7_000), found, None);
    roster.heard(found, at(6_000));
    assert_eq!(roster.silent(at(66_999)), []);
    assert_eq!(roster.next_due(), Some(at(67_000)));
    assert_eq!(roster.silent(at(67_000)), [found]);
    roster.remove(found);
    assert_eq!((roster.silent(at(67_000)), roster.next_due()), (Vec::new(), None));
    assert_eq!(roster.siblings().collect::<Vec<_>>(), [named]);
    assert_eq!((roster.origin(named), roster.origin(found)), (Some(Origin::Named), None));
}

#[test]
fn a_roster_is_full_at_its_bound_and_gives_nobodys_number_again() {
    let (mut roster, siblings) = roster_of(SIBLINGS_MAX);
    assert_eq!(roster.add(at(0), Origin::Found), Err(RosterFull));
    roster.remove(siblings[3]);
    let new = roster.add(at(0), Origin::Found).unwrap();
    assert!(!siblings.contains(&new), "{new}");
    assert!(RosterFull.to_string().contains(&SIBLINGS_MAX.to_string()));
}

#[test]
fn relays_are_bounded_for_each_sibling_and_in_all() {
    let (mut roster, siblings) = roster_of(RELAYS_MAX / SIBLING_RELAYS_MAX + 1);
    let Some((last, others)) = siblings.split_last() else { unreachable!() };
    for sibling in others {
        for _ in 0..SIBLING_RELAYS_MAX {
            assert_eq!(roster.begin_relay(*sibling), Ok(()));
        }
        assert_eq!(roster.begin_relay(*sibling), Err(Busy));
    }
    assert_eq!(roster.relays(), RELAYS_MAX);
    assert_eq!(roster.begin_relay(*last), Err(Busy), "it has none, but all have too many");
    roster.remove(others[0]);
    assert_eq!(roster.begin_relay(others[0]), Err(Busy), "it is not here");
    assert_eq!(roster.begin_relay(*last), Err(Busy), "what was begun goes on");
    roster.end_relay(others[0]);
    assert_eq!(roster.begin_relay(*last), Ok(()));
}

#[test]
fn who_had_it_comes_first_then_who_is_near_then_who_is_new() {
    let (mut roster, siblings) = roster_of(5);
    let [new, far, near, had, had_later] = siblings[..] else { unreachable!() };
    for (sibling, round_trip) in [(far, 90), (near, 2), (had, 200), (had_later, 201)] {
        roster.answered(at(0), sibling, Some(ms(round_trip)));
    }
    let path = PathMark::new("/a");
    roster.has(at(1), path, had);
    roster.has(at(2), path, had_later);
    roster.has(at(3), PathMark::new("/b"), new);
    let mut order = siblings.clone();
    order.sort_by_key(|sibling| roster.rank(path, *sibling));
    assert_eq!(order, [had_later, had, near, far, new]);
}

#[test]
fn what_a_sibling_had_is_lately_for_ten_seconds() {
    let (mut roster, siblings) = roster_of(1);
    let [sibling] = siblings[..] else { unreachable!() };
    let path = PathMark::new("/a");
    roster.has(at(0), path, sibling);
    assert!(roster.lately_had(at(9_999), path, sibling));
    assert!(!roster.lately_had(at(10_000), path, sibling));
    assert!(!roster.lately_had(at(0), PathMark::new("/b"), sibling));
    roster.has_not(path, sibling);
    assert!(!roster.lately_had(at(0), path, sibling));
    roster.has(at(0), path, sibling);
    roster.remove(sibling);
    assert!(!roster.lately_had(at(0), path, sibling));
}

#[test]
fn that_nobody_has_it_is_believed_for_two_seconds_or_until_something_appears() {
    let (mut roster, siblings) = roster_of(1);
    let path = PathMark::new("/a");
    roster.nobody_has(at(0), path);
    assert!(roster.does_nobody_have(at(1_999), path));
    assert!(!roster.does_nobody_have(at(2_000), path));
    roster.appeared("/b");
    assert!(roster.does_nobody_have(at(0), path));
    roster.appeared("/a");
    assert!(!roster.does_nobody_have(at(0), path));
    roster.nobody_has(at(0), path);
    roster.has(at(0), path, siblings[0]);
    assert!(!roster.does_nobody_have(at(0), path), "a sibling has it");
    roster.nobody_has(at(0), path);
    assert!(!roster.does_nobody_have(at(0), path), "who has it is believed");
    roster.has_not(path, siblings[0]);
    roster.nobody_has(at(0), path);
    assert!(roster.does_nobody_have(at(0), path));
    roster.add(at(0), Origin::Found).unwrap();
    assert!(!roster.does_nobody_have(at(0), path), "a new sibling may");
}

#[test]
fn what_is_remembered_of_strange_paths_is_bounded() {
    let (mut roster, siblings) = roster_of(1);
    for number in 0..2 * SIBLING_HAD_MAX as u64 {
        roster.has(at(number), PathMark::new(&format!("/{number}")), siblings[0]);
        roster.nobody_has(at(number), PathMark::new(&format!("/no/{number}")));
    }
    assert_eq!((roster.had.len(), roster.nobody.len()), (SIBLING_HAD_MAX, NOBODY_HAS_MAX));
}
