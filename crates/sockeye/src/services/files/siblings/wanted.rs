//! What a client wants that is missing here, as far as siblings are asked for it.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sockeye_proto::http::target::SharePath;

use super::us::PROVE;
use crate::services::files::serve::file::CACHE_STATUS;

const TRAVELLING_FIELDS: usize = 6;
/// The fields that travel: the range, and the conditions (RFC 9110, sections 13 and 14).
const TRAVELLING: [HeaderName; TRAVELLING_FIELDS] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// The same for two clients: they can have one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) method: Method,
    /// The path, percent-encoded, without a query.
    pub(super) target: String,
    fields: [Option<HeaderValue>; TRAVELLING_FIELDS],
}

/// A run of bytes: from its first, to behind its last.
pub(super) type Span = std::ops::Range<u64>;

impl Wanted {
    /// What a GET or HEAD of a path wants.
    pub(super) fn of(request: &Parts, path: &SharePath) -> Self {
        // Two fields of a name are not one; whoever sends them gets the whole.
        let only = |name: &HeaderName| {
            let mut values = request.headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none()).cloned()
        };
        let fields = TRAVELLING.each_ref().map(only);
        Self { method: request.method.clone(), target: path.encoded(), fields }
    }

    /// A part of a file in the state that a tag tells.
    pub(super) fn rest(&self, rest: &Span, state: &HeaderValue) -> Self {
        let mut fields = [const { None }; TRAVELLING_FIELDS];
        fields[0] = range(rest);
        fields[2] = Some(state.clone());
        Self { method: Method::GET, target: self.target.clone(), fields }
    }

    /// The fields as they are sent.
    pub(super) fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let pairs = TRAVELLING.into_iter().zip(&self.fields);
        pairs.filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }

    /// The fields of who wants the bytes from `at` on, after those that another sibling sent, and a
    /// proof that both have the same.
    pub(super) fn resuming(sent: &Span, end: u64) -> Vec<(HeaderName, HeaderValue)> {
        let wants_proof = (!sent.is_empty()).then(|| range(sent).map(|sent| (PROVE, sent)));
        let rest = range(&(sent.end..end)).map(|rest| (header::RANGE, rest));
        rest.into_iter().chain(wants_proof.flatten()).collect()
    }
}

/// As the value of a Range field.
fn range(span: &Span) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("bytes={}-{}", span.start, span.end.checked_sub(1)?)).ok()
}

/// What of a sibling's head is passed on.
pub(super) fn passed_on(fields: &HeaderMap) -> HeaderMap {
    const PASSED_ON: [HeaderName; 9] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::ETAG,
        header::LAST_MODIFIED,
        header::ACCEPT_RANGES,
        CACHE_STATUS,
    ];
    let pairs = PASSED_ON.into_iter().filter_map(|name| {
        let value = fields.get(&name)?.clone();
        Some((name, value))
    });
    pairs.collect()
}
