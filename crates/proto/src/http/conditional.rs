//! Whether a file has changed since a client last saw it (RFC 9110 sections 8.8 and 13).
//!
//! A file's validators are made here from what the disk says of it, and a request's preconditions
//! are weighed against them. The caller reads dates and clocks and hands in numbers: all times are
//! Unix times, in seconds or nanoseconds as their names say.

use std::fmt;

/// A time stamp so close to now could cover another change to come, where the file system keeps
/// parts of a second: the kernel's own stamps go by its timer tick, at most 10 ms apart.
const FINE_STAMP_NS: i128 = 20_000_000;

/// The same where it keeps whole seconds, or pairs of them as FAT does.
const COARSE_STAMP_NS: i128 = 2_000_000_000;

const NS_PER_S: i128 = 1_000_000_000;

/// What tells one version of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// The version's own name.
    pub etag: EntityTag,
    /// When it was last changed, in whole Unix seconds.
    pub last_modified_s: u64,
}

/// The name of one version of a file (RFC 9110 section 8.8.3).
///
/// ```
/// use sockeye_proto::http::conditional::EntityTag;
///
/// let tag = EntityTag::parse("W/\"18f-a\"").unwrap();
/// assert!(tag.weak);
/// assert_eq!(tag.to_string(), "W/\"18f-a\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag {
    /// Two versions of the same weak tag mean the same, but may differ in their bytes.
    pub weak: bool,
    opaque: String,
}

impl EntityTag {
    /// Reads one entity tag with its quotes; none if it is malformed.
    ///
    /// ```
    /// use sockeye_proto::http::conditional::EntityTag;
    ///
    /// assert!(EntityTag::parse("\"a,b\"").is_some());
    /// assert!(EntityTag::parse("a").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        match Self::read(text)? {
            (tag, "") => Some(tag),
            _ => None,
        }
    }

    /// Whether both are the same bytes for certain (RFC 9110 section 8.8.3.2): the same name, and
    /// neither weak.
    ///
    /// ```
    /// use sockeye_proto::http::conditional::EntityTag;
    ///
    /// let [strong, weak] = ["\"a\"", "W/\"a\""].map(|text| EntityTag::parse(text).unwrap());
    /// assert!(strong.strong_eq(&strong) && !strong.strong_eq(&weak) && !weak.strong_eq(&weak));
    /// ```
    pub fn strong_eq(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Whether one can stand for the other (RFC 9110 section 8.8.3.2): the same name.
    ///
    /// ```
    /// use sockeye_proto::http::conditional::EntityTag;
    ///
    /// let [strong, weak] = ["\"a\"", "W/\"a\""].map(|text| EntityTag::parse(text).unwrap());
    /// assert!(strong.weak_eq(&weak));
    /// ```
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }

    /// Reads the entity tag at the start of `text`, and gives what follows it.
    fn read(text: &str) -> Option<(Self, &str)> {
        let (weak, quoted) = match text.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        let allowed = opaque.bytes().all(|byte| byte > b' ' && byte != 0x7F);
        allowed.then(|| (Self { weak, opaque: opaque.to_owned() }, rest))
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }
}

/// Names a file's version by what the disk says of it: when anything about it was last changed and
/// what time it is now (both in Unix nanoseconds), its size in bytes and its inode.
///
/// The time is that of the inode's last change (st_ctime), which nobody but the system sets: the
/// time of the contents' last change can be set back, and a disk gives the inode of a removed file
/// to the next one.
///
/// The tag is weak while another change could still fall into the same time stamp: for 20 ms, for
/// 2 s if the stamp has no part of a second, and as long as it lies in the future (RFC 9110 section
/// 8.8.1). The weak tag differs from the later strong one in its name also. Otherwise a client that
/// saw the file before such a change would be told for ever that its copy is the current one.
///
/// ```
/// use sockeye_proto::http::conditional::entity_tag;
///
/// let changed_ns = 1_700_000_000_123_456_789;
/// assert!(entity_tag(changed_ns, 10, 7, changed_ns + 5_000_000).weak);
/// assert!(!entity_tag(changed_ns, 10, 7, changed_ns + 50_000_000).weak);
/// ```
pub fn entity_tag(changed_ns: i128, size: u64, inode: u64, now_ns: i128) -> EntityTag {
    let unsettled_ns = if changed_ns % NS_PER_S == 0 { COARSE_STAMP_NS } else { FINE_STAMP_NS };
    let weak = now_ns.saturating_sub(changed_ns) <= unsettled_ns;
    let unsettled = if weak { "-unsettled" } else { "" };
    EntityTag { weak, opaque: format!("{changed_ns:x}-{size:x}-{inode:x}{unsettled}") }
}

/// The preconditions of a request, as its fields say them. A date that is malformed, and a field
/// that stands several times and should not, is none.
#[derive(Clone, Debug, Default)]
pub struct Conditions<'a> {
    /// If-Match: the values of all its fields, joined by commas.
    pub if_match: Option<&'a str>,
    /// If-None-Match: likewise.
    pub if_none_match: Option<&'a str>,
    /// If-Modified-Since, in Unix seconds.
    pub if_modified_since_s: Option<u64>,
    /// If-Unmodified-Since, in Unix seconds.
    pub if_unmodified_since_s: Option<u64>,
    /// If-Range; a field that [`IfRange::parse`] cannot read is [`IfRange::Unreadable`].
    pub if_range: Option<IfRange>,
    /// The method is GET or HEAD.
    pub safe_method: bool,
}

/// The version that a client holds a part of (RFC 9110 section 13.1.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IfRange {
    /// By its entity tag.
    Tag(EntityTag),
    /// By its Last-Modified, in Unix seconds.
    Date(u64),
    /// The field was there and said neither, so it is no version of ours.
    #[default]
    Unreadable,
}

impl IfRange {
    /// Reads the field. Dates are read by `parse_date`, which gives Unix seconds.
    ///
    /// It gives none if the field is neither. That is not the same as no field at all: whoever asks
    /// then gets the whole file, so the caller hands [`evaluate`] the default,
    /// [`IfRange::Unreadable`].
    ///
    /// ```
    /// use sockeye_proto::http::conditional::{EntityTag, IfRange};
    ///
    /// let no_dates = |_: &str| None;
    /// let tag = EntityTag::parse("\"a\"").unwrap();
    /// assert_eq!(IfRange::parse("\"a\"", no_dates), Some(IfRange::Tag(tag)));
    /// assert_eq!(IfRange::parse("a", no_dates).unwrap_or_default(), IfRange::Unreadable);
    /// ```
    pub fn parse(text: &str, parse_date: impl Fn(&str) -> Option<u64>) -> Option<Self> {
        let text = text.trim_ascii();
        match EntityTag::parse(text) {
            Some(tag) => Some(Self::Tag(tag)),
            // A date has no quotes, so a lenient reader cannot take a broken tag for one.
            None if text.contains('"') => None,
            None => parse_date(text).map(Self::Date),
        }
    }

    /// Whether the client's part and our file are the same bytes for certain.
    fn matches(&self, validators: &Validators, now_s: u64) -> bool {
        match self {
            Self::Tag(tag) => tag.strong_eq(&validators.etag),
            // A second that is not over may see another change (RFC 9110 section 8.8.2.2).
            Self::Date(date_s) => {
                *date_s == validators.last_modified_s && now_s > validators.last_modified_s
            }
            Self::Unreadable => false,
        }
    }
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The method is carried out.
    Proceed {
        /// A Range field, if there is one, counts; else the whole file is sent.
        honour_range: bool,
    },
    /// The client's copy is current: status 304.
    NotModified,
    /// The client asked to go on only with another version: status 412.
    PreconditionFailed,
}

/// Weighs the preconditions in the order of RFC 9110 section 13.2.2, for a file that exists;
/// `now_s` is the Unix time in seconds.
///
/// A list that is malformed matches nothing beyond what could be read of it. But a write under an
/// If-None-Match that cannot be read fails, for it would be done without the guard that was wanted.
///
/// ```
/// use sockeye_proto::http::conditional::{Conditions, Outcome, Validators, entity_tag, evaluate};
///
/// let etag = entity_tag(1_700_000_000_500_000_000, 10, 7, 1_800_000_000_000_000_000);
/// let client_has = etag.to_string();
/// let validators = Validators { etag, last_modified_s: 1_700_000_000 };
/// let if_none_match = Some(client_has.as_str());
/// let get = Conditions { if_none_match, safe_method: true, ..Conditions::default() };
/// assert_eq!(evaluate(&get, &validators, 1_800_000_000), Outcome::NotModified);
/// ```
pub fn evaluate(conditions: &Conditions<'_>, validators: &Validators, now_s: u64) -> Outcome {
    let last_modified_s = validators.last_modified_s;
    // Steps 1 and 2: a client that wants to change, or to go on with, the version that it knows.
    if let Some(list) = conditions.if_match {
        if list_matches(list, |tag| tag.strong_eq(&validators.etag)) != Some(true) {
            return Outcome::PreconditionFailed;
        }
    } else if conditions.if_unmodified_since_s.is_some_and(|date_s| last_modified_s > date_s) {
        return Outcome::PreconditionFailed;
    }
    // Steps 3 and 4: a client that wants to know only of other versions than those that it has.
    if let Some(list) = conditions.if_none_match {
        let matched = list_matches(list, |tag| tag.weak_eq(&validators.etag));
        if conditions.safe_method && matched == Some(true) {
            return Outcome::NotModified;
        }
        if !conditions.safe_method && matched != Some(false) {
            return Outcome::PreconditionFailed;
        }
    } else if conditions.safe_method
        && conditions.if_modified_since_s.is_some_and(|date_s| last_modified_s <= date_s)
    {
        return Outcome::NotModified;
    }
    // Step 5.
    let if_range = conditions.if_range.as_ref();
    let honour_range = if_range.is_none_or(|if_range| if_range.matches(validators, now_s));
    Outcome::Proceed { honour_range }
}

/// Whether `*` or a list of entity tags (RFC 9110 sections 13.1.1 and 5.6.1) has one that
/// `matches`; none if nothing before the first malformed element did.
fn list_matches(list: &str, matches: impl Fn(&EntityTag) -> bool) -> Option<bool> {
    let mut rest = list.trim_ascii();
    if rest == "*" {
        return Some(true);
    }
    let mut tags = 0;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            // A list needs one element, so nothing but commas is malformed.
            return (tags > 0).then_some(false);
        }
        let (tag, after) = EntityTag::read(rest)?;
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        if matches(&tag) {
            return Some(true);
        }
        tags += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// When the file of these tests was changed, and a time long after.
    const CHANGED_S: u64 = 1_700_000_000;
    const NOW_S: u64 = 1_800_000_000;

    const GO_ON: Outcome = Outcome::Proceed { honour_range: true };
    const GO_ON_WITH_THE_WHOLE: Outcome = Outcome::Proceed { honour_range: false };

    fn tag(text: &str) -> EntityTag {
        EntityTag::parse(text).unwrap()
    }

    fn get<'a>() -> Conditions<'a> {
        Conditions { safe_method: true, ..Conditions::default() }
    }

    fn put<'a>() -> Conditions<'a> {
        Conditions::default()
    }

    /// The outcome for a file whose tag is `"a"`.
    fn outcome(conditions: &Conditions<'_>) -> Outcome {
        let validators = Validators { etag: tag("\"a\""), last_modified_s: CHANGED_S };
        evaluate(conditions, &validators, NOW_S)
    }

    /// The outcome for a file whose tag is `W/"a"`.
    fn weak_outcome(conditions: &Conditions<'_>) -> Outcome {
        let validators = Validators { etag: tag("W/\"a\""), last_modified_s: CHANGED_S };
        evaluate(conditions, &validators, NOW_S)
    }

    #[test]
    fn a_tag_is_read_and_written_with_its_quotes() {
        for text in ["\"\"", "\"a\"", "W/\"a\"", "\"a,b\"", "\"W/\"", "\"é\"", "\"*\"", "\"\\\""] {
            assert_eq!(tag(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_tag_is_not_read() {
        for text in [
            "", "a", "\"", "\"a", "a\"", "w/\"a\"", "W\"a\"", "W/a", "\"a b\"", "\"a\" ", "\"\t\"",
            "*",
        ] {
            assert_eq!(EntityTag::parse(text), None, "{text}");
        }
    }

    #[test]
    fn strong_and_weak_comparison_are_those_of_the_rfc() {
        // The table of RFC 9110 section 8.8.3.2.
        for (one, other, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(tag(one).strong_eq(&tag(other)), strong, "{one} {other}");
            assert_eq!(tag(one).weak_eq(&tag(other)), weak, "{one} {other}");
        }
    }

    #[test]
    fn a_file_changed_within_20_ms_has_a_weak_tag() {
        let changed_ns = 1_700_000_000_000_000_001;
        for (age_ns, weak) in [(0, true), (20_000_000, true), (20_000_001, false), (-1, true)] {
            assert_eq!(entity_tag(changed_ns, 1, 1, changed_ns + age_ns).weak, weak, "{age_ns}");
        }
    }

    #[test]
    fn a_time_stamp_in_whole_seconds_is_not_trusted_for_2_s() {
        let changed_ns = 1_700_000_000_000_000_000;
        for (age_ns, weak) in [(1_000_000_000, true), (2_000_000_000, true), (2_000_000_001, false)]
        {
            assert_eq!(entity_tag(changed_ns, 1, 1, changed_ns + age_ns).weak, weak, "{age_ns}");
        }
    }

    #[test]
    fn a_change_hidden_in_one_time_stamp_is_seen_once_the_stamp_is_settled() {
        let changed_ns = 1_700_000_000_000_000_001;
        let seen_at_once = entity_tag(changed_ns, 1, 1, changed_ns + 1);
        let settled = entity_tag(changed_ns, 1, 1, changed_ns + 1_000_000_000);
        assert!(!settled.weak_eq(&seen_at_once), "{settled} {seen_at_once}");
    }

    #[test]
    fn a_tag_changes_with_time_size_and_inode() {
        let now_ns = 1_800_000_000_000_000_000;
        let tags = [(1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4), (-1, 2, 3)]
            .map(|(changed_ns, size, inode)| entity_tag(changed_ns, size, inode, now_ns));
        for (i, one) in tags.iter().enumerate() {
            assert!(tags[i + 1..].iter().all(|other| !one.weak_eq(other)), "{one}");
        }
    }

    #[test]
    fn without_preconditions_the_method_is_carried_out() {
        assert_eq!(outcome(&get()), GO_ON);
        assert_eq!(outcome(&put()), GO_ON);
    }

    #[test]
    fn if_match_needs_the_current_version() {
        for (list, matches) in [
            ("\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            (" * ", true),
            (",,\"a\" ,", true),
            ("\"b\"", false),
            ("W/\"a\"", false),
            ("a", false),
            ("", false),
            (",", false),
            ("\"b,\"a\"", false),
            ("*, \"b\"", false),
            ("\"a\" \"b\"", false),
            ("\"b\" x, \"a\"", false),
        ] {
            let expected = if matches { GO_ON } else { Outcome::PreconditionFailed };
            assert_eq!(outcome(&Conditions { if_match: Some(list), ..put() }), expected, "{list}");
            assert_eq!(outcome(&Conditions { if_match: Some(list), ..get() }), expected, "{list}");
        }
        let of_a_weak_one = Conditions { if_match: Some("W/\"a\", \"a\""), ..put() };
        assert_eq!(weak_outcome(&of_a_weak_one), Outcome::PreconditionFailed);
    }

    #[test]
    fn if_none_match_spares_a_client_what_it_has() {
        for (list, outcome_of_get) in [
            ("\"a\"", Outcome::NotModified),
            ("W/\"a\"", Outcome::NotModified),
            ("\"x,y\", W/\"b\" ,\"a\"", Outcome::NotModified),
            ("*", Outcome::NotModified),
            ("\"a\", garbage", Outcome::NotModified),
            ("\"b\"", GO_ON),
            ("\"x, \"a\", y\"", GO_ON),
            ("a", GO_ON),
            ("", GO_ON),
            ("garbage, \"a\"", GO_ON),
        ] {
            let conditions = Conditions { if_none_match: Some(list), ..get() };
            assert_eq!(outcome(&conditions), outcome_of_get, "{list}");
            assert_eq!(weak_outcome(&conditions), outcome_of_get, "{list}");
        }
    }

    #[test]
    fn if_none_match_keeps_a_write_from_what_exists() {
        for list in ["*", "\"a\"", "W/\"a\"", "\"b\", \"a\""] {
            let conditions = Conditions { if_none_match: Some(list), ..put() };
            assert_eq!(outcome(&conditions), Outcome::PreconditionFailed, "{list}");
        }
        assert_eq!(outcome(&Conditions { if_none_match: Some("\"b\""), ..put() }), GO_ON);
    }

    #[test]
    fn a_write_whose_guard_cannot_be_read_is_not_done() {
        for list in ["a", "", "\"b", "\"b\", x", "**"] {
            let conditions = Conditions { if_none_match: Some(list), ..put() };
            assert_eq!(outcome(&conditions), Outcome::PreconditionFailed, "{list}");
        }
    }

    #[test]
    fn if_modified_since_counts_for_get_and_head_only() {
        for (date_s, expected) in [
            (CHANGED_S - 1, GO_ON),
            (CHANGED_S, Outcome::NotModified),
            (CHANGED_S + 1, Outcome::NotModified),
        ] {
            let if_modified_since_s = Some(date_s);
            assert_eq!(outcome(&Conditions { if_modified_since_s, ..get() }), expected);
            assert_eq!(outcome(&Conditions { if_modified_since_s, ..put() }), GO_ON);
        }
    }

    #[test]
    fn if_unmodified_since_counts_for_every_method() {
        for (date_s, expected) in [
            (CHANGED_S - 1, Outcome::PreconditionFailed),
            (CHANGED_S, GO_ON),
            (CHANGED_S + 1, GO_ON),
        ] {
            let if_unmodified_since_s = Some(date_s);
            assert_eq!(outcome(&Conditions { if_unmodified_since_s, ..get() }), expected);
            assert_eq!(outcome(&Conditions { if_unmodified_since_s, ..put() }), expected);
        }
    }

    #[test]
    fn a_tag_counts_before_a_date() {
        let matched = Conditions {
            if_match: Some("\"a\""),
            if_unmodified_since_s: Some(CHANGED_S - 1),
            ..put()
        };
        assert_eq!(outcome(&matched), GO_ON);
        let other = Conditions {
            if_none_match: Some("\"b\""),
            if_modified_since_s: Some(CHANGED_S),
            ..get()
        };
        assert_eq!(outcome(&other), GO_ON);
    }

    #[test]
    fn a_failed_precondition_counts_before_not_modified() {
        let both = Conditions { if_match: Some("\"b\""), if_none_match: Some("\"a\""), ..get() };
        assert_eq!(outcome(&both), Outcome::PreconditionFailed);
        let passed = Conditions { if_match: Some("\"a\""), ..both };
        assert_eq!(outcome(&passed), Outcome::NotModified);
    }

    #[test]
    fn if_range_honours_the_range_of_the_same_version_only() {
        for (if_range, expected) in [
            (IfRange::Tag(tag("\"a\"")), GO_ON),
            (IfRange::Tag(tag("W/\"a\"")), GO_ON_WITH_THE_WHOLE),
            (IfRange::Tag(tag("\"b\"")), GO_ON_WITH_THE_WHOLE),
            (IfRange::Date(CHANGED_S), GO_ON),
            (IfRange::Date(CHANGED_S - 1), GO_ON_WITH_THE_WHOLE),
            (IfRange::Date(CHANGED_S + 1), GO_ON_WITH_THE_WHOLE),
            (IfRange::Unreadable, GO_ON_WITH_THE_WHOLE),
        ] {
            let conditions = Conditions { if_range: Some(if_range.clone()), ..get() };
            assert_eq!(outcome(&conditions), expected, "{if_range:?}");
        }
        let weak = Conditions { if_range: Some(IfRange::Tag(tag("\"a\""))), ..get() };
        assert_eq!(weak_outcome(&weak), GO_ON_WITH_THE_WHOLE);
    }

    #[test]
    fn a_date_whose_second_is_not_over_is_no_proof() {
        let validators = Validators { etag: tag("\"a\""), last_modified_s: CHANGED_S };
        let conditions = Conditions { if_range: Some(IfRange::Date(CHANGED_S)), ..get() };
        assert_eq!(evaluate(&conditions, &validators, CHANGED_S), GO_ON_WITH_THE_WHOLE);
        assert_eq!(evaluate(&conditions, &validators, CHANGED_S + 1), GO_ON);
    }

    #[test]
    fn if_range_is_a_tag_or_a_date() {
        let date = |text: &str| text.parse().ok();
        assert_eq!(IfRange::parse("\"a\"", date), Some(IfRange::Tag(tag("\"a\""))));
        assert_eq!(IfRange::parse(" W/\"a\" ", date), Some(IfRange::Tag(tag("W/\"a\""))));
        assert_eq!(IfRange::parse("5", date), Some(IfRange::Date(5)));
        for text in ["", "*", "a", "\"a", "\"a\", \"b\"", "W/a"] {
            assert_eq!(IfRange::parse(text, date), None, "{text}");
        }
        assert_eq!(IfRange::parse("\"5", |_| Some(5)), None, "a broken tag is no date");
    }

    proptest! {
        #[test]
        fn a_tag_that_is_read_is_written_the_same(text in "(W/)?\"?[!-~é ]{0,12}\"?") {
            if let Some(tag) = EntityTag::parse(&text) {
                prop_assert_eq!(tag.to_string(), text);
            }
        }

        #[test]
        fn every_tag_we_make_can_be_read(mtime_ns: i64, size: u64, inode: u64, now_ns: i64) {
            let made = entity_tag(mtime_ns.into(), size, inode, now_ns.into());
            prop_assert_eq!(EntityTag::parse(&made.to_string()), Some(made));
        }

        #[test]
        fn our_tag_is_found_anywhere_in_a_list(
            before in prop::collection::vec("(W/)?\"[!#-+\\--~,]{0,6}\"", 0..4),
            after in "[,\t ]{0,3}",
        ) {
            let list = format!("{}, \"a\",{after}", before.join(" ,"));
            let conditions = Conditions { if_none_match: Some(&list), ..get() };
            prop_assert_eq!(outcome(&conditions), Outcome::NotModified, "{}", list);
        }

        #[test]
        fn what_must_match_and_must_not_is_never_carried_out(
            list in "[W/\"*a, ]{0,24}|\\PC{0,24}", now_s: u64, last_modified_s: u64,
        ) {
            let validators = Validators { etag: tag("\"a\""), last_modified_s };
            let conditions =
                Conditions { if_match: Some(&list), if_none_match: Some(&list), ..get() };
            let outcome = evaluate(&conditions, &validators, now_s);
            prop_assert!(!matches!(outcome, Outcome::Proceed { .. }), "{list}");
        }
    }
}
