//! nix's wrapper of kqueue.

use std::hint::black_box;
use std::os::fd::RawFd;

use ::nix::libc::timespec;
use ::nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

use super::super::poller::{Poller, Wait};

pub struct Nix {
    queue: Kqueue,
    events: Vec<KEvent>,
    changes: Vec<KEvent>,
}

// SAFETY: the pointers in the lists are numbers here, and never followed.
unsafe impl Send for Nix {}

const NOW: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

impl Nix {
    fn list(&mut self, fds: &[RawFd], flags: EvFlags) {
        self.changes.clear();
        self.changes.extend(fds.iter().map(|fd| {
            let ident = *fd as usize;
            KEvent::new(ident, EventFilter::EVFILT_READ, flags, FilterFlag::empty(), 0, *fd as isize)
        }));
    }

    fn apply(&mut self, fds: &[RawFd], flags: EvFlags) {
        self.list(fds, flags);
        self.queue.kevent(&self.changes, &mut [], Some(NOW)).unwrap();
    }

    fn hand_on(&self, count: usize, mut handle: impl FnMut(RawFd)) -> usize {
        for event in &self.events[..count] {
            black_box(event.data());
            handle(event.udata() as RawFd);
        }
        count
    }
}

impl Poller for Nix {
    const NAME: &'static str = "nix";

    fn new(room: usize) -> Nix {
        let nothing = KEvent::new(0, EventFilter::EVFILT_READ, EvFlags::empty(), FilterFlag::empty(), 0, 0);
        Nix { queue: Kqueue::new().unwrap(), events: vec![nothing; room], changes: Vec::new() }
    }

    fn add(&mut self, fds: &[RawFd]) {
        self.apply(fds, EvFlags::EV_ADD);
    }

    fn modify(&mut self, fds: &[RawFd]) {
        self.apply(fds, EvFlags::EV_ADD);
    }

    fn delete(&mut self, fds: &[RawFd]) {
        self.apply(fds, EvFlags::EV_DELETE);
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, handle: impl FnMut(RawFd)) -> usize {
        let timeout = (wait == Wait::No).then_some(NOW);
        let count = self.queue.kevent(&[], &mut self.events, timeout).unwrap();
        self.hand_on(count, handle)
    }

    fn add_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, EvFlags::EV_ADD);
        let count = self.queue.kevent(&self.changes, &mut self.events, Some(NOW)).unwrap();
        self.hand_on(count, handle)
    }

    // A one-shot knote instead of EV_DISPATCH, which nix does not have on all systems.
    fn add_unarmed(&mut self, _: &[RawFd]) {}

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, EvFlags::EV_ADD | EvFlags::EV_ONESHOT);
        let count = self.queue.kevent(&self.changes, &mut self.events, Some(NOW)).unwrap();
        self.hand_on(count, handle)
    }
}
