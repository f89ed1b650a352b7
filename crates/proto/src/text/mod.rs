//! The text wires: where a message ends, and conversations made of messages and answers.
//!
//! A service that answers messages is a [`Speaker`]: it hears one message at a time and says one
//! thing in return. [`dialogue`] makes a machine of it for TCP, [`crate::datagram::responder`] one
//! for UDP, so that a service is written once. [`client`] is the caller's side.

pub mod client;
pub mod dialogue;
pub mod framing;
pub mod spoken;

/// What a speaker says to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<Q> {
    /// This text. Lines inside it are divided by `\n`; its last has no end.
    Say(String),
    /// Nothing.
    Nothing,
    /// Ask this first; [`Speaker::learn`] brings the answer.
    Ask(Q),
    /// The conversation is over.
    End,
}

/// A service that answers messages, one by one.
pub trait Speaker {
    /// What it asks of workers.
    type Question;
    /// What they bring back.
    type Answer;

    /// Hears a message, which is UTF-8 and has no end.
    fn hear(&mut self, message: &str) -> Reply<Self::Question>;

    /// Learns the answer to what it asked last.
    fn learn(&mut self, answer: Self::Answer) -> Reply<Self::Question>;

    /// What a message means, in words, for whoever watches the wire.
    fn meaning(message: &str, direction: Direction) -> String;
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out,
}

/// A message that was not UTF-8; the conversation goes on.
pub const NOT_UTF8: &str = "error: not UTF-8";

/// Whether an answer says no: it begins, in any case, with error, warning, invalid or busy.
///
/// ```
/// use sockeye_proto::text::is_refusal;
/// assert!(is_refusal("Error in request format"));
/// assert!(!is_refusal("no error"));
/// ```
pub fn is_refusal(answer: &str) -> bool {
    ["error", "warning", "invalid", "busy"].iter().any(|word| {
        answer.get(..word.len()).is_some_and(|opening| opening.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_begins_in_any_case_with_a_word_of_refusal_is_one() {
        for answer in ["error: x", "ERROR", "Warning", "Invalid input", "busy: 10 of 10", "errors"]
        {
            assert!(is_refusal(answer), "{answer}");
        }
        for answer in ["", "err", " error", "54", "no error", "bus\u{fc}"] {
            assert!(!is_refusal(answer), "{answer}");
        }
    }
}
