//! What the page does besides files: joining and leaving, and what the person at the hub's own
//! machine decides.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::Value;
use sockeye_engine::access::SharedDoorkeeper;
use sockeye_engine::http::body::Content;
use sockeye_engine::http::request_body::RequestBody;
use sockeye_engine::http::server::{Answer, Caller};
use sockeye_proto::http::accept::{Wanted, negotiate};
use sockeye_proto::limits::COMMAND_MAX_BYTES;

use super::access::Visitor;
use super::site::Site;
use super::{api, invite, page};
use crate::services::files::serve::refusal::Refusal;

/// `{"on": true}`.
#[derive(Deserialize)]
struct Switch {
    on: bool,
}

impl Site {
    /// `POST /-/join`. A browser without scripts that brings a wrong key gets its form again.
    pub(super) async fn joined(
        &self,
        request: &Parts,
        caller: &Caller,
        body: RequestBody,
    ) -> Result<Answer, Refusal> {
        let accept = request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        match self.join(request, caller, body).await {
            Err(refusal) if negotiate(accept) == Wanted::Page => {
                let mut answer = page::join(refusal.status, &refusal.why);
                answer.headers_mut().extend(refusal.fields);
                Ok(answer)
            }
            joined => joined,
        }
    }

    /// The key for a cookie.
    async fn join(
        &self,
        request: &Parts,
        caller: &Caller,
        body: RequestBody,
    ) -> Result<Answer, Refusal> {
        let form = read(body).await?;
        let (key, name) = (field(&form, b"key"), field(&form, b"name"));
        let cookie = self.access.join(request, caller, (&key, &name))?;
        let accept = request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let mut answer = empty(StatusCode::NO_CONTENT);
        if negotiate(accept) == Wanted::Page {
            *answer.status_mut() = StatusCode::SEE_OTHER;
            answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
        }
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(answer)
    }

    /// The commands of somebody who is here. `path` begins with `/-/`.
    pub(super) async fn command(
        &self,
        path: &str,
        (visitor, caller): (&Visitor, &Caller),
        body: RequestBody,
    ) -> Result<Answer, Refusal> {
        match path {
            "/-/leave" => {
                let cookie = self.access.leave(visitor, caller)?;
                let mut answer = empty(StatusCode::NO_CONTENT);
                answer.headers_mut().insert(header::SET_COOKIE, cookie);
                return Ok(answer);
            }
            "/-/api/receiving" => {
                visitor.must_be_host()?;
                let said = read(body).await?;
                let switch: Switch = serde_json::from_slice(&said).map_err(|error| {
                    let why = format!("say {{\"on\": true}} or {{\"on\": false}}: {error}");
                    Refusal::new(StatusCode::BAD_REQUEST, why)
                })?;
                self.receiving.turn(switch.on);
                return Ok(json(&self.receiving.describe()));
            }
            "/-/api/key" => {
                visitor.must_be_host()?;
                self.access.new_key()?;
                return self.invite();
            }
            _ => {}
        }
        let thrown = path.strip_prefix("/-/api/guests/").and_then(|p| p.strip_suffix("/out"));
        if let Some(id) = thrown {
            visitor.must_be_host()?;
            self.access.throw_out(id)?;
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        Err(Refusal::new(StatusCode::NOT_FOUND, format!("the hub has no command {path}")))
    }

    /// `/-/api/invite`.
    pub(super) fn invite(&self) -> Result<Answer, Refusal> {
        let key = self.access.doorkeeper().map(SharedDoorkeeper::key).ok_or_else(no_key)?;
        Ok(json(&self.invite.describe(&key)))
    }

    /// `/-/invite.svg`.
    pub(super) fn invite_picture(&self) -> Result<Answer, Refusal> {
        let key = self.access.doorkeeper().map(SharedDoorkeeper::key).ok_or_else(no_key)?;
        let links = self.invite.links(Some(&key));
        let picture = links.first().and_then(|link| invite::as_svg(link)).ok_or_else(no_link)?;
        Ok(api::answer("image/svg+xml", picture))
    }
}

fn no_link() -> Refusal {
    let why = "this hub listens on its own machine alone, so that there is no link; start it with \
               --lan";
    Refusal::new(StatusCode::NOT_FOUND, why)
}

fn no_key() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "no key is wanted here, so that there is no invitation")
}

fn json(value: &Value) -> Answer {
    api::answer("application/json", format!("{value}\n"))
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Content::Empty);
    *answer.status_mut() = status;
    page::protect(answer.headers_mut());
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The body of a command.
async fn read(body: RequestBody) -> Result<Vec<u8>, Refusal> {
    read_at_most(COMMAND_MAX_BYTES, body).await
}

/// A short body.
pub async fn read_at_most(max_bytes: usize, mut body: RequestBody) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, e.to_string()))?;
        if bytes.len() + piece.len() > max_bytes {
            let why = format!("at most {max_bytes} bytes are read here");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A field of a form (application/x-www-form-urlencoded).
fn field(form: &[u8], name: &[u8]) -> String {
    let value = form.split(|&b| b == b'&').find_map(|pair| {
        let at = pair.iter().position(|&b| b == b'=')?;
        (&pair[..at] == name).then(|| &pair[at + 1..])
    });
    let spaced: Vec<u8> =
        value.unwrap_or_default().iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = b"name=Ana+%C3%9F&key=abcd%2Defgh&key=second";
        assert_eq!(
            (field(form, b"key"), field(form, b"name")),
            ("abcd-efgh".into(), "Ana ß".into())
        );
        assert_eq!(field(form, b"other"), "");
    }
}
