//! Looking through a folder: every file in it, and what cannot be sent.
//!
//! Links to folders are not followed, and neither are links that lead out of the folder: what
//! is sent is what lies in it.

use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// A regular file of this length, or a link to one that lies in the folder too.
    File(u64),
    /// A folder with nothing in it.
    EmptyFolder,
    /// Something that is not sent.
    Left {
        /// Why.
        why: String,
        /// Whether it is a file or folder, which should have been.
        is_failure: bool,
    },
}

/// Everything in a folder, in the order of its names. It is read now; what comes later is not seen.
pub fn walk(folder: &Path) -> Vec<(PathBuf, Found)> {
    let real_root = folder.canonicalize().ok();
    let mut found = Vec::new();
    // What is to be looked at; the next is the last.
    let mut ahead = vec![(folder.to_owned(), None)];
    while let Some((path, file_type)) = ahead.pop() {
        let file_type: Option<FileType> = file_type;
        match file_type {
            Some(kind) if !kind.is_dir() => {
                let thing = look_at(&path, kind, real_root.as_deref());
                found.push((path, thing));
            }
            _ => match entries(&path) {
                Ok(entries) if entries.is_empty() => found.push((path, Found::EmptyFolder)),
                Ok(entries) => ahead.extend(entries.into_iter().rev()),
                Err(error) => found.push((path, failed(&error))),
            },
        }
    }
    found
}

type Entry = (PathBuf, Option<FileType>);

fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = std::fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.path(), Some(entry.file_type()?)))
        })
        .collect::<io::Result<_>>()?;
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

fn look_at(path: &Path, kind: FileType, root: Option<&Path>) -> Found {
    if kind.is_symlink() {
        return look_behind(path, root);
    }
    if !kind.is_file() {
        return left(what_it_is(kind));
    }
    match path.metadata() {
        Ok(facts) => Found::File(facts.len()),
        Err(error) => failed(&error),
    }
}

fn look_behind(link: &Path, root: Option<&Path>) -> Found {
    let Ok(target) = link.canonicalize() else {
        return left("a link that leads nowhere");
    };
    match target.metadata() {
        Ok(facts) if facts.is_dir() => left("a link to a folder"),
        Ok(_) if root.is_none_or(|root| !target.starts_with(root)) => {
            left("a link that leads out of the folder")
        }
        Ok(facts) if facts.is_file() => Found::File(facts.len()),
        Ok(facts) => left(what_it_is(facts.file_type())),
        Err(error) => failed(&error),
    }
}

fn what_it_is(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "a socket"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "a device"
    }
}

fn left(why: &str) -> Found {
    Found::Left { why: why.to_owned(), is_failure: false }
}

fn failed(error: &io::Error) -> Found {
    Found::Left { why: format!("it cannot be read: {error}"), is_failure: true }
}
