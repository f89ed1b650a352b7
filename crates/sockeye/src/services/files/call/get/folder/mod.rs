//! A folder of a hub, fetched with everything in it.
//!
//! [`listing`] reads what a folder holds, and believes nothing of it. A [`crew`] of a few lines goes
//! through folders and fetches files side by side, onto [`ground`] that nothing leads out of, each
//! file as a get alone would. [`report`] tells what became of each.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sockeye_proto::address::Address;
use sockeye_proto::archive::asked;
use sockeye_proto::http::target::SharePath;
use tokio::runtime::Runtime;

use super::line::Line;
use super::say;
use super::target::is_plain_name;
use crate::cli;
use crate::exit::Failure;
use crate::services::files::call::reach::Way;
use crate::services::files::call::{by_hand, meter};
use crew::Crew;
use ground::Ground;
use listing::{Listing, Read};
use report::Report;

mod crew;
mod ground;
mod listing;
mod report;

/// A folder that was looked into.
#[derive(Debug)]
pub struct Root {
    /// Where it is: the hub's own address.
    hub: Address,
    path: SharePath,
    listing: Listing,
    /// Whom it was asked over.
    line: Line,
}

/// Whether a URL may be that of a folder, before anybody was asked: it ends as one, a folder is here
/// under its name, perhaps from an earlier run, or the place where it goes would have to be made.
pub fn is_likely(arguments: &cli::Get) -> bool {
    let url = &arguments.url.address;
    let beneath = match &arguments.output {
        None => Path::new("."),
        Some(output) => Path::new(output),
    };
    let is_here = |name: Vec<u8>| {
        let name = OsString::from_vec(name);
        is_plain_name(&name) && beneath.join(name).is_dir()
    };
    let lacks_place = arguments.output.as_deref().is_some_and(|output| {
        let parent = Path::new(output).parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.is_some_and(|parent| !parent.exists())
    });
    let is_likely =
        is_written_as_folder(url) || lacks_place || url.file_name().is_some_and(is_here);
    url.scheme.is_http() && is_likely && !is_archive(url)
}

/// Looks into the folder that the URL is of. `None`: it is none of a hub, and may be something
/// else.
///
/// # Errors
/// Besides those on the way: the URL is written as a folder, and nobody lists it. What stands there
/// instead, a page for browsers perhaps, is not saved in its place: it would pass for what was
/// wanted. Into a pipe it goes, and so does what a query asks for into a file, since one body is
/// meant there.
pub fn look(
    arguments: &cli::Get,
    way: &Arc<Way>,
    runtime: &Runtime,
) -> Result<Option<Root>, Failure> {
    let url = &arguments.url.address;
    let root = look_at(url, arguments, way, runtime)?;
    let is_one_body = match arguments.output.as_deref() {
        None => false,
        Some(output) if output == "-" => true,
        Some(output) => query(url).is_some() && !Path::new(output).is_dir(),
    };
    if root.is_none() && is_written_as_folder(url) && !is_one_body {
        return Err(no_listing(url));
    }
    Ok(root)
}

/// The same for any URL.
pub fn look_at(
    url: &Address,
    arguments: &cli::Get,
    way: &Arc<Way>,
    runtime: &Runtime,
) -> Result<Option<Root>, Failure> {
    let path = url.path.split('?').next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let path = SharePath::parse(path).map_err(|e| Failure::Usage(format!("{url}: {e}")))?;
    let mut line = Line::lasting(way);
    let read = runtime.block_on(async {
        tokio::select! {
            read = listing::read(&mut line, url, &path) => read,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted("interrupted".into())),
        }
    });
    super::remark(way);
    match read? {
        Read::Listing(listing, hub) => {
            if arguments.output.as_deref() == Some("-".as_ref()) {
                let tar = Address { path: format!("{}?tar", path.as_folder().encoded()), ..hub };
                return Err(Failure::Usage(format!(
                    "{url} is a folder, which goes into no pipe as it is; `curl '{tar}'` gives it as one tar"
                )));
            }
            Ok(Some(Root { hub, path: path.as_folder(), listing, line }))
        }
        Read::Refused(why) if is_written_as_folder(url) => Err(Failure::SaidNo(why)),
        Read::Broken(why) if is_written_as_folder(url) => Err(Failure::Corrupt(why)),
        Read::Refused(_) | Read::Broken(_) | Read::NoListing => Ok(None),
    }
}

/// The failure where a folder is meant, and nobody lists it.
pub fn no_listing(url: &Address) -> Failure {
    Failure::SaidNo(format!(
        "{url} is no folder of a Sockeye hub, and others' cannot be gone through; give the URL of a \
         file, or have what is there instead with `-o - > FILE`"
    ))
}

/// Fetches all that is in it.
pub fn get(
    arguments: &cli::Get,
    way: &Arc<Way>,
    runtime: &Runtime,
    mut root: Root,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let url = Address { path: root.path.encoded(), ..root.hub.clone() };
    let place = match &arguments.output {
        Some(output) if output.is_empty() => {
            return Err(Failure::Usage("-o wants a folder's name".into()));
        }
        Some(output) => PathBuf::from(output),
        None => PathBuf::from(name(&mut root, runtime)?),
    };
    let ground = Ground::open(&place)?;
    let bar = meter::progress(arguments.quiet || arguments.wire, arguments.json, 1);
    bar.set_length(0);
    let mut report = Report::new(arguments, bar.clone());
    let crew = Crew::new(way, root, (ground, place.clone()), (arguments.overwrite, bar));
    let is_interrupted = runtime.block_on(async {
        let mut is_interrupted = false;
        let told = crew.fetch_all(|told| {
            report.take(&told);
            way.keys.remarks().iter().for_each(|remark| report.say(remark));
        });
        tokio::pin!(told);
        loop {
            tokio::select! {
                () = &mut told => return is_interrupted,
                _ = tokio::signal::ctrl_c(), if !is_interrupted => {
                    is_interrupted = true;
                    crew.stop();
                }
            }
        }
    });
    if arguments.wire {
        report.say(&by_hand::fetching_folder(&url, way.wanted_by_hand(&url)));
    }
    let finished = report.finish(&place, crew.left(), begun.elapsed());
    if is_interrupted {
        let why = "interrupted; the same command goes on from there";
        return Err(Failure::Interrupted(why.into()));
    }
    finished
}

/// What the folder is called here: its own name, or the share's where it is all of it.
fn name(root: &mut Root, runtime: &Runtime) -> Result<OsString, Failure> {
    if let Some(name) = root.path.name() {
        return Ok(OsString::from_vec(name.to_vec()));
    }
    let name = runtime.block_on(listing::name_of_share(&mut root.line, &root.hub));
    name.map(OsString::from_vec).ok_or_else(|| {
        Failure::Usage(format!("{} has no name to be saved under; give one with -o DIR", root.hub))
    })
}

fn is_written_as_folder(url: &Address) -> bool {
    let path = url.path.split('?').next().unwrap_or_default();
    path.is_empty() || path.ends_with('/')
}

/// Whether all of a folder is asked for as one file.
fn is_archive(url: &Address) -> bool {
    query(url).is_some_and(|query| matches!(asked::Asked::in_query(query), Ok(Some(_))))
}

fn query(url: &Address) -> Option<&str> {
    url.path.split_once('?').map(|(_, query)| query)
}

/// What the report says goes above the line of progress.
fn above(bar: &indicatif::ProgressBar, text: &str) {
    bar.suspend(|| say(text));
}
