//! What an HTTP request presents: a session's token in a cookie, a key in its Authorization field.
//!
//! Whoever drives a hub by hand gives the key as `curl -H "Authorization: Bearer KEY"` or as the
//! password of any user, `curl -u :KEY`. What is malformed is taken for nothing presented: the
//! answer is then the one that tells what is wanted.

use std::fmt;

use crate::base64;
use crate::limits::CREDENTIALS_MAX_BYTES;

/// What a request presents. Its `Debug` shows nothing of it.
///
/// ```
/// use sockeye_proto::access::credentials::Presented;
///
/// let bearer: &[u8] = b"Bearer sesame-street";
/// let cookies: &[u8] = b"theme=dark; sockeye-8080=abc.def";
/// let presented = Presented::read([bearer], [cookies], "sockeye-8080");
/// assert_eq!(presented.key.as_deref(), Some(&b"sesame-street"[..]));
/// assert_eq!(presented.token.as_deref(), Some(&b"abc.def"[..]));
///
/// // Any user, the key as the password: `curl -u ana:sesame-street`
/// let basic: &[u8] = b"Basic YW5hOnNlc2FtZS1zdHJlZXQ=";
/// let presented = Presented::read([basic], [], "sockeye-8080");
/// assert_eq!(presented.key.as_deref(), Some(&b"sesame-street"[..]));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Presented {
    /// The value of the cookie of the name that was asked for.
    pub token: Option<Vec<u8>>,
    /// A key, right or wrong.
    pub key: Option<Vec<u8>>,
}

impl Presented {
    /// Reads the values of a request's Authorization fields and of its Cookie fields, each without
    /// the white space around it; the cookie is the one of this name.
    pub fn read<'a>(
        authorizations: impl IntoIterator<Item = &'a [u8]>,
        cookies: impl IntoIterator<Item = &'a [u8]>,
        cookie_name: &str,
    ) -> Self {
        let mut authorizations = authorizations.into_iter();
        // There may be one (RFC 9110, section 11.6.2); of two, nobody can say which was meant.
        let key = match (authorizations.next(), authorizations.next()) {
            (Some(only), None) => key_in(only),
            _ => None,
        };
        let token = cookies.into_iter().find_map(|field| cookie_in(field, cookie_name.as_bytes()));
        Self { token: token.map(<[u8]>::to_vec), key }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("token", &self.token.as_ref().map(|_| ".."))
            .field("key", &self.key.as_ref().map(|_| ".."))
            .finish()
    }
}

/// A scheme, one or more spaces, and what it makes of the key (RFC 9110, section 11.4).
fn key_in(authorization: &[u8]) -> Option<Vec<u8>> {
    if authorization.len() > CREDENTIALS_MAX_BYTES {
        return None;
    }
    let space = authorization.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = authorization.split_at(space);
    let credentials = rest.trim_ascii_start();
    let key = if scheme.eq_ignore_ascii_case(b"Bearer") {
        bearer_token(credentials)?.to_vec()
    } else if scheme.eq_ignore_ascii_case(b"Basic") {
        password(credentials)?
    } else {
        return None;
    };
    (!key.is_empty()).then_some(key)
}

/// RFC 6750, section 2.1.
fn bearer_token(credentials: &[u8]) -> Option<&[u8]> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    credentials.iter().all(is_allowed).then_some(credentials)
}

/// What stands behind the first colon (RFC 7617, section 2); the user's name cannot hold one.
fn password(credentials: &[u8]) -> Option<Vec<u8>> {
    let mut pair = base64::decode(credentials)?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair.split_off(colon + 1))
}

/// The value of a cookie in a Cookie field (RFC 6265, section 4.2.1). Where there are several of
/// the name, the first has the longest path (section 5.4), and is ours.
fn cookie_in<'a>(field: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    field.split(|byte| *byte == b';').find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"=")?;
        let bare = match value {
            [b'"', bare @ .., b'"'] | bare => bare,
        };
        let is_allowed = |byte: &u8| byte.is_ascii_graphic() && !b"\",\\".contains(byte);
        (!bare.is_empty() && bare.len() <= CREDENTIALS_MAX_BYTES && bare.iter().all(is_allowed))
            .then_some(bare)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(authorization: &str) -> Option<String> {
        let presented = Presented::read([authorization.as_bytes()], [], "c");
        presented.key.map(|key| String::from_utf8(key).unwrap())
    }

    fn token(cookies: &[&str]) -> Option<String> {
        let fields = cookies.iter().map(|field| field.as_bytes());
        let presented = Presented::read([], fields, "sockeye-8080");
        presented.token.map(|token| String::from_utf8(token).unwrap())
    }

    #[test]
    fn a_key_comes_as_bearer_or_as_the_password_of_any_user() {
        for (field, said) in [
            ("Bearer sesame-street", "sesame-street"),
            ("bearer   sesame", "sesame"),
            ("BASIC OnNlc2FtZQ==", "sesame"),
            ("Basic YW5hOnNlc2FtZQ==", "sesame"),
            ("Basic YW5hOmE6Yg==", "a:b"),
        ] {
            assert_eq!(key(field).as_deref(), Some(said), "{field}");
        }
    }

    #[test]
    fn what_is_malformed_or_of_another_scheme_presents_nothing() {
        for field in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer two words",
            "Bearer sesame\u{e9}",
            "Basic",
            "Basic YW5hOnNlc2FtZQ",
            "Basic YW5h",
            "Basic YW5hOg==",
            "Basic YW5h OnNl",
            "Digest username=ana",
            "sesame-street",
            "Bearersesame street",
        ] {
            assert_eq!(key(field), None, "{field:?}");
        }
        assert_eq!(key(&format!("Bearer {}", "x".repeat(CREDENTIALS_MAX_BYTES))), None);
        let two = Presented::read([&b"Bearer a"[..], b"Bearer b"], [], "c");
        assert_eq!(two, Presented::default(), "of two, none is meant");
    }

    #[test]
    fn the_cookie_is_found_among_others_and_in_any_field() {
        for fields in [
            &["sockeye-8080=abc"][..],
            &["a=b; sockeye-8080=abc; c=d"],
            &["a=b;sockeye-8080=abc"],
            &["a=b", "sockeye-8080=abc"],
            &["sockeye-8080=\"abc\""],
            &["sockeye-8080=abc; sockeye-8080=def"],
            &["sockeye-8080=; sockeye-8080=abc"],
        ] {
            assert_eq!(token(fields).as_deref(), Some("abc"), "{fields:?}");
        }
    }

    #[test]
    fn the_cookie_of_another_port_is_another_cookie() {
        for field in [
            "",
            "sockeye-8080",
            "sockeye-80800=a",
            "sockeye-808=a",
            "xsockeye-8080=a",
            "Sockeye-8080=a",
            "sockeye-8080=a b",
        ] {
            assert_eq!(token(&[field]), None, "{field:?}");
        }
    }

    #[test]
    fn nothing_of_it_is_in_a_log() {
        let presented = Presented::read([&b"Bearer sesame"[..]], [&b"c=street"[..]], "c");
        let shown = format!("{presented:?}");
        assert!(!shown.contains("sesame") && !shown.contains("street"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_surprise(field: Vec<u8>, cookie: Vec<u8>) {
            let presented = Presented::read([&field[..]], [&cookie[..]], "c");
            prop_assert!(presented.key.is_none_or(|key| !key.is_empty() && key.len() < field.len()));
            prop_assert!(presented.token.is_none_or(|token| token.len() + 2 <= cookie.len()));
        }
    }
}
