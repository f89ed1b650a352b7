//! A message that went over the wire, as it is shown to who watches (`--wire`): which way, when,
//! how long, what it means in words, and its bytes.
//!
//! Text is shown in quotes, a line of it on a line of its own, with escapes for what a terminal
//! would not show or should not obey; what is no text is shown in hexadecimal.

use core::fmt::{self, Write as _};
use core::net::SocketAddr;
use core::time::Duration;

use crate::limits::SHOWN_MAX_BYTES;
use crate::text::Direction;

/// A message that passed.
///
/// ```
/// use sockeye_proto::passed::Passed;
/// use sockeye_proto::text::Direction;
/// use std::time::Duration;
///
/// let passed = Passed {
///     after: Duration::from_micros(1_250),
///     direction: Direction::Out,
///     wire: "tcp",
///     peer: "127.0.0.1:7002".parse()?,
///     bytes: b"SEND_TIME\n",
///     unseen_bytes: 0,
///     shown: None,
///     meaning: "asks for the time of day",
/// };
/// assert_eq!(
///     passed.to_string(),
///     "    1.250 ms  -> tcp://127.0.0.1:7002  10 bytes, asks for the time of day\n\
///      \x20                 \"SEND_TIME\\n\""
/// );
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    /// How long after the watch began.
    pub after: Duration,
    /// Which way, seen from this end.
    pub direction: Direction,
    /// What stands before `://` in the other end's URL.
    pub wire: &'a str,
    /// The other end.
    pub peer: SocketAddr,
    /// The bytes, with their ends.
    pub bytes: &'a [u8],
    /// How many more went past the watch: a file's contents, say.
    pub unseen_bytes: u64,
    /// What is shown in the place of the bytes, where a key is among them.
    pub shown: Option<&'a [u8]>,
    /// What it means, in words.
    pub meaning: &'a str,
}

/// What stands before each line of a message's bytes.
const INDENT: &str = "\n                  ";
const HEX_BYTES_PER_LINE: usize = 16;

impl fmt::Display for Passed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after_s = self.after.as_secs_f64();
        let arrow = match self.direction {
            Direction::In => "<-",
            Direction::Out => "->",
        };
        let (wire, peer, length) = (self.wire, self.peer, self.length());
        let unit = if length == 1 { "byte" } else { "bytes" };
        if after_s < 10.0 {
            write!(f, "{:>9.3} ms", after_s * 1e3)?;
        } else {
            write!(f, "{after_s:>10.3} s")?;
        }
        write!(f, "  {arrow} {wire}://{peer}  {length} {unit}")?;
        if !self.meaning.is_empty() {
            write!(f, ", {}", self.meaning)?;
        }
        self.lines().iter().try_for_each(|line| write!(f, "{INDENT}{line}"))
    }
}

impl Passed<'_> {
    /// How long the message is, in bytes.
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64 + self.unseen_bytes
    }

    /// The bytes as they are shown, line by line: a text in quotes, anything else in hexadecimal.
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.shown.unwrap_or(self.bytes);
        let (shown, more) = bytes.split_at(bytes.len().min(SHOWN_MAX_BYTES));
        let mut lines: Vec<String> = if is_text(shown, more) {
            shown.split_inclusive(|&b| b == b'\n').map(|line| Quoted(line).to_string()).collect()
        } else {
            shown.chunks(HEX_BYTES_PER_LINE).map(|row| Hex(row).to_string()).collect()
        };
        match more.len() as u64 + self.unseen_bytes {
            0 => {}
            1 => lines.push("and 1 byte that is not shown".into()),
            n => lines.push(format!("and {n} bytes that are not shown")),
        }
        lines
    }
}

/// Whether bytes are rather read than looked at. A character may be cut where the rest is left
/// out.
fn is_text(shown: &[u8], more: &[u8]) -> bool {
    const MARKS: &[u8] = b"\n\r\t";
    let is_utf8 = match core::str::from_utf8(shown) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && !more.is_empty(),
    };
    let strange = shown.iter().filter(|b| b.is_ascii_control() && !MARKS.contains(b)).count();
    is_utf8 && strange * 8 <= shown.len()
}

/// Bytes as pairs of hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x} "))
    }
}

/// Text in quotes, with the escapes that most languages share.
///
/// ```
/// use sockeye_proto::passed::Quoted;
/// assert_eq!(Quoted(b"say \"hi\"\r\n").to_string(), r#""say \"hi\"\r\n""#);
/// assert_eq!(Quoted(b"\x1b\xff").to_string(), r#""\x1b\xff""#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for piece in self.0.split_inclusive(|&b| b == b'"' || b == b'\\') {
            let (plain, mark) = match piece {
                [plain @ .., mark @ (b'"' | b'\\')] => (plain, Some(char::from(*mark))),
                plain => (plain, None),
            };
            write!(f, "{}", crate::printable::Printable(plain))?;
            if let Some(mark) = mark {
                write!(f, "\\{mark}")?;
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Vec<String> {
        let peer = SocketAddr::from(([192, 0, 2, 1], 80));
        let after = Duration::ZERO;
        let (direction, wire, unseen_bytes, shown) = (Direction::In, "udp", 0, None);
        let passed =
            Passed { after, direction, wire, peer, bytes, unseen_bytes, shown, meaning: "" };
        passed.to_string().lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn each_line_of_a_text_stands_on_its_own() {
        let lines = shown(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(lines[1..], [r#""GET / HTTP/1.1\r\n""#, r#""Host: a\r\n""#, r#""\r\n""#]);
        assert_eq!(shown("日本".as_bytes())[1..], ["\"日本\""]);
    }

    #[test]
    fn what_is_no_text_is_hexadecimal() {
        assert_eq!(shown(b"\x16\x03\x01\x02\x00")[1..], ["16 03 01 02 00"]);
        assert_eq!(shown(&[0xff; 17]).len(), 3);
        assert_eq!(shown(b"\x01")[1..], ["01"]);
    }

    #[test]
    fn nothing_at_all_is_said_to_be_0_bytes() {
        assert_eq!(shown(b""), ["0.000 ms  <- udp://192.0.2.1:80  0 bytes"]);
    }

    #[test]
    fn what_is_hidden_counts_all_the_same() {
        let passed = Passed {
            after: Duration::ZERO,
            direction: Direction::In,
            wire: "tcp",
            peer: SocketAddr::from(([192, 0, 2, 1], 80)),
            bytes: b"KEY sesame-street",
            unseen_bytes: 0,
            shown: Some("KEY …".as_bytes()),
            meaning: "",
        };
        assert_eq!((passed.length(), passed.lines()), (17, vec!["\"KEY …\"".to_owned()]));
    }

    #[test]
    fn a_long_message_is_shown_as_far_as_it_is_useful() {
        let mut long = vec![b'x'; SHOWN_MAX_BYTES - 1];
        long.extend_from_slice("é and more".as_bytes());
        let lines = shown(&long);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[2], "and 10 bytes that are not shown");
    }
}
