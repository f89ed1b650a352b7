//! A browser's form: each file in it is saved under its own name.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use sockeye_engine::disk::folder::Opened;
use sockeye_engine::http::request_body::RequestBody;
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::accept::{Wanted, negotiate};
use sockeye_proto::http::form::{Boundary, FormReader, PartHead, Step};
use sockeye_proto::http::target::SharePath;

use super::answer::{Received, told};
use super::intake::{Broken, Source};
use super::{Receiving, Sender, text};
use crate::services::files::serve::refusal::Refusal;

/// A form on its way in.
struct Form {
    reader: FormReader,
    body: RequestBody,
}

impl Form {
    /// The next step, with as much of the body as it takes.
    async fn step(&mut self) -> Result<Step, Broken> {
        loop {
            match self.reader.next().map_err(|error| Broken::Form(error.to_string()))? {
                Step::More => match self.body.next().await {
                    Some(piece) => self.reader.feed(piece?),
                    None => self.reader.end(),
                },
                step => return Ok(step),
            }
        }
    }
}

/// The bytes of one part.
impl Source for Form {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        match self.step().await {
            Ok(Step::Data(bytes)) => Some(Ok(bytes)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl Receiving {
    /// Saves the files of a form. One that is refused does not keep the others from being saved;
    /// the answer tells of all.
    pub(super) async fn form(
        &self,
        request: &Parts,
        path: &SharePath,
        body: RequestBody,
        (sender, boundary): (&Sender, Boundary),
    ) -> Result<Answer, Refusal> {
        let into_folder = path.wants_folder() || self.is_folder(path).await;
        let mut form = Form { reader: FormReader::new(boundary), body };
        let (mut saved, mut refused) = (Vec::new(), None);
        loop {
            let step = form.step().await.map_err(|broken| super::refusal(&broken, path))?;
            let head = match step {
                Step::Part(head) => head,
                Step::End => break,
                _ => continue,
            };
            let Some(target) = target(&head, path, into_folder)? else { continue };
            if !into_folder && !saved.is_empty() {
                let why = format!("{} can be only one file; POST to a folder", path.display());
                return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
            }
            self.check(request, &target)?;
            match self.receive(&target, None, &mut form, sender).await {
                Ok(received) => saved.push(received),
                Err(refusal) if refusal.status == StatusCode::CONFLICT => {
                    refused.get_or_insert(refusal);
                }
                Err(refusal) => return Err(also(refusal, &saved, sender)),
            }
        }
        match refused {
            Some(refusal) => Err(also(refusal, &saved, sender)),
            None if saved.is_empty() => {
                Err(Refusal::new(StatusCode::BAD_REQUEST, "the form brings no file; choose one"))
            }
            None => Ok(all(request, path, &saved, sender)),
        }
    }

    async fn is_folder(&self, path: &SharePath) -> bool {
        matches!(self.share.look_up(path).await, Ok(Opened::Folder(..)))
    }
}

/// The path of a part that is a file; a field without a file is none, nor one where no file was
/// chosen.
fn target(
    head: &PartHead,
    path: &SharePath,
    into_folder: bool,
) -> Result<Option<SharePath>, Refusal> {
    let Some(name) = head.filename.as_ref().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if !into_folder {
        return Ok(Some(path.clone()));
    }
    match path.join(name) {
        Ok(target) => Ok(Some(target)),
        Err(error) => {
            let shown = String::from_utf8_lossy(name);
            Err(Refusal::new(StatusCode::BAD_REQUEST, format!("{shown}: {error}")))
        }
    }
}

/// A refusal that also tells what was saved all the same.
fn also(mut refusal: Refusal, saved: &[Received], sender: &Sender) -> Refusal {
    for received in saved {
        refusal.why.push_str("; ");
        refusal.why.push_str(received.line(sender).trim_end());
    }
    refusal
}

/// The answer about all files of a form. A browser without scripts goes back to the folder.
fn all(request: &Parts, path: &SharePath, saved: &[Received], sender: &Sender) -> Answer {
    let files: Vec<_> = saved.iter().map(|received| received.json(sender)).collect();
    let lines: String = saved.iter().map(|received| received.line(sender)).collect();
    let mut answer = told(request, &json!({ "files": files }), lines);
    if negotiate(text(&request.headers, header::ACCEPT)) == Wanted::Page {
        let folder = if path.wants_folder() { path.clone() } else { path.parent() };
        if let Ok(to) = HeaderValue::from_str(&folder.encoded()) {
            *answer.status_mut() = StatusCode::SEE_OTHER;
            answer.headers_mut().insert(header::LOCATION, to);
        }
    }
    answer
}
