//! Sending a file in pieces, so that a broken connection costs only what was on its way: our part
//! of draft-ietf-httpbis-resumable-upload.
//!
//! The client asks for a place (POST), sends what follows the offset there (PATCH), and asks for the
//! offset when it has lost it (HEAD). Here is what both sides read and write in the fields, and the
//! client's side of the conversation: which request is next, and what an answer means. The bytes
//! themselves and the requests belong to the caller.

/// The field that tells how many bytes the server has, or from where on they come.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// The field that tells whether these bytes are the last.
pub const UPLOAD_COMPLETE: &str = "upload-complete";
/// The field that tells how long the whole will be.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// The media type of a piece.
pub const PARTIAL_UPLOAD: &str = "application/partial-upload";

/// Answers in a row that bring no byte further; a server that gives more has lost its way.
const FRUITLESS_MAX: u32 = 8;

/// An offset or a length: an integer of RFC 9651, section 3.3.1, that is not negative. Parameters
/// are allowed, and mean nothing here.
///
/// ```
/// use sockeye_proto::http::pieces::parse_integer;
///
/// assert_eq!(parse_integer("1048576"), Some(1_048_576));
/// assert_eq!(parse_integer("-1"), None);
/// ```
pub fn parse_integer(text: &str) -> Option<u64> {
    const DIGITS_MAX: usize = 15;
    let digits = without_parameters(text)?;
    let is_integer = (1..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer.then(|| digits.parse().ok()).flatten()
}

/// A boolean of RFC 9651, section 3.3.6: `?1` or `?0`, with parameters that mean nothing here.
///
/// ```
/// use sockeye_proto::http::pieces::{format_boolean, parse_boolean};
///
/// assert_eq!(parse_boolean("?1"), Some(true));
/// assert_eq!(parse_boolean("true"), None);
/// assert_eq!(format_boolean(false), "?0");
/// ```
pub fn parse_boolean(text: &str) -> Option<bool> {
    match without_parameters(text)? {
        "?1" => Some(true),
        "?0" => Some(false),
        _ => None,
    }
}

/// The value of [`UPLOAD_COMPLETE`].
pub const fn format_boolean(value: bool) -> &'static str {
    if value { "?1" } else { "?0" }
}

/// The item before its parameters; nothing but parameters may follow it.
fn without_parameters(text: &str) -> Option<&str> {
    let text = text.trim_matches(' ');
    let item = text.split(';').next().unwrap_or(text);
    (item.len() == text.len() || text.len() > item.len() + 1).then_some(item)
}

/// The client's side: what is sent next, and what an answer means.
///
/// The caller does what [`next`](Self::next) says, and tells how it ended: by
/// [`answered`](Self::answered), or by [`broken`](Self::broken) when no answer came.
///
/// ```
/// use sockeye_proto::http::pieces::{Answer, Learned, Request, Sending};
///
/// let mut sending = Sending::new(100);
/// assert_eq!(sending.next(), Request::Place);
/// let place = Answer { status: 201, offset: Some(0), complete: Some(false), has_location: true };
/// assert_eq!(sending.answered(place), Learned::GoOn);
/// assert_eq!(sending.next(), Request::Piece { from: 0 });
/// sending.sent_until(60);
/// sending.broken();
/// assert_eq!(sending.next(), Request::Offset);
/// let had = Answer { status: 204, offset: Some(50), complete: Some(false), has_location: false };
/// assert_eq!(sending.answered(had), Learned::GoOn);
/// assert_eq!(sending.next(), Request::Piece { from: 50 });
/// let whole = Answer { status: 200, offset: None, complete: None, has_location: false };
/// assert_eq!(sending.answered(whole), Learned::Whole);
/// ```
#[derive(Clone, Debug)]
pub struct Sending {
    length: u64,
    state: State,
    /// The highest offset that the server has confirmed, in any place.
    confirmed: u64,
    /// Up to where bytes have left for the place of now.
    sent_until: u64,
    /// Answers since the last that brought us further.
    fruitless: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The server has no place for it yet.
    Nowhere,
    /// It has one, and has told the offset.
    At(u64),
    /// It has one, and how far it came is not known.
    Unsure,
}

/// What the caller asks of the server next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// POST to the file's path with `Upload-Complete: ?0`, the whole length, and no body.
    Place,
    /// HEAD of the place.
    Offset,
    /// PATCH of the place with all bytes from here on and `Upload-Complete: ?1`.
    Piece {
        /// The offset of the first.
        from: u64,
    },
}

/// What counts of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// [`UPLOAD_OFFSET`].
    pub offset: Option<u64>,
    /// [`UPLOAD_COMPLETE`].
    pub complete: Option<bool>,
    /// Whether it names a place.
    pub has_location: bool,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The next request is due.
    GoOn,
    /// The file is whole there: the answer is about all of it.
    Whole,
    /// The server does not know pieces: send the file in one.
    Unknown,
    /// The server does not want it; the answer says why.
    Refused,
    /// The server tells what cannot be: bytes that were never sent, or no way on.
    Lost,
}

impl Sending {
    /// A file of this length, of which nothing is there yet.
    pub fn new(length: u64) -> Self {
        Self { length, state: State::Nowhere, confirmed: 0, sent_until: 0, fruitless: 0 }
    }

    /// What to ask next.
    pub fn next(&self) -> Request {
        match self.state {
            State::Nowhere => Request::Place,
            State::At(from) => Request::Piece { from },
            State::Unsure => Request::Offset,
        }
    }

    /// The most of it that the server has confirmed so far.
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// The bytes of a piece have left up to here: more than that the server cannot have.
    pub fn sent_until(&mut self, until: u64) {
        self.sent_until = self.sent_until.max(until);
    }

    /// No answer came: the connection broke.
    pub fn broken(&mut self) {
        if self.state != State::Nowhere {
            self.state = State::Unsure;
        }
    }

    /// An answer came to what [`next`](Self::next) said.
    pub fn answered(&mut self, answer: Answer) -> Learned {
        match self.next() {
            Request::Place => self.placed(answer),
            Request::Offset => self.located(answer),
            Request::Piece { from } => self.received(from, answer),
        }
    }

    fn placed(&mut self, answer: Answer) -> Learned {
        match (answer.status, answer.complete) {
            (200..=299, Some(true)) => Learned::Whole,
            (200..=299, Some(false)) if answer.has_location => {
                self.sent_until = 0;
                self.go_on_at(answer.offset.unwrap_or(0))
            }
            // These say of a path or a length what they would say of the file in one, too. Any
            // other no may be meant for the method, and any yes without the fields is of a server
            // that took the empty body for the file.
            (401 | 408 | 409 | 412 | 413 | 429 | 507, _) => Learned::Refused,
            _ => Learned::Unknown,
        }
    }

    fn located(&mut self, answer: Answer) -> Learned {
        match (answer.status, answer.offset, answer.complete) {
            (200..=299, _, Some(true)) => Learned::Whole,
            (200..=299, Some(offset), _) => self.go_on_at(offset),
            (200..=299, None, _) => Learned::Lost,
            (404 | 410, ..) => self.begin_again(),
            _ => Learned::Refused,
        }
    }

    fn received(&mut self, from: u64, answer: Answer) -> Learned {
        match (answer.status, answer.offset) {
            // All that stands between the offset and the end was sent, but it wants more.
            (200..=299, Some(offset)) if answer.complete == Some(false) || offset < self.length => {
                self.go_on_at(offset)
            }
            (200..=299, _) => Learned::Whole,
            (409, Some(offset)) if offset != from => self.go_on_at(offset),
            (404 | 410, _) => self.begin_again(),
            _ => Learned::Refused,
        }
    }

    fn go_on_at(&mut self, offset: u64) -> Learned {
        if offset > self.sent_until || offset > self.length {
            return Learned::Lost;
        }
        self.state = State::At(offset);
        if offset > self.confirmed {
            self.confirmed = offset;
            self.fruitless = 0;
            return Learned::GoOn;
        }
        self.without_fruit()
    }

    fn begin_again(&mut self) -> Learned {
        // What was confirmed stays the mark: a server that loses each place ends nowhere.
        self.state = State::Nowhere;
        self.without_fruit()
    }

    fn without_fruit(&mut self) -> Learned {
        self.fruitless += 1;
        if self.fruitless > FRUITLESS_MAX { Learned::Lost } else { Learned::GoOn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u64 = 1_000;

    fn answer(status: u16, offset: Option<u64>, complete: Option<bool>) -> Answer {
        Answer { status, offset, complete, has_location: status == 201 }
    }

    fn placed() -> Sending {
        let mut sending = Sending::new(LENGTH);
        assert_eq!(sending.answered(answer(201, Some(0), Some(false))), Learned::GoOn);
        sending
    }

    #[test]
    fn integers_are_those_of_structured_fields() {
        for (text, value) in [
            ("0", Some(0)),
            ("007", Some(7)),
            (" 42 ", Some(42)),
            ("42;a=1", Some(42)),
            ("999999999999999", Some(999_999_999_999_999)),
            ("1000000000000000", None),
            ("", None),
            (";", None),
            ("42;", None),
            ("+1", None),
            ("-1", None),
            ("1.0", None),
            ("1 2", None),
            ("1, 2", None),
            ("\"1\"", None),
            ("0x10", None),
        ] {
            assert_eq!(parse_integer(text), value, "{text:?}");
        }
    }

    #[test]
    fn booleans_are_those_of_structured_fields() {
        for (text, value) in [
            ("?1", Some(true)),
            ("?0", Some(false)),
            (" ?0 ", Some(false)),
            ("?1;a", Some(true)),
            ("1", None),
            ("?2", None),
            ("? 1", None),
            ("?1, ?1", None),
            ("", None),
        ] {
            assert_eq!(parse_boolean(text), value, "{text:?}");
        }
        assert_eq!(parse_boolean(format_boolean(true)), Some(true));
    }

    #[test]
    fn a_server_without_pieces_is_sent_the_file_in_one() {
        for status in [200, 201, 204, 301, 308, 400, 403, 404, 405, 411, 415, 417, 500, 501, 503] {
            let mut sending = Sending::new(LENGTH);
            let learned = sending.answered(answer(status, None, None));
            assert_eq!(learned, Learned::Unknown, "{status}");
        }
        // One that repeats fields, and gives no place to go on at.
        let mut sending = Sending::new(LENGTH);
        let echo =
            Answer { status: 200, offset: Some(0), complete: Some(false), has_location: false };
        assert_eq!(sending.answered(echo), Learned::Unknown);
    }

    #[test]
    fn a_refusal_of_the_place_is_one_of_the_file() {
        for status in [401, 409, 412, 413, 429, 507] {
            let mut sending = Sending::new(LENGTH);
            assert_eq!(sending.answered(answer(status, None, None)), Learned::Refused, "{status}");
        }
    }

    #[test]
    fn after_a_break_it_goes_on_where_the_server_is() {
        let mut sending = placed();
        sending.sent_until(700);
        sending.broken();
        assert_eq!(sending.next(), Request::Offset);
        sending.broken();
        assert_eq!(sending.next(), Request::Offset, "a break while asking changes nothing");
        assert_eq!(sending.answered(answer(204, Some(640), Some(false))), Learned::GoOn);
        assert_eq!((sending.next(), sending.confirmed()), (Request::Piece { from: 640 }, 640));
        assert_eq!(sending.answered(answer(200, None, None)), Learned::Whole);
    }

    #[test]
    fn a_wrong_offset_is_put_right_and_a_conflict_is_a_refusal() {
        let mut sending = placed();
        sending.sent_until(700);
        assert_eq!(sending.answered(answer(409, Some(300), Some(false))), Learned::GoOn);
        assert_eq!(sending.next(), Request::Piece { from: 300 });
        assert_eq!(sending.answered(answer(409, Some(300), Some(false))), Learned::Refused);
        assert_eq!(sending.answered(answer(409, None, None)), Learned::Refused);
    }

    #[test]
    fn a_place_that_is_gone_is_asked_for_again_but_not_for_ever() {
        let mut sending = placed();
        for _ in 0..3 {
            sending.sent_until(500);
            sending.broken();
            assert_eq!(sending.answered(answer(404, None, None)), Learned::GoOn);
            assert_eq!(sending.next(), Request::Place);
            assert_eq!(sending.answered(answer(201, Some(0), Some(false))), Learned::GoOn);
        }
        let learned = (0..20).map(|_| {
            sending.broken();
            match sending.next() {
                Request::Place => sending.answered(answer(201, Some(0), Some(false))),
                _ => sending.answered(answer(410, None, None)),
            }
        });
        assert!(learned.into_iter().any(|learned| learned == Learned::Lost));
    }

    #[test]
    fn a_server_cannot_have_what_was_never_sent() {
        let mut sending = Sending::new(LENGTH);
        assert_eq!(sending.answered(answer(201, Some(1), Some(false))), Learned::Lost);
        let mut sending = placed();
        sending.sent_until(600);
        sending.broken();
        assert_eq!(sending.answered(answer(204, Some(601), Some(false))), Learned::Lost);
        let mut sending = placed();
        sending.sent_until(LENGTH);
        assert_eq!(sending.answered(answer(204, Some(LENGTH + 1), Some(false))), Learned::Lost);
    }

    #[test]
    fn a_server_that_never_comes_further_is_left() {
        let mut sending = placed();
        sending.sent_until(LENGTH);
        let mut answers = 0;
        while sending.answered(answer(204, Some(10), Some(false))) == Learned::GoOn {
            answers += 1;
            assert!(answers < 20);
        }
        assert_eq!(answers, FRUITLESS_MAX + 1, "the first brought it to 10");
    }

    #[test]
    fn one_that_has_all_but_the_end_is_told_the_end() {
        let mut sending = placed();
        sending.sent_until(LENGTH);
        sending.broken();
        assert_eq!(sending.answered(answer(204, Some(LENGTH), Some(false))), Learned::GoOn);
        assert_eq!(sending.next(), Request::Piece { from: LENGTH });
        assert_eq!(sending.answered(answer(201, None, None)), Learned::Whole);
    }
}
