//! A queue by kq-sys's calls alone, as a program without kq would have it.

use std::io;
use std::os::fd::RawFd;
use std::ptr;

use kq_sys::{count_t, kevent, timespec};

const NOW: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

/// The kernel's struct, whose further fields differ from system to system.
#[allow(clippy::unnecessary_cast)] // the types differ, too
pub fn entry(ident: usize, filter: kq_sys::filter_t, flags: kq_sys::flags_t) -> kevent {
    // SAFETY: numbers and a pointer, for all of which zeros are valid.
    let mut entry: kevent = unsafe { std::mem::zeroed() };
    entry.ident = ident as _;
    entry.filter = filter;
    entry.flags = flags;
    entry
}

pub struct RawQueue {
    queue: RawFd,
    pub events: Vec<kevent>,
}

// SAFETY: the pointers in the list of events are numbers here, and never followed.
unsafe impl Send for RawQueue {}

impl RawQueue {
    pub fn new(room: usize) -> RawQueue {
        // SAFETY: needs nothing.
        let queue = unsafe { kq_sys::kqueue() };
        assert!(queue >= 0, "{}", io::Error::last_os_error());
        RawQueue { queue, events: vec![entry(0, 0, 0); room] }
    }

    pub fn fd(&self) -> RawFd {
        self.queue
    }

    #[inline(always)]
    pub fn apply(&self, changes: &[kevent]) {
        apply(self.queue, changes);
    }

    /// Applies changes and returns how many events there are, without waiting.
    #[inline(always)]
    pub fn apply_and_poll(&mut self, changes: &[kevent]) -> usize {
        self.kevent(changes, &NOW)
    }

    /// How many events there are.
    #[inline(always)]
    pub fn poll(&mut self) -> usize {
        self.kevent(&[], &NOW)
    }

    /// Waits for events.
    #[inline(always)]
    pub fn wait(&mut self) -> usize {
        self.kevent(&[], ptr::null())
    }

    #[inline(always)]
    fn kevent(&mut self, changes: &[kevent], timeout: *const timespec) -> usize {
        let (count, room) = (changes.len() as count_t, self.events.len() as count_t);
        // SAFETY: the lists' own lengths; the timeout is null or a constant.
        let count =
            unsafe { kq_sys::kevent(self.queue, changes.as_ptr(), count, self.events.as_mut_ptr(), room, timeout) };
        assert!(count >= 0, "{}", io::Error::last_os_error());
        count as usize
    }
}

/// Applies changes to any queue.
#[inline(always)]
pub fn apply(queue: RawFd, changes: &[kevent]) {
    // SAFETY: the list's own length, and no events.
    let result = unsafe { kq_sys::kevent(queue, changes.as_ptr(), changes.len() as count_t, ptr::null_mut(), 0, &NOW) };
    assert!(result == 0, "{}", io::Error::last_os_error());
}

impl Drop for RawQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is this struct's own.
        unsafe { kq_sys::close(self.queue) };
    }
}
