//! An archive's bytes around the contents of its files, in either form.

use std::io;

use crc32fast::Hasher;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sockeye_proto::archive::zip::{Begun, Contents, Directory};
use sockeye_proto::archive::{Entry, Form, tar};

use super::index::Index;

/// Writes entry after entry, and then the end.
#[derive(Debug)]
pub(super) enum Writer {
    Zip(Box<Zip>),
    Tar {
        /// Of the file whose contents are on their way.
        length: u64,
    },
}

#[derive(Debug)]
pub(super) struct Zip {
    index: Index,
    directory: Directory,
    /// Bytes of the archive that left before what is being written now.
    sent_bytes: u64,
    /// The file whose contents are on their way.
    begun: Option<(Begun, Hasher)>,
    has_closed: bool,
    zone: TimeZone,
}

impl Writer {
    pub(super) fn new(form: Form) -> Self {
        match form {
            Form::Zip => Self::Zip(Box::new(Zip {
                index: Index::default(),
                directory: Directory::default(),
                sent_bytes: 0,
                begun: None,
                has_closed: false,
                zone: TimeZone::system(),
            })),
            Form::Tar => Self::Tar { length: 0 },
        }
    }

    /// A whole entry: a folder, or a file with its contents.
    pub(super) fn whole(
        &mut self,
        entry: &Entry<'_>,
        contents: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        match self {
            Self::Zip(zip) => {
                let crc32 = crc32fast::hash(contents);
                let begun = Begun::whole(entry, crc32, zip.place(entry, out), out);
                out.extend_from_slice(contents);
                zip.record(&begun, Contents { crc32, length: entry.length })
            }
            Self::Tar { .. } => {
                tar::head(entry, out);
                out.extend_from_slice(contents);
                out.extend_from_slice(tar::padding(entry.length));
                Ok(())
            }
        }
    }

    /// The head of a file whose contents follow by themselves.
    pub(super) fn begin(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Zip(zip) => {
                let begun = Begun::streamed(entry, zip.place(entry, out), out);
                zip.begun = Some((begun, Hasher::new()));
            }
            Self::Tar { length } => {
                tar::head(entry, out);
                *length = entry.length;
            }
        }
    }

    /// Contents that pass by.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        if let Self::Zip(zip) = self {
            zip.sent_bytes += bytes.len() as u64;
            if let Some((_, hasher)) = &mut zip.begun {
                hasher.update(bytes);
            }
        }
    }

    /// What stands behind contents that followed by themselves.
    pub(super) fn end(&mut self, length: u64, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Zip(zip) => {
                let Some((begun, hasher)) = zip.begun.take() else { return Ok(()) };
                let contents = Contents { crc32: hasher.finalize(), length };
                begun.descriptor(contents, out);
                zip.record(&begun, contents)
            }
            Self::Tar { length } => {
                out.extend_from_slice(tar::padding(std::mem::take(length)));
                Ok(())
            }
        }
    }

    /// A part of what stands behind all entries, about so much; says whether it was the last.
    pub(super) fn close(&mut self, out: &mut Vec<u8>, bytes: usize) -> io::Result<bool> {
        match self {
            Self::Zip(zip) => zip.close(out, bytes),
            Self::Tar { .. } => {
                out.extend_from_slice(&tar::END);
                Ok(true)
            }
        }
    }

    /// So many bytes were written, and leave.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Self::Zip(zip) = self {
            zip.sent_bytes += bytes as u64;
        }
    }
}

impl Zip {
    /// Where an entry that is written now begins, and how far its clock is from UTC.
    fn place(&self, entry: &Entry<'_>, out: &[u8]) -> (u64, i32) {
        let modified_s = i64::try_from(entry.modified_ns.div_euclid(1_000_000_000));
        let modified = modified_s.ok().and_then(|s| Timestamp::from_second(s).ok());
        let offset_s = modified.map_or(0, |time| self.zone.to_offset(time).seconds());
        (self.sent_bytes + out.len() as u64, offset_s)
    }

    fn record(&mut self, begun: &Begun, contents: Contents) -> io::Result<()> {
        self.directory.entries += 1;
        self.index.push(|out| begun.record(contents, out))
    }

    fn close(&mut self, out: &mut Vec<u8>, bytes: usize) -> io::Result<bool> {
        if !std::mem::replace(&mut self.has_closed, true) {
            self.directory.offset = self.sent_bytes + out.len() as u64;
            self.directory.length = self.index.bytes();
        }
        let is_last = self.index.drain(out, bytes)?;
        if is_last {
            self.directory.end(out);
        }
        Ok(is_last)
    }
}
