//! Everybody is told everything, in one order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use sockeye_engine::drive::{Driver, HallLimits};

use super::house::{Caller, House, on_each_driver};
use super::room::Note;

/// Some callers each say some lines, all at once. Returns what each heard.
fn all_talk(callers: Vec<Caller>, lines: usize) -> Vec<Vec<String>> {
    let all = callers.len() * lines;
    let talk = |(number, mut caller): (usize, Caller)| {
        std::thread::spawn(move || {
            let mut mouth = caller.stream.try_clone().unwrap();
            let writer = std::thread::spawn(move || {
                for line in 0..lines {
                    mouth.write_all(format!("{number} {line}\n").as_bytes()).unwrap();
                }
            });
            let heard = caller.hear_lines(all);
            writer.join().unwrap();
            heard
        })
    };
    let threads: Vec<_> = callers.into_iter().enumerate().map(talk).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn assert_one_order(heard: &[Vec<String>], lines: usize, driver: Driver) {
    for other in &heard[1..] {
        assert!(heard[0] == *other, "{driver:?}: two callers heard different orders");
    }
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &heard[0] {
        let (number, at) = line.trim_end().split_once(' ').unwrap();
        let next = next.entry(number).or_default();
        assert_eq!(at.parse(), Ok(*next), "{driver:?}: {number} said that");
        *next += 1;
    }
    assert_eq!(next.len(), heard.len(), "{driver:?}");
    assert!(next.values().all(|said| *said == lines), "{driver:?}: {next:?}");
}

#[test]
fn everybody_is_told_everything_in_one_order() {
    on_each_driver(|driver| {
        let house = House::start(driver, 1, HallLimits::default());
        let callers = (0..12).map(|_| house.join().0).collect();
        assert_one_order(&all_talk(callers, 2_000), 2_000, driver);
        house.end();
    });
}

#[test]
fn a_queue_with_hardly_any_room_loses_nothing() {
    on_each_driver(|driver| {
        let limits =
            HallLimits { queue_max_messages: 2, queue_max_bytes: 16, ..HallLimits::default() };
        let house = House::start(driver, 1, limits);
        let callers = (0..8).map(|_| house.join().0).collect();
        assert_one_order(&all_talk(callers, 1_000), 1_000, driver);
        house.end();
    });
}

#[test]
fn several_listeners_share_one_room() {
    on_each_driver(|driver| {
        let house = House::start(driver, 3, HallLimits::default());
        let callers: Vec<Caller> =
            house.server.addresses.iter().map(|a| Caller::connect(*a)).collect();
        for _ in &callers {
            assert!(matches!(house.note(), Note::Joined(_)));
        }
        assert_one_order(&all_talk(callers, 500), 500, driver);
        house.end();
    });
}

#[test]
fn each_joins_once_and_leaves_once_and_its_last_words_come_before_that() {
    on_each_driver(|driver| {
        let house = House::start(driver, 1, HallLimits::default());
        let (mut ana, ana_is) = house.join();
        let (mut ben, ben_is) = house.join();
        ben.say("bye\nhold\n");
        ben.end();
        assert_eq!(house.note(), Note::Held, "{driver:?}");
        house.release();
        assert_eq!(house.note(), Note::Left { member: ben_is, here: 1 }, "{driver:?}");
        assert_eq!(ana.hear_lines(2), ["bye\n", "hold\n"], "{driver:?}");
        // The end is a reset if it comes before the last line was read; nothing is asked of it.
        let (cora, cora_is) = house.join();
        drop(cora);
        assert_eq!(house.note(), Note::Left { member: cora_is, here: 1 }, "{driver:?}");
        drop(ana);
        assert_eq!(house.note(), Note::Left { member: ana_is, here: 0 }, "{driver:?}");
        assert_eq!(house.end(), [], "{driver:?}");
    });
}

#[test]
fn many_last_words_all_find_room() {
    on_each_driver(|driver| {
        let limits = HallLimits { queue_max_messages: 3, ..HallLimits::default() };
        let house = House::start(driver, 1, limits);
        let (mut ana, _) = house.join();
        let (mut ben, member) = house.join();
        let words: Vec<String> = (0..2_000).map(|word| format!("{word}\n")).collect();
        ben.say(&words.concat());
        ben.end();
        assert_eq!(ana.hear_lines(2_000), words, "{driver:?}");
        assert_eq!(house.note(), Note::Left { member, here: 1 }, "{driver:?}");
        drop((ana, ben));
        house.end();
    });
}

#[test]
fn the_rooms_own_deadline_comes_while_nobody_speaks_and_while_others_do() {
    on_each_driver(|driver| {
        let house = House::start(driver, 1, HallLimits::default());
        let (mut ana, _) = house.join();
        let (mut ben, _) = house.join();
        ana.say("tick\n");
        assert_eq!(ben.hear_lines(2), ["tick\n", "tock\n"], "{driver:?}");
        ben.say("tick\n");
        while ana.hear() != "tock\n" {}
        // A room that is spoken to without pause is told the time all the same.
        ben.say("tick\n");
        let mut said = 0;
        loop {
            ana.say("more\n");
            said += 1;
            let heard = ana.hear();
            if heard == "tock\n" && said > 1 {
                break;
            }
        }
        drop((ana, ben));
        house.end();
    });
}

#[test]
fn a_stop_ends_all_while_some_talk_and_some_idle() {
    on_each_driver(|driver| {
        let house = House::start(driver, 2, HallLimits::default());
        let mut idle: Vec<Caller> = (0..5).map(|_| house.join().0).collect();
        let (mut talker, _) = house.join();
        talker.say("hello\n");
        for caller in &mut idle {
            assert_eq!(caller.hear(), "hello\n", "{driver:?}");
        }
        house.server.ask_to_stop();
        for caller in &mut idle {
            assert_eq!(caller.hear_to_the_end(), (Vec::new(), true), "{driver:?}");
        }
        drop((idle, talker));
        let left = house.end();
        let here: Vec<usize> = left
            .iter()
            .map(|note| match note {
                Note::Left { here, .. } => *here,
                other => panic!("{driver:?}: {other:?}"),
            })
            .collect();
        assert_eq!(here, [5, 4, 3, 2, 1, 0], "{driver:?}");
    });
}

/// One caller's visits: it comes, says some lines, and goes in one of many ways, by a seed.
fn visits(number: usize, addresses: &[SocketAddr]) {
    let mut seed = number as u64 + 1;
    let mut draw = |below: u64| {
        // Knuth's MMIX generator; the high bits are the good ones.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for visit in 0..VISITS {
        let mut caller = Caller::connect(addresses[draw(2) as usize]);
        let lines: Vec<String> =
            (0..draw(100)).map(|line| format!("{number}.{visit} {line}\n")).collect();
        caller.say(&lines.concat());
        match draw(4) {
            0 => caller.end(),
            1 => caller.say("half a li"),
            2 => {
                // A reset, also of what has not been read on either side.
                let socket = socket2::SockRef::from(&caller.stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
            _ if lines.is_empty() => {}
            _ => drop(caller.hear()),
        }
    }
}

const VISITORS: usize = 10;
const VISITS: usize = 20;

#[test]
fn after_many_comings_and_goings_the_room_knows_nobody() {
    on_each_driver(|driver| {
        let limits = HallLimits { queue_max_messages: 16, ..HallLimits::default() };
        let house = House::start(driver, 2, limits);
        let (mut host, host_is) = house.join();
        let door = host.stream.try_clone().unwrap();
        let hears = std::thread::spawn(move || host.hear_to_the_end());
        let visitors: Vec<_> = (0..VISITORS)
            .map(|number| {
                let addresses = house.server.addresses.clone();
                std::thread::spawn(move || visits(number, &addresses))
            })
            .collect();
        let (mut joined, mut left) = (BTreeSet::new(), BTreeSet::new());
        while left.len() < VISITORS * VISITS {
            let is_new = match house.note() {
                Note::Joined(member) => joined.insert(member),
                Note::Left { member, .. } => left.insert(member),
                other => panic!("{driver:?}: {other:?}"),
            };
            assert!(is_new, "{driver:?}: twice");
        }
        for visitor in visitors {
            visitor.join().unwrap();
        }
        assert_eq!(joined, left, "{driver:?}");
        door.shutdown(Shutdown::Write).unwrap();
        assert_eq!(house.note(), Note::Left { member: host_is, here: 0 }, "{driver:?}");
        let (heard, in_order) = hears.join().unwrap();
        drop(door);
        assert!(in_order, "{driver:?}");
        assert_each_visit_in_order(&String::from_utf8(heard).unwrap(), driver);
        assert_eq!(house.end(), [], "{driver:?}");
    });
}

/// Of each visit, the lines from the first to some last one, in order.
fn assert_each_visit_in_order(heard: &str, driver: Driver) {
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for line in heard.lines() {
        let (visit, at) = line.split_once(' ').unwrap();
        let next = next.entry(visit).or_default();
        assert_eq!(at.parse(), Ok(*next), "{driver:?}: {visit}");
        *next += 1;
    }
    assert!(!next.is_empty(), "{driver:?}: nobody was heard");
}
