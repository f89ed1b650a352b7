//! What a text service had to say in a whole conversation over TCP.
//!
//! The rule of the wire: each message is answered, in their order, in kind: `\n` after an answer to
//! a line peer; none to a pause peer, but one before an answer that is sent less than 20 ms after
//! the one before. What is not UTF-8 is told so, and the session goes on; a message that is too
//! long is told so, and the conversation closes; another protocol is closed without a word. When
//! the peer has ended its side, all is answered, then the service closes.

use std::time::Duration;

use sockeye_proto::machine::{Fault, Tick};
use sockeye_proto::text::framing::Framing;

use super::framing::{Heard, Part, parts};
use crate::stream::Logged;
use crate::trace::Bytes;
use crate::trial::Verdict;

const RUNS_TOGETHER: Duration = Duration::from_millis(20);
const NOT_UTF8: &str = "error: not UTF-8";
const TOO_LONG: &str = "error: message longer than 65536 bytes";

/// Holds a service's log of a conversation against the wire's words. `answer` says what each
/// message that is text has to be answered with, in their order; `None`: nothing.
///
/// A conversation that was lost may end anywhere; up to there it has to be right.
///
/// ```
/// use sockeye_proto::limits::PAUSE;
/// use sockeye_proto::machine::Tick;
/// use sockeye_proto::text::framing::Framing;
/// use sockeye_sim::reference::conversation::check;
/// use sockeye_sim::stream::Logged;
///
/// let log = [
///     (Tick::START, Logged::Read(b"hello\n".to_vec())),
///     (Tick::START, Logged::Transmitted(b"HELLO".to_vec())),
/// ];
/// let wrong = check(&log, Framing::Auto, PAUSE, |text| Some(text.to_uppercase())).unwrap_err();
/// assert_eq!(wrong, r#"answer 0 is 5 bytes "HELLO" and had to be 6 bytes "HELLO\n""#);
/// ```
///
/// # Errors
/// What was said and what had to be, where they differ.
pub fn check(
    log: &[(Tick, Logged)],
    how: Framing,
    pause: Duration,
    answer: impl FnMut(&str) -> Option<String>,
) -> Verdict {
    let heard = heard(log);
    let said = parts(how, pause, &heard);
    let expected = expected(&said, answer);
    check_answers(log, how, &expected)?;
    let answers = log.iter().filter(|(_, logged)| matches!(logged, Logged::Transmitted(_))).count();
    if heard.lost.is_some() {
        return Ok(());
    }
    if answers != expected.len() {
        return Err(format!("{answers} answers where {} had to be", expected.len()));
    }
    let closed = log.iter().find_map(|(_, logged)| match logged {
        Logged::Closed(fault) => Some(*fault),
        _ => None,
    });
    let wanted = match said.last() {
        Some((_, Part::TooLong | Part::Foreign)) => Some(Fault::Peer),
        _ => heard.end.map(|_| Fault::Nobody),
    };
    if closed == wanted {
        Ok(())
    } else {
        Err(format!("closed with {closed:?} and had to with {wanted:?}"))
    }
}

fn heard(log: &[(Tick, Logged)]) -> Heard {
    let mut heard = Heard::default();
    for (at, logged) in log {
        match logged {
            Logged::Read(bytes) => heard.reads.push((*at, bytes.clone())),
            Logged::End => heard.end = Some(*at),
            Logged::Lost => heard.lost = Some(*at),
            _ => {}
        }
    }
    heard
}

/// What has to be said, each with the tick of the message it answers.
fn expected(
    said: &[(Tick, Part)],
    mut answer: impl FnMut(&str) -> Option<String>,
) -> Vec<(Tick, String)> {
    let mut expected = Vec::new();
    for (at, part) in said {
        let text = match part {
            Part::Message(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => answer(text),
                Err(_) => Some(NOT_UTF8.into()),
            },
            Part::TooLong => Some(TOO_LONG.into()),
            Part::Foreign => None,
        };
        expected.extend(text.map(|text| (*at, text)));
    }
    expected
}

fn check_answers(log: &[(Tick, Logged)], how: Framing, expected: &[(Tick, String)]) -> Verdict {
    let (mut is_line_peer, mut last_said, mut i) = (how == Framing::Line, None, 0);
    for (at, logged) in log {
        match logged {
            Logged::Read(bytes) if how == Framing::Auto => is_line_peer |= bytes.contains(&b'\n'),
            Logged::Transmitted(bytes) => {
                let Some((heard_at, text)) = expected.get(i) else {
                    return Err(format!("answer {i}, {}, is one too many", Bytes(bytes)));
                };
                // The end of an error comes as early as may be, so its own tick tells nothing.
                if at < heard_at && text != TOO_LONG {
                    return Err(format!("answer {i} came at {at:?}, its message at {heard_at:?}"));
                }
                let close = last_said.is_some_and(|last| at.since(last) < RUNS_TOGETHER);
                let wanted = match (is_line_peer, close) {
                    (true, _) => format!("{text}\n"),
                    (false, true) => format!("\n{text}"),
                    (false, false) => text.clone(),
                };
                if *bytes != wanted.as_bytes() {
                    let wanted = Bytes(wanted.as_bytes());
                    return Err(format!("answer {i} is {} and had to be {wanted}", Bytes(bytes)));
                }
                last_said = Some(*at);
                i += 1;
            }
            _ => {}
        }
    }
    Ok(())
}
