//! `sockeye clock`: the date or the time of a server, once or again and again.

use std::time::Duration;

use sockeye_engine::call::CallFailure;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::clock::{Clock, SEND_DATE, SEND_TIME};

use super::SERVICE;
use crate::cli;
use crate::exit::Failure;
use crate::services::text::call::{self, Came, Session, Whom};
use crate::services::text::meaning;
use crate::terminal::Screen;

/// The least time between two requests of `watch`; the most is twice that.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long `watch` waits for one answer. Over UDP the request is given up sooner.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Date,
    Time,
    Watch,
    /// What is typed.
    Typed,
}

/// `sockeye clock [date|time|watch] URL`.
pub fn clock(arguments: cli::Clock) -> Result<(), Failure> {
    let cli::Clock { words, client: flags } = arguments;
    let (what, url) = read(&words)?;
    let whom = Whom {
        url,
        default_port: SERVICE.default_port(Scheme::Tcp),
        meaning: meaning::<Clock>,
        repeats: false,
        words: " (it knows SEND_DATE and SEND_TIME)",
        tells_round_trips: false,
        flags,
    };
    let ask = async |request: &str| call::ask(whom.clone(), request.as_bytes()).await.map(drop);
    call::run(async {
        match what {
            What::Date => ask(SEND_DATE).await,
            What::Time => ask(SEND_TIME).await,
            What::Typed => call::converse(whom.clone()).await,
            What::Watch => tokio::select! {
                failure = watch(whom.clone()) => Err(failure),
                _ = tokio::signal::ctrl_c() => Ok(()),
            },
        }
    })
}

fn read(words: &[String]) -> Result<(What, Address), Failure> {
    let (what, url) = match words {
        [url] => (What::Typed, url),
        [what, url] => (
            match what.as_str() {
                "date" => What::Date,
                "time" => What::Time,
                "watch" => What::Watch,
                _ if ["date", "time", "watch"].contains(&url.as_str()) => {
                    let line = format!("the other way round: sockeye clock {url} {what}");
                    return Err(Failure::Usage(line));
                }
                other => {
                    return Err(Failure::Usage(format!(
                        "clock knows date, time and watch, not `{other}`"
                    )));
                }
            },
            url,
        ),
        _ => return Err(Failure::Usage("write: sockeye clock time HOST".into())),
    };
    if ["date", "time", "watch"].contains(&url.as_str()) && what == What::Typed {
        let line = format!("ask whom? Write: sockeye clock {url} HOST");
        return Err(Failure::Usage(line));
    }
    let url = cli::text_address(url).map_err(|e| Failure::Usage(format!("`{url}`: {e}")))?;
    Ok((what, url))
}

/// Asks for the date or the time by chance, 1 to 2 s apart by chance, and prints whatever comes.
/// What fails after the first answer is said, and asked again later. Ends only with a failure.
async fn watch(whom: Whom) -> Failure {
    let screen = Screen::plain();
    let mut has_answered = false;
    let mut session: Option<Session> = None;
    loop {
        let outcome = match session.take() {
            Some(session) => watch_once(session, &screen).await,
            None => match Session::open(whom.clone(), call::watch(&whom.flags, &screen)).await {
                Ok(session) => watch_once(session, &screen).await,
                Err(failure) => Err(failure),
            },
        };
        match outcome {
            Ok(next) => (session, has_answered) = (next, true),
            Err(failure @ Failure::PipeClosed) => return failure,
            Err(failure) if has_answered => screen.say(&format!("{failure}; asking again")),
            Err(failure) => return failure,
        }
        if session.is_none() {
            tokio::time::sleep(pause()).await;
        }
    }
}

/// One request and its answer, and the rest of the pause that began with the request; the session,
/// if it still stands.
async fn watch_once(mut session: Session, screen: &Screen) -> Result<Option<Session>, Failure> {
    let request = if fraction() < 0.5 { SEND_DATE } else { SEND_TIME };
    session.say(request.as_bytes()).map_err(|e| Failure::Usage(e.to_string()))?;
    let pause = tokio::time::sleep(pause());
    let patience = tokio::time::sleep(ANSWER_TIMEOUT);
    tokio::pin!(pause, patience);
    let (mut is_answered, mut stands) = (false, true);
    loop {
        tokio::select! {
            () = &mut pause, if is_answered => return Ok(stands.then_some(session)),
            () = &mut patience, if !is_answered => {
                return Err(call::failed(&session, &CallFailure::Unanswered));
            }
            came = session.next(), if stands => match came {
                // What it says unasked is printed too.
                Came::Answer(answer) => {
                    session.print(&answer, screen)?;
                    is_answered = true;
                }
                // It may close whom it finds idle; then it is called again.
                Came::Failed(CallFailure::Closed) if is_answered => {}
                Came::Failed(failure) => return Err(call::failed(&session, &failure)),
                Came::Over => stands = false,
            },
        }
    }
}

fn pause() -> Duration {
    WATCH_EVERY + WATCH_EVERY.mul_f64(fraction())
}

/// A number from 0 up to 1, by chance.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    // Without chance from the system, the middle is as good as any.
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}
