//! The targets of `sockeye_proto::siblings`.

use sockeye_proto::limits::CLAIM_MAX_BYTES;
use sockeye_proto::machine::Tick;
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::group::{Claim, GroupKey, GroupName, Proof};
use sockeye_proto::siblings::node::{NodeId, only_if_cached, via_names};
use sockeye_proto::siblings::nonce::{Nonce, NonceMint};
use sockeye_proto::siblings::roster::{Origin, Roster};
use sockeye_proto::siblings::search::{Action, Event, Kind, Reply, Search, Trouble, Verdict};

/// The three fields that one sibling says to another, each read from the whole input: what is read as
/// a claim is written as the same, no proof is right that was not made with the key, and our own entry
/// in Via is seen behind whatever else stands there.
pub fn sibling_fields(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    claim(&text);
    let id = NodeId::from_random([7; 8]);
    let via = format!("{text}, 1.1 {id}");
    assert!(via_names(&via, &id), "{via:?}");
    let is_named = text.to_ascii_lowercase().contains(id.as_str());
    assert!(is_named || !via_names(&text, &id), "{text:?}");
    let is_said = text.to_ascii_lowercase().contains("only-if-cached");
    assert!(is_said || !only_if_cached(&text), "{text:?}");
    assert!(only_if_cached(&format!("only-if-cached,{text}")));
    if let Some(id) = NodeId::parse(&text) {
        assert_eq!(id.as_str(), text);
        assert!(via_names(&text, &id));
    }
    if let Some(nonce) = Nonce::parse(&text) {
        let mint = NonceMint::new([7; 32]);
        assert_eq!(mint.check(Tick::START, &nonce), None, "nobody knows the secret");
    }
    if let Ok(name) = GroupName::parse(&text) {
        assert_eq!(name.as_str(), text);
    }
}

fn claim(text: &str) {
    let Some(claim) = Claim::parse(text) else { return };
    assert!(text.len() <= CLAIM_MAX_BYTES);
    let written = claim.to_string();
    assert_eq!(Claim::parse(&written).as_ref(), Some(&claim), "{written}");
    let key = GroupKey::from_bytes(b"sixteen bytes or more").expect("it is a key");
    let question = claim.question("GET", "/b.mkv", None, None);
    assert_eq!(question.is_some(), claim.signature.is_some());
    if let (Some(question), Some(signature)) = (question, &claim.signature) {
        let right = key.sign(&question);
        assert_eq!(key.verify(&question, &signature.proof), right == signature.proof);
        assert_eq!(Proof::parse(&right.to_string()), Some(right));
    }
}

/// A search that is told anything at any time, also what does not fit: it always comes to a wait or
/// an end, says the same end each time, asks nobody twice at once, and gives back every place among the
/// relays. The input is two bytes of choices, then two for each event.
pub fn sibling_search(data: &[u8]) {
    let Some((choices, events)) = data.split_first_chunk::<2>() else { return };
    let mut roster = Roster::default();
    for _ in 0..choices[0] % 8 {
        roster.add(Tick::START, Origin::Named).expect("there is room for eight");
    }
    let kind = if choices[1] % 2 == 0 { Kind::Get } else { Kind::Head };
    let mut now = Tick::START;
    let mut search = Search::new(&mut roster, now, "/b.mkv", kind);
    let mut asked = Vec::new();
    let mut end = drain(&mut search, &mut roster, now, &mut asked);
    for event in events.chunks_exact(2) {
        now = now + std::time::Duration::from_millis(u64::from(event[0]) * u64::from(event[0]) / 4);
        search.handle(&mut roster, now, event_of(event[1]));
        if let Event::Probed(from, _) | Event::Fetched(from, _) = event_of(event[1]) {
            asked.retain(|(who, _)| *who != from);
        }
        // A fetch ends with its body, also with one that had no head.
        if matches!(event_of(event[1]), Event::Broke { .. } | Event::Ended) {
            asked.retain(|(_, is_fetch)| !is_fetch);
        }
        let next = drain(&mut search, &mut roster, now, &mut asked);
        assert!(end.is_none() || next == end, "{end:?}, then {next:?}");
        end = next;
        assert!(roster.relays() <= 1);
    }
    search.handle(&mut roster, now, Event::Left);
    assert_eq!(roster.relays(), 0);
    assert!(drain(&mut search, &mut roster, now, &mut asked).is_some());
}

fn drain(
    search: &mut Search,
    roster: &mut Roster,
    now: Tick,
    asked: &mut Vec<(Sibling, bool)>,
) -> Option<Verdict> {
    for _ in 0..64 {
        let action = search.next(roster, now);
        match action {
            Action::Probe(whom) | Action::Fetch { from: whom, .. } => {
                let is_asked = asked.iter().any(|(who, _)| *who == whom);
                assert!(!is_asked, "{whom} is asked twice at once");
                asked.push((whom, matches!(action, Action::Fetch { .. })));
            }
            Action::Abandon(whom) => asked.retain(|(who, _)| *who != whom),
            Action::Wait(until) => {
                assert!(until.is_none_or(|until| until > now), "it would wait for the past");
                return None;
            }
            Action::Done(verdict) => return Some(verdict),
        }
    }
    panic!("it has always one thing more to do");
}

fn event_of(byte: u8) -> Event {
    let sibling = Sibling(u32::from(byte & 7));
    let reply = [Reply::Has, Reply::HasNot, Reply::Other, Reply::Trouble(Trouble::Protocol)];
    match byte >> 3 {
        n @ 0..8 => Event::Probed(sibling, reply[usize::from(n % 4)]),
        n @ 8..16 => Event::Fetched(sibling, reply[usize::from(n % 4)]),
        16..20 => Event::Progress,
        n @ 20..24 => Event::Broke { passed: u64::from(byte), may_resume: n % 4 != 0 },
        24..26 => Event::Ended,
        26 if sibling == Sibling(0) => Event::Left,
        _ => Event::Time,
    }
}
