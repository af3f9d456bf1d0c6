//! The calls of kq-sys, without kq.

use std::hint::black_box;
use std::os::fd::RawFd;

use kq_sys::{kevent, EVFILT_READ, EVFILT_TIMER, EV_ADD, EV_DELETE, EV_DISABLE, EV_DISPATCH, EV_ENABLE, EV_ONESHOT};

#[cfg(has_user)]
use super::super::poller::Wakes;
use super::super::poller::{Poller, Timers, Wait};
#[cfg(has_user)]
use super::super::raw_queue;
use super::super::raw_queue::{entry, RawQueue};

pub struct Raw {
    queue: RawQueue,
    changes: Vec<kevent>,
}

// SAFETY: the pointers in the lists are numbers here, and never followed.
unsafe impl Send for Raw {}

impl Raw {
    /// A change of each descriptor, in the list.
    fn list(&mut self, fds: &[RawFd], flags: kq_sys::flags_t) {
        self.changes.clear();
        self.changes.extend(fds.iter().map(|fd| {
            let mut change = entry(*fd as usize, EVFILT_READ, flags);
            change.udata = *fd as usize as _;
            change
        }));
    }

    fn apply(&mut self, fds: &[RawFd], flags: kq_sys::flags_t) {
        self.list(fds, flags);
        self.queue.apply(&self.changes);
    }

    #[inline(always)]
    #[allow(clippy::unnecessary_cast)] // the types differ from system to system
    fn hand_on(&self, count: usize, mut handle: impl FnMut(RawFd)) -> usize {
        for event in &self.queue.events[..count] {
            black_box(event.data);
            handle(event.udata as usize as RawFd);
        }
        count
    }
}

impl Poller for Raw {
    const NAME: &'static str = "kq-sys";

    fn new(room: usize) -> Raw {
        Raw { queue: RawQueue::new(room), changes: Vec::new() }
    }

    fn add(&mut self, fds: &[RawFd]) {
        self.apply(fds, EV_ADD);
    }

    fn modify(&mut self, fds: &[RawFd]) {
        self.apply(fds, EV_ADD);
    }

    fn delete(&mut self, fds: &[RawFd]) {
        self.apply(fds, EV_DELETE);
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, handle: impl FnMut(RawFd)) -> usize {
        let count = if wait == Wait::No { self.queue.poll() } else { self.queue.wait() };
        self.hand_on(count, handle)
    }

    fn add_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, EV_ADD);
        let count = self.queue.apply_and_poll(&self.changes);
        self.hand_on(count, handle)
    }

    fn add_unarmed(&mut self, fds: &[RawFd]) {
        self.apply(fds, EV_ADD | EV_DISPATCH | EV_DISABLE);
    }

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, EV_ENABLE | EV_DISPATCH);
        let count = self.queue.apply_and_poll(&self.changes);
        self.hand_on(count, handle)
    }
}

#[cfg(has_user)]
impl Wakes for Raw {
    type Waker = RawFd;

    fn waker(&self) -> RawFd {
        self.queue.apply(&[entry(0, kq_sys::EVFILT_USER, EV_ADD | kq_sys::EV_CLEAR)]);
        self.queue.fd()
    }

    #[inline(always)]
    fn wake(queue: &RawFd) {
        let mut trigger = entry(0, kq_sys::EVFILT_USER, 0);
        trigger.fflags = kq_sys::NOTE_TRIGGER;
        raw_queue::apply(*queue, &[trigger]);
    }

    #[inline(always)]
    fn wait_for_wake(&mut self) {
        while self.queue.wait() == 0 {}
    }
}

impl Timers for Raw {
    const NAME: &'static str = "kq-sys";

    fn new(_: usize) -> Option<Raw> {
        Some(Raw { queue: RawQueue::new(256), changes: Vec::new() })
    }

    fn add(&mut self, id: usize, nanos: u64) {
        let mut timer = entry(id, EVFILT_TIMER, EV_ADD | EV_ONESHOT);
        #[cfg(has_timer_units)]
        {
            timer.fflags = kq_sys::NOTE_NSECONDS;
            timer.data = nanos.max(1) as _;
        }
        #[cfg(not(has_timer_units))]
        {
            timer.data = (nanos / 1_000_000).max(1) as _;
        }
        self.queue.apply(&[timer]);
    }

    fn cancel(&mut self, id: usize) {
        self.queue.apply(&[entry(id, EVFILT_TIMER, EV_DELETE)]);
    }

    fn fired(&mut self) -> usize {
        self.queue.poll()
    }
}
