//! One queue and many threads: waiting, registering, handing out work, waking.

mod common;

use common::*;
use kq_typed::kq::Change;
use kq_typed::{EventFilter, EventFlags, Kqueue, Mutex, Queue, Ready};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Waits until `done`, and fails if that takes too long.
fn until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets four threads handle the events of `queue` until `done`.
fn workers<T: Send>(queue: &Queue<T>, handle: impl Fn(Ready<'_, T>) + Sync, drive: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let waker = queue.waker().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut ready = queue.events(8);
                while !over.load(Ordering::SeqCst) {
                    for event in queue.wait(&mut ready, PATIENCE).unwrap() {
                        handle(event);
                    }
                }
                // One wake, one thread: it wakes the next.
                waker.wake().unwrap();
            });
        }
        drive();
        over.store(true, Ordering::SeqCst);
        waker.wake().unwrap();
    });
}

/// A socket with work in it, and whether somebody is at it.
struct Job {
    socket: UnixStream,
    done: usize,
}

/// One thread modifies a one-shot again and again while others wait for it.
fn one_shots_that_are_modified(again: impl Fn(&UnixStream, usize) -> Change) {
    let queue: Queue<usize> = Queue::new().unwrap();
    let (socket, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let handed_out = AtomicUsize::new(0);
    let handle = |event: Ready<'_, usize>| {
        assert_eq!(*event.udata().lock(), handed_out.fetch_add(1, Ordering::SeqCst), "each once, and in turn");
    };
    let drive = || {
        for round in 0..300 {
            let registration = queue.register(again(&socket, round), round).unwrap();
            let modify = |attempt: usize| {
                // A timer starts anew each time, and is to get the time to fire.
                std::thread::sleep(Duration::from_micros(attempt.saturating_sub(20) as u64 * 100));
                registration.modify(again(&socket, attempt)).err()
            };
            let gone = (1..).find_map(modify).unwrap();
            assert_eq!(gone.raw_os_error(), Some(libc::ENOENT));
            until(|| handed_out.load(Ordering::SeqCst) > round);
            // The registration is over, and has left nothing that its end would have to delete.
            assert!(queue.get(registration.id()).is_none());
        }
    };
    workers(&queue, handle, drive);
    assert_eq!(handed_out.into_inner(), 300);
}

#[test]
fn a_one_shot_that_is_modified_while_it_fires_is_handed_out_once() {
    one_shots_that_are_modified(|socket, round| Change::read(socket).oneshot().low_water(round % 2));
}

#[test]
fn a_timer_that_is_modified_while_it_fires_is_handed_out_once() {
    one_shots_that_are_modified(|_, round| Change::timer(1, Duration::from_micros(round as u64 % 3 * 50)).oneshot());
}

#[test]
fn dispatch_gives_each_event_to_one_thread() {
    let queue = Queue::new().unwrap();
    let jobs: Vec<_> = (0..8)
        .map(|_| {
            let (socket, mut peer) = pair();
            peer.write_all(&[0; 50]).unwrap();
            let change = Change::read(&socket).dispatch();
            (queue.register(change, Job { socket, done: 0 }).unwrap(), peer)
        })
        .collect();
    let done = || jobs.iter().map(|(job, _)| job.udata().lock().done).sum::<usize>() == 8 * 50;
    workers(
        &queue,
        |event| {
            let mut job = event.udata().try_lock().expect("no other thread is at it");
            std::io::Read::read_exact(&mut job.socket, &mut [0]).unwrap();
            job.done += 1;
            drop(job);
            if event.udata().lock().done < 50 {
                event.enable().unwrap();
            }
        },
        || until(|| jobs.iter().all(|(job, _)| job.udata().try_lock().is_some_and(|job| job.done == 50))),
    );
    assert!(done());
}

#[test]
fn one_shots_are_handed_out_once() {
    let queue = Queue::new().unwrap();
    let seen = AtomicUsize::new(0);
    let drops = Drops::default();
    // Two tests have timers at a time, and FreeBSD allows 4,096 of them on the whole machine, OpenBSD 1,024 to a process.
    const TIMERS: usize = if cfg!(target_os = "linux") { 2_000 } else { 400 };
    workers(
        &queue,
        |event| {
            assert!(queue.get(event.id()).is_none());
            seen.fetch_add(1, Ordering::SeqCst);
        },
        || {
            for id in 0..TIMERS {
                let soon = Duration::from_micros((id % 100) as u64);
                queue.register(Change::timer(id, soon).oneshot(), drops.value()).unwrap().detach();
            }
            until(|| drops.count() == TIMERS);
        },
    );
    assert_eq!(seen.load(Ordering::SeqCst), TIMERS);
}

#[test]
fn one_shots_that_are_registered_anew_give_each_event_to_one_thread() {
    let queue: Queue<Job> = Queue::new().unwrap();
    const JOBS: usize = 8;
    const BYTES: usize = 50;
    let (jobs, peers): (Vec<_>, Vec<_>) = (0..JOBS)
        .map(|_| {
            let (socket, mut peer) = pair();
            peer.write_all(&[0; BYTES]).unwrap();
            let job = Arc::new(Mutex::new(Job { socket, done: 0 }));
            let change = Change::read(&job.lock().socket).oneshot();
            queue.register(change, Arc::clone(&job)).unwrap().detach();
            (job, peer)
        })
        .unzip();
    workers(
        &queue,
        |event| {
            let mut job = event.udata().try_lock().expect("no other thread is at it");
            std::io::Read::read_exact(&mut job.socket, &mut [0]).unwrap();
            job.done += 1;
            if job.done < BYTES {
                let again = Change::read(&job.socket).oneshot();
                // Unlocked first: another thread may have the next event at once.
                drop(job);
                queue.register(again, Arc::clone(event.udata())).unwrap().detach();
            }
        },
        || until(|| jobs.iter().all(|job| job.try_lock().is_some_and(|job| job.done == BYTES))),
    );
    drop(peers);
    // Nothing is registered any more: the values are the test's alone.
    assert!(jobs.iter().all(|job| Arc::strong_count(job) == 1));
}

#[test]
fn dispatch_at_the_dynamic_door() {
    let kq = Kqueue::new().unwrap();
    const BYTES: usize = 50;
    let jobs: Vec<_> = (0..8)
        .map(|_| {
            let (socket, mut peer) = pair();
            peer.write_all(&[0; BYTES]).unwrap();
            let job = Arc::new(Mutex::new(Job { socket, done: 0 }));
            let flags = EventFlags::ADD | EventFlags::DISPATCH;
            kq.register(&job.lock().socket, EventFilter::Read, flags, Some(Arc::clone(&job))).unwrap();
            (job, peer)
        })
        .collect();
    let over = AtomicBool::new(false);
    let waker = kq.waker().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    for event in kq.await_events(PATIENCE).unwrap() {
                        let job = event.udata::<Arc<Mutex<Job>>>().expect("what was registered");
                        let mut job = job.try_lock().expect("no other thread is at it");
                        std::io::Read::read_exact(&mut job.socket, &mut [0]).unwrap();
                        job.done += 1;
                        let is_done = job.done == BYTES;
                        drop(job);
                        if !is_done {
                            kq.enable(event.key()).unwrap();
                        }
                    }
                }
                waker.wake().unwrap();
            });
        }
        until(|| jobs.iter().all(|(job, _)| job.try_lock().is_some_and(|job| job.done == BYTES)));
        over.store(true, Ordering::SeqCst);
        waker.wake().unwrap();
    });
}

#[test]
fn a_change_reaches_a_thread_that_waits_already() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let queue = Queue::new().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut ready = queue.events(8);
            let value = queue.wait(&mut ready, None).unwrap().map(|event| *event.udata().lock()).next();
            value
        });
        std::thread::sleep(Duration::from_millis(20));
        let registration = queue.register(Change::read(&a), 5).unwrap();
        assert_eq!(waiting.join().unwrap(), Some(5));
        drop(registration);
    });
}

#[test]
fn a_waker_wakes_each_of_several_threads() {
    let queue = Queue::<()>::new().unwrap();
    workers(&queue, |_| unreachable!(), || std::thread::sleep(Duration::from_millis(20)));
}

#[test]
fn a_queue_that_is_dropped_while_its_registrations_are_used() {
    for _ in 0..50 {
        let drops = Drops::default();
        let queue = Queue::new().unwrap();
        let (a, _b) = pair();
        let registrations: Vec<_> = [Change::read(&a), Change::write(&a)]
            .into_iter()
            .map(|change| queue.register(change, drops.value()).unwrap())
            .collect();
        std::thread::scope(|scope| {
            for registration in registrations {
                scope.spawn(move || {
                    while registration.disable().is_ok() && registration.enable().is_ok() {}
                    assert_eq!(registration.enable().unwrap_err().raw_os_error(), Some(libc::EBADF));
                });
            }
            std::thread::sleep(Duration::from_millis(1));
            drop(queue);
        });
        assert_eq!(drops.count(), 2);
    }
}

#[test]
fn several_threads_at_the_dynamic_door() {
    let kq = Kqueue::new().unwrap();
    let sum = Arc::new(Mutex::new(0_usize));
    const EACH: usize = if cfg!(target_os = "linux") { 500 } else { 100 };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..EACH {
                    let flags = EventFlags::ADD | EventFlags::ONESHOT;
                    kq.register_timer(Duration::from_micros(number as u64 % 50), flags, Some(number)).unwrap();
                    for event in kq.await_events(NOW).unwrap() {
                        *sum.lock() += event.udata::<usize>().unwrap();
                    }
                }
            });
        }
    });
    let expected = 4 * EACH * (EACH - 1) / 2;
    let start = Instant::now();
    while *sum.lock() < expected {
        assert!(start.elapsed() < Duration::from_secs(60));
        for event in kq.await_events(Some(Duration::from_millis(10))).unwrap() {
            *sum.lock() += event.udata::<usize>().unwrap();
        }
    }
    assert_eq!(*sum.lock(), expected);
}
