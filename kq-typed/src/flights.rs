//! `Flights`: which waits are under way, so that what they may still speak of can rest until all of them have ended.

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
    /// How many phases have ended.
    turns: AtomicUsize,
    even: AtomicUsize,
    odd: AtomicUsize,
}

/// A wait that is under way; over when dropped.
#[derive(Debug)]
pub(crate) struct Flight<'a> {
    counter: &'a AtomicUsize,
}

impl Flights {
    /// Counts a wait in.
    #[inline]
    pub(crate) fn begin(&self) -> Flight<'_> {
        let counter = self.counter(self.turns.load(Ordering::SeqCst));
        counter.fetch_add(1, Ordering::SeqCst);
        Flight { counter }
    }

    #[inline]
    fn counter(&self, phase: usize) -> &AtomicUsize {
        match phase % 2 {
            0 => &self.even,
            _ => &self.odd,
        }
    }

    /// Starts the next phase, unless a wait of the phase before this one is under way. By one thread at a time.
    pub(crate) fn turn(&self) -> bool {
        let phase = self.turns.load(Ordering::SeqCst);
        let last = phase.wrapping_sub(1);
        let is_over = self.counter(last).load(Ordering::SeqCst) == 0;
        if is_over {
            self.turns.store(phase.wrapping_add(1), Ordering::SeqCst);
        }
        is_over
    }

    /// How many phases have ended.
    pub(crate) fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

impl Drop for Flight<'_> {
    #[inline]
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::SeqCst);
    }
}
