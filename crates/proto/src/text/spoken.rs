//! A message as it went over the wire, for the log and for whoever watches.

use std::fmt;
use std::ops::Range;

use crate::datagram::LineEnd;

/// What told a message apart from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `\n`.
    Lf,
    /// `\r\n`.
    CrLf,
    /// Nothing more came for a while.
    Pause,
    /// The peer ended its sending side.
    End,
    /// It had a datagram to itself.
    Datagram(LineEnd),
}

impl Ending {
    /// The bytes that it takes on the wire.
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Pause | Self::End => b"",
            Self::Datagram(line_end) => line_end.as_bytes(),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lf | Self::CrLf => "ended by a line end",
            Self::Pause => "ended by a pause",
            Self::End => "ended by the end of input",
            Self::Datagram(_) => "a datagram of its own",
        })
    }
}

/// A message with what stands around it on the wire.
///
/// ```
/// use sockeye_proto::text::spoken::{Ending, Spoken};
/// let spoken = Spoken::new(b"SEND_TIME".to_vec(), Ending::CrLf);
/// assert_eq!(spoken.text(), b"SEND_TIME");
/// assert_eq!(spoken.wire(), b"SEND_TIME\r\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    wire: Vec<u8>,
    text: Range<usize>,
    ending: Ending,
}

impl Spoken {
    /// A message and how it ended.
    pub fn new(message: Vec<u8>, ending: Ending) -> Self {
        let mut wire = message;
        let text = 0..wire.len();
        wire.extend_from_slice(ending.as_bytes());
        Self { wire, text, ending }
    }

    /// What was transmitted for a message of so many bytes, which stands first in it, or last in
    /// what is ended by a pause: a line end may stand before that.
    pub(crate) fn transmitted(wire: Vec<u8>, message_bytes: usize, ending: Ending) -> Self {
        let start = match ending {
            Ending::Pause => wire.len() - message_bytes,
            _ => 0,
        };
        Self { wire, text: start..start + message_bytes, ending }
    }

    /// The message alone.
    pub fn text(&self) -> &[u8] {
        &self.wire[self.text.clone()]
    }

    /// The bytes on the wire.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// What told it apart from the next.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// The message alone, in the same memory.
    pub fn into_text(mut self) -> Vec<u8> {
        self.wire.truncate(self.text.end);
        self.wire.drain(..self.text.start);
        self.wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_transmitted_holds_its_message_between_what_parts_it_from_others() {
        for (wire, message, ending) in [
            (&b"54\n"[..], &b"54"[..], Ending::Lf),
            (b"54", b"54", Ending::Pause),
            (b"\n54", b"54", Ending::Pause),
            (b"\n", b"", Ending::Lf),
        ] {
            let spoken = Spoken::transmitted(wire.to_vec(), message.len(), ending);
            assert_eq!(spoken.text(), message, "{wire:?}");
            assert_eq!((spoken.wire(), &spoken.clone().into_text()[..]), (wire, message));
        }
    }
}
