//! Sending a file in pieces, so that a break costs only what was on its way. What is asked next and
//! what an answer means is decided by [`Sending`].

use std::sync::{Arc, Mutex, PoisonError};

use ::http::{Method, header};
use sockeye_proto::address::Address;
use sockeye_proto::http::pieces::{
    self, Learned, PARTIAL_UPLOAD, Request, Sending, UPLOAD_COMPLETE, UPLOAD_LENGTH, UPLOAD_OFFSET,
};

use super::line::{Answer, Asked, Line, Trouble};
use super::retry::Retries;
use super::source::Source;
use crate::exit::Failure;
use crate::services::files::call::connection::field;
use crate::services::files::call::meter::Meter;
use crate::services::files::call::redirect::redirected;

/// Shorter files go in one: what a break costs is sent again soon enough.
pub const FROM_BYTES: u64 = 8 * 1024 * 1024;

/// Places on the server for files that are not whole there, which it would keep for a while.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<Vec<Address>>>);

impl Places {
    /// All of them, once.
    pub fn take(&self) -> Vec<Address> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, place: &Address) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(place.clone());
    }

    fn end(&self, place: Option<&Address>) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|other| Some(other) != place);
    }
}

/// Sends it. `None`: this server does not know pieces.
pub async fn send(
    url: &Address,
    source: &Source,
    line: &mut Line,
    meter: &Meter,
    places: &Places,
) -> Result<Option<Answer>, Trouble> {
    let Some(length) = source.length() else { return Ok(None) };
    let mut sending = Sending::new(length);
    let mut place = None;
    let mut retries = Retries::default();
    loop {
        let confirmed = sending.confirmed();
        let request = sending.next();
        let asked = asked(request, length, (url, place.as_ref()), source, meter);
        match line.ask(&asked).await {
            Ok(answer) => {
                if let Request::Piece { .. } = request {
                    sending.sent_until(answer.position);
                }
                let new_place = place_of(&answer, url).filter(|_| request == Request::Place);
                match sending.answered(what_counts(&answer, new_place.is_some())) {
                    Learned::GoOn => {}
                    Learned::Unknown => return Ok(None),
                    Learned::Whole => {
                        places.end(place.as_ref());
                        return Ok(Some(answer));
                    }
                    Learned::Refused => return Ok(Some(answer)),
                    Learned::Lost => return Err(Trouble::Failed(lost(url))),
                }
                if let Some(new_place) = new_place {
                    places.end(place.as_ref());
                    places.begin(&new_place);
                    place = Some(new_place);
                }
            }
            Err(trouble) => {
                if let (Request::Piece { .. }, Trouble::Broken { position, .. }) =
                    (request, &trouble)
                {
                    sending.sent_until(*position);
                }
                sending.broken();
                retries.wait(trouble, meter).await?;
                source.check().map_err(Trouble::Source)?;
            }
        }
        if sending.confirmed() > confirmed {
            retries.begin_anew();
        }
    }
}

/// Tells the server that this place is not needed any more.
pub async fn give_up(place: &Address, line: &mut Line) {
    let (method, meter) = (Method::DELETE, Meter::hidden());
    let asked = Asked { method, url: place, fields: Vec::new(), body: None, meter: &meter };
    // It gives up by itself, a while later.
    let _ = line.ask(&asked).await;
}

fn asked<'a>(
    request: Request,
    length: u64,
    (url, place): (&'a Address, Option<&'a Address>),
    source: &'a Source,
    meter: &'a Meter,
) -> Asked<'a> {
    let complete = |is_last| (UPLOAD_COMPLETE, pieces::format_boolean(is_last).to_owned());
    let place = place.unwrap_or(url);
    let (method, url, fields, body) = match request {
        Request::Place => {
            let fields = vec![complete(false), (UPLOAD_LENGTH, length.to_string())];
            (Method::POST, url, fields, None)
        }
        Request::Offset => (Method::HEAD, place, Vec::new(), None),
        Request::Piece { from } => {
            let media_type = (header::CONTENT_TYPE.as_str(), PARTIAL_UPLOAD.to_owned());
            let fields = vec![media_type, complete(true), (UPLOAD_OFFSET, from.to_string())];
            (Method::PATCH, place, fields, Some((source, from)))
        }
    };
    Asked { method, url, fields, body, meter }
}

/// The place that the server has made, on this server and no other.
fn place_of(answer: &Answer, url: &Address) -> Option<Address> {
    let place = redirected(url, field(&answer.fields, header::LOCATION)?).ok()?;
    (place.authority() == url.authority() && place.scheme == url.scheme).then_some(place)
}

fn what_counts(answer: &Answer, has_location: bool) -> pieces::Answer {
    pieces::Answer {
        status: answer.status.as_u16(),
        offset: field(&answer.fields, UPLOAD_OFFSET).and_then(pieces::parse_integer),
        complete: field(&answer.fields, UPLOAD_COMPLETE).and_then(pieces::parse_boolean),
        has_location,
    }
}

fn lost(url: &Address) -> Failure {
    Failure::Corrupt(format!(
        "{url}: the server says it has what was never sent, or gets no further"
    ))
}
