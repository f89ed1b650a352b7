//! Those who send: a few lines to the server, over which things go side by side.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ::http::{Method, StatusCode, header};
use indicatif::ProgressBar;
use sockeye_proto::address::Address;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::folders::{self, Folders};
use super::line::{Answer, Asked, Line, Trouble};
use super::outcome::Outcome;
use super::pieces::{self, Places};
use super::plan::{Item, Kind, beneath};
use super::source::{Source, SourceTrouble};
use super::whole;
use crate::services::files::call::connection::field;
use crate::services::files::call::meter::Meter;
use crate::services::files::call::reach::Way;
use crate::services::files::call::redirect::{is_folder_of, redirected};

/// Connections at once.
const LINES: usize = 4;
/// Outcomes that wait to be told.
const OUTCOMES: usize = 64;

/// What all who send have in common.
#[derive(Debug)]
pub struct Crew {
    way: Arc<Way>,
    url: Address,
    items: Vec<Item>,
    next: AtomicUsize,
    /// Nothing more is begun.
    is_stopped: AtomicBool,
    is_reached: Arc<AtomicBool>,
    folders: Folders,
    places: Places,
    bar: ProgressBar,
}

impl Crew {
    /// A crew for these things; they go to where the URL leads.
    pub fn new(way: Way, url: Address, items: Vec<Item>, bar: ProgressBar) -> Arc<Self> {
        Arc::new(Self {
            way: Arc::new(way),
            url,
            items,
            next: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
            is_reached: Arc::default(),
            folders: Folders::default(),
            places: Places::default(),
            bar,
        })
    }

    /// How the server is reached.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// The things.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Sends everything, and tells of each thing by its number what became of it.
    pub async fn send_all(self: &Arc<Self>, mut told: impl FnMut(usize, Outcome)) {
        let mut first = self.line();
        if self.items.len() > 1
            && let Some(outcome) = self.settle(&mut first).await
        {
            told(0, outcome);
            return;
        }
        let (outcomes, mut finished) = mpsc::channel(OUTCOMES);
        let mut crew = JoinSet::new();
        let mut lines = vec![first];
        lines.resize_with(LINES.min(self.items.len()), || self.line());
        for line in lines {
            crew.spawn(Arc::clone(self).work(line, outcomes.clone()));
        }
        drop(outcomes);
        while let Some((number, outcome)) = finished.recv().await {
            told(number, outcome);
        }
    }

    /// Tells the server what is not needed any more.
    pub async fn tidy_up(&self) {
        let mut line = self.line();
        for place in self.places.take() {
            pieces::give_up(&place, &mut line).await;
        }
    }

    fn line(&self) -> Line {
        Line::new(Arc::clone(&self.way), Arc::clone(&self.is_reached))
    }

    /// Finds out on one line which key the hub takes: wrong ones are counted there, and four lines
    /// would say theirs at once. What stops everything is given back.
    async fn settle(&self, line: &mut Line) -> Option<Outcome> {
        let meter = Meter::hidden();
        let asked = Asked {
            method: Method::HEAD,
            url: &self.url,
            fields: Vec::new(),
            body: None,
            meter: &meter,
        };
        let has_key = || self.way.keys.held_for(&self.url).is_some();
        match line.ask(&asked).await {
            Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                Some(Outcome::Refused(answer.reason()))
            }
            // Who may not look may still be allowed to put.
            Err(Trouble::NoKey(why)) if has_key() => Some(Outcome::Refused(why.to_owned())),
            Err(Trouble::Failed(failure)) => Some(Outcome::Cut(failure.to_string())),
            _ => None,
        }
    }

    async fn work(self: Arc<Self>, mut line: Line, outcomes: mpsc::Sender<(usize, Outcome)>) {
        while !self.is_stopped.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = self.items.get(number) else { return };
            let outcome = self.send(item, &mut line).await.unwrap_or_else(|trouble| {
                let (outcome, stops_all) = Outcome::of_trouble(trouble);
                self.is_stopped.fetch_or(stops_all, Ordering::Relaxed);
                outcome
            });
            if outcomes.send((number, outcome)).await.is_err() {
                return;
            }
        }
    }

    async fn send(&self, item: &Item, line: &mut Line) -> Result<Outcome, Trouble> {
        let mut url = Address { path: item.remote.clone(), ..self.url.clone() };
        if item.kind == Kind::EmptyFolder {
            let mut answer = folders::make(&url, line).await?;
            if answer.status == StatusCode::CONFLICT && self.folders.make_for(&url, line).await? {
                answer = folders::make(&url, line).await?;
            }
            return Ok(Outcome::of_a_folder(&url, &answer));
        }
        let source = open(item).await.map_err(Trouble::Source)?;
        let meter = Meter::new(&self.bar);
        let has_folder = self.folders.knows(&url.path).await;
        let (mut at, mut answer) = self.send_file(&url, &source, line, &meter).await?;
        let is_conflict = answer.status == StatusCode::CONFLICT;
        if item.kind == Kind::NamedFile && is_conflict {
            // Perhaps a folder has that name: then that is where it belongs.
            if let Some(folder) = folder_at(&url, line).await? {
                let name = item.local.file_name().unwrap_or_default();
                url = Address { path: beneath(&folder.path, &[name.as_bytes()]), ..folder };
                (at, answer) = self.send_file(&url, &source, line, &meter).await?;
            }
        }
        // What servers say of a folder that is missing: RFC 4918, section 9.7.1, and what they do.
        let may_lack_folder = matches!(answer.status.as_u16(), 404 | 409 | 500);
        let can_be_sent_again = !has_folder && !matches!(source, Source::Stdin(_));
        if may_lack_folder && can_be_sent_again && self.folders.make_for(&url, line).await? {
            (at, answer) = self.send_file(&url, &source, line, &meter).await?;
        }
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            self.is_stopped.store(true, Ordering::Relaxed);
        }
        if answer.status.is_success() {
            self.folders.has(&url.path).await;
        } else {
            meter.set(0);
        }
        Ok(Outcome::of_a_file(&at, &answer, source.length().unwrap_or(answer.position)))
    }

    /// Sends a file's bytes, in pieces if it is worth it and the server knows them.
    async fn send_file(
        &self,
        url: &Address,
        source: &Source,
        line: &mut Line,
        meter: &Meter,
    ) -> Result<(Address, Answer), Trouble> {
        if source.length().is_some_and(|length| length > pieces::FROM_BYTES)
            && let Some(answer) = pieces::send(url, source, line, meter, &self.places).await?
        {
            return Ok((url.clone(), answer));
        }
        whole::send(url, source, line, meter).await
    }
}

async fn open(item: &Item) -> Result<Source, SourceTrouble> {
    if item.kind == Kind::Stdin {
        return Ok(Source::stdin());
    }
    let path = item.local.clone();
    let opened = tokio::task::spawn_blocking(move || Source::open(&path)).await;
    opened.unwrap_or_else(|error| Err(SourceTrouble::Unreadable(error.to_string())))
}

/// The folder that has this name on the server, if one does: it leads on to the name with a slash.
async fn folder_at(url: &Address, line: &mut Line) -> Result<Option<Address>, Trouble> {
    let meter = Meter::hidden();
    let asked = Asked { method: Method::HEAD, url, fields: Vec::new(), body: None, meter: &meter };
    let answer = match line.ask(&asked).await {
        // Who may not look is not told.
        Err(Trouble::NoKey(_)) => return Ok(None),
        answer => answer?,
    };
    let leads_to = field(&answer.fields, header::LOCATION).and_then(|to| redirected(url, to).ok());
    Ok(leads_to.filter(|to| is_folder_of(to, url)))
}
