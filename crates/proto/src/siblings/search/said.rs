//! What a search is told, and what it says.

use super::Sibling;
use crate::machine::Tick;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The head alone; a probe's answer is the answer.
    Head,
    /// The body, or a range of it.
    Get,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The probe of a sibling was answered, or failed.
    Probed(Sibling, Reply),
    /// The head of a fetch's answer came, or the fetch failed before it. To a fetch that resumes,
    /// [`Reply::Has`] is only what has proven that the content is the same.
    Fetched(Sibling, Reply),
    /// Bytes of the fetch's body came. Once in a while is enough: a pause is over when it is told. It is
    /// also what to tell, instead of [`Event::Time`], when nothing was read from the sibling because
    /// the readers take nothing: that pause is not the sibling's.
    Progress,
    /// The fetch's body broke off. It is also the answer to an [`Action::Abandon`] of a fetch whose
    /// body was under way, and the only event that is awaited after one.
    Broke {
        /// Bytes of the body that were passed on, from all siblings together.
        passed: u64,
        /// Whether the rest may come from another sibling: the body is one that can be gone on with,
        /// and what was passed on was hashed.
        may_resume: bool,
    },
    /// The fetch's body came whole.
    Ended,
    /// Nobody wants the answer any longer. What the search holds is given back at once; what it has
    /// asked is abandoned by the actions that follow.
    Left,
    /// Time has passed.
    Time,
}

/// What a sibling said, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It has it: 200, 206, or another answer that is the file's own, such as 304, 412 and 416.
    Has,
    /// It has it not: 404, 410, or the 504 of a sibling that may ask nobody else.
    HasNot,
    /// It was not to be had.
    Trouble(Trouble),
    /// It has something of that name, which is not provably the same as what was passed on.
    Other,
}

/// Why a sibling's answer was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Nobody listens there, or the way there is refused.
    ConnectionRefused,
    /// The connection did not come about in time.
    ConnectionTimeout,
    /// No answer came in time.
    ResponseTimeout,
    /// What came was no answer, or the connection broke before one.
    Protocol,
    /// It does not let us in: 401 or 403.
    Denied,
    /// It cannot answer: 5xx.
    Unavailable,
    /// It has failed too often lately, and was not asked.
    LeftOut,
    /// As much is being fetched as may be.
    Busy,
}

impl Trouble {
    /// What it is called in the `error` parameter of Proxy-Status (RFC 9209 section 2.3).
    ///
    /// ```
    /// use sockeye_proto::siblings::search::Trouble;
    /// assert_eq!(Trouble::ResponseTimeout.proxy_error(), "http_response_timeout");
    /// ```
    pub const fn proxy_error(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ResponseTimeout => "http_response_timeout",
            Self::Protocol => "http_protocol_error",
            // The RFC has no word for a next hop that wants a key; that it was not given the right
            // one is a matter of configuration.
            Self::Denied => "proxy_configuration_error",
            Self::Unavailable | Self::LeftOut => "destination_unavailable",
            Self::Busy => "connection_limit_reached",
        }
    }

    /// Whether it counts as the sibling's failure. Who says no has answered, and who was not asked has
    /// not failed.
    pub(super) const fn is_failure(self) -> bool {
        !matches!(self, Self::Denied | Self::LeftOut | Self::Busy)
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a sibling by HEAD; [`Event::Probed`] answers.
    Probe(Sibling),
    /// Ask a sibling by GET; [`Event::Fetched`] answers, and then come [`Event::Progress`] and the
    /// body's end.
    Fetch {
        /// The sibling.
        from: Sibling,
        /// So many bytes of the body were passed on already: it is to go on after them, and to prove
        /// that it has the same. With 0 a head was passed on, or may have been.
        resume_at: Option<u64>,
    },
    /// Give up whatever was asked of a sibling; no event is expected, but for a body that was under
    /// way: see [`Event::Broke`].
    Abandon(Sibling),
    /// Nothing until an event comes, or until this tick.
    Wait(Option<Tick>),
    /// It is over.
    Done(Verdict),
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This sibling has it. (Of [`Kind::Head`].)
    Found(Sibling),
    /// The body came whole. (Of [`Kind::Get`].)
    Whole,
    /// All siblings say that they have it not: 404.
    Nobody,
    /// Nobody has it of those that could be reached, and these could not: 504.
    Unreached(Vec<(Sibling, Trouble)>),
    /// A sibling may have it, but as much is being fetched as may be: 503, to be tried again.
    Busy,
    /// The body broke off, and could not be gone on with: the connection is to break too. Also the end
    /// of a question that nobody wanted answered any longer.
    Broken,
}
