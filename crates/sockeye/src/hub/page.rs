//! What every answer of the hub's own making carries, and the page's files under `/-/web/`.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::accept::accepts_gzip;

use super::api;
use crate::services::files::serve::media_type;
use crate::services::files::serve::refusal::BEARER;
use crate::web;

/// Nothing but the hub's own files, no frames around it, no inline scripts or styles. Frames of the
/// hub's own are there for a shared PDF alone, which browsers show in no other way; they refuse it
/// in a sandboxed frame.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
     connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);

/// Guards an answer of our own making (a page, a listing, an error) against being embedded, read
/// by other sites, or taken for another type.
pub fn protect(head: &mut HeaderMap) {
    head.insert(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    head.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
}

/// The way in, for a browser that has no key yet; `why` tells what was wrong with the one it had.
pub fn join(status: StatusCode, why: &str) -> Answer {
    let why = web::escape_html(why);
    let values = [("assets", web::assets_path()), ("detail", &why)];
    let mut answer = api::answer("text/html; charset=utf-8", web::fill(web::JOIN_PAGE, &values));
    *answer.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, BEARER);
    }
    answer
}

/// A page to drop files on, for whoever may send and not see.
pub fn drop_page(machine: &str, receiving: &Value) -> Answer {
    let data = web::json_in_html(&json!({ "hub": { "name": machine, "receiving": receiving } }));
    let machine = web::escape_html(machine);
    let values = [("assets", web::assets_path()), ("title", &machine), ("data", &data)];
    api::answer("text/html; charset=utf-8", web::fill(web::DROP_PAGE, &values))
}

/// The emblem, for browsers that ask for it where nothing names it.
pub fn emblem(fields: &HeaderMap) -> Option<Answer> {
    asset(&format!("{}icon.svg", web::assets_path()), fields)
}

/// One of the page's files; `path` is the request's. Those of another version of the page are not
/// here.
pub fn asset(path: &str, fields: &HeaderMap) -> Option<Answer> {
    let name = path.strip_prefix(web::assets_path())?;
    let asset = web::asset(name)?;
    let encoding = fields.get(header::ACCEPT_ENCODING).and_then(|e| e.to_str().ok());
    let is_compressed = accepts_gzip(encoding) && asset.gzip.len() < asset.plain.len();
    let body = if is_compressed { asset.gzip.clone() } else { asset.plain.into() };
    let length = body.len();
    let mut answer = Response::new(body.into());
    let head = answer.headers_mut();
    protect(head);
    if let Ok(media_type) = HeaderValue::from_str(&media_type::of(name.as_bytes())) {
        head.insert(header::CONTENT_TYPE, media_type);
    }
    head.insert(header::CONTENT_LENGTH, length.into());
    head.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // The path changes with the contents.
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    head.insert(header::CACHE_CONTROL, for_ever);
    if is_compressed {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(answer)
}
