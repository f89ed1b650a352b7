//! What is done for an archive on a thread that may wait for the disk: going through the folder,
//! opening, heads and short files. Long files are left to who sends them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{Mode, fstat};
use rustix::io::{Errno, pread};
use sockeye_proto::archive::{Entry, Kind};
use sockeye_proto::http::target::SharePath;
use sockeye_proto::limits::{ARCHIVE_BATCH_BYTES, ARCHIVE_BATCH_SPAN, SMALL_BODY_MAX_BYTES};

use super::Wanted;
use super::walk::{Found, Walk};
use super::writer::Writer;
use crate::disk::folder::{FileHandle, Folder, Opened};

/// A file that changes while it is read is read again so often.
const READS_MAX: usize = 3;

/// An archive in the making.
#[derive(Debug)]
pub(super) struct Making {
    walk: Walk,
    pub(super) writer: Writer,
    /// The length of a file whose contents have left, and what stands behind them not yet.
    ended: Option<u64>,
    has_walked: bool,
}

/// Some of an archive.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

/// What comes behind a batch.
#[derive(Debug)]
pub(super) enum Then {
    /// Another.
    More,
    /// The contents of a file, as long as it was when it was opened.
    Contents(Arc<FileHandle>),
    /// Nothing.
    End,
}

impl Making {
    pub(super) fn new(folder: Arc<Folder>, wanted: Wanted) -> Self {
        let writer = Writer::new(wanted.form);
        Self { walk: Walk::new(folder, wanted), writer, ended: None, has_walked: false }
    }

    /// The contents of a file have left, all so many bytes.
    pub(super) fn has_sent(&mut self, length: u64) {
        self.ended = Some(length);
    }

    /// What was left out, in words.
    pub(super) fn remark(&self) -> Option<String> {
        self.walk.left_out.remark()
    }

    /// The next of it. Blocks on the disk, but for no longer than a batch is worth.
    pub(super) fn batch(&mut self) -> io::Result<Batch> {
        let mut bytes = Vec::new();
        if let Some(length) = self.ended.take() {
            self.writer.end(length, &mut bytes)?;
        }
        let begun = Instant::now();
        let mut then = Then::More;
        while bytes.len() < ARCHIVE_BATCH_BYTES
            && (bytes.is_empty() || begun.elapsed() < ARCHIVE_BATCH_SPAN)
        {
            if self.has_walked {
                if self.writer.close(&mut bytes, ARCHIVE_BATCH_BYTES)? {
                    then = Then::End;
                    break;
                }
                continue;
            }
            match self.walk.next()? {
                None => self.has_walked = true,
                Some(Found::Folder { name, facts }) => {
                    let (kind, modified_ns) = (Kind::Folder, facts.modified_ns);
                    let entry = Entry { name: &name, kind, length: 0, modified_ns };
                    self.writer.whole(&entry, &[], &mut bytes)?;
                }
                Some(Found::File { name, path, file }) => {
                    if let Some(file) = self.file(&name, &path, file, &mut bytes)? {
                        then = Then::Contents(Arc::new(file));
                        break;
                    }
                }
            }
        }
        self.writer.sent(bytes.len());
        Ok(Batch { bytes, then })
    }

    /// Writes a short file whole, and gives back a long one, of which the head is written.
    fn file(
        &mut self,
        name: &[u8],
        path: &SharePath,
        mut file: FileHandle,
        out: &mut Vec<u8>,
    ) -> io::Result<Option<FileHandle>> {
        for _ in 0..READS_MAX {
            let length = file.facts.length;
            let entry =
                Entry { name, kind: kind(&file)?, length, modified_ns: file.facts.modified_ns };
            if length > SMALL_BODY_MAX_BYTES {
                self.writer.begin(&entry, out);
                return Ok(Some(file));
            }
            match read(&file) {
                Ok(Some(contents)) => {
                    self.writer.whole(&entry, &contents, out)?;
                    return Ok(None);
                }
                Ok(None) => {}
                Err(error) => {
                    self.walk.left_out.add(path, &error.to_string());
                    return Ok(None);
                }
            }
            match self.walk.look_up(path) {
                Ok(Opened::File(again)) => file = again,
                _ => break,
            }
        }
        self.walk.left_out.add(path, "it changes while it is read");
        Ok(None)
    }
}

fn kind(file: &FileHandle) -> io::Result<Kind> {
    let mode = Mode::from_raw_mode(fstat(&file.descriptor)?.st_mode);
    let is_executable = mode.intersects(Mode::XUSR | Mode::XGRP | Mode::XOTH);
    Ok(Kind::File { is_executable })
}

/// A short file's contents, as long as it was when it was opened; `None` if it changed meanwhile.
fn read(file: &FileHandle) -> io::Result<Option<Vec<u8>>> {
    let mut contents = vec![0; usize::try_from(file.facts.length).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < contents.len() {
        match pread(&file.descriptor, &mut contents[filled..], filled as u64) {
            Ok(0) => return Ok(None),
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((!file.was_rewritten()?).then_some(contents))
}
