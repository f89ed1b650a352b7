//! What the hub says of itself: to the page, to scripts, and to Prometheus.

use std::net::IpAddr;

use http::{HeaderValue, Response, header};
use jiff::Timestamp;
use serde_json::json;
use sockeye_engine::http::server::Answer;
use sockeye_engine::listen::Door;
use sockeye_engine::metrics::{Exposition, ServiceCounters};

use super::{Place, page};
use crate::services::files::siblings::Siblings;
use crate::services::of_the_hub;

/// What the hub knows of itself.
#[derive(Debug)]
pub struct Facts {
    /// This machine's name.
    pub machine: String,
    /// The shared folder's name.
    pub folder: String,
    /// When it started.
    pub started: Timestamp,
    /// Where each wire listens.
    pub places: Vec<Place>,
    /// Each service's door: who is in it, and what it counts.
    pub doors: Vec<(&'static str, Door)>,
}

impl Facts {
    /// For the page: names, version, and each service's address as the asking browser would reach
    /// it, which is by the host that it used itself. What listens only elsewhere is told apart,
    /// with what would let it in.
    pub fn describe(&self, host: &str, wants_key: bool) -> serde_json::Value {
        // The key itself stands in nothing that could be passed on.
        let key = wants_key.then_some("$SOCKEYE_KEY");
        let mut services = Vec::new();
        let mut elsewhere = Vec::new();
        let mut running = Vec::new();
        for service in of_the_hub() {
            if self.places.iter().any(|place| place.service.name == service.name) {
                running.push(service.name);
            }
            for wire in service.wires {
                let own = || self.places.iter().filter(|place| place.is_of(service, wire));
                let mut ports: Vec<u16> = own()
                    .filter(|place| is_reached_by(host, place.address.ip()))
                    .map(|place| place.address.port())
                    .collect();
                ports.dedup();
                if let (true, Some(first)) = (ports.is_empty(), own().next()) {
                    elsewhere.push(json!({
                        "name": service.name,
                        "wire": wire.scheme.as_str(),
                        "only": only_where(first),
                        "let_in": let_in(first),
                    }));
                }
                for port in ports {
                    let scheme = wire.scheme.as_str();
                    let slash = if wire.scheme.is_http() { "/" } else { "" };
                    services.push(json!({
                        "name": service.name,
                        "wire": scheme,
                        "url": format!("{scheme}://{host}:{port}{slash}"),
                        "about": wire.about,
                        "try_it": wire.try_at(bare(host), port, key),
                    }));
                }
            }
        }
        json!({
            "name": self.machine,
            "version": env!("CARGO_PKG_VERSION"),
            "folder": self.folder,
            "running": running,
            "services": services,
            "elsewhere": elsewhere,
            "started": to_the_second(self.started),
            "time": to_the_second(Timestamp::now()),
        })
    }

    /// In the Prometheus text format.
    pub fn metrics(&self, (kept_files, kept_bytes): (usize, usize), siblings: &Siblings) -> String {
        let mut out = Exposition::default();
        let up_s = Timestamp::now().duration_since(self.started).as_secs().max(0) as u64;
        out.metric(
            "sockeye_up_seconds",
            "gauge",
            "Seconds since the start.",
            &[(String::new(), up_s)],
        );
        self.metric(&mut out, "clients", "gauge", "Clients connected now.", |door| {
            door.gate.clients() as u64
        });
        let rows: &[(&str, &str, Read)] = &[
            ("connections_total", "Connections let in.", |c| c.connections.get()),
            ("refused_total", "Connections refused: full.", |c| c.refused.get()),
            (
                "accept_failures_total",
                "Failures to accept for want of descriptors or memory.",
                |c| c.accept_failures.get(),
            ),
            (
                "overdue_total",
                "Connections closed as idle, slow with a head or a handshake, or not reading.",
                |c| c.overdue.get(),
            ),
            (
                "handshake_failures_total",
                "TLS handshakes that failed: the certificate was not trusted, or it was no TLS.",
                |c| c.handshake_failures.get(),
            ),
            (
                "dropped_datagrams_total",
                "Datagrams dropped by the rules against loops and floods.",
                |c| c.dropped.get(),
            ),
            (
                "kernel_dropped_datagrams_total",
                "Datagrams that the kernel dropped for want of buffer.",
                |c| c.kernel_dropped.get(),
            ),
            ("received_bytes_total", "Bytes of bodies received.", |c| c.received_bytes.get()),
            ("sent_bytes_total", "Bytes of bodies, files and answers sent.", |c| {
                c.sent_bytes.get()
            }),
        ];
        for &(name, help, read) in rows {
            self.metric(&mut out, name, "counter", help, |door| read(&door.counters));
        }
        let answers: Vec<(String, u64)> = self
            .doors
            .iter()
            .flat_map(|(service, door)| (1..6).map(move |class| (service, door, class)))
            .map(|(service, door, class)| {
                let labels = format!("{{service=\"{service}\",status=\"{class}xx\"}}");
                (labels, door.counters.answers[class].get())
            })
            .collect();
        let kept: [(&str, &str, usize); 2] = [
            ("files", "Files that are asked for often, kept in memory now.", kept_files),
            ("bytes", "Bytes of files kept in memory now.", kept_bytes),
        ];
        for (what, help, n) in kept {
            let name = format!("sockeye_files_kept_{what}");
            out.metric(&name, "gauge", help, &[(String::new(), n as u64)]);
        }
        out.metric("sockeye_answers_total", "counter", "Answers by class of status.", &answers);
        came(&mut out, siblings);
        out.into_text()
    }

    /// One metric with a sample for each service.
    fn metric(
        &self,
        out: &mut Exposition,
        name: &str,
        kind: &str,
        help: &str,
        read: impl Fn(&Door) -> u64,
    ) {
        let sample =
            |(service, door): &(&str, Door)| (format!("{{service=\"{service}\"}}"), read(door));
        let samples: Vec<(String, u64)> = self.doors.iter().map(sample).collect();
        out.metric(&format!("sockeye_{name}"), kind, help, &samples);
    }
}

/// How answers of files came, where there are siblings.
fn came(out: &mut Exposition, siblings: &Siblings) {
    if !siblings.are_asked() {
        return;
    }
    let labelled = |(how, count)| (format!("{{how=\"{how}\"}}"), count);
    let ways = siblings.counts().by_way().map(labelled);
    let help = "Answers of files by how they came: from here, or from siblings.";
    out.metric("sockeye_files_came_total", "counter", help, &ways);
}

/// Reads one of a service's counters.
type Read = fn(&ServiceCounters) -> u64;

/// A host without the brackets that an IPv6 address has in a URL.
pub fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether who reaches this machine by that host also reaches a listener on that address. A name
/// may stand for any address of ours.
pub fn is_reached_by(host: &str, listener: IpAddr) -> bool {
    let host = bare(host);
    let host = if host.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { host };
    match host.parse::<IpAddr>() {
        Ok(host) => {
            listener.is_unspecified()
                || listener == host
                || (listener.is_loopback() && host.is_loopback())
        }
        Err(_) => !listener.is_loopback(),
    }
}

/// Where alone a listener is reached, in words.
pub fn only_where(place: &Place) -> String {
    match place.address.ip() {
        ip if ip.is_loopback() => "on the hub's own machine".to_owned(),
        ip => format!("at {ip}"),
    }
}

/// What the hub would have to be started with for others to reach a listener.
pub fn let_in(place: &Place) -> String {
    let (name, scheme, port) = (place.service.name, place.scheme.as_str(), place.address.port());
    format!("--on {name}={scheme}://0.0.0.0:{port}")
}

/// An answer that is never kept.
pub fn answer(media_type: &'static str, body: String) -> Answer {
    let length = body.len();
    let mut answer = Response::new(body.into());
    let head = answer.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    head.insert(header::CONTENT_LENGTH, length.into());
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page::protect(head);
    answer
}

fn to_the_second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
