//! `Flights`: which waits are under way, so that a used-up generation can rest until all of them have ended.

#[cfg(loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the waits that are under way, those of two phases apart.
///
/// A wait counts itself before the kernel is asked, and out when what came back has been looked up in the slots. Seeing
/// *both* counters at zero, at whatever two moments, therefore says that every wait from before has ended. The phase
/// only decides where new waits are counted, so that the other counter does get to zero while threads keep waiting.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    phase: AtomicUsize,
    waits: [AtomicUsize; 2],
}

/// A wait that is under way; over when dropped.
#[derive(Debug)]
pub(crate) struct Flight<'a> {
    counter: &'a AtomicUsize,
}

impl Flights {
    /// Counts a wait in.
    pub(crate) fn begin(&self) -> Flight<'_> {
        let counter = &self.waits[self.phase.load(Ordering::SeqCst)];
        counter.fetch_add(1, Ordering::SeqCst);
        Flight { counter }
    }

    /// Whether no wait of the phase before this one is under way.
    pub(crate) fn last_phase_is_over(&self) -> bool {
        let last = 1 - self.phase.load(Ordering::SeqCst);
        self.waits[last].load(Ordering::SeqCst) == 0
    }

    /// Starts the next phase. By one thread at a time, and only when the last phase is over.
    pub(crate) fn turn(&self) {
        let phase = self.phase.load(Ordering::SeqCst);
        self.phase.store(1 - phase, Ordering::SeqCst);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::SeqCst);
    }
}
