//! The flags of `sockeye put`.

use std::path::PathBuf;

use clap::Args;
use sockeye_proto::address::Scheme;

use super::{ClientKey, Config, Ip, Link, Pin, Secret};

/// `sockeye put`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sockeye put photo.jpg http://192.168.1.7:8080/\n  \
                        sockeye put photo.jpg http://192.168.1.7:8080/holiday.jpg\n  \
                        sockeye put Photos notes.txt http://192.168.1.7:8080/from-ana/\n  \
                        tar c . | sockeye put - http://192.168.1.7:8080/backup.tar\n\n\
                        A URL that ends in / is a folder, and so is that of several things or of a folder:\n\
                        `put Photos http://HOST/x` makes /x/Photos/. Files under a name that exists are\n\
                        not replaced, unless the server was told to; the same bytes again are fine.")]
pub struct Put {
    /// What to send: files, whole folders, `-` for standard input.
    #[arg(value_name = "FILE|FOLDER", required = true, num_args = 1..)]
    pub things: Vec<PathBuf>,
    /// Where to: http://HOST:PORT/FOLDER/ or, for one file, http://HOST:PORT/NAME; https:// likewise.
    /// A hub's link may be given as it is, with its #k=KEY.
    #[arg(value_name = "URL", required = true, value_parser = Secret(put_link))]
    pub url: Link,
    /// Writes one JSON object for each file on standard output.
    #[arg(long)]
    pub json: bool,
    /// Shows no progress, and says only what went wrong.
    #[arg(long, short)]
    pub quiet: bool,
    /// Shows what goes over the wire on stderr: when, which way, its bytes, and what it means.
    #[arg(long)]
    pub wire: bool,
    /// Over https, whom to trust.
    #[command(flatten)]
    pub pin: Pin,
    /// What the hub is told to let us in.
    #[command(flatten)]
    pub key: ClientKey,
    /// Of names, only the IP version.
    #[command(flatten)]
    pub ip: Ip,
    /// Where settings come from.
    #[command(flatten)]
    pub config: Config,
}

fn put_link(text: &str) -> Result<Link, String> {
    Link::read(text, &[Scheme::Http, Scheme::Https])
}
