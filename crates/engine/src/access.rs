//! The doorkeeper of a server: one for all of its wires, asked from any thread.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockeye_proto::access::{Doorkeeper, Key, Verdict};

use crate::clock;

/// A [`Doorkeeper`] that many ask.
#[derive(Debug)]
pub struct Keeper(Mutex<Doorkeeper>);

impl Keeper {
    /// Wants this key.
    pub fn new(key: Key) -> Self {
        Self(Mutex::new(Doorkeeper::new(key)))
    }

    fn doorkeeper(&self) -> MutexGuard<'_, Doorkeeper> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is said to who says this, from an address that is theirs.
    pub fn check(&self, from: IpAddr, said: &[u8]) -> Verdict {
        self.doorkeeper().check(clock::now(), from, said)
    }

    /// The key that is wanted now.
    pub fn key(&self) -> Key {
        self.doorkeeper().key().clone()
    }

    /// Wants another from now on.
    pub fn change(&self, key: Key) {
        self.doorkeeper().change(key);
    }
}
