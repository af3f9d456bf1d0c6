//! kq; without `DATA` it does not ask how much there is to read, where that can be left out, and with `EDGE` it is told of
//! what arrives, as mio is, and not again of what is left.

use std::hint::black_box;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use ::kq::{Change, EventBuffer, Kqueue, Waker};

use super::super::poller::{Poller, Timers, Wait, Wakes};
use super::super::sockets::borrow;

/// Whether `data` is left out of the events of changes that say so; elsewhere they are the same as others.
pub const CAN_LEAVE_DATA_OUT: bool = cfg!(has_nodata);

pub struct Kq<const DATA: bool, const EDGE: bool = false> {
    queue: Arc<Kqueue>,
    events: EventBuffer,
    changes: Vec<Change>,
}

fn timeout(wait: Wait) -> Option<Duration> {
    (wait == Wait::No).then_some(Duration::ZERO)
}

#[inline(always)]
fn hand_on<const DATA: bool>(events: &[::kq::Event], mut handle: impl FnMut(RawFd)) -> usize {
    for event in events {
        if DATA {
            black_box(event.data());
        }
        handle(event.udata() as RawFd);
    }
    events.len()
}

impl<const DATA: bool, const EDGE: bool> Kq<DATA, EDGE> {
    fn list(&mut self, fds: &[RawFd], make: impl Fn(Change) -> Change) {
        self.changes.clear();
        self.changes.extend(fds.iter().map(|fd| {
            let change = Change::read(&borrow(*fd)).udata(*fd as usize);
            let change = if EDGE { change.clear() } else { change };
            make(if DATA { change } else { change.without_data() })
        }));
    }

    fn apply(&mut self, fds: &[RawFd], make: impl Fn(Change) -> Change) {
        self.list(fds, make);
        self.queue.apply(&self.changes).unwrap();
    }

    fn apply_and_wait(&mut self, handle: impl FnMut(RawFd)) -> usize {
        let events = self.queue.apply_and_wait(&self.changes, &mut self.events, Some(Duration::ZERO));
        hand_on::<DATA>(events.unwrap(), handle)
    }
}

impl<const DATA: bool, const EDGE: bool> Poller for Kq<DATA, EDGE> {
    const NAME: &'static str = match (DATA, EDGE) {
        (true, false) => "kq",
        (true, true) => "kq edge",
        (false, false) => "kq without data",
        (false, true) => "kq edge without data",
    };

    fn new(room: usize) -> Self {
        let queue = Arc::new(Kqueue::new().unwrap());
        Kq { queue, events: EventBuffer::with_capacity(room), changes: Vec::new() }
    }

    fn add(&mut self, fds: &[RawFd]) {
        self.apply(fds, |change| change);
    }

    fn modify(&mut self, fds: &[RawFd]) {
        self.apply(fds, |change| change);
    }

    fn delete(&mut self, fds: &[RawFd]) {
        self.apply(fds, Change::delete);
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, handle: impl FnMut(RawFd)) -> usize {
        hand_on::<DATA>(self.queue.wait(&mut self.events, timeout(wait)).unwrap(), handle)
    }

    fn add_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, |change| change);
        self.apply_and_wait(handle)
    }

    fn add_unarmed(&mut self, fds: &[RawFd]) {
        self.apply(fds, |change| change.dispatch().disabled());
    }

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        self.list(fds, Change::enable);
        self.apply_and_wait(handle)
    }
}

impl<const DATA: bool, const EDGE: bool> Wakes for Kq<DATA, EDGE> {
    type Waker = Waker;

    fn waker(&self) -> Waker {
        Waker::new(&self.queue, 0, 0).unwrap()
    }

    #[inline(always)]
    fn wake(waker: &Waker) {
        waker.wake().unwrap();
    }

    #[inline(always)]
    fn wait_for_wake(&mut self) {
        while self.wait(Wait::Forever, |_| ()) == 0 {}
    }
}

impl<const DATA: bool, const EDGE: bool> Timers for Kq<DATA, EDGE> {
    const NAME: &'static str = "kq";

    fn new(_: usize) -> Option<Self> {
        Some(Poller::new(256))
    }

    fn add(&mut self, id: usize, nanos: u64) {
        self.queue.apply(&[Change::timer(id, Duration::from_nanos(nanos)).oneshot()]).unwrap();
    }

    fn cancel(&mut self, id: usize) {
        self.queue.apply(&[Change::timer(id, Duration::ZERO).delete()]).unwrap();
    }

    fn fired(&mut self) -> usize {
        self.queue.wait(&mut self.events, Some(Duration::ZERO)).unwrap().len()
    }
}
