//! What becomes of who speaks plain HTTP where TLS is spoken.
//!
//! People type addresses without a scheme, and browsers then try http. On a port that speaks TLS
//! alone such a request is told where to go: the same host, port and path, by https. The first byte
//! tells the two apart: a TLS connection begins with a handshake record (RFC 8446, section 5.1),
//! whose type is no letter.

use super::guard::is_well_formed_host;

/// The type of the record that a TLS connection begins with (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// Where http listens whose URL has no port (RFC 9110, section 4.2.1).
const HTTP_PORT: u16 = 80;

/// Whether a connection that begins with this byte speaks TLS.
pub fn is_tls(first: u8) -> bool {
    first == HANDSHAKE
}

/// How many bytes of these are the request's head, once it is there to its end.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    // A lone LF ends a line too (RFC 9112, section 2.2).
    let ends =
        |end: &[u8]| bytes.windows(end.len()).position(|w| w == end).map(|at| at + end.len());
    ends(b"\r\n\r\n").into_iter().chain(ends(b"\n\n")).min()
}

/// A plain request, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// Method and target, as they were asked.
    pub asked: String,
    /// Where it is sent on to; `None` where it does not name a host, or no path.
    pub location: Option<String>,
    /// Whether it must be answered without a body.
    pub is_head: bool,
}

impl Plain {
    /// Reads the head of a request. It is sent on only if it has a path for its target, and one
    /// Host field that is well-formed; the path is repeated as it is.
    ///
    /// ```
    /// use sockeye_proto::http::plain::Plain;
    ///
    /// let plain = Plain::read(b"GET /a?b HTTP/1.1\r\nHost: hub:8080\r\n\r\n");
    /// assert_eq!(plain.location.as_deref(), Some("https://hub:8080/a?b"));
    /// ```
    pub fn read(head: &[u8]) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let mut words = lines.next().unwrap_or_default().split(' ');
        let [method, target, version] = [(); 3].map(|()| words.next().unwrap_or_default());
        let hosts: Vec<&str> = lines.take_while(|line| !line.is_empty()).filter_map(host).collect();
        let is_request = is_token(method)
            && version.starts_with("HTTP/1.")
            && words.next().is_none()
            && is_path(target);
        let location = match hosts.as_slice() {
            [host] if is_request && is_well_formed_host(host) => {
                // Without a port, which may also be there and empty, the schemes mean different ones.
                let host = host.strip_suffix(':').unwrap_or(host);
                let port = if has_port(host) { String::new() } else { format!(":{HTTP_PORT}") };
                Some(format!("https://{host}{port}{target}"))
            }
            _ => None,
        };
        let asked = format!("{method} {target}").trim_end().to_owned();
        Self { asked, location, is_head: method == "HEAD" }
    }
}

/// The value of a Host field.
fn host(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case("host").then(|| value.trim_matches([' ', '\t']))
}

fn has_port(host: &str) -> bool {
    let after_address = host.rfind(']').map_or(0, |end| end + 1);
    host[after_address..].contains(':')
}

/// The form of a target that browsers and curl send (RFC 9112, section 3.2.1), of characters that a
/// URL is made of.
fn is_path(target: &str) -> bool {
    target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_token(method: &str) -> bool {
    !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn location(head: &str) -> Option<String> {
        Plain::read(head.as_bytes()).location
    }

    #[test]
    fn the_same_host_port_and_path_by_https() {
        let to = |host: &str| location(&format!("GET /a%20b?c=d HTTP/1.1\r\nHost:{host}\r\n\r\n"));
        assert_eq!(to(" hub:8080 ").as_deref(), Some("https://hub:8080/a%20b?c=d"));
        assert_eq!(to("[::1]:8443").as_deref(), Some("https://[::1]:8443/a%20b?c=d"));
        assert_eq!(to("[::1]").as_deref(), Some("https://[::1]:80/a%20b?c=d"));
        assert_eq!(to("hub").as_deref(), Some("https://hub:80/a%20b?c=d"));
        assert_eq!(to("hub:").as_deref(), Some("https://hub:80/a%20b?c=d"));
        let bare = location("HEAD / HTTP/1.0\nhost: hub:1\n\n");
        assert_eq!(bare.as_deref(), Some("https://hub:1/"));
    }

    #[test]
    fn who_names_no_host_or_no_path_is_sent_nowhere() {
        let heads = [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: \r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /ü HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
            "SEND_TIME\r\n\r\n",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n",
        ];
        for head in heads {
            assert_eq!(location(head), None, "{head:?}");
        }
    }

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        assert_eq!(head_length(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
        assert_eq!(head_length(b"a\r\n\r\nb\n\n"), Some(5));
        assert_eq!(head_length(b"a\n\nb\r\n\r\n"), Some(3));
    }

    #[test]
    fn a_letter_begins_no_tls() {
        assert!(is_tls(0x16) && !is_tls(b'G') && !is_tls(0x80));
    }

    proptest! {
        #[test]
        fn where_it_leads_is_one_line_of_a_url(head in "(GET /\\PC{0,20} HTTP/1.1\r\n)?(Host:\\PC{0,20}\r\n)?[\\s\\S]{0,40}") {
            if let Some(location) = location(&head) {
                prop_assert!(location.starts_with("https://"));
                prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{}", location);
            }
        }
    }
}
