//! Echo: the same bytes back, at once; or a fixed reply to whatever is said.
//!
//! Over TCP the bytes are not framed: what comes goes back as it came, also half a character. With
//! a fixed reply, each message (by line or pause) is answered by it.

use std::collections::VecDeque;
use std::convert::Infallible;

use crate::access::entrance::TakesOver;
use crate::machine::{Fault, Input, Machine, Output, Tick};
use crate::text::framing::Framer;
use crate::text::{Direction, Reply, Speaker};

/// What is reported: so many bytes came, and went back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echoed(pub Vec<u8>);

/// The server's side over TCP without a fixed reply.
#[derive(Debug, Default)]
pub struct Echo {
    outputs: VecDeque<Output<Infallible, Echoed>>,
}

impl Machine for Echo {
    type Question = Infallible;
    type Answer = Infallible;
    type Event = Echoed;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, _now: Tick, input: Input<'_, Infallible>) {
        match input {
            Input::Bytes(bytes) => {
                self.outputs.push_back(Output::Transmit(bytes.to_vec()));
                self.outputs.push_back(Output::Happened(Echoed(bytes.to_vec())));
            }
            Input::End => self.outputs.push_back(Output::Close(Fault::Nobody)),
            Input::Answer(_, never) => match never {},
            Input::Told(never) => match *never {},
            Input::Time => {}
        }
    }

    fn poll(&mut self) -> Output<Infallible, Echoed> {
        self.outputs.pop_front().unwrap_or(Output::Wait(None))
    }
}

impl TakesOver for Echo {
    fn take_over(&mut self, now: Tick, framer: Framer) {
        let has_ended = framer.has_ended();
        let rest = framer.into_rest();
        if !rest.is_empty() {
            self.handle(now, Input::Bytes(&rest));
        }
        if has_ended {
            self.handle(now, Input::End);
        }
    }
}

/// What an echoed message means, in words.
pub fn meaning(direction: Direction) -> String {
    match direction {
        Direction::In => "wants these bytes back".into(),
        Direction::Out => "gives the same bytes back".into(),
    }
}

/// Answers every message with the same text.
#[derive(Clone, Debug)]
pub struct FixedReply(pub String);

impl Speaker for FixedReply {
    type Question = Infallible;
    type Answer = Infallible;

    fn hear(&mut self, _message: &str) -> Reply<Infallible> {
        Reply::Say(self.0.clone())
    }

    fn learn(&mut self, never: Infallible) -> Reply<Infallible> {
        match never {}
    }

    fn meaning(_message: &str, direction: Direction) -> String {
        match direction {
            Direction::In => "says something".into(),
            Direction::Out => "answers with the fixed reply".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_came_and_the_end_closes() {
        let mut echo = Echo::default();
        echo.handle(Tick::START, Input::Bytes(b"\xff\0a\n"));
        echo.handle(Tick::START, Input::End);
        assert_eq!(echo.poll(), Output::Transmit(b"\xff\0a\n".to_vec()));
        assert_eq!(echo.poll(), Output::Happened(Echoed(b"\xff\0a\n".to_vec())));
        assert_eq!(echo.poll(), Output::Close(Fault::Nobody));
        assert_eq!(echo.poll(), Output::Wait(None));
    }
}
