//! Several threads: notifications, changes during a wait, several waits at once, signals.

use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier};
use std::thread;

use super::*;

/// A wait on a thread of its own, and the means to see what it returned.
fn waiting(poller: &Arc<Poller>) -> (thread::JoinHandle<()>, mpsc::Receiver<Vec<Event>>) {
    let poller = Arc::clone(poller);
    let (sender, receiver) = mpsc::channel();
    let (started, start) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut events = Events::with_capacity(16);
        started.send(()).unwrap();
        let _ = sender.send(poller.wait(&mut events, Some(LIMIT)).unwrap().to_vec());
    });
    start.recv().unwrap();
    // It is about to wait: now it most likely does. No case depends on it.
    thread::sleep(Duration::from_millis(5));
    (thread, receiver)
}

#[test]
fn a_poller_is_shared_by_threads() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Poller>();
    shareable::<Events>();
    shareable::<Event>();
}

#[test]
fn a_notification_before_the_wait_is_kept() {
    let mut fixture = Fixture::new();
    fixture.poller.notify().unwrap();
    assert_eq!(fixture.wait(), [Event::Notified]);
    fixture.nothing();
}

#[test]
fn a_notification_ends_a_wait() {
    let poller = Arc::new(Poller::new().unwrap());
    let (thread, outcome) = waiting(&poller);
    assert!(outcome.recv_timeout(QUIET).is_err(), "it ended by itself");
    poller.notify().unwrap();
    assert_eq!(outcome.recv().unwrap(), [Event::Notified]);
    thread.join().unwrap();
}

#[test]
fn notifications_become_one() {
    let mut fixture = Fixture::new();
    for _ in 0..10_000 {
        fixture.poller.notify().unwrap();
    }
    assert_eq!(fixture.wait(), [Event::Notified]);
    fixture.nothing();
}

#[test]
fn notifications_of_several_threads_become_one() {
    let mut fixture = Fixture::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| fixture.poller.notify().unwrap()));
        }
    });
    assert_eq!(fixture.wait(), [Event::Notified]);
    fixture.nothing();
}

#[test]
fn each_notification_after_a_report_is_a_new_one() {
    let mut fixture = Fixture::new();
    for _ in 0..100 {
        fixture.poller.notify().unwrap();
        assert_eq!(fixture.wait(), [Event::Notified]);
    }
    fixture.nothing();
}

#[test]
fn a_notification_ends_one_wait_of_several() {
    let poller = Arc::new(Poller::new().unwrap());
    let (first, first_outcome) = waiting(&poller);
    let (second, second_outcome) = waiting(&poller);
    let ended = || [&first_outcome, &second_outcome].map(|outcome| outcome.try_recv().ok());
    let mut ends = Vec::new();
    for _ in 0..2 {
        poller.notify().unwrap();
        let start = std::time::Instant::now();
        let before = ends.len();
        while ends.len() == before {
            assert!(start.elapsed() < LIMIT, "no wait ended");
            ends.extend(ended().into_iter().flatten());
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(QUIET);
        ends.extend(ended().into_iter().flatten());
        assert_eq!(ends.len(), before + 1, "{ends:?}");
    }
    assert!(ends.iter().all(|events| events == &[Event::Notified]), "{ends:?}");
    first.join().unwrap();
    second.join().unwrap();
}

#[test]
fn a_notification_comes_beside_other_events() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    fixture.poller.notify().unwrap();
    let mut seen = fixture.wait();
    while seen.len() < 2 {
        seen.extend(fixture.wait());
    }
    assert!(seen.contains(&Event::Notified) && seen.contains(&readable(1)), "{seen:?}");
}

#[test]
fn a_ping_pong_of_notifications_loses_none() {
    let (there, back) = (Arc::new(Poller::new().unwrap()), Arc::new(Poller::new().unwrap()));
    let answering = {
        let (there, back) = (Arc::clone(&there), Arc::clone(&back));
        thread::spawn(move || {
            let mut events = Events::with_capacity(4);
            for _ in 0..1000 {
                assert_eq!(there.wait(&mut events, Some(LIMIT)).unwrap(), [Event::Notified]);
                back.notify().unwrap();
            }
        })
    };
    let mut events = Events::with_capacity(4);
    for round in 0..1000 {
        there.notify().unwrap();
        assert_eq!(back.wait(&mut events, Some(LIMIT)).unwrap(), [Event::Notified], "round {round}");
    }
    answering.join().unwrap();
}

#[test]
fn what_is_added_during_a_wait_ends_it() {
    let poller = Arc::new(Poller::new().unwrap());
    let (thread, outcome) = waiting(&poller);
    let (stream, _peer) = ready_pair();
    poller.add(&stream, Interest::READABLE, 5).unwrap();
    assert_eq!(outcome.recv().unwrap(), [readable(5)]);
    thread.join().unwrap();
}

#[test]
fn what_is_modified_during_a_wait_ends_it() {
    let poller = Arc::new(Poller::new().unwrap());
    let (stream, _peer) = ready_pair();
    poller.add(&stream, Interest::NONE, 5).unwrap();
    let (thread, outcome) = waiting(&poller);
    assert!(outcome.recv_timeout(QUIET).is_err(), "it was asked for nothing");
    poller.modify(&stream, Interest::WRITABLE, 6).unwrap();
    assert_eq!(outcome.recv().unwrap(), [writable(6)]);
    thread.join().unwrap();
}

#[test]
fn what_is_deleted_during_a_wait_does_not_end_it() {
    let poller = Arc::new(Poller::new().unwrap());
    let (stream, mut peer) = pair();
    poller.add(&stream, Interest::READABLE, 5).unwrap();
    let (thread, outcome) = waiting(&poller);
    poller.delete(&stream).unwrap();
    peer.write_all(b"x").unwrap();
    assert!(outcome.recv_timeout(QUIET).is_err(), "it was deleted");
    poller.notify().unwrap();
    assert_eq!(outcome.recv().unwrap(), [Event::Notified]);
    thread.join().unwrap();
}

#[test]
fn what_is_closed_during_a_wait_does_not_end_it() {
    let poller = Arc::new(Poller::new().unwrap());
    let (stream, _peer) = pair();
    let added = far_dup(&stream);
    drop(stream);
    poller.add(&added, Interest::READABLE, 5).unwrap();
    let (thread, outcome) = waiting(&poller);
    drop(added);
    assert!(outcome.recv_timeout(QUIET).is_err(), "it was closed");
    poller.notify().unwrap();
    assert_eq!(outcome.recv().unwrap(), [Event::Notified]);
    thread.join().unwrap();
}

#[test]
fn a_timer_that_is_added_during_a_wait_ends_it() {
    let poller = Arc::new(Poller::new().unwrap());
    poller.add_timer(1, Duration::from_secs(3600)).unwrap();
    let (thread, outcome) = waiting(&poller);
    poller.add_timer(2, Duration::from_millis(1)).unwrap();
    assert_eq!(outcome.recv().unwrap(), [timer(2)]);
    thread.join().unwrap();
}

#[test]
fn each_event_goes_to_one_thread() {
    let poller = Poller::new().unwrap();
    let pairs: Vec<_> = (0..20).map(|_| pair()).collect();
    for (key, (stream, _)) in (0..).zip(&pairs) {
        poller.add(stream, Interest::READABLE, key).unwrap();
    }
    let seen = AtomicUsize::new(0);
    let keys = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut events = Events::with_capacity(2);
                loop {
                    for event in poller.wait(&mut events, Some(LIMIT)).unwrap() {
                        match event {
                            Event::Ready { key, .. } => {
                                seen.fetch_add(1, Ordering::SeqCst);
                                assert_eq!(keys.fetch_or(1 << key, Ordering::SeqCst) & 1 << key, 0, "{key} came twice");
                            }
                            // Each that ends tells the next one.
                            _ => return poller.notify().unwrap(),
                        }
                    }
                }
            });
        }
        for (_, peer) in &pairs {
            (&mut &*peer).write_all(b"x").unwrap();
        }
        let start = std::time::Instant::now();
        while seen.load(Ordering::SeqCst) < pairs.len() && start.elapsed() < LIMIT {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(QUIET);
        poller.notify().unwrap();
    });
    assert_eq!((seen.into_inner(), keys.into_inner()), (20, (1 << 20) - 1));
}

#[test]
fn both_directions_are_one_event_however_many_wait() {
    let poller = Poller::new().unwrap();
    let (stream, _peer) = ready_pair();
    poller.add(&stream, Interest::NONE, 0).unwrap();
    for key in 1..=50 {
        let seen = AtomicUsize::new(0);
        let ready = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    // Room for one: the two halves go to two threads, if they can.
                    let mut events = Events::with_capacity(1);
                    ready.wait();
                    loop {
                        match poller.wait(&mut events, Some(LIMIT)).unwrap() {
                            [Event::Ready { key: seen_key, .. }] => {
                                assert_eq!(*seen_key, key);
                                seen.fetch_add(1, Ordering::SeqCst);
                                poller.notify().unwrap();
                            }
                            _ => return poller.notify().unwrap(),
                        }
                    }
                });
            }
            ready.wait();
            poller.modify(&stream, Interest::BOTH, key).unwrap();
        });
        assert_eq!(seen.into_inner(), 1, "round {key}");
        // What the last one to end left.
        poller.wait(&mut Events::with_capacity(4), Some(Duration::ZERO)).unwrap();
    }
}

#[test]
fn changes_by_several_threads_leave_no_ghost() {
    let poller = Poller::new().unwrap();
    let newest = [0, 1, 2].map(AtomicU64::new);
    thread::scope(|scope| {
        let changing: Vec<_> = (0..3)
            .map(|thread| {
                let (poller, newest) = (&poller, &newest[thread as usize]);
                scope.spawn(move || {
                    let (stream, _peer) = ready_pair();
                    // The remainder of a key is its thread.
                    for key in (thread..3000).step_by(3) {
                        newest.store(key, Ordering::SeqCst);
                        poller.add(&stream, Interest::BOTH, key).unwrap();
                        poller.modify(&stream, Interest::READABLE, key).unwrap();
                        poller.delete(&stream).unwrap();
                        assert_eq!(errno(poller.delete(&stream)), libc::ENOENT);
                    }
                })
            })
            .collect();
        let waiting = scope.spawn(|| {
            let mut events = Events::with_capacity(2);
            loop {
                let oldest = [0, 1, 2].map(|thread: usize| newest[thread].load(Ordering::SeqCst));
                for event in poller.wait(&mut events, Some(LIMIT)).unwrap() {
                    match event {
                        // Nothing that was deleted before the wait began.
                        Event::Ready { key, .. } => assert!(*key >= oldest[(*key % 3) as usize], "{key}: {oldest:?}"),
                        _ => return,
                    }
                }
            }
        });
        changing.into_iter().for_each(|thread| thread.join().unwrap());
        poller.notify().unwrap();
        waiting.join().unwrap();
    });
    assert_eq!(poller.wait(&mut Events::with_capacity(4), Some(QUIET)).unwrap(), []);
}

#[test]
fn what_was_found_for_an_earlier_question_does_not_answer_a_later_one() {
    let poller = Poller::new().unwrap();
    // There is never anything to read. Even keys ask to write, odd ones to read.
    let (stream, _peer) = pair();
    poller.add(&stream, Interest::NONE, 0).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for key in 0..20_000 {
                let interest = if key % 2 == 0 { Interest::WRITABLE } else { Interest::READABLE };
                poller.modify(&stream, interest, key).unwrap();
            }
            poller.notify().unwrap();
        });
        let mut events = Events::with_capacity(4);
        loop {
            for event in poller.wait(&mut events, Some(LIMIT)).unwrap() {
                match event {
                    Event::Ready { key, ready } => {
                        assert_eq!((key % 2, *ready), (0, Interest::WRITABLE), "key {key}");
                    }
                    _ => return,
                }
            }
        }
    });
}

#[test]
fn a_signal_handler_does_not_end_a_wait() {
    use std::os::unix::thread::JoinHandleExt;

    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handle(_: libc::c_int) {
        HANDLED.fetch_add(1, Ordering::SeqCst);
    }
    // SAFETY: zeros are a valid sigaction, and the handler does nothing but add to an atomic number.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()), 0);
    }
    let poller = Arc::new(Poller::new().unwrap());
    let (thread, outcome) = waiting(&poller);
    for _ in 0..5 {
        let before = HANDLED.load(Ordering::SeqCst);
        // SAFETY: the thread was not joined, so its handle is valid.
        assert_eq!(unsafe { libc::pthread_kill(thread.as_pthread_t() as _, libc::SIGUSR2) }, 0);
        let start = std::time::Instant::now();
        while HANDLED.load(Ordering::SeqCst) == before {
            assert!(start.elapsed() < LIMIT, "the handler did not run");
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(outcome.recv_timeout(QUIET).is_err(), "a signal ended the wait");
    poller.notify().unwrap();
    assert_eq!(outcome.recv().unwrap(), [Event::Notified]);
    thread.join().unwrap();
}
