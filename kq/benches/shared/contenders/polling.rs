//! polling, level-triggered, which it can be on all systems here.

use std::num::NonZeroUsize;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use ::polling::{Event, Events, PollMode};

use super::super::poller::{Poller, Wait, Wakes};
use super::super::sockets::borrow;

pub struct Polling {
    poller: Arc<::polling::Poller>,
    events: Events,
}

impl Polling {
    fn add_with(&self, fds: &[RawFd], event: impl Fn(usize) -> Event, mode: PollMode) {
        for fd in fds {
            // SAFETY: the descriptor is deleted before it is closed, or the poller with it.
            unsafe { self.poller.add_with_mode(*fd, event(*fd as usize), mode) }.unwrap();
        }
    }

    fn modify_with(&self, fds: &[RawFd], mode: PollMode) {
        for fd in fds {
            self.poller.modify_with_mode(borrow(*fd), Event::readable(*fd as usize), mode).unwrap();
        }
    }
}

impl Poller for Polling {
    const NAME: &'static str = "polling";

    fn new(room: usize) -> Polling {
        let room = NonZeroUsize::new(room).expect("room for an event");
        Polling { poller: Arc::new(::polling::Poller::new().unwrap()), events: Events::with_capacity(room) }
    }

    fn add(&mut self, fds: &[RawFd]) {
        self.add_with(fds, Event::readable, PollMode::Level);
    }

    fn modify(&mut self, fds: &[RawFd]) {
        self.modify_with(fds, PollMode::Level);
    }

    fn delete(&mut self, fds: &[RawFd]) {
        fds.iter().for_each(|fd| self.poller.delete(borrow(*fd)).unwrap());
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, mut handle: impl FnMut(RawFd)) -> usize {
        self.events.clear();
        self.poller.wait(&mut self.events, (wait == Wait::No).then_some(Duration::ZERO)).unwrap();
        let mut count = 0;
        for event in self.events.iter() {
            handle(event.key as RawFd);
            count += 1;
        }
        count
    }

    fn add_unarmed(&mut self, fds: &[RawFd]) {
        self.add_with(fds, Event::none, PollMode::Oneshot);
    }

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.modify_with(fds, PollMode::Oneshot);
        self.wait(Wait::No, handle)
    }
}

impl Wakes for Polling {
    type Waker = Arc<::polling::Poller>;

    fn waker(&self) -> Self::Waker {
        Arc::clone(&self.poller)
    }

    #[inline(always)]
    fn wake(waker: &Self::Waker) {
        waker.notify().unwrap();
    }

    #[inline(always)]
    fn wait_for_wake(&mut self) {
        // It reports a notification as no event.
        self.wait(Wait::Forever, |_| ());
    }
}
