//! What the head of a form's part says: the field's name, the file's name and its type.

use percent_encoding::percent_decode;

use super::FormError;
use super::parameters::{Parameter, Value, is_token, only, parameters};
use crate::limits::FORM_HEAD_MAX_FIELDS;

/// What stands before a part's bytes (RFC 7578 section 4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHead {
    /// The form field's name; none if the part does not give it.
    pub name: Option<Vec<u8>>,
    /// The name of the file, whose bytes the part holds: the last component of what was sent, in
    /// whatever bytes it was sent. It may be `.`, `..` or hold anything but a slash, so the caller
    /// judges it as any other name. Empty if the form has a place for a file and none was chosen,
    /// and none if the part is no file.
    pub filename: Option<Vec<u8>>,
    /// The media type that the sender believes the part to have.
    pub content_type: Option<String>,
}

impl PartHead {
    /// Reads a head whose lines all end in CR LF, with or without the empty one.
    pub(super) fn parse(head: &[u8]) -> Result<Self, FormError> {
        let fields = fields(head)?;
        if let Some(encoding) = only_field(&fields, b"content-transfer-encoding")? {
            let is_plain = [&b"7bit"[..], b"8bit", b"binary"]
                .iter()
                .any(|plain| encoding.eq_ignore_ascii_case(plain));
            if !is_plain {
                return Err(FormError::Encoded);
            }
        }
        let content_type = only_field(&fields, b"content-type")?
            .filter(|text| !text.is_empty())
            .map(|text| String::from_utf8_lossy(text).into_owned());
        let Some(disposition) = only_field(&fields, b"content-disposition")? else {
            return Ok(Self { content_type, ..Self::default() });
        };
        // Its type is `form-data`; who writes `attachment` means a file all the same.
        let type_end = memchr::memchr(b';', disposition).unwrap_or(disposition.len());
        let parameters = parameters(&disposition[type_end..]).ok_or(FormError::BadDisposition)?;
        let named = |name| only(&parameters, name).map_err(|_| FormError::BadDisposition);
        let name = named(b"name")?.map(|name| without_percent_escapes(name.text()));
        Ok(Self { name, filename: filename(&parameters)?, content_type })
    }
}

/// A field of a head: its name, and its value without the blanks around it.
type Field<'a> = (&'a [u8], Vec<u8>);

/// The fields of a head. A line that begins with a blank goes on with the one before (RFC 5322
/// section 2.2.3), as mail libraries write them.
fn fields(head: &[u8]) -> Result<Vec<Field<'_>>, FormError> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    for line in head.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\r') {
            return Err(FormError::BadField);
        }
        if line.is_empty() {
            continue;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let (_, value) = fields.last_mut().ok_or(FormError::BadField)?;
            value.extend_from_slice(line);
            continue;
        }
        let colon = memchr::memchr(b':', line).ok_or(FormError::BadField)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) {
            return Err(FormError::BadField);
        }
        if fields.len() == FORM_HEAD_MAX_FIELDS {
            return Err(FormError::TooManyFields);
        }
        fields.push((name, value.to_vec()));
    }
    Ok(fields)
}

/// The value of the one field of this name.
fn only_field<'a>(fields: &'a [Field<'_>], name: &[u8]) -> Result<Option<&'a [u8]>, FormError> {
    let mut named = fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let first = named.next().map(|(_, value)| value.trim_ascii());
    if named.next().is_some() { Err(FormError::RepeatedField) } else { Ok(first) }
}

/// The file's name. The extended form wins (RFC 8187 section 3.2.1: it is the one that a sender adds
/// for those who know it), unless it is in a character set that we do not read.
fn filename(parameters: &[Parameter<'_>]) -> Result<Option<Vec<u8>>, FormError> {
    let named = |name| only(parameters, name).map_err(|_| FormError::BadDisposition);
    let plain = named(b"filename")?;
    if let Some(extended) = named(b"filename*")? {
        match extended_filename(extended) {
            Some(name) => return Ok(Some(name)),
            None if plain.is_none() => return Err(FormError::BadDisposition),
            None => {}
        }
    }
    Ok(plain.map(|name| without_percent_escapes(name.last_component().text())))
}

/// A name such as `UTF-8'en'na%C3%AFve.txt` (RFC 8187 section 3.2).
fn extended_filename(value: Value<'_>) -> Option<Vec<u8>> {
    let text = value.text();
    let mut fields = text.splitn(3, |&byte| byte == b'\'');
    let (charset, _language, encoded) = (fields.next()?, fields.next()?, fields.next()?);
    if !charset.eq_ignore_ascii_case(b"utf-8") {
        return None;
    }
    let decoded = percent_decode(encoded).decode_utf8().ok()?;
    Some(Value::Token(decoded.as_bytes()).last_component().text())
}

/// Undoes what browsers do to a name, and only that: a quote, a carriage return and a line feed
/// have percent-escapes, while a percent sign has none (WHATWG HTML, "multipart/form-data encoding
/// algorithm").
fn without_percent_escapes(written: Vec<u8>) -> Vec<u8> {
    let mut text = Vec::with_capacity(written.len());
    let mut rest = &written[..];
    while let Some((&byte, after)) = rest.split_first() {
        let (decoded, length) = match rest {
            [b'%', b'2', b'2', ..] => (b'"', 3),
            [b'%', b'0', b'D' | b'd', ..] => (b'\r', 3),
            [b'%', b'0', b'A' | b'a', ..] => (b'\n', 3),
            _ => (byte, 1),
        };
        text.push(decoded);
        rest = &after[length - 1..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disposition(parameters: &str) -> Result<PartHead, FormError> {
        PartHead::parse(format!("Content-Disposition: form-data{parameters}\r\n\r\n").as_bytes())
    }

    #[track_caller]
    fn file_is_named(parameters: &str, expected: &[u8]) {
        let filename = disposition(parameters).unwrap().filename;
        assert_eq!(filename.as_deref(), Some(expected), "{parameters}");
    }

    #[test]
    fn a_head_gives_both_names_and_the_type() {
        let head = b"content-DISPOSITION:form-data; filename=\"a.txt\"; name=\"f\"\r\n\
            X-Other: 1\r\nContent-Type:  text/plain; charset=utf-8 \r\n\r\n";
        let expected = PartHead {
            name: Some(b"f".to_vec()),
            filename: Some(b"a.txt".to_vec()),
            content_type: Some("text/plain; charset=utf-8".into()),
        };
        assert_eq!(PartHead::parse(head), Ok(expected));
        assert_eq!(PartHead::parse(b"\r\n"), Ok(PartHead::default()));
    }

    #[test]
    fn a_field_is_no_file_and_a_file_that_was_not_chosen_has_an_empty_name() {
        assert_eq!(disposition("; name=\"f\"").unwrap().filename, None);
        file_is_named("; name=\"f\"; filename=\"\"", b"");
        assert_eq!(disposition("").unwrap(), PartHead::default());
    }

    #[test]
    fn names_are_unescaped_as_curl_and_as_browsers_escape_them() {
        file_is_named(r#"; filename="a\"b\\c.txt""#, br#"a"b\c.txt"#);
        file_is_named(r#"; filename="a%22b%0D%0a.txt""#, b"a\"b\r\n.txt");
        file_is_named(r#"; filename="100%.txt""#, b"100%.txt");
        file_is_named(r#"; filename="a%20b%2Fc%5C.%2""#, b"a%20b%2Fc%5C.%2");
        let head = disposition(r#"; name="a\"b%22""#).unwrap();
        assert_eq!(head.name.as_deref(), Some(&br#"a"b""#[..]));
    }

    #[test]
    fn names_keep_their_bytes_whatever_the_character_set() {
        file_is_named("; filename=\"naïve 日本.txt\"", "naïve 日本.txt".as_bytes());
        let head = b"Content-Disposition: form-data; name=f; filename=\"na\xEFve\"\r\n\r\n";
        let filename = PartHead::parse(head).unwrap().filename;
        assert_eq!(filename.as_deref(), Some(&b"na\xEFve"[..]));
        file_is_named("; filename=my file.txt; name=f", b"my file.txt");
    }

    #[test]
    fn of_a_path_only_the_last_component_is_kept() {
        file_is_named(r#"; filename="C:\Documents\my report.doc""#, b"my report.doc");
        file_is_named(r#"; filename="\\server\share\x""#, b"x");
        file_is_named("; filename=C:\\dir\\x", b"x");
        file_is_named("; filename=\"dir/sub/x\"", b"x");
        file_is_named("; filename=\"dir/\"", b"");
        file_is_named("; filename=\"../..\"", b"..");
        file_is_named("; filename*=UTF-8''..%2F..%5Cx", b"x");
        assert_eq!(disposition("; name=\"a/b\"").unwrap().name.as_deref(), Some(&b"a/b"[..]));
    }

    #[test]
    fn the_extended_name_wins_wherever_it_stands() {
        file_is_named("; filename=\"na_ve\"; filename*=UTF-8''na%C3%AFve", "naïve".as_bytes());
        file_is_named("; filename*=utf-8'en'na%c3%afve; filename=x", "naïve".as_bytes());
        file_is_named("; filename*=\"UTF-8''a%22b'c\"", b"a\"b'c");
        // Neither another character set nor bytes that are not in it.
        file_is_named("; filename=x; filename*=KOI8-R''%C1", b"x");
        file_is_named("; filename=x; filename*=UTF-8''%C1", b"x");
        file_is_named("; filename=x; filename*=nothing", b"x");
        assert_eq!(disposition("; filename*=KOI8-R''%C1"), Err(FormError::BadDisposition));
    }

    #[test]
    fn a_disposition_that_can_be_read_in_two_ways_is_refused() {
        for parameters in [
            "; filename=\"a",
            "; filename=\"a\"b\"",
            "; filename=a; filename=b",
            "; name=a; NAME=b",
            "; filename*=UTF-8''a; filename*=UTF-8''b",
            "; filename",
        ] {
            assert_eq!(disposition(parameters), Err(FormError::BadDisposition), "{parameters}");
        }
    }

    #[test]
    fn a_folded_line_goes_on_with_the_one_before() {
        let head = b"Content-Disposition: form-data;\r\n name=\"f\";\r\n\tfilename=\"a\r\n b\"\r\n";
        let head = PartHead::parse(head).unwrap();
        assert_eq!(head.filename.as_deref(), Some(&b"a b"[..]));
        assert_eq!(PartHead::parse(b" name=f\r\n\r\n"), Err(FormError::BadField));
    }

    #[test]
    fn lines_that_are_no_fields_are_refused() {
        for head in ["--b--\r\n", ": x\r\n", "a b: c\r\n", "a : c\r\n", "a: b\rc\r\n"] {
            assert_eq!(PartHead::parse(head.as_bytes()), Err(FormError::BadField), "{head:?}");
        }
        for name in ["Content-Type", "content-disposition", "Content-Transfer-Encoding"] {
            let head = format!("{name}: binary\r\n{}: binary\r\n\r\n", name.to_uppercase());
            assert_eq!(PartHead::parse(head.as_bytes()), Err(FormError::RepeatedField), "{head}");
        }
    }

    #[test]
    fn only_bytes_as_they_are_may_follow() {
        let of = |encoding| {
            let head = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n");
            PartHead::parse(head.as_bytes())
        };
        for encoding in ["7bit", "8BIT", " Binary "] {
            assert_eq!(of(encoding), Ok(PartHead::default()), "{encoding}");
        }
        for encoding in ["base64", "quoted-printable", "gzip", ""] {
            assert_eq!(of(encoding), Err(FormError::Encoded), "{encoding}");
        }
    }

    #[test]
    fn sixteen_fields_are_enough() {
        let most = "X: 1\r\n".repeat(FORM_HEAD_MAX_FIELDS);
        assert_eq!(PartHead::parse(most.as_bytes()), Ok(PartHead::default()));
        let more = most + "X: 1\r\n";
        assert_eq!(PartHead::parse(more.as_bytes()), Err(FormError::TooManyFields));
    }
}
