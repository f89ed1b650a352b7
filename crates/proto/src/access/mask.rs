//! Keys out of sight: what is shown to who watches a wire, or written to a log, has `…` where a key
//! stands, or what was meant as one.
//!
//! On each wire there is a place for the key, and whatever stands there is hidden, right or wrong: a
//! wrong key is often the right one with a slip. Where the key itself stands anywhere else, it is
//! hidden too.

use std::borrow::Cow;

use super::{KEY_OPENING, Key};
use crate::datagram::{LineEnd, split_key};

/// What stands in a key's place.
const MASK: &[u8] = "…".as_bytes();

/// The fields of an HTTP head whose values let somebody in.
const SECRET_FIELDS: [&[u8]; 4] =
    [b"authorization:", b"proxy-authorization:", b"cookie:", b"set-cookie:"];

/// A message of a text wire without what is in the key's place there: behind `KEY ` at its
/// beginning, behind ` key=` at its end.
///
/// ```
/// use sockeye_proto::access::mask::without_said_key;
/// assert_eq!(&*without_said_key(b"KEY sesame\n"), "KEY …\n".as_bytes());
/// assert_eq!(&*without_said_key(b"SEND_TIME key=sesame"), "SEND_TIME key=…".as_bytes());
/// assert_eq!(&*without_said_key(b"SEND_TIME"), b"SEND_TIME");
/// ```
pub fn without_said_key(message: &[u8]) -> Cow<'_, [u8]> {
    if let Some(said) = message.strip_prefix(KEY_OPENING) {
        // What follows in the same read is not the key's place.
        let end = said.iter().position(|byte| *byte == b'\n').unwrap_or(said.len());
        let (said, rest) = said.split_at(end);
        let carriage_return: &[u8] = if said.ends_with(b"\r") { b"\r" } else { b"" };
        return Cow::Owned([KEY_OPENING, MASK, carriage_return, rest].concat());
    }
    let (text, line_end) = LineEnd::split(message);
    match split_key(text) {
        Some((before, said)) => {
            let to_key = &text[..before.len() + " key=".len()];
            let behind = &text[to_key.len() + said.len()..];
            Cow::Owned([to_key, MASK, behind, line_end.as_bytes()].concat())
        }
        None => Cow::Borrowed(message),
    }
}

/// The head of an HTTP message, or as much of it as there is, without the values of the fields that
/// let somebody in.
///
/// ```
/// use sockeye_proto::access::mask::without_secret_fields;
/// let head = b"GET / HTTP/1.1\r\nAuthorization: Bearer sesame\r\nHost: a\r\n\r\n";
/// let shown = "GET / HTTP/1.1\r\nAuthorization: …\r\nHost: a\r\n\r\n";
/// assert_eq!(&*without_secret_fields(head), shown.as_bytes());
/// ```
pub fn without_secret_fields(head: &[u8]) -> Cow<'_, [u8]> {
    let is_secret = |line: &[u8]| {
        SECRET_FIELDS.iter().any(|name| {
            line.get(..name.len()).is_some_and(|opening| opening.eq_ignore_ascii_case(name))
        })
    };
    if !head.split(|byte| *byte == b'\n').any(is_secret) {
        return Cow::Borrowed(head);
    }
    let mut shown = Vec::with_capacity(head.len());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').filter(|_| is_secret(line));
        let Some(colon) = colon else {
            shown.extend_from_slice(line);
            continue;
        };
        let (_, line_end) = LineEnd::split(line);
        shown.extend_from_slice(&line[..=colon]);
        shown.push(b' ');
        shown.extend_from_slice(MASK);
        shown.extend_from_slice(line_end.as_bytes());
    }
    Cow::Owned(shown)
}

/// A form as browsers send it, or any other piece of an HTTP message, without the value of a field
/// `key`: the join page's.
///
/// ```
/// use sockeye_proto::access::mask::without_form_key;
/// let form = b"name=ana&key=sesame&x=1";
/// assert_eq!(&*without_form_key(form), "name=ana&key=…&x=1".as_bytes());
/// assert_eq!(&*without_form_key(b"monkey=1"), b"monkey=1");
/// ```
pub fn without_form_key(text: &[u8]) -> Cow<'_, [u8]> {
    const NAME: &[u8] = b"key=";
    let (mut shown, mut rest) = (Vec::new(), text);
    let begins = |at: usize| at == 0 || matches!(text[at - 1], b'&' | b'?' | b'\n');
    while let Some(found) = rest.windows(NAME.len()).position(|w| w == NAME) {
        let at = text.len() - rest.len() + found;
        let (before, behind) = rest.split_at(found + NAME.len());
        shown.extend_from_slice(before);
        rest = behind;
        if begins(at) {
            let is_end = |byte: &u8| *byte == b'&' || byte.is_ascii_whitespace();
            let end = rest.iter().position(is_end).unwrap_or(rest.len());
            shown.extend_from_slice(MASK);
            rest = &rest[end..];
        }
    }
    shown.extend_from_slice(rest);
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

/// A text without this key, wherever it stands in it and however it is written.
///
/// ```
/// use sockeye_proto::access::{Key, mask::without_key};
/// let key = Key::parse("sesame-street")?;
/// assert_eq!(&*without_key(b"is it SESAME-street?", &key), "is it …?".as_bytes());
/// # Ok::<(), sockeye_proto::access::KeyError>(())
/// ```
pub fn without_key<'a>(text: &'a [u8], key: &Key) -> Cow<'a, [u8]> {
    let key = key.as_str().as_bytes();
    let next = |text: &[u8]| text.windows(key.len()).position(|w| w.eq_ignore_ascii_case(key));
    let Some(mut at) = next(text) else { return Cow::Borrowed(text) };
    let (mut shown, mut rest) = (Vec::with_capacity(text.len()), text);
    loop {
        shown.extend_from_slice(&rest[..at]);
        shown.extend_from_slice(MASK);
        rest = &rest[at + key.len()..];
        match next(rest) {
            Some(found) => at = found,
            None => break,
        }
    }
    shown.extend_from_slice(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(message: &str) -> String {
        String::from_utf8(without_said_key(message.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn whatever_stands_in_the_keys_place_is_hidden_right_or_wrong() {
        for (message, shown) in [
            ("KEY a", "KEY …"),
            ("KEY a b\r\n", "KEY …\r\n"),
            ("KEY \n", "KEY …\n"),
            ("KEY a\nSEND_TIME key=b", "KEY …\nSEND_TIME key=b"),
            ("GET key=a\r\n", "GET key=…\r\n"),
            (" key=a cookie=b", " key=… cookie=b"),
            ("POST \"a\" key=b\n", "POST \"a\" key=…\n"),
        ] {
            assert_eq!(said(message), shown, "{message:?}");
        }
    }

    #[test]
    fn what_has_no_key_in_it_is_shown_as_it_is() {
        for message in ["", "KEY", "KEYS", " KEY a", "GET key=", "GET key=a ", "monkey=a", "key=a"]
        {
            assert_eq!(said(message), message);
        }
    }

    #[test]
    fn a_head_keeps_all_but_what_lets_somebody_in() {
        let head = "HTTP/1.1 204 No Content\r\nSet-Cookie: a=b; Path=/\r\nX-Cookie: c\r\ncookie:d";
        let shown = without_secret_fields(head.as_bytes()).into_owned();
        let expected = "HTTP/1.1 204 No Content\r\nSet-Cookie: …\r\nX-Cookie: c\r\ncookie: …";
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
        assert!(matches!(without_secret_fields(b"GET / HTTP/1.1\r\n\r\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_form_has_its_key_hidden_wherever_a_field_can_begin() {
        for (form, shown) in [
            ("key=a", "key=…"),
            ("key=", "key=…"),
            ("key=a%20b&key=c d", "key=…&key=… d"),
            ("POST /?key=a HTTP/1.1\r\n\r\nkey=b", "POST /?key=… HTTP/1.1\r\n\r\nkey=…"),
            ("x key=a", "x key=a"),
            ("key", "key"),
        ] {
            let hidden = without_form_key(form.as_bytes()).into_owned();
            assert_eq!(String::from_utf8(hidden).unwrap(), shown, "{form:?}");
        }
    }

    proptest! {
        #[test]
        fn no_key_is_left(before: Vec<u8>, key in "[A-Za-z0-9_-]{8,12}", after: Vec<u8>) {
            let text = [&before[..], key.as_bytes(), key.to_ascii_uppercase().as_bytes(), &after].concat();
            let shown = without_key(&text, &Key::parse(&key).unwrap()).to_ascii_lowercase();
            let key = key.to_ascii_lowercase();
            prop_assert!(!shown.windows(key.len()).any(|w| w == key.as_bytes()));
        }

        #[test]
        fn nothing_is_hidden_where_there_is_no_key(text in "[ -~]{0,60}") {
            let key = Key::parse("sesame\u{2d}street").unwrap();
            prop_assert_eq!(&*without_key(text.as_bytes(), &key), text.as_bytes());
        }
    }
}
