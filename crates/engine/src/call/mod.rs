//! Calling a server: finding it, and holding a conversation with it as a client machine says.
//!
//! A [`Call`] is the same over TCP and UDP: something is [said](Call::say), and what happens comes
//! one by one out of [`Call::next`].

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sockeye_proto::machine::{Fault, Tick};
use sockeye_proto::text::client::Unsayable;
use sockeye_proto::text::spoken::Spoken;
use thiserror::Error;

use self::datagram::DatagramCall;
use self::stream::StreamCall;
use crate::clock;

pub mod connect;
pub mod datagram;
pub mod stream;

/// What happens in a call.
#[derive(Debug)]
pub enum Happening {
    /// A message has left.
    Said(Spoken),
    /// A message came.
    Heard(Heard),
    /// The server wants our address proven; the message is said again by itself.
    ProofAsked(Spoken),
    /// This went wrong; the call goes on where it can.
    Failed(CallFailure),
    /// The call is over. Nothing happens any more.
    Over(Fault),
}

/// A message that came.
#[derive(Debug)]
pub struct Heard {
    /// What it is.
    pub spoken: Spoken,
    /// When its last byte was here.
    pub at: Tick,
    /// How long before that the oldest message had left that waited for an answer.
    pub round_trip: Option<Duration>,
}

/// What goes wrong in a call.
#[derive(Debug, Error)]
pub enum CallFailure {
    /// The server sent more than a message may have.
    #[error("it sent a message longer than 65536 bytes")]
    TooLong,
    /// The server closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// Nothing answers on that port.
    #[error("nobody listens there: is the server running, and is the port right?")]
    Refused,
    /// Nothing was heard in time.
    #[error("it does not answer")]
    Unanswered,
    /// It wants one proof of our address after the other.
    #[error("it asks for one cookie after the other")]
    NeverProven,
    /// A socket could not be opened or used.
    #[error("cannot send: {0}")]
    Socket(io::Error),
}

/// A conversation with a server.
#[derive(Debug)]
pub enum Call {
    /// Over TCP.
    Stream(StreamCall),
    /// Over UDP.
    Datagrams(DatagramCall),
}

impl Call {
    /// Who is called: the address that answered, or is tried now.
    pub fn peer(&self) -> SocketAddr {
        match self {
            Self::Stream(call) => call.peer(),
            Self::Datagrams(call) => call.peer(),
        }
    }

    /// Says a message: at once, or as soon as it is told apart from the one before.
    pub fn say(&mut self, message: &[u8]) -> Result<(), Unsayable> {
        match self {
            Self::Stream(call) => call.say(message),
            Self::Datagrams(call) => call.say(message),
        }
    }

    /// Whether another message may be said without piling up behind others.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Stream(call) => call.is_ready(),
            Self::Datagrams(call) => call.is_ready(),
        }
    }

    /// Whether messages are told apart by more than a pause.
    pub fn says_lines(&self) -> bool {
        match self {
            Self::Stream(call) => call.says_lines(),
            Self::Datagrams(_) => true,
        }
    }

    /// Says no more: it is over when the last word is answered, or not in time.
    pub fn finish(&mut self) {
        match self {
            Self::Stream(call) => call.finish(),
            Self::Datagrams(call) => call.finish(),
        }
    }

    /// What happens next. It may be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Happening {
        match self {
            Self::Stream(call) => call.next().await,
            Self::Datagrams(call) => call.next().await,
        }
    }
}

/// Waits until a tick, or for ever.
async fn sleep_until(at: Option<Tick>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at)).await,
        None => std::future::pending().await,
    }
}
