//! Saying no over http: a status and a short body that says why, in the form that was asked for.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sockeye_engine::disk::folder::OpenError;
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::accept::{Wanted, negotiate};

use crate::hub::page;
use crate::web;

/// How the key is given where one is wanted.
pub const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"Sockeye\"");

/// A no.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Why, in a sentence without its full stop.
    pub why: String,
    /// Fields that go with it.
    pub fields: Vec<(header::HeaderName, HeaderValue)>,
    /// Where else a browser may look: what the link says, and its address.
    pub way: Option<(&'static str, &'static str)>,
}

impl Refusal {
    /// A no with a reason.
    pub fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into(), fields: Vec::new(), way: None }
    }

    /// With a link on its page.
    pub fn or_look(mut self, label: &'static str, href: &'static str) -> Self {
        self.way = Some((label, href));
        self
    }

    /// With a header field.
    pub fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The methods that are answered, for those that are not.
    pub fn method() -> Self {
        let why = "this is not done here: ask with GET or HEAD, send with POST or PUT";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, why)
            .with(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, MKCOL"))
    }

    /// Why a path could not be opened. `shown` is the path, for people.
    pub fn open(error: &OpenError, shown: &str) -> Self {
        let status = match error {
            OpenError::NotFound => {
                return Self::new(StatusCode::NOT_FOUND, format!("there is no {shown} here"));
            }
            OpenError::Denied | OpenError::Outside | OpenError::NotAFile => StatusCode::FORBIDDEN,
            OpenError::Exhausted | OpenError::WouldBlock => {
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                    .with(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            OpenError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, format!("{shown}: {error}"))
    }

    /// The answer, as the request's fields want it.
    pub fn answer(&self, fields: &HeaderMap) -> Answer {
        let accept = fields.get(header::ACCEPT).and_then(|a| a.to_str().ok());
        let title = title(self.status);
        let (media_type, body) = match negotiate(accept) {
            Wanted::Page => ("text/html; charset=utf-8", self.page(title)),
            Wanted::Json => {
                let body = serde_json::json!({
                    "status": self.status.as_u16(), "error": title, "detail": self.why,
                });
                ("application/json", format!("{body}\n"))
            }
            Wanted::Text => (
                "text/plain; charset=utf-8",
                format!("{} {title}: {}\n", self.status.as_u16(), self.why),
            ),
        };
        let length = body.len();
        let mut answer = Response::new(body.into());
        *answer.status_mut() = self.status;
        let head = answer.headers_mut();
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        head.insert(header::CONTENT_LENGTH, length.into());
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        head.insert(header::VARY, HeaderValue::from_static("Accept"));
        page::protect(head);
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 15.5.2. Basic would have browsers ask for a user and a password.
            head.insert(header::WWW_AUTHENTICATE, BEARER);
        }
        for (name, value) in &self.fields {
            head.insert(name, value.clone());
        }
        answer
    }

    fn page(&self, title: &str) -> String {
        let is_worth_another_try = matches!(
            self.status,
            StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
        );
        // An empty reference is this very address.
        let way = self.way.or(is_worth_another_try.then_some(("Try again", "")));
        let ways =
            way.map(|(label, href)| format!("<a class=\"button\" href=\"{href}\">{label}</a>\n"));
        web::fill(
            web::ERROR_PAGE,
            &[
                ("status", self.status.as_str()),
                ("title", title),
                ("detail", &web::escape_html(&sentence(&self.why))),
                ("advice", advice(self.status)),
                ("ways", &ways.unwrap_or_default()),
                ("assets", web::assets_path()),
            ],
        )
    }
}

/// A reason as a sentence of its own. What begins with a path stays as it is.
fn sentence(why: &str) -> String {
    let mut chars = why.chars();
    let Some(first) = chars.next() else { return String::new() };
    let first: String = first.to_uppercase().collect();
    format!("{first}{}.", chars.as_str())
}

/// What somebody in front of a browser may do about it.
fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => {
            "It may have been renamed, moved or removed since the link was made, or a letter of the \
             address is wrong."
        }
        StatusCode::FORBIDDEN => {
            "The person who runs the hub can give its program the right to read it."
        }
        StatusCode::GATEWAY_TIMEOUT => {
            "It may be at one of the hubs that could not be asked: try again when they are back."
        }
        StatusCode::MISDIRECTED_REQUEST => {
            "Use the address that the hub prints when it starts, or have it started with --host and \
             this name."
        }
        StatusCode::SERVICE_UNAVAILABLE => "Try again in a few seconds.",
        _ => "",
    }
}

/// The status in words, sentence case.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Bad request",
        StatusCode::UNAUTHORIZED => "The key is wanted",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
        StatusCode::PRECONDITION_FAILED => "Precondition failed",
        StatusCode::RANGE_NOT_SATISFIABLE => "Range not satisfiable",
        StatusCode::MISDIRECTED_REQUEST => "Misdirected request",
        StatusCode::CONFLICT => "Taken",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large",
        StatusCode::INSUFFICIENT_STORAGE => "Too little space",
        StatusCode::REQUEST_TIMEOUT => "Too slow",
        StatusCode::TOO_MANY_REQUESTS => "Too many wrong keys",
        StatusCode::SERVICE_UNAVAILABLE => "Busy",
        StatusCode::GATEWAY_TIMEOUT => "Not all could be asked",
        StatusCode::BAD_GATEWAY => "Broken off",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}
