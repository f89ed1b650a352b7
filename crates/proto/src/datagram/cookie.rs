//! Cookies: how an address proves that it receives what is sent to it.
//!
//! A cookie is a keyed hash of the address, the port and the time, so that the server needs to
//! remember nobody (the idea of RFC 4987, section 3.6, and RFC 7873). Who can send it back has
//! received it. It says nothing about who that is, and it is no secret from those on the path.

use core::net::{IpAddr, SocketAddr};
use std::fmt;

use crate::base64::{is_url_digit, url_128};
use crate::constant_time::is_equal;
use crate::limits::{COOKIE_CHARS, COOKIE_SLOT};
use crate::machine::Tick;

/// What stands between a request and its cookie.
const MARK: &[u8] = b" cookie=";

/// How many characters after the mark are still taken for an attempt at a cookie.
const ATTEMPT_MAX_CHARS: usize = 64;

/// The server's secret, random for each run; the caller brings it.
///
/// ```
/// use sockeye_proto::datagram::cookie::CookieKey;
/// use sockeye_proto::limits::COOKIE_SLOT;
/// use sockeye_proto::machine::Tick;
///
/// let key = CookieKey::new([7; 32]);
/// let ana = "192.0.2.1:4000".parse()?;
/// let cookie = key.make(ana, Tick::START);
/// assert!(key.is_valid(cookie.as_bytes(), ana, Tick::START + COOKIE_SLOT));
/// assert!(!key.is_valid(cookie.as_bytes(), ana, Tick::START + 2 * COOKIE_SLOT));
/// assert!(!key.is_valid(cookie.as_bytes(), "192.0.2.1:4001".parse()?, Tick::START));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct CookieKey([u8; 32]);

/// 22 characters of base64url: 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie([u8; COOKIE_CHARS]);

impl CookieKey {
    /// A key from 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The cookie of an address and port at this time.
    pub fn make(&self, from: SocketAddr, now: Tick) -> Cookie {
        self.of_slot(from, slot(now))
    }

    /// Whether a text is the address's cookie of this time slot or the one before. How long that
    /// takes tells nothing about how much of it is right.
    pub fn is_valid(&self, cookie: &[u8], from: SocketAddr, now: Tick) -> bool {
        let Ok(cookie) = <&[u8; COOKIE_CHARS]>::try_from(cookie) else { return false };
        let slot = slot(now);
        let is_of = |slot| is_equal(&self.of_slot(from, slot).0, cookie);
        let is_current = is_of(slot);
        let is_previous = slot.checked_sub(1).is_some_and(is_of);
        is_current | is_previous
    }

    fn of_slot(&self, from: SocketAddr, slot: u64) -> Cookie {
        let mut input = [0; 26];
        let (address, rest) = input.split_at_mut(16);
        let (port, time) = rest.split_at_mut(2);
        address.copy_from_slice(&address_bytes(from.ip()));
        port.copy_from_slice(&from.port().to_be_bytes());
        time.copy_from_slice(&slot.to_be_bytes());
        let hash = blake3::keyed_hash(&self.0, &input);
        let mut bits = [0; 16];
        bits.copy_from_slice(&hash.as_bytes()[..16]);
        Cookie(url_128(u128::from_be_bytes(bits)))
    }
}

impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieKey(..)")
    }
}

impl Cookie {
    /// Its characters.
    pub const fn as_bytes(&self) -> &[u8; COOKIE_CHARS] {
        &self.0
    }

    /// Reads the cookie that a server asks to be sent back: `COOKIE c`, and nothing after it.
    ///
    /// ```
    /// use sockeye_proto::datagram::cookie::Cookie;
    /// let asked = Cookie::read_demand(b"COOKIE AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    /// assert_eq!(asked.as_bytes(), b"AAAAAAAAAAAAAAAAAAAAAA");
    /// assert_eq!(Cookie::read_demand(b"COOKIE jar"), None);
    /// ```
    pub fn read_demand(text: &[u8]) -> Option<Self> {
        let cookie: [u8; COOKIE_CHARS] = text.strip_prefix(b"COOKIE ")?.try_into().ok()?;
        cookie.iter().copied().all(is_url_digit).then_some(Self(cookie))
    }

    /// Writes that demand at the end of `out`.
    pub fn write_demand(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"COOKIE ");
        out.extend_from_slice(&self.0);
    }

    /// Puts the cookie at the very end of a request's text, as a caller does.
    pub fn append_to(&self, request: &mut Vec<u8>) {
        request.extend_from_slice(MARK);
        request.extend_from_slice(&self.0);
    }
}

/// Parts a text from what was meant as a cookie at its very end, right or wrong; `None` if nothing
/// was.
pub(super) fn split_attempt(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_digit = |byte: &&u8| is_url_digit(**byte);
    let chars = text.iter().rev().take(ATTEMPT_MAX_CHARS + 1).take_while(is_digit).count();
    if chars > ATTEMPT_MAX_CHARS {
        return None;
    }
    let (before, attempt) = text.split_at(text.len() - chars);
    Some((before.strip_suffix(MARK)?, attempt))
}

fn slot(now: Tick) -> u64 {
    now.as_ns() / COOKIE_SLOT.as_nanos() as u64
}

/// One form for each address: a dual-stack socket shows IPv4 callers as mapped IPv6 (RFC 4291,
/// section 2.5.5.2), another as they are.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: CookieKey = CookieKey::new([1; 32]);

    fn ana() -> SocketAddr {
        "192.0.2.1:4000".parse().unwrap()
    }

    fn at(s: u64) -> Tick {
        Tick::from_ns(s * 1_000_000_000)
    }

    #[test]
    fn a_cookie_is_22_characters_that_need_no_escape() {
        let cookie = KEY.make(ana(), at(0));
        assert!(cookie.as_bytes().iter().copied().all(is_url_digit));
    }

    #[test]
    fn this_slot_and_the_one_before_are_valid_and_no_other() {
        let cookie = KEY.make(ana(), at(100));
        for (s, valid) in [(0, false), (59, false), (60, true), (179, true), (180, false)] {
            assert_eq!(KEY.is_valid(cookie.as_bytes(), ana(), at(s)), valid, "at {s} s");
        }
    }

    #[test]
    fn another_address_port_or_key_makes_another_cookie() {
        let cookie = KEY.make(ana(), at(0));
        for other in ["192.0.2.2:4000", "192.0.2.1:4001", "[2001:db8::1]:4000"] {
            let other = other.parse().unwrap();
            assert!(!KEY.is_valid(cookie.as_bytes(), other, at(0)), "{other}");
        }
        assert!(!CookieKey::new([2; 32]).is_valid(cookie.as_bytes(), ana(), at(0)));
    }

    #[test]
    fn an_ipv4_address_seen_through_a_dual_stack_socket_is_the_same() {
        let cookie = KEY.make(ana(), at(0));
        assert!(KEY.is_valid(cookie.as_bytes(), "[::ffff:192.0.2.1]:4000".parse().unwrap(), at(0)));
    }

    #[test]
    fn every_changed_character_makes_a_cookie_wrong() {
        let cookie = *KEY.make(ana(), at(0)).as_bytes();
        for i in 0..COOKIE_CHARS {
            for digit in (0..=u8::MAX).filter(|byte| is_url_digit(*byte)) {
                let mut changed = cookie;
                changed[i] = digit;
                assert_eq!(KEY.is_valid(&changed, ana(), at(0)), changed == cookie);
            }
        }
        assert!(!KEY.is_valid(&cookie[1..], ana(), at(0)));
        assert!(!KEY.is_valid(b"", ana(), at(0)));
    }

    #[test]
    fn what_was_meant_as_a_cookie_stands_at_the_very_end_after_one_space() {
        let attempt = |text: &'static str| split_attempt(text.as_bytes());
        assert_eq!(attempt("GET cookie=ab_-9"), Some((&b"GET"[..], &b"ab_-9"[..])));
        assert_eq!(attempt("GET cookie="), Some((&b"GET"[..], &b""[..])));
        assert_eq!(attempt(" cookie=a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(attempt("a cookie=b cookie=c"), Some((&b"a cookie=b"[..], &b"c"[..])));
        for text in ["", "GET", "cookie=a", "GET cookie=a ", "GET cookie=a.", "GET Cookie=a"] {
            assert_eq!(attempt(text), None, "{text:?}");
        }
        let long = format!("GET cookie={}", "a".repeat(ATTEMPT_MAX_CHARS + 1));
        assert_eq!(split_attempt(long.as_bytes()), None);
        assert!(split_attempt(&long.as_bytes()[..long.len() - 1]).is_some());
    }

    #[test]
    fn the_key_is_in_no_log() {
        assert_eq!(format!("{KEY:?}"), "CookieKey(..)");
    }
}
