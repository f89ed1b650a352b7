//! Who does not read is cut, and holds nobody up.

use sockeye_engine::drive::{Driver, HallLimits};
use sockeye_proto::machine::Member;

use super::house::{Caller, House, on_each_driver};
use super::room::Note;

/// More than this in the way to a peer who reads nothing, and the test has lost its stage.
const SAID_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Talks, each line heard by all `others`, until a note says that somebody overflowed. Returns what
/// was said.
fn talk_until_overflow(
    house: &House,
    talker: &mut Caller,
    others: &mut [Caller],
    deaf: Member,
    driver: Driver,
) -> Vec<String> {
    let mut said = Vec::new();
    loop {
        let line = format!("{} {}\n", said.len(), "x".repeat(4_000));
        talker.say(&line);
        assert_eq!(talker.hear(), line, "{driver:?}");
        for other in &mut *others {
            assert_eq!(other.hear(), line, "{driver:?}: the others are told everything");
        }
        said.push(line);
        match house.poll_note() {
            None => {}
            Some(note) => {
                assert_eq!(note, Note::Overflow(deaf), "{driver:?}");
                return said;
            }
        }
        assert!(said.len() * 4_000 < SAID_MAX_BYTES, "{driver:?}: who reads nothing is not cut");
    }
}

#[test]
fn who_never_reads_overflows_once_is_cut_and_blocks_nobody() {
    on_each_driver(|driver| {
        let limits = HallLimits { mailbox_max_bytes: 64 * 1024, ..HallLimits::default() };
        let house = House::start(driver, 1, limits);
        let (mut deaf, deaf_is) = house.join();
        let (mut talker, _) = house.join();
        let mut others: Vec<Caller> = (0..3).map(|_| house.join().0).collect();
        let said = talk_until_overflow(&house, &mut talker, &mut others, deaf_is, driver);
        // It hangs in a write that will never end by itself, and leaves all the same.
        assert_eq!(house.note(), Note::Left { member: deaf_is, here: 4 }, "{driver:?}");
        // At most its mailbox waited for it. What the room heard while all others read at once is
        // no more than a few lines beside that.
        let bound = limits.mailbox_max_bytes + 8 * 4_100;
        let peak = house.alive.peak_bytes();
        assert!(peak <= bound, "{driver:?}: {peak} of {bound} bytes");
        assert_eq!(house.alive.bytes(), 0, "{driver:?}: nothing waits for who was cut");
        talker.say("after\n");
        for caller in others.iter_mut().chain([&mut talker]) {
            assert_eq!(caller.hear(), "after\n", "{driver:?}");
        }
        let (heard, in_order) = deaf.hear_to_the_end();
        let said = said.concat();
        assert!(!in_order, "{driver:?}: a reset says that this is not all");
        assert!(said.as_bytes().starts_with(&heard), "{driver:?}: what it heard has no hole");
        assert!(heard.len() < said.len(), "{driver:?}");
        drop((talker, others));
        house.end();
    });
}

#[test]
fn several_who_never_read_are_each_cut_once() {
    on_each_driver(|driver| {
        let limits = HallLimits { mailbox_max_bytes: 16 * 1024, ..HallLimits::default() };
        let house = House::start(driver, 1, limits);
        let deaf: Vec<(Caller, Member)> = (0..4).map(|_| house.join()).collect();
        let (mut talker, _) = house.join();
        let (mut overflowed, mut left) = (Vec::new(), Vec::new());
        let line = format!("{}\n", "x".repeat(4_000));
        for _ in 0..SAID_MAX_BYTES / line.len() {
            talker.say(&line);
            assert_eq!(talker.hear(), line, "{driver:?}");
            while let Some(note) = house.poll_note() {
                match note {
                    Note::Overflow(member) => overflowed.push(member),
                    Note::Left { member, .. } => left.push(member),
                    other => panic!("{driver:?}: {other:?}"),
                }
            }
            if left.len() == deaf.len() {
                break;
            }
        }
        let mut all: Vec<Member> = deaf.iter().map(|(_, member)| *member).collect();
        for mut gone in [overflowed, left] {
            gone.sort_unstable();
            assert_eq!(gone, all, "{driver:?}");
        }
        all.clear();
        drop(talker);
        house.end();
    });
}

#[test]
fn the_room_can_end_a_conversation_that_waits_for_its_peer() {
    on_each_driver(|driver| {
        let house = House::start(driver, 1, HallLimits::default());
        let (mut ana, _) = house.join();
        let (mut ben, member) = house.join();
        ana.say(&format!("cut {}\n", member.0));
        assert_eq!(ana.hear(), format!("cut {}\n", member.0), "{driver:?}");
        assert_eq!(house.note(), Note::Left { member, here: 1 }, "{driver:?}");
        assert_eq!(ben.hear_to_the_end(), (Vec::new(), false), "{driver:?}");
        ana.say(&format!("cut {}\n", member.0));
        assert!(ana.hear().starts_with("cut"), "{driver:?}: who has left cannot be cut again");
        drop(ana);
        house.end();
    });
}
