//! The bug that every kqueue program has had: an event that reaches a value which is not its own.
//!
//! Four threads register, fire, deregister and register again, on the same slots, while they all handle each other's
//! events. `KQ_ROUNDS` says how many rounds each makes.
#![cfg(has_user)]

mod common;

use common::*;
use kq_typed::kq::Change;
use kq_typed::{EventFilter, EventFlags, Kqueue, Queue};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

const THREADS: usize = 4;
/// How many idents each thread has.
const IDENTS: usize = 16;

fn rounds() -> usize {
    std::env::var("KQ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

/// What a registration carries: what it is of, and whether it is over.
struct Tag {
    ident: usize,
    over: Arc<AtomicBool>,
    alive: Arc<AtomicUsize>,
}

impl Drop for Tag {
    fn drop(&mut self) {
        assert_ne!(self.alive.fetch_sub(1, Ordering::SeqCst), 0, "dropped more often than made");
    }
}

/// Random enough.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn no_event_reaches_a_value_that_is_not_its_own() {
    let queue: Queue<Tag> = Queue::new().unwrap();
    let alive = Arc::new(AtomicUsize::new(0));
    let events = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (queue, alive, events) = (&queue, &alive, &events);
            scope.spawn(move || run(thread, queue, alive, events));
        }
    });
    assert!(events.load(Ordering::SeqCst) > 0);
    drop(queue);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

fn run(thread: usize, queue: &Queue<Tag>, alive: &Arc<AtomicUsize>, events: &AtomicUsize) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1));
    let mut registrations: Vec<_> = (0..IDENTS).map(|_| None).collect();
    let mut ready = queue.events(8);
    for _ in 0..rounds() {
        let place = random.below(IDENTS);
        let ident = thread * IDENTS + place;
        match registrations[place].take() {
            None => {
                let over = Arc::new(AtomicBool::new(false));
                alive.fetch_add(1, Ordering::SeqCst);
                let tag = Tag { ident, over: Arc::clone(&over), alive: Arc::clone(alive) };
                let change = match random.below(3) {
                    0 => Change::user(ident).clear(),
                    1 => Change::user(ident).oneshot(),
                    _ => Change::user(ident).dispatch(),
                };
                registrations[place] = Some((queue.register(change, tag).unwrap(), over));
            }
            Some((registration, over)) => match random.below(4) {
                0 => {
                    drop(registration);
                    over.store(true, Ordering::SeqCst);
                }
                1 => {
                    let _ = registration.enable();
                    registrations[place] = Some((registration, over));
                }
                _ => {
                    // ENOENT if a one-shot has fired.
                    let _ = registration.trigger();
                    registrations[place] = Some((registration, over));
                }
            },
        }
        for event in queue.wait(&mut ready, NOW).unwrap() {
            let tag = event.udata().lock();
            assert_eq!(tag.ident, event.event().ident(), "{event:?} has the value of another");
            // What this thread itself has ended is over for its own eyes.
            if tag.ident / IDENTS == thread {
                assert!(!tag.over.load(Ordering::SeqCst), "{event:?} is over");
            }
            events.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn nor_at_the_dynamic_door() {
    let kq = Kqueue::new().unwrap();
    let user = EventFilter::User;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let kq = &kq;
            scope.spawn(move || {
                let mut random = Random(0xd1b5_4a32_d192_ed03 ^ (thread as u64 + 1));
                for _ in 0..rounds() / 2 {
                    // All threads use the same idents: they replace and deregister each other's.
                    let ident = random.below(IDENTS);
                    match random.below(4) {
                        0 => {
                            let flags = EventFlags::ADD | EventFlags::ONESHOT;
                            kq.register(ident, user, flags, Some(ident as u32)).unwrap();
                        }
                        1 => {
                            let flags = EventFlags::ADD | EventFlags::CLEAR;
                            kq.register(ident, user, flags, Some(ident.to_string())).unwrap();
                        }
                        2 => drop(kq.deregister((ident, user))),
                        _ => drop(kq.trigger((ident, user))),
                    }
                    for event in &kq.await_events(NOW).unwrap() {
                        let number = event.udata::<u32>().map(|number| u64::from(*number));
                        let text = event.udata::<String>().map(|text| text.parse().unwrap());
                        assert_eq!(number.or(text), Some(event.ident()));
                    }
                }
            });
        }
    });
}
