//! What all text services have in common: [`listeners`] are their sockets, [`serve`] puts a
//! [`Speaker`] on them, [`call`] is the client.
//!
//! A service gives its speaker and how its questions are answered; the rest is here.

use sockeye_proto::text::{Direction, NOT_UTF8, Speaker, is_refusal};

pub mod call;
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
        Ok(text) => match text.rsplit_once(" cookie=") {
            Some((text, _)) if direction == Direction::In => {
                format!("{}, with the cookie that proves the address", S::meaning(text, direction))
            }
            _ => S::meaning(text, direction),
        },
    }
}
