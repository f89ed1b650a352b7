//! Simulated TCP connections: machines and scripts at their ends, many of which may share one
//! machine.
//!
//! An [`End`] is told what [`Arrived`] and says what it [`Does`]. [`Driven`] makes an end of a
//! machine, as a driver of the engine would; [`Script`] is a peer that does what a list of
//! [`Step`]s says, in its time. [`Streams`] connects ends in pairs and runs them until nothing is
//! left to happen. [`run`] is the plain case: one machine, each step of its peer one read, every
//! answer at once.
//!
//! A client machine and a server machine over a bad connection:
//!
//! ```
//! use std::time::Duration;
//! use sockeye_proto::clock::{CivilTime, Clock, WhatTime};
//! use sockeye_proto::machine::Tick;
//! use sockeye_proto::text::dialogue::Dialogue;
//! use sockeye_proto::text::framing::Framer;
//! use sockeye_sim::seed::Seed;
//! use sockeye_sim::stream::{Action, Driven, Rules, Script, Step, Streams};
//! use sockeye_sim::trace::Trace;
//!
//! let mut seed = Seed::new(17);
//! let noon = CivilTime { year: 2026, month: 11, day: 20, hour: 12, minute: 0, second: 0 };
//! let machine = Dialogue::new(Clock::default(), Framer::default());
//! let mut server = Driven::new(machine, |_now, WhatTime| noon);
//! let mut client = Script::new([
//!     Step::now(Action::Bytes(b"SEND_TIME\nSEND_DATE\n".to_vec())),
//!     Step::after(Duration::from_millis(5), Action::End),
//! ]);
//! let mut trace = Trace::default();
//! let rules = Rules { answer_delay: Duration::ZERO..Duration::from_millis(50), ..Rules::drawn(&mut seed) };
//! let mut streams = Streams::new(seed);
//! streams.connect(Tick::START, &rules, &mut client, &mut server);
//! streams.run(&mut trace);
//! assert_eq!(client.heard(), b"12:00:00\n2026-11-20\n", "{trace}");
//! ```

mod connections;
mod driven;
mod script;
mod shared;

use std::fmt::{self, Debug, Write};

use sockeye_proto::machine::{Fault, Tick, Ticket};

pub use connections::{Rules, Streams};
pub use driven::{Alone, Driven, Logged, Run, run};
pub use script::{Action, Script, Step, segments};
pub use shared::{Owner, Shared};

/// What comes to an end of a stream. `D` is what the shared machine says, where there is one.
#[derive(Clone, Copy, Debug)]
pub enum Arrived<'a, D> {
    /// The connection stands. It comes first, and once.
    Open,
    /// One read brought these bytes.
    Bytes(&'a [u8]),
    /// The peer ended its sending side.
    End,
    /// A worker has done what this ticket asked for.
    Answered(Ticket),
    /// The shared machine says this.
    Told(&'a D),
    /// The deadline has come.
    Time,
    /// The connection is no more. Nothing comes after it.
    Lost,
}

/// What an end of a stream does. `T` is what it says to the shared machine, where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does<T> {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Ends its sending side; it still hears.
    EndSending,
    /// Asks a worker; [`Arrived::Answered`] brings the ticket back.
    Ask(Ticket),
    /// Says this to the shared machine.
    Tell(T),
    /// Ends both sides once what it sent is out.
    Close(Fault),
    /// Cuts the connection at once.
    Abort,
    /// Reads no more.
    StopReading,
    /// Reads on.
    ReadOn,
    /// A line for the trace.
    Note(String),
    /// Wants [`Arrived::Time`] then; replaces what it wanted before.
    Wait(Option<Tick>),
}

/// One end of a stream.
pub trait End<T, D> {
    /// Takes what arrived, says what it does, in order.
    fn handle(&mut self, now: Tick, arrived: Arrived<'_, D>) -> Vec<Does<T>>;
}

/// A debug text short enough for a trace. What is beyond is not even written.
fn brief(thing: &impl Debug) -> String {
    let mut brief = Brief(String::new());
    match write!(brief, "{thing:?}") {
        Ok(()) => brief.0,
        Err(fmt::Error) => brief.0 + "...",
    }
}

struct Brief(String);

impl Write for Brief {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const SHOWN_MAX_BYTES: usize = 160;
        if self.0.len() + text.len() > SHOWN_MAX_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
