//! The parameters that stand behind a field's value: `; name=value; name="value"`.
//!
//! Content-Type and Content-Disposition write them alike (RFC 2045 section 5.1), but browsers keep
//! their own rules inside the quotes, so a value is kept as it was written until its reader asks.

use memchr::{memchr, memchr2};

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: Value<'a>,
}

/// A parameter's value as it was written, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Without quotes: all until the next semicolon.
    Token(&'a [u8]),
    /// What stood between quotes, with its escapes.
    Quoted(&'a [u8]),
}

impl Value<'_> {
    /// What it says, without the backslashes that are escapes.
    pub(super) fn text(self) -> Vec<u8> {
        let written = match self {
            Self::Token(text) => return text.to_vec(),
            Self::Quoted(written) => written,
        };
        let mut text = Vec::with_capacity(written.len());
        let mut rest = written;
        while let Some((&byte, after)) = rest.split_first() {
            let escaped = after.first().filter(|_| begins_with_escape(rest));
            text.push(*escaped.unwrap_or(&byte));
            rest = &after[usize::from(escaped.is_some())..];
        }
        text
    }

    /// The same, of what stands after the last slash or backslash. A backslash that is an escape or
    /// is escaped is a letter of a name: curl writes the file `a\b` as `a\\b`.
    pub(super) fn last_component(self) -> Self {
        match self {
            Self::Token(text) => Self::Token(after_last_separator(text, false)),
            Self::Quoted(written) => Self::Quoted(after_last_separator(written, true)),
        }
    }
}

/// Reads all parameters of `text`, which is empty or begins with a semicolon; none if it is
/// malformed.
pub(super) fn parameters(text: &[u8]) -> Option<Vec<Parameter<'_>>> {
    let mut found = Vec::new();
    let mut rest = text.trim_ascii();
    while let Some(after) = rest.strip_prefix(b";") {
        rest = after.trim_ascii_start();
        if rest.is_empty() || rest.starts_with(b";") {
            continue;
        }
        let equals = memchr2(b'=', b';', rest).filter(|&at| rest[at] == b'=')?;
        let name = rest[..equals].trim_ascii();
        if !is_token(name) {
            return None;
        }
        let (value, after) = read_value(rest[equals + 1..].trim_ascii_start())?;
        found.push(Parameter { name, value });
        rest = after.trim_ascii_start();
    }
    rest.is_empty().then_some(found)
}

/// The one parameter of this name, whose letters' case means nothing; an error if it stands there
/// twice, for readers would disagree about which one counts.
pub(super) fn only<'a>(
    parameters: &[Parameter<'a>],
    name: &[u8],
) -> Result<Option<Value<'a>>, Twice> {
    let mut named = parameters.iter().filter(|parameter| parameter.name.eq_ignore_ascii_case(name));
    let first = named.next().map(|parameter| parameter.value);
    if named.next().is_some() { Err(Twice) } else { Ok(first) }
}

/// A parameter stands there twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twice;

/// Whether `text` can be a field's or a parameter's name (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &[u8]) -> bool {
    let is_token_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_token_byte)
}

/// A value and what stands after it.
fn read_value(text: &[u8]) -> Option<(Value<'_>, &[u8])> {
    if let Some(quoted) = text.strip_prefix(b"\"") {
        let end = closing_quote(quoted)?;
        return Some((Value::Quoted(&quoted[..end]), &quoted[end + 1..]));
    }
    let end = memchr(b';', text).unwrap_or(text.len());
    Some((Value::Token(text[..end].trim_ascii_end()), &text[end..]))
}

fn closing_quote(quoted: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = quoted.get(at) {
        if byte == b'"' {
            return Some(at);
        }
        at += if begins_with_escape(&quoted[at..]) { 2 } else { 1 };
    }
    None
}

/// Only these two, whatever the grammar allows: before all else a backslash is most likely part of
/// the path that an old browser on Windows sends.
fn begins_with_escape(quoted: &[u8]) -> bool {
    matches!(quoted, [b'\\', b'"' | b'\\', ..])
}

fn after_last_separator(written: &[u8], is_quoted: bool) -> &[u8] {
    let (mut start, mut at) = (0, 0);
    while let Some(byte) = written.get(at) {
        if is_quoted && begins_with_escape(&written[at..]) {
            at += 2;
            continue;
        }
        at += 1;
        if matches!(byte, b'/' | b'\\') {
            start = at;
        }
    }
    &written[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let found = parameters(text.as_bytes())?;
        Some(found.iter().map(|one| (string(one.name), string(&one.value.text()))).collect())
    }

    #[track_caller]
    fn reads_as(text: &str, expected: &[(&str, &str)]) {
        let found = read(text).unwrap_or_else(|| panic!("{text} is malformed"));
        let found: Vec<_> = found.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn parameters_are_tokens_or_quoted_and_blanks_around_them_mean_nothing() {
        reads_as("", &[]);
        reads_as(";", &[]);
        reads_as(" ;a=b;;c = \"d\" ; ", &[("a", "b"), ("c", "d")]);
        reads_as(";a=my file.txt ;b=", &[("a", "my file.txt"), ("b", "")]);
    }

    #[test]
    fn a_semicolon_or_an_escaped_quote_in_quotes_ends_nothing() {
        reads_as(r#";a="x;y";b=1"#, &[("a", "x;y"), ("b", "1")]);
        reads_as(r#";a="x\";b=\"y";c=1"#, &[("a", r#"x";b="y"#), ("c", "1")]);
        reads_as(r#";a="x\\";b=1"#, &[("a", r"x\"), ("b", "1")]);
        reads_as(r#";a="C:\dir\x""#, &[("a", r"C:\dir\x")]);
    }

    #[test]
    fn what_is_malformed_is_no_parameter() {
        for text in ["a=b", ";a", ";a;b=c", ";=b", ";a b=c", ";a=\"b", ";a=\"b\\\"", ";a=\"b\"c"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
