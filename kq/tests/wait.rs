//! Waiting: time-outs, timers, interruptions, and several threads.

mod common;

use common::{pair, queue, takes, udata, AT_ONCE, PATIENCE};
use kq::{Change, EventBuffer, EventKind, Kqueue};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

#[test]
fn a_timeout_is_an_empty_slice_and_never_early() {
    let (queue, mut buffer) = queue(4);
    for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(30)] {
        assert!(takes(timeout, || assert!(queue.wait(&mut buffer, Some(timeout)).unwrap().is_empty())), "{timeout:?}");
        assert!(buffer.events().is_empty());
    }
}

#[test]
fn any_timeout_is_taken() {
    let (queue, mut buffer) = queue(4);
    for timeout in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_secs(1 << 40),
        Duration::new(i32::MAX as u64, 999_999_999),
        Duration::from_secs(100_000_001),
    ] {
        queue.apply(&[Change::timer(1, Duration::from_millis(5)).oneshot()]).unwrap();
        assert_eq!(queue.wait(&mut buffer, Some(timeout)).unwrap().len(), 1);
    }
}

#[test]
fn a_buffer_of_any_capacity_gets_all_events() {
    for capacity in [0, 1, 2, 7] {
        let (queue, mut buffer) = queue(capacity);
        let timers: Vec<_> = (0..5).map(|id| Change::timer(id, Duration::from_millis(1)).oneshot().udata(id)).collect();
        queue.apply(&timers).unwrap();
        let mut seen = Vec::new();
        while seen.len() < 5 {
            let events = queue.wait(&mut buffer, PATIENCE).unwrap();
            assert!(!events.is_empty() && events.len() <= capacity.max(1));
            seen.extend(events.iter().map(|event| event.udata()));
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn timers_are_never_early() {
    let (queue, mut buffer) = queue(4);
    for interval in
        [Duration::from_nanos(1), Duration::from_micros(1_500), Duration::from_millis(20), Duration::new(1, 1)]
    {
        let start = Instant::now();
        queue.apply(&[Change::timer(1, interval).oneshot().udata(1)]).unwrap();
        let events = queue.wait(&mut buffer, PATIENCE).unwrap();
        assert!(start.elapsed() >= interval, "{interval:?}");
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].kind(), EventKind::Timer { id: 1, expirations: 1 });
    }
}

#[test]
fn endless_timers_do_not_fire() {
    let (queue, mut buffer) = queue(4);
    let mut armed = 0;
    for (id, interval) in
        [Duration::MAX, Duration::from_secs(1 << 33), Duration::from_secs(86_400 * 365)].into_iter().enumerate()
    {
        match queue.apply(&[Change::timer(id, interval).oneshot(), Change::timer(id + 100, interval)]) {
            Ok(()) => armed += 1,
            // NetBSD counts 2³¹ ticks and refuses more.
            Err(error) => assert!(cfg!(netbsd) && error.errno().raw() == libc::EINVAL, "{error}"),
        }
    }
    assert!(armed == 3 || cfg!(netbsd));
    assert!(queue.wait(&mut buffer, Some(Duration::from_millis(20))).unwrap().is_empty());
}

#[test]
fn a_periodic_timer_counts() {
    let (queue, mut buffer) = queue(4);
    queue.apply(&[Change::timer(9, Duration::from_millis(2))]).unwrap();
    let mut fired = 0;
    while fired < 5 {
        for event in queue.wait(&mut buffer, PATIENCE).unwrap() {
            let EventKind::Timer { id: 9, expirations } = event.kind() else { panic!("{event:?}") };
            assert!(expirations >= 1);
            fired += expirations;
        }
    }
    queue.apply(&[Change::timer(9, Duration::ZERO).delete()]).unwrap();
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
}

#[test]
fn absolute_timers_are_one_shot() {
    let (queue, mut buffer) = queue(4);
    let now = SystemTime::now();
    for time in
        [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1), now, now + Duration::from_millis(30)]
    {
        queue.apply(&[Change::timer_at(1, time).udata(4)]).unwrap();
        let events = queue.wait(&mut buffer, PATIENCE).unwrap();
        assert_eq!(udata(events), [4]);
        assert_eq!(events[0].kind(), EventKind::Timer { id: 1, expirations: 1 });
        assert!(SystemTime::now() >= time);
        assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
        assert_eq!(queue.apply(&[Change::timer_at(1, time).delete()]).unwrap_err().errno().raw(), libc::ENOENT);
    }
    queue.apply(&[Change::timer_at(1, now + Duration::from_secs(3_600))]).unwrap();
    assert!(queue.wait(&mut buffer, Some(Duration::from_millis(20))).unwrap().is_empty());
}

extern "C" fn nothing(_: libc::c_int) {}

/// Calls `wait` in a thread that gets signals until it returns.
fn interrupted<T: Send>(wait: impl FnOnce() -> T + Send) -> T {
    // SAFETY: the handler does nothing; `sigaction` is made of integers, for which zeros are valid. SA_RESTART is not
    // set, and kevent is not restarted in any case.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()), 0);
    }
    let done = AtomicBool::new(false);
    // SAFETY: takes no argument.
    let waiting = unsafe { libc::pthread_self() } as usize;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                // SAFETY: the thread is in this function, which ends after `done` is set and this thread joined.
                unsafe { libc::pthread_kill(waiting as libc::pthread_t, libc::SIGUSR2) };
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let result = wait();
        done.store(true, Ordering::SeqCst);
        result
    })
}

#[test]
fn a_signal_interrupts_a_wait() {
    let (queue, mut buffer) = queue(4);
    let error = interrupted(|| queue.wait(&mut buffer, None).map(<[_]>::len)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    assert!(buffer.events().is_empty());
}

#[test]
fn an_interrupted_wait_has_applied_its_changes() {
    let (queue, mut buffer) = queue(4);
    let hour = Change::timer(1, Duration::from_secs(3_600));
    for capacity in [1, 4] {
        // Fitting the buffer, and longer than it.
        buffer = EventBuffer::with_capacity(capacity);
        let changes = [hour, Change::timer(2, Duration::from_secs(3_600))];
        assert_eq!(interrupted(|| queue.apply_and_wait(&changes, &mut buffer, None).map(<[_]>::len)).unwrap(), 0);
        queue.apply(&changes.map(Change::delete)).expect("both were applied");
    }
    assert!(buffer.events().is_empty());
}

#[test]
fn a_change_reaches_a_thread_that_waits() {
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| udata(queue.wait(&mut buffer, PATIENCE).unwrap()));
        std::thread::sleep(Duration::from_millis(20));
        queue.apply(&[Change::read(&receiver).udata(3)]).unwrap();
        assert_eq!(waiting.join().unwrap(), [3]);
    });
}

#[test]
fn a_one_shot_goes_to_one_thread() {
    let queue = Kqueue::new().unwrap();
    let (receiver, mut sender) = pair();
    sender.write_all(b"x").unwrap();
    for _ in 0..20 {
        queue.apply(&[Change::read(&receiver).oneshot()]).unwrap();
        let got: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut buffer = EventBuffer::with_capacity(4);
                        queue.wait(&mut buffer, Some(Duration::from_millis(10))).unwrap().len()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // A thread may have been too late for the event, but two never have it.
        let mut buffer = EventBuffer::with_capacity(4);
        let left = queue.wait(&mut buffer, AT_ONCE).unwrap().len();
        assert_eq!(got + left, 1);
    }
}
