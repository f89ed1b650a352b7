//! Room on the disk for what is fetched. A body that never ends would take all of it, and the rest
//! of the machine would go without.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use sockeye_engine::disk::receive::space::Space;
use sockeye_engine::request_log::Size;

use crate::exit::Failure;

/// The disk is asked again after so many bytes of a body that does not say where it ends.
const CHECKED_EVERY_BYTES: u64 = 1024 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Room {
    /// Whether it was told how much will come, and there is room for that.
    is_promised: bool,
    /// Bytes until the disk is asked again.
    unasked_bytes: u64,
    /// What stays free under a body without an end.
    space: Space,
}

impl Room {
    /// So much is to come, if that was told. All that is free may be taken by what says how much it
    /// is, and by nothing else.
    pub fn expect(
        &mut self,
        file: &File,
        target: &Path,
        coming: Option<u64>,
    ) -> Result<(), Failure> {
        *self = Self { is_promised: coming.is_some(), unasked_bytes: 0, space: self.space };
        let Some(coming) = coming else { return Ok(()) };
        match free_bytes(&Space { keep_free_bytes: Some(0) }, file) {
            Some(free) if free < coming => Err(Failure::Ours(format!(
                "there is no room for {}: {} are to come, and {} are free; make room, or write \
                 elsewhere with -o",
                target.display(),
                Size(coming),
                Size(free)
            ))),
            _ => Ok(()),
        }
    }

    /// So many bytes are about to be written.
    pub fn take(&mut self, file: &File, target: &Path, bytes: u64) -> Result<(), Failure> {
        if self.is_promised {
            return Ok(());
        }
        if self.unasked_bytes < bytes {
            let wanted = bytes.max(CHECKED_EVERY_BYTES);
            if free_bytes(&self.space, file).is_some_and(|free| free < wanted) {
                return Err(Failure::Ours(format!(
                    "the disk of {} is full but for what stays free, and the server did not say \
                     how much there is, or whether it ends; make room, write elsewhere with -o, or \
                     read it from a pipe with `-o -`",
                    target.display()
                )));
            }
            self.unasked_bytes = wanted;
        }
        self.unasked_bytes -= bytes;
        Ok(())
    }
}

/// `None`: nobody knows, and then the disk itself says when it is full.
fn free_bytes(space: &Space, file: &File) -> Option<u64> {
    space.free_bytes(file.as_fd()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_full_disk() -> Room {
        Room { space: Space { keep_free_bytes: Some(u64::MAX) }, ..Room::default() }
    }

    #[test]
    fn what_says_no_length_is_written_only_where_room_stays() {
        let (file, target) = (tempfile::tempfile().unwrap(), Path::new("x"));
        let failure = on_a_full_disk().take(&file, target, 1).unwrap_err().to_string();
        assert!(failure.contains("did not say how much"), "{failure}");
        let mut promised = on_a_full_disk();
        promised.expect(&file, target, Some(1)).unwrap();
        promised.take(&file, target, 1).unwrap();
    }

    #[test]
    fn what_is_more_than_the_disk_has_is_refused_before_it_comes() {
        let (file, target) = (tempfile::tempfile().unwrap(), Path::new("x"));
        let failure = Room::default().expect(&file, target, Some(u64::MAX)).unwrap_err();
        assert!(failure.to_string().contains("are free"), "{failure}");
    }

    #[test]
    fn the_disk_is_asked_now_and_then() {
        let (file, target) = (tempfile::tempfile().unwrap(), Path::new("x"));
        let mut room = on_a_full_disk();
        room.unasked_bytes = 10;
        room.take(&file, target, 10).unwrap();
        room.take(&file, target, 1).unwrap_err();
    }
}
