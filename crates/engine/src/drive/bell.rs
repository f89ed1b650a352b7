//! A [`Waker`] for who waits in poll(2): waking it makes an eventfd readable.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Wake, Waker};

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd that can be rung from anywhere.
#[derive(Debug)]
pub(super) struct Bell {
    rings: Arc<Rings>,
    waker: Waker,
}

#[derive(Debug)]
struct Rings(OwnedFd);

impl Wake for Rings {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It counts up to 2^64, so that it cannot be full.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl Bell {
    /// A bell that nobody has rung.
    pub(super) fn new() -> io::Result<Self> {
        let rings = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let rings = Arc::new(Rings(rings));
        Ok(Self { waker: Waker::from(Arc::clone(&rings)), rings })
    }

    /// What rings it.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Makes it silent again. What it was rung for has to be looked at after that.
    pub(super) fn silence(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.rings.0, &mut count);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rings.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_ringing(bell: &Bell) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    #[test]
    fn it_rings_until_it_is_silenced_however_often_it_was_rung() {
        let bell = Bell::new().unwrap();
        assert!(!is_ringing(&bell));
        bell.waker().wake_by_ref();
        bell.waker().wake_by_ref();
        assert!(is_ringing(&bell));
        bell.silence();
        assert!(!is_ringing(&bell));
    }
}
