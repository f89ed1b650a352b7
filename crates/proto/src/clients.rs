//! How many clients there may be at once, and what one who is over is told.

use std::fmt;

use crate::limits::{CLIENTS_MAX, CLIENTS_PER_ADDRESS_MAX};

/// How many clients there may be; `None` is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// At once, in all.
    pub max_clients: Option<usize>,
    /// At once, from one address.
    pub max_per_address: Option<usize>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { max_clients: Some(CLIENTS_MAX), max_per_address: Some(CLIENTS_PER_ADDRESS_MAX) }
    }
}

/// Why somebody is not let in. Its text is the one clear line that they are told.
///
/// ```
/// use sockeye_proto::clients::Full;
/// let full = Full::Clients { here: 10, limit: 10 };
/// assert_eq!(full.to_string(), "busy: 10 of 10 clients are here, try again later");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The service is full.
    Clients {
        /// How many are here.
        here: usize,
        /// How many may be.
        limit: usize,
    },
    /// This address has its share.
    Address {
        /// How many are here from it.
        here: usize,
        /// How many may be.
        limit: usize,
    },
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clients { here, limit } => {
                write!(f, "busy: {here} of {limit} clients are here, try again later")
            }
            Self::Address { here, limit } => {
                write!(f, "busy: {here} of {limit} from your address, try again later")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{ERROR_TEXT_MAX_BYTES, ROSTER_MAX_CLIENTS};

    #[test]
    fn with_the_highest_numbers_of_a_roster_the_line_still_answers_an_empty_datagram() {
        let (here, limit) = (ROSTER_MAX_CLIENTS, ROSTER_MAX_CLIENTS);
        for full in [Full::Clients { here, limit }, Full::Address { here, limit }] {
            let text = full.to_string();
            assert!(text.len() <= ERROR_TEXT_MAX_BYTES, "{text}");
        }
    }
}
