//! What all text services have in common: [`listeners`] are their sockets, [`serve`] puts a
//! [`Speaker`] on them, [`keyed`] those that want the key first, [`call`] is the client.
//!
//! A service gives its speaker and how its questions are answered; the rest is here.

use sockeye_proto::access;
use sockeye_proto::datagram::split_key;
use sockeye_proto::text::{Direction, NOT_UTF8, Speaker, is_refusal};

pub mod call;
pub mod keyed;
pub mod listeners;
pub mod serve;

/// What a message means in words, as far as its service or the wire itself knows.
pub fn meaning<S: Speaker>(message: &[u8], direction: Direction) -> String {
    match std::str::from_utf8(message) {
        Err(_) => "is not UTF-8".into(),
        Ok(NOT_UTF8) if direction == Direction::Out => "says that the message is no text".into(),
        Ok(text) if direction == Direction::Out && text.starts_with("COOKIE ") => {
            "asks for proof of the address: the request again, with this cookie at its end".into()
        }
        Ok(text) if direction == Direction::Out && is_refusal(text) => {
            format!("refuses: {}", S::meaning(text, direction))
        }
        Ok(text) if direction == Direction::In => meaning_of_request::<S>(text),
        Ok(text) => S::meaning(text, direction),
    }
}

/// A request, with what stands at its end over UDP: the key, the cookie.
fn meaning_of_request<S: Speaker>(text: &str) -> String {
    let (rest, cookie) = match text.rsplit_once(" cookie=") {
        Some((rest, _)) => (rest, ", with the cookie that proves the address"),
        None => (text, ""),
    };
    let (rest, key) = match split_key(rest.as_bytes()) {
        Some((before, _)) => (&rest[..before.len()], ", with the key"),
        None => (rest, ""),
    };
    format!("{}{key}{cookie}", S::meaning(rest, Direction::In))
}

/// What an answer over UDP means, where a key is wanted and was not the right one.
fn meaning_of_turning_away(answer: &[u8]) -> String {
    if answer.starts_with(b"COOKIE ") {
        "too many wrong keys came in this address's name: asks for proof of it".into()
    } else {
        access::meaning(answer, Direction::Out).into()
    }
}
