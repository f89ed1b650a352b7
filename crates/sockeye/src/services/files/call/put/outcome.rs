//! What became of one thing, read off the server's answer.

use ::http::{StatusCode, header};
use serde_json::Value;
use sockeye_proto::address::Address;

use super::line::{Answer, Trouble};
use super::source::SourceTrouble;
use crate::exit::Failure;
use crate::services::files::call::connection::field;
use crate::services::files::call::redirect::redirected;

/// What became of a thing.
#[derive(Debug)]
pub enum Outcome {
    /// It is there.
    Done(Done),
    /// The server does not want it, and why.
    Refused(String),
    /// It changed while it was sent, or what arrived is something else.
    Corrupt(String),
    /// It cannot be read here.
    Unreadable(String),
    /// The network failed.
    Cut(String),
    /// It was not tried, because what stopped another stops all.
    NotTried,
}

/// Where a thing is now.
#[derive(Debug)]
pub struct Done {
    /// How it came there.
    pub how: How,
    /// Where it is.
    pub url: String,
    /// How long it is.
    pub bytes: u64,
}

/// How a thing came to be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Saved,
    /// The same bytes were there.
    Same,
    /// Other bytes were there, and are no longer.
    Replaced,
    /// Its name was taken, and it has another.
    Renamed,
}

impl How {
    /// As a program reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Same => "same",
            Self::Replaced => "replaced",
            Self::Renamed => "renamed",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Saved, Self::Same, Self::Replaced, Self::Renamed]
            .into_iter()
            .find(|how| how.as_str() == name)
    }
}

impl Outcome {
    /// What the answer to a file means, of which so many bytes were sent.
    pub fn of_a_file(url: &Address, answer: &Answer, sent_bytes: u64) -> Self {
        if !answer.status.is_success() {
            return Self::Refused(answer.reason());
        }
        // Ours says more than the status; of others' the body is for people.
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said_how = said["outcome"].as_str().and_then(How::named);
        if let (Some(_), Some(bytes)) = (said_how, said["bytes"].as_u64())
            && bytes != sent_bytes
        {
            return Self::Corrupt(format!("{sent_bytes} bytes were sent, and {bytes} arrived"));
        }
        let place = field(&answer.fields, header::CONTENT_LOCATION)
            .and_then(|place| redirected(url, place).ok());
        let how = said_how.unwrap_or(match answer.status {
            // RFC 9110, section 9.3.4: 204 is for what was there; 200 is used for either.
            StatusCode::NO_CONTENT => How::Replaced,
            _ => How::Saved,
        });
        let url = place.as_ref().unwrap_or(url).to_string();
        Self::Done(Done { how, url, bytes: sent_bytes })
    }

    /// What the answer to a new folder means.
    pub fn of_a_folder(url: &Address, answer: &Answer) -> Self {
        let how = match answer.status {
            StatusCode::METHOD_NOT_ALLOWED => How::Same,
            status if status.is_success() => How::Saved,
            _ => return Self::Refused(answer.reason()),
        };
        Self::Done(Done { how, url: url.to_string(), bytes: 0 })
    }

    /// What trouble means, and what is to stop all the rest.
    pub fn of_trouble(trouble: Trouble) -> (Self, bool) {
        match trouble {
            Trouble::Broken { why, .. } => (Self::Cut(why), true),
            Trouble::Source(SourceTrouble::Changed) => {
                (Self::Corrupt("it changed while it was sent".into()), false)
            }
            Trouble::Source(SourceTrouble::Unreadable(why)) => (Self::Unreadable(why), false),
            Trouble::NoKey(why) => (Self::Refused(why.into()), true),
            Trouble::Failed(Failure::SaidNo(why)) => (Self::Refused(why), false),
            Trouble::Failed(Failure::Corrupt(why)) => (Self::Corrupt(why), false),
            Trouble::Failed(other) => (Self::Cut(other.to_string()), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::address::Scheme;

    fn answer(status: u16, body: &str, location: Option<&'static str>) -> Answer {
        let location = location.map(|place| (header::CONTENT_LOCATION, place.parse().unwrap()));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            fields: location.into_iter().collect(),
            body: body.into(),
            position: 5,
        }
    }

    fn file(answer: &Answer) -> Result<(How, String), String> {
        let url = Address::parse("http://h/a/b", &[Scheme::Http], Scheme::Http).unwrap();
        match Outcome::of_a_file(&url, answer, 5) {
            Outcome::Done(done) => Ok((done.how, done.url)),
            Outcome::Refused(why) | Outcome::Corrupt(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn our_hub_says_what_became_of_it_and_others_by_their_status() {
        let there = "http://h/a/b".to_owned();
        let said = |how: &str| format!(r#"{{"path":"/a/b","bytes":5,"outcome":"{how}"}}"#);
        for (status, body, how) in [
            (200, said("saved"), How::Saved),
            (200, said("same"), How::Same),
            (201, said("saved"), How::Saved),
            (200, "<h1>OK</h1>".to_owned(), How::Saved),
            (201, String::new(), How::Saved),
            (204, String::new(), How::Replaced),
        ] {
            assert_eq!(
                file(&answer(status, &body, None)),
                Ok((how, there.clone())),
                "{status} {body}"
            );
        }
        let renamed = answer(200, &said("renamed"), Some("/a/b%20(2)"));
        assert_eq!(file(&renamed), Ok((How::Renamed, "http://h/a/b%20(2)".to_owned())));
    }

    #[test]
    fn another_length_is_no_success() {
        let short = answer(200, r#"{"path":"/a/b","bytes":4,"outcome":"saved"}"#, None);
        assert_eq!(file(&short), Err("5 bytes were sent, and 4 arrived".to_owned()));
        assert_eq!(file(&answer(413, "", None)), Err("413 Payload Too Large".to_owned()));
    }
}
