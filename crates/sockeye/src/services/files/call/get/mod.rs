//! `sockeye get`: one file is fetched.
//!
//! [`http`] and [`raw`] are the wires, [`save`] is where the bytes go: a file that appears under
//! its name only when it is whole, or standard output.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sockeye_engine::request_log::Size;
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::printable::Printable;

use super::key::Keys;
use super::reach::Way;
use super::{SILENCE_TIMEOUT, by_hand};
use crate::cli;
use crate::exit::Failure;
use crate::serving;
use save::Sink;

mod http;
mod raw;
mod save;

/// What a get did.
#[derive(Debug)]
struct Fetched {
    /// All bytes of the file, those of an earlier run included.
    bytes: u64,
    /// How many were already here.
    resumed_from: u64,
}

/// `sockeye get`.
pub fn get(arguments: cli::Get) -> Result<(), Failure> {
    let pin = arguments.pin.clone().or_of(&arguments.url);
    pin.check(&arguments.url.address)?;
    let target = save::target(&arguments)?;
    if arguments.json && target.is_stdout() {
        return Err(Failure::Usage(
            "--json and `-o -` both want standard output; give -o a file name".into(),
        ));
    }
    let progress = progress(&arguments);
    let begun = Instant::now();
    let mut sink = Sink::open(&target, &arguments.url.address)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Ours(format!("cannot start the runtime: {e}")))?;
    let keys = Keys::new(&arguments.url, &arguments.key)?;
    let way = Way::new(arguments.ip.version(), pin.trust(), keys, arguments.wire);
    let fetched = runtime.block_on(async {
        tokio::select! {
            fetched = async {
                match arguments.url.address.scheme {
                    Scheme::Http | Scheme::Https => http::fetch(&arguments.url.address, &way, &mut sink, &progress).await,
                    // get takes no udp:// yet: its parser knows http and tcp alone.
                    Scheme::Tcp | Scheme::Udp => raw::fetch(&arguments.url.address, &way, &mut sink, &progress).await,
                }
            } => fetched,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted("interrupted".into())),
        }
    });
    progress.finish_and_clear();
    for remark in way.keys.remarks() {
        say(&format!("sockeye: {remark}"));
    }
    if arguments.wire {
        show_by_hand(&arguments.url.address, &way);
    }
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(failure) => return Err(sink.abandon(failure)),
    };
    let file = sink.finish(arguments.overwrite)?;
    if !progress.is_hidden() {
        say_done(&arguments, &fetched, begun.elapsed());
    }
    if arguments.json {
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let said = json!({
            "url": arguments.url.address.to_string(), "file": file, "bytes": fetched.bytes,
            "resumed_from": fetched.resumed_from, "took_ms": took_ms,
        });
        serving::print(&format!("{said}\n"))?;
    }
    Ok(())
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
    let style = ProgressStyle::with_template(match arguments.url.address.scheme {
        Scheme::Http | Scheme::Https => {
            "{prefix} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} \
             {eta} {msg}"
        }
        // The wire does not say how much will come.
        Scheme::Tcp | Scheme::Udp => {
            "{prefix} {spinner} {decimal_bytes} {decimal_bytes_per_sec} {msg}"
        }
    });
    let bar = ProgressBar::no_length();
    let name = shown_name(&arguments.url.address);
    let mut short: String = name.chars().take(NAME_MAX_CHARS).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    bar.set_prefix(short);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
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
