//! One responder of the library: its thread, what it announces, what it is asked.

use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{
    DaemonStatus, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo,
};
use sockeye_proto::discovery::SERVICE_TYPE;
use sockeye_proto::limits::{DISCOVERY_RECORDS_MAX, DISCOVERY_TIMERS_MAX, GOODBYE_DEADLINE};
use tokio::time::timeout;

use super::{Announcement, DiscoveryError, Reach};

/// How long the library's thread may be busy before it answers us.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// It says goodbye a second time, so that one lost packet costs nothing, 120 ms after the first.
const SECOND_GOODBYE: Duration = Duration::from_millis(160);
/// What counts what it remembers.
const RECORDS: [&str; 6] =
    ["cached-ptr", "cached-srv", "cached-addr", "cached-txt", "cached-nsec", "cached-subtype"];
const TIMERS: &str = "timer";

/// A thread that speaks multicast DNS, until it says goodbye.
pub(super) struct Responder {
    daemon: ServiceDaemon,
    /// The full name of what it announces.
    announced: Option<String>,
}

impl Responder {
    /// Starts one on these interfaces, those that come later included.
    pub(super) fn start(
        reach: &Reach,
        announced: Option<&Announcement>,
        port: u16,
    ) -> Result<Self, DiscoveryError> {
        let daemon = ServiceDaemon::new_with_port(port).map_err(other)?;
        let reach = reach.clone();
        let is_unwanted = IfPredicate::new(move |interface| {
            let ip: IpAddr = interface.ip();
            !reach.wants(ip)
        });
        let mut responder = Self { daemon, announced: None };
        responder.daemon.disable_interface(IfKind::Predicate(is_unwanted)).map_err(other)?;
        if let Some(announced) = announced {
            let service = service(announced)?;
            let full_name = service.get_fullname().to_owned();
            responder.daemon.register(service).map_err(other)?;
            responder.announced = Some(full_name);
        }
        Ok(responder)
    }

    /// Asks who is here, forgetting who was: all that are here are heard again. Ends by itself when
    /// more is heard than is taken.
    pub(super) fn browse(&self) -> Result<Receiver<ServiceEvent>, DiscoveryError> {
        self.daemon.stop_browse(SERVICE_TYPE).map_err(other)?;
        self.daemon.browse(SERVICE_TYPE).map_err(other)
    }

    /// Whether it remembers more than it should. What it cannot answer in time may be that, too.
    pub(super) async fn is_flooded(&self) -> Result<bool, DiscoveryError> {
        let answer = self.daemon.get_metrics().map_err(other)?;
        let Ok(answer) = timeout(ANSWER_DEADLINE, answer.recv_async()).await else {
            return Ok(true);
        };
        let counted = answer.map_err(other)?;
        let count = |name: &str| {
            usize::try_from(counted.get(name).copied().unwrap_or_default()).unwrap_or_default()
        };
        let records: usize = RECORDS.iter().map(|name| count(name)).sum();
        Ok(records > DISCOVERY_RECORDS_MAX || count(TIMERS) > DISCOVERY_TIMERS_MAX)
    }

    /// Withdraws what it announces (RFC 6762, section 10.1), and ends its thread: within
    /// [`GOODBYE_DEADLINE`], or when it can, of which the returned tells.
    pub(super) async fn goodbye(self) -> Option<Receiver<DaemonStatus>> {
        let withdrawn = async {
            if let Some(full_name) = &self.announced
                && let Ok(said) = self.daemon.unregister(full_name)
                && said.recv_async().await.is_ok()
            {
                tokio::time::sleep(SECOND_GOODBYE).await;
            }
        };
        let _ = timeout(GOODBYE_DEADLINE / 2, withdrawn).await;
        let ended = self.daemon.shutdown().ok()?;
        let is_over = timeout(GOODBYE_DEADLINE / 2, ended.recv_async()).await.is_ok();
        (!is_over).then_some(ended)
    }
}

fn service(announced: &Announcement) -> Result<ServiceInfo, DiscoveryError> {
    let pairs = announced.record.pairs();
    let host = format!("{}.local.", announced.host);
    let service = ServiceInfo::new(
        SERVICE_TYPE,
        &announced.instance,
        &host,
        "",
        announced.port,
        pairs.as_slice(),
    );
    // It adds the addresses of the interfaces that it speaks on, to each its own.
    service.map(ServiceInfo::enable_addr_auto).map_err(other)
}

fn other(error: impl std::fmt::Display) -> DiscoveryError {
    DiscoveryError::Other(error.to_string())
}
