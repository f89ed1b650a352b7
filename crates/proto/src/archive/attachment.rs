//! What a download is called: the value of Content-Disposition (RFC 6266).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands as it is in an extended value: `attr-char` of RFC 8187, section 3.2.1.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The value of Content-Disposition that has `name` saved: once in ASCII for who reads no more, and
/// once as it is (RFC 6266, section 4.3 and appendix D). What could end the quotes, be taken for an
/// escape or lead into a folder becomes `_` in the first.
///
/// ```
/// use sockeye_proto::archive::attachment::disposition;
///
/// assert_eq!(
///     disposition("Été \"24\".zip"),
///     "attachment; filename=\"_t_ _24_.zip\"; filename*=UTF-8''%C3%89t%C3%A9%20%2224%22.zip"
/// );
/// ```
pub fn disposition(name: &str) -> String {
    let plain = |c: char| if is_plain(c) { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let exact = utf8_percent_encode(name, NOT_ATTR_CHAR);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{exact}")
}

fn is_plain(c: char) -> bool {
    (' '..='~').contains(&c) && !matches!(c, '"' | '\\' | '%' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_makes_a_field_that_can_be_sent() {
        let hostile = "a\r\nSet-Cookie: b=\"; \\ %41 ../ \u{202e}🐟.tar";
        let said = disposition(hostile);
        assert!(said.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{said}");
        assert_eq!(said.matches('"').count(), 2, "{said}");
        assert!(!said.contains('\\'), "{said}");
    }
}
