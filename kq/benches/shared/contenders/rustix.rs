//! rustix's wrapper of kqueue.

use std::hint::black_box;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use ::rustix::buffer::spare_capacity;
use ::rustix::event::kqueue::{kevent, kqueue, Event, EventFilter, EventFlags};

use super::super::poller::{Poller, Wait};

pub struct Rustix {
    queue: OwnedFd,
    events: Vec<Event>,
    changes: Vec<Event>,
}

// SAFETY: the pointers in the lists are numbers here, and never followed.
unsafe impl Send for Rustix {}

impl Rustix {
    fn list(&mut self, fds: &[RawFd], flags: EventFlags) {
        self.changes.clear();
        let change = |fd: &RawFd| Event::new(EventFilter::Read(*fd), flags, *fd as usize as *mut _);
        self.changes.extend(fds.iter().map(change));
    }

    fn apply(&mut self, fds: &[RawFd], flags: EventFlags) {
        self.list(fds, flags);
        let mut nothing: [Event; 0] = [];
        // SAFETY: the descriptors are open.
        unsafe { kevent(&self.queue, &self.changes, &mut nothing, Some(Duration::ZERO)) }.unwrap();
    }

    fn call(&mut self, timeout: Option<Duration>, mut handle: impl FnMut(RawFd)) -> usize {
        self.events.clear();
        // SAFETY: the descriptors are open.
        unsafe { kevent(&self.queue, &self.changes, spare_capacity(&mut self.events), timeout) }.unwrap();
        for event in &self.events {
            black_box(event.data());
            handle(event.udata() as usize as RawFd);
        }
        self.events.len()
    }
}

impl Poller for Rustix {
    const NAME: &'static str = "rustix";

    fn new(room: usize) -> Rustix {
        Rustix { queue: kqueue().unwrap(), events: Vec::with_capacity(room), changes: Vec::new() }
    }

    fn add(&mut self, fds: &[RawFd]) {
        self.apply(fds, EventFlags::ADD);
    }

    fn modify(&mut self, fds: &[RawFd]) {
        self.apply(fds, EventFlags::ADD);
    }

    fn delete(&mut self, fds: &[RawFd]) {
        self.apply(fds, EventFlags::DELETE);
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, handle: impl FnMut(RawFd)) -> usize {
        self.changes.clear();
        self.call((wait == Wait::No).then_some(Duration::ZERO), handle)
    }

    fn add_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, EventFlags::ADD);
        self.call(Some(Duration::ZERO), handle)
    }

    // A one-shot knote instead of EV_DISPATCH, which rustix does not have on all systems.
    fn add_unarmed(&mut self, _: &[RawFd]) {}

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, EventFlags::ADD | EventFlags::ONESHOT);
        self.call(Some(Duration::ZERO), handle)
    }
}
