//! How long a test waits, and the lock for tests that must not run side by side.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long what must come may take before the test fails: longer than the slowest machine needs.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How long a test looks out for what must not come.
pub const QUIET: Duration = Duration::from_millis(50);

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not hold after [`LIMIT`].
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "{what}: not after {LIMIT:?}");
        sleep(Duration::from_millis(1));
    }
}

/// Whether `run` takes as long as `time`, in one of several runs where the kernel's own clock may be behind.
///
/// FreeBSD counts a longer timeout from the last tick of its clock and adds one tick: where that tick came late, as on a
/// busy emulator, the wait is short by as much, once.
pub fn takes(time: Duration, mut run: impl FnMut()) -> bool {
    let runs = if cfg!(freebsd) { 10 } else { 1 };
    (0..runs).any(|_| {
        let start = Instant::now();
        run();
        start.elapsed() >= time
    })
}

/// Holds the other tests of the program back until the guard is dropped.
///
/// A test takes it if it forks (the child has a copy of every descriptor), closes a descriptor and relies on its number
/// staying free, counts descriptors, or changes what a signal does; and so do all tests in the same file.
#[must_use = "the other tests run as soon as it is dropped"]
pub fn serial() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    // A test that failed does not make the others fail.
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}
