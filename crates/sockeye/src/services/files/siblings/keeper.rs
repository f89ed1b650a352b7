//! What goes on beside the requests: hellos, which bring fresh nonces and round trips; tries at
//! siblings that failed; and forgetting those that were found and are silent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sockeye_engine::clock;
use sockeye_proto::limits::SIBLING_RETRY;
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::search::Trouble;
use tokio::task::JoinSet;

use super::Siblings;
use super::contact::Contact;
use super::flight::in_words;

/// A hello takes this long at most, the connection included.
const HELLO_DEADLINE: Duration = Duration::from_secs(2);
/// Nothing here waits longer for its turn.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Keeps up with the siblings for as long as the hub runs.
pub(super) async fn keep(siblings: Arc<Siblings>) {
    let mut hellos: JoinSet<(Sibling, Arc<Contact>, Result<Duration, Trouble>)> = JoinSet::new();
    let mut troubles: HashMap<Sibling, Trouble> = HashMap::new();
    loop {
        let now = clock::now();
        for silent in siblings.with_roster(|roster| roster.silent(now)) {
            siblings.say(format!("sibling {} is silent: forgotten", siblings.name_of(silent)));
            siblings.remove(silent);
        }
        let due = siblings.with_roster(|roster| roster.due(now));
        for (sibling, contact) in siblings.all() {
            let is_left_out = siblings.with_roster(|roster| roster.is_left_out(sibling));
            let is_wanted =
                if is_left_out { due.contains(&sibling) } else { contact.wants_hello(now) };
            if is_wanted {
                contact.tries_hello(now);
                let siblings = Arc::clone(&siblings);
                hellos.spawn(async move {
                    let said = tokio::time::timeout(HELLO_DEADLINE, contact.hello(siblings.us()));
                    let said = said.await.unwrap_or(Err(Trouble::ResponseTimeout));
                    (sibling, contact, said)
                });
            }
        }
        let next = siblings.with_roster(|roster| roster.next_due());
        let wait = next.map_or(LOOK_AGAIN, |next| next.since(clock::now()).min(LOOK_AGAIN));
        tokio::select! {
            () = tokio::time::sleep(wait.max(Duration::from_millis(10))) => {}
            Some(Ok((sibling, contact, said))) = hellos.join_next(), if !hellos.is_empty() => {
                note(&siblings, (sibling, &contact), said, &mut troubles);
            }
        }
    }
}

fn note(
    siblings: &Siblings,
    (sibling, contact): (Sibling, &Contact),
    said: Result<Duration, Trouble>,
    troubles: &mut HashMap<Sibling, Trouble>,
) {
    let (now, name) = (clock::now(), &contact.name);
    match said {
        Ok(_) if contact.id().as_ref() == Some(siblings.us().id()) => {
            siblings.say(format!("sibling {name} is this hub itself: not asked"));
            siblings.remove(sibling);
        }
        Ok(took) => {
            siblings.with_roster(|roster| roster.answered(now, sibling, Some(took)));
            if troubles.remove(&sibling).is_some() {
                siblings.say(format!("sibling {name} is back"));
            }
        }
        Err(trouble) => {
            siblings.with_roster(|roster| roster.failed(now, sibling, now));
            if troubles.insert(sibling, trouble).is_none() {
                let (words, every) = (in_words(trouble), SIBLING_RETRY.as_secs());
                siblings.say(format!("sibling {name} {words}; it is tried again every {every} s"));
            }
        }
    }
}
