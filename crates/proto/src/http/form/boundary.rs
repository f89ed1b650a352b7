//! The boundary between a form's parts, as the request's Content-Type names it.

use super::parameters::{Value, only, parameters};
use crate::limits::FORM_BOUNDARY_MAX_BYTES;

/// What stands between the parts of a form, without the dashes before it: 1 to
/// [`FORM_BOUNDARY_MAX_BYTES`] of RFC 2046's `bchars`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// Its text.
    ///
    /// ```
    /// use sockeye_proto::http::form::boundary_of;
    ///
    /// let boundary = boundary_of("multipart/form-data; boundary=\"a b\"").unwrap();
    /// assert_eq!(boundary.as_str(), "a b");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The boundary of a body with this Content-Type; none if it is no `multipart/form-data`, or if it
/// names no boundary, a malformed one or several (RFC 7578 section 4.1, RFC 2046 section 5.1.1).
///
/// Without quotes a boundary may hold what only quotes would allow, as several clients write it,
/// except for a space.
///
/// ```
/// use sockeye_proto::http::form::boundary_of;
///
/// let browser = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW";
/// assert_eq!(boundary_of(browser).unwrap().as_str(), "----WebKitFormBoundary7MA4YWxkTrZu0gW");
/// assert_eq!(boundary_of("application/x-www-form-urlencoded"), None);
/// ```
pub fn boundary_of(content_type: &str) -> Option<Boundary> {
    let media_type_end = content_type.find(';')?;
    let (media_type, rest) = content_type.split_at(media_type_end);
    if !media_type.trim_ascii().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = only(&parameters(rest.as_bytes())?, b"boundary").ok()??;
    if matches!(value, Value::Token(text) if text.contains(&b' ')) {
        return None;
    }
    let text = String::from_utf8(value.text()).ok()?;
    let is_boundary = (1..=FORM_BOUNDARY_MAX_BYTES).contains(&text.len())
        && text.bytes().all(is_boundary_byte)
        && !text.ends_with(' ');
    is_boundary.then_some(Boundary(text))
}

/// RFC 2046 section 5.1.1, `bchars`.
fn is_boundary_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary(content_type: &str) -> Option<String> {
        boundary_of(content_type).map(|boundary| boundary.0)
    }

    #[test]
    fn the_boundary_is_found_in_any_order_case_and_writing() {
        for content_type in [
            "multipart/form-data; boundary=ab-1",
            "multipart/form-data;boundary=\"ab-1\"",
            "MULTIPART/Form-Data ; charset=utf-8 ; BOUNDARY=ab-1",
            "multipart/form-data; boundary=ab-1; x=\"; boundary=no\"",
        ] {
            assert_eq!(boundary(content_type).as_deref(), Some("ab-1"), "{content_type}");
        }
        let all = "0Az'()+_,-./:=?";
        let quoted = format!("multipart/form-data; boundary=\"{all} {all}\"");
        assert_eq!(boundary(&quoted), Some(format!("{all} {all}")));
        let bare = "multipart/form-data; boundary=----=_Part_1:2/3";
        assert_eq!(boundary(bare).as_deref(), Some("----=_Part_1:2/3"));
    }

    #[test]
    fn another_type_or_no_boundary_or_two_is_no_form() {
        for content_type in [
            "",
            "multipart/form-data",
            "multipart/form-data;",
            "multipart/form-data; boundary",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\"a",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=a, multipart/form-data; x=b",
            "multipart/form-data; boundary=\"a \"",
            "multipart/form-data; boundary=a*b",
            "multipart/form-data; boundary=\"a\\\"b\"",
            "multipart/form-data; boundary=ü",
            "multipart/form-datum; boundary=a",
            "multipart/mixed; boundary=a",
            "text/plain; boundary=a",
        ] {
            assert_eq!(boundary(content_type), None, "{content_type}");
        }
    }

    #[test]
    fn a_boundary_has_at_most_seventy_bytes() {
        let longest = "b".repeat(FORM_BOUNDARY_MAX_BYTES);
        let of = |text: &str| boundary(&format!("multipart/form-data; boundary={text}"));
        assert_eq!(of(&longest), Some(longest.clone()));
        assert_eq!(of(&(longest + "b")), None);
    }
}
