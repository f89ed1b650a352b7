//! The key at the beginning of a call over TCP.

use std::time::Duration;

use sockeye_engine::call::{Happening, Heard};
use sockeye_engine::clock;
use sockeye_proto::access::{self, Key, RIGHT_KEY};
use sockeye_proto::printable::Printable;
use sockeye_proto::text::Direction;

use super::Session;
use crate::exit::Failure;

/// How long a server may look at the key.
const KEY_TIMEOUT: Duration = Duration::from_secs(10);

impl Session {
    /// Says the key, and waits until it is let in.
    pub(super) async fn enter(&mut self, key: &Key) -> Result<(), Failure> {
        let entered = tokio::time::timeout(KEY_TIMEOUT, self.say_key(key)).await;
        let silent = |_| Failure::Network("it does not answer to the key".into());
        entered.map_err(silent).flatten().map_err(|failure| self.named(failure))
    }

    async fn say_key(&mut self, key: &Key) -> Result<(), Failure> {
        let message = [access::KEY_OPENING, key.as_str().as_bytes()].concat();
        self.call.say(&message).map_err(|error| Failure::Usage(error.to_string()))?;
        loop {
            match self.call.next().await {
                Happening::Said(spoken) => {
                    let meaning = access::meaning(spoken.text(), Direction::In);
                    self.show(clock::now(), Direction::Out, &spoken, meaning);
                }
                Happening::Heard(Heard { spoken, at, .. }) => {
                    let text = spoken.text();
                    let answer = KeyAnswer::read(text);
                    let meaning = match answer {
                        KeyAnswer::Other => "does not know what a key is",
                        _ => access::meaning(text, Direction::Out),
                    };
                    self.show(at, Direction::In, &spoken, meaning);
                    let said = Printable(text);
                    return match answer {
                        KeyAnswer::In => Ok(()),
                        KeyAnswer::No => Err(Failure::SaidNo(format!("says no: {said}"))),
                        KeyAnswer::Other => Err(Failure::SaidNo(format!(
                            "wants no key, and answers to it: {said}; leave --key out"
                        ))),
                    };
                }
                Happening::ProofAsked(_) => {}
                Happening::Failed(failure) => return Err(Failure::Network(failure.to_string())),
                Happening::Over(_) => return Err(Failure::Network("it is over".into())),
            }
        }
    }

    /// The same failure, which says whose it is.
    fn named(&self, failure: Failure) -> Failure {
        let name = self.name();
        match failure {
            Failure::SaidNo(why) => Failure::SaidNo(format!("{name} {why}")),
            Failure::Network(why) => Failure::Network(format!("{name}: {why}")),
            failure => failure,
        }
    }
}

/// What a server says to the key.
#[derive(Clone, Copy)]
enum KeyAnswer {
    In,
    No,
    /// Something that shows that it took the key for a message.
    Other,
}

impl KeyAnswer {
    fn read(answer: &[u8]) -> Self {
        const NO: [&[u8]; 4] = [b"error: key", b"error: wrong key", b"error: too many", b"busy"];
        if answer == RIGHT_KEY.as_bytes() {
            Self::In
        } else if NO.iter().any(|opening| answer.starts_with(opening)) {
            Self::No
        } else {
            Self::Other
        }
    }
}
