//! Which process this is, without a system call.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// This process's id, once it was asked for; 0 in a child that was forked since.
static ID: AtomicU32 = AtomicU32::new(0);

extern "C" fn forget() {
    ID.store(0, Ordering::Relaxed);
}

/// The id of this process, as [`std::process::id`] has it.
///
/// For `kq-typed`, which asks at every wait. A child that was not made by fork(2) but by a system call of its own
/// (clone(2) past the C library) is taken for its parent.
#[doc(hidden)]
#[inline]
pub fn process_id() -> u32 {
    match ID.load(Ordering::Relaxed) {
        0 => ask(),
        id => id,
    }
}

#[cold]
fn ask() -> u32 {
    // No `Once`: a child may be forked in the middle of this, and would wait for a thread that it does not have.
    static ASKED: AtomicBool = AtomicBool::new(false);
    static WATCHED: AtomicBool = AtomicBool::new(false);
    let id = std::process::id();
    if !ASKED.swap(true, Ordering::Relaxed) {
        // SAFETY: the function stores to an atomic, which a child may do before anything else.
        let failed = unsafe { libc::pthread_atfork(None, None, Some(forget)) } != 0;
        WATCHED.store(!failed, Ordering::Relaxed);
    }
    // Kept only if a child will know that it is another.
    if WATCHED.load(Ordering::Relaxed) {
        ID.store(id, Ordering::Relaxed);
    }
    id
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_systems() {
        for _ in 0..3 {
            assert_eq!(super::process_id(), std::process::id());
        }
    }
}
