//! `sockeye get`: a file is fetched, or a folder with everything in it.
//!
//! [`http`] (over a [`line`]) and [`raw`] are the wires. Where the bytes go is decided by
//! [`target`], and [`save`] puts them there: into a file that appears under its name only when it
//! is whole, or to standard output. [`folder`] goes through the listings of a hub; [`gauge`] tells
//! how far a file is.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use indicatif::ProgressBar;
use serde_json::json;
use sockeye_engine::request_log::Size;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::printable::Printable;
use tokio::runtime::Runtime;

use super::key::Keys;
use super::reach::Way;
use super::{SILENCE_TIMEOUT, by_hand, meter};
use crate::cli;
use crate::exit::Failure;
use crate::serving;
use gauge::Gauge;
use http::Came;
use line::Line;
use save::Sink;
use target::Target;

mod folder;
mod gauge;
mod http;
mod line;
mod raw;
mod room;
mod save;
mod target;

/// What a get did.
#[derive(Debug)]
struct Fetched {
    /// All bytes of the file, those of an earlier run included.
    bytes: u64,
    /// How many were already here.
    resumed_from: u64,
    /// When it was changed last, if that was told.
    modified: Option<SystemTime>,
}

/// `sockeye get`.
pub fn get(arguments: cli::Get) -> Result<(), Failure> {
    let pin = arguments.pin.clone().or_of(&arguments.url);
    pin.check(&arguments.url.address)?;
    let keys = Keys::new(&arguments.url, &arguments.key)?;
    let way = Arc::new(Way::new(arguments.ip.version(), pin.trust(), keys, arguments.wire));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Ours(format!("cannot start the runtime: {e}")))?;
    if folder::is_likely(&arguments)
        && let Some(root) = folder::look(&arguments, &way, &runtime)?
    {
        return folder::get(&arguments, &way, &runtime, root);
    }
    let target = target::target(&arguments)?;
    if arguments.json && target.is_stdout() {
        return Err(Failure::Usage(
            "--json and `-o -` both want standard output; give -o a file name".into(),
        ));
    }
    match file(&arguments, &way, &runtime, &target)? {
        None => Ok(()),
        Some(url) => match folder::look_at(&url, &arguments, &way, &runtime)? {
            Some(root) => folder::get(&arguments, &way, &runtime, root),
            None => Err(folder::no_listing(&url)),
        },
    }
}

/// Fetches a file. What turns out to be a folder is given back.
fn file(
    arguments: &cli::Get,
    way: &Arc<Way>,
    runtime: &Runtime,
    target: &Target,
) -> Result<Option<Address>, Failure> {
    let progress = progress(arguments);
    let begun = Instant::now();
    let url = &arguments.url.address;
    let mut sink = Sink::open(target, url)?;
    let came = runtime.block_on(async {
        tokio::select! {
            came = async {
                match url.scheme {
                    Scheme::Http | Scheme::Https => {
                        let gauge = Gauge::Alone(&progress);
                        http::fetch(url, &mut Line::once(way), &mut sink, &gauge).await
                    }
                    // get takes no udp:// yet: its parser knows http and tcp alone.
                    Scheme::Tcp | Scheme::Udp => raw::fetch(url, way, &mut sink, &progress).await.map(Came::File),
                }
            } => came,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted("interrupted".into())),
        }
    });
    progress.finish_and_clear();
    remark(way);
    let fetched = match came {
        Ok(Came::File(fetched)) => fetched,
        Ok(Came::Folder(url)) => {
            // Nothing of it came.
            sink.abandon(Failure::PipeClosed);
            return Ok(Some(url));
        }
        Err(failure) => {
            if arguments.wire {
                show_by_hand(url, way);
            }
            return Err(sink.abandon(failure));
        }
    };
    if arguments.wire {
        show_by_hand(url, way);
    }
    let file = sink.finish(arguments.overwrite)?;
    if !progress.is_hidden() {
        say_done(arguments, &fetched, begun.elapsed());
    }
    if arguments.json {
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let said = json!({
            "url": url.to_string(), "file": file, "bytes": fetched.bytes,
            "resumed_from": fetched.resumed_from, "took_ms": took_ms,
        });
        serving::print(&format!("{said}\n"))?;
    }
    Ok(None)
}

/// What is to be said of keys.
fn remark(way: &Way) {
    for remark in way.keys.remarks() {
        say(&format!("sockeye: {remark}"));
    }
}

/// One line about what was done, for who watched the progress.
fn say_done(arguments: &cli::Get, fetched: &Fetched, took: Duration) {
    let size = Size(fetched.bytes);
    let seconds = took.as_secs_f64();
    let resumed = if fetched.resumed_from > 0 {
        format!(", of which {} were here", Size(fetched.resumed_from))
    } else {
        String::new()
    };
    let unsure = match arguments.url.address.scheme {
        Scheme::Http | Scheme::Https => "",
        Scheme::Tcp | Scheme::Udp => " (this wire cannot say whether that is all of it)",
    };
    let name = shown_name(&arguments.url.address);
    say(&format!("{name}  {size}{resumed} in {seconds:.1} s{unsure}"));
}

/// What the same is with curl; over the raw wire, with netcat.
fn show_by_hand(url: &Address, way: &Way) {
    let wanted = way.wanted_by_hand(url);
    say(&match url.scheme {
        Scheme::Http | Scheme::Https => by_hand::fetching(url, wanted),
        Scheme::Tcp | Scheme::Udp => raw::by_hand(url, wanted.key),
    });
}

fn say(text: &str) {
    // If stderr is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn shown_name(url: &Address) -> String {
    Printable(&url.file_name().unwrap_or_default()).to_string()
}

fn progress(arguments: &cli::Get) -> ProgressBar {
    /// A longer name leaves no room for the bar.
    const NAME_MAX_CHARS: usize = 24;
    let to_terminal = arguments.output.as_deref() == Some("-".as_ref());
    let is_in_the_way = to_terminal && std::io::stdout().is_terminal();
    if arguments.quiet || arguments.wire || is_in_the_way || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = meter::line(None);
    let name = shown_name(&arguments.url.address);
    let mut short: String = name.chars().take(NAME_MAX_CHARS).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    bar.set_prefix(short);
    bar
}

/// Waits for what comes next, and says on the progress bar how long nothing came. `None`: nothing
/// came for [`SILENCE_TIMEOUT`].
async fn next<T>(progress: &ProgressBar, wait: impl Future<Output = T>) -> Option<T> {
    const FIRST_WORD_AFTER_S: u64 = 3;
    tokio::pin!(wait);
    for second in 0..SILENCE_TIMEOUT.as_secs() {
        if let Ok(came) = tokio::time::timeout(Duration::from_secs(1), &mut wait).await {
            if second >= FIRST_WORD_AFTER_S {
                progress.set_message("");
            }
            return Some(came);
        }
        if second >= FIRST_WORD_AFTER_S {
            progress.set_message(format!("no data for {} s", second + 1));
        }
    }
    None
}
