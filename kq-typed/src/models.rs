//! Models of the store's concurrent paths: every way that a registering and a waiting thread can get between each other,
//! tried by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p kq-typed --lib --release models`; `.ci/models` does.

use crate::flights::Flights;
use crate::key::Key;
use crate::slots::{Knote, Slots, Split};
use kq::Change;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// Tries every order of steps with at most so many switches from a thread that could go on; without a bound it takes
/// hours.
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// The one knote of a kernel: its udata, and which registration made it.
type Kernel = Mutex<Option<(usize, u32)>>;

/// Slots come round after one generation, so a key lives again as soon as it may.
fn keys_that_live_again(waiters: usize, rounds: u32) {
    check(move || {
        let slots = Arc::new(Mutex::new(Slots::new(0, Split::new(1, 1))));
        let flights = Arc::new(Flights::default());
        let kernel: Arc<Kernel> = Arc::default();
        let threads: Vec<_> = (0..waiters)
            .map(|_| {
                let (slots, flights, kernel) = (slots.clone(), flights.clone(), kernel.clone());
                thread::spawn(move || {
                    let _flight = flights.begin();
                    let event = *kernel.lock().unwrap();
                    let Some((udata, maker)) = event else { return };
                    if let Some((_, registered)) = slots.lock().unwrap().of_udata(udata) {
                        assert_eq!(registered.value, maker, "the value of another registration");
                    }
                })
            })
            .collect();
        for round in 0..rounds {
            let inserted = slots.lock().unwrap().insert(round, Change::signal(1), false, &flights);
            // All slots rest while a wait is under way.
            let Ok((key, change)) = inserted else { continue };
            *kernel.lock().unwrap() = Some((change.get_udata(), round));
            *kernel.lock().unwrap() = None;
            slots.lock().unwrap().remove(key).unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        // Whatever happened, no slot is lost.
        assert!(slots.lock().unwrap().insert(99, Change::signal(1), false, &flights).is_ok());
    });
}

#[test]
fn an_event_under_way_never_meets_a_key_that_lives_again() {
    keys_that_live_again(1, 4);
}

#[test]
fn nor_do_two() {
    keys_that_live_again(2, 3);
}

/// A store with the flag that says whether there are orphans, as `Core` has it.
struct Store {
    slots: Mutex<Slots<u32>>,
    flights: Flights,
    has_orphans: AtomicBool,
}

impl Store {
    /// As `Core::end_orphans`.
    fn end_orphans(&self) {
        while self.has_orphans.load(Ordering::SeqCst) {
            let mut slots = self.slots.lock().unwrap();
            let ended = slots.next_orphan(&self.flights);
            self.has_orphans.store(slots.has_orphans(), Ordering::SeqCst);
            if ended.is_none() {
                break;
            }
        }
    }

    /// A wait, whose event is the registration's last and the kernel's end of the knote, and what the loop over it does.
    fn wait(&self, kernel: &Kernel) {
        let flight = self.flights.begin();
        let event = kernel.lock().unwrap().take();
        let mut delivered: Option<Key> = None;
        if let Some((udata, maker)) = event {
            let mut slots = self.slots.lock().unwrap();
            let (key, registered) = slots.of_udata(udata).expect("the registration of a last event is there");
            assert_eq!(registered.value, maker);
            registered.knote = Knote::Fired;
            delivered = Some(key);
        }
        drop(flight);
        self.end_orphans();
        if let Some(key) = delivered {
            let mut slots = self.slots.lock().unwrap();
            assert!(slots.remove(key).is_some(), "the event has its turn");
        }
    }

    /// A newcomer that finds no knote of the detached registration any more, and takes its place.
    fn take_the_place(&self, holder: Key, kernel: &Kernel) {
        if kernel.lock().unwrap().is_some() {
            return;
        }
        let mut slots = self.slots.lock().unwrap();
        if let Some(registered) = slots.get_mut(holder) {
            if registered.knote != Knote::Fired {
                registered.knote = Knote::Gone;
                slots.orphan(holder, &self.flights);
                self.has_orphans.store(true, Ordering::SeqCst);
            }
        }
        drop(slots);
        self.end_orphans();
    }
}

/// The last event of a detached registration reaches its turn although a newcomer takes the place, and the registration is
/// over in the end, whoever comes last.
fn a_newcomer(waiters: usize) {
    check(move || {
        let store = Arc::new(Store {
            slots: Mutex::new(Slots::new(0, Split::new(2, 2))),
            flights: Flights::default(),
            has_orphans: AtomicBool::new(false),
        });
        let inserted = store.slots.lock().unwrap().insert(1, Change::signal(1), true, &store.flights);
        let (key, change) = inserted.unwrap();
        let kernel: Arc<Kernel> = Arc::new(Mutex::new(Some((change.get_udata(), 1))));
        let threads: Vec<_> = (0..waiters)
            .map(|_| {
                let (store, kernel) = (store.clone(), kernel.clone());
                thread::spawn(move || store.wait(&kernel))
            })
            .collect();
        store.take_the_place(key, &kernel);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(store.slots.lock().unwrap().get(key).is_none(), "the registration is over");
    });
}

#[test]
fn a_newcomer_does_not_take_the_last_event_of_a_detached_registration() {
    a_newcomer(1);
}

#[test]
fn nor_from_one_of_two_waits() {
    a_newcomer(2);
}
