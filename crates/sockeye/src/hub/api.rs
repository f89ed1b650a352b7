//! What the hub says of itself: to the page, to scripts, and to Prometheus.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderValue, Response, header};
use jiff::Timestamp;
use serde_json::json;
use sockeye_engine::gate::Gate;
use sockeye_engine::http::server::Answer;
use sockeye_engine::metrics::{Exposition, ServiceCounters};
use sockeye_proto::address::Scheme;

use super::page;
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
    pub listeners: Vec<(Scheme, SocketAddr)>,
    /// What the files service counts.
    pub counters: Arc<ServiceCounters>,
    /// Who is in it.
    pub gate: Arc<Gate>,
}

impl Facts {
    /// For the page: names, version, and each service's address as the asking browser would reach
    /// it, which is by the host that it used itself. What listens only elsewhere is left out.
    pub fn describe(&self, host: &str) -> serde_json::Value {
        let mut services = Vec::new();
        for service in of_the_hub() {
            for wire in service.wires {
                let mut ports: Vec<u16> = self
                    .listeners
                    .iter()
                    .filter(|(scheme, at)| *scheme == wire.scheme && is_reached_by(host, at.ip()))
                    .map(|(_, at)| at.port())
                    .collect();
                ports.dedup();
                for port in ports {
                    let scheme = wire.scheme.as_str();
                    let slash = if wire.scheme == Scheme::Http { "/" } else { "" };
                    services.push(json!({
                        "name": service.name,
                        "wire": scheme,
                        "url": format!("{scheme}://{host}:{port}{slash}"),
                        "about": wire.about,
                    }));
                }
            }
        }
        json!({
            "name": self.machine,
            "version": env!("CARGO_PKG_VERSION"),
            "folder": self.folder,
            "services": services,
            "started": to_the_second(self.started),
            "time": to_the_second(Timestamp::now()),
        })
    }

    /// In the Prometheus text format.
    pub fn metrics(&self) -> String {
        let service = |rest: &str| format!("{{service=\"files\"{rest}}}");
        let one = |value| vec![(service(""), value)];
        let mut out = Exposition::default();
        let up_s = Timestamp::now().duration_since(self.started).as_secs().max(0) as u64;
        out.metric(
            "sockeye_up_seconds",
            "gauge",
            "Seconds since the start.",
            &[(String::new(), up_s)],
        );
        let clients = self.gate.clients() as u64;
        out.metric("sockeye_clients", "gauge", "Clients connected now.", &one(clients));
        let counters = &self.counters;
        let rows = [
            ("sockeye_connections_total", "Connections let in.", &counters.connections),
            ("sockeye_refused_total", "Connections refused: full.", &counters.refused),
            (
                "sockeye_accept_failures_total",
                "Failures to accept for want of descriptors or memory.",
                &counters.accept_failures,
            ),
            (
                "sockeye_overdue_total",
                "Connections closed as idle, slow with a head, or not reading.",
                &counters.overdue,
            ),
            ("sockeye_sent_bytes_total", "Bytes of bodies and files sent.", &counters.sent_bytes),
        ];
        for (name, help, counter) in rows {
            out.metric(name, "counter", help, &one(counter.get()));
        }
        let answers: Vec<(String, u64)> = (1..6)
            .map(|class| {
                let labels = service(&format!(",status=\"{class}xx\""));
                (labels, counters.answers[class].get())
            })
            .collect();
        out.metric("sockeye_answers_total", "counter", "Answers by class of status.", &answers);
        out.into_text()
    }
}

/// Whether who reaches this machine by that host also reaches a listener on that address. A name
/// may stand for any address of ours.
fn is_reached_by(host: &str, listener: IpAddr) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
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
