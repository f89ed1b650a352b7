//! How a sender is told what became of what it sent.

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use sockeye_engine::disk::receive::{Outcome, ReceiveError};
use sockeye_engine::http::request_body::BodyError;
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::accept::{Wanted, negotiate};
use sockeye_proto::http::target::SharePath;

use super::Sender;
use super::intake::Broken;
use crate::hub::api;
use crate::services::files::serve::refusal::Refusal;

/// A file that came to rest.
#[derive(Debug)]
pub struct Received {
    /// The path that it has now.
    path: SharePath,
    bytes: u64,
    outcome: Outcome,
}

impl Received {
    /// A file that was sent to this path.
    pub fn new(wanted: &SharePath, bytes: u64, outcome: Outcome) -> Self {
        let renamed = match &outcome {
            Outcome::Renamed(name) => wanted.parent().join(name).ok(),
            _ => None,
        };
        Self { path: renamed.unwrap_or_else(|| wanted.clone()), bytes, outcome }
    }

    fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Saved => "saved",
            Outcome::Replaced => "replaced",
            Outcome::Renamed(_) => "renamed",
            Outcome::Same => "same",
        }
    }

    /// For a script. Who may not see what is here does not learn which names were taken.
    pub fn json(&self, sender: &Sender) -> Value {
        if sender.is_stranger {
            return json!({"bytes": self.bytes, "outcome": "saved"});
        }
        json!({"path": self.path.encoded(), "bytes": self.bytes, "outcome": self.word()})
    }

    /// For people.
    pub fn line(&self, sender: &Sender) -> String {
        let bytes = self.bytes;
        if sender.is_stranger {
            return format!("received, {bytes} bytes\n");
        }
        let shown = self.path.display();
        match self.outcome {
            Outcome::Saved => format!("saved {shown}, {bytes} bytes\n"),
            Outcome::Replaced => format!("replaced {shown}, {bytes} bytes\n"),
            Outcome::Renamed(_) => format!("saved as {shown}, {bytes} bytes\n"),
            Outcome::Same => format!("{shown} was there already, the same {bytes} bytes\n"),
        }
    }
}

/// The answer about one file.
pub fn one(request: &Parts, received: &Received, sender: &Sender) -> Answer {
    let is_put = request.method == Method::PUT && !sender.is_stranger;
    let status = match received.outcome {
        Outcome::Replaced if is_put => StatusCode::NO_CONTENT,
        Outcome::Saved | Outcome::Renamed(_) if is_put => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let mut answer = told(request, &received.json(sender), received.line(sender));
    *answer.status_mut() = status;
    let place = HeaderValue::from_str(&received.path.encoded()).ok();
    if let Some(place) = place.filter(|_| !sender.is_stranger) {
        if status == StatusCode::CREATED {
            answer.headers_mut().insert(header::LOCATION, place.clone());
        }
        answer.headers_mut().insert(header::CONTENT_LOCATION, place);
    }
    if status == StatusCode::NO_CONTENT {
        *answer.body_mut() = sockeye_engine::http::body::Content::Empty;
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        answer.headers_mut().remove(header::CONTENT_TYPE);
    }
    answer
}

/// The answer about a folder that was made.
pub fn folder_made(request: &Parts, path: &SharePath) -> Answer {
    let place = path.as_folder();
    let body = json!({"path": place.encoded(), "outcome": "made"});
    let mut answer = told(request, &body, format!("made {}\n", place.display()));
    *answer.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&place.encoded()) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    answer
}

/// An answer as JSON for a script, or as text.
pub fn told(request: &Parts, json: &Value, text: String) -> Answer {
    let accept = request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let (media_type, body) = match negotiate(accept) {
        Wanted::Json => ("application/json", format!("{json}\n")),
        Wanted::Page | Wanted::Text => ("text/plain; charset=utf-8", text),
    };
    api::answer(media_type, body)
}

/// Why something that was sent to a path is not here.
pub fn refusal(broken: &Broken, path: &SharePath) -> Refusal {
    let status = match broken {
        Broken::Body(BodyError::Slow) => StatusCode::REQUEST_TIMEOUT,
        Broken::Body(BodyError::Revoked) => StatusCode::UNAUTHORIZED,
        Broken::Body(BodyError::Broken(_)) | Broken::Form(_) | Broken::Announced(_) => {
            StatusCode::BAD_REQUEST
        }
        Broken::Receive(error) => match error {
            ReceiveError::Taken | ReceiveError::TakenByFolder | ReceiveError::FileOnTheWay => {
                StatusCode::CONFLICT
            }
            ReceiveError::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            ReceiveError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ReceiveError::BadName => StatusCode::BAD_REQUEST,
            ReceiveError::Denied | ReceiveError::Outside => StatusCode::FORBIDDEN,
            ReceiveError::Exhausted => StatusCode::SERVICE_UNAVAILABLE,
            ReceiveError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        },
    };
    let hint = match broken {
        Broken::Receive(ReceiveError::Taken) => {
            "; send it under another name, or have the hub started with --overwrite or --rename"
        }
        Broken::Body(BodyError::Slow) => ", slower than 20 KiB in 20 s",
        _ => "",
    };
    let refusal = Refusal::new(status, format!("{}: {broken}{hint}", path.display()));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return refusal.with(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    refusal
}
