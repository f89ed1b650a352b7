//! Giving up what is not needed before anything from outside is read.

use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

/// Gives up every Linux capability of this thread, and of all threads it starts later; nothing
/// this process executes can gain any again. To be called first thing in main, before there are
/// other threads. A process that had none stays as it is.
pub fn give_up() -> std::io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    // Root regains capabilities on exec unless told otherwise; only who has them may say so.
    let bits = CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED;
    let _ = rustix::thread::set_capabilities_secure_bits(bits);
    let none = CapabilitySet::empty();
    // Where a sandbox has taken them already, it may refuse even to be asked for none.
    let has = rustix::thread::capabilities(None)?;
    if [has.effective, has.permitted, has.inheritable].iter().all(CapabilitySet::is_empty) {
        return Ok(());
    }
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )?;
    Ok(())
}

/// Raises the soft limit on open descriptors to the hard one: a server's clients each take one.
/// Returns the limit now in force, if there is one.
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit = getrlimit(Resource::Nofile);
        }
    }
    limit.current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_capabilities_cannot_take_them_back() {
        // On a thread of its own: capabilities belong to threads, and the other tests keep theirs.
        let left = std::thread::spawn(|| {
            give_up().unwrap();
            rustix::thread::capabilities(None).unwrap()
        })
        .join()
        .unwrap();
        assert!(left.effective.is_empty() && left.permitted.is_empty());
    }
}
