//! The typed door: registering, modifying, events, and what is refused.

mod common;

use common::*;
use kq_typed::kq::{Change, EventKind, Filter, Flags, ProcEvents};
use kq_typed::{Mutex, Queue, Ready, ReadyBuffer, Registration};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn errno<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// The values of the events that come next.
fn next<T: Clone>(queue: &Queue<T>, timeout: Option<Duration>) -> Vec<T> {
    let mut ready = queue.events(16);
    let batch = queue.wait(&mut ready, timeout).unwrap();
    batch.map(|event| event.udata().lock().clone()).collect()
}

#[test]
fn events_carry_their_registrations_value() {
    let (a, mut a2) = pair();
    let (b, mut b2) = pair();
    let queue = Queue::new().unwrap();
    let first = queue.register(Change::read(&a).clear(), "a").unwrap();
    let second = queue.register(Change::read(&b).clear(), "b").unwrap();
    assert_ne!(first.id(), second.id());
    assert!(next(&queue, NOW).is_empty());
    a2.write_all(b"x").unwrap();
    assert_eq!(next(&queue, PATIENCE), ["a"]);
    b2.write_all(b"x").unwrap();
    let mut ready: ReadyBuffer<&str> = queue.events(16);
    for event in queue.wait(&mut ready, PATIENCE).unwrap() {
        let event: Ready<'_, &str> = event;
        assert_eq!(event.id(), second.id());
        assert!(Arc::ptr_eq(event.udata(), second.udata()));
        assert_eq!(event.event().ident(), b.as_raw_fd() as usize);
        assert!(matches!(event.kind(), EventKind::Read { available: Some(1), .. }));
        *event.udata().lock() = "changed";
    }
    assert_eq!(*second.udata().lock(), "changed");
    assert_eq!(queue.get(first.id()).map(|value| *value.lock()), Some("a"));
    assert_eq!(*first.deregister().lock(), "a");
    assert!(next(&queue, NOW).is_empty());
}

#[test]
fn one_value_behind_two_knotes() {
    let (a, mut b) = pair();
    let queue: Queue<u32> = Queue::new().unwrap();
    let conn: Registration<u32> = queue.register(Change::read(&a).clear(), 0).unwrap();
    let timer = queue.register(Change::timer(1, Duration::from_millis(1)).oneshot(), conn.udata().clone()).unwrap();
    b.write_all(b"x").unwrap();
    let mut ready = queue.events(8);
    while *conn.udata().lock() < 2 {
        for event in queue.wait(&mut ready, PATIENCE).unwrap() {
            *event.udata().lock() += 1;
        }
    }
    drop(conn);
    assert_eq!(*timer.udata().lock(), 2);
}

#[test]
fn a_second_registration_of_a_knote_is_refused() {
    let (a, mut b) = pair();
    let queue = Queue::new().unwrap();
    let first = queue.register(Change::read(&a), 1).unwrap();
    let value = Arc::new(Mutex::new(2));
    for _ in 0..3 {
        assert_eq!(errno(queue.register(Change::read(&a), value.clone())), Some(libc::EEXIST));
    }
    // The refused value is the caller's again, alone.
    assert_eq!(Arc::strong_count(&value), 1);
    // Another filter is another knote.
    let write = queue.register(Change::write(&a).oneshot(), value.clone()).unwrap();
    assert_eq!(next(&queue, PATIENCE), [2]);
    drop(write);
    b.write_all(b"x").unwrap();
    assert_eq!(next(&queue, PATIENCE), [1]);
    drop(first);
    let second = queue.register(Change::read(&a), 3).unwrap();
    assert_eq!(next(&queue, PATIENCE), [3]);
    drop(second);

    let timer = queue.register(Change::timer(1, Duration::from_secs(3600)), 4).unwrap();
    assert_eq!(errno(queue.register(Change::timer(1, Duration::from_millis(1)), 5)), Some(libc::EEXIST));
    // The refused one did not touch the timer.
    assert!(next(&queue, Some(Duration::from_millis(30))).is_empty());
    drop(timer);
}

#[test]
fn what_would_break_the_rules_is_refused() {
    let (a, _b) = pair();
    let queue: Queue<u32> = Queue::new().unwrap();
    let read = Change::read(&a);
    let refused = |change: Change| errno(queue.register(change, 1));
    assert_eq!(refused(read.delete()), Some(libc::EINVAL));
    assert_eq!(refused(read.disable()), Some(libc::EINVAL));
    assert_eq!(refused(read.set_flags(Flags::empty())), Some(libc::EINVAL));
    assert_eq!(refused(read.udata(1)), Some(libc::EINVAL));
    assert_eq!(refused(Change::process(1, ProcEvents::TRACK)), Some(libc::EINVAL));
    #[cfg(freebsd_abi)]
    assert_eq!(refused(read.add_flags(Flags::KEEPUDATA)), Some(libc::EINVAL));
    #[cfg(apple)]
    assert_eq!(refused(read.add_flags(Flags::UDATA_SPECIFIC)), Some(libc::EINVAL));
    assert_eq!(refused(Change::new(usize::MAX, Filter::READ, Flags::ADD)), Some(libc::EBADF));
    assert_eq!(refused(Change::new(closed_number() as usize, Filter::READ, Flags::ADD)), Some(libc::EBADF));
    // Nothing of it is left.
    let registration = queue.register(read, 2).unwrap();
    for bad in [read.delete(), read.udata(1), Change::write(&a), Change::read(&_b)] {
        assert_eq!(errno(registration.modify(bad)), Some(libc::EINVAL));
    }
}

#[test]
fn modify_changes_notes_and_mode_and_keeps_the_value() {
    let (a, mut b) = pair();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), 1).unwrap();
    let id = registration.id();
    b.write_all(b"x").unwrap();
    assert_eq!(next(&queue, PATIENCE), [1]);
    assert_eq!(next(&queue, PATIENCE), [1]);

    registration.modify(Change::read(&a).low_water(2)).unwrap();
    assert!(next(&queue, NOW).is_empty());
    b.write_all(b"x").unwrap();
    assert_eq!(next(&queue, PATIENCE), [1]);

    registration.modify(Change::read(&a).clear()).unwrap();
    assert_eq!(next(&queue, PATIENCE), [1]);
    assert!(next(&queue, NOW).is_empty());

    registration.modify(Change::read(&a).disabled()).unwrap();
    assert!(next(&queue, NOW).is_empty());
    registration.modify(Change::read(&a)).unwrap();
    assert_eq!(next(&queue, PATIENCE), [1]);
    assert_eq!(next(&queue, PATIENCE), [1]);

    registration.modify(Change::read(&a).oneshot()).unwrap();
    assert_eq!(registration.id(), id);
    assert_eq!(next(&queue, PATIENCE), [1]);
    assert!(next(&queue, NOW).is_empty());
    assert_eq!(errno(registration.modify(Change::read(&a))), Some(libc::ENOENT));
    assert_eq!(errno(registration.enable()), Some(libc::ENOENT));
}

#[test]
fn enable_and_disable_keep_what_is_stored() {
    let (a, mut b) = pair();
    b.write_all(b"12").unwrap();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a).low_water(3), 7).unwrap();
    for _ in 0..3 {
        registration.disable().unwrap();
        registration.enable().unwrap();
    }
    // The mark is still there,
    assert!(next(&queue, NOW).is_empty());
    registration.disable().unwrap();
    b.write_all(b"3").unwrap();
    assert!(next(&queue, NOW).is_empty());
    // and so is the way to the value.
    registration.enable().unwrap();
    assert_eq!(next(&queue, PATIENCE), [7]);
}

#[test]
fn dispatch_waits_for_the_handler() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a).dispatch(), 0).unwrap();
    let mut ready = queue.events(8);
    for round in 0..3 {
        let mut seen = 0;
        for event in queue.wait(&mut ready, PATIENCE).unwrap() {
            assert_eq!(event.udata().lock().clone(), round);
            *event.udata().lock() += 1;
            event.enable().unwrap();
            seen += 1;
        }
        assert_eq!(seen, 1);
    }
    for event in queue.wait(&mut ready, PATIENCE).unwrap() {
        event.disable().unwrap();
        event.modify(Change::read(&a).dispatch().disabled()).unwrap();
    }
    assert!(next(&queue, NOW).is_empty());
    drop(registration);
}

#[cfg(has_user)]
#[test]
fn user_events_keep_their_value() {
    let queue = Queue::new().unwrap();
    let one = queue.register(Change::user(1).clear(), "one").unwrap();
    let two = queue.register(Change::user(2).clear(), "two").unwrap();
    for _ in 0..3 {
        one.trigger().unwrap();
        assert_eq!(next(&queue, PATIENCE), ["one"]);
        queue.trigger(two.id()).unwrap();
        assert_eq!(next(&queue, PATIENCE), ["two"]);
    }
    let (a, _b) = pair();
    let read = queue.register(Change::read(&a), "read").unwrap();
    assert_eq!(errno(read.trigger()), Some(libc::EINVAL));
    let id = one.id();
    drop(one);
    assert_eq!(errno(queue.trigger(id)), Some(libc::ENOENT));
}

/// A socket that owns what is received.
struct Conn {
    socket: UnixStream,
    received: Vec<u8>,
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[test]
fn a_value_that_owns_its_descriptor() {
    let (socket, mut peer) = pair();
    let (other, _other2) = pair();
    let queue = Queue::new().unwrap();
    let wrong = Conn { socket: other, received: Vec::new() };
    assert_eq!(errno(queue.register_owned(wrong, |_| Change::read(&peer))), Some(libc::EINVAL));

    let conn = queue.register_owned(Conn { socket, received: Vec::new() }, Change::read).unwrap();
    peer.write_all(b"hello").unwrap();
    let mut ready = queue.events(8);
    let mut ended = false;
    let mut peer = Some(peer);
    while !ended {
        for event in queue.wait(&mut ready, PATIENCE).unwrap() {
            let mut conn = event.udata().lock();
            let mut bytes = [0; 64];
            let count = conn.socket.read(&mut bytes).unwrap();
            conn.received.extend(&bytes[..count]);
            drop(conn);
            peer = None;
            if count == 0 {
                event.deregister();
                ended = true;
            }
        }
    }
    assert!(peer.is_none());
    // Its handler ended it; the registration is inert, and still has the value.
    assert_eq!(errno(conn.enable()), Some(libc::ENOENT));
    assert_eq!(conn.deregister().lock().received, b"hello");
}

#[test]
fn timers_start_anew_when_modified() {
    let queue = Queue::new().unwrap();
    let timer = queue.register(Change::timer(1, Duration::from_millis(2)), 1).unwrap();
    assert_eq!(next(&queue, PATIENCE), [1]);
    timer.modify(Change::timer(1, Duration::from_secs(3600))).unwrap();
    assert!(next(&queue, Some(Duration::from_millis(30))).is_empty());
    let start = Instant::now();
    timer.modify(Change::timer(1, Duration::from_millis(20))).unwrap();
    assert_eq!(next(&queue, PATIENCE), [1]);
    assert!(start.elapsed() >= Duration::from_millis(19));
    assert_eq!(next(&queue, PATIENCE), [1]);
    timer.disable().unwrap();
    assert!(next(&queue, Some(Duration::from_millis(50))).is_empty());
}

#[test]
fn a_failed_modify_leaves_the_registration() {
    let (a, mut b) = pair();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), 1).unwrap();
    let enabled_and_disabled = Change::read(&a).add_flags(Flags::ENABLE | Flags::DISABLE);
    if registration.modify(enabled_and_disabled).is_err() {
        b.write_all(b"x").unwrap();
        assert_eq!(next(&queue, PATIENCE), [1]);
    }
    // With another mode the old knote is deleted first, and has to come back.
    if registration.modify(enabled_and_disabled.clear()).is_err() {
        assert_eq!(next(&queue, PATIENCE), [1]);
        assert_eq!(next(&queue, PATIENCE), [1]);
    }
    let timer = queue.register(Change::timer(1, Duration::from_millis(1)), 2).unwrap();
    if timer.modify(Change::timer(1, Duration::ZERO).fflags(0xffff_ffff).data(-1)).is_err() {
        assert!(next_of(&queue, 2));
    }
}

/// Whether an event with the value comes.
fn next_of(queue: &Queue<i32>, value: i32) -> bool {
    (0..1000).any(|_| next(queue, PATIENCE).contains(&value))
}

#[test]
fn a_time_out_is_an_empty_batch() {
    let queue = Queue::<()>::new().unwrap();
    let mut ready = queue.events(0);
    assert_eq!(ready.capacity(), 1);
    let time = Duration::from_millis(30);
    assert!(takes(time, || assert_eq!(queue.wait(&mut ready, Some(time)).unwrap().count(), 0)));
    assert_eq!(queue.wait(&mut ready, NOW).unwrap().count(), 0);
}

#[test]
fn a_small_buffer_takes_several_waits() {
    let queue = Queue::new().unwrap();
    let sockets: Vec<_> = (0..10).map(|_| pair()).collect();
    let registrations: Vec<_> = sockets
        .iter()
        .enumerate()
        .map(|(number, (a, b))| {
            (&mut &*b).write_all(b"x").unwrap();
            queue.register(Change::read(a).clear(), number).unwrap()
        })
        .collect();
    let mut ready = queue.events(3);
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let batch = queue.wait(&mut ready, PATIENCE).unwrap();
        assert!(batch.size_hint().1.unwrap() <= 3);
        seen.extend(batch.map(|event| *event.udata().lock()));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    drop(registrations);
}

#[test]
fn queues_nest() {
    let (a, mut b) = pair();
    let inner = Queue::new().unwrap();
    let registration = inner.register(Change::read(&a), "inner").unwrap();
    let outer = Queue::new().unwrap();
    let nested = outer.register(Change::read(&inner), "outer").unwrap();
    assert!(next(&outer, NOW).is_empty());
    b.write_all(b"x").unwrap();
    assert_eq!(next(&outer, PATIENCE), ["outer"]);
    assert_eq!(next(&inner, PATIENCE), ["inner"]);
    drop((registration, nested));
}

#[test]
fn debug_does_not_lock_the_value() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), 1).unwrap();
    let _locked = registration.udata().lock();
    let mut ready = queue.events(8);
    let mut batch = queue.wait(&mut ready, PATIENCE).unwrap();
    assert!(format!("{batch:?}").starts_with("Batch"));
    let event = batch.next().unwrap();
    assert!(format!("{event:?}").contains("filter: READ"));
    assert!(format!("{registration:?}").contains(&format!("{:?}", event.id())));
    assert!(format!("{queue:?} {:?}", queue.events(1)).contains("fd: "));
}
