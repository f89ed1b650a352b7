//! Whether a request may come in at all: web pages cannot drive a hub.
//!
//! A browser inside the network will send a hub whatever a page from elsewhere tells it to. Two
//! things betray such a request: the name that it was sent to (a page that rebinds its own name to
//! our address still says its name in Host) and where it came from (Origin, Sec-Fetch-Site). Here
//! these fields' texts are judged; the HTTP library has read them, and nothing else is looked at.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeSet;

/// The names that a hub answers to, besides IP addresses and `localhost`.
///
/// They are compared without regard to case (RFC 9110 section 4.2.3), and with or without the dot
/// that ends a full domain name. An internationalised name is given in its `xn--` form, as it
/// arrives on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames {
    names: BTreeSet<String>,
}

impl HostNames {
    /// The names given; empty ones count for nothing.
    ///
    /// ```
    /// use sockeye_proto::http::guard::{Asked, HostNames, admit};
    ///
    /// let names = HostNames::new(["Hub.local".to_owned()]);
    /// let asked = Asked { safe_method: true, hosts: &["hub.local:8080"], ..Asked::default() };
    /// assert_eq!(admit(&asked, &names), Ok(()));
    /// ```
    pub fn new<I: IntoIterator<Item = String>>(names: I) -> Self {
        let normal = names.into_iter().map(|name| without_last_dot(&name).to_ascii_lowercase());
        Self { names: normal.filter(|name| !name.is_empty()).collect() }
    }

    /// Whether `host`, which [`Authority::parse`] made lower case, is ours.
    fn include(&self, host: &Host) -> bool {
        match host {
            Host::Address => true,
            Host::Name(name) => {
                let name = without_last_dot(name);
                name == "localhost" || self.names.contains(name)
            }
        }
    }
}

/// What a request says about where it is going and where it comes from.
///
/// A field that stands several times and should not is handed in with its values joined by `, `,
/// which matches nothing; only Host is handed in as a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The method is GET or HEAD, which change nothing here (RFC 9110 section 9.2.1).
    pub safe_method: bool,
    /// The request wants to become a WebSocket, which CORS does not hold back (RFC 6455 section
    /// 10.2).
    pub web_socket: bool,
    /// The request is HTTP/1.0, which had no Host.
    pub http10: bool,
    /// Every Host field; or, where the target or `:authority` names one, that authority alone.
    pub hosts: &'a [&'a str],
    /// The Origin field (RFC 6454 section 7).
    pub origin: Option<&'a str>,
    /// The Sec-Fetch-Site field (W3C Fetch Metadata).
    pub sec_fetch_site: Option<&'a str>,
    /// The Referer field (RFC 9110 section 10.1.3).
    pub referer: Option<&'a str>,
}

/// Why a request is not let in; the text is for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no Host, and the version is one that must have it.
    #[error("the request has no Host field; HTTP/1.1 needs one, such as Host: localhost")]
    NoHost,
    /// There is more than one Host.
    #[error("the request has several Host fields; send one")]
    SeveralHosts,
    /// The Host is no `host` or `host:port`.
    #[error("the Host field is malformed; send a name or an address, and a port if need be")]
    BadHost,
    /// The Host is a name that this hub does not answer to.
    #[error(
        "this hub does not answer to that name; use its IP address, or start it with --host NAME"
    )]
    ForeignHost,
    /// A page from elsewhere asked for more than to read.
    #[error("a page from another site may not do this; open the hub's own page")]
    ForeignOrigin,
    /// The browser says that another site caused the request.
    #[error("another site caused this request, and may not; open the hub's own page")]
    CrossSite,
}

impl Refusal {
    /// The status code of the answer (RFC 9110 section 15.5): 400, 403 or 421.
    ///
    /// ```
    /// assert_eq!(sockeye_proto::http::guard::Refusal::ForeignHost.status(), 421);
    /// ```
    pub fn status(&self) -> u16 {
        match self {
            Self::NoHost | Self::SeveralHosts | Self::BadHost => 400,
            Self::ForeignHost => 421,
            Self::ForeignOrigin | Self::CrossSite => 403,
        }
    }
}

/// Decides whether a request may come in.
///
/// Host must be an IP address, `localhost` or one of `names`, each with a port or without
/// (RFC 9110 section 7.2, RFC 9112 section 3.2); only HTTP/1.0 may leave it out. For methods other
/// than GET and HEAD, and for WebSockets, Origin must be absent or equal to Host, and
/// Sec-Fetch-Site absent, `none` or `same-origin`.
///
/// Host does not tell the scheme, so where it has no port it takes the default of Origin's scheme.
///
/// ```
/// use sockeye_proto::http::guard::{Asked, HostNames, Refusal, admit};
///
/// let post = Asked { hosts: &["10.0.0.5:8080"], ..Asked::default() };
/// assert_eq!(admit(&post, &HostNames::default()), Ok(()));
///
/// let forged = Asked { origin: Some("https://evil.example"), ..post };
/// assert_eq!(admit(&forged, &HostNames::default()), Err(Refusal::ForeignOrigin));
/// ```
///
/// # Errors
/// The first [`Refusal`] that applies, Host before Origin before Sec-Fetch-Site.
pub fn admit(asked: &Asked<'_>, names: &HostNames) -> Result<(), Refusal> {
    let host = match asked.hosts {
        [] if asked.http10 => None,
        [] => return Err(Refusal::NoHost),
        [text] => Some(Authority::parse(text).ok_or(Refusal::BadHost)?),
        _ => return Err(Refusal::SeveralHosts),
    };
    if host.as_ref().is_some_and(|authority| !names.include(&authority.host)) {
        return Err(Refusal::ForeignHost);
    }
    if asked.safe_method && !asked.web_socket {
        return Ok(());
    }
    if asked.origin.is_some_and(|origin| !is_same_origin(parse_origin(origin), host.as_ref())) {
        return Err(Refusal::ForeignOrigin);
    }
    match asked.sec_fetch_site.map(str::trim_ascii) {
        None | Some("none" | "same-origin") => Ok(()),
        Some(_) => Err(Refusal::CrossSite),
    }
}

/// Whether a Host field is well-formed, whichever host it names (RFC 9110, section 7.2).
///
/// ```
/// use sockeye_proto::http::guard::is_well_formed_host;
///
/// assert!(is_well_formed_host("hub.example:8080") && is_well_formed_host("[::1]"));
/// assert!(!is_well_formed_host("a b") && !is_well_formed_host(""));
/// ```
pub fn is_well_formed_host(text: &str) -> bool {
    Authority::parse(text).is_some()
}

/// Who may embed a file that we serve: the value of Cross-Origin-Resource-Policy (Fetch standard,
/// section 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourcePolicy {
    /// Only pages of this same origin.
    SameOrigin,
    /// Pages of any origin.
    CrossOrigin,
}

impl ResourcePolicy {
    /// The field's value.
    ///
    /// ```
    /// use sockeye_proto::http::guard::ResourcePolicy;
    ///
    /// assert_eq!(ResourcePolicy::SameOrigin.value(), "same-origin");
    /// ```
    pub fn value(self) -> &'static str {
        match self {
            Self::SameOrigin => "same-origin",
            Self::CrossOrigin => "cross-origin",
        }
    }
}

/// Decides who may embed the answer to this request. `is_page_part` says that it is of a kind that
/// pages are made of: a picture, sound, film, font, style sheet or script.
///
/// Other sites may not. But a shared HTML page runs in a sandbox whose origin is opaque, so that
/// its own pictures count as another site's, and Referrer Policy lets it send no Referer. So what a
/// page can be made of is withheld only from who is known to be foreign: a Referer that is not ours.
/// Everything else, documents and data, is withheld unless Referer is ours, for no page from
/// elsewhere can make a browser say so.
///
/// ```
/// use sockeye_proto::http::guard::{Asked, ResourcePolicy, resource_policy};
///
/// let asked = Asked { safe_method: true, hosts: &["hub:8080"], ..Asked::default() };
/// assert_eq!(resource_policy(&asked, false), ResourcePolicy::SameOrigin);
/// assert_eq!(resource_policy(&asked, true), ResourcePolicy::CrossOrigin);
///
/// let foreign = Asked { referer: Some("http://elsewhere/"), ..asked };
/// assert_eq!(resource_policy(&foreign, true), ResourcePolicy::SameOrigin);
/// ```
pub fn resource_policy(asked: &Asked<'_>, is_page_part: bool) -> ResourcePolicy {
    let Some(referer) = asked.referer else {
        return if is_page_part { ResourcePolicy::CrossOrigin } else { ResourcePolicy::SameOrigin };
    };
    let host = match asked.hosts {
        [text] => Authority::parse(text),
        _ => None,
    };
    // A fragment or user information is never sent in Referer; the latter does not parse below.
    let page = referer.trim_ascii().split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        origin_of(scheme, authority)
    });
    if is_same_origin(page, host.as_ref()) {
        ResourcePolicy::CrossOrigin
    } else {
        ResourcePolicy::SameOrigin
    }
}

/// What Host holds: a host and perhaps a port.
struct Authority {
    host: Host,
    /// The host as it was written, in lower case.
    text: String,
    port: Option<u16>,
}

enum Host {
    /// An IPv4 address in four plain decimal numbers, or an IPv6 address in brackets.
    Address,
    /// Anything else that is well-formed, in lower case.
    Name(String),
}

impl Authority {
    /// Reads `uri-host [":" port]` (RFC 9110 section 7.2); none if it is malformed.
    fn parse(text: &str) -> Option<Self> {
        let (host_text, port) = split_port(text)?;
        let lower = host_text.to_ascii_lowercase();
        let host = if let Some(bracketed) = host_text.strip_prefix('[') {
            // The parser knows no zone, and one has no place in a URL (RFC 9844).
            bracketed.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?;
            Host::Address
        } else if host_text.parse::<Ipv4Addr>().is_ok() {
            Host::Address
        } else if is_reg_name(host_text) {
            Host::Name(lower.clone())
        } else {
            return None;
        };
        Some(Self { host, text: lower, port })
    }
}

/// Parts a host from its port. The port is 0 to 65535 in digits; a colon with nothing after it is
/// the default port (RFC 3986 section 3.2.3).
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_length = match text.find(']') {
        Some(bracket) => bracket + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, after) = text.split_at(host_length);
    let port = match after.strip_prefix(':') {
        None if after.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        _ => return None,
    };
    Some((host, port))
}

/// Whether this is a `reg-name` (RFC 3986 section 3.2.2) that is not empty.
fn is_reg_name(text: &str) -> bool {
    let mut parts = text.split('%');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let first_is_plain = parts.next().is_some_and(|first| first.bytes().all(plain));
    let escaped = |part: &str| {
        let bytes = part.as_bytes();
        bytes.len() >= 2
            && bytes[..2].iter().all(u8::is_ascii_hexdigit)
            && bytes[2..].iter().all(|&byte| plain(byte))
    };
    !text.is_empty() && first_is_plain && parts.all(escaped)
}

/// An origin: a host and the port that counts there.
struct Origin {
    authority: Authority,
    default_port: u16,
}

/// Reads `scheme://host[:port]` and nothing more (RFC 6454 section 6.1); none for `null`.
fn parse_origin(text: &str) -> Option<Origin> {
    let (scheme, authority) = text.trim_ascii().split_once("://")?;
    origin_of(scheme, authority)
}

fn origin_of(scheme: &str, authority: &str) -> Option<Origin> {
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    Some(Origin { authority: Authority::parse(authority)?, default_port })
}

/// Whether an origin is the one that the request was sent to.
fn is_same_origin(origin: Option<Origin>, host: Option<&Authority>) -> bool {
    let (Some(origin), Some(host)) = (origin, host) else { return false };
    let default = origin.default_port;
    origin.authority.text == host.text
        && origin.authority.port.unwrap_or(default) == host.port.unwrap_or(default)
}

/// Without the dot that ends a full domain name, if there is one.
fn without_last_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> HostNames {
        HostNames::new(["Hub".to_owned(), "hub.local.".to_owned(), String::new()])
    }

    fn get(host: &str) -> Result<(), Refusal> {
        admit(&Asked { safe_method: true, hosts: &[host], ..Asked::default() }, &names())
    }

    fn post(host: &str, origin: Option<&str>, site: Option<&str>) -> Result<(), Refusal> {
        let hosts = &[host];
        admit(&Asked { hosts, origin, sec_fetch_site: site, ..Asked::default() }, &names())
    }

    #[test]
    fn addresses_localhost_and_our_names_are_let_in() {
        let list = "127.0.0.1 127.0.0.1:8080 192.168.1.20:80 255.255.255.255 0.0.0.0:0 [::1] \
             [::1]:8080 [fe80::1] [::FFFF:10.0.0.1]:65535 localhost LocalHost:8080 localhost. \
             localhost: hub HUB:1 hub. hub.local Hub.Local.:8080";
        for host in list.split(' ') {
            assert_eq!(get(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_misdirected() {
        let list = "evil.example 127.0.0.1.evil.com localhost.evil.com evil-localhost localhost.. \
             127.0.0.1. 127.0.0.1.. 0x7f.1 0x7f000001 2130706433 127.1 0177.0.0.1 127.0.0.01 \
             256.0.0.1 1.2.3.4.5 hub.evil.com xhub hub.local.local . localhos%74 * _ hub;";
        for host in list.split(' ') {
            assert_eq!(get(host), Err(Refusal::ForeignHost), "{host}");
        }
    }

    #[test]
    fn a_malformed_host_is_a_bad_request() {
        let odd =
            ["", "localhost: 80", " localhost", "localhost ", "local host", "localhost\t", "hub\0"];
        let list = ":80 user@localhost localhost@evil.com localhost/ localhost? ::1 localhost# \
             localhost:80:80 localhost:+80 localhost:-1 localhost:65536 localhost:http [::1 ::1] \
             [] [::1].evil [::1]evil [::1]80 [::1%eth0] [::1%25eth0] [127.0.0.1] [v1.x] [[::1]] \
             fe80::1%eth0 http://localhost localhost\\ localhost% localhost%0 löcalhost \
             localhost,evil.com:80, \u{ff11}27.0.0.1 127.0.0.1:80.";
        for host in list.split(' ').chain(odd) {
            assert_eq!(get(host), Err(Refusal::BadHost), "{host:?}");
        }
    }

    #[test]
    fn only_http_1_0_may_leave_host_out() {
        let none = Asked { safe_method: true, ..Asked::default() };
        assert_eq!(admit(&none, &names()), Err(Refusal::NoHost));
        assert_eq!(admit(&Asked { http10: true, ..none }, &names()), Ok(()));
        let foreign = Asked { http10: true, hosts: &["evil.com"], ..none };
        assert_eq!(admit(&foreign, &names()), Err(Refusal::ForeignHost));
    }

    #[test]
    fn an_old_post_without_host_has_no_origin_that_could_be_ours() {
        let post = Asked { http10: true, ..Asked::default() };
        assert_eq!(admit(&post, &names()), Ok(()));
        let browser = Asked { origin: Some("http://localhost"), ..post };
        assert_eq!(admit(&browser, &names()), Err(Refusal::ForeignOrigin));
    }

    #[test]
    fn two_hosts_are_refused_even_if_they_agree() {
        let asked = Asked { safe_method: true, hosts: &["hub", "hub"], ..Asked::default() };
        assert_eq!(admit(&asked, &names()), Err(Refusal::SeveralHosts));
    }

    #[test]
    fn a_program_without_origin_may_post() {
        assert_eq!(post("hub:8080", None, None), Ok(()));
        assert_eq!(post("hub:8080", None, Some("none")), Ok(()));
    }

    #[test]
    fn our_own_page_may_post() {
        for (host, origin) in [
            ("hub:8080", "http://hub:8080"),
            ("HUB:8080", "http://hub:8080"),
            ("hub", "http://hub"),
            ("hub", "http://hub:80"),
            ("hub:80", "http://hub"),
            ("hub:443", "https://hub"),
            ("hub", "https://hub"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("[FE80::A]", "HTTP://[fe80::a]"),
        ] {
            assert_eq!(post(host, Some(origin), Some("same-origin")), Ok(()), "{host} {origin}");
        }
    }

    #[test]
    fn a_foreign_or_malformed_origin_may_not_post() {
        let odd = ["", "http://hub:8080, http://hub:8080", "http://hub:8080 http://evil.com"];
        let list = "null http://evil.com http://hub http://hub:8081 https://hub http://hub:8080/ \
             http://hub:8080/x http://u@hub:8080 ftp://hub:8080 hub:8080 //hub:8080 \
             http:hub:8080 http://hub.:8080 http://hub:8080.evil file:// http:// \
             http://localhost:8080 chrome-extension://hub:8080";
        for origin in list.split(' ').chain(odd) {
            assert_eq!(
                post("hub:8080", Some(origin), Some("same-origin")),
                Err(Refusal::ForeignOrigin),
                "{origin:?}"
            );
        }
    }

    #[test]
    fn a_cross_site_request_may_not_post_even_without_an_origin() {
        for site in ["cross-site", "same-site", "", "None", "same-origin, none", "x"] {
            assert_eq!(post("hub", None, Some(site)), Err(Refusal::CrossSite), "{site:?}");
        }
        assert_eq!(post("hub", Some("http://hub"), Some("cross-site")), Err(Refusal::CrossSite));
    }

    #[test]
    fn a_link_from_elsewhere_may_be_followed() {
        let asked = Asked {
            safe_method: true,
            hosts: &["hub"],
            origin: Some("null"),
            sec_fetch_site: Some("cross-site"),
            ..Asked::default()
        };
        assert_eq!(admit(&asked, &names()), Ok(()));
    }

    #[test]
    fn a_web_socket_is_held_to_the_rules_of_a_post() {
        let asked =
            Asked { safe_method: true, web_socket: true, hosts: &["hub:1"], ..Asked::default() };
        assert_eq!(admit(&asked, &names()), Ok(()));
        let ours = Asked { origin: Some("http://hub:1"), ..asked };
        assert_eq!(admit(&ours, &names()), Ok(()));
        let foreign = Asked { origin: Some("http://evil.com"), ..asked };
        assert_eq!(admit(&foreign, &names()), Err(Refusal::ForeignOrigin));
        let site = Asked { sec_fetch_site: Some("cross-site"), ..asked };
        assert_eq!(admit(&site, &names()), Err(Refusal::CrossSite));
    }

    #[test]
    fn each_refusal_has_its_status() {
        let statuses = [
            (Refusal::NoHost, 400),
            (Refusal::SeveralHosts, 400),
            (Refusal::BadHost, 400),
            (Refusal::ForeignHost, 421),
            (Refusal::ForeignOrigin, 403),
            (Refusal::CrossSite, 403),
        ];
        for (refusal, status) in statuses {
            assert_eq!(refusal.status(), status, "{refusal}");
        }
    }

    fn policy(host: &str, referer: &str) -> ResourcePolicy {
        let hosts = &[host];
        resource_policy(&Asked { hosts, referer: Some(referer), ..Asked::default() }, true)
    }

    #[test]
    fn a_picture_on_our_own_sandboxed_page_may_be_embedded() {
        for referer in ["http://hub:80/a.html", "https://HUB:80?x", "http://hub:80", "http://hub/"]
        {
            assert_eq!(policy("hub:80", referer), ResourcePolicy::CrossOrigin, "{referer}");
        }
    }

    #[test]
    fn without_a_referer_only_what_pages_are_made_of_may_be_embedded() {
        let asked = Asked { hosts: &["hub:80"], ..Asked::default() };
        assert_eq!(resource_policy(&asked, true), ResourcePolicy::CrossOrigin);
        assert_eq!(resource_policy(&asked, false), ResourcePolicy::SameOrigin);
    }

    #[test]
    fn other_sites_may_not_embed_our_files() {
        let odd = [""];
        let list = "/a.html http://evil.com/ http://evil.com/http://hub:80/ http://hub:81/ \
             http://hub:80@evil.com/ http://evil.com@hub:80/ http://hub.evil.com/ about: \
             http://evil.com\\@hub:80/ http://evil.com#@hub:80/ data://hub:80/";
        for referer in list.split(' ').chain(odd) {
            assert_eq!(policy("hub:80", referer), ResourcePolicy::SameOrigin, "{referer}");
        }
        let several =
            Asked { hosts: &["hub", "hub"], referer: Some("http://hub/"), ..Asked::default() };
        assert_eq!(resource_policy(&several, true), ResourcePolicy::SameOrigin);
    }

    proptest! {
        #[test]
        fn no_name_but_ours_is_ever_let_in(host in "\\PC{0,40}|[a-z0-9.:\\[\\]@%]{0,24}") {
            if get(&host).is_ok() {
                let bare = host.rsplit_once(':').map_or(host.as_str(), |(bare, port)| {
                    if port.bytes().all(|byte| byte.is_ascii_digit()) { bare } else { &host }
                });
                let address = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
                prop_assert!(
                    address.is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
                        || bare.parse::<Ipv4Addr>().is_ok()
                        || ["localhost", "hub", "hub.local"].contains(&name.as_str()),
                    "{host:?}"
                );
            }
        }

        #[test]
        fn every_address_is_let_in(v4: [u8; 4], v6: [u16; 8], port: u16) {
            prop_assert_eq!(get(&format!("{}:{port}", Ipv4Addr::from(v4))), Ok(()));
            prop_assert_eq!(get(&format!("[{}]:{port}", Ipv6Addr::from(v6))), Ok(()));
        }

        #[test]
        fn nobody_posts_from_an_origin_that_does_not_spell_our_host(
            origin in "(https?://)?(\\PC{0,30}|hub:8080\\PC?)",
        ) {
            let ours = ["http://hub:8080", "https://hub:8080"].contains(&origin.trim_ascii());
            prop_assert_eq!(post("hub:8080", Some(&origin), None).is_ok(), ours);
        }
    }
}
