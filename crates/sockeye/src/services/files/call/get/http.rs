//! Fetching over http: redirects, resuming by Range and If-Range, and servers that are barely
//! HTTP.

use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use sockeye_proto::address::Address;
use sockeye_proto::http::conditional::EntityTag;
use sockeye_proto::http::range::parse_content_range;

use super::gauge::Gauge;
use super::line::{Answer, Asked, Led, Line};
use super::save::{Note, Sink};
use super::{Fetched, next};
use crate::exit::Failure;
use crate::services::files::call::connection::{self, field};

/// A body that breaks is asked for again this often without a byte of progress.
const RETRIES_MAX: u32 = 4;
const RETRY_AFTER_FIRST: Duration = Duration::from_millis(250);

/// What a URL led to.
#[derive(Debug)]
pub enum Came {
    /// A file, and all of it is here.
    File(Fetched),
    /// A folder, which is here: a URL that ends in a slash.
    Folder(Address),
}

/// How one request ended.
enum Round {
    /// It is no file.
    Folder(Address),
    /// All bytes are here.
    Whole,
    /// The body broke, or did not go on; what came before stands.
    Broken(String),
    /// What stands is of another state of the file, or more than the file: begin again.
    Stale,
}

/// Fetches one file, going on where an earlier run or a broken connection left off.
pub async fn fetch(
    url: &Address,
    line: &mut Line,
    sink: &mut Sink,
    gauge: &Gauge<'_>,
) -> Result<Came, Failure> {
    let resumed_from = sink.written();
    let mut known = Known {
        modified: None,
        validator: sink.note().map(|note| note.validator.clone()),
        total: sink.note().and_then(|note| note.total),
    };
    let (mut failures, mut has_begun_again) = (0, false);
    loop {
        let before = sink.written();
        let round = one_round(url, line, sink, gauge, &mut known).await?;
        match round {
            Round::Whole => {
                let resumed_from = if has_begun_again { 0 } else { resumed_from };
                let (bytes, modified) = (sink.written(), known.modified);
                return Ok(Came::File(Fetched { bytes, resumed_from, modified }));
            }
            Round::Folder(url) => return Ok(Came::Folder(url)),
            Round::Stale if has_begun_again => {
                return Err(Failure::Corrupt(format!("{url} does not keep to what it says")));
            }
            Round::Stale => {
                has_begun_again = true;
                known = Known::default();
                sink.restart()?;
            }
            Round::Broken(why) => {
                failures = if sink.written() > before { 0 } else { failures + 1 };
                if known.validator.is_none() || failures > RETRIES_MAX {
                    return Err(Failure::Network(why));
                }
                tokio::time::sleep(RETRY_AFTER_FIRST * 2_u32.pow(failures)).await;
            }
        }
    }
}

async fn one_round(
    url: &Address,
    line: &mut Line,
    sink: &mut Sink,
    gauge: &Gauge<'_>,
    known: &mut Known,
) -> Result<Round, Failure> {
    let have = sink.written();
    let range = known.validator.as_deref().filter(|_| have > 0).map(|validator| (have, validator));
    let asked = match line.ask(url, &Asked { accept: "*/*", range }).await {
        Ok(Led::To(answer)) => *answer,
        Ok(Led::ToFolder(url)) => return Ok(Round::Folder(url)),
        // The first request of a fetch fails at once; a later one is tried again.
        Err(Failure::Network(why)) if have > 0 => return Ok(Round::Broken(why)),
        Err(failure) => return Err(failure),
    };
    let fields = asked.response.headers();
    let status = asked.response.status();
    if status.is_success() && is_encoded(fields) {
        return Err(Failure::Corrupt(format!("{url} comes in an encoding that nobody asked for")));
    }
    let total = match status {
        StatusCode::PARTIAL_CONTENT if range.is_some() => {
            let Some(part) = field(fields, header::CONTENT_RANGE).and_then(parse_content_range)
            else {
                return Ok(Round::Stale);
            };
            if part.range.start != have || !known.is_of_this(fields, part.length) {
                return Ok(Round::Stale);
            }
            part.length.or(known.total)
        }
        StatusCode::PARTIAL_CONTENT => {
            return Err(Failure::Corrupt(format!("{url} sent a part that nobody asked for")));
        }
        StatusCode::RANGE_NOT_SATISFIABLE if range.is_some() => return Ok(Round::Stale),
        _ if status.is_success() => {
            if have > 0 {
                // It is another state of the file, or a server without ranges.
                sink.restart()?;
            }
            let length =
                field(fields, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
            *known = Known { validator: validator_of(fields), total: length, modified: None };
            sink.take_note(known.note(url))?;
            length
        }
        _ => return Err(said_no(url, asked).await),
    };
    known.modified = modified(fields);
    sink.expect(total)?;
    gauge.begin(total, sink.written());
    receive(url, (line, asked), total, sink, gauge).await
}

async fn receive(
    url: &Address,
    (line, mut answer): (&mut Line, Answer),
    total: Option<u64>,
    sink: &mut Sink,
    gauge: &Gauge<'_>,
) -> Result<Round, Failure> {
    loop {
        let frame = match next(gauge.bar(), answer.response.frame()).await {
            None => return Ok(Round::Broken(format!("{} fell silent", url.authority()))),
            Some(Some(Err(error))) => {
                let why = format!("the connection to {} broke: {error}", url.authority());
                return Ok(Round::Broken(why));
            }
            Some(Some(Ok(frame))) => frame,
            Some(None) => break,
        };
        if let Some(bytes) = frame.data_ref() {
            let after = sink.written().saturating_add(bytes.len() as u64);
            if total.is_some_and(|total| after > total) {
                // Chunks may go on for ever behind the end that was told.
                return Ok(Round::Stale);
            }
            sink.write(bytes)?;
            gauge.set(sink.written());
        }
    }
    line.keep(answer);
    match total {
        Some(total) if sink.written() < total => Ok(Round::Broken(format!(
            "{} ended after {} of {total} bytes",
            url.authority(),
            sink.written()
        ))),
        _ => Ok(Round::Whole),
    }
}

/// What proves at a later request that the file is still the same: a strong tag, else a date.
fn validator_of(fields: &HeaderMap) -> Option<String> {
    let tag = field(fields, header::ETAG)
        .filter(|tag| EntityTag::parse(tag).is_some_and(|tag| !tag.weak));
    tag.or_else(|| {
        // A date stands only for a file without a tag; beside a weak one it is no stronger.
        field(fields, header::LAST_MODIFIED).filter(|_| !fields.contains_key(header::ETAG))
    })
    .map(str::to_owned)
}

/// Whether the bytes are not those of the file itself.
fn is_encoded(fields: &HeaderMap) -> bool {
    let encoding = field(fields, header::CONTENT_ENCODING).unwrap_or_default().trim();
    let transfer = field(fields, header::TRANSFER_ENCODING).unwrap_or_default().trim();
    let is_plain = |text: &str, plain: &str| text.is_empty() || text.eq_ignore_ascii_case(plain);
    !is_plain(encoding, "identity") || !is_plain(transfer, "chunked")
}

/// What is known of the file that the standing bytes are part of.
#[derive(Debug, Default)]
struct Known {
    validator: Option<String>,
    total: Option<u64>,
    modified: Option<SystemTime>,
}

impl Known {
    /// Whether a part with these fields is of the same state of the file: a tag or a length that
    /// is told must be the same.
    fn is_of_this(&self, fields: &HeaderMap, total: Option<u64>) -> bool {
        let tag = field(fields, header::ETAG);
        let had_tag = self.validator.as_deref().filter(|validator| validator.starts_with('"'));
        let has_other_tag = matches!((tag, had_tag), (Some(tag), Some(had)) if tag != had);
        let has_other_total = matches!((total, self.total), (Some(now), Some(had)) if now != had);
        !has_other_tag && !has_other_total
    }

    fn note(&self, url: &Address) -> Option<Note> {
        let validator = self.validator.clone()?;
        Some(Note { url: url.to_string(), validator, total: self.total })
    }
}

/// The time of the file's last change, if it was told.
fn modified(fields: &HeaderMap) -> Option<SystemTime> {
    field(fields, header::LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok())
}

/// The failure of an answer that is a no.
pub async fn said_no(url: &Address, mut answer: Answer) -> Failure {
    let body = connection::read_short(answer.response.body_mut()).await.unwrap_or_default();
    let (status, fields) = (answer.response.status(), answer.response.headers());
    Failure::SaidNo(format!("{url}: {}", connection::reason(status, fields, &body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_with_another_tag_or_length_is_of_another_state() {
        let known = Known { validator: Some("\"a\"".into()), total: Some(10), modified: None };
        let tagged = |tag: &str| -> HeaderMap {
            [(header::ETAG, tag.parse().unwrap())].into_iter().collect()
        };
        assert!(known.is_of_this(&tagged("\"a\""), Some(10)));
        assert!(known.is_of_this(&HeaderMap::new(), None));
        assert!(!known.is_of_this(&tagged("\"b\""), Some(10)));
        assert!(!known.is_of_this(&tagged("\"a\""), Some(9)));
    }

    #[test]
    fn only_what_proves_the_same_file_is_a_validator() {
        let fields = |pairs: &[(header::HeaderName, &str)]| -> HeaderMap {
            pairs.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect()
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let strong = fields(&[(header::ETAG, "\"x\""), (header::LAST_MODIFIED, date)]);
        assert_eq!(validator_of(&strong).as_deref(), Some("\"x\""));
        let weak = fields(&[(header::ETAG, "W/\"x\""), (header::LAST_MODIFIED, date)]);
        assert_eq!(validator_of(&weak), None);
        assert_eq!(validator_of(&fields(&[(header::LAST_MODIFIED, date)])).as_deref(), Some(date));
        assert_eq!(validator_of(&fields(&[])), None);
    }
}
