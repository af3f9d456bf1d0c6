//! The bugs that other libraries of kqueue had, each in its shape: four threads on one queue, and the wrong value is never
//! seen.
//!
//! `KQ_ROUNDS` says how many rounds each thread makes.
#![cfg(has_user)]

mod common;

use common::*;
use kq_typed::kq::{Change, Flags};
use kq_typed::{Key, Mutex, Queue, Ready, ReadyBuffer, Registration};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

const THREADS: usize = 4;

fn rounds() -> usize {
    std::env::var("KQ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

/// Counts the moments at which registrations were over.
static CLOCK: AtomicUsize = AtomicUsize::new(1);

/// One registration's life.
struct Life {
    ident: usize,
    /// Whether there was anything to report of it.
    fired: AtomicBool,
    /// When its deregistration had returned; 0 before.
    ended: AtomicUsize,
    /// Whom its handler ends.
    partner: OnceLock<Key>,
}

type Value = Arc<Life>;

fn life(ident: usize) -> Value {
    Arc::new(Life { ident, fired: AtomicBool::new(false), ended: AtomicUsize::new(0), partner: OnceLock::new() })
}

impl Life {
    /// To be called when the deregistration has returned.
    fn is_over(&self) {
        let now = CLOCK.fetch_add(1, Ordering::SeqCst);
        // What has ended twice has ended the first time.
        let _ = self.ended.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
    }
}

fn fire(registration: &Registration<Value>) {
    registration.udata().lock().fired.store(true, Ordering::SeqCst);
    // ENOENT where a handler has ended it.
    let _ = registration.trigger();
}

/// Goes through what is pending and looks at every event, gives it to `then`, and counts them.
fn handle(
    queue: &Queue<Value>,
    ready: &mut ReadyBuffer<Value>,
    mut then: impl FnMut(&Ready<'_, Value>, &Life),
) -> usize {
    let mut count = 0;
    let mut batch = queue.wait(ready, NOW).unwrap();
    loop {
        let before = CLOCK.load(Ordering::SeqCst);
        let Some(event) = batch.next() else { return count };
        let life = Arc::clone(&event.udata().lock());
        assert_eq!(life.ident, event.event().ident(), "{event:?} has another's value");
        assert!(life.fired.load(Ordering::SeqCst), "{event:?} is of another: this one has nothing to report");
        let ended = life.ended.load(Ordering::SeqCst);
        assert!(ended == 0 || ended >= before, "{event:?} was over before it was asked for");
        assert!(!event.event().flags().contains(Flags::ERROR), "{event:?} is no event");
        then(&event, &life);
        count += 1;
    }
}

/// Runs `round` in four threads, with the idents that are each thread's own, and sums up the events that it has seen.
fn threads(round: impl Fn(&Queue<Value>, &mut ReadyBuffer<Value>, usize) -> usize + Sync) -> usize {
    let queue = Queue::new().unwrap();
    let seen = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (queue, round, seen) = (&queue, &round, &seen);
            scope.spawn(move || {
                let mut ready = queue.events(16);
                for _ in 0..rounds() {
                    seen.fetch_add(round(queue, &mut ready, thread * 16), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(queue.wait(&mut queue.events(16), NOW).unwrap().count(), 0);
    seen.into_inner()
}

/// zio#442: a handler freed what another event of the same batch pointed to.
#[test]
fn zio_442_a_handler_ends_another_registration_of_its_batch() {
    let seen = threads(|queue, ready, base| {
        let lives = [life(base), life(base + 1)];
        let pair = [0, 1].map(|it| queue.register(Change::user(base + it).clear(), Arc::clone(&lives[it])).unwrap());
        for (life, other) in lives.iter().zip(pair.iter().rev()) {
            life.partner.set(other.id()).unwrap();
        }
        pair.iter().for_each(fire);
        let seen = handle(queue, ready, |_, life| {
            let Some(partner) = life.partner.get() else { return };
            if let Some(value) = queue.deregister(*partner) {
                value.lock().is_over();
            }
        });
        drop(pair);
        lives.iter().for_each(|life| life.is_over());
        seen
    });
    assert!(seen > 0);
}

/// libxev#224: the delete was not made when the memory was freed, and the kernel went on to point there.
#[test]
fn libxev_224_a_value_is_freed_while_its_event_is_pending() {
    let seen = threads(|queue, ready, base| {
        let old = life(base);
        let registration = queue.register(Change::user(base).clear(), Arc::clone(&old)).unwrap();
        fire(&registration);
        drop(registration);
        old.is_over();
        let freed = Arc::downgrade(&old);
        drop(old);
        // The same ident, perhaps in the same memory.
        let new = queue.register(Change::user(base).clear(), life(base)).unwrap();
        let mut seen = handle(queue, ready, |_, _| ());
        fire(&new);
        seen += handle(queue, ready, |_, _| ());
        let ended = new.deregister();
        ended.lock().is_over();
        // Another thread may have the old event in hand, and only then the value is there.
        if let Some(old) = freed.upgrade() {
            assert_ne!(old.ended.load(Ordering::SeqCst), 0);
        }
        seen
    });
    assert!(seen > 0);
}

/// netty#16650: the number of a closed socket was another's by the time that the event came.
#[test]
fn netty_16650_a_number_is_given_out_again() {
    use std::os::fd::AsRawFd;
    let seen = threads(|queue, ready, _| {
        let (a, mut a2) = pair();
        let old = queue.register(Change::read(&a).clear(), life(a.as_raw_fd() as usize)).unwrap();
        old.udata().lock().fired.store(true, Ordering::SeqCst);
        a2.write_all(b"x").unwrap();
        drop(a);
        // As a rule with the number of the one that was closed, here or in another thread.
        let (b, mut b2) = pair();
        let new = queue.register(Change::read(&b).clear(), life(b.as_raw_fd() as usize)).unwrap();
        // Nothing has come yet: whatever is reported is the old one's.
        let mut seen = handle(queue, ready, |_, _| ());
        new.udata().lock().fired.store(true, Ordering::SeqCst);
        b2.write_all(b"x").unwrap();
        seen += handle(queue, ready, |_, _| ());
        let ended = old.deregister();
        ended.lock().is_over();
        // That did not touch the new one's knote.
        new.disable().unwrap();
        new.enable().unwrap();
        let ended = new.deregister();
        ended.lock().is_over();
        seen
    });
    assert!(seen > 0);
}

/// bun#37791: a delete that failed came back like an event, with the udata of an owner that was freed.
#[test]
fn bun_37791_a_change_that_fails_is_no_event() {
    use std::os::fd::AsRawFd;
    let seen = threads(|queue, ready, _| {
        let (socket, _peer) = pair();
        let value = life(socket.as_raw_fd() as usize);
        let registration = queue.register(Change::read(&socket).clear(), Arc::clone(&value)).unwrap();
        drop(socket);
        // All of it is told here, and nowhere else.
        assert!(registration.enable().is_err());
        assert!(registration.disable().is_err());
        drop(registration);
        value.is_over();
        handle(queue, ready, |_, _| ())
    });
    assert_eq!(seen, 0);
}

/// go#14548: the structure behind an event was in use again, for another descriptor, when the event was looked at.
#[test]
fn go_14548_a_slot_has_a_new_tenant_when_its_event_is_looked_at() {
    let seen = threads(|queue, ready, base| {
        let idents = [base, base + 1, base + 2];
        let registered = Mutex::new(idents.map(|ident| {
            let registration = queue.register(Change::user(ident).clear(), life(ident)).unwrap();
            fire(&registration);
            Some(registration)
        }));
        let seen = handle(queue, ready, |_, life| {
            // Between two events of a batch the others' slots change hands, with the same idents.
            for (place, ident) in registered.lock().iter_mut().zip(idents) {
                if ident != life.ident {
                    if let Some(old) = place.take() {
                        let ended = old.deregister();
                        ended.lock().is_over();
                    }
                    *place = Some(queue.register(Change::user(ident).clear(), self::life(ident)).unwrap());
                }
            }
        });
        for registration in registered.into_inner().into_iter().flatten() {
            let ended = registration.deregister();
            ended.lock().is_over();
        }
        seen
    });
    assert!(seen > 0);
}
