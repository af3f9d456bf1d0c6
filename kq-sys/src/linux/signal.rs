//! EVFILT_SIGNAL: what a queue's knotes have seen of the process's signals.

use std::os::fd::RawFd;

use super::knote::{Index, Key, Source};
use super::queue::{State, SIGNALS};
use super::signals::{self, Hold};
use super::sys::Result;
use super::{constants::*, kevent, registry};

/// What a signal knote has counted.
pub(super) struct Seen {
    /// `None` for a number that is no signal: FreeBSD takes it, and it never comes.
    hold: Option<Hold>,
    deliveries: u64,
    /// It was counted while it was blocked and pending; its delivery is not to be counted again.
    pending: bool,
}

impl State {
    #[inline(never)]
    pub(super) fn attach_signal(&mut self, change: &kevent) -> Result<()> {
        self.need_token()?;
        let mut seen = Seen { hold: None, deliveries: 0, pending: false };
        let signal = change.ident;
        if (1..=signals::HIGHEST).contains(&signal) {
            let table = registry::signals().ok_or(libc::EBADF)?;
            seen.hold = Some(table.watch(signal)?);
            seen.deliveries = table.deliveries(signal);
            // What was sent before the knote was there is not its event.
            seen.pending = signals::is_pending(signal);
            self.watch_signal(signal)?;
        }
        match self.insert(change, Source::Signal(seen)) {
            Ok(index) => {
                self.knotes[index].flags |= EV_CLEAR;
                Ok(())
            }
            Err(errno) => {
                self.unwatch_signal(signal);
                Err(errno)
            }
        }
    }

    #[inline(never)]
    pub(super) fn modify_signal(&mut self, index: Index, change: &kevent) {
        let knote = &mut self.knotes[index];
        knote.asked_fflags = change.fflags;
        knote.asked_data = change.data;
        self.count_signal(index);
    }

    /// A signal gets its first knote in this queue.
    fn watch_signal(&mut self, signal: usize) -> Result<()> {
        if self.signals == 0 {
            for (fd, interest, key) in self.signal_entries().into_iter().flatten() {
                if let Err(errno) = self.ctl(libc::EPOLL_CTL_ADD, fd, interest, key) {
                    self.remove_signal_entries();
                    return Err(errno);
                }
            }
        }
        self.signals |= signals::bit(signal);
        Ok(())
    }

    /// The knote of a signal goes, while its hold is still there.
    pub(super) fn unwatch_signal(&mut self, signal: usize) {
        if !(1..=signals::HIGHEST).contains(&signal) || self.signals & signals::bit(signal) == 0 {
            return;
        }
        self.signals &= !signals::bit(signal);
        if self.signals == 0 {
            self.remove_signal_entries();
        }
    }

    /// Other queues may have the descriptors too, so that they may stay open.
    fn remove_signal_entries(&self) {
        for (fd, ..) in self.signal_entries().into_iter().flatten() {
            let _ = self.ctl(libc::EPOLL_CTL_DEL, fd, 0, 0);
        }
    }

    /// The entries by which signals wake the queue, as they should be in a set.
    pub(super) fn signal_entries(&self) -> [Option<(RawFd, u32, Key)>; 2] {
        const INTEREST: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;
        let descriptors = registry::signals().map_or([None; 2], |signals| signals.descriptors());
        descriptors.map(|fd| fd.map(|fd| (fd, INTEREST, SIGNALS)))
    }

    /// A signal came, perhaps one of the queue's.
    pub(super) fn count_signals(&mut self) {
        let watched = self.signals;
        for signal in (1..=signals::HIGHEST).filter(|signal| watched & signals::bit(*signal) != 0) {
            if let Some(index) = self.knotes.find(EVFILT_SIGNAL, signal) {
                self.count_signal(index);
            }
        }
    }

    /// Adds to a knote's data what has come since it was last looked at.
    fn count_signal(&mut self, index: Index) {
        let knote = &mut self.knotes[index];
        let signal = knote.ident;
        let Source::Signal(seen) = &mut knote.source else { return };
        if seen.hold.is_some() {
            let Some(table) = registry::signals() else { return };
            let mut pending = signals::is_pending(signal);
            let deliveries = table.deliveries(signal);
            let mut new = deliveries - seen.deliveries;
            seen.deliveries = deliveries;
            if new > 0 && pending {
                // It may have been delivered between the two looks.
                pending = signals::is_pending(signal);
            }
            if seen.pending && (new > 0 || !pending) {
                // Delivered at last, and counted already; or taken by sigwait(3) or a signalfd.
                new = new.saturating_sub(1);
                seen.pending = false;
            }
            if pending && !seen.pending {
                new += 1;
                seen.pending = true;
            }
            knote.data += new as i64;
        }
        if knote.data > 0 && !knote.disabled {
            self.ready.push(&mut self.knotes, index);
        }
    }

    #[inline(never)]
    pub(super) fn deliver_signal(&mut self, index: Index) -> kevent {
        let knote = &mut self.knotes[index];
        let event = knote.event();
        if knote.has(EV_ONESHOT) {
            self.forget(index);
            return event;
        }
        knote.data = 0;
        knote.disabled |= knote.has(EV_DISPATCH);
        event
    }
}
