//! Many registrations on one queue.

use std::time::Duration;

use kq::{Change, EventBuffer, Kqueue};
use kq_tests::descriptor::many_pipes;
use kq_tests::{put, serial, LIMIT};

/// How many user events there are: OpenBSD allows a process 1,024 of them and of timers.
const USER_EVENTS: usize = if cfg!(openbsd) { 400 } else { 10_000 };

/// How many timers there are: FreeBSD allows 4,096 on the whole machine (kern.kq_calloutmax).
const TIMERS: usize = if cfg!(linux) { 10_000 } else { 400 };

/// Collects so many events by their udata.
fn collect(queue: &Kqueue, count: usize) -> Vec<usize> {
    let mut buffer = EventBuffer::with_capacity(512);
    let mut seen = Vec::new();
    while seen.len() < count {
        let events = queue.wait(&mut buffer, Some(LIMIT)).unwrap();
        assert!(!events.is_empty(), "{} of {count} came", seen.len());
        seen.extend(events.iter().map(|event| event.udata()));
    }
    assert!(queue.wait(&mut buffer, Some(Duration::ZERO)).unwrap().is_empty());
    seen.sort_unstable();
    seen
}

#[test]
#[cfg(has_user)]
fn many_user_events() {
    let queue = Kqueue::new().unwrap();
    let events: Vec<Change> = (0..USER_EVENTS).map(|id| Change::user(id).clear().udata(id)).collect();
    queue.apply(&events).unwrap();
    let third: Vec<Change> = events.iter().step_by(3).copied().map(Change::trigger).collect();
    queue.apply(&third).unwrap();
    assert_eq!(collect(&queue, third.len()), (0..USER_EVENTS).step_by(3).collect::<Vec<_>>());
    queue.apply(&events.iter().copied().map(Change::delete).collect::<Vec<_>>()).unwrap();
    assert_eq!(queue.apply(&[events[0].trigger()]).map_err(|error| error.errno().raw()), Err(libc::ENOENT));
}

#[test]
fn many_timers() {
    let queue = Kqueue::new().unwrap();
    let timers: Vec<Change> = (0..TIMERS)
        .map(|id| match id % 4 {
            // Some in no particular order, and some for much later.
            0 => Change::timer(id, Duration::from_secs(3600)),
            _ => Change::timer(id, Duration::from_millis((id * 7919 % 200) as u64)).oneshot(),
        })
        .enumerate()
        .map(|(id, timer)| timer.udata(id))
        .collect();
    queue.apply(&timers).unwrap();
    let soon: Vec<usize> = (0..TIMERS).filter(|id| id % 4 != 0).collect();
    assert_eq!(collect(&queue, soon.len()), soon);
    let late: Vec<Change> = timers.iter().step_by(4).copied().map(Change::delete).collect();
    queue.apply(&late).unwrap();
}

/// How many pipes there are, if the system gives so many.
const PIPES: usize = if cfg!(linux) { 1_000 } else { 400 };

#[test]
fn many_pipes_that_are_all_ready() {
    let _serial = serial();
    let pipes = many_pipes(PIPES);
    let queue = Kqueue::new().unwrap();
    for (number, (reader, writer)) in pipes.iter().enumerate() {
        put(writer, 1);
        queue.apply(&[Change::read(reader).clear().udata(number)]).unwrap();
    }
    assert_eq!(collect(&queue, pipes.len()), (0..pipes.len()).collect::<Vec<_>>());
}

#[test]
fn one_of_many_pipes() {
    let _serial = serial();
    let pipes = many_pipes(PIPES);
    let queue = Kqueue::new().unwrap();
    let changes: Vec<Change> =
        pipes.iter().enumerate().map(|(number, (reader, _))| Change::read(reader).oneshot().udata(number)).collect();
    queue.apply(&changes).unwrap();
    for number in [0, pipes.len() / 2, pipes.len() - 1] {
        put(&pipes[number].1, 1);
        assert_eq!(collect(&queue, 1), [number]);
    }
    // All closed at once, and their numbers used again.
    drop(pipes);
    let pipes = many_pipes(PIPES);
    for (number, (reader, writer)) in pipes.iter().enumerate() {
        queue.apply(&[Change::read(reader).oneshot().udata(number)]).unwrap();
        put(writer, 1);
    }
    assert_eq!(collect(&queue, pipes.len()), (0..pipes.len()).collect::<Vec<_>>());
}
