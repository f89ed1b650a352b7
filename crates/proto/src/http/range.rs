//! Which bytes of a file answer a request (RFC 9110 section 14), and how they are framed.
//!
//! A Range field is a wish: what is malformed, in another unit or plainly an attack is ignored, and
//! the whole file is the answer. Here are only numbers and texts; the bytes themselves never pass
//! through.

/// The most ranges that one request may ask for; with more, the whole file is sent.
pub const MAX_RANGES: usize = 32;

/// The most places where ranges may overlap; with more, the whole file is sent (RFC 9110 section
/// 14.2 calls more than two "indications of either a broken client or a deliberate attack").
pub const MAX_OVERLAPS: usize = 2;

/// Some bytes of a file, half open and never empty: `start` is the first byte, `end` the one after
/// the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRange {
    /// The first byte's offset.
    pub start: u64,
    /// The offset after the last byte; greater than `start`.
    pub end: u64,
}

impl ByteRange {
    /// How many bytes there are; at least one.
    ///
    /// ```
    /// assert_eq!(sockeye_proto::http::range::ByteRange { start: 10, end: 15 }.len(), 5);
    /// ```
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The offset of the last byte, as HTTP writes it.
    fn last(self) -> u64 {
        self.end.saturating_sub(1)
    }
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The whole file, with status 200.
    Whole,
    /// One range, with status 206 and Content-Range.
    One(ByteRange),
    /// At least two ranges, apart from each other and in the order in which they were asked for,
    /// with status 206 and a [`Multipart`] body. Together they are shorter than the file.
    Several(Vec<ByteRange>),
    /// None of the bytes asked for exist: status 416 and [`unsatisfied_content_range`].
    Unsatisfiable,
}

/// Decides which bytes of a file of `length` bytes a Range field asks for (RFC 9110 sections 14.1
/// and 14.2). The caller has made sure that the method is GET and that If-Range allows it.
///
/// An empty file is always whole: some clients ask for a range each time, and no Content-Range can
/// tell of no bytes.
///
/// Ranges that overlap or touch become one, which takes the place of the first of them. Numbers too
/// large for 64 bits mean what they would mean if there were such files.
///
/// ```
/// use sockeye_proto::http::range::{ByteRange, Ranges, resolve};
///
/// assert_eq!(resolve(Some("bytes=-3"), 10), Ranges::One(ByteRange { start: 7, end: 10 }));
/// assert_eq!(resolve(Some("bytes=10-"), 10), Ranges::Unsatisfiable);
/// assert_eq!(resolve(Some("lines=1-2"), 10), Ranges::Whole);
/// ```
pub fn resolve(header: Option<&str>, length: u64) -> Ranges {
    let Some(specs) = header.filter(|_| length > 0).and_then(parse_specs) else {
        return Ranges::Whole;
    };
    let satisfiable: Vec<ByteRange> =
        specs.into_iter().filter_map(|spec| spec.within(length)).collect();
    if satisfiable.is_empty() {
        return Ranges::Unsatisfiable;
    }
    let total: u128 = satisfiable.iter().map(|range| u128::from(range.len())).sum();
    let (mut ranges, overlaps) = coalesce(&satisfiable);
    if overlaps > MAX_OVERLAPS || total > length.into() {
        return Ranges::Whole;
    }
    if ranges.len() > 1 { Ranges::Several(ranges) } else { Ranges::One(ranges.remove(0)) }
}

/// The value of Content-Range for one range of a file of `length` bytes (RFC 9110 section 14.4).
///
/// ```
/// use sockeye_proto::http::range::{ByteRange, content_range};
///
/// assert_eq!(content_range(ByteRange { start: 0, end: 10 }, 100), "bytes 0-9/100");
/// ```
pub fn content_range(range: ByteRange, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.last())
}

/// The value of Content-Range in an answer with status 416 (RFC 9110 section 15.5.17), for a file
/// of `length` bytes.
///
/// ```
/// assert_eq!(sockeye_proto::http::range::unsatisfied_content_range(100), "bytes */100");
/// ```
pub fn unsatisfied_content_range(length: u64) -> String {
    format!("bytes */{length}")
}

/// How several ranges are framed in one body: `multipart/byteranges` (RFC 9110 section 14.6).
///
/// The sender writes [`Multipart::part_head`] of each range and that range's bytes, and at the end
/// [`Multipart::tail`].
///
/// ```
/// use sockeye_proto::http::range::{ByteRange, Multipart};
///
/// let ranges = vec![ByteRange { start: 0, end: 2 }, ByteRange { start: 8, end: 9 }];
/// let multipart = Multipart::new(ranges, "text/plain", 10, "cut");
/// let body = [multipart.part_head(0), "ab".into(), multipart.part_head(1), "i".into()].concat();
/// assert_eq!((body + &multipart.tail()).len() as u64, multipart.content_length());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    ranges: Vec<ByteRange>,
    content_type: String,
    length: u64,
    boundary: String,
}

impl Multipart {
    /// Frames `ranges` of a file of `length` bytes, whose own type is `content_type`.
    ///
    /// `boundary` is 1 to 70 letters and digits (RFC 2046 section 5.1.1) that do not occur in the
    /// file, which the caller makes likely by drawing them at random.
    ///
    /// ```
    /// use sockeye_proto::http::range::{ByteRange, Multipart};
    ///
    /// let ranges = vec![ByteRange { start: 0, end: 2 }, ByteRange { start: 8, end: 9 }];
    /// let multipart = Multipart::new(ranges, "text/plain", 10, "cut");
    /// assert!(multipart.part_head(0).starts_with("--cut\r\n"));
    /// ```
    pub fn new(ranges: Vec<ByteRange>, content_type: &str, length: u64, boundary: &str) -> Self {
        debug_assert!(
            (1..=70).contains(&boundary.len())
                && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "our caller draws the boundary from letters and digits"
        );
        Self {
            ranges,
            content_type: content_type.to_owned(),
            length,
            boundary: boundary.to_owned(),
        }
    }

    /// The ranges, in the order of their parts.
    ///
    /// ```
    /// use sockeye_proto::http::range::{ByteRange, Multipart};
    ///
    /// let ranges = vec![ByteRange { start: 0, end: 2 }, ByteRange { start: 8, end: 9 }];
    /// assert_eq!(Multipart::new(ranges.clone(), "text/plain", 10, "cut").ranges(), ranges);
    /// ```
    pub fn ranges(&self) -> &[ByteRange] {
        &self.ranges
    }

    /// What stands before the bytes of range `index`: the delimiter and the part's own fields.
    ///
    /// ```
    /// use sockeye_proto::http::range::{ByteRange, Multipart};
    ///
    /// let ranges = vec![ByteRange { start: 0, end: 2 }, ByteRange { start: 8, end: 9 }];
    /// assert_eq!(
    ///     Multipart::new(ranges, "text/plain", 10, "cut").part_head(1),
    ///     "\r\n--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-8/10\r\n\r\n"
    /// );
    /// ```
    ///
    /// # Panics
    /// If there is no such range.
    pub fn part_head(&self, index: usize) -> String {
        let line_end = if index == 0 { "" } else { "\r\n" };
        let content_range = content_range(self.ranges[index], self.length);
        format!(
            "{line_end}--{}\r\nContent-Type: {}\r\nContent-Range: {content_range}\r\n\r\n",
            self.boundary, self.content_type
        )
    }

    /// What stands after the last range's bytes.
    ///
    /// ```
    /// # use sockeye_proto::http::range::Multipart;
    /// assert_eq!(Multipart::new(vec![], "text/plain", 10, "cut").tail(), "\r\n--cut--\r\n");
    /// ```
    pub fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }

    /// The whole body's length in bytes.
    ///
    /// ```
    /// # use sockeye_proto::http::range::Multipart;
    /// assert_eq!(Multipart::new(vec![], "text/plain", 10, "cut").content_length(), 11);
    /// ```
    pub fn content_length(&self) -> u64 {
        let parts = self.ranges.iter().enumerate().fold(0_u64, |sum, (index, range)| {
            sum.saturating_add(self.part_head(index).len() as u64).saturating_add(range.len())
        });
        parts.saturating_add(self.tail().len() as u64)
    }

    /// The value of the answer's Content-Type.
    ///
    /// ```
    /// # use sockeye_proto::http::range::Multipart;
    /// let multipart = Multipart::new(vec![], "text/plain", 10, "cut");
    /// assert_eq!(multipart.content_type_header(), "multipart/byteranges; boundary=cut");
    /// ```
    pub fn content_type_header(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }
}

/// What a Content-Range field says: which bytes these are, and of how many if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes that the body holds.
    pub range: ByteRange,
    /// The whole file's length in bytes; none if the server does not know it.
    pub length: Option<u64>,
}

/// Reads the Content-Range of an answer with status 206 (RFC 9110 section 14.4).
///
/// It gives none for another unit, for the `*` of status 416, and for what is malformed or
/// contradicts itself: the client then cannot know where the bytes belong.
///
/// ```
/// use sockeye_proto::http::range::{ByteRange, parse_content_range};
///
/// let told = parse_content_range("bytes 0-9/100").unwrap();
/// assert_eq!((told.range, told.length), (ByteRange { start: 0, end: 10 }, Some(100)));
/// ```
pub fn parse_content_range(text: &str) -> Option<ContentRange> {
    let (unit, rest) = text.trim_ascii().split_once(' ')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (positions, length) = rest.split_once('/')?;
    let (first, last) = positions.split_once('-')?;
    let range = ByteRange { start: exactly(first)?, end: exactly(last)?.checked_add(1)? };
    let length = if length == "*" { None } else { Some(exactly(length)?) };
    let holds = range.start < range.end && length.is_none_or(|length| range.end <= length);
    holds.then_some(ContentRange { range, length })
}

/// One element of a Range field, before the file's length is known.
#[derive(Clone, Copy)]
enum Spec {
    /// From a first position to a last one, both included.
    From { first: u64, last: u64 },
    /// The last so many bytes.
    Suffix { length: u64 },
}

impl Spec {
    /// The bytes of it that a file of `length` bytes has.
    ///
    fn within(self, length: u64) -> Option<ByteRange> {
        let range = match self {
            Self::From { first, last } => {
                ByteRange { start: first, end: last.saturating_add(1).min(length) }
            }
            Self::Suffix { length: suffix } => {
                ByteRange { start: length.saturating_sub(suffix), end: length }
            }
        };
        (range.start < range.end).then_some(range)
    }
}

/// Reads `bytes=` and its list (RFC 9110 section 14.1.1; section 5.6.1 for the list); none if any
/// element is malformed, if there is none or if there are too many.
fn parse_specs(header: &str) -> Option<Vec<Spec>> {
    let (unit, list) = header.trim_ascii().split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for element in list.split(',') {
        let element = element.trim_matches([' ', '\t']);
        if element.is_empty() {
            continue;
        }
        if specs.len() == MAX_RANGES {
            return None;
        }
        specs.push(parse_spec(element)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn parse_spec(element: &str) -> Option<Spec> {
    let (first, last) = element.split_once('-')?;
    if first.is_empty() {
        return Some(Spec::Suffix { length: saturating(last)? });
    }
    let first_position = saturating(first)?;
    if last.is_empty() {
        return Some(Spec::From { first: first_position, last: u64::MAX });
    }
    let last_position = saturating(last)?;
    // Compared as digits, for two numbers beyond 64 bits are equal once they are saturated.
    let (first, last) = (first.trim_start_matches('0'), last.trim_start_matches('0'));
    let in_order = (first.len(), first) <= (last.len(), last);
    in_order.then_some(Spec::From { first: first_position, last: last_position })
}

/// A number in digits only, at most `u64::MAX`.
fn saturating(digits: &str) -> Option<u64> {
    // `parse` would allow a plus sign; and all that it refuses of digits is what is too large.
    is_number(digits).then(|| digits.parse().unwrap_or(u64::MAX))
}

/// A number in digits only that fits.
fn exactly(digits: &str) -> Option<u64> {
    is_number(digits).then(|| digits.parse().ok())?
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Joins the ranges that overlap or touch, and counts the places where they overlapped. What is
/// left stands in the order in which it was first asked for.
fn coalesce(ranges: &[ByteRange]) -> (Vec<ByteRange>, usize) {
    let mut by_start: Vec<(usize, ByteRange)> = ranges.iter().copied().enumerate().collect();
    by_start.sort_by_key(|(asked, range)| (range.start, *asked));
    let mut overlaps = 0;
    let mut joined: Vec<(usize, ByteRange)> = Vec::with_capacity(by_start.len());
    for (asked, range) in by_start {
        match joined.last_mut() {
            Some((first_asked, last)) if range.start <= last.end => {
                overlaps += usize::from(range.start < last.end);
                last.end = last.end.max(range.end);
                *first_asked = asked.min(*first_asked);
            }
            _ => joined.push((asked, range)),
        }
    }
    joined.sort_by_key(|(asked, _)| *asked);
    (joined.into_iter().map(|(_, range)| range).collect(), overlaps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    fn asked(header: &str, length: u64) -> Ranges {
        resolve(Some(header), length)
    }

    #[test]
    fn without_the_field_the_whole_file_is_sent() {
        assert_eq!(resolve(None, 100), Ranges::Whole);
    }

    #[test]
    fn a_range_names_its_first_and_last_byte() {
        assert_eq!(asked("bytes=0-0", 100), Ranges::One(range(0, 1)));
        assert_eq!(asked("bytes=10-19", 100), Ranges::One(range(10, 20)));
        assert_eq!(asked("bytes=10-", 100), Ranges::One(range(10, 100)));
        assert_eq!(asked("bytes=0-", 100), Ranges::One(range(0, 100)));
    }

    #[test]
    fn a_last_byte_beyond_the_file_is_its_last_one() {
        assert_eq!(asked("bytes=90-100", 100), Ranges::One(range(90, 100)));
        assert_eq!(asked("bytes=90-18446744073709551615", 100), Ranges::One(range(90, 100)));
        assert_eq!(asked("bytes=90-99999999999999999999999", 100), Ranges::One(range(90, 100)));
    }

    #[test]
    fn a_suffix_counts_from_the_end() {
        assert_eq!(asked("bytes=-1", 100), Ranges::One(range(99, 100)));
        assert_eq!(asked("bytes=-100", 100), Ranges::One(range(0, 100)));
    }

    #[test]
    fn a_suffix_longer_than_the_file_is_the_whole_file() {
        assert_eq!(asked("bytes=-101", 100), Ranges::One(range(0, 100)));
        assert_eq!(asked("bytes=-99999999999999999999999", 100), Ranges::One(range(0, 100)));
    }

    #[test]
    fn what_begins_after_the_end_cannot_be_satisfied() {
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"]
        {
            assert_eq!(asked(header, 100), Ranges::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn an_empty_file_is_whole_whatever_part_of_it_is_asked_for() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=0-,-5"] {
            assert_eq!(asked(header, 0), Ranges::Whole, "{header}");
        }
    }

    #[test]
    fn what_exists_is_sent_and_the_rest_is_left_out() {
        assert_eq!(asked("bytes=200-,5-9,-0", 100), Ranges::One(range(5, 10)));
    }

    #[test]
    fn what_is_malformed_or_in_another_unit_is_ignored() {
        let odd = ["", "bytes= , ,", "bytes=1 - 2", "bytes =0-1"];
        let list = "bytes bytes= bytes=, bytes=- bytes=a- bytes=1 bytes=1-a bytes=5-4 \
             bytes=0-1,5-4 bytes=--1 bytes=1--2 bytes=1-2-3 bytes=+1-2 bytes=1-+2 bytes=0x1- \
             lines=0-1 bytes=0-1;2-3 bytes=٠- byte=0-1 bytes:0-1 0-1 bytes=0-1,x \
             bytes=99999999999999999999999-88888888888888888888888";
        for header in list.split(' ').chain(odd) {
            assert_eq!(asked(header, 100), Ranges::Whole, "{header}");
        }
    }

    #[test]
    fn case_leading_zeros_and_empty_elements_change_nothing() {
        assert_eq!(asked("BYTES=0-1", 100), Ranges::One(range(0, 2)));
        assert_eq!(asked("bytes=007-00000000000000000000009", 100), Ranges::One(range(7, 10)));
        assert_eq!(
            asked("bytes=, 0-1 ,\t, 4-5,", 100),
            Ranges::Several(vec![range(0, 2), range(4, 6)])
        );
    }

    #[test]
    fn ranges_come_in_the_order_they_were_asked_for() {
        assert_eq!(
            asked("bytes=50-59,0-9,-10", 100),
            Ranges::Several(vec![range(50, 60), range(0, 10), range(90, 100)])
        );
    }

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        assert_eq!(asked("bytes=0-9,5-14", 100), Ranges::One(range(0, 15)));
        assert_eq!(asked("bytes=0-9,10-19", 100), Ranges::One(range(0, 20)));
        assert_eq!(
            asked("bytes=60-69,8-12,20-29,0-9", 100),
            Ranges::Several(vec![range(60, 70), range(0, 13), range(20, 30)])
        );
    }

    #[test]
    fn overlaps_in_more_than_two_places_get_the_whole_file() {
        assert_eq!(asked("bytes=0-9,5-14,12-20", 100), Ranges::One(range(0, 21)));
        assert_eq!(asked("bytes=0-9,5-14,12-20,18-25", 100), Ranges::Whole);
        assert_eq!(asked("bytes=0-0,0-0,0-0,0-0", 100), Ranges::Whole);
    }

    #[test]
    fn ranges_that_add_up_to_more_than_the_file_get_the_whole_file() {
        assert_eq!(asked("bytes=0-,0-", 100), Ranges::Whole);
        assert_eq!(asked("bytes=0-59,40-99", 100), Ranges::Whole);
        assert_eq!(asked("bytes=0-,0-", u64::MAX), Ranges::Whole);
        assert_eq!(asked("bytes=0-49,50-99", 100), Ranges::One(range(0, 100)));
    }

    #[test]
    fn more_than_32_ranges_get_the_whole_file() {
        let every_other: Vec<String> = (0..33).map(|i| format!("{0}-{0}", i * 2)).collect();
        let Ranges::Several(ranges) = asked(&format!("bytes={}", every_other[..32].join(",")), 99)
        else {
            panic!("32 ranges are allowed");
        };
        assert_eq!(ranges.len(), MAX_RANGES);
        assert_eq!(asked(&format!("bytes={}", every_other.join(",")), 99), Ranges::Whole);
        assert_eq!(asked(&format!("bytes={},0-1", ",".repeat(1000)), 9), Ranges::One(range(0, 2)));
    }

    #[test]
    fn the_largest_file_has_its_ranges() {
        assert_eq!(asked("bytes=0-", u64::MAX), Ranges::One(range(0, u64::MAX)));
        assert_eq!(asked("bytes=-1", u64::MAX), Ranges::One(range(u64::MAX - 1, u64::MAX)));
        assert_eq!(asked("bytes=18446744073709551615-", u64::MAX), Ranges::Unsatisfiable);
    }

    #[test]
    fn a_multipart_body_is_as_long_as_it_says() {
        let multipart = Multipart::new(vec![range(0, 2), range(8, 9)], "text/plain", 10, "cut");
        let body = [&multipart.part_head(0), "ab", &multipart.part_head(1), "i", &multipart.tail()];
        assert_eq!(
            body.concat(),
            "--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\nab\
             \r\n--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-8/10\r\n\r\ni\
             \r\n--cut--\r\n"
        );
        assert_eq!(multipart.content_length(), body.concat().len() as u64);
        assert_eq!(multipart.content_type_header(), "multipart/byteranges; boundary=cut");
    }

    #[test]
    fn a_client_reads_where_the_bytes_belong() {
        let told = ContentRange { range: range(5, 10), length: Some(10) };
        assert_eq!(parse_content_range("bytes 5-9/10"), Some(told));
        assert_eq!(parse_content_range("Bytes 5-9/10"), Some(told));
        let unknown = ContentRange { length: None, ..told };
        assert_eq!(parse_content_range("bytes 5-9/*"), Some(unknown));
    }

    #[test]
    fn a_content_range_that_makes_no_sense_is_refused() {
        let list = "|bytes|bytes */10|bytes 5-9|bytes 5-9/9|bytes 9-5/10|lines 5-9/10|bytes=5-9/10|\
             bytes -9/10|bytes 5-/10|bytes +5-9/10|bytes 5-9/+10|bytes  5-9/10|\
             bytes 0-18446744073709551615/*|bytes 0-9/99999999999999999999";
        for text in list.split('|') {
            assert_eq!(parse_content_range(text), None, "{text}");
        }
    }

    /// The bytes that a list of specs asks for, worked out one byte at a time.
    fn wanted(specs: &[(Option<u64>, Option<u64>)], length: u64) -> Vec<u64> {
        let holds = |byte: u64| {
            specs.iter().any(|spec| match *spec {
                (Some(first), last) => first <= byte && last.is_none_or(|last| byte <= last),
                (None, suffix) => byte + suffix.unwrap_or(0) >= length,
            })
        };
        (0..length).filter(|&byte| holds(byte)).collect()
    }

    proptest! {
        #[test]
        fn exactly_the_bytes_asked_for_are_sent(
            specs in prop::collection::vec(
                prop_oneof![
                    (0_u64..60, prop::option::of(0_u64..9))
                        .prop_map(|(first, more)| (Some(first), more.map(|more| first + more))),
                    (0_u64..60).prop_map(|suffix| (None, Some(suffix))),
                ],
                1..6,
            ),
            length in 0_u64..50,
        ) {
            let text = |part: Option<u64>| part.map_or_else(String::new, |part| part.to_string());
            let list: Vec<String> =
                specs.iter().map(|spec| format!("{}-{}", text(spec.0), text(spec.1))).collect();
            let ranges = match asked(&format!("bytes={}", list.join(",")), length) {
                // Too many overlaps or bytes, which other tests hold to their bounds.
                Ranges::Whole => return Ok(()),
                Ranges::One(range) => vec![range],
                Ranges::Several(ranges) => ranges,
                Ranges::Unsatisfiable => vec![],
            };
            let mut sent: Vec<u64> =
                ranges.iter().flat_map(|range| range.start..range.end).collect();
            sent.sort_unstable();
            prop_assert_eq!(sent, wanted(&specs, length));
        }

        #[test]
        fn whatever_is_asked_the_ranges_lie_apart_within_the_file(
            list in "[0-9,\\- \t]{0,40}", length: u64,
        ) {
            match asked(&format!("bytes={list}"), length) {
                Ranges::Whole | Ranges::Unsatisfiable => {}
                Ranges::One(range) => prop_assert!(range.start < range.end && range.end <= length),
                Ranges::Several(mut ranges) => {
                    prop_assert!((2..=MAX_RANGES).contains(&ranges.len()));
                    ranges.sort();
                    prop_assert!(ranges.iter().all(|range| range.start < range.end));
                    prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
                    prop_assert!(ranges[ranges.len() - 1].end <= length);
                }
            }
        }

        #[test]
        fn a_client_reads_what_a_server_writes(start: u64, more in 1_u64.., rest: u64) {
            let end = start.saturating_add(more);
            prop_assume!(start < end);
            let (range, length) = (range(start, end), end.saturating_add(rest));
            prop_assert_eq!(
                parse_content_range(&content_range(range, length)),
                Some(ContentRange { range, length: Some(length) })
            );
            prop_assert_eq!(parse_content_range(&unsatisfied_content_range(length)), None);
        }
    }
}
