//! Receiving over http: what a POST, a PUT or a MKCOL does to the shared folder.
//!
//! [`intake`] brings bytes to the disk, [`form`] takes a browser's form apart, [`pieces`] lets a
//! large file come in several requests, [`answer`](mod@answer) says how it ended. Who may send is
//! decided before any of this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use sockeye_engine::disk::folder::Folder;
use sockeye_engine::disk::receive::{
    Arrival, Existing, ReceiveError, Rules, make_folder, space::Space,
};
use sockeye_engine::http::pass::Pass;
use sockeye_engine::http::request_body::RequestBody;
use sockeye_engine::http::server::Answer;
use sockeye_proto::files::free_name::free_name;
use sockeye_proto::http::form::{Boundary, boundary_of};
use sockeye_proto::http::target::SharePath;

use self::answer::{Received, refusal};
use self::intake::{Broken, finish, take_in, waiting};
use super::refusal::Refusal;
use super::share::Share;
use crate::cli;

pub mod answer;
mod form;
pub mod intake;
pub mod pieces;

/// Free names that are tried for what a stranger sends.
const FREE_NAMES_MAX: u32 = 1_000;

/// What is received, and how.
#[derive(Debug)]
pub struct Receiving {
    share: Arc<Share>,
    is_on: AtomicBool,
    /// Who has no key may send, and sees nothing.
    is_dropbox: bool,
    rules: Arc<Rules>,
    /// For those: what they send never meets what is there.
    dropped: Arc<Rules>,
    places: pieces::Places,
}

/// Who sends.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Somebody who may not see what is here.
    pub is_stranger: bool,
    /// The right to be here, if it may be taken back.
    pub pass: Option<Pass>,
    /// Tells this sender from others, for bounds on what each may hold.
    pub holder: String,
}

impl Sender {
    /// Whether they may not be here any more.
    pub fn is_out(&self) -> bool {
        self.pass.as_ref().is_some_and(Pass::is_revoked)
    }
}

impl Receiving {
    /// Receiving into a folder, as the flags say.
    pub fn new(share: &Arc<Share>, flags: &cli::Share) -> Self {
        let existing = match (flags.overwrite, flags.rename) {
            (true, _) => Existing::Replace,
            (_, true) => Existing::Rename,
            _ => Existing::Refuse,
        };
        let rules = |existing| {
            let space = Space { keep_free_bytes: flags.keep_free.map(|size| size.0) };
            let max_bytes = flags.max_upload.map(|size| size.0);
            Arc::new(Rules { existing, max_bytes, space })
        };
        Self {
            share: Arc::clone(share),
            is_on: AtomicBool::new(flags.uploads || flags.dropbox),
            is_dropbox: flags.dropbox,
            rules: rules(existing),
            dropped: rules(Existing::Rename),
            places: pieces::Places::default(),
        }
    }

    /// The folder.
    pub fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Whether anything is received now.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Whether strangers may send now.
    pub fn is_dropbox(&self) -> bool {
        self.is_dropbox && self.is_on()
    }

    /// For what is sent: a file that comes in pieces waits at the next of them.
    pub fn must_be_on(&self) -> Result<(), Refusal> {
        if self.is_on() {
            return Ok(());
        }
        let why = "this hub receives nothing now; whoever runs it can turn receiving on";
        Err(Refusal::new(StatusCode::FORBIDDEN, why))
    }

    /// From now on files are received, or not.
    pub fn turn(&self, on: bool) {
        self.is_on.store(on, Ordering::Relaxed);
    }

    /// Files that come in pieces.
    pub fn places(&self) -> &pieces::Places {
        &self.places
    }

    /// For the page.
    pub fn describe(&self) -> Value {
        let existing = match self.rules.existing {
            Existing::Refuse => "refuse",
            Existing::Replace => "replace",
            Existing::Rename => "rename",
        };
        json!({
            "on": self.is_on(),
            "dropbox": self.is_dropbox,
            "existing": existing,
            "max_bytes": self.rules.max_bytes,
            "free_bytes": self.rules.space.free_bytes(self.share.folder().descriptor()).ok(),
        })
    }

    /// What somebody may send to a path, checked before a byte of it is read.
    fn check(&self, request: &Parts, path: &SharePath) -> Result<(), Refusal> {
        let shown = path.display();
        self.must_be_on()?;
        let is_hidden = path.is_hidden() && !self.share.shows_hidden();
        if is_hidden || path.segments().any(Arrival::is_reserved) {
            let why = format!("{shown}: names that begin with a dot are not received here");
            return Err(Refusal::new(StatusCode::FORBIDDEN, why));
        }
        let coding = request.headers.get(header::CONTENT_ENCODING);
        if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let why = "files are kept as they come: send it without Content-Encoding";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why)
                .with(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
        }
        if request.headers.contains_key(header::CONTENT_RANGE) {
            // RFC 9110, section 14.5.
            let why = "a part of a file cannot be put; send all of it, or go on by Upload-Offset";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
        }
        Ok(())
    }

    fn rules_for(&self, sender: &Sender) -> &Arc<Rules> {
        if sender.is_stranger { &self.dropped } else { &self.rules }
    }

    /// Answers a POST, PUT or MKCOL to a path of the share.
    pub async fn answer(
        &self,
        request: &Parts,
        path: &SharePath,
        mut body: RequestBody,
        sender: &Sender,
    ) -> Result<Answer, Refusal> {
        self.check(request, path)?;
        if let Some(pass) = &sender.pass {
            body.is_under(pass.clone());
        }
        if request.method.as_str() == "MKCOL" {
            return self.folder(request, path, &body, sender).await;
        }
        if let Some(boundary) = form_boundary(request) {
            return self.form(request, path, body, (sender, boundary)).await;
        }
        if path.wants_folder() {
            let why = format!(
                "name the file, like {}NAME; a folder is made by MKCOL",
                path.as_folder().display()
            );
            return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
        }
        self.check_conditions(request, path, sender).await?;
        if pieces::is_begun_by(&request.headers) {
            return self.places.begin(self, (request, path), body, sender).await;
        }
        let length = pieces::announced(&request.headers)?.or(body.length());
        let received = self.receive(path, length, &mut body, sender).await?;
        Ok(answer::one(request, &received, sender))
    }

    /// Takes in one file.
    async fn receive(
        &self,
        path: &SharePath,
        length: Option<u64>,
        source: &mut impl intake::Source,
        sender: &Sender,
    ) -> Result<Received, Refusal> {
        let failed = |broken: Broken| refusal(&broken, path);
        let arrival = self.begin(path, length, sender).await?;
        let (arrival, taken) = take_in(source, arrival).await;
        taken.map_err(failed)?;
        let arrival = arrival.ok_or_else(|| failed(ReceiveError::Exhausted.into()))?;
        let bytes = arrival.arrived_bytes();
        if let Some(length) = length.filter(|length| *length != bytes) {
            let announced = format!("{length} bytes were announced, and {bytes} came");
            return Err(failed(Broken::Announced(announced)));
        }
        let outcome = finish(arrival).await.map_err(failed)?;
        Ok(Received::new(path, bytes, outcome))
    }

    async fn begin(
        &self,
        path: &SharePath,
        length: Option<u64>,
        sender: &Sender,
    ) -> Result<Arrival, Refusal> {
        let (folder, rules) = (Arc::clone(self.share.folder()), Arc::clone(self.rules_for(sender)));
        let name = path.clone();
        let begin = if sender.is_stranger { begin_beside } else { Arrival::begin };
        let begun = waiting(move || begin(&folder, &name, length, &rules)).await;
        begun.map_err(|broken| refusal(&broken, path))
    }

    /// MKCOL (RFC 4918, section 9.3), which here also makes the folders on the way.
    async fn folder(
        &self,
        request: &Parts,
        path: &SharePath,
        body: &RequestBody,
        sender: &Sender,
    ) -> Result<Answer, Refusal> {
        if sender.is_stranger {
            let why = "folders are made by those who have the key";
            return Err(Refusal::new(StatusCode::FORBIDDEN, why));
        }
        if body.length() != Some(0) {
            let why = "a MKCOL with a body means something that is not known here";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let (folder, wanted) = (Arc::clone(self.share.folder()), path.clone());
        let made = waiting(move || make_folder(&folder, &wanted)).await;
        let is_there = |what: &str| {
            let why = format!("{} is there already{what}", path.display());
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, why)
                .with(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT")))
        };
        match made {
            Ok((_, true)) => Ok(answer::folder_made(request, path)),
            Ok((_, false)) => is_there(""),
            Err(Broken::Receive(ReceiveError::FileOnTheWay)) if self.is_file(path).await => {
                is_there(", and is a file")
            }
            Err(broken) => Err(refusal(&broken, path)),
        }
    }

    async fn is_file(&self, path: &SharePath) -> bool {
        use sockeye_engine::disk::folder::Opened;
        matches!(self.share.look_up(&path.as_file()).await, Ok(Opened::File(_)))
    }

    /// `If-None-Match: *` and its kind: what is there must be as the sender thinks (RFC 9110,
    /// section 13.1).
    async fn check_conditions(
        &self,
        request: &Parts,
        path: &SharePath,
        sender: &Sender,
    ) -> Result<(), Refusal> {
        use sockeye_engine::disk::folder::Opened;
        let names = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE];
        if !names.iter().any(|name| request.headers.contains_key(name)) {
            return Ok(());
        }
        if sender.is_stranger {
            let why = "conditions on what is here are for those who may see it";
            return Err(Refusal::new(StatusCode::FORBIDDEN, why));
        }
        let is_as_thought = match self.share.look_up(path).await {
            Ok(Opened::File(file)) => super::file::may_be_replaced(request, &file),
            Ok(Opened::Folder(..)) => true,
            Err(_) => !request.headers.contains_key(header::IF_MATCH),
        };
        if is_as_thought {
            return Ok(());
        }
        let why = format!("{} is not as the request's conditions want it", path.display());
        Err(Refusal::new(StatusCode::PRECONDITION_FAILED, why))
    }
}

/// Begins to receive what a stranger sends. Nothing that is here may be in its way, or the answer
/// would tell that it is here: where something is, the first name of the path becomes a free one.
fn begin_beside(
    folder: &Folder,
    path: &SharePath,
    length: Option<u64>,
    rules: &Arc<Rules>,
) -> Result<Arrival, ReceiveError> {
    let beside = |n| {
        let mut names = path.segments();
        let first = SharePath::root().join(&free_name(names.next()?, n)).ok()?;
        names.try_fold(first, |path, name| path.join(name).ok())
    };
    let mut begun = Arrival::begin(folder, path, length, rules);
    for n in 2..FREE_NAMES_MAX {
        let is_in_its_way = matches!(
            begun,
            Err(ReceiveError::TakenByFolder
                | ReceiveError::FileOnTheWay
                | ReceiveError::Outside
                | ReceiveError::Denied)
        );
        match beside(n).filter(|_| is_in_its_way) {
            Some(path) => begun = Arrival::begin(folder, &path, length, rules),
            None => break,
        }
    }
    begun
}

/// The boundary of a browser's form; only a POST carries one.
fn form_boundary(request: &Parts) -> Option<Boundary> {
    let is_post = request.method == Method::POST;
    let media_type = text(&request.headers, header::CONTENT_TYPE).filter(|_| is_post)?;
    boundary_of(media_type)
}

fn text(fields: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    fields.get(name).and_then(|value| value.to_str().ok())
}
