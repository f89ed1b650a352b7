//! A folder as one download: `?zip` and `?tar`, and the same of what was chosen in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use sockeye_engine::disk::archive::{ArchiveReader, Wanted};
use sockeye_engine::disk::folder::{OpenError, Opened};
use sockeye_engine::http::body::Content;
use sockeye_engine::http::request_body::RequestBody;
use sockeye_engine::http::server::Answer;
use sockeye_proto::archive::Form;
use sockeye_proto::archive::asked::{Asked, AskedError};
use sockeye_proto::archive::attachment::disposition;
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::{ARCHIVE_FORM_MAX_BYTES, ARCHIVES_AT_ONCE};

use super::refusal::Refusal;
use super::share::{Share, blocking};
use crate::hub::commands::read_at_most;
use crate::hub::page;

/// What stands before the form and the folder's path where names come as a form.
const PREFIX: [&[u8]; 2] = [b"-", b"archive"];
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// What a request's query asks for, if that is an archive.
pub fn wanted(request: &Parts) -> Result<Option<Asked>, Refusal> {
    Asked::in_query(request.uri.query().unwrap_or_default()).map_err(|error| bad(&error))
}

/// Answers a GET or HEAD that asks for an archive of what is open.
pub async fn answer(
    share: &Arc<Share>,
    request: &Parts,
    path: &SharePath,
    opened: &Opened,
    asked: Asked,
) -> Result<Answer, Refusal> {
    if let Opened::File(_) = opened {
        let why = format!("{} is a file; archives are made of folders", path.as_file().display());
        return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
    }
    let Asked { form, names } = asked;
    let path = path.as_folder();
    if let Some(names) = &names {
        all_are_there(share, &path, names.clone()).await?;
    }
    let top = path.name().map_or_else(|| top_of(share), <[u8]>::to_vec);
    let name = format!("{}.{}", String::from_utf8_lossy(&top), form.as_str());
    let content = if request.method == Method::HEAD {
        Content::Empty
    } else {
        let wanted = Wanted { path, top, form, names, hidden: share.shows_hidden() };
        let reader = ArchiveReader::new(Arc::clone(share.folder()), wanted).ok_or_else(busy)?;
        Content::Archive(Box::new(reader))
    };
    let mut answer = Response::new(content);
    let head = answer.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    if let Ok(disposition) = HeaderValue::from_str(&disposition(&name)) {
        head.insert(header::CONTENT_DISPOSITION, disposition);
    }
    // It is made anew each time, so that no part of one goes with a part of another.
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page::protect(head);
    Ok(answer)
}

/// Whether names for an archive are posted to this path.
pub fn is_at(path: &SharePath) -> bool {
    path.segments().take(PREFIX.len()).eq(PREFIX)
}

/// Answers a form with the names of what is wanted, posted to `/-/archive/FORM/FOLDER/`.
pub async fn of_chosen(
    share: &Arc<Share>,
    request: &Parts,
    path: &SharePath,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let mut segments = path.segments().skip(PREFIX.len());
    let form = segments.next().and_then(|form| Form::named(std::str::from_utf8(form).ok()?));
    let folder = segments.try_fold(SharePath::root(), |path, name| path.join(name));
    let (Some(form), Ok(folder)) = (form, folder) else {
        let why = "archives are made at /-/archive/zip/FOLDER/ and /-/archive/tar/FOLDER/";
        return Err(Refusal::new(StatusCode::NOT_FOUND, why));
    };
    let media_type = request.headers.get(header::CONTENT_TYPE).and_then(|t| t.to_str().ok());
    let media_type = media_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case(FORM_TYPE) {
        let why = format!("send the names as {FORM_TYPE}: name=NAME, as often as needed");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let body = read_at_most(ARCHIVE_FORM_MAX_BYTES, body).await?;
    let asked = Asked::in_form(form, &body).map_err(|error| bad(&error))?;
    let opened = share.look_up(&folder).await.map_err(|e| Refusal::open(&e, &folder.display()))?;
    answer(share, request, &folder, &opened, asked).await
}

/// Whoever chose something that is not there is told so, instead of getting less.
async fn all_are_there(
    share: &Arc<Share>,
    folder: &SharePath,
    names: BTreeSet<Vec<u8>>,
) -> Result<(), Refusal> {
    let (share, folder) = (Arc::clone(share), folder.clone());
    let missing = blocking(move || {
        for name in names {
            let Ok(path) = folder.join(&name) else { return Err(OpenError::NotFound) };
            if let Err(error) = share.look_up_waiting(&path) {
                return Ok(Some((path, error)));
            }
        }
        Ok(None)
    });
    match missing.await {
        Ok(None) => Ok(()),
        Ok(Some((path, error))) => Err(Refusal::open(&error, &path.display())),
        Err(error) => Err(Refusal::open(&error, "what was chosen")),
    }
}

/// What an archive of the whole share unpacks to.
fn top_of(share: &Share) -> Vec<u8> {
    match share.name() {
        name if name.contains('/') => b"share".to_vec(),
        name => name.into_bytes(),
    }
}

fn bad(error: &AskedError) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, error.to_string())
}

fn busy() -> Refusal {
    let why = format!(
        "{ARCHIVES_AT_ONCE} archives are on their way, and more are not made; try again later"
    );
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}
