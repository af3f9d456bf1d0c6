//! The lock of a queue's state, and what is due when it is left.

use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use parking_lot::MutexGuard;

use super::queue::State;
use super::ready::Unwritten;

/// A queue's state while it is locked. After that the token is written to, if that is due.
pub(super) struct Locked<'a>(ManuallyDrop<MutexGuard<'a, State>>);

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn new(guard: MutexGuard<'a, State>) -> Locked<'a> {
        Locked(ManuallyDrop::new(guard))
    }

    /// Unlocks, as dropping it does; where a system call's way back matters (see `syscall`), in place.
    #[inline(always)]
    pub(super) fn leave(self) {
        if let Some(token) = self.unlock() {
            token.write();
        }
    }

    /// Unlocks, and leaves what is due to the caller: the token, if it is to be written to.
    #[inline(always)]
    pub(super) fn unlock(self) -> Option<Unwritten> {
        // SAFETY: it is not dropped after that.
        unsafe { ManuallyDrop::new(self).release() }
    }

    /// # Safety
    /// Nothing may use it after that.
    #[inline(always)]
    unsafe fn release(&mut self) -> Option<Unwritten> {
        let unwritten = self.take_unwritten();
        // SAFETY: the guard is dropped here only, and nothing uses it any more, by the caller's promise.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        unwritten
    }

    /// Gives way to threads that wait for the lock.
    pub(super) fn let_others(&mut self) {
        MutexGuard::bump(&mut self.0);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: it is being dropped.
        if let Some(token) = unsafe { self.release() } {
            token.write();
        }
    }
}

impl Deref for Locked<'_> {
    type Target = State;
    #[inline]
    fn deref(&self) -> &State {
        &self.0
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        &mut self.0
    }
}
