//! Eight threads that add, trigger, wait and delete on one queue: nothing is lost, nothing comes after its end.
//!
//! `KQ_STRESS_SECONDS` says how long; two seconds otherwise.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kq::{Change, EventBuffer, Filter, Kqueue};
use kq_tests::LIMIT;

const THREADS: usize = 8;
/// How many idents a thread uses, again and again.
const IDENTS: usize = 64;

/// What became of an ident: its udata counts its lives, so that an event tells which one it is of.
#[derive(Default)]
struct Life {
    /// The life that is to be seen by a wait, once; 0 while there is none.
    awaited: AtomicUsize,
    /// The last life that was deleted, and the time at which its delete had returned.
    deleted: Mutex<(usize, u64)>,
}

struct Shared {
    queue: Kqueue,
    lives: Vec<Life>,
    /// A clock that ticks with every delete.
    clock: AtomicU64,
    seen: AtomicUsize,
    over: AtomicBool,
}

impl Shared {
    /// Waits once, and holds every event against what is known of its knote.
    fn wait(&self, buffer: &mut EventBuffer, time: Duration) -> usize {
        let began = self.clock.load(Ordering::SeqCst);
        let events = match self.queue.wait(buffer, Some(time)) {
            Ok(events) => events,
            Err(error) => panic!("wait: {error}"),
        };
        for event in events {
            assert_eq!(event.filter(), Filter::USER);
            let (ident, life) = (event.ident(), event.udata());
            let (last, when) = *self.lives[ident].deleted.lock().unwrap();
            assert!(life > last || began < when, "an event of {ident}, deleted at {when}, in a wait of {began}");
            // The one-shot of this life, if that is what it was.
            if self.lives[ident].awaited.compare_exchange(life, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                self.seen.fetch_add(1, Ordering::SeqCst);
            }
        }
        events.len()
    }

    fn work(&self, thread: usize) -> usize {
        let mut buffer = EventBuffer::with_capacity(if thread % 2 == 0 { 1 } else { 16 });
        let (mut life, mut sent) = (0, 0);
        while !self.over.load(Ordering::SeqCst) {
            life += 1;
            for ident in thread * IDENTS..(thread + 1) * IDENTS {
                let add = Change::user(ident).udata(life);
                if life % 2 == 0 {
                    // Not before the last one-shot has been seen: a knote is one event.
                    if self.lives[ident].awaited.load(Ordering::SeqCst) != 0 {
                        continue;
                    }
                    self.lives[ident].awaited.store(life, Ordering::SeqCst);
                    self.queue.apply(&[add.oneshot()]).unwrap();
                    self.queue.apply(&[add.trigger()]).unwrap();
                    sent += 1;
                } else if self.lives[ident].awaited.load(Ordering::SeqCst) == 0 {
                    self.queue.apply(&[add.clear()]).unwrap();
                    self.queue.apply(&[add.trigger()]).unwrap();
                    self.queue.apply(&[add.delete()]).unwrap();
                    let now = self.clock.fetch_add(1, Ordering::SeqCst) + 1;
                    *self.lives[ident].deleted.lock().unwrap() = (life, now);
                }
                if ident % 4 == 0 {
                    self.wait(&mut buffer, Duration::ZERO);
                }
            }
            self.wait(&mut buffer, Duration::from_millis(1));
        }
        sent
    }
}

#[test]
fn no_event_is_lost_and_none_comes_after_its_delete() {
    let seconds = std::env::var("KQ_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let shared = Arc::new(Shared {
        queue: Kqueue::new().unwrap(),
        lives: (0..THREADS * IDENTS).map(|_| Life::default()).collect(),
        clock: AtomicU64::new(0),
        seen: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work(thread))
        })
        .collect();
    thread::sleep(Duration::from_secs(seconds));
    shared.over.store(true, Ordering::SeqCst);
    let sent: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let mut buffer = EventBuffer::with_capacity(16);
    let start = Instant::now();
    while shared.seen.load(Ordering::SeqCst) < sent && start.elapsed() < LIMIT {
        shared.wait(&mut buffer, Duration::from_millis(100));
    }
    assert_eq!(shared.seen.load(Ordering::SeqCst), sent, "of the events that were triggered");
    assert!(sent > 0);
    assert_eq!(shared.wait(&mut buffer, Duration::ZERO), 0);
}
