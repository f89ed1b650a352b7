//! A large file in several requests, so that a broken connection or a pause costs nothing: our part
//! of draft-ietf-httpbis-resumable-upload.
//!
//! A POST with `Upload-Complete: ?0` gets a place under `/-/upload/`, which keeps the arrival. HEAD
//! tells how far it has come, PATCH brings more, DELETE gives it up. The place is known to whoever
//! made it alone: its name is random.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use sockeye_engine::disk::receive::Arrival;
use sockeye_engine::http::body::Content;
use sockeye_engine::http::pass::Pass;
use sockeye_engine::http::request_body::{BodyError, RequestBody};
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::pieces::{
    PARTIAL_UPLOAD, UPLOAD_COMPLETE, UPLOAD_LENGTH, UPLOAD_OFFSET, format_boolean, parse_boolean,
    parse_integer,
};
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::{PLACE_KEPT, PLACES_MAX, PLACES_PER_HOLDER_MAX};

use super::answer::{self, Received, refusal};
use super::intake::{Broken, finish, take_in};
use super::{Receiving, Sender, text};
use crate::services::files::serve::refusal::Refusal;

/// Where places are.
pub const PREFIX: &str = "/-/upload/";

/// Files that come in pieces.
#[derive(Debug, Default)]
pub struct Places {
    open: Arc<Mutex<HashMap<String, Arc<Place>>>>,
}

#[derive(Debug)]
struct Place {
    path: SharePath,
    sender: Sender,
    /// How long the whole will be, if that was said.
    length: Option<u64>,
    /// Held by the request that brings more; empty once the file is whole, or lost.
    arrival: tokio::sync::Mutex<Option<Arrival>>,
    /// Of the request that brings more: the next one ends it, because who asks again has lost it.
    bringing: Mutex<Pass>,
    touched: Mutex<Instant>,
}

/// What a request says of the file that it brings a piece of.
#[derive(Clone, Copy, Debug)]
struct Said {
    is_last: bool,
    offset: Option<u64>,
    length: Option<u64>,
}

/// Whether a request begins a file that comes in pieces.
pub fn is_begun_by(fields: &HeaderMap) -> bool {
    boolean(fields, UPLOAD_COMPLETE) == Some(false)
}

fn boolean(fields: &HeaderMap, name: &'static str) -> Option<bool> {
    text(fields, HeaderName::from_static(name)).and_then(parse_boolean)
}

fn integer(fields: &HeaderMap, name: &'static str) -> Option<u64> {
    text(fields, HeaderName::from_static(name)).and_then(parse_integer)
}

/// How long a file will be, as `Upload-Length` says. What is no length is refused: who says one
/// relies on its being kept.
pub fn announced(fields: &HeaderMap) -> Result<Option<u64>, Refusal> {
    match (fields.contains_key(UPLOAD_LENGTH), integer(fields, UPLOAD_LENGTH)) {
        (true, None) => {
            let why = "Upload-Length is a whole number of bytes, of at most 15 digits";
            Err(Refusal::new(StatusCode::BAD_REQUEST, why))
        }
        (_, length) => Ok(length),
    }
}

impl Said {
    fn of(fields: &HeaderMap) -> Self {
        Self {
            is_last: boolean(fields, UPLOAD_COMPLETE) == Some(true),
            offset: integer(fields, UPLOAD_OFFSET),
            length: integer(fields, UPLOAD_LENGTH),
        }
    }
}

impl Places {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Place>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a place, and takes in what this request brings already.
    pub(super) async fn begin(
        &self,
        receiving: &Receiving,
        (request, path): (&Parts, &SharePath),
        body: RequestBody,
        sender: &Sender,
    ) -> Result<Answer, Refusal> {
        let said = Said::of(&request.headers);
        announced(&request.headers)?;
        self.check_room(sender)?;
        let arrival = receiving.begin(path, said.length, sender).await?;
        let place = Arc::new(Place {
            path: path.clone(),
            sender: sender.clone(),
            length: said.length,
            arrival: tokio::sync::Mutex::new(Some(arrival)),
            bringing: Mutex::default(),
            touched: Mutex::new(Instant::now()),
        });
        let id = random_id()
            .map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
        self.open().insert(id.clone(), Arc::clone(&place));
        tokio::spawn(give_up_in_time(Arc::clone(&self.open), id.clone()));
        let bringing = Bringing { places: Arc::clone(&self.open), id: id.clone(), place };
        let bytes = bringing.bring(body, said).await?;
        let mut answer = progress(StatusCode::CREATED, bytes);
        if let Ok(location) = HeaderValue::from_str(&format!("{PREFIX}{id}")) {
            answer.headers_mut().insert(header::LOCATION, location);
        }
        Ok(answer)
    }

    fn check_room(&self, sender: &Sender) -> Result<(), Refusal> {
        let open = self.open();
        let own = open.values().filter(|place| place.sender.holder == sender.holder).count();
        if own < PLACES_PER_HOLDER_MAX && open.len() < PLACES_MAX {
            return Ok(());
        }
        let why = "too many files are on their way in pieces; end some first";
        Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
            .with(header::RETRY_AFTER, HeaderValue::from_static("10")))
    }

    /// Answers a request to a place.
    pub async fn answer(
        &self,
        request: &Parts,
        id: &str,
        mut body: RequestBody,
        sender: &Sender,
    ) -> Result<Answer, Refusal> {
        // Whoever was thrown out has nothing on its way any more, and a stranger goes on with a
        // stranger's file alone.
        let may = |place: &Arc<Place>| {
            !place.sender.is_out() && place.sender.is_stranger == sender.is_stranger
        };
        let place = self.open().get(id).cloned().filter(may).ok_or_else(gone)?;
        if let Some(pass) = &sender.pass {
            body.is_under(pass.clone());
        }
        match request.method {
            Method::HEAD | Method::GET => {
                place.end_what_brings();
                let arrival = place.arrival.lock().await;
                let bytes = arrival.as_ref().ok_or_else(gone)?.arrived_bytes();
                Ok(progress(StatusCode::NO_CONTENT, bytes))
            }
            Method::DELETE => {
                self.open().remove(id);
                place.end_what_brings();
                place.arrival.lock().await.take();
                let mut answer = Response::new(Content::Empty);
                *answer.status_mut() = StatusCode::NO_CONTENT;
                Ok(answer)
            }
            ref method if method.as_str() == "PATCH" => {
                let places = Arc::clone(&self.open);
                Bringing { places, id: id.to_owned(), place }.answer(request, body).await
            }
            _ => {
                let why = "a place takes HEAD, PATCH and DELETE";
                Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, why)
                    .with(header::ALLOW, HeaderValue::from_static("HEAD, PATCH, DELETE")))
            }
        }
    }
}

impl Place {
    fn end_what_brings(&self) -> Pass {
        let mut bringing = self.bringing.lock().unwrap_or_else(PoisonError::into_inner);
        bringing.revoke();
        *bringing = Pass::default();
        bringing.clone()
    }

    fn touch(&self) {
        *self.touched.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn untouched(&self) -> std::time::Duration {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// A request that brings a piece to a place.
struct Bringing {
    places: Arc<Mutex<HashMap<String, Arc<Place>>>>,
    id: String,
    place: Arc<Place>,
}

impl Bringing {
    async fn answer(self, request: &Parts, body: RequestBody) -> Result<Answer, Refusal> {
        let media_type = text(&request.headers, header::CONTENT_TYPE);
        if media_type != Some(PARTIAL_UPLOAD) {
            let why = format!("a piece has the Content-Type {PARTIAL_UPLOAD}");
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let said = Said::of(&request.headers);
        if said.offset.is_none() {
            let why = "a piece tells by Upload-Offset where it begins";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
        }
        let (path, sender) = (self.place.path.clone(), self.place.sender.clone());
        let places = Arc::clone(&self.places);
        let (id, place) = (self.id.clone(), Arc::clone(&self.place));
        let bytes = self.bring(body, said).await?;
        if !said.is_last {
            return Ok(progress(StatusCode::NO_CONTENT, bytes));
        }
        let arrival = place.arrival.lock().await.take().ok_or_else(gone)?;
        places.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let outcome = finish(arrival).await.map_err(|broken| refusal(&broken, &path))?;
        let received = Received::new(&path, bytes, outcome);
        let mut answer = answer::one(request, &received, &sender);
        set(answer.headers_mut(), UPLOAD_COMPLETE, format_boolean(true));
        Ok(answer)
    }

    /// Takes in a piece, and says how much there is then. It runs as a task of its own, because the
    /// request may be dropped with its connection, and what has arrived is kept.
    async fn bring(self, body: RequestBody, said: Said) -> Result<u64, Refusal> {
        match tokio::spawn(self.bring_on(body, said)).await {
            Ok(brought) => brought,
            Err(error) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
        }
    }

    async fn bring_on(self, mut body: RequestBody, said: Said) -> Result<u64, Refusal> {
        let Self { places, id, place } = self;
        let pass = place.end_what_brings();
        let mut held = place.arrival.lock().await;
        let arrival = held.take().ok_or_else(gone)?;
        let here = arrival.arrived_bytes();
        if let Err(refusal) = check_piece(&place, here, &body, said) {
            *held = Some(arrival);
            return Err(refusal);
        }
        body.is_under(pass.clone());
        let (arrival, taken) = take_in(&mut body, arrival).await;
        place.touch();
        let Some(arrival) = arrival else {
            places.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            let broken = taken.err().unwrap_or_else(|| Broken::Form("it was lost".into()));
            return Err(refusal(&broken, &place.path));
        };
        let bytes = arrival.arrived_bytes();
        *held = Some(arrival);
        let was_ended = pass.is_revoked() && !place.sender.is_out();
        taken.map_err(|broken| match broken {
            Broken::Body(BodyError::Revoked) if was_ended => goes_on_at(bytes),
            broken => refusal(&broken, &place.path),
        })?;
        check_whole(&place, bytes, said)?;
        Ok(bytes)
    }
}

/// Whether a piece goes on where the last ended, and stays within the length that was said.
fn check_piece(place: &Place, here: u64, body: &RequestBody, said: Said) -> Result<(), Refusal> {
    if said.offset.is_some_and(|offset| offset != here) {
        return Err(goes_on_at(here));
    }
    let until = here + body.length().unwrap_or(0);
    match place.length {
        Some(length) if until > length || said.length.is_some_and(|said| said != length) => {
            let why = format!("{length} bytes were announced, and this would be more, or others");
            Err(Refusal::new(StatusCode::BAD_REQUEST, why))
        }
        _ => Ok(()),
    }
}

fn check_whole(place: &Place, bytes: u64, said: Said) -> Result<(), Refusal> {
    match place.length {
        Some(length) if bytes > length || (said.is_last && bytes < length) => {
            let announced = format!("{length} bytes were announced, and {bytes} came");
            Err(refusal(&Broken::Announced(announced), &place.path))
        }
        _ => Ok(()),
    }
}

/// Gives a place up of which nothing has come for long.
async fn give_up_in_time(places: Arc<Mutex<HashMap<String, Arc<Place>>>>, id: String) {
    let mut left = PLACE_KEPT;
    while !left.is_zero() {
        tokio::time::sleep(left).await;
        let places = places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = places.get(&id) else { return };
        let is_busy = place.arrival.try_lock().is_err();
        left = if is_busy { PLACE_KEPT } else { PLACE_KEPT.saturating_sub(place.untouched()) };
    }
    places.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
}

/// To a piece that begins elsewhere, or that another request has ended.
fn goes_on_at(here: u64) -> Refusal {
    let why = format!("{here} bytes are here; go on from there");
    Refusal::new(StatusCode::CONFLICT, why)
        .with(HeaderName::from_static(UPLOAD_OFFSET), here.into())
}

fn gone() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "this file is not on its way any more; begin again")
}

fn progress(status: StatusCode, bytes: u64) -> Answer {
    let mut answer = Response::new(Content::Empty);
    *answer.status_mut() = status;
    let head = answer.headers_mut();
    head.insert(HeaderName::from_static(UPLOAD_OFFSET), bytes.into());
    set(head, UPLOAD_COMPLETE, format_boolean(false));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status != StatusCode::NO_CONTENT {
        head.insert(header::CONTENT_LENGTH, 0.into());
    }
    answer
}

fn set(head: &mut HeaderMap, name: &'static str, value: &'static str) {
    head.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
}

fn random_id() -> std::io::Result<String> {
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_ne_bytes(random)))
}
