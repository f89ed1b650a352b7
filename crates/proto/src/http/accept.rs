//! In which form a client would like an answer (RFC 9110 section 12).
//!
//! A folder, a list of notes or an error can be told as a page, as JSON or as plain text. Browsers,
//! programs and people with curl are told apart by what they say in Accept, never by their name.

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// HTML, for a browser.
    Page,
    /// JSON, for a program.
    Json,
    /// Plain text, for a terminal and for whoever did not say.
    Text,
}

/// How much something is wanted, in thousandths: RFC 9110 section 12.4.2 allows three decimals.
type Quality = u16;

/// Decides the form of an answer from the Accept field (RFC 9110 section 12.5.1), whose several
/// values are joined by commas.
///
/// HTML and JSON are sent to those who name them and want nothing else more; of equals JSON comes
/// first, then HTML. All others get text, even those who say they want none of the three, for an
/// answer in the wrong form still tells more than status 406. Malformed elements are ignored.
///
/// ```
/// use sockeye_proto::http::accept::{Wanted, negotiate};
///
/// assert_eq!(negotiate(Some("text/html,application/xml;q=0.9,*/*;q=0.8")), Wanted::Page);
/// assert_eq!(negotiate(Some("application/json")), Wanted::Json);
/// assert_eq!(negotiate(Some("*/*")), Wanted::Text);
/// ```
pub fn negotiate(accept: Option<&str>) -> Wanted {
    let elements = Element::list(accept.unwrap_or_default());
    let named = |name| quality_of(&elements, name);
    let html = named("text/html").max(named("application/xhtml+xml")).unwrap_or(0);
    let json = named("application/json").unwrap_or(0);
    // Of several ranges that hold text/plain the closest counts (RFC 9110 section 12.5.1).
    let text = named("text/plain").or_else(|| named("text/*")).or_else(|| named("*/*"));
    let text = text.unwrap_or(0);
    if json > 0 && json >= html && json >= text {
        Wanted::Json
    } else if html > 0 && html >= text {
        Wanted::Page
    } else {
        Wanted::Text
    }
}

/// Whether the answer may be compressed by gzip, from the Accept-Encoding field (RFC 9110 section
/// 12.5.3), whose several values are joined by commas.
///
/// Without the field any coding would be allowed, but who does not speak of codings seldom decodes
/// them, so the answer is no.
///
/// ```
/// use sockeye_proto::http::accept::accepts_gzip;
///
/// assert!(accepts_gzip(Some("gzip, deflate, br")));
/// assert!(!accepts_gzip(Some("gzip;q=0, *")));
/// assert!(!accepts_gzip(None));
/// ```
pub fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let elements = Element::list(accept_encoding.unwrap_or_default());
    let named = |name| quality_of(&elements, name);
    // The old name counts as the new one (RFC 9110 section 8.4.1.3).
    let gzip = named("gzip").max(named("x-gzip")).or_else(|| named("*"));
    gzip.is_some_and(|quality| quality > 0)
}

/// How much `name` is wanted by the elements that name it; none if there is none.
fn quality_of(elements: &[Element<'_>], name: &str) -> Option<Quality> {
    let naming = elements.iter().filter(|element| element.name.eq_ignore_ascii_case(name));
    naming.map(|element| element.quality).max()
}

/// One element of a list of preferences: a name, and how much it is wanted.
struct Element<'a> {
    name: &'a str,
    quality: Quality,
}

impl<'a> Element<'a> {
    /// The well-formed elements of a list (RFC 9110 section 5.6.1).
    fn list(text: &'a str) -> Vec<Self> {
        split_unquoted(text, b',').filter_map(Self::parse).collect()
    }

    /// Reads a name with its parameters, of which only the weight is kept; none if it is malformed.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = split_unquoted(text, b';');
        let name = parts.next()?.trim_matches([' ', '\t']);
        let is_token = |part: &str| !part.is_empty() && part.bytes().all(is_token_byte);
        if !name.splitn(2, '/').all(is_token) {
            return None;
        }
        let mut quality = 1000;
        for parameter in parts {
            let Some((key, value)) = parameter.split_once('=') else { continue };
            if key.trim_matches([' ', '\t']).eq_ignore_ascii_case("q") {
                quality = parse_quality(value.trim_matches([' ', '\t']))?;
            }
        }
        Some(Self { name, quality })
    }
}

/// Reads `0` to `1` with at most three decimals (RFC 9110 section 12.4.2), in thousandths.
fn parse_quality(text: &str) -> Option<Quality> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: Quality = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Splits at every `separator` that does not stand in a quoted string (RFC 9110 section 5.6.4).
pub(crate) fn split_unquoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = whole.bytes().position(|byte| {
            quoted ^= byte == b'"' && !escaped;
            escaped = quoted && !escaped && byte == b'\\';
            byte == separator && !quoted
        });
        rest = end.map(|end| &whole[end + 1..]);
        Some(&whole[..end.unwrap_or(whole.len())])
    })
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(accept: &str) -> Wanted {
        negotiate(Some(accept))
    }

    #[test]
    fn browsers_get_a_page() {
        for accept in [
            // Firefox, Chrome and lynx.
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
             image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            "text/html, text/plain, text/sgml, text/css, */*;q=0.01",
            "application/xhtml+xml",
            "TEXT/HTML",
            "text/html;level=1",
            "text/html ; Q=0.1",
            "text/html, application/json;q=0.9",
        ] {
            assert_eq!(wanted(accept), Wanted::Page, "{accept}");
        }
    }

    #[test]
    fn programs_that_name_json_get_json() {
        for accept in [
            "application/json",
            "application/json, text/plain, */*",
            "application/json, text/html",
            "text/html;q=0.5, application/json;q=0.5",
            "Application/JSON;charset=utf-8",
            "application/json;q=0.001",
        ] {
            assert_eq!(wanted(accept), Wanted::Json, "{accept}");
        }
    }

    #[test]
    fn all_others_get_text() {
        assert_eq!(negotiate(None), Wanted::Text);
        let odd = [
            "",
            "text/plain, text/html;q=0.9",
            "*/*, text/html;q=0.5",
            "text/*, application/json;q=0.5",
        ];
        let list = "*/* text/plain text/* application/* image/png text/html;q=0 \
             application/json;q=0.0 application/jsonx application/xml";
        for accept in list.split(' ').chain(odd) {
            assert_eq!(wanted(accept), Wanted::Text, "{accept}");
        }
    }

    #[test]
    fn the_closest_range_decides_how_much_text_is_wanted() {
        assert_eq!(wanted("*/*, text/plain;q=0.1, text/html;q=0.5"), Wanted::Page);
        assert_eq!(wanted("*/*;q=0.1, text/*;q=0.7, text/html;q=0.5"), Wanted::Text);
    }

    #[test]
    fn malformed_elements_are_ignored() {
        let odd = ["text /html"];
        let list = "text/html;q=1.1 text/html;q=2 text/html;q=0.1234 text/html;q= text/html;q=-1 \
             text/html;q=1.001 text/html;q=.5 text/html;q=\"1\" text/html;q=0,5x text/html/x \
             html text/ /html \"text/html\" text/html;q=é";
        for accept in list.split(' ').chain(odd) {
            assert_eq!(wanted(accept), Wanted::Text, "{accept}");
        }
        assert_eq!(wanted(",;, text/html;q=x, application/json;q=0.3,"), Wanted::Json);
    }

    #[test]
    fn a_comma_in_a_quoted_string_separates_nothing() {
        assert_eq!(wanted("image/png;a=\"x, application/json\""), Wanted::Text);
        assert_eq!(wanted("image/png;a=\"\\\", application/json\""), Wanted::Text);
        assert_eq!(wanted("image/png;a=\"\\\\\", application/json"), Wanted::Json);
        assert_eq!(wanted("text/html;a=\";q=0\""), Wanted::Page);
    }

    #[test]
    fn gzip_is_used_only_for_those_who_accept_it() {
        for accept in ["gzip", "GZIP", "x-gzip", "deflate, gzip;q=0.5", "*", "identity, *;q=0.1"] {
            assert!(accepts_gzip(Some(accept)), "{accept}");
        }
        for accept in
            ["", "identity", "br", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzipped", "gzip;q=x"]
        {
            assert!(!accepts_gzip(Some(accept)), "{accept}");
        }
        assert!(!accepts_gzip(None));
    }

    #[test]
    fn a_quality_has_at_most_three_decimals() {
        for (text, quality) in [("1", 1000), ("1.", 1000), ("1.000", 1000), ("0", 0), ("0.5", 500)]
        {
            assert_eq!(parse_quality(text), Some(quality), "{text}");
        }
        assert_eq!(parse_quality("0.009"), Some(9));
        assert_eq!(parse_quality(""), None);
    }

    proptest! {
        #[test]
        fn nothing_but_a_name_gets_html_or_json(accept in "[a-z/*,; =q.0-9\"]{0,40}|\\PC{0,40}") {
            let lower = accept.to_ascii_lowercase();
            match wanted(&accept) {
                Wanted::Page => prop_assert!(lower.contains("html")),
                Wanted::Json => prop_assert!(lower.contains("application/json")),
                Wanted::Text => {}
            }
            if accepts_gzip(Some(&accept)) {
                prop_assert!(lower.contains("gzip") || lower.contains('*'));
            }
        }

        #[test]
        fn the_higher_weight_wins(
            html in 0_u16..=1000, json in 0_u16..=1000, text in 0_u16..=1000,
        ) {
            let weight = |q: u16| format!("q={}.{:03}", q / 1000, q % 1000);
            let accept = format!(
                "text/plain;{}, text/html;{},application/json;{}",
                weight(text), weight(html), weight(json)
            );
            let best = html.max(json).max(text);
            let expected = match best {
                0 => Wanted::Text,
                _ if json == best => Wanted::Json,
                _ if html == best => Wanted::Page,
                _ => Wanted::Text,
            };
            prop_assert_eq!(wanted(&accept), expected, "{}", accept);
        }
    }
}
