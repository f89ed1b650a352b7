//! A folder as an answer: the page for a browser, JSON for a script, lines for curl.

use std::fmt::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use sockeye_engine::disk::folder::{Facts, OpenError};
use sockeye_engine::disk::listing::{self, Entry};
use sockeye_engine::http::body::Content;
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::accept::accepts_gzip;
use sockeye_proto::http::target::{SharePath, encode_segment};
use sockeye_proto::limits::{LISTING_INLINE_MAX_ENTRIES, LISTINGS_AT_ONCE, LISTINGS_MAX_BYTES};
use sockeye_proto::printable::Printable;
use tokio::sync::Semaphore;

use super::media_type;
use super::share::{Share, blocking};
use crate::hub::page;
use crate::web;

/// Whose turn it is to read a folder.
static TURNS: Semaphore = Semaphore::const_new(LISTINGS_AT_ONCE);
/// Bytes of listings on their way to their readers.
static OUT_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Bodies from this size on are compressed for who accepts it.
const GZIP_FROM_BYTES: usize = 1024;

/// A folder's contents, as the page and scripts get them.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// The folder, for people.
    pub path: String,
    /// The folder, as a URL's path.
    pub href: String,
    /// What it holds.
    pub entries: Vec<ListingEntry>,
    /// How many entries that are.
    pub total: usize,
    /// Whether there are more than can be shown.
    pub truncated: bool,
}

/// A file or folder in a listing.
#[derive(Debug, Serialize)]
pub struct ListingEntry {
    /// Its name, for people: bytes that are no UTF-8 are replaced.
    pub name: String,
    /// Relative to the folder, exact.
    pub href: String,
    /// `file` or `folder`.
    pub kind: &'static str,
    /// Whether it leads back to this folder or one around it: whoever goes through all must not.
    #[serde(rename = "loop", skip_serializing_if = "std::ops::Not::not")]
    pub is_loop: bool,
    /// In bytes; files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The last change of its contents, in UTC.
    pub modified: Option<Timestamp>,
    /// Its media type; files only.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// In which form a listing is wanted.
#[derive(Debug)]
pub enum Form {
    /// The page, with what stands before the folder's path in its links, and the hub's facts.
    Page {
        /// Empty, or `/-/browse`.
        base: &'static str,
        /// As `/-/api/hub` gives it.
        hub: serde_json::Value,
    },
    /// JSON.
    Json,
    /// Lines.
    Text,
}

/// Reads an open folder and answers with what it holds.
pub async fn answer(
    share: &Arc<Share>,
    path: &SharePath,
    folder: OwnedFd,
    form: Form,
    fields: &HeaderMap,
) -> Result<Answer, OpenError> {
    let (share, path) = (Arc::clone(share), path.clone());
    let encoding = fields.get(header::ACCEPT_ENCODING).and_then(|e| e.to_str().ok());
    let may_compress = accepts_gzip(encoding);
    // Reading, writing and compressing a large folder takes a while and memory; none of it is done
    // where other connections would wait for it, nor for everybody at once.
    let _turn = TURNS.acquire().await.map_err(|_| OpenError::Exhausted)?;
    blocking(move || {
        let listed = listing::list(share.folder(), &path, folder.as_fd(), share.shows_hidden())?;
        let listing = Listing::new(&path, listed);
        let (media_type, body) = match form {
            Form::Page { base, hub } => {
                ("text/html; charset=utf-8", page(&share, &listing, base, &hub))
            }
            Form::Json => ("application/json", json(&listing)?),
            Form::Text => ("text/plain; charset=utf-8", text(&listing)),
        };
        finish(media_type, body.into_bytes(), may_compress)
    })
    .await
}

impl Listing {
    fn new(path: &SharePath, listed: listing::Listing) -> Self {
        let entries: Vec<ListingEntry> = listed.entries.iter().map(ListingEntry::new).collect();
        Self {
            path: path.display(),
            href: path.encoded(),
            total: entries.len(),
            entries,
            truncated: listed.is_truncated,
        }
    }
}

impl ListingEntry {
    fn new(entry: &Entry) -> Self {
        let slash = if entry.is_folder { "/" } else { "" };
        Self {
            name: String::from_utf8_lossy(&entry.name).into_owned(),
            href: format!("{}{slash}", encode_segment(&entry.name)),
            kind: if entry.is_folder { "folder" } else { "file" },
            is_loop: entry.is_loop,
            size: (!entry.is_folder).then_some(entry.facts.length),
            modified: modified(&entry.facts),
            media_type: (!entry.is_folder).then(|| media_type::of(&entry.name)),
        }
    }
}

/// To the second; `None` for a time that no calendar of ours reaches.
fn modified(facts: &Facts) -> Option<Timestamp> {
    let seconds = i64::try_from(facts.modified_ns.div_euclid(1_000_000_000)).ok()?;
    Timestamp::from_second(seconds).ok()
}

fn json(listing: &Listing) -> Result<String, OpenError> {
    let mut json =
        serde_json::to_string(listing).map_err(|e| OpenError::Io(std::io::Error::other(e)))?;
    json.push('\n');
    Ok(json)
}

/// One line an entry, in the manner of `ls -l`, with the hub's own time.
fn text(listing: &Listing) -> String {
    let zone = TimeZone::system();
    let mut text = String::new();
    for entry in &listing.entries {
        let time = entry.modified.map_or_else(
            || "-".to_owned(),
            |time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        );
        let size = entry.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let slash = if entry.size.is_none() { "/" } else { "" };
        let name = Printable(entry.name.as_bytes());
        let _ = writeln!(text, "{time:<16}  {size:>14}  {name}{slash}");
    }
    if listing.truncated {
        text.push_str("and more\n");
    }
    text
}

fn page(share: &Share, listing: &Listing, base: &str, hub: &serde_json::Value) -> String {
    let is_inline = listing.total <= LISTING_INLINE_MAX_ENTRIES;
    let data = serde_json::json!({
        "base": base, "hub": hub, "listing": is_inline.then_some(listing),
    });
    // Inside a script element only `<` could end it.
    let data = web::json_in_html(&data);
    let title = match listing.path.trim_matches('/') {
        "" => share.name(),
        path => format!("{path} · {}", share.name()),
    };
    web::fill(
        web::PAGE,
        &[
            ("title", &web::escape_html(&title)),
            ("assets", web::assets_path()),
            ("listing_html", &listing_html(listing, base)),
            ("data", &data),
        ],
    )
}

/// For browsers without scripts, and for the moment before they run.
fn listing_html(listing: &Listing, base: &str) -> String {
    let mut html = String::from("<ul class=\"plain\">\n");
    if listing.href != "/" {
        html.push_str("<li><a href=\"../\">..</a></li>\n");
    }
    for entry in listing.entries.iter().take(LISTING_INLINE_MAX_ENTRIES) {
        // Files are at their own path also where the page is not.
        let within =
            if entry.size.is_some() && !base.is_empty() { listing.href.as_str() } else { "./" };
        let href = web::escape_html(&format!("{within}{}", entry.href));
        // What would turn the text round it shows as an escape.
        let name = web::escape_html(&Printable(entry.name.as_bytes()).to_string());
        let slash = if entry.size.is_none() { "/" } else { "" };
        let size = entry.size.map_or_else(String::new, |size| {
            format!(" <span>{}</span>", sockeye_engine::request_log::Size(size))
        });
        let _ = writeln!(html, "<li><a href=\"{href}\"><bdi>{name}</bdi>{slash}</a>{size}</li>");
    }
    html.push_str("</ul>\n");
    html
}

/// An answer of our own making, compressed if that is worth it.
fn finish(
    media_type: &'static str,
    body: Vec<u8>,
    may_compress: bool,
) -> Result<Answer, OpenError> {
    let is_compressed = may_compress && body.len() >= GZIP_FROM_BYTES;
    let body =
        if is_compressed { web::gzip(&body, flate2::Compression::new(3)) } else { body.into() };
    let length = body.len();
    let mut answer = Response::new(Content::Bytes(Counted::take(body)?));
    let head = answer.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    head.insert(header::CONTENT_LENGTH, length.into());
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    head.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if is_compressed {
        head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    page::protect(head);
    Ok(answer)
}

/// A listing's bytes, counted as long as anybody still reads them.
struct Counted(Bytes);

impl Counted {
    fn take(body: Bytes) -> Result<Bytes, OpenError> {
        let length = body.len();
        OUT_BYTES
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |out| {
                Some(out + length).filter(|out| *out <= LISTINGS_MAX_BYTES)
            })
            .map_err(|_| OpenError::Exhausted)?;
        Ok(Bytes::from_owner(Self(body)))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OUT_BYTES.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_that_nobody_takes_are_bounded_in_bytes() {
        let half = Bytes::from(vec![0; LISTINGS_MAX_BYTES / 2 + 1]);
        let first = Counted::take(half.clone()).unwrap();
        assert!(matches!(Counted::take(half.clone()), Err(OpenError::Exhausted)));
        drop(first);
        assert!(Counted::take(half).is_ok());
    }
}
