//! The right to be here, while it lasts: given to who was let in, and taken back at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether somebody may still be here. Answers and bodies under it end when it is revoked, in the
/// middle too. An answer carries its pass among its extensions.
#[derive(Clone, Debug, Default)]
pub struct Pass(Arc<AtomicBool>);

impl Pass {
    /// A body of which nothing comes looks at its pass this often.
    pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(500);

    /// Ends what goes on under it.
    pub fn revoke(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
