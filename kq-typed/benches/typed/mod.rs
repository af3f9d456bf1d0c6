//! kq-typed's two doors as contenders.

use std::hint::black_box;
use std::os::fd::RawFd;
use std::time::Duration;

use kq_typed::kq::Change;
use kq_typed::{EventFilter, EventFlags, Events, Key, Kqueue, Queue, ReadyBuffer, Registration, Waker};

use crate::shared::contenders::{poller, timer, waker, Kq, Raw, Rivals};
use crate::shared::poller::{Timers, Wait};
use crate::shared::sockets::borrow;
use crate::shared::{Case, Contender, Field, Poller, TimerCase, WakeCase, Wakes};

/// The layers alone, from the raw calls up.
pub struct Layers;

impl Field for Layers {
    fn pollers(case: &impl Case) -> Vec<Contender> {
        vec![poller::<Raw>(case), poller::<Kq<true>>(case), poller::<Typed>(case), poller::<Dynamic>(case)]
    }

    fn wakers(case: &impl WakeCase) -> Vec<Contender> {
        let mut field = vec![waker::<Kq<true>>(case), waker::<Typed>(case), waker::<Dynamic>(case)];
        #[cfg(has_user)]
        field.insert(0, waker::<Raw>(case));
        field
    }

    fn timers(case: &impl TimerCase) -> Vec<Contender> {
        [timer::<Raw>(case), timer::<Kq<true>>(case), timer::<Typed>(case), timer::<Dynamic>(case)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Everybody.
pub struct Everyone;

impl Field for Everyone {
    fn pollers(case: &impl Case) -> Vec<Contender> {
        join(Rivals::pollers(case), [poller::<Typed>(case), poller::<Dynamic>(case)])
    }

    fn wakers(case: &impl WakeCase) -> Vec<Contender> {
        join(Rivals::wakers(case), [waker::<Typed>(case), waker::<Dynamic>(case)])
    }

    fn timers(case: &impl TimerCase) -> Vec<Contender> {
        join(Rivals::timers(case), [timer::<Typed>(case), timer::<Dynamic>(case)].into_iter().flatten())
    }
}

/// The layers behind kq, in front of the strangers.
fn join(mut field: Vec<Contender>, layers: impl IntoIterator<Item = Contender>) -> Vec<Contender> {
    let behind_kq = field.iter().rposition(|contender| contender.name.starts_with("kq")).map_or(0, |last| last + 1);
    field.splice(behind_kq..behind_kq, layers);
    field
}

fn timeout(wait: Wait) -> Option<Duration> {
    (wait == Wait::No).then_some(Duration::ZERO)
}

/// What is kept for each descriptor or timer, by its number.
struct Kept<T>(Vec<Option<T>>);

impl<T> Kept<T> {
    fn put(&mut self, number: usize, value: T) {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        self.0[number] = Some(value);
    }

    fn get(&self, number: usize) -> &T {
        self.0[number].as_ref().expect("what was put")
    }

    fn take(&mut self, number: usize) -> T {
        self.0[number].take().expect("what was put")
    }
}

/// `Queue<T>`.
struct Typed {
    queue: Queue<RawFd>,
    ready: ReadyBuffer<RawFd>,
    registrations: Kept<Registration<RawFd>>,
}

impl Poller for Typed {
    const NAME: &'static str = "kq-typed Queue<T>";

    fn new(room: usize) -> Typed {
        let queue = Queue::new().unwrap();
        Typed { ready: queue.events(room), queue, registrations: Kept(Vec::new()) }
    }

    fn add(&mut self, fds: &[RawFd]) {
        for fd in fds {
            let registration = self.queue.register(Change::read(&borrow(*fd)), *fd).unwrap();
            self.registrations.put(*fd as usize, registration);
        }
    }

    fn modify(&mut self, fds: &[RawFd]) {
        for fd in fds {
            self.registrations.get(*fd as usize).modify(Change::read(&borrow(*fd))).unwrap();
        }
    }

    fn delete(&mut self, fds: &[RawFd]) {
        fds.iter().for_each(|fd| drop(self.registrations.take(*fd as usize)));
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, mut handle: impl FnMut(RawFd)) -> usize {
        let mut count = 0;
        for event in self.queue.wait(&mut self.ready, timeout(wait)).unwrap() {
            black_box(event.event().data());
            black_box(event.udata());
            handle(event.event().ident() as RawFd);
            count += 1;
        }
        count
    }

    fn add_unarmed(&mut self, fds: &[RawFd]) {
        for fd in fds {
            let change = Change::read(&borrow(*fd)).dispatch().disabled();
            self.registrations.put(*fd as usize, self.queue.register(change, *fd).unwrap());
        }
    }

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        fds.iter().for_each(|fd| self.registrations.get(*fd as usize).enable().unwrap());
        self.wait(Wait::No, handle)
    }
}

impl Wakes for Typed {
    type Waker = Waker;

    fn waker(&self) -> Waker {
        self.queue.waker().unwrap()
    }

    #[inline(always)]
    fn wake(waker: &Waker) {
        waker.wake().unwrap();
    }

    #[inline(always)]
    fn wait_for_wake(&mut self) {
        // A wake is no event.
        self.wait(Wait::Forever, |_| ());
    }
}

impl Timers for Typed {
    const NAME: &'static str = <Typed as Poller>::NAME;

    fn new(_: usize) -> Option<Typed> {
        Some(Poller::new(256))
    }

    fn add(&mut self, id: usize, nanos: u64) {
        let change = Change::timer(id, Duration::from_nanos(nanos)).oneshot();
        self.registrations.put(id, self.queue.register(change, id as RawFd).unwrap());
    }

    fn cancel(&mut self, id: usize) {
        drop(self.registrations.take(id));
    }

    fn fired(&mut self) -> usize {
        self.wait(Wait::No, |_| ())
    }
}

/// `Kqueue`, with a value of any type behind each event.
struct Dynamic {
    queue: Kqueue,
    events: Events,
    keys: Kept<Key>,
}

impl Poller for Dynamic {
    const NAME: &'static str = "kq-typed Kqueue";

    fn new(room: usize) -> Dynamic {
        Dynamic { queue: Kqueue::new().unwrap(), events: Events::with_capacity(room), keys: Kept(Vec::new()) }
    }

    fn add(&mut self, fds: &[RawFd]) {
        for fd in fds {
            let key = self.queue.register(*fd, EventFilter::Read, EventFlags::ADD, Some(*fd)).unwrap();
            self.keys.put(*fd as usize, key);
        }
    }

    fn modify(&mut self, fds: &[RawFd]) {
        for fd in fds {
            self.queue.modify(*self.keys.get(*fd as usize), EventFlags::ADD).unwrap();
        }
    }

    fn delete(&mut self, fds: &[RawFd]) {
        for fd in fds {
            self.queue.deregister(self.keys.take(*fd as usize)).unwrap();
        }
    }

    #[inline(always)]
    fn wait(&mut self, wait: Wait, mut handle: impl FnMut(RawFd)) -> usize {
        self.queue.await_events_into(&mut self.events, timeout(wait)).unwrap();
        for event in &self.events {
            black_box(event.data());
            black_box(event.udata::<RawFd>());
            handle(event.ident() as RawFd);
        }
        self.events.len()
    }

    fn add_unarmed(&mut self, fds: &[RawFd]) {
        for fd in fds {
            let flags = EventFlags::ADD | EventFlags::DISPATCH;
            self.keys.put(*fd as usize, self.queue.register(*fd, EventFilter::Read, flags, Some(*fd)).unwrap());
        }
        // Its event disarms each.
        self.wait(Wait::No, |_| ());
    }

    fn arm_and_wait(&mut self, fds: &[RawFd], handle: impl FnMut(RawFd)) -> usize {
        fds.iter().for_each(|fd| self.queue.enable(*self.keys.get(*fd as usize)).unwrap());
        self.wait(Wait::No, handle)
    }
}

impl Wakes for Dynamic {
    type Waker = Waker;

    fn waker(&self) -> Waker {
        self.queue.waker().unwrap()
    }

    #[inline(always)]
    fn wake(waker: &Waker) {
        waker.wake().unwrap();
    }

    #[inline(always)]
    fn wait_for_wake(&mut self) {
        self.wait(Wait::Forever, |_| ());
    }
}

impl Timers for Dynamic {
    const NAME: &'static str = <Dynamic as Poller>::NAME;

    fn new(_: usize) -> Option<Dynamic> {
        Some(Poller::new(256))
    }

    fn add(&mut self, id: usize, nanos: u64) {
        let change = Change::timer(id, Duration::from_nanos(nanos)).oneshot();
        self.keys.put(id, self.queue.register_change(change, Some(id)).unwrap());
    }

    fn cancel(&mut self, id: usize) {
        self.queue.deregister(self.keys.take(id)).unwrap();
    }

    fn fired(&mut self) -> usize {
        self.queue.await_events_into(&mut self.events, Some(Duration::ZERO)).unwrap();
        self.events.len()
    }
}
