//! `sockeye echo`: something said, what came back, and how long that took.

use sockeye_proto::address::Scheme;
use sockeye_proto::echo;

use super::SERVICE;
use crate::cli;
use crate::exit::Failure;
use crate::services::text::call::{self, Whom, ms};
use crate::terminal::Screen;

/// `sockeye echo URL [TEXT]`.
pub fn echo(arguments: cli::Echo) -> Result<(), Failure> {
    let cli::Echo { url, text, client: flags } = arguments;
    let whom = Whom {
        url,
        default_port: SERVICE.default_port(Scheme::Tcp),
        meaning: |_, direction| echo::meaning(direction),
        repeats: true,
        words: "",
        tells_round_trips: true,
        flags: flags.clone(),
    };
    call::run(async {
        let Some(text) = text else { return call::converse(whom).await };
        let is_quiet = flags.quiet || flags.json;
        let whom = Whom { tells_round_trips: false, ..whom };
        let answer = call::ask(whom, text.as_bytes()).await?;
        if let Some(round_trip) = answer.round_trip.filter(|_| !is_quiet) {
            Screen::plain().say(&format!("round trip {:.3} ms", ms(round_trip)));
        }
        Ok(())
    })
}
