//! One look at who is here.

use std::time::Duration;

use mdns_sd::ServiceEvent;
use sockeye_proto::discovery::table::{Hub, Table, Wanted};
use tokio::time::{Instant, timeout_at};

use super::responder::Responder;
use super::{DiscoveryError, PORT, Reach, ground, heard};
use crate::clock;

/// The hubs that are heard within this time, and have not said goodbye in it, by name.
pub async fn look(reach: &Reach, wait: Duration) -> Result<Vec<Hub>, DiscoveryError> {
    ground::check(reach)?;
    let responder = Responder::start(reach, None, PORT)?;
    let events = responder.browse()?;
    let end = Instant::now() + wait;
    let mut table = Table::new(Wanted::default());
    // What is more than can be taken ends by itself, and what was heard is good.
    while let Ok(Ok(event)) = timeout_at(end, events.recv_async()).await {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                if let Some(hub) = heard::hub(&service) {
                    table.heard(clock::now(), hub);
                }
            }
            ServiceEvent::ServiceRemoved(_, full_name) => {
                table.left(&heard::instance(&full_name));
            }
            _ => {}
        }
    }
    responder.goodbye().await;
    Ok(table.hubs().cloned().collect())
}
