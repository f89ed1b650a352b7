//! The clock: the date or the time for who asks, over TCP and UDP.
//!
//! `SEND_DATE` is answered by `2026-11-20`, `SEND_TIME` by `14:03:09`, anything else by
//! `Error in request format`. Nothing is remembered between two requests.

use crate::text::{Direction, Reply, Speaker};

/// What asks for the date.
pub const SEND_DATE: &str = "SEND_DATE";
/// What asks for the time of day.
pub const SEND_TIME: &str = "SEND_TIME";
/// What everything else is answered.
pub const BAD_REQUEST: &str = "Error in request format";

/// A moment on the calendar and the clock of some zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilTime {
    /// The year, as people count them.
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

/// The one thing the clock asks: what time it is, in the zone that it was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhatTime;

/// The server's side; see the [module](self).
///
/// ```
/// use sockeye_proto::clock::{CivilTime, Clock, WhatTime};
/// use sockeye_proto::text::{Reply, Speaker};
///
/// let mut clock = Clock::default();
/// assert_eq!(clock.hear("SEND_DATE"), Reply::Ask(WhatTime));
/// let now = CivilTime { year: 2026, month: 11, day: 20, hour: 14, minute: 3, second: 9 };
/// assert_eq!(clock.learn(now), Reply::Say("2026-11-20".into()));
/// assert_eq!(clock.hear("what?"), Reply::Say("Error in request format".into()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock {
    wanted: Option<Wanted>,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Date,
    Time,
}

impl Speaker for Clock {
    type Question = WhatTime;
    type Answer = CivilTime;

    fn hear(&mut self, message: &str) -> Reply<WhatTime> {
        self.wanted = match message {
            SEND_DATE => Some(Wanted::Date),
            SEND_TIME => Some(Wanted::Time),
            _ => return Reply::Say(BAD_REQUEST.into()),
        };
        Reply::Ask(WhatTime)
    }

    fn learn(&mut self, now: CivilTime) -> Reply<WhatTime> {
        let CivilTime { year, month, day, hour, minute, second } = now;
        match self.wanted.take() {
            Some(Wanted::Date) => Reply::Say(format!("{year:04}-{month:02}-{day:02}")),
            Some(Wanted::Time) => {
                let mut text = String::with_capacity("hh:mm:ss".len());
                push_two_digits(hour, &mut text);
                text.push(':');
                push_two_digits(minute, &mut text);
                text.push(':');
                push_two_digits(second, &mut text);
                Reply::Say(text)
            }
            None => Reply::Nothing,
        }
    }

    fn meaning(message: &str, direction: Direction) -> String {
        match (direction, message) {
            (Direction::In, SEND_DATE) => "asks for the date".into(),
            (Direction::In, SEND_TIME) => "asks for the time of day".into(),
            (Direction::In, _) => "is no request that a clock knows".into(),
            (Direction::Out, BAD_REQUEST) => "says that the request is none".into(),
            (Direction::Out, text) if text.contains(':') => {
                "tells the time, hour:minute:second".into()
            }
            (Direction::Out, _) => "tells the date, year-month-day".into(),
        }
    }
}

/// Below 100; without the machinery of formatting, which costs as much as the rest of an answer.
fn push_two_digits(number: u8, text: &mut String) {
    text.push(char::from(b'0' + number / 10 % 10));
    text.push(char::from(b'0' + number % 10));
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: CivilTime = CivilTime { year: 7, month: 1, day: 2, hour: 3, minute: 4, second: 5 };

    fn asked(message: &str) -> Reply<WhatTime> {
        let mut clock = Clock::default();
        match clock.hear(message) {
            Reply::Ask(WhatTime) => clock.learn(NOW),
            reply => reply,
        }
    }

    #[test]
    fn dates_and_times_are_of_fixed_width() {
        assert_eq!(asked("SEND_DATE"), Reply::Say("0007-01-02".into()));
        assert_eq!(asked("SEND_TIME"), Reply::Say("03:04:05".into()));
    }

    #[test]
    fn anything_else_is_an_error_in_the_request_format() {
        for message in ["", "send_date", " SEND_DATE", "SEND_DATE ", "SEND_DATETIME", "DATE"] {
            assert_eq!(asked(message), Reply::Say(BAD_REQUEST.into()), "{message:?}");
        }
    }
}
