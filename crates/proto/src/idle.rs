//! How long a silent client is kept.

use std::time::Duration;

use crate::limits::IDLE_MIN;

/// The dynamic timeout of a server with nobody connected.
const DYNAMIC_CEILING: Duration = Duration::from_secs(20);
/// While the dynamic timeout may still change, it is looked at this often.
const DYNAMIC_LOOK: Duration = Duration::from_millis(500);

/// The rule by which idle clients are closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdleTimeout {
    /// Never.
    None,
    /// After this long.
    Fixed(Duration),
    /// After max(5 s, 20 s - clients now connected): the fuller, the sooner.
    #[default]
    Dynamic,
}

impl IdleTimeout {
    /// How long an idle client is kept while `clients` are connected; `None` for ever.
    ///
    /// ```
    /// use sockeye_proto::idle::IdleTimeout;
    /// use std::time::Duration;
    /// assert_eq!(IdleTimeout::Dynamic.span(1), Some(Duration::from_secs(19)));
    /// assert_eq!(IdleTimeout::Dynamic.span(20), Some(Duration::from_secs(5)));
    /// ```
    pub fn span(self, clients: usize) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Fixed(span) => Some(span),
            Self::Dynamic => {
                let clients_s = Duration::from_secs(clients as u64);
                Some(DYNAMIC_CEILING.saturating_sub(clients_s).max(IDLE_MIN))
            }
        }
    }

    /// How long one may sleep before the span could have become shorter because others came.
    /// `None`: it cannot.
    pub fn look_again(self, clients: usize) -> Option<Duration> {
        match self {
            Self::Dynamic if self.span(clients) > Some(IDLE_MIN) => Some(DYNAMIC_LOOK),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dynamic_span_shrinks_by_a_second_a_client_down_to_five() {
        let spans: Vec<u64> = [0, 1, 14, 15, 16, 1000]
            .map(|n| IdleTimeout::Dynamic.span(n).unwrap().as_secs())
            .into();
        assert_eq!(spans, [20, 19, 6, 5, 5, 5]);
    }

    #[test]
    fn only_a_span_that_can_still_shrink_is_looked_at_again() {
        assert!(IdleTimeout::Dynamic.look_again(1).is_some());
        assert_eq!(IdleTimeout::Dynamic.look_again(15), None);
        assert_eq!(IdleTimeout::Fixed(Duration::from_secs(9)).look_again(1), None);
        assert_eq!(IdleTimeout::None.span(3), None);
    }
}
