//! The folder here into which a folder is fetched. Everything is opened and made beneath it name by
//! name, and no link on the way is followed: whoever names the files leads to no other place.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;
use sockeye_proto::printable::Printable;

use crate::exit::Failure;

/// See the [module](self).
#[derive(Debug)]
pub struct Ground(Arc<OwnedFd>);

/// What is under a name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// A file of this length that was changed last at this time, in seconds since the Unix epoch.
    File(u64, i64),
    /// Something else.
    Other,
}

impl Ground {
    /// Opens the folder, and makes it if it is not there.
    pub fn open(place: &Path) -> Result<Self, Failure> {
        let shown = place.display();
        let opened = std::fs::create_dir_all(place).and_then(|()| std::fs::File::open(place));
        match opened {
            Ok(folder) => Ok(Self(Arc::new(folder.into()))),
            Err(error) => Err(Failure::Usage(format!(
                "cannot write into {shown}: {error}; name another folder with -o DIR"
            ))),
        }
    }

    /// The folder with these names, one in the other, which is made if it is not there.
    pub fn folder(&self, names: &[&[u8]]) -> Result<Arc<OwnedFd>, String> {
        let mut here = Arc::clone(&self.0);
        for name in names {
            let failed = |error: Errno| {
                let name = Printable(name);
                match error {
                    Errno::NOTDIR | Errno::LOOP => {
                        format!(
                            "{name} is here, and is no folder, or a link, which is not followed"
                        )
                    }
                    error => format!("the folder {name} cannot be made: {error}"),
                }
            };
            match mkdirat(&here, *name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = openat(&here, *name, flags, Mode::empty()).map_err(failed)?;
            here = Arc::new(next);
        }
        Ok(here)
    }
}

/// What is in a folder under a name; links are what they are.
pub fn there(folder: &OwnedFd, name: &[u8]) -> There {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(_) => There::Nothing,
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => There::File(stat.st_size.cast_unsigned(), stat.st_mtime),
            _ => There::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn folders_are_made_beneath_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
        std::fs::create_dir(&outside).unwrap();
        let ground = Ground::open(&inside).unwrap();
        ground.folder(&[b"a", b"b"]).unwrap();
        ground.folder(&[b"a", b"b"]).unwrap();
        assert!(inside.join("a/b").is_dir());
        symlink("../outside", inside.join("out")).unwrap();
        std::fs::write(inside.join("file"), "x").unwrap();
        for name in [&b"out"[..], b"file"] {
            let why = ground.folder(&[name, b"x"]).unwrap_err();
            assert!(why.contains("no folder, or a link"), "{why}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        let folder = ground.folder(&[]).unwrap();
        assert_eq!(there(&folder, b"none"), There::Nothing);
        assert_eq!(there(&folder, b"out"), There::Other);
        assert!(matches!(there(&folder, b"file"), There::File(1, _)));
    }
}
