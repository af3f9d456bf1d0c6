//! A caller's event list, and the entries of epoll that are fetched into the part of it that is not filled yet.

use core::mem::{align_of, size_of};
use std::os::fd::RawFd;

use super::kevent;
use super::knote::Key;
use super::sys::{self, Result, Timeout, Wait};

/// A caller's event list, and how much of it is filled.
pub(super) struct EventList {
    list: *mut kevent,
    room: usize,
    pub(super) length: usize,
}

/// Entries that were fetched, and not taken yet.
///
/// They lie at the very end of the list. An entry is not longer than an event, so that events which are made of them in
/// their order, at most one of each, never reach one that was not taken.
pub(super) struct Entries {
    next: *const libc::epoll_event,
    left: usize,
}

const _: () = assert!(
    size_of::<libc::epoll_event>() <= size_of::<kevent>()
        && size_of::<kevent>() % align_of::<libc::epoll_event>() == 0
        && align_of::<libc::epoll_event>() <= align_of::<kevent>()
);

/// As many entries as epoll_wait(2) gives at most.
const MAX_ENTRIES: usize = i32::MAX as usize / size_of::<libc::epoll_event>();

impl Entries {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.left
    }

    /// Splits the first entries off, at most so many.
    #[inline]
    pub(super) fn split_off(&mut self, most: usize) -> Entries {
        let first = Entries { next: self.next, left: self.left.min(most) };
        // SAFETY: within the entries, or at their end.
        self.next = unsafe { self.next.add(first.left) };
        self.left -= first.left;
        first
    }
}

impl EventList {
    /// # Safety
    /// `list` must be valid for writing `room` entries for as long as the value lives.
    #[inline]
    pub(super) unsafe fn new(list: *mut kevent, room: usize) -> EventList {
        EventList { list, room, length: 0 }
    }

    #[inline]
    pub(super) fn room(&self) -> usize {
        self.room - self.length
    }

    #[inline]
    pub(super) fn push(&mut self, event: kevent) {
        debug_assert!(self.length < self.room);
        if self.length < self.room {
            // SAFETY: within the list, by `new`'s contract.
            unsafe { self.list.add(self.length).write(event) };
            self.length += 1;
        }
    }

    /// Waits for entries of an epoll instance, as many as there is room for: none when the time is over.
    pub(super) fn fetch(&mut self, epoll: RawFd, wait: Wait) -> Result<Entries> {
        let (place, room) = self.end(self.room());
        // SAFETY: valid for writing so many.
        let fetched = unsafe { sys::epoll_wait(epoll, place, room, wait) }?;
        Ok(Entries { next: place, left: fetched })
    }

    /// The same by one call, of no more than so many. What was fetched before must have been taken.
    #[inline(always)] // see `syscall`
    pub(super) fn fetch_once(&mut self, epoll: RawFd, most: usize, timeout: Timeout) -> Result<Entries> {
        let (place, room) = self.end(most);
        // SAFETY: valid for writing so many.
        let fetched = unsafe { sys::epoll_wait_once(epoll, place, room, timeout) }?;
        Ok(Entries { next: place, left: fetched })
    }

    /// What `fetch_once` gave of all that there was room for, by its number.
    ///
    /// # Safety
    /// So many were fetched into this place of this length, and nothing was put into the list since.
    #[inline(always)]
    pub(super) unsafe fn fetched(&self, count: usize) -> Entries {
        Entries { next: self.end(self.room()).0, left: count }
    }

    /// The place for entries at the very end of the list, and its length: as many as there is room for, `most` at most. It
    /// is valid for writing.
    #[inline(always)]
    fn end(&self, most: usize) -> (*mut libc::epoll_event, usize) {
        let count = most.min(self.room()).min(MAX_ENTRIES);
        // SAFETY: the end of the list, by `new`'s contract; so many entries before it take no more than the events that
        // there is room for, and are aligned where events are.
        (unsafe { self.list.add(self.room).cast::<libc::epoll_event>().sub(count) }, count)
    }

    /// The next entry: its readiness and its key.
    #[inline(always)]
    pub(super) fn peek(&self, entries: &Entries) -> Option<(u32, Key)> {
        if entries.left == 0 {
            return None;
        }
        debug_assert!(self.list.wrapping_add(self.length).cast_const().cast() <= entries.next);
        // SAFETY: epoll_wait filled it, and no event was written over it: see `Entries`.
        let entry = unsafe { entries.next.read() };
        Some((entry.events, entry.u64))
    }

    /// Whether there is one entry, with this key.
    #[inline(always)]
    pub(super) fn is_only(&self, entries: &Entries, key: Key) -> bool {
        entries.left == 1 && self.peek(entries).is_some_and(|(_, its)| its == key)
    }

    /// Takes the next entry.
    #[inline(always)]
    pub(super) fn take(&self, entries: &mut Entries) -> Option<(u32, Key)> {
        let entry = self.peek(entries)?;
        // SAFETY: within the entries, or at their end.
        entries.next = unsafe { entries.next.add(1) };
        entries.left -= 1;
        Some(entry)
    }
}
