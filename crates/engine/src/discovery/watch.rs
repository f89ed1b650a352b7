//! The task that announces a hub and listens for others, until the process is asked to stop.
//!
//! Every [`DISCOVERY_ROUND`] it asks anew who is here. The library would keep what it heard for up to
//! 75 minutes (RFC 6762, section 10); so who has fallen silent is missed within a minute, and what
//! it remembers of others is short. The rest that strangers can make it remember is counted every
//! [`DISCOVERY_CHECK`], and too much of it ends that responder and starts another.

use std::fmt;
use std::future::pending;
use std::time::{Duration, Instant};

use mdns_sd::{DaemonStatus, Receiver, ServiceEvent};
use sockeye_proto::discovery::table::{Event, Table, Wanted};
use sockeye_proto::limits::{
    DISCOVERY_CHECK, DISCOVERY_PAUSE, DISCOVERY_ROUND, DISCOVERY_STRANGERS_MAX,
};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::responder::Responder;
use super::{Announcement, DiscoveryError, PORT, Reach, ground, heard};
use crate::clock;
use crate::request_log::RequestLog;
use crate::stop::Stop;

/// A responder that lives shorter than this is not started again at once.
const SHORT_LIFE: Duration = Duration::from_mins(1);

/// Whom to look for, and who is told.
pub struct Watched {
    /// Whom.
    pub wanted: Wanted,
    /// It is called on the runtime, and may not block.
    pub told: Box<dyn FnMut(Event) + Send>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Announces a hub, looks for others, or both, until [`Stop::ask`]; then a goodbye is sent, for which
/// draining waits. To be called inside the runtime.
pub fn start(
    reach: Reach,
    announced: Option<Announcement>,
    watched: Option<Watched>,
    stop: &Stop,
    log: RequestLog,
) -> Result<(), DiscoveryError> {
    ground::check(&reach)?;
    let watch = watched.map(|Watched { wanted, told }| Watch { table: Table::new(wanted), told });
    let task = Task { reach, announced, watch, stop: stop.clone(), log, port: PORT };
    stop.track(task.run());
    Ok(())
}

struct Task {
    reach: Reach,
    announced: Option<Announcement>,
    watch: Option<Watch>,
    stop: Stop,
    log: RequestLog,
    port: u16,
}

/// Who is looked for, and who of them is here.
struct Watch {
    table: Table,
    told: Box<dyn FnMut(Event) + Send>,
}

/// Why a responder came to its end.
enum End {
    Asked,
    /// Strangers made it remember too much.
    Flooded,
    Failed(DiscoveryError),
}

impl Task {
    async fn run(mut self) {
        loop {
            let began = Instant::now();
            let (end, rest) = self.one_life().await;
            let why = match end {
                End::Asked => return,
                End::Flooded => "there are too many announcements on this network".to_owned(),
                End::Failed(error) => error.to_string(),
            };
            if let Some(ended) = rest {
                // Its thread reads on as long as more comes than it can read, and remembers that; a
                // second one would remember it twice.
                tokio::select! {
                    () = self.stop.asked() => return,
                    _ = ended.recv_async() => {}
                }
            }
            if began.elapsed() < SHORT_LIFE {
                let seconds = DISCOVERY_PAUSE.as_secs();
                self.log
                    .say(format!("hubs are not looked for nor announced for {seconds} s: {why}"));
                tokio::select! {
                    () = self.stop.asked() => return,
                    () = sleep(DISCOVERY_PAUSE) => {}
                }
            }
        }
    }

    /// Until it is asked to stop, or too much was heard; and the responder, if it still runs.
    async fn one_life(&mut self) -> (End, Option<Receiver<DaemonStatus>>) {
        let responder = match Responder::start(&self.reach, self.announced.as_ref(), self.port) {
            Ok(responder) => responder,
            Err(error) => return (End::Failed(error), None),
        };
        let end = self.listen(&responder).await;
        (end, responder.goodbye().await)
    }

    async fn listen(&mut self, responder: &Responder) -> End {
        let mut round = interval(DISCOVERY_ROUND);
        let mut check = interval(DISCOVERY_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events = None;
        let mut strangers = 0;
        loop {
            tokio::select! {
                () = self.stop.asked() => return End::Asked,
                _ = round.tick(), if self.watch.is_some() => match responder.browse() {
                    Ok(anew) => events = Some(anew),
                    Err(error) => return End::Failed(error),
                },
                event = next(events.as_ref()) => match (event, &mut self.watch) {
                    (Some(event), Some(watch)) => strangers += watch.hear(event),
                    // More was heard than taken; the next round hears the rest.
                    _ => events = None,
                },
                _ = check.tick() => {
                    if let Some(watch) = &mut self.watch {
                        watch.miss();
                    }
                    match responder.is_flooded().await {
                        Ok(is_flooded) if is_flooded || strangers > DISCOVERY_STRANGERS_MAX => {
                            return End::Flooded;
                        }
                        Ok(_) => {}
                        Err(error) => return End::Failed(error),
                    }
                }
            }
        }
    }
}

impl Watch {
    /// Tells of what was heard; 1 if it is of somebody who is none of those that are here.
    fn hear(&mut self, event: ServiceEvent) -> usize {
        match event {
            ServiceEvent::ServiceFound(_, full_name) => {
                let instance = heard::instance(&full_name);
                usize::from(self.table.hubs().all(|hub| hub.instance != instance))
            }
            ServiceEvent::ServiceResolved(service) => {
                if let Some(hub) = heard::hub(&service) {
                    let events = self.table.heard(clock::now(), hub);
                    events.into_iter().for_each(&mut self.told);
                }
                0
            }
            ServiceEvent::ServiceRemoved(_, full_name) => {
                let event = self.table.left(&heard::instance(&full_name));
                event.into_iter().for_each(&mut self.told);
                0
            }
            _ => 0,
        }
    }

    /// Tells of those that were not heard for too long.
    fn miss(&mut self) {
        let now = clock::now();
        if self.table.next_silence().is_some_and(|at| at <= now) {
            self.table.silent(now).into_iter().for_each(&mut self.told);
        }
    }
}

/// What is heard next; nothing if that has ended, never if it has not begun.
async fn next(events: Option<&Receiver<ServiceEvent>>) -> Option<ServiceEvent> {
    match events {
        Some(events) => events.recv_async().await.ok(),
        None => pending().await,
    }
}
