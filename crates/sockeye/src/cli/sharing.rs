//! What is shared, with whom, and what is taken from them.

use std::net::IpAddr;

use clap::{Args, ValueEnum};

use super::GivenKey;
use crate::size::Size;

/// Who else may.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The network")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Guests {
    /// Listens on all addresses of this machine. Whoever comes needs the key, which is in the link
    /// and the QR code that are shown.
    #[arg(long)]
    pub lan: bool,
    /// The address that the link names, if not the likeliest one.
    #[arg(long, value_name = "IP")]
    pub addr: Option<IpAddr>,
    /// Lets everybody in without the key; `--open=read` to read only.
    #[arg(long, value_name = "FOR", num_args = 0..=1, require_equals = true,
          default_missing_value = "all")]
    pub open: Option<Open>,
    /// With --lan, starts the services too that are of use to few.
    #[arg(long, requires = "lan")]
    pub all: bool,
    /// Does not tell the network that this hub is here: `sockeye find` will not show it.
    /// With --find-peers the others of the group still are to find it.
    #[arg(long)]
    pub no_announce: bool,
    /// Makes a new key first; the old one lets nobody in any more.
    #[arg(long)]
    pub new_key: bool,
    /// The key, if not the one in the data folder: 8 to 64 letters, digits, - and _. Capitals
    /// and small letters are the same.
    #[arg(long, value_name = "KEY", conflicts_with = "new_key")]
    pub join_key: Option<GivenKey>,
}

/// What nobody needs the key for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Open {
    /// Anything.
    All,
    /// Reading.
    Read,
}

/// Flags about the shared folder.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The folder")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Share {
    /// Serves and lists names that begin with a dot.
    #[arg(long)]
    pub hidden: bool,
    /// Receives files: POST and PUT over http save them.
    #[arg(long)]
    pub uploads: bool,
    /// A file that is sent under a name that is taken takes the other's place.
    #[arg(long, conflicts_with = "rename")]
    pub overwrite: bool,
    /// It gets a free name instead, like `a (2).txt`. Without either flag it is refused; the same
    /// bytes again are always fine.
    #[arg(long)]
    pub rename: bool,
    /// A file that is sent has at most this size, like 2G.
    #[arg(long, value_name = "SIZE")]
    pub max_upload: Option<Size>,
    /// What stays free on the disk. Without it 64M, or a fiftieth of a small disk.
    #[arg(long, value_name = "SIZE")]
    pub keep_free: Option<Size>,
    /// Whoever has no key may put files here, and see nothing.
    #[arg(long)]
    pub dropbox: bool,
}
