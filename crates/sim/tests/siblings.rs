//! Questions to siblings that lie, stall, die and come back, each step held to the rules; and
//! searches with a mistake put into them, which are found.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use sockeye_proto::machine::Tick;
use sockeye_proto::siblings::roster::Roster;
use sockeye_proto::siblings::search::{Action, Event, Reply, Search, Verdict as Ends};
use sockeye_sim::seed::Seed;
use sockeye_sim::siblings::{Asks, World};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{SEEDS_DEFAULT, Verdict, explore, find_failure, replay};

#[test]
fn a_question_keeps_to_the_rules_whatever_its_siblings_do() {
    let ended: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    let runs = Cell::new(0);
    explore("siblings", |seed, trace| {
        let world = World::new(seed, trace, &|search| search);
        for (name, times) in world.run()? {
            *ended.borrow_mut().entry(name).or_default() += times;
        }
        runs.set(runs.get() + 1);
        Ok(())
    });
    // Were these never to happen, nothing would have been shown.
    let ends = ["whole", "resumed", "broken", "found", "nobody", "unreached", "busy"];
    if runs.get() >= SEEDS_DEFAULT {
        for name in ends {
            assert!(ended.borrow().get(name).is_some_and(|times| *times > 0), "{name}: {ended:?}");
        }
    }
}

/// Which mistake a [`Wrong`] search makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// A body that breaks off looks whole.
    ShortLooksWhole,
    /// Any content is gone on with.
    GoesOnWithAnything,
    /// Who could not be reached has said no.
    SilenceIsNo,
    /// What comes late is not heard.
    LateIsLost,
    /// It waits without a deadline.
    WaitsForEver,
    /// It does not say whom it waits for no longer.
    AbandonsNobody,
}

struct Wrong {
    search: Search,
    mistake: Mistake,
    asked: BTreeMap<u32, Tick>,
}

impl Asks for Wrong {
    fn handle(&mut self, roster: &mut Roster, now: Tick, event: Event) {
        let event = match (self.mistake, event) {
            (Mistake::ShortLooksWhole, Event::Broke { .. }) => Event::Ended,
            (Mistake::GoesOnWithAnything, Event::Fetched(from, Reply::Other)) => {
                Event::Fetched(from, Reply::Has)
            }
            (Mistake::SilenceIsNo, Event::Probed(from, Reply::Trouble(_))) => {
                Event::Probed(from, Reply::HasNot)
            }
            (Mistake::LateIsLost, Event::Probed(from, _))
                if self.asked.get(&from.0).is_some_and(|until| *until < now) =>
            {
                Event::Time
            }
            (_, event) => event,
        };
        self.search.handle(roster, now, event);
    }

    fn next(&mut self, roster: &mut Roster, now: Tick) -> Action {
        match self.search.next(roster, now) {
            Action::Wait(_) if self.mistake == Mistake::WaitsForEver => Action::Wait(None),
            Action::Abandon(_) if self.mistake == Mistake::AbandonsNobody => self.next(roster, now),
            Action::Probe(sibling) => {
                self.asked.insert(sibling.0, now + roster.probe_deadline(sibling));
                Action::Probe(sibling)
            }
            Action::Done(Ends::Unreached(_)) if self.mistake == Mistake::SilenceIsNo => {
                Action::Done(Ends::Nobody)
            }
            action => action,
        }
    }
}

fn search_with(mistake: Mistake) -> impl Fn(&mut Seed, &mut Trace) -> Verdict {
    move |seed, trace| {
        let how = |search| Wrong { search, mistake, asked: BTreeMap::new() };
        World::new(seed, trace, &how).run().map(|_| ())
    }
}

#[test]
fn the_wrapper_itself_makes_no_mistake() {
    assert_eq!(find_failure(0..SEEDS_DEFAULT, search_with(Mistake::None)), None);
}

#[test]
fn a_search_with_a_mistake_is_found_and_its_seed_replays() {
    for mistake in [
        Mistake::ShortLooksWhole,
        Mistake::GoesOnWithAnything,
        Mistake::SilenceIsNo,
        Mistake::LateIsLost,
        Mistake::WaitsForEver,
        Mistake::AbandonsNobody,
    ] {
        let property = search_with(mistake);
        let found = find_failure(0..SEEDS_DEFAULT, &property);
        let found = found.unwrap_or_else(|| panic!("{mistake:?} is not found"));
        assert_eq!(replay(found.seed, &property), found, "{mistake:?}");
        assert!(!found.trace.is_empty(), "{mistake:?}");
    }
}
