//! Which path below the shared folder a request names.
//!
//! Every wire that serves files comes through here: HTTP with a percent-encoded target, the raw TCP
//! wire and TFTP with a plain name. What comes out is a [`SharePath`], a list of names that can be
//! handed to the kernel beneath the shared folder. A path that tries to leave is refused and never
//! repaired, for a client that sends `..` past its own normalisation has no honest reason to.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::printable::Printable;

/// The longest name of one file or folder, in bytes: Linux's `NAME_MAX`.
pub const MAX_SEGMENT_BYTES: usize = 255;

/// The longest whole path below the shared folder, in bytes with its separators: Linux's
/// `PATH_MAX` less the NUL that ends it.
pub const MAX_PATH_BYTES: usize = 4095;

/// The most folders deep that a path may go, the last name included.
pub const MAX_SEGMENTS: usize = 256;

const _: () = assert!(MAX_SEGMENT_BYTES < MAX_PATH_BYTES);
const _: () = assert!(MAX_SEGMENTS * 2 - 1 <= MAX_PATH_BYTES, "the deepest path must fit");

/// What stays as it is in an encoded segment: RFC 3986's unreserved characters, and those that it
/// allows beside them and that mean nothing in HTML and in a relative reference.
const ENCODED_IN_A_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b'@');

/// Why a request's target names no path below the shared folder.
///
/// The texts are for the person who sent it, and quote nothing of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The path does not begin with a slash.
    #[error("the path does not begin with '/'; ask for a path such as /folder/file")]
    NotAbsolute,
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("the '%' at byte {at} of the path is not followed by two hex digits; write '%' as %25")]
    BadPercent {
        /// Where the percent sign stands, in bytes from the start of the path as it was sent.
        at: usize,
    },
    /// The path holds a NUL byte, which no file name has.
    #[error("the path holds a NUL byte, which no file name can; leave it out")]
    Nul,
    /// A segment is `..`, plain or encoded.
    #[error("the path holds '..'; ask for the file by its path from the top of the shared folder")]
    DotDot,
    /// A slash inside a name: `%2F` in a target, or plain in a name for [`SharePath::join`].
    #[error("a name in the path holds a slash, which no file name can; separate folders by '/'")]
    EncodedSlash,
    /// A name given to [`SharePath::join`] is empty or `.`, so it names nothing.
    #[error("a name in the path is empty or '.'; give the file's own name")]
    NoName,
    /// A segment is over [`MAX_SEGMENT_BYTES`] or the path over [`MAX_PATH_BYTES`].
    #[error(
        "the path is too long: at most {MAX_SEGMENT_BYTES} bytes a name, {MAX_PATH_BYTES} in all"
    )]
    TooLong,
    /// There are more than [`MAX_SEGMENTS`] segments.
    #[error("the path is too deep: at most {MAX_SEGMENTS} names, one below the other")]
    TooDeep,
}

/// A path below the shared folder.
///
/// It is a list of names in raw bytes. None is empty, `.` or `..`, and none holds a NUL or a slash;
/// their lengths and number keep to this module's bounds. It remembers whether the target ended in
/// a slash, because that is how a client says that it means a folder. The root always does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharePath {
    segments: Vec<Vec<u8>>,
    folder: bool,
}

impl SharePath {
    /// Reads the path part of a request's target (RFC 9112 section 3.2, RFC 3986 section 3.3):
    /// percent-encoded, and without the query.
    ///
    /// Percent signs are decoded once only. A run of slashes counts as one and a `.` segment is
    /// dropped. Bytes that should have been encoded and were not are taken as they are, for the
    /// HTTP library has already refused what cannot stand in a target.
    ///
    /// ```
    /// use sockeye_proto::http::target::{SharePath, TargetError};
    ///
    /// let path = SharePath::parse("/films/a%20b.mkv").unwrap();
    /// assert_eq!(path.name(), Some(&b"a b.mkv"[..]));
    /// assert_eq!(SharePath::parse("/%2e%2e/etc/passwd"), Err(TargetError::DotDot));
    /// ```
    ///
    /// # Errors
    /// Any [`TargetError`] except [`TargetError::NoName`].
    pub fn parse(path: &str) -> Result<Self, TargetError> {
        let Some(below) = path.strip_prefix('/') else {
            return Err(TargetError::NotAbsolute);
        };
        let mut parsed = Self::root();
        let mut at = 1;
        for encoded in below.as_bytes().split(|&byte| byte == b'/') {
            parsed.take(decode_segment(encoded, at)?)?;
            at += encoded.len() + 1;
        }
        Ok(parsed)
    }

    /// The shared folder itself.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert_eq!(SharePath::root().relative(), b".");
    /// ```
    pub fn root() -> Self {
        Self { segments: Vec::new(), folder: true }
    }

    /// Reads a name that is not encoded, as the raw TCP wire and TFTP (RFC 1350 section 5) have it.
    ///
    /// The rules are those of [`SharePath::parse`], except that a percent sign is an ordinary
    /// character and that a leading slash makes no difference. An empty name is the root.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// let name = SharePath::from_raw_name(b"boot/100%.img").unwrap();
    /// assert_eq!(name, SharePath::parse("/boot/100%25.img").unwrap());
    /// ```
    ///
    /// # Errors
    /// [`TargetError::Nul`], [`TargetError::DotDot`], [`TargetError::TooLong`] or
    /// [`TargetError::TooDeep`].
    pub fn from_raw_name(bytes: &[u8]) -> Result<Self, TargetError> {
        let mut parsed = Self::root();
        for name in bytes.split(|&byte| byte == b'/') {
            if name.contains(&0) {
                return Err(TargetError::Nul);
            }
            parsed.take(name.to_vec())?;
        }
        Ok(parsed)
    }

    /// The names from the top down, in raw bytes; none for the root.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// let path = SharePath::parse("/a//./b").unwrap();
    /// assert_eq!(path.segments().collect::<Vec<_>>(), [b"a", b"b"]);
    /// ```
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().map(Vec::as_slice)
    }

    /// Whether this is the shared folder itself.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert!(SharePath::parse("//./").unwrap().is_root());
    /// ```
    pub fn is_root(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether the target ended in a slash, or in a `.` segment, which means the same (RFC 3986
    /// section 5.2.4). Always so for the root.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert!(SharePath::parse("/films/").unwrap().wants_folder());
    /// assert!(!SharePath::parse("/films").unwrap().wants_folder());
    /// ```
    pub fn wants_folder(&self) -> bool {
        self.folder
    }

    /// The last name; none for the root.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert_eq!(SharePath::parse("/films/heat.mkv").unwrap().name(), Some(&b"heat.mkv"[..]));
    /// ```
    pub fn name(&self) -> Option<&[u8]> {
        self.segments.last().map(Vec::as_slice)
    }

    /// The path that the kernel is given, relative to the shared folder: the names joined by
    /// slashes, and `.` for the root. At most [`MAX_PATH_BYTES`] bytes, without a NUL.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert_eq!(SharePath::parse("/a%20b/c/").unwrap().relative(), b"a b/c");
    /// ```
    pub fn relative(&self) -> Vec<u8> {
        if self.is_root() { b".".to_vec() } else { self.segments.join(&b'/') }
    }

    /// The one canonical way to write this path in a URL or a Location field (RFC 9110 section
    /// 10.2.2). It begins with exactly one slash, so no client can read a host into it, and ends in
    /// one where a folder is wanted.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// let path = SharePath::parse("//evil.example//a b/").unwrap();
    /// assert_eq!(path.encoded(), "/evil.example/a%20b/");
    /// ```
    pub fn encoded(&self) -> String {
        self.written(|out, segment| {
            let _ = write!(out, "{}", percent_encode(segment, ENCODED_IN_A_SEGMENT));
        })
    }

    /// The path for people: with a leading slash, and a trailing one where a folder is wanted.
    ///
    /// What is no UTF-8 or could disturb a terminal shows as an escape (see [`Printable`]), so the
    /// text is one line, and not for opening a file.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert_eq!(SharePath::parse("/caf%C3%A9/%1B[2J").unwrap().display(), "/café/\\x1b[2J");
    /// ```
    pub fn display(&self) -> String {
        self.written(|out, segment| {
            let _ = write!(out, "{}", Printable(segment));
        })
    }

    /// Whether any name on the way begins with a dot.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert!(SharePath::parse("/.git/config").unwrap().is_hidden());
    /// ```
    pub fn is_hidden(&self) -> bool {
        self.segments.iter().any(|segment| segment.starts_with(b"."))
    }

    /// The same path, asking for a folder: where a client that forgot the slash is sent.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert_eq!(SharePath::parse("/films").unwrap().as_folder().encoded(), "/films/");
    /// ```
    pub fn as_folder(&self) -> Self {
        Self { segments: self.segments.clone(), folder: true }
    }

    /// The same path without asking for a folder; the root stays the root.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert_eq!(SharePath::parse("/films/").unwrap().as_file().encoded(), "/films");
    /// ```
    pub fn as_file(&self) -> Self {
        Self { segments: self.segments.clone(), folder: self.is_root() }
    }

    /// The folder that it lies in; the root lies in itself.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// assert_eq!(SharePath::parse("/films/a.mkv").unwrap().parent().encoded(), "/films/");
    /// assert!(SharePath::root().parent().is_root());
    /// ```
    pub fn parent(&self) -> Self {
        let mut segments = self.segments.clone();
        segments.pop();
        Self { segments, folder: true }
    }

    /// The path of what is called `name`, in raw bytes, in this folder. It asks for a file.
    ///
    /// ```
    /// use sockeye_proto::http::target::SharePath;
    ///
    /// let folder = SharePath::parse("/films/").unwrap();
    /// assert_eq!(folder.join(b"50% off?").unwrap().encoded(), "/films/50%25%20off%3F");
    /// ```
    ///
    /// # Errors
    /// [`TargetError::NoName`] for an empty name or `.`, [`TargetError::DotDot`],
    /// [`TargetError::EncodedSlash`], [`TargetError::Nul`], [`TargetError::TooLong`] or
    /// [`TargetError::TooDeep`].
    pub fn join(&self, name: &[u8]) -> Result<Self, TargetError> {
        if name.contains(&0) {
            return Err(TargetError::Nul);
        }
        if name.contains(&b'/') {
            return Err(TargetError::EncodedSlash);
        }
        if name.is_empty() || name == b"." {
            return Err(TargetError::NoName);
        }
        let mut joined = self.clone();
        joined.take(name.to_vec())?;
        Ok(joined)
    }

    /// Goes one decoded segment further. An empty one and `.` go nowhere, and make it a folder if
    /// they are the last.
    fn take(&mut self, segment: Vec<u8>) -> Result<(), TargetError> {
        self.folder = segment.is_empty() || segment == b".";
        if self.folder {
            return Ok(());
        }
        if segment == b".." {
            return Err(TargetError::DotDot);
        }
        if self.segments.len() == MAX_SEGMENTS {
            return Err(TargetError::TooDeep);
        }
        let before: usize = self.segments.iter().map(|segment| segment.len() + 1).sum();
        if segment.len() > MAX_SEGMENT_BYTES || before + segment.len() > MAX_PATH_BYTES {
            return Err(TargetError::TooLong);
        }
        self.segments.push(segment);
        Ok(())
    }

    /// Writes the path with its slashes, each segment by `segment_to`.
    fn written(&self, segment_to: impl Fn(&mut String, &[u8])) -> String {
        let mut out = String::new();
        for segment in self.segments() {
            out.push('/');
            segment_to(&mut out, segment);
        }
        if self.folder {
            out.push('/');
        }
        out
    }
}

/// Encodes one name as a segment of a URL's path, which is also a relative reference to it
/// (RFC 3986 sections 2.1 and 4.2).
///
/// Letters, digits and `-._~()*+,=@` stay. All else is encoded, and so are quotes, `&` and `<`, so
/// that the text needs no escaping in an HTML attribute, and `:`, before which a client would read
/// a scheme. A name of `.` or `..` has no encoding, for clients resolve `%2e` too; no file has it.
///
/// ```
/// use sockeye_proto::http::target::encode_segment;
///
/// assert_eq!(encode_segment(b"javascript:alert(1)"), "javascript%3Aalert(1)");
/// assert_eq!(encode_segment("caf\u{e9} 100%".as_bytes()), "caf%C3%A9%20100%25");
/// ```
pub fn encode_segment(name: &[u8]) -> String {
    percent_encode(name, ENCODED_IN_A_SEGMENT).to_string()
}

/// Decodes one segment, which begins at byte `at` of the whole path.
fn decode_segment(encoded: &[u8], at: usize) -> Result<Vec<u8>, TargetError> {
    let mut decoded = Vec::with_capacity(encoded.len().min(MAX_SEGMENT_BYTES));
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        let mut byte = *first;
        rest = after;
        if byte == b'%' {
            let percent_at = at + (encoded.len() - after.len() - 1);
            (byte, rest) = hex_pair(after).ok_or(TargetError::BadPercent { at: percent_at })?;
            // Decoded it would be a part of a name, and the kernel would take it for a separator.
            if byte == b'/' {
                return Err(TargetError::EncodedSlash);
            }
        }
        if byte == 0 {
            return Err(TargetError::Nul);
        }
        if decoded.len() == MAX_SEGMENT_BYTES {
            return Err(TargetError::TooLong);
        }
        decoded.push(byte);
    }
    Ok(decoded)
}

/// The byte that two leading hexadecimal digits write, and what follows them.
fn hex_pair(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some(((digit(*high)? * 16 + digit(*low)?) as u8, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(path: &str) -> SharePath {
        SharePath::parse(path).unwrap()
    }

    fn refused(path: &str) -> TargetError {
        SharePath::parse(path).unwrap_err()
    }

    #[test]
    fn a_path_is_decoded_name_by_name() {
        let path = parsed("/a%20b/%C3%A9/c");
        assert_eq!(path.segments().collect::<Vec<_>>(), [&b"a b"[..], "é".as_bytes(), b"c"]);
        assert_eq!(path.relative(), "a b/é/c".as_bytes());
    }

    #[test]
    fn a_path_is_decoded_once_only() {
        assert_eq!(parsed("/%252e%252e/%252f").relative(), b"%2e%2e/%2f");
    }

    #[test]
    fn the_root_has_many_spellings() {
        for spelling in ["/", "//", "/.", "/./", "/%2e", "/%2E/.//"] {
            let path = parsed(spelling);
            assert_eq!(path, SharePath::root(), "{spelling}");
            assert!(path.is_root() && path.wants_folder() && path.as_file().wants_folder());
            assert_eq!(path.encoded(), "/");
            assert_eq!(path.display(), "/");
            assert_eq!(path.relative(), b".");
            assert_eq!(path.name(), None);
        }
    }

    #[test]
    fn empty_and_dot_segments_are_dropped_and_a_last_one_means_the_folder() {
        assert_eq!(parsed("//a///b"), parsed("/a/b"));
        assert_eq!(parsed("/a//"), parsed("/a/"));
        assert_eq!(parsed("/./a/%2e/b"), parsed("/a/b"));
        assert_eq!(parsed("/a/."), parsed("/a/"));
    }

    #[test]
    fn dot_dot_is_refused_in_every_disguise() {
        let list = "/.. /../ /a/../b /a/.. /%2e%2e /%2E%2e/ /.%2E /%2e./x //.. \
             /a/%2e%2E/%2e%2e/etc/passwd";
        for path in list.split(' ') {
            assert_eq!(refused(path), TargetError::DotDot, "{path}");
        }
    }

    #[test]
    fn names_that_only_look_like_dot_dot_are_names() {
        for path in "/... /..a /a.. /..%20 /..; /..\\x /\u{ff0e}\u{ff0e}".split(' ') {
            assert_eq!(parsed(path).segments().count(), 1, "{path}");
        }
    }

    #[test]
    fn a_backslash_is_an_ordinary_character() {
        assert_eq!(parsed("/..\\..\\etc").encoded(), "/..%5C..%5Cetc");
    }

    #[test]
    fn an_encoded_slash_is_refused() {
        for path in ["/a%2fb", "/%2F", "/..%2f..%2fetc"] {
            assert_eq!(refused(path), TargetError::EncodedSlash, "{path}");
        }
    }

    #[test]
    fn a_nul_is_refused_encoded_or_not() {
        assert_eq!(refused("/a%00.txt"), TargetError::Nul);
        assert_eq!(refused("/a\0"), TargetError::Nul);
        assert_eq!(SharePath::from_raw_name(b"a\0b"), Err(TargetError::Nul));
    }

    #[test]
    fn a_malformed_percent_is_refused_with_its_place() {
        for (path, at) in
            [("/%zz", 1), ("/a/b%4", 4), ("/ab%4/1", 3), ("/%41%", 4), ("/%+1", 1), ("/%é", 1)]
        {
            assert_eq!(refused(path), TargetError::BadPercent { at }, "{path}");
        }
    }

    #[test]
    fn a_path_begins_with_a_slash() {
        for path in ["", "a", "*", "%2Fa", "http://host/a", "..", "\\a"] {
            assert_eq!(refused(path), TargetError::NotAbsolute, "{path}");
        }
    }

    #[test]
    fn the_longest_name_is_255_bytes_decoded() {
        assert!(SharePath::parse(&format!("/{}", "%41".repeat(255))).is_ok());
        assert_eq!(refused(&format!("/{}", "a".repeat(256))), TargetError::TooLong);
        assert_eq!(SharePath::from_raw_name(&[b'a'; 256]), Err(TargetError::TooLong));
    }

    #[test]
    fn the_longest_path_is_4095_bytes_with_its_separators() {
        let most = format!("/{}", "a".repeat(255)).repeat(15);
        let longest = format!("{most}/{}/c", "b".repeat(253));
        assert_eq!(parsed(&longest).relative().len(), MAX_PATH_BYTES);
        assert_eq!(refused(&format!("{most}/{}/c", "b".repeat(254))), TargetError::TooLong);
    }

    #[test]
    fn the_deepest_path_has_256_names() {
        assert_eq!(parsed(&"/a".repeat(256)).segments().count(), 256);
        assert_eq!(refused(&"/a".repeat(257)), TargetError::TooDeep);
        assert!(parsed(&"/.".repeat(10_000)).is_root(), "dots are not depth");
    }

    #[test]
    fn a_raw_name_is_not_decoded_and_its_leading_slash_does_not_matter() {
        let name = SharePath::from_raw_name(b"/a%2fb/c").unwrap();
        assert_eq!(name.segments().collect::<Vec<_>>(), [&b"a%2fb"[..], b"c"]);
        assert_eq!(name, SharePath::from_raw_name(b"a%2fb//./c").unwrap());
        assert_eq!(SharePath::from_raw_name(b""), Ok(SharePath::root()));
        assert_eq!(SharePath::from_raw_name(b"\xff").unwrap().encoded(), "/%FF");
        assert_eq!(SharePath::from_raw_name(b"/../x"), Err(TargetError::DotDot));
    }

    #[test]
    fn a_name_is_joined_only_if_it_is_one_name() {
        let folder = parsed("/a/");
        assert_eq!(folder.join(b"b"), Ok(parsed("/a/b")));
        assert_eq!(SharePath::root().join(b"b"), Ok(parsed("/b")));
        assert_eq!(folder.join(b"b/c"), Err(TargetError::EncodedSlash));
        assert_eq!(folder.join(b".."), Err(TargetError::DotDot));
        assert_eq!(folder.join(b"."), Err(TargetError::NoName));
        assert_eq!(folder.join(b""), Err(TargetError::NoName));
        assert_eq!(folder.join(b"a\0"), Err(TargetError::Nul));
        assert_eq!(folder.join(&[b'x'; 256]), Err(TargetError::TooLong));
    }

    #[test]
    fn a_dot_at_the_start_of_any_name_hides_the_path() {
        assert!(parsed("/.git/config").is_hidden());
        assert!(parsed("/a/%2ehidden").is_hidden());
        assert!(parsed("/...").is_hidden());
        assert!(!parsed("/a.b/c.").is_hidden());
        assert!(!SharePath::root().is_hidden());
    }

    #[test]
    fn what_people_read_cannot_break_the_line_or_turn_it_round() {
        assert_eq!(parsed("/a%0D%0Ab/%FF/").display(), r"/a\r\nb/\xff/");
        assert_eq!(parsed("/photo%E2%80%AEgpj.exe").display(), r"/photo\u{202e}gpj.exe");
    }

    #[test]
    fn an_encoded_segment_is_safe_in_an_attribute_and_as_a_relative_reference() {
        let hard = encode_segment(b"a:b/c?d#e\"'<>&;%\\ \r\n`!$");
        assert_eq!(hard, "a%3Ab%2Fc%3Fd%23e%22%27%3C%3E%26%3B%25%5C%20%0D%0A%60%21%24");
        assert_eq!(encode_segment(b"-._~()*+,=@"), "-._~()*+,=@");
    }

    fn keeps_its_rules(path: &SharePath) {
        assert!(path.segments.len() <= MAX_SEGMENTS);
        assert!(path.relative().len() <= MAX_PATH_BYTES);
        for segment in path.segments() {
            assert!(!segment.is_empty() && segment != b"." && segment != b"..");
            assert!(segment.len() <= MAX_SEGMENT_BYTES);
            assert!(!segment.contains(&0) && !segment.contains(&b'/'));
        }
        assert!(path.folder || !path.is_root());
        assert_eq!(SharePath::parse(&path.encoded()).as_ref(), Ok(path));
        assert!(!path.encoded().starts_with("//"));
        assert_eq!(path.encoded().ends_with('/'), path.wants_folder());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_keeps_the_rules(path in "/([a./%]|%2[eEfF5]|%00|\\PC){0,24}") {
            if let Ok(path) = SharePath::parse(&path) {
                keeps_its_rules(&path);
            }
        }

        #[test]
        fn any_raw_name_that_is_accepted_keeps_the_rules(
            name in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'/'), Just(b'.')], 0..600)
        ) {
            if let Ok(path) = SharePath::from_raw_name(&name) {
                keeps_its_rules(&path);
            }
        }

        #[test]
        fn any_file_name_survives_the_round_trip(name in prop::collection::vec(1_u8.., 1..=255)) {
            if let Ok(path) = parsed("/a/").join(&name) {
                let reread = parsed(&path.encoded());
                prop_assert_eq!(reread.name(), Some(&name[..]));
                prop_assert_eq!(path.encoded(), format!("/a/{}", encode_segment(&name)));
            }
        }
    }
}
