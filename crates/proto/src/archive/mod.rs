//! A folder as one download: what is asked for, and the bytes that stand around the contents of
//! files in an archive.
//!
//! [`asked`] reads the request, [`zip`] and [`tar`] write heads and ends, [`attachment`] names the
//! download. Nothing here reads an archive, and nothing here holds a file's contents.

pub mod asked;
pub mod attachment;
pub mod tar;
pub mod zip;

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What every desktop opens.
    Zip,
    /// What is piped into `tar x`.
    Tar,
}

impl Form {
    /// Its name in a request, and the ending of its files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
        }
    }

    /// The form of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Zip, Self::Tar].into_iter().find(|form| form.as_str() == name)
    }
}

/// What an entry of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder; its name ends in a slash.
    Folder,
    /// A regular file.
    File {
        /// Whether somebody may run it.
        is_executable: bool,
    },
}

impl Kind {
    /// Its permission bits. Who may do what on the hub's machine is of no use elsewhere.
    pub const fn mode(self) -> u32 {
        match self {
            Self::Folder | Self::File { is_executable: true } => 0o755,
            Self::File { is_executable: false } => 0o644,
        }
    }
}

/// An entry of an archive.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its whole name in the archive, with slashes between folders.
    pub name: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// How long its contents are, in bytes; 0 for a folder.
    pub length: u64,
    /// Last change of the contents, in nanoseconds since the Unix epoch.
    pub modified_ns: i128,
}

impl Entry<'_> {
    /// Whole seconds since the Unix epoch, as far as they fit.
    fn modified_s(&self) -> i64 {
        let seconds = self.modified_ns.div_euclid(1_000_000_000);
        i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX })
    }
}
