//! mio, which is edge-triggered: what was not read is not reported again, unless it is registered again.

use std::os::fd::RawFd;
use std::time::Duration;

use ::mio::unix::SourceFd;
use ::mio::{Events, Interest, Poll, Token};

use super::super::poller::{Poller, Wait, Wakes};

pub struct Mio {
    poll: Poll,
    events: Events,
}

impl Mio {
    fn arm(&self, fd: RawFd) {
        self.poll.registry().reregister(&mut SourceFd(&fd), Token(fd as usize), Interest::READABLE).unwrap();
    }
}

impl Poller for Mio {
    const NAME: &'static str = "mio";

    fn new(room: usize) -> Mio {
        Mio { poll: Poll::new().unwrap(), events: Events::with_capacity(room) }
    }

    fn add(&mut self, fds: &[RawFd]) {
        for fd in fds {
            self.poll.registry().register(&mut SourceFd(fd), Token(*fd as usize), Interest::READABLE).unwrap();
        }
    }

    fn modify(&mut self, fds: &[RawFd]) {
        fds.iter().for_each(|fd| self.arm(*fd));
    }

    fn delete(&mut self, fds: &[RawFd]) {
        for fd in fds {
            self.poll.registry().deregister(&mut SourceFd(fd)).unwrap();
        }
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, mut handle: impl FnMut(RawFd)) -> usize {
        self.poll.poll(&mut self.events, (wait == Wait::No).then_some(Duration::ZERO)).unwrap();
        let mut count = 0;
        for event in &self.events {
            handle(event.token().0 as RawFd);
            count += 1;
        }
        count
    }

    fn report_again(&mut self) {
        for event in &self.events {
            self.arm(event.token().0 as RawFd);
        }
    }

    fn add_unarmed(&mut self, fds: &[RawFd]) {
        self.add(fds);
        self.wait(Wait::No, |_| ());
    }

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.modify(fds);
        self.wait(Wait::No, handle)
    }
}

impl Wakes for Mio {
    type Waker = ::mio::Waker;

    fn waker(&self) -> ::mio::Waker {
        ::mio::Waker::new(self.poll.registry(), Token(usize::MAX)).unwrap()
    }

    #[inline(always)]
    fn wake(waker: &::mio::Waker) {
        waker.wake().unwrap();
    }

    #[inline(always)]
    fn wait_for_wake(&mut self) {
        while self.wait(Wait::Forever, |_| ()) == 0 {}
    }
}
