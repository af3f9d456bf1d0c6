//! The queue's epoll instances: one that the program has the number of, and one within it.

use std::os::fd::{AsRawFd, RawFd};

use super::knote::Key;
use super::queue::{State, INNER};
use super::sys::{self, Result};

/// Which of the queue's epoll instances has an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Outer,
    Inner,
}

impl State {
    /// epoll_ctl on the queue's number.
    #[inline(always)] // see `syscall`
    pub(super) fn ctl(&self, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        if self.closed {
            return Err(libc::EBADF);
        }
        match sys::epoll_ctl(self.epoll, operation, fd, interest, key) {
            // The number is open, and no epoll instance any more.
            Err(libc::EINVAL) => Err(libc::EBADF),
            outcome => outcome,
        }
    }

    /// epoll_ctl on one of the two sets; the inner one is made when it is first needed.
    #[inline(always)] // see `syscall`
    pub(super) fn ctl_in(&mut self, set: Set, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        match set {
            Set::Outer => self.ctl(operation, fd, interest, key),
            Set::Inner => self.ctl_inner(operation, fd, interest, key),
        }
    }

    #[inline(never)]
    fn ctl_inner(&mut self, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        let inner = match &self.inner {
            Some(inner) => inner.as_raw_fd(),
            None => {
                let inner = sys::epoll_create(true)?;
                self.ctl(libc::EPOLL_CTL_ADD, inner.as_raw_fd(), libc::EPOLLIN as u32, INNER)?;
                self.own_number(inner.as_raw_fd());
                self.inner.insert(inner).as_raw_fd()
            }
        };
        sys::epoll_ctl(inner, operation, fd, interest, key)?;
        match operation {
            libc::EPOLL_CTL_ADD => self.inner_entries += 1,
            libc::EPOLL_CTL_DEL => self.inner_entries = self.inner_entries.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    /// epoll_ctl for a knote's descriptor: EBADF for one of the queue's own, which may have got the number of one that
    /// the program has closed.
    #[inline(always)] // see `syscall`
    pub(super) fn ctl_for(&mut self, set: Set, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        if self.is_own(fd) {
            return Err(libc::EBADF);
        }
        match self.ctl_in(set, operation, fd, interest, key) {
            // A file that epoll cannot watch: there is no entry of it to be changed or removed.
            Err(libc::EPERM) if operation != libc::EPOLL_CTL_ADD => Err(libc::ENOENT),
            outcome => outcome,
        }
    }

    /// Whether the number is one of the queue's own, or of the process's signals that it watches.
    #[inline]
    fn is_own(&self, number: RawFd) -> bool {
        self.own_numbers.binary_search(&number).is_ok()
            || self.signals != 0 && self.signal_entries().into_iter().flatten().any(|(own, ..)| own == number)
    }

    /// A descriptor becomes the queue's own, and nobody's to watch.
    pub(super) fn own_number(&mut self, number: RawFd) {
        if let Err(place) = self.own_numbers.binary_search(&number) {
            self.own_numbers.insert(place, number);
        }
    }

    /// One of the queue's own descriptors is about to be closed.
    pub(super) fn disown_number(&mut self, number: RawFd) {
        if let Ok(place) = self.own_numbers.binary_search(&number) {
            self.own_numbers.remove(place);
        }
    }

    /// The queue's own entries beside that of the inner set, as they should be in a set.
    fn own_entries(&self) -> impl Iterator<Item = Option<(RawFd, u32, Key)>> {
        let signals = if self.signals == 0 { [None; 2] } else { self.signal_entries() };
        [self.token_entry(), self.inotify_entry()].into_iter().chain(self.clock_entries()).chain(signals)
    }

    /// Whether the number is the queue's own.
    pub(super) fn is(&self, number: RawFd) -> bool {
        !self.closed && self.epoll == number
    }

    /// The descriptor of a set, if it is there.
    pub(super) fn set(&self, set: Set) -> Option<RawFd> {
        match set {
            Set::Outer => (!self.closed).then_some(self.epoll),
            Set::Inner => self.inner.as_ref().map(AsRawFd::as_raw_fd),
        }
    }

    /// Puts a fresh, empty epoll instance in the place of a set, with the queue's own entries in it.
    ///
    /// Waiters that are blocked on the old one must be woken by its token first; a poller outside that had the
    /// queue's number in a set of its own loses it.
    pub(super) fn replace_set(&mut self, set: Set) -> Result<()> {
        let fresh = sys::epoll_create(true)?;
        if set == Set::Inner {
            if let Some(old) = self.inner.take() {
                self.disown_number(old.as_raw_fd());
            }
            self.ctl(libc::EPOLL_CTL_ADD, fresh.as_raw_fd(), libc::EPOLLIN as u32, INNER)?;
            self.own_number(fresh.as_raw_fd());
            self.inner = Some(fresh);
            self.inner_entries = 0;
            return Ok(());
        }
        if self.closed {
            return Err(libc::EBADF);
        }
        // Those who wait on the old instance come over to the new one. Makes the token too, if there was none.
        self.wake_all()?;
        let inner = self.inner.as_ref().map(|inner| (inner.as_raw_fd(), libc::EPOLLIN as u32, INNER));
        let own = self.own_entries().chain([inner]).flatten();
        for (fd, interest, key) in own {
            sys::epoll_ctl(fresh.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, interest, key)?;
        }
        sys::take_over(&fresh, self.epoll)
    }
}
