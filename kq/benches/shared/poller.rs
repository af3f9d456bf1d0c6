//! What the contenders have in common.

use std::os::fd::RawFd;

/// How long a wait may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    No,
    Forever,
}

/// Something that waits for descriptors to become readable. Failures are panics.
pub trait Poller: Send + Sized + 'static {
    const NAME: &'static str;

    /// With room for so many events in one wait.
    fn new(room: usize) -> Self;

    /// Watches descriptors that are not watched, in as few calls as there can be: a readable one is reported at every
    /// wait, by those who can.
    fn add(&mut self, fds: &[RawFd]);

    /// Stores anew what `add` stored.
    fn modify(&mut self, fds: &[RawFd]);

    /// Ends the watch of what `add` added.
    fn delete(&mut self, fds: &[RawFd]);

    /// Waits, hands on each readable descriptor, and returns how many there were.
    fn wait(&mut self, wait: Wait, handle: impl FnMut(RawFd)) -> usize;

    /// Has the events of the last wait reported again although nothing was read. Nothing to do for those who do that
    /// anyway.
    fn report_again(&mut self) {}

    /// `add` and `wait`, in as few calls as there can be.
    fn add_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.add(fds);
        self.wait(Wait::No, handle)
    }

    /// Adds descriptors of which each is reported once whenever it was armed. None is armed yet.
    fn add_unarmed(&mut self, fds: &[RawFd]);

    /// Arms descriptors and waits, in as few calls as there can be.
    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize;
}

/// A poller that other threads can wake.
pub trait Wakes: Poller {
    type Waker: Send + Sync + 'static;

    fn waker(&self) -> Self::Waker;
    fn wake(waker: &Self::Waker);

    /// Waits until it was woken.
    fn wait_for_wake(&mut self);
}

/// Something that has timers; each is a call of its own, as it is in a program where each has its own occasion.
pub trait Timers: Sized + 'static {
    const NAME: &'static str;

    /// With room for timers of so many ids, or nothing if there cannot be so many.
    fn new(number: usize) -> Option<Self>;

    /// Adds the one-shot timer with this id, due so many nanoseconds from now.
    fn add(&mut self, id: usize, nanos: u64);

    fn cancel(&mut self, id: usize);

    /// Takes the timers that are due, and returns how many there were.
    fn fired(&mut self) -> usize;
}
