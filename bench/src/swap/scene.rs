//! The ways in which what a name stands for changes on disk.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::contents::Contents;
use super::history::{History, State};

/// What is replaced in place is written in pieces, as most programs do.
const PIECE_BYTES: usize = 64 * 1024;
/// Of a case whose states alternate: each stands for longer than a server may be late, because a
/// late answer would else look like one of the state before the last.
const ALTERNATING: Duration = Duration::from_millis(180);
const HARD_CONTENTS: Contents = Contents { length: 1 << 10, varies: false };

/// One way.
#[derive(Clone, Copy, Debug)]
pub enum Scene {
    /// A new file takes the name by rename.
    Renamed(Contents),
    /// The same file is written over.
    InPlace(Contents),
    /// A new file of the same length and with the same modification time takes the name.
    SameStamp(Contents),
    /// Two states alternate.
    Hard(Case),
}

/// What alternates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// The name is that of a folder.
    Folder,
    /// There is no such name; what comes back is a new file.
    Removed,
    /// The file may not be read.
    Locked,
    /// The folder on the way may not be entered.
    FolderLocked,
    /// The folder on the way takes another's place.
    FolderSwapped,
    /// A symbolic link leads to another file.
    Link,
    /// One on the way leads to another folder.
    FolderLink,
    /// It leads out of what is shared.
    LinkOut,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, contents) = match self {
            Self::Renamed(contents) => ("replaced by rename", contents),
            Self::InPlace(contents) => ("rewritten in place", contents),
            Self::SameStamp(contents) => ("replaced, same size and mtime", contents),
            Self::Hard(case) => {
                return f.write_str(match case {
                    Case::Folder => "replaced by a folder, and back",
                    Case::Removed => "removed, and there again",
                    Case::Locked => "permission taken away, and given",
                    Case::FolderLocked => "permission of its folder taken, and given",
                    Case::FolderSwapped => "its folder changes places with another",
                    Case::Link => "a link to it leads elsewhere",
                    Case::FolderLink => "a link to its folder leads elsewhere",
                    Case::LinkOut => "a link to it leads out of the share",
                });
            }
        };
        write!(f, "{how}, {} KiB", contents.length >> 10)
    }
}

/// A scene's place on disk.
#[derive(Debug)]
pub struct Stage {
    /// What is asked for.
    pub path: String,
    /// What it stands for at first.
    pub first: State,
    /// The folder that is shared, of this scene alone.
    folder: PathBuf,
    /// A folder outside the share, on the same file system.
    aside: PathBuf,
}

impl Stage {
    /// Takes it all away.
    pub fn strike(&self) -> anyhow::Result<()> {
        for name in ["one", "two"] {
            let folder = self.folder.join(name);
            if folder.exists() {
                fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
            }
        }
        fs::remove_dir_all(&self.folder)?;
        fs::remove_dir_all(&self.aside).context("cannot clear the stage")
    }
}

impl Scene {
    /// The hard cases.
    pub fn hard_cases() -> Vec<Self> {
        [
            Case::Folder,
            Case::Removed,
            Case::Locked,
            Case::FolderLocked,
            Case::FolderSwapped,
            Case::Link,
            Case::FolderLink,
            Case::LinkOut,
        ]
        .map(Self::Hard)
        .into()
    }

    /// What is in the file.
    pub fn contents(&self) -> Contents {
        match self {
            Self::Renamed(contents) | Self::InPlace(contents) | Self::SameStamp(contents) => {
                *contents
            }
            Self::Hard(_) => HARD_CONTENTS,
        }
    }

    /// Whether the file changes beneath an answer that has begun: such a one may break off.
    pub fn in_place(&self) -> bool {
        matches!(self, Self::InPlace(_))
    }

    /// Puts on disk what is there at first. Each scene has a number, and a name, of its own: what
    /// stood under the last one's may be given out for a while yet.
    pub fn set(&self, temp: &Path, number: usize) -> anyhow::Result<Stage> {
        let name = format!("scene-{number}");
        let (folder, aside) = (temp.join("share").join(&name), temp.join("aside"));
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(&aside)?;
        let (one, two) = (self.contents().of(1), self.contents().of(2));
        let inside = if let Self::Hard(case) = self {
            for (name, contents) in [("one", &one), ("two", &two)] {
                fs::create_dir(folder.join(name))?;
                fs::write(folder.join(name).join("file"), contents)?;
            }
            case.set(&folder)?
        } else {
            fs::rename(self.written(&aside, 1)?, folder.join("file"))?;
            "file"
        };
        let path = format!("/{name}/{inside}");
        Ok(Stage { path, first: State::Generation(1), folder, aside })
    }

    /// Changes what the name stands for until the time is over; says how often.
    pub fn change(&self, stage: &Stage, history: &History, span: Duration) -> anyhow::Result<u64> {
        let begun = Instant::now();
        let mut changes = 0;
        while begun.elapsed() < span {
            std::thread::sleep(self.pause(changes));
            changes += 1;
            let generation = changes + 1;
            match self {
                Self::Hard(case) => {
                    let to = case.state(changes);
                    case.turn(stage, history, to, changes)?;
                }
                Self::InPlace(contents) => {
                    let bytes = contents.of(generation);
                    let mut file =
                        OpenOptions::new().write(true).open(stage.folder.join("file"))?;
                    history.change(State::Generation(generation), || {
                        for piece in bytes.chunks(PIECE_BYTES) {
                            file.write_all(piece)?;
                        }
                        Ok(())
                    })?;
                }
                Self::Renamed(_) | Self::SameStamp(_) => {
                    let new = self.written(&stage.aside, generation)?;
                    history.change(State::Generation(generation), || {
                        Ok(fs::rename(&new, stage.folder.join("file"))?)
                    })?;
                }
            }
        }
        Ok(changes)
    }

    /// From 5 to 150 ms, in an order that fits no period of a server's.
    fn pause(&self, changes: u64) -> Duration {
        match self {
            Self::Hard(_) => ALTERNATING + Duration::from_millis(changes * 37 % 41),
            _ => Duration::from_millis(5 + changes * 89 % 146),
        }
    }

    /// A file of this generation that waits to take the name.
    fn written(&self, aside: &Path, generation: u64) -> anyhow::Result<PathBuf> {
        let new = aside.join("new");
        let mut file = File::create(&new)?;
        file.write_all(&self.contents().of(generation))?;
        if matches!(self, Self::SameStamp(_)) {
            let stamp = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            file.set_modified(stamp)?;
        }
        Ok(new)
    }
}

impl Case {
    /// Makes the links, and says which name is asked for.
    fn set(self, folder: &Path) -> anyhow::Result<&'static str> {
        Ok(match self {
            Self::Link | Self::LinkOut => {
                symlink("one/file", folder.join("link"))?;
                "link"
            }
            Self::FolderLink => {
                symlink("one", folder.join("link"))?;
                "link/file"
            }
            _ => "one/file",
        })
    }

    /// What the name stands for after so many changes.
    fn state(self, changes: u64) -> State {
        match (self, changes % 2) {
            (Self::Removed, 0) => State::Generation(changes + 1),
            (_, 0) => State::Generation(1),
            (Self::FolderSwapped | Self::Link | Self::FolderLink, _) => State::Generation(2),
            (_, _) => State::Refused,
        }
    }

    fn turn(self, stage: &Stage, history: &History, to: State, changes: u64) -> anyhow::Result<()> {
        let is_back = changes.is_multiple_of(2);
        let (one, two) = (stage.folder.join("one"), stage.folder.join("two"));
        let file = one.join("file");
        let mode = |path: &Path, mode| {
            let mode = if is_back { mode } else { 0 };
            history.change(to, || Ok(fs::set_permissions(path, Permissions::from_mode(mode))?))
        };
        let lead = |target: &Path| {
            let new = stage.aside.join("link");
            symlink(target, &new)?;
            history.change(to, || Ok(fs::rename(&new, stage.folder.join("link"))?))
        };
        match self {
            Self::Folder => {
                let folder = stage.aside.join("folder");
                if !folder.exists() {
                    fs::create_dir(&folder)?;
                }
                history.change(to, || exchange(&file, &folder))
            }
            Self::Removed if is_back => {
                let new = stage.aside.join("new");
                fs::write(&new, HARD_CONTENTS.of(changes + 1))?;
                history.change(to, || Ok(fs::rename(&new, &file)?))
            }
            Self::Removed => history.change(to, || Ok(fs::remove_file(&file)?)),
            Self::Locked => mode(&file, 0o644),
            Self::FolderLocked => mode(&one, 0o755),
            Self::FolderSwapped => history.change(to, || exchange(&one, &two)),
            Self::Link => lead(Path::new(if is_back { "one/file" } else { "two/file" })),
            Self::FolderLink => lead(Path::new(if is_back { "one" } else { "two" })),
            Self::LinkOut if is_back => lead(Path::new("one/file")),
            Self::LinkOut => {
                let outside = stage.aside.join("outside");
                fs::write(&outside, HARD_CONTENTS.of(3))?;
                lead(&outside)
            }
        }
    }
}

fn exchange(one: &Path, other: &Path) -> anyhow::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}
