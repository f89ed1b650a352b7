//! Addresses as the command line takes them: a URL whose scheme is the wire.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Why a text is no address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// There is no host in it.
    #[error("`{0}` names no host; write SCHEME://HOST:PORT, like http://127.0.0.1:8080")]
    NoHost(String),
    /// The scheme is none that this command knows.
    #[error("`{scheme}` is no wire of this command; it knows {known}")]
    UnknownScheme {
        /// What stood before `://`.
        scheme: String,
        /// What may stand there.
        known: String,
    },
    /// The port is not a number from 0 to 65535.
    #[error("`{0}` is no port; a port is a number from 0 to 65535")]
    BadPort(String),
    /// The host holds what no host can hold.
    #[error("`{0}` is no host; write a name, an IPv4 address, or an IPv6 address in [brackets]")]
    BadHost(String),
    /// A user name or password in the address.
    #[error("an address holds no user name: write it without what stands before `@`")]
    UserInfo,
}

/// A wire, a host, a port and what comes after.
///
/// ```
/// use sockeye_proto::address::{Address, Scheme};
/// let a = Address::parse("http://[::1]:8080/a%20b?x", &[Scheme::Http], Scheme::Http).unwrap();
/// assert_eq!((a.host.as_str(), a.port, a.path.as_str()), ("::1", Some(8080), "/a%20b?x"));
/// assert_eq!(a.to_string(), "http://[::1]:8080/a%20b?x");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The wire.
    pub scheme: Scheme,
    /// A name or an IP address, without brackets, in lower case.
    pub host: String,
    /// The port, if one was given.
    pub port: Option<u16>,
    /// From the first `/` on, with its query, as written; empty if there was none. A fragment is
    /// dropped: it is for the one who reads the address, not for the server.
    pub path: String,
}

/// The wires that addresses can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// HTTP/1.1 and HTTP/2 in the clear.
    Http,
    /// The same within TLS.
    Https,
    /// The service's plain wire over TCP.
    Tcp,
    /// The service's plain wire over UDP.
    Udp,
}

impl Scheme {
    /// As it stands before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Whether HTTP is spoken on it, encrypted or not.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

impl Address {
    /// Reads an address. A text without `://` gets the `default` scheme.
    pub fn parse(text: &str, known: &[Scheme], default: Scheme) -> Result<Self, AddressError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (known_scheme(scheme, known)?, rest),
            None => (default, text),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_len);
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        if authority.contains('@') {
            return Err(AddressError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err(AddressError::NoHost(shortened(text)));
        }
        Ok(Self {
            scheme,
            host: checked_host(host)?,
            port: port.map(checked_port).transpose()?,
            path,
        })
    }

    /// The host as an address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Host and port as they stand in a URL or a Host field; the port only if one was given.
    pub fn authority(&self) -> String {
        let host = if self.host.parse::<Ipv6Addr>().is_ok() {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// The last name in the path, decoded, without the query; `None` if the path ends in `/`.
    pub fn file_name(&self) -> Option<Vec<u8>> {
        let path = self.path.split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        let name: Vec<u8> = percent_decode_str(name).collect();
        (!name.is_empty()).then_some(name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

fn known_scheme(scheme: &str, known: &[Scheme]) -> Result<Scheme, AddressError> {
    known.iter().copied().find(|k| k.as_str().eq_ignore_ascii_case(scheme)).ok_or_else(|| {
        let known: Vec<String> = known.iter().map(|k| format!("{}://", k.as_str())).collect();
        AddressError::UnknownScheme { scheme: shortened(scheme), known: known.join(", ") }
    })
}

/// Splits `host:port`, where an IPv6 host stands in brackets or bare (then without a port).
fn split_port(authority: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) =
            rest.split_once(']').ok_or_else(|| AddressError::BadHost(shortened(authority)))?;
        let host_is_v6 = host.split('%').next().unwrap_or(host).parse::<Ipv6Addr>().is_ok();
        return match (host_is_v6, after.strip_prefix(':')) {
            (true, Some(port)) => Ok((host, Some(port))),
            (true, None) if after.is_empty() => Ok((host, None)),
            (false, _) | (true, None) => Err(AddressError::BadHost(shortened(authority))),
        };
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Ok((authority, None));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn checked_host(host: &str) -> Result<String, AddressError> {
    // A scope such as `%eth0` says through which interface a link-local address is reached.
    let is_v6 = host.split('%').next().unwrap_or(host).parse::<Ipv6Addr>().is_ok();
    let is_name = host.len() <= 253
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if is_v6 || is_name {
        Ok(host.to_lowercase())
    } else {
        Err(AddressError::BadHost(shortened(host)))
    }
}

fn checked_port(port: &str) -> Result<u16, AddressError> {
    // `parse` alone would take a leading plus.
    if port.bytes().all(|b| b.is_ascii_digit())
        && let Ok(port) = port.parse()
    {
        return Ok(port);
    }
    Err(AddressError::BadPort(shortened(port)))
}

/// What an error quotes of a text from outside.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    crate::printable::Printable(short.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Scheme] = &[Scheme::Http, Scheme::Tcp];

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, KNOWN, Scheme::Http)
    }

    #[test]
    fn scheme_and_port_may_be_left_out() {
        let a = parse("Example.local/x").unwrap();
        assert_eq!((a.scheme, a.host.as_str(), a.port), (Scheme::Http, "example.local", None));
        assert_eq!(parse("tcp://h:7").unwrap().port, Some(7));
        assert_eq!(parse("::1").unwrap().to_string(), "http://[::1]");
        assert!(parse("fe80::1%eth0").unwrap_err().to_string().contains("[brackets]"));
        assert_eq!(parse("[fe80::1%eth0]:1/").unwrap().host, "fe80::1%eth0");
    }

    #[test]
    fn what_is_no_address_says_so() {
        let cases = [
            ("", "names no host"),
            ("http://", "names no host"),
            ("http:///x", "names no host"),
            ("gopher://h", "knows http://, tcp://"),
            ("http://h:99999", "no port"),
            ("http://h:+80", "no port"),
            ("http://h:80:80", "no host"),
            ("http://[::1", "no host"),
            ("http://[::1]x", "no host"),
            ("http://a b/", "no host"),
            ("http://me:pw@h/", "no user name"),
        ];
        for (text, part) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_name_to_save_under_is_decoded_and_without_query() {
        let name = |text: &str| parse(text).unwrap().file_name();
        assert_eq!(name("http://h/a/b%20c.txt?zip#k"), Some(b"b c.txt".to_vec()));
        assert_eq!(name("http://h/a/"), None);
        assert_eq!(name("http://h"), None);
    }

    #[test]
    fn https_is_a_wire_of_its_own() {
        let known = [Scheme::Http, Scheme::Https];
        let a = Address::parse("HTTPS://h:8443/x", &known, Scheme::Http).unwrap();
        assert_eq!((a.scheme, a.to_string()), (Scheme::Https, "https://h:8443/x".to_owned()));
        assert!(parse("https://h").is_err());
    }

    #[test]
    fn a_fragment_is_dropped() {
        assert_eq!(parse("http://h/a#k=SECRET").unwrap().path, "/a");
    }
}
