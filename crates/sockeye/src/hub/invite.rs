//! The way in, for others: links that carry the key where no server sees it, and their QR code.

use std::net::{IpAddr, SocketAddr};

use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};
use serde_json::{Value, json};
use sockeye_engine::interfaces::addresses;
use sockeye_proto::access::Key;
use sockeye_proto::address::Scheme;

use super::Place;
use crate::serving::url;

/// Where the page is for others, the likeliest address first.
#[derive(Clone, Debug, Default)]
pub struct Invite {
    /// Each with its slash, and nothing behind it.
    pages: Vec<String>,
    /// What tells the certificate from another, over TLS.
    fingerprint: Option<String>,
}

impl Invite {
    /// The ways to where the page listens. `--addr` puts its own first.
    pub fn new(places: &[Place], preferred: Option<IpAddr>, fingerprint: Option<String>) -> Self {
        let of_machine: Vec<IpAddr> = addresses().into_iter().map(|one| one.ip).collect();
        let mut pages = Vec::new();
        for place in places.iter().filter(|place| is_page(place.scheme)) {
            let ip = place.address.ip();
            let own = [ip];
            let ips = if ip.is_unspecified() { of_machine.as_slice() } else { &own };
            let is_reached = |reached: &&IpAddr| {
                let is_other_version = ip.is_ipv4() && reached.is_ipv6();
                !is_other_version && !reached.is_loopback()
            };
            let preferred = preferred.iter().filter(|_| ip.is_unspecified());
            for ip in preferred.chain(ips.iter().filter(is_reached)) {
                let page = url(place.scheme, SocketAddr::new(*ip, place.address.port()));
                let page = format!("{page}/");
                if !pages.contains(&page) {
                    pages.push(page);
                }
            }
        }
        Self { pages, fingerprint }
    }

    /// The links, with the key in the fragment: it stands in no log and in no Referer. An encrypted
    /// one also tells our clients which certificate to trust.
    pub fn links(&self, key: Option<&Key>) -> Vec<String> {
        let key = key.map(|key| format!("k={}", key.as_str()));
        let digits = |fingerprint: &String| fingerprint.replace(':', "").to_ascii_lowercase();
        let pin = self.fingerprint.as_ref().map(|fingerprint| format!("f={}", digits(fingerprint)));
        let link = |page: &String| {
            let pin = pin.as_ref().filter(|_| page.starts_with("https://"));
            let parts = [key.as_deref(), pin.map(String::as_str)];
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            if parts.is_empty() { page.clone() } else { format!("{page}#{}", parts.join("&")) }
        };
        self.pages.iter().map(link).collect()
    }

    /// The pages' addresses, each with its slash. Who asks by another host than loopback has shown
    /// that this one leads here, also where it is a name, or a router's in front of us: it is first.
    /// Whether we answer to a host at all has been decided before (`http::guard`).
    pub fn pages_from(&self, scheme: Scheme, authority: &str) -> Vec<String> {
        let asked = format!("{}://{authority}/", scheme.as_str());
        let is_loopback = is_loopback(bare(authority));
        let others = self.pages.iter().filter(|page| is_loopback || **page != asked);
        (!is_loopback).then(|| asked.clone()).into_iter().chain(others.cloned()).collect()
    }

    /// What tells our certificate from another's.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// For the page of whoever runs the hub.
    pub fn describe(&self, key: &Key) -> Value {
        let links = self.links(Some(key));
        json!({
            "key": key.as_str(),
            "link": links.first(),
            "links": links,
            "fingerprint": self.fingerprint,
        })
    }
}

/// The host of an authority, without its port and an IPv6 address's brackets.
fn bare(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn is_loopback(host: &str) -> bool {
    let is_address = |ip: IpAddr| ip.to_canonical().is_loopback() || ip.is_unspecified();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_address)
}

fn is_page(scheme: Scheme) -> bool {
    !matches!(scheme, Scheme::Tcp | Scheme::Udp)
}

/// A QR code for a terminal, two rows of it in a line of text, dark on light whatever the terminal's
/// colours are.
pub fn for_terminal(text: &str) -> Option<String> {
    const DARK_ON_LIGHT: &str = "\x1b[30;107m";
    const AS_BEFORE: &str = "\x1b[0m";
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<unicode::Dense1x2>().quiet_zone(true).build();
    let rows: Vec<String> =
        drawn.lines().map(|row| format!("  {DARK_ON_LIGHT}{row}{AS_BEFORE}")).collect();
    Some(rows.join("\n"))
}

/// The same as a picture.
pub fn as_svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    Some(code.render::<svg::Color<'_>>().min_dimensions(240, 240).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_that_was_asked_by_comes_first_unless_it_is_loopback() {
        let pages = ["http://192.0.2.1:8080/", "http://[2001:db8::1]:8080/"];
        let invite = Invite { pages: pages.map(String::from).to_vec(), fingerprint: None };
        let from = |authority| invite.pages_from(Scheme::Http, authority);
        for authority in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "[::ffff:127.0.0.1]"] {
            assert_eq!(from(authority), pages, "{authority}");
        }
        assert_eq!(from("[2001:db8::1]:8080"), [pages[1], pages[0]]);
        assert_eq!(from("boat.local:8080"), ["http://boat.local:8080/", pages[0], pages[1]]);
    }
}
