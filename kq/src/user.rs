//! The flags of a user event: 24 bits that are the program's own.

use crate::Change;

/// Operations on the flags of a user event, carried out when the change is applied to an event that was added before;
/// the change that adds it stores the flags as they are. The event tells them, and only then, as
/// [`EventKind::User`](crate::EventKind::User)'s `flags`.
///
/// A change has one operation: the last one is meant. Bits above the 24 are dropped. The operation goes with
/// [`trigger`](Change::trigger), before or after it; in a change of no flags
/// ([`set_flags`](Change::set_flags)`(Flags::empty())`) it modifies without raising the event.
///
/// ```
/// use kq::{Change, EventBuffer, EventKind, Kqueue};
///
/// const LINE_UP: u32 = 0x1;
/// const LINE_DOWN: u32 = 0x2;
///
/// let queue = Kqueue::new()?;
/// let mut events = EventBuffer::with_capacity(4);
/// let user = Change::user(7).clear();
/// queue.apply(&[user])?;
/// queue.apply(&[user.trigger().or_user_flags(LINE_UP), user.trigger().or_user_flags(LINE_DOWN)])?;
/// for event in queue.wait(&mut events, None)? {
///     assert!(matches!(event.kind(), EventKind::User { id: 7, flags: 0x3, .. }));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
impl Change {
    /// Sets the flags to `flags` (NOTE_FFCOPY).
    #[inline]
    pub fn set_user_flags(self, flags: u32) -> Change {
        self.user_flags(kq_sys::NOTE_FFCOPY, flags)
    }

    /// Adds `flags` to those that are set (NOTE_FFOR).
    #[inline]
    pub fn or_user_flags(self, flags: u32) -> Change {
        self.user_flags(kq_sys::NOTE_FFOR, flags)
    }

    /// Keeps those of the flags that are in `flags`, too (NOTE_FFAND).
    #[inline]
    pub fn and_user_flags(self, flags: u32) -> Change {
        self.user_flags(kq_sys::NOTE_FFAND, flags)
    }

    #[inline]
    fn user_flags(self, operation: u32, flags: u32) -> Change {
        let trigger = self.get_fflags() & kq_sys::NOTE_TRIGGER;
        self.fflags(trigger | operation | flags & kq_sys::NOTE_FFLAGSMASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_operation_is_meant_and_a_trigger_stays() {
        let user = Change::user(1);
        assert_eq!(user.set_user_flags(!0).get_fflags(), kq_sys::NOTE_FFCOPY | kq_sys::NOTE_FFLAGSMASK);
        let either = [user.trigger().or_user_flags(5), user.or_user_flags(5).trigger()];
        for change in either.map(|change| change.get_fflags()) {
            assert_eq!(change, kq_sys::NOTE_TRIGGER | kq_sys::NOTE_FFOR | 5);
        }
        let last = user.set_user_flags(0xff).trigger().and_user_flags(2);
        assert_eq!(last.get_fflags(), kq_sys::NOTE_TRIGGER | kq_sys::NOTE_FFAND | 2);
    }
}
