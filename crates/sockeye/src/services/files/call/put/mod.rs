//! `sockeye put`: files and folders are sent to a hub, or to any server that takes PUT.
//!
//! [`plan`] decides what goes where, with [`walk`] for what lies in folders. [`crew`] sends it over
//! a few [`line`]s side by side: each file by [`whole`], or by [`pieces`] where it is long and the
//! server knows them. A request's [`body`] is read from its [`source`], [`retry`] says how often a
//! broken connection is tried again, [`folders`] makes those that a server does not make by itself.
//! [`outcome`] reads off an answer what became of a thing, [`report`] and [`meter`] tell it.

use std::time::{Duration, Instant};

use sockeye_proto::address::Address;

use super::by_hand;
use super::key::Keys;
use super::meter;
use super::reach::Way;
use crate::cli;
use crate::exit::Failure;
use crew::Crew;
use outcome::Outcome;
use plan::{Item, Kind, shown};
use report::Report;

mod body;
mod crew;
mod folders;
mod line;
mod outcome;
mod pieces;
mod plan;
mod report;
mod retry;
mod source;
mod walk;
mod whole;

/// How long the server is told, at the end, what it need not keep.
const TIDY_UP_MAX: Duration = Duration::from_secs(1);

/// `sockeye put`.
pub fn put(arguments: cli::Put) -> Result<(), Failure> {
    let begun = Instant::now();
    let url = arguments.url.address.clone();
    let pin = arguments.pin.clone().or_of(&arguments.url);
    pin.check(&url)?;
    let keys = Keys::new(&arguments.url, &arguments.key)?;
    let plan = plan::plan(&arguments.things, &url)?;
    let bar = meter::progress(arguments.quiet || arguments.wire, arguments.json, plan.bytes);
    let total = plan.items.len() + plan.left_out.iter().filter(|left| left.is_failure).count();
    let mut report = Report::new(&arguments, bar.clone(), total);
    plan.left_out.iter().for_each(|left| report.left_out(left));
    let way = Way::new(arguments.ip.version(), pin.trust(), keys, arguments.wire);
    let crew = Crew::new(way, url.clone(), plan.items, bar);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Ours(format!("cannot start the runtime: {e}")))?;
    let mut is_told = vec![false; crew.items().len()];
    let is_interrupted = runtime.block_on(async {
        let is_interrupted = tokio::select! {
            () = crew.send_all(|number, outcome| {
                is_told[number] = true;
                report.outcome(&crew.items()[number], &url, outcome);
                crew.way().keys.remarks().iter().for_each(|remark| report.say(remark));
            }) => false,
            _ = tokio::signal::ctrl_c() => true,
        };
        // It is a courtesy: the server gives them up by itself, a while later.
        let _ = tokio::time::timeout(TIDY_UP_MAX, crew.tidy_up()).await;
        is_interrupted
    });
    // A disk that hangs is not waited for.
    runtime.shutdown_background();
    for (item, _) in crew.items().iter().zip(is_told).filter(|(_, is_told)| !is_told) {
        report.outcome(item, &url, Outcome::NotTried);
    }
    if arguments.wire {
        show_by_hand(&crew, &url, &report);
    }
    let finished = report.finish(&url, begun.elapsed());
    if is_interrupted { Err(Failure::Interrupted("interrupted".into())) } else { finished }
}

/// What the same is with curl and in Python, for the first file.
fn show_by_hand(crew: &Crew, url: &Address, report: &Report) {
    let is_file = |item: &&Item| item.kind != Kind::EmptyFolder;
    if let Some(item) = crew.items().iter().find(is_file) {
        let url = Address { path: item.remote.clone(), ..url.clone() };
        report.say(&by_hand::sending(&shown(&item.local), &url, crew.way().wanted_by_hand(&url)));
    }
}
