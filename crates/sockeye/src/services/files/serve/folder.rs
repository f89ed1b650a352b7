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
use sockeye_engine::disk::folder::OpenError;
use sockeye_engine::disk::listing;
use sockeye_engine::http::body::Content;
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::accept::accepts_gzip;
use sockeye_proto::http::target::{SharePath, encode_segment};
use sockeye_proto::limits::{LISTING_INLINE_MAX_ENTRIES, LISTINGS_AT_ONCE, LISTINGS_MAX_BYTES};
use sockeye_proto::printable::Printable;
use sockeye_proto::siblings::merge::{Entry, Kind, Merged};
use tokio::sync::Semaphore;

use super::media_type;
use super::share::{Share, blocking};
use crate::hub::page;
use crate::services::files::siblings::all::{self, All, HERE, Node};
use crate::web;

/// Whose turn it is to read a folder.
static TURNS: Semaphore = Semaphore::const_new(LISTINGS_AT_ONCE);
/// Bytes of listings on their way to their readers.
static OUT_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Who has an entry stands in a column no wider than this; what is longer goes beyond.
const PLACES_MAX_CHARS: usize = 48;
/// Bodies from this size on are compressed for who accepts it.
const GZIP_FROM_BYTES: usize = 1024;

/// A folder's contents, as the page and scripts get them.
#[derive(Debug, Serialize)]
pub struct Listing<'a> {
    /// The folder, for people.
    pub path: String,
    /// The folder, as a URL's path.
    pub href: String,
    /// What it holds.
    pub entries: Vec<ListingEntry<'a>>,
    /// How many entries that are.
    pub total: usize,
    /// Whether there are more than can be shown.
    pub truncated: bool,
    /// Who was asked, of a listing of all siblings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<&'a [Node]>,
}

/// A file or folder in a listing.
#[derive(Debug, Serialize)]
pub struct ListingEntry<'a> {
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
    /// Who has it, of a listing of all siblings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Vec<&'a str>>,
    /// Whether those who have it tell more than one size.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
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

/// What a listing is made of.
#[derive(Debug)]
pub struct Contents {
    /// The folder here, if there is one.
    pub here: Option<OwnedFd>,
    /// What siblings tell of it, if it is shown as all have it.
    pub all: Option<All>,
}

/// Reads a folder and answers with what it holds.
pub async fn answer(
    share: &Arc<Share>,
    path: &SharePath,
    contents: Contents,
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
        let Contents { here, mut all } = contents;
        let list = |here: OwnedFd| {
            listing::list(share.folder(), &path, here.as_fd(), share.shows_hidden())
        };
        let mut listed = here.map(list).transpose()?;
        let merged = all.as_mut().map(|all| all.merge(listed.take()));
        let listing = match (&all, merged) {
            (Some(all), Some(merged)) => Listing::of_all(&path, merged, &all.nodes),
            _ => Listing::new(&path, listed),
        };
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

impl<'a> Listing<'a> {
    fn new(path: &SharePath, listed: Option<listing::Listing>) -> Self {
        let is_truncated = listed.as_ref().is_some_and(|listed| listed.is_truncated);
        let entries = listed.into_iter().flat_map(|listed| listed.entries);
        Self::with(path, entries.map(|e| ListingEntry::new(&all::entry(e))).collect(), is_truncated)
    }

    /// As this hub and its siblings have it.
    fn of_all(path: &SharePath, merged: Merged, nodes: &'a [Node]) -> Self {
        let entries = merged.rows.iter().map(|row| {
            let at = row.at.iter().filter_map(|at| Some(nodes.get(*at)?.name.as_str()));
            let at = Some(at.collect());
            ListingEntry { at, differs: row.differs, ..ListingEntry::new(&row.entry) }
        });
        let listing = Self::with(path, entries.collect(), merged.is_truncated);
        Self { nodes: Some(nodes), ..listing }
    }

    fn with(path: &SharePath, entries: Vec<ListingEntry<'a>>, truncated: bool) -> Self {
        let (path, href) = (path.display(), path.encoded());
        Self { path, href, total: entries.len(), entries, truncated, nodes: None }
    }

    /// What stands behind a folder's path in a link, so that it is shown in the same way.
    fn query(&self) -> &'static str {
        if self.nodes.is_some() { "?all" } else { "" }
    }

    /// Those of whom it says less than they may have, with why.
    fn shortcomings(&self) -> impl Iterator<Item = (&'a str, &'static str)> {
        let nodes = self.nodes.unwrap_or_default().iter();
        nodes.filter_map(|node| Some((node.name.as_str(), node.why?)))
    }
}

impl ListingEntry<'_> {
    fn new(entry: &Entry) -> Self {
        let (slash, kind, size) = match entry.kind {
            Kind::Folder => ("/", "folder", None),
            Kind::File(size) => ("", "file", Some(size)),
        };
        Self {
            name: String::from_utf8_lossy(&entry.name).into_owned(),
            href: format!("{}{slash}", encode_segment(&entry.name)),
            kind,
            is_loop: entry.is_loop,
            size,
            // `None` for a time that no calendar of ours reaches.
            modified: entry.modified_s.and_then(|s| Timestamp::from_second(s).ok()),
            media_type: size.map(|_| media_type::of(&entry.name)),
            at: None,
            differs: false,
        }
    }

    /// Who has it, for people.
    fn places(&self) -> String {
        self.at.as_ref().map(|at| at.join(", ")).unwrap_or_default()
    }
}

fn json(listing: &Listing<'_>) -> Result<String, OpenError> {
    let mut json =
        serde_json::to_string(listing).map_err(|e| OpenError::Io(std::io::Error::other(e)))?;
    json.push('\n');
    Ok(json)
}

/// One line an entry, in the manner of `ls -l`, with the hub's own time; and with who has it, in a
/// listing of all.
fn text(listing: &Listing<'_>) -> String {
    let zone = TimeZone::system();
    let mut text = String::new();
    let places = listing.entries.iter().map(|entry| entry.places().chars().count()).max();
    let places = places.unwrap_or_default().min(PLACES_MAX_CHARS);
    for entry in &listing.entries {
        let time = entry.modified.map_or_else(
            || "-".to_owned(),
            |time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        );
        let size = entry.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let slash = if entry.size.is_none() { "/" } else { "" };
        let name = Printable(entry.name.as_bytes());
        let _ = write!(text, "{time:<16}  {size:>14}  ");
        if listing.nodes.is_some() {
            let _ = write!(text, "{:<places$}  ", entry.places());
        }
        let _ = writeln!(text, "{name}{slash}");
    }
    if listing.truncated {
        text.push_str("and more\n");
    }
    for (name, why) in listing.shortcomings() {
        let _ = writeln!(text, "without {name}, which {why}");
    }
    text
}

fn page(share: &Share, listing: &Listing<'_>, base: &str, hub: &serde_json::Value) -> String {
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
fn listing_html(listing: &Listing<'_>, base: &str) -> String {
    let mut html = String::from("<ul class=\"plain\">\n");
    let query = listing.query();
    if listing.href != "/" {
        let _ = writeln!(html, "<li><a href=\"../{query}\">..</a></li>");
    }
    for entry in listing.entries.iter().take(LISTING_INLINE_MAX_ENTRIES) {
        // Files are at their own path also where the page is not.
        let within =
            if entry.size.is_some() && !base.is_empty() { listing.href.as_str() } else { "./" };
        let query = if entry.size.is_none() { query } else { "" };
        let href = web::escape_html(&format!("{within}{}{query}", entry.href));
        // What would turn the text round it shows as an escape.
        let name = web::escape_html(&Printable(entry.name.as_bytes()).to_string());
        let slash = if entry.size.is_none() { "/" } else { "" };
        let mut facts = entry
            .size
            .map_or_else(String::new, |size| sockeye_engine::request_log::Size(size).to_string());
        if entry.at.as_ref().is_some_and(|at| at[..] != [HERE]) {
            facts = format!("{facts} at {}", web::escape_html(&entry.places()));
        }
        let facts =
            if facts.is_empty() { facts } else { format!(" <span>{}</span>", facts.trim()) };
        let _ = writeln!(html, "<li><a href=\"{href}\"><bdi>{name}</bdi>{slash}</a>{facts}</li>");
    }
    html.push_str("</ul>\n");
    for (name, why) in listing.shortcomings() {
        let _ = writeln!(html, "<p>This is without {}, which {why}.</p>", web::escape_html(name));
    }
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
