//! Several threads on one queue: changes while another waits, who is woken, and interruptions.

use std::io::ErrorKind;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::{self, sleep};
use std::time::Duration;

use kq::{Change, EventBuffer, Kqueue, Waker};
use kq_tests::queue::{udata_after_action, want_read};
use kq_tests::{pair, pipe, put, serial, wait_for, LIMIT, QUIET};

/// Runs `act` while another thread waits on the queue, and returns what that thread sees.
fn while_waiting(queue: &Kqueue, act: impl FnOnce()) -> Vec<kq::Event> {
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut buffer = EventBuffer::with_capacity(4);
            queue.wait(&mut buffer, Some(LIMIT)).unwrap().to_vec()
        });
        // It may wait by then, or not yet: the outcome is the same.
        sleep(QUIET);
        act();
        waiter.join().unwrap()
    })
}

#[test]
#[cfg(has_user)]
fn a_trigger_reaches_a_waiter() {
    let queue = Kqueue::new().unwrap();
    let event = Change::user(5).clear().udata(1);
    queue.apply(&[event]).unwrap();
    let events = while_waiting(&queue, || queue.apply(&[event.trigger()]).unwrap());
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].ident(), events[0].udata()), (5, 1));
}

#[test]
fn what_is_added_while_another_thread_waits() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let queue = Kqueue::new().unwrap();
    let events = while_waiting(&queue, || queue.apply(&[Change::read(&reader).udata(3)]).unwrap());
    assert_eq!(events.len(), 1);
    assert!(want_read(&reader).data(2).udata(3).is(&events[0]), "{events:?}");
}

#[test]
fn what_is_enabled_while_another_thread_waits() {
    let (reader, writer) = pipe();
    put(&writer, 2);
    let queue = Kqueue::new().unwrap();
    queue.apply(&[Change::read(&reader).disabled().udata(1)]).unwrap();
    let events = while_waiting(&queue, || queue.apply(&[Change::read(&reader).enable().udata(3)]).unwrap());
    assert_eq!(events.len(), 1);
    let wanted = want_read(&reader).data(2).udata(udata_after_action(1, 3));
    assert!(wanted.is(&events[0]), "{events:?}");
}

#[test]
fn a_write_knote_that_is_added_while_another_thread_waits() {
    let (a, _b) = pair();
    let queue = Kqueue::new().unwrap();
    queue.apply(&[Change::read(&a).udata(1)]).unwrap();
    let events = while_waiting(&queue, || queue.apply(&[Change::write(&a).udata(2)]).unwrap());
    assert_eq!(events.iter().map(|event| event.udata()).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_timer_that_is_added_while_another_thread_waits() {
    let queue = Kqueue::new().unwrap();
    queue.apply(&[Change::timer(2, LIMIT * 100)]).unwrap();
    let timer = Change::timer(1, Duration::from_millis(30)).oneshot().udata(4);
    let events = while_waiting(&queue, || queue.apply(&[timer]).unwrap());
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].ident(), events[0].data(), events[0].udata()), (1, 1, 4));
}

#[test]
fn what_is_deleted_while_another_thread_waits_stays_silent() {
    let (reader, writer) = pipe();
    let (other, other_writer) = pipe();
    let queue = Kqueue::new().unwrap();
    queue.apply(&[Change::read(&reader).udata(1), Change::read(&other).udata(2)]).unwrap();
    let events = while_waiting(&queue, || {
        queue.apply(&[Change::read(&reader).delete()]).unwrap();
        put(&writer, 1);
        put(&other_writer, 1);
    });
    assert_eq!(events.iter().map(|event| event.udata()).collect::<Vec<_>>(), [2]);
}

/// Starts `count` threads that wait until they are told to stop, each with room for one event; returns how many events
/// they saw in all after `act`.
fn seen_by_many(queue: &Kqueue, count: usize, wanted: usize, act: impl FnOnce()) -> usize {
    let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                let mut buffer = EventBuffer::with_capacity(1);
                while !stop.load(Ordering::SeqCst) {
                    let events = queue.wait(&mut buffer, Some(QUIET)).unwrap();
                    seen.fetch_add(events.len(), Ordering::SeqCst);
                }
            });
        }
        sleep(QUIET);
        act();
        wait_for("the events", || seen.load(Ordering::SeqCst) >= wanted);
        // Long enough for one that is too much.
        sleep(QUIET);
        stop.store(true, Ordering::SeqCst);
    });
    seen.into_inner()
}

#[test]
#[cfg(has_user)]
fn one_trigger_is_seen_by_one_thread() {
    let queue = Kqueue::new().unwrap();
    let event = Change::user(5).clear();
    queue.apply(&[event]).unwrap();
    let seen = seen_by_many(&queue, 4, 1, || queue.apply(&[event.trigger()]).unwrap());
    assert_eq!(seen, 1);
}

#[test]
fn a_dispatched_event_is_seen_by_one_thread() {
    let (reader, writer) = pipe();
    let queue = Kqueue::new().unwrap();
    queue.apply(&[Change::read(&reader).dispatch()]).unwrap();
    assert_eq!(seen_by_many(&queue, 4, 1, || put(&writer, 3)), 1);
}

#[test]
fn oneshots_are_seen_once_each() {
    let pipes: Vec<_> = (0..30).map(|_| pipe()).collect();
    let queue = Kqueue::new().unwrap();
    for (reader, _) in &pipes {
        queue.apply(&[Change::read(reader).oneshot()]).unwrap();
    }
    let seen = seen_by_many(&queue, 4, 30, || pipes.iter().for_each(|(_, writer)| put(writer, 1)));
    assert_eq!(seen, 30);
}

#[test]
fn threads_change_the_queue_side_by_side() {
    let queue = Kqueue::new().unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let queue = &queue;
            scope.spawn(move || {
                let mut buffer = EventBuffer::with_capacity(8);
                for round in 0..200 {
                    let timer = Change::timer(thread * 1_000 + round, LIMIT).udata(thread);
                    queue.apply(&[timer]).unwrap();
                    queue.wait(&mut buffer, Some(Duration::ZERO)).unwrap();
                    queue.apply(&[timer.delete()]).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_waker_wakes_from_another_thread() {
    const WAKE: usize = usize::MAX;
    let queue = Arc::new(Kqueue::new().unwrap());
    let waker = Arc::new(Waker::new(&queue, 0, WAKE).unwrap());
    let (sender, receiver) = mpsc::channel();
    let worker = {
        let waker = Arc::clone(&waker);
        thread::spawn(move || {
            for job in 0..100 {
                sender.send(job).unwrap();
                waker.wake().unwrap();
            }
        })
    };
    let mut buffer = EventBuffer::with_capacity(4);
    let mut jobs: Vec<i32> = Vec::new();
    while jobs.len() < 100 {
        let events = queue.wait(&mut buffer, Some(LIMIT)).unwrap();
        assert_eq!(events.iter().map(|event| event.udata()).collect::<Vec<_>>(), [WAKE], "after {}", jobs.len());
        jobs.extend(receiver.try_iter());
    }
    worker.join().unwrap();
    assert_eq!(jobs, (0..100).collect::<Vec<_>>());
}

extern "C" fn interrupt(_signal: i32) {}

/// Lets signals with these flags of `sigaction` interrupt a thread that is in `wait`, until that returns.
fn interrupted<T: Send + 'static>(flags: i32, wait: impl FnOnce() -> T + Send + 'static) -> T {
    // SAFETY: zeros are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = interrupt as extern "C" fn(i32) as libc::sighandler_t;
    action.sa_flags = flags;
    // SAFETY: the handler does nothing, and the struct is valid.
    kq_tests::descriptor::checked(unsafe { libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()) });
    let waiter = thread::spawn(wait);
    // One that comes before the thread waits interrupts nothing, so they come again and again.
    while !waiter.is_finished() {
        // SAFETY: the thread was not joined, so that its handle is valid.
        unsafe { libc::pthread_kill(waiter.as_pthread_t() as _, libc::SIGUSR2) };
        sleep(Duration::from_millis(5));
    }
    waiter.join().unwrap()
}

#[test]
fn a_signal_interrupts_a_wait() {
    let _serial = serial();
    for flags in [0, libc::SA_RESTART] {
        let outcome = interrupted(flags, || {
            let mut buffer = EventBuffer::with_capacity(4);
            let queue = Kqueue::new().unwrap();
            let outcome = queue.wait(&mut buffer, Some(LIMIT)).map(<[_]>::len);
            outcome.map_err(|error| error.kind())
        });
        assert_eq!(outcome, Err(ErrorKind::Interrupted));
    }
}

#[test]
fn an_interrupted_call_has_applied_its_changes() {
    let _serial = serial();
    let (seen, deleted) = interrupted(0, || {
        let mut buffer = EventBuffer::with_capacity(4);
        let queue = Kqueue::new().unwrap();
        let timer = Change::timer(7, LIMIT * 100);
        let seen = queue.apply_and_wait(&[timer], &mut buffer, None).unwrap().len();
        (seen, queue.apply(&[timer.delete()]))
    });
    assert_eq!((seen, deleted), (0, Ok(())));
}
