//! What a folder of a hub holds, as it tells in JSON.
//!
//! Whoever answers may be anybody. So each name is one name and leads nowhere, a listing is so long
//! and no longer, and what is neither a file nor a folder is not there.

use std::collections::BTreeSet;

use ::http::header;
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use sockeye_proto::address::Address;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::GET_LISTING_MAX_BYTES;
use sockeye_proto::printable::Printable;

use crate::exit::Failure;
use crate::services::files::call::SILENCE_TIMEOUT;
use crate::services::files::call::connection::{self, field};
use crate::services::files::call::get::line::{Answer, Asked, Led, Line};

/// Where a hub lists a folder whatever is in it, in front of its path.
const LIST: &str = "/-/api/list";
const HUB: &str = "/-/api/hub";
const JSON: &str = "application/json";

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Its folders' names.
    pub folders: Vec<Vec<u8>>,
    /// Its files.
    pub files: Vec<File>,
    /// What was named and cannot be, in words.
    pub impossible: Vec<String>,
    /// Whether there is more than the hub lists.
    pub is_truncated: bool,
}

/// A file in a listing.
#[derive(Debug)]
pub struct File {
    /// Its name, raw.
    pub name: Vec<u8>,
    /// Its length in bytes.
    pub length: u64,
    /// Its last change, in seconds since the Unix epoch.
    pub modified_s: Option<i64>,
}

/// How reading a listing ended.
#[derive(Debug)]
pub enum Read {
    /// It is here, from the hub at this address.
    Listing(Listing, Address),
    /// A hub said no, and why.
    Refused(String),
    /// It came, and is no whole JSON; why.
    Broken(String),
    /// Whoever answers is no hub.
    NoListing,
}

#[derive(Deserialize)]
struct Told {
    entries: Vec<ToldEntry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct ToldEntry {
    href: String,
    kind: String,
    size: Option<u64>,
    modified: Option<jiff::Timestamp>,
    /// It leads back to where we are, or were on the way here.
    #[serde(default, rename = "loop")]
    is_loop: bool,
}

/// Reads the listing of a folder at the hub that a URL leads to.
pub async fn read(line: &mut Line, url: &Address, path: &SharePath) -> Result<Read, Failure> {
    let asked = Address { path: format!("{LIST}{}", path.as_folder().encoded()), ..url.clone() };
    let Led::To(mut answer) = line.ask(&asked, &Asked { accept: JSON, range: None }).await? else {
        return Ok(Read::NoListing);
    };
    let (status, fields) = (answer.response.status(), answer.response.headers());
    let is_json = field(fields, header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with(JSON));
    // A redirect may lead to https, or to another host, but to no other path.
    if !is_json || answer.url.path != asked.path {
        return Ok(Read::NoListing);
    }
    if !status.is_success() {
        let body = connection::read_short(answer.response.body_mut()).await.unwrap_or_default();
        let is_ours = serde_json::from_slice::<serde_json::Value>(&body)
            .is_ok_and(|said| said["detail"].is_string());
        let why = connection::reason(status, answer.response.headers(), &body);
        line.keep(*answer);
        return Ok(if is_ours { Read::Refused(format!("{url}: {why}")) } else { Read::NoListing });
    }
    let body = read_body(&mut answer, url).await?;
    let hub = Address { path: String::new(), ..answer.url.clone() };
    line.keep(*answer);
    match serde_json::from_slice::<Told>(&body) {
        Ok(told) => Ok(Read::Listing(listing(told), hub)),
        // JSON of another shape is somebody else's.
        Err(error) if error.is_data() => Ok(Read::NoListing),
        Err(error) => Ok(Read::Broken(format!("the listing of {url} is broken: {error}"))),
    }
}

/// What the hub calls the folder that it shares.
pub async fn name_of_share(line: &mut Line, hub: &Address) -> Option<Vec<u8>> {
    let asked = Address { path: HUB.to_owned(), ..hub.clone() };
    let Ok(Led::To(mut answer)) = line.ask(&asked, &Asked { accept: JSON, range: None }).await
    else {
        return None;
    };
    let body = connection::read_short(answer.response.body_mut()).await?;
    line.keep(*answer);
    let said: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let name = said["folder"].as_str()?.as_bytes().to_vec();
    SharePath::root().join(&name).ok().map(|_| name)
}

async fn read_body(answer: &mut Answer, url: &Address) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let broken = |why: String| Failure::Network(format!("the listing of {url} {why}"));
    loop {
        let frame = tokio::time::timeout(SILENCE_TIMEOUT, answer.response.frame()).await;
        match frame.map_err(|_| broken("does not go on".into()))? {
            None => return Ok(body),
            Some(Err(error)) => return Err(broken(format!("broke: {error}"))),
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                if body.len() + data.len() > GET_LISTING_MAX_BYTES {
                    let why = format!("the listing of {url} is longer than any that is read");
                    return Err(Failure::SaidNo(why));
                }
                body.extend_from_slice(data);
            }
        }
    }
}

fn listing(told: Told) -> Listing {
    let mut listing = Listing { is_truncated: told.truncated, ..Listing::default() };
    let mut seen = BTreeSet::new();
    for entry in told.entries {
        let href = entry.href.strip_suffix('/').unwrap_or(&entry.href);
        let name: Vec<u8> = percent_decode_str(href).collect();
        let shown = Printable(&name[..name.len().min(60)]).to_string();
        if let Err(error) = SharePath::root().join(&name) {
            listing.impossible.push(format!("`{shown}` is no name: {error}"));
        } else if !seen.insert(name.clone()) {
            listing.impossible.push(format!("`{shown}` is there twice"));
        } else {
            match (entry.kind.as_str(), entry.size) {
                ("folder", _) if entry.is_loop => {}
                ("folder", _) => listing.folders.push(name),
                ("file", Some(length)) => {
                    let modified_s = entry.modified.map(jiff::Timestamp::as_second);
                    listing.files.push(File { name, length, modified_s });
                }
                _ => listing.impossible.push(format!("`{shown}` is no file and no folder")),
            }
        }
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_believed_only_as_far_as_it_can_be() {
        let told = r#"{"entries": [
            {"href": "a%20b", "kind": "file", "size": 3, "modified": "2026-11-21T00:00:00Z"},
            {"href": "f/", "kind": "folder", "modified": null},
            {"href": "l/", "kind": "folder", "modified": null, "loop": true},
            {"href": "f", "kind": "file", "size": 1, "modified": null},
            {"href": "../x", "kind": "file", "size": 1, "modified": null},
            {"href": "%2e%2e/", "kind": "folder", "modified": null},
            {"href": "a%2Fb", "kind": "file", "size": 1, "modified": null},
            {"href": "/etc/passwd", "kind": "file", "size": 1, "modified": null},
            {"href": "x%00", "kind": "file", "size": 1, "modified": null},
            {"href": "", "kind": "file", "size": 1, "modified": null},
            {"href": "http://h/x", "kind": "file", "size": 1, "modified": null},
            {"href": "no-size", "kind": "file", "modified": null},
            {"href": "pipe", "kind": "fifo", "size": 0, "modified": null}
        ], "truncated": true, "more": 1}"#;
        let listing = listing(serde_json::from_str(told).unwrap());
        assert_eq!(listing.folders, [b"f"]);
        let [file] = &listing.files[..] else { panic!("{listing:?}") };
        assert_eq!((&file.name[..], file.length), (&b"a b"[..], 3));
        assert_eq!(file.modified_s, Some(1_795_219_200));
        assert_eq!(listing.impossible.len(), 10, "{listing:?}");
        assert!(listing.is_truncated);
    }
}
