//! One folder as this hub and all its siblings have it: `?all`.
//!
//! All of them are asked at the same time, each for what it has itself, and nobody is waited for
//! longer than a moment. What is believed of their answers, and how it is put together, is decided by
//! `sockeye_proto::siblings::merge`. Who is asked by a sibling never passes `?all` on.

use std::future::poll_fn;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use sockeye_engine::clock;
use sockeye_engine::disk::listing;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::{
    SIBLING_FIRST_BYTE, SIBLING_LISTING_DEADLINE, SIBLING_LISTING_MAX_BYTES,
    SIBLING_LISTINGS_AT_ONCE,
};
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::merge::{Entry, Kind, Merged, merge};
use sockeye_proto::siblings::search::Trouble;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Siblings;
use super::contact::{Asked, Contact, Said};
use super::flight::{Failed, in_words};
use super::told::{Held, Shown};
use super::us::wants_only_ours;
use crate::services::files::serve::refusal::Refusal;

/// What this hub is called among those that a listing is of.
pub const HERE: &str = "here";
/// Where a hub lists a folder whatever is in it, in front of its path.
const LIST: &str = "/-/api/list";
const JSON: &str = "application/json";
const NO_LISTING: &str = "shows no listing";
const TOO_LONG: &str = "lists more than is read of a sibling";
/// What is read of an answer that is no listing.
const SHORT_BYTES: usize = 16 * 1024;

/// Whose turn it is to ask all of them.
static TURNS: Semaphore = Semaphore::const_new(SIBLING_LISTINGS_AT_ONCE);

/// Somebody whom a listing is of.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// `here`, or the sibling's host and port.
    pub name: String,
    /// Whether it has answered.
    pub reached: bool,
    /// Whether it has the folder.
    pub has: bool,
    /// What was wrong with it, as in "it WHY".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
}

/// What all siblings tell of one folder.
#[derive(Debug)]
pub struct All {
    /// This hub, and the siblings in the order in which they came.
    pub nodes: Vec<Node>,
    told: Vec<Shown>,
}

/// Whether a request wants a folder as all have it: `?all`.
pub fn is_wanted(request: &Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    query.split('&').any(|part| part.split('=').next() == Some("all"))
}

impl Siblings {
    /// Whether a folder that is missing here may be at a sibling that this request has asked.
    pub fn may_list(&self, request: &Parts) -> bool {
        self.are_asked() && is_wanted(request) && !wants_only_ours(&request.headers)
    }

    /// For the page: who there is, and who answered lately.
    pub fn describe(&self) -> serde_json::Value {
        let mut all = self.all();
        all.sort_by_key(|(sibling, _)| *sibling);
        let described = all.iter().map(|(sibling, contact)| {
            let is_left_out = self.with_roster(|roster| roster.is_left_out(*sibling));
            json!({"name": contact.name, "reached": contact.has_answered() && !is_left_out})
        });
        described.collect()
    }

    /// Asks all of them for a folder. Refuses one that is neither here nor at any of them.
    pub async fn tell_all(
        self: &Arc<Self>,
        request: &Parts,
        folder: &SharePath,
        (is_here, shows_hidden): (bool, bool),
    ) -> Result<All, Refusal> {
        let here = Node { name: HERE.to_owned(), reached: true, has: is_here, why: None };
        let mut all = All { nodes: vec![here], told: Vec::new() };
        if !self.may_list(request) {
            return Ok(all);
        }
        let _turn = TURNS.acquire().await.map_err(|_| unavailable())?;
        let mut troubles = Vec::new();
        let answered = self.ask_all(request, folder).await;
        let folder_asked = folder.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = |(name, outcome): (String, Outcome)| {
                (name, outcome.read(&folder_asked, shows_hidden))
            };
            answered.into_iter().map(read).collect::<Vec<(String, Outcome<Shown>)>>()
        });
        for (name, outcome) in read.await.map_err(|_| unavailable())? {
            let (reached, why, shown) = match outcome {
                Outcome::Listing(shown) => (true, None, Some(shown)),
                Outcome::HasNot => (true, None, None),
                Outcome::Nothing => (true, Some(NO_LISTING), None),
                Outcome::TooLong => {
                    troubles.push((name.clone(), Trouble::Protocol));
                    (true, Some(TOO_LONG), None)
                }
                Outcome::Trouble(trouble) => {
                    troubles.push((name.clone(), trouble));
                    (false, Some(in_words(trouble)), None)
                }
            };
            all.nodes.push(Node { name, reached, has: shown.is_some(), why });
            all.told.push(shown.unwrap_or_default());
        }
        if all.nodes.iter().any(|node| node.has) {
            return Ok(all);
        }
        if !troubles.is_empty() {
            return Err(self.refusal(&Failed::Unreached(troubles), folder));
        }
        let mut refusal = self.refusal(&Failed::Nobody, folder);
        if all.nodes.iter().any(|node| node.why.is_some()) {
            refusal.why.push_str(" that shows listings");
        }
        Err(refusal)
    }

    /// Each by its name, in order, with what came of it.
    async fn ask_all(
        self: &Arc<Self>,
        request: &Parts,
        folder: &SharePath,
    ) -> Vec<(String, Outcome)> {
        let target = format!("{LIST}{}", folder.as_folder().encoded());
        let via = request.headers.get(header::VIA).cloned();
        let mut asking = JoinSet::new();
        for (sibling, contact) in self.all() {
            let (siblings, target, via) = (Arc::clone(self), target.clone(), via.clone());
            asking.spawn(async move {
                let outcome = siblings.ask_one((sibling, &contact), &target, via.as_ref()).await;
                (sibling, contact, outcome)
            });
        }
        let mut answered = asking.join_all().await;
        answered.sort_by_key(|(sibling, ..)| *sibling);
        // Found or named by mistake; it has been asked already.
        answered.retain(|(_, contact, _)| contact.id().as_ref() != Some(self.us().id()));
        let named = answered.into_iter().map(|(_, contact, said)| (contact.name.clone(), said));
        named.collect()
    }

    async fn ask_one(
        &self,
        (sibling, contact): (Sibling, &Arc<Contact>),
        target: &str,
        via: Option<&HeaderValue>,
    ) -> Outcome {
        if self.with_roster(|roster| roster.is_left_out(sibling)) {
            return Outcome::Trouble(Trouble::LeftOut);
        }
        let began = clock::now();
        let fields = vec![(header::ACCEPT, HeaderValue::from_static(JSON))];
        let asked = Asked { method: Method::GET, target, fields, via };
        let said = timeout(SIBLING_FIRST_BYTE, contact.ask(self.us(), &asked)).await;
        let outcome = match said.unwrap_or(Err(Trouble::ResponseTimeout)) {
            Err(trouble) => Outcome::Trouble(trouble),
            Ok((mut said, _)) => {
                let left = SIBLING_LISTING_DEADLINE.saturating_sub(clock::now().since(began));
                let outcome = timeout(left, Outcome::of(&mut said)).await;
                outcome.unwrap_or(Outcome::Trouble(Trouble::ResponseTimeout))
            }
        };
        let now = clock::now();
        self.with_roster(|roster| match &outcome {
            Outcome::Trouble(Trouble::Denied | Trouble::Busy) => {}
            Outcome::Trouble(_) => roster.failed(now, sibling, began),
            // How long a folder takes says nothing of the way there.
            _ => roster.answered(now, sibling, None),
        });
        outcome
    }
}

/// What came of asking a sibling.
#[derive(Debug)]
enum Outcome<Listing = Held> {
    /// Its listing: as it came, or read.
    Listing(Listing),
    /// It has no such folder.
    HasNot,
    /// It cannot say whether it has: it is no Sockeye.
    Nothing,
    /// It has, and that is too much.
    TooLong,
    Trouble(Trouble),
}

impl Outcome {
    async fn of(said: &mut Said) -> Self {
        let (status, is_ours) = (said.head.status, said.is_ours());
        match status {
            StatusCode::OK if is_json(said) => Self::body(said).await,
            StatusCode::NOT_FOUND | StatusCode::GATEWAY_TIMEOUT if is_ours => {
                // Read to its end, the connection can be asked again.
                let _ = said.read(SHORT_BYTES).await;
                Self::HasNot
            }
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::MISDIRECTED_REQUEST => Self::Trouble(Trouble::Denied),
            status if status.is_server_error() => Self::Trouble(Trouble::Unavailable),
            _ if is_ours => Self::Trouble(Trouble::Protocol),
            _ => Self::Nothing,
        }
    }

    async fn body(said: &mut Said) -> Self {
        let mut held = Held::default();
        while let Some(piece) = poll_fn(|cx| said.poll_piece(cx)).await {
            let Ok(piece) = piece else { return Self::Trouble(Trouble::Protocol) };
            if held.count() + piece.len() > SIBLING_LISTING_MAX_BYTES {
                return Self::TooLong;
            }
            if !held.take(&piece) {
                return Self::Trouble(Trouble::Busy);
            }
        }
        Self::Listing(held)
    }

    fn read(self, folder: &SharePath, shows_hidden: bool) -> Outcome<Shown> {
        match self {
            Self::Listing(held) => {
                held.read(folder, shows_hidden).map_or(Outcome::Nothing, Outcome::Listing)
            }
            Self::HasNot => Outcome::HasNot,
            Self::Nothing => Outcome::Nothing,
            Self::TooLong => Outcome::TooLong,
            Self::Trouble(trouble) => Outcome::Trouble(trouble),
        }
    }
}

fn is_json(said: &Said) -> bool {
    let kind = said.head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(JSON))
}

impl All {
    /// What is here and what they tell, put together; `ours` is `None` if there is no such folder
    /// here.
    pub fn merge(&mut self, ours: Option<listing::Listing>) -> Merged {
        let (ours, is_truncated) = match ours {
            Some(ours) => (ours.entries.into_iter().map(entry).collect(), ours.is_truncated),
            None => (Vec::new(), false),
        };
        let told = std::mem::take(&mut self.told);
        let is_truncated = is_truncated || told.iter().any(|shown| shown.is_truncated);
        let theirs = told.into_iter().map(|mut shown| std::mem::take(&mut shown.entries));
        let mut merged = merge(std::iter::once(ours).chain(theirs).collect());
        merged.is_truncated |= is_truncated;
        merged
    }

    /// How the listing came, for the log.
    pub fn in_words(&self) -> String {
        let told = self.nodes.iter().filter(|node| node.has || node.why.is_some());
        let told = told.map(|node| match node.why {
            Some(why) => format!("{} {why}", node.name),
            None => node.name.clone(),
        });
        format!("of all: {}", told.collect::<Vec<String>>().join(", "))
    }
}

fn unavailable() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the siblings cannot be asked")
}

/// An entry of a folder here.
pub fn entry(entry: listing::Entry) -> Entry {
    let listing::Entry { name, is_folder, is_loop, facts } = entry;
    let kind = if is_folder { Kind::Folder } else { Kind::File(facts.length) };
    let modified_s = i64::try_from(facts.modified_ns.div_euclid(1_000_000_000)).ok();
    Entry { name, kind, modified_s, is_loop }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_asked_for_by_its_name_alone() {
        let wanted =
            |target: &str| is_wanted(&http::Request::get(target).body(()).unwrap().into_parts().0);
        assert!(wanted("/?all") && wanted("/?x=1&all=") && !wanted("/?allow") && !wanted("/all"));
    }
}
