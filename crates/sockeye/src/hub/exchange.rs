//! The tools on the page: echo and clock over HTTP, and an exchange with a service over its own
//! wire, told message by message.
//!
//! Only the hub's own services are called, so that nobody can have it call somebody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use http::{Response, StatusCode, header};
use jiff::Zoned;
use percent_encoding::percent_decode;
use serde_json::{Value, json};
use sockeye_engine::http::body::Content;
use sockeye_engine::http::server::Answer;
use sockeye_engine::trace::Trace;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::limits::EXCHANGE_MESSAGE_MAX_BYTES;
use sockeye_proto::text::Direction;

use super::{Place, api, page};
use crate::cli;
use crate::services::Hub;
use crate::services::by_hand::{ByHand, shell_word};
use crate::services::files::serve::refusal::Refusal;
use crate::services::text::call::{Came, Session, Whom, ms};

/// How long an exchange may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// `/-/api/clock`: what time it is here.
pub fn clock() -> Answer {
    let now = Zoned::now();
    let body = json!({
        "date": now.strftime("%Y-%m-%d").to_string(),
        "time": now.strftime("%H:%M:%S").to_string(),
        "zone": now.time_zone().iana_name(),
        "offset": now.strftime("%:z").to_string(),
        "unix_ms": now.timestamp().as_nanosecond() as f64 / 1e6,
    });
    api::answer("application/json", format!("{body}\n"))
}

/// `/-/api/echo?text=...`: the same text back.
pub fn echo(request: &Parts) -> Result<Answer, Refusal> {
    let query = request.uri.query().unwrap_or_default();
    let Some(text) = field(query, "text") else {
        let try_it = "say what: /-/api/echo?text=hello";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, try_it));
    };
    let length = text.len();
    let mut answer = Response::new(Content::from(text));
    let head = answer.headers_mut();
    page::protect(head);
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    head.insert(header::CONTENT_TYPE, plain);
    head.insert(header::CONTENT_LENGTH, length.into());
    head.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// What is to be said to whom.
struct Wanted {
    place: Place,
    message: Vec<u8>,
    is_line: bool,
}

/// `/-/api/exchange?service=clock&wire=udp&message=SEND_TIME`: has the hub say that to its own
/// service, over the wire that was named, and tells what passed. `line=yes` says it as a line.
/// Nobody gets by it where they could not go themselves.
pub async fn answer(
    request: &Parts,
    places: &[Place],
    (authority, host): (&str, &str),
) -> Result<Answer, Refusal> {
    let query = request.uri.query().unwrap_or_default();
    let wanted = read(query, places, host)?;
    let mut told = exchange(&wanted).await;
    let Place { service, scheme, address } = wanted.place;
    let end: &[u8] = if wanted.is_line { b"\n" } else { b"" };
    let wire = [wanted.message.as_slice(), end].concat();
    let by_hand = ByHand::of_a_message(scheme, api::bare(host), address.port(), &wire);
    let (name, scheme) = (service.name, scheme.as_str());
    let message = shell_word(&format!("message={}", String::from_utf8_lossy(&wanted.message)));
    let line = if wanted.is_line { " -d line=yes" } else { "" };
    let mut asked = format!("http://{authority}/-/api/exchange");
    // Some shells take the brackets of an IPv6 address for a pattern.
    if asked.contains('[') {
        asked = shell_word(&asked);
    }
    told["by_hand"] = json!({
        "netcat": by_hand.netcat,
        "python": by_hand.python,
        "curl": format!(
            "curl -G {asked} -d service={name} -d wire={scheme}{line} --data-urlencode {message}"
        ),
    });
    Ok(api::answer("application/json", format!("{told}\n")))
}

fn read(query: &str, places: &[Place], host: &str) -> Result<Wanted, Refusal> {
    let bad = |why: &str| Refusal::new(StatusCode::BAD_REQUEST, why);
    let text = |name: &str| {
        let value = field(query, name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    };
    let (service, wire) = (text("service").unwrap_or_default(), text("wire").unwrap_or_default());
    let is_asked = |place: &&Place| {
        place.service.name == service
            && place.scheme.as_str() == wire
            && matches!(place.service.hub, Hub::Text(_))
    };
    let first = places.iter().find(is_asked).ok_or_else(|| {
        bad(&format!("this hub has no text service `{service}` on the wire `{wire}`"))
    })?;
    let is_reached = |place: &&Place| api::is_reached_by(host, place.address.ip());
    let place = places.iter().filter(is_asked).find(is_reached).ok_or_else(|| {
        let (only, let_in) = (api::only_where(first), api::let_in(first));
        let wire = wire.to_uppercase();
        let why = format!(
            "{service} over {wire} is only {only}; it lets others in when started with {let_in}"
        );
        Refusal::new(StatusCode::FORBIDDEN, why)
    })?;
    let message = field(query, "message").ok_or_else(|| bad("say what: message=..."))?;
    if message.len() > EXCHANGE_MESSAGE_MAX_BYTES {
        return Err(bad(&format!("a message has at most {EXCHANGE_MESSAGE_MAX_BYTES} bytes here")));
    }
    let is_line = text("line").is_some_and(|line| line == "yes");
    if message.is_empty() && place.scheme == Scheme::Tcp && !is_line {
        return Err(bad("without a line end, an empty message is nothing at all"));
    }
    Ok(Wanted { place: *place, message, is_line })
}

async fn exchange(wanted: &Wanted) -> Value {
    let passed = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&passed);
    let trace = Trace::new(move |passed| {
        let message = json!({
            "after_ms": ms(passed.after),
            "direction": match passed.direction {
                Direction::In => "in",
                Direction::Out => "out",
            },
            "bytes": passed.length(),
            "lines": passed.lines(),
            "meaning": passed.meaning,
        });
        sink.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    });
    let heard = tokio::time::timeout(EXCHANGE_TIMEOUT, converse(wanted, trace)).await;
    let (answer, failure) = match heard {
        Ok(Ok(answer)) => (answer, None),
        Ok(Err(why)) => (Value::Null, Some(why)),
        Err(_) => (Value::Null, Some("it did not answer in time".to_owned())),
    };
    let messages = std::mem::take(&mut *passed.lock().unwrap_or_else(PoisonError::into_inner));
    let Place { service, scheme, address } = wanted.place;
    json!({
        "service": service.name,
        "wire": scheme.as_str(),
        "url": format!("{}://{}", scheme.as_str(), near(address)),
        "answer": answer,
        "failure": failure,
        "messages": messages,
    })
}

async fn converse(wanted: &Wanted, trace: Trace) -> Result<Value, String> {
    let Place { service, scheme, address } = wanted.place;
    let Hub::Text(text) = service.hub else { return Err("it has no messages".into()) };
    // Over UDP a line's end is part of what is sent.
    let mut message = wanted.message.clone();
    if wanted.is_line && scheme == Scheme::Udp {
        message.push(b'\n');
    }
    let near = near(address);
    let whom = Whom {
        url: Address {
            scheme,
            host: near.ip().to_string(),
            port: Some(near.port()),
            path: String::new(),
        },
        default_port: near.port(),
        meaning: text.meaning,
        repeats: text.repeats,
        words: "",
        tells_round_trips: false,
        flags: cli::TextClient { lines: wanted.is_line, ..cli::TextClient::default() },
    };
    let mut session = Session::open(whom, Some(trace)).await.map_err(|e| e.to_string())?;
    session.say(&message).map_err(|e| e.to_string())?;
    session.finish();
    let mut answer = Err("it did not answer".to_owned());
    loop {
        match session.next().await {
            Came::Answer(heard) => {
                answer = Ok(json!({
                    "text": String::from_utf8_lossy(&heard.text),
                    "round_trip_ms": heard.round_trip.map(ms),
                    "refused": heard.is_refusal,
                }));
            }
            Came::Failed(failure) if answer.is_err() => return Err(failure.to_string()),
            Came::Failed(_) => {}
            Came::Over => return answer,
        }
    }
}

/// The address by which this machine itself reaches a listener.
fn near(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A field of a query, as forms encode it.
pub(super) fn field(query: &str, name: &str) -> Option<Vec<u8>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let plain = value.replace('+', " ");
        (key == name).then(|| percent_decode(plain.as_bytes()).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_forms_encode_them() {
        assert_eq!(field("a=1&text=a+b%26%2B%ff", "text"), Some(b"a b&+\xff".to_vec()));
        assert_eq!(field("text=", "text"), Some(Vec::new()));
        assert_eq!(field("textual=1", "text"), None);
    }
}
