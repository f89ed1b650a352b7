//! The text wires over UDP: one datagram, one message.
//!
//! Whoever sends a datagram can write any address into it as its source. A server that answers at
//! once is therefore a tool: to flood somebody else with answers that are longer than the requests,
//! or to set two servers talking to each other without end. What stands against both is here:
//! [`guard`] decides what a service gets to see and what may leave, [`cookie`] lets an address
//! prove itself without the server remembering it, [`budget`] bounds what the others get, [`roster`]
//! counts who is here, [`refrain`] lets those be who say the same without end.
//!
//! Where a key is wanted, a request is a [`Knock`] first.
//!
//! [`responder`] makes a server of a [`Speaker`](crate::text::Speaker), so that a service is
//! written once for TCP and UDP. [`client`] is the caller's side. Nothing here opens a socket.

pub mod budget;
pub mod client;
pub mod cookie;
pub mod guard;
mod knock;
pub mod network;
pub mod refrain;
pub mod responder;
pub mod roster;

pub use self::knock::{Knock, split_key};

use crate::limits::{AMPLIFICATION_MAX, DATAGRAM_HEADERS_BYTES};

/// How a datagram's text ended. It is no part of the message, and answered in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// It had none.
    None,
    /// `\n`.
    Lf,
    /// `\r\n`.
    CrLf,
}

impl LineEnd {
    /// Its bytes.
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
        }
    }

    /// Parts a datagram into its text and how that ended. One line end is taken off.
    ///
    /// ```
    /// use sockeye_proto::datagram::LineEnd;
    /// assert_eq!(LineEnd::split(b"GET\r\n"), (&b"GET"[..], LineEnd::CrLf));
    /// assert_eq!(LineEnd::split(b"GET\n\n"), (&b"GET\n"[..], LineEnd::Lf));
    /// assert_eq!(LineEnd::split(b"GET\r"), (&b"GET\r"[..], LineEnd::None));
    /// ```
    pub fn split(datagram: &[u8]) -> (&[u8], Self) {
        match datagram {
            [text @ .., b'\r', b'\n'] => (text, Self::CrLf),
            [text @ .., b'\n'] => (text, Self::Lf),
            text => (text, Self::None),
        }
    }
}

/// How many bytes may answer a datagram of `received_bytes` from an address that is not proven,
/// line end included: 3 times what came, the headers of both (28 bytes each) counted.
///
/// ```
/// use sockeye_proto::datagram::room_bytes;
/// assert_eq!(room_bytes(0), 56);
/// assert_eq!(room_bytes(3), 65);
/// ```
pub const fn room_bytes(received_bytes: usize) -> usize {
    AMPLIFICATION_MAX * (DATAGRAM_HEADERS_BYTES + received_bytes) - DATAGRAM_HEADERS_BYTES
}
