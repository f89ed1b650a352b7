//! The files and fields in a form that a browser or curl uploads: `multipart/form-data` (RFC 7578,
//! RFC 2046 section 5.1), read while it arrives.
//!
//! A [`FormReader`] is fed the body in whatever pieces the network brings, and says step by step
//! what stands in it. Files pass through as slices of those pieces, never copied and never
//! collected, so a form may be larger than all memory. It knows nothing of disks: which parts are
//! kept, and under which names, is its caller's decision.

mod boundary;
mod head;
mod parameters;

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;
use memchr::{memchr, memrchr};
use thiserror::Error;

pub use boundary::{Boundary, boundary_of};
pub use head::PartHead;

use crate::limits::{
    FORM_HEAD_MAX_BYTES, FORM_HEAD_MAX_FIELDS, FORM_PARTS_MAX, FORM_PREAMBLE_MAX_BYTES,
};

/// What comes next in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part begins. Its bytes follow, and then [`Step::PartEnd`].
    Part(PartHead),
    /// Some bytes of the part, at least one.
    Data(Bytes),
    /// The part is whole. A part without this one is not, whatever came of it.
    PartEnd,
    /// All parts have been told. What still follows in the body is skipped.
    End,
    /// Nothing, until more is fed or the body ends.
    More,
}

/// Why a body is no form that can be read; nothing more comes of it.
///
/// The texts are for the person who sent it, and quote nothing of what was sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FormError {
    /// The body ended before the closing boundary.
    #[error("the form is cut short: its closing boundary never came; send it again")]
    CutShort,
    /// More than [`FORM_PREAMBLE_MAX_BYTES`] stand before the first boundary.
    #[error(
        "no boundary in the form's first {FORM_PREAMBLE_MAX_BYTES} bytes; \
         send the boundary that Content-Type names"
    )]
    PreambleTooLong,
    /// The line of a boundary goes on with something else.
    #[error("a boundary of the form is followed by other text; end its line with CR LF")]
    BadDelimiter,
    /// A line ends in LF alone.
    #[error("a line of the form ends in LF alone; end lines with CR LF")]
    BareLineFeed,
    /// A part's head is longer than [`FORM_HEAD_MAX_BYTES`].
    #[error("a part of the form has a head of more than {FORM_HEAD_MAX_BYTES} bytes; shorten it")]
    HeadTooLong,
    /// A part's head has more than [`FORM_HEAD_MAX_FIELDS`] fields.
    #[error("a part of the form has more than {FORM_HEAD_MAX_FIELDS} head fields; send fewer")]
    TooManyFields,
    /// There are more than [`FORM_PARTS_MAX`] parts.
    #[error("the form has more than {FORM_PARTS_MAX} parts; send the files in several forms")]
    TooManyParts,
    /// A line in a part's head is not `Name: value`.
    #[error("a line in the head of a part is no field; write it as 'Name: value'")]
    BadField,
    /// A field that may stand once in a part's head stands there again.
    #[error("a part of the form has one head field twice; send it once")]
    RepeatedField,
    /// The names in Content-Disposition cannot be read, or in more than one way.
    #[error(
        "a part's Content-Disposition cannot be read; \
         write it as: form-data; name=\"field\"; filename=\"name\""
    )]
    BadDisposition,
    /// Content-Transfer-Encoding is neither 7bit, 8bit nor binary.
    #[error("a part of the form has a Content-Transfer-Encoding; send the bytes as they are")]
    Encoded,
}

/// Reads a form while it arrives.
///
/// The caller feeds what arrived, and calls [`next`](Self::next) until it says [`Step::More`]; then
/// it feeds more, or says by [`end`](Self::end) that the body has ended. Beside what was fed and not
/// yet asked for, it holds at most [`FORM_HEAD_MAX_BYTES`] and the boundary. How the body is cut
/// into pieces has no influence on what is read.
///
/// A line that begins like a boundary and goes on as a longer word is data: a file may itself be a
/// form, whose boundary is longer than ours.
///
/// ```
/// use bytes::Bytes;
/// use sockeye_proto::http::form::{FormReader, Step, boundary_of};
///
/// let mut reader = FormReader::new(boundary_of("multipart/form-data; boundary=cut").unwrap());
/// reader.feed(Bytes::from(
///     "--cut\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nhel",
/// ));
/// let Ok(Step::Part(head)) = reader.next() else { panic!("a part begins") };
/// assert_eq!(head.filename.as_deref(), Some(&b"a.txt"[..]));
/// assert_eq!(reader.next(), Ok(Step::Data(Bytes::from("hel"))));
/// assert_eq!(reader.next(), Ok(Step::More));
///
/// reader.feed(Bytes::from("lo\r\n--cut--\r\n"));
/// assert_eq!(reader.next(), Ok(Step::Data(Bytes::from("lo"))));
/// assert_eq!(reader.next(), Ok(Step::PartEnd));
/// assert_eq!(reader.next(), Ok(Step::End));
/// ```
#[derive(Clone, Debug)]
pub struct FormReader {
    /// CR LF, two dashes, the boundary, and one dash more: all that may have been taken for a
    /// delimiter and then turn out to be data, so that it can be told as a slice of this.
    opening: Bytes,
    /// Finds CR LF, two dashes and the boundary.
    finder: Finder<'static>,
    fed: VecDeque<Bytes>,
    has_ended: bool,
    place: Place,
    /// Whether a part has been told and not yet its end.
    is_in_part: bool,
    /// The first byte of `opening` that stood in the content and not in the line end before it.
    opening_begin: usize,
    preamble_bytes: usize,
    parts: usize,
    /// The lines so far of a head.
    head: Vec<u8>,
}

/// Where in the form the next byte stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the preamble or in a part's bytes; so many bytes of a delimiter came just before.
    Content { matched: usize },
    /// Behind a delimiter's boundary.
    Delimiter(After),
    /// In a part's head.
    Head,
    /// Behind the closing delimiter.
    Epilogue,
    /// Behind an error.
    Failed(FormError),
}

/// What came after a delimiter's boundary.
#[derive(Clone, Copy, Debug)]
enum After {
    Nothing,
    Dash,
    /// Spaces and tabs, which relays of mail once added (RFC 2046 section 5.1.1).
    Padding,
    CarriageReturn,
    /// Two dashes, and perhaps padding.
    Close,
}

impl FormReader {
    /// A reader for one body.
    pub fn new(boundary: Boundary) -> Self {
        let opening = format!("\r\n--{}-", boundary.as_str());
        let delimiter = &opening.as_bytes()[..opening.len() - 1];
        Self {
            finder: Finder::new(delimiter).into_owned(),
            opening: Bytes::from(opening),
            fed: VecDeque::new(),
            has_ended: false,
            place: Place::Content { matched: LINE_END_BYTES },
            is_in_part: false,
            opening_begin: LINE_END_BYTES,
            preamble_bytes: 0,
            parts: 0,
            head: Vec::new(),
        }
    }

    /// More of the body has arrived.
    pub fn feed(&mut self, piece: Bytes) {
        let is_over = matches!(self.place, Place::Epilogue | Place::Failed(_));
        if !piece.is_empty() && !is_over {
            self.fed.push_back(piece);
        }
    }

    /// The body's end was reached: nothing more is fed.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    /// What comes next. After [`Step::End`] and after an error it says the same again.
    ///
    /// # Errors
    /// Any [`FormError`]; the part that is not at its end is not whole then.
    #[expect(clippy::should_implement_trait, reason = "to want more is no end of an iteration")]
    pub fn next(&mut self) -> Result<Step, FormError> {
        loop {
            match self.place {
                Place::Epilogue => return Ok(Step::End),
                Place::Failed(error) => return Err(error),
                Place::Content { .. } | Place::Delimiter(_) | Place::Head => {}
            }
            let step = match self.fed.pop_front() {
                Some(piece) => self.read(piece),
                None if self.has_ended => self.read_end(),
                None => return Ok(Step::More),
            };
            match step {
                Ok(Some(step)) => return Ok(step),
                Ok(None) => {}
                Err(error) => self.finish(Place::Failed(error)),
            }
        }
    }

    /// Reads the beginning of a piece and puts the rest back.
    fn read(&mut self, mut piece: Bytes) -> Result<Option<Step>, FormError> {
        let step = match self.place {
            Place::Content { matched: 0 } => self.read_content(&mut piece),
            Place::Content { matched } => self.read_seam(matched, &mut piece),
            Place::Delimiter(after) => self.read_delimiter(after, &mut piece),
            Place::Head => self.read_head(&mut piece),
            Place::Epilogue | Place::Failed(_) => return Ok(None),
        };
        let is_over = matches!(self.place, Place::Epilogue);
        if !piece.is_empty() && !is_over {
            self.fed.push_front(piece);
        }
        step
    }

    fn read_content(&mut self, piece: &mut Bytes) -> Result<Option<Step>, FormError> {
        self.opening_begin = 0;
        if let Some(at) = self.find_delimiter(piece) {
            let content = piece.split_to(at);
            piece.advance(self.delimiter_bytes());
            self.place = Place::Delimiter(After::Nothing);
            return self.pass(content);
        }
        let at = self.opening_at_end(piece);
        let content = piece.split_to(at);
        self.place = Place::Content { matched: piece.len() };
        piece.clear();
        self.pass(content)
    }

    /// The first delimiter in a piece whose boundary, at least, is whole. What goes on as a longer
    /// word is passed over here, and not told in crumbs, wherever the piece is long enough to show.
    fn find_delimiter(&self, piece: &[u8]) -> Option<usize> {
        let mut searched = 0;
        loop {
            let at = searched + self.finder.find(&piece[searched..])?;
            searched = at + self.delimiter_bytes();
            if may_follow_boundary(&piece[searched..]) {
                return Some(at);
            }
        }
    }

    /// Where the end of a piece may begin a delimiter; its length if it does not. A carriage return
    /// stands in a delimiter only at its beginning, so there is one place to look at.
    fn opening_at_end(&self, piece: &[u8]) -> usize {
        let delimiter = self.finder.needle();
        let tail_begin = piece.len().saturating_sub(delimiter.len() - 1);
        memrchr(b'\r', &piece[tail_begin..])
            .map(|at| tail_begin + at)
            .filter(|&at| delimiter.starts_with(&piece[at..]))
            .unwrap_or(piece.len())
    }

    /// The piece before ended in the beginning of a delimiter, or a line has just ended.
    fn read_seam(&mut self, matched: usize, piece: &mut Bytes) -> Result<Option<Step>, FormError> {
        let awaited = &self.finder.needle()[matched..];
        let same = awaited.iter().zip(piece.iter()).take_while(|(a, b)| a == b).count();
        let is_delimiter = same == awaited.len();
        piece.advance(same);
        if is_delimiter {
            self.place = Place::Delimiter(After::Nothing);
            return Ok(None);
        }
        if piece.is_empty() {
            self.place = Place::Content { matched: matched + same };
            return Ok(None);
        }
        self.pass_opening(matched + same)
    }

    fn read_delimiter(
        &mut self,
        mut after: After,
        piece: &mut Bytes,
    ) -> Result<Option<Step>, FormError> {
        while let Some(&byte) = piece.first() {
            after = match (after, byte) {
                (After::Nothing, b'-') => After::Dash,
                (After::Dash, b'-') | (After::Close, b' ' | b'\t') => After::Close,
                (After::Nothing | After::Padding, b' ' | b'\t') => After::Padding,
                (After::Nothing | After::Padding, b'\r') => After::CarriageReturn,
                (After::Nothing | After::Padding, b'\n') => return Err(FormError::BareLineFeed),
                (After::Nothing, _) => return self.pass_opening(self.delimiter_bytes()),
                (After::Dash, _) => return self.pass_opening(self.opening.len()),
                (After::CarriageReturn, b'\n') => {
                    piece.advance(1);
                    self.place = Place::Head;
                    return Ok(self.part_end());
                }
                (After::Close, b'\r' | b'\n') => return Ok(self.close()),
                (After::Padding | After::CarriageReturn | After::Close, _) => {
                    return Err(FormError::BadDelimiter);
                }
            };
            piece.advance(1);
        }
        self.place = Place::Delimiter(after);
        Ok(None)
    }

    fn read_head(&mut self, piece: &mut Bytes) -> Result<Option<Step>, FormError> {
        let line_bytes = memchr(b'\n', piece).map_or(piece.len(), |at| at + 1);
        if self.head.len() + line_bytes > FORM_HEAD_MAX_BYTES {
            return Err(FormError::HeadTooLong);
        }
        self.head.extend_from_slice(&piece.split_to(line_bytes));
        if !self.head.ends_with(b"\n") {
            return Ok(None);
        }
        if !self.head.ends_with(b"\r\n") {
            return Err(FormError::BareLineFeed);
        }
        if self.head != b"\r\n" && !self.head.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        let head = PartHead::parse(&std::mem::take(&mut self.head))?;
        if self.parts == FORM_PARTS_MAX {
            return Err(FormError::TooManyParts);
        }
        self.parts += 1;
        self.is_in_part = true;
        // The empty line's end may already be that of a delimiter: then the part is empty (RFC 2046
        // section 5.1.1, body-part).
        self.opening_begin = LINE_END_BYTES;
        self.place = Place::Content { matched: LINE_END_BYTES };
        Ok(Some(Step::Part(head)))
    }

    /// All was read and nothing more comes.
    fn read_end(&mut self) -> Result<Option<Step>, FormError> {
        match self.place {
            Place::Delimiter(After::Close) => Ok(self.close()),
            _ => Err(FormError::CutShort),
        }
    }

    fn close(&mut self) -> Option<Step> {
        self.finish(Place::Epilogue);
        self.part_end()
    }

    fn part_end(&mut self) -> Option<Step> {
        std::mem::take(&mut self.is_in_part).then_some(Step::PartEnd)
    }

    /// The first `matched` bytes of the opening came and are no delimiter: they are content, as far
    /// as they are not the line end before it.
    fn pass_opening(&mut self, matched: usize) -> Result<Option<Step>, FormError> {
        self.place = Place::Content { matched: 0 };
        self.pass(self.opening.slice(self.opening_begin..matched))
    }

    /// What content is: a part's bytes, or the preamble, which is skipped.
    fn pass(&mut self, content: Bytes) -> Result<Option<Step>, FormError> {
        if self.is_in_part {
            return Ok((!content.is_empty()).then_some(Step::Data(content)));
        }
        self.preamble_bytes = self.preamble_bytes.saturating_add(content.len());
        if self.preamble_bytes > FORM_PREAMBLE_MAX_BYTES {
            return Err(FormError::PreambleTooLong);
        }
        Ok(None)
    }

    /// Nothing more is read, so nothing more is held.
    fn finish(&mut self, place: Place) {
        self.place = place;
        self.fed = VecDeque::new();
        self.head = Vec::new();
    }

    fn delimiter_bytes(&self) -> usize {
        self.finder.needle().len()
    }
}

/// Whether a boundary before this text can be a delimiter's, as far as the text shows.
fn may_follow_boundary(text: &[u8]) -> bool {
    matches!(text, [] | [b' ' | b'\t' | b'\r' | b'\n', ..] | [b'-'] | [b'-', b'-', ..])
}

/// CR LF, which may have been read as another line's end when a delimiter begins.
const LINE_END_BYTES: usize = 2;

#[cfg(test)]
mod tests;
