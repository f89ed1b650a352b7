//! Giving memory back to the system.
#![allow(unsafe_code, reason = "mallopt has no safe wrapper")]

/// Large buffers that are freed go back to the system at once.
///
/// glibc raises its threshold for that when the first one is freed, and from then on keeps large
/// buffers in its arenas, where a burst of slow readers would leave gigabytes. Setting the
/// threshold switches that off (mallopt(3), `M_MMAP_THRESHOLD`). To be called before there are other
/// threads.
pub fn give_back_large_buffers() {
    #[cfg(target_env = "gnu")]
    {
        const THRESHOLD_BYTES: libc::c_int = 128 * 1024;
        // SAFETY: mallopt only changes parameters of the allocator; no other thread exists yet.
        // That it could not be set would cost memory and nothing else.
        let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD_BYTES) };
    }
}
