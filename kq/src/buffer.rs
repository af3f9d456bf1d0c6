//! `EventBuffer`: the memory that events are received in, allocated once.

use std::fmt;
use std::mem::MaybeUninit;

use crate::sys::Raw;
use crate::Event;

/// Room for events, allocated once and used for any number of waits.
///
/// Its capacity is the most events that one wait returns: between 64 and 1,024 suits most programs. What does not fit
/// is reported by the next wait.
///
/// ```
/// let mut events = kq::EventBuffer::with_capacity(256);
/// assert_eq!(events.capacity(), 256);
/// assert!(events.events().is_empty());
/// ```
pub struct EventBuffer {
    slots: Box<[MaybeUninit<Event>]>,
    /// How many slots, from the first on, hold the events of the last wait.
    filled: usize,
    /// The errno (or 0) of each change of the last [`Kqueue::apply_each`](crate::Kqueue::apply_each).
    pub(crate) outcomes: Vec<i32>,
}

impl EventBuffer {
    /// A buffer for `capacity` events, or for one if that is 0.
    ///
    /// # Panics
    /// If so much memory cannot be addressed, as with `Vec::with_capacity`.
    pub fn with_capacity(capacity: usize) -> EventBuffer {
        // A kernel asked for no events returns at once, whatever the timeout: a loop over it would spin.
        let capacity = capacity.max(1);
        let mut slots = Vec::with_capacity(capacity);
        slots.resize_with(capacity, MaybeUninit::uninit);
        EventBuffer { slots: slots.into_boxed_slice(), filled: 0, outcomes: Vec::new() }
    }

    /// The most events that one wait returns.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The events of the last wait, for loops that cannot keep the slice that it returned.
    ///
    /// Empty before the first wait and after one that failed or timed out.
    #[inline]
    pub fn events(&self) -> &[Event] {
        // SAFETY: the first `filled` slots were written (see `set_filled`), and `Event` has the layout of its slot.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr().cast::<Event>(), self.filled) }
    }

    /// The event at `index` of the last wait.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Event> {
        self.events().get(index).copied()
    }

    /// The events of the last wait, one by one: [`events`](EventBuffer::events) as an iterator.
    #[inline]
    pub fn iter(&self) -> std::slice::Iter<'_, Event> {
        self.events().iter()
    }

    /// The slots as the kernel takes them; the events of the last wait are forgotten.
    #[inline]
    pub(crate) fn as_mut_ptr(&mut self) -> *mut Raw {
        self.filled = 0;
        self.slots.as_mut_ptr().cast::<Raw>()
    }

    /// The slots from `start` on; the events of the last wait are forgotten.
    pub(crate) fn slots_from(&mut self, start: usize) -> &mut [MaybeUninit<Event>] {
        self.filled = 0;
        self.slots.get_mut(start..).unwrap_or_default()
    }

    /// Forgets the events of the last wait.
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Says how many slots hold events.
    ///
    /// # Safety
    /// The first `filled` slots were written, and there are so many.
    #[inline]
    pub(crate) unsafe fn set_filled(&mut self, filled: usize) {
        self.filled = filled;
    }

    /// Keeps those events, in their order, for which `keep` says so.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut Event) -> bool) {
        // SAFETY: as in `events`, and the borrow is unique.
        let events = unsafe { std::slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast::<Event>(), self.filled) };
        let mut kept = 0;
        for index in 0..events.len() {
            if events.get_mut(index).is_some_and(&mut keep) {
                events.swap(kept, index);
                kept += 1;
            }
        }
        self.filled = kept;
    }
}

/// The events of the last wait.
impl<'b> IntoIterator for &'b EventBuffer {
    type Item = &'b Event;
    type IntoIter = std::slice::Iter<'b, Event>;

    #[inline]
    fn into_iter(self) -> std::slice::Iter<'b, Event> {
        self.iter()
    }
}

impl fmt::Debug for EventBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBuffer").field("capacity", &self.capacity()).field("events", &self.events()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_capacity_is_one() {
        assert_eq!(EventBuffer::with_capacity(0).capacity(), 1);
        assert_eq!(EventBuffer::with_capacity(5).capacity(), 5);
    }

    #[test]
    fn what_is_kept_stays_in_order() {
        let mut buffer = EventBuffer::with_capacity(8);
        let slots = buffer.as_mut_ptr();
        for id in 0..6 {
            // SAFETY: there are eight slots.
            unsafe { slots.add(id).write(crate::Change::timer(id, std::time::Duration::ZERO).0) };
        }
        // SAFETY: six were just written.
        unsafe { buffer.set_filled(6) };
        buffer.retain(|event| {
            event.0.flags = 0;
            event.ident() % 3 != 1
        });
        assert_eq!(buffer.events().iter().map(Event::ident).collect::<Vec<_>>(), [0, 2, 3, 5]);
        assert!(buffer.events().iter().all(|event| event.flags().is_empty()));
        assert!(buffer.get(3).is_some() && buffer.get(4).is_none());
        assert!((&buffer).into_iter().eq(buffer.events()));
        buffer.retain(|_| false);
        assert!(buffer.events().is_empty());
    }

    #[test]
    fn buffers_can_move_to_another_thread() {
        fn shareable<T: Send + Sync>() {}
        shareable::<EventBuffer>();
    }
}
