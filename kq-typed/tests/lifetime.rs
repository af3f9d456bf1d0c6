//! When registrations end and values are dropped: once, and at the point that is written down.

mod common;

use common::*;
use kq_typed::kq::{Change, Filter, Flags, ProcEvents};
use kq_typed::{Queue, Registration};
use std::io::Write;
use std::sync::{mpsc, Arc};
use std::time::Duration;

fn errno<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// Goes through what is pending and gives the number of events.
fn count<T>(queue: &Queue<T>, timeout: Option<Duration>) -> usize {
    queue.wait(&mut queue.events(16), timeout).unwrap().count()
}

#[test]
fn a_registration_that_is_dropped_takes_the_value_along() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), drops.value()).unwrap();
    let id = registration.id();
    assert_eq!(count(&queue, PATIENCE), 1);
    assert_eq!(drops.count(), 0);
    drop(registration);
    assert_eq!(drops.count(), 1);
    assert_eq!(count(&queue, NOW), 0);
    assert!(queue.get(id).is_none());
    assert!(queue.deregister(id).is_none());
}

#[test]
fn deregister_gives_the_value() {
    let (a, _b) = pair();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let value = queue.register(Change::read(&a), drops.value()).unwrap().deregister();
    assert_eq!(Arc::strong_count(&value), 1);
    assert_eq!(drops.count(), 0);
    drop(value);
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_event_releases_its_value_when_its_turn_ends() {
    let (a, mut a2) = pair();
    let (b, mut b2) = pair();
    a2.write_all(b"x").unwrap();
    b2.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let mut registrations = vec![
        queue.register(Change::read(&a), drops.value()).unwrap(),
        queue.register(Change::read(&b), drops.value()).unwrap(),
    ];
    let mut ready = queue.events(8);
    let mut turns = 0;
    while turns == 0 {
        let batch = queue.wait(&mut ready, PATIENCE).unwrap();
        if batch.size_hint().1 != Some(2) {
            continue; // they come together sooner or later
        }
        for event in batch {
            registrations.retain(|registration| registration.id() != event.id());
            assert_eq!(drops.count(), turns);
            drop(event);
            turns += 1;
            assert_eq!(drops.count(), turns);
        }
    }
    assert_eq!(turns, 2);
}

#[test]
fn a_batch_that_is_dropped_holds_nothing() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), drops.value()).unwrap();
    let mut ready = queue.events(8);
    let batch = queue.wait(&mut ready, PATIENCE).unwrap();
    drop(registration);
    assert_eq!(drops.count(), 0);
    drop(batch);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_batch_that_is_forgotten_is_cleared_by_the_next_wait() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), drops.value()).unwrap();
    let mut ready = queue.events(8);
    std::mem::forget(queue.wait(&mut ready, PATIENCE).unwrap());
    drop(registration);
    assert_eq!(drops.count(), 0);
    let batch = queue.wait(&mut ready, NOW).unwrap();
    assert_eq!(drops.count(), 1);
    assert_eq!(batch.count(), 0);
}

#[test]
fn a_forgotten_batch_kept_its_detached_one_shots() {
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let other: Queue<Counted> = Queue::new().unwrap();
    let mut ready = queue.events(8);
    let forget_one = |ready: &mut _| {
        let (a, mut b) = pair();
        b.write_all(b"x").unwrap();
        let id = queue.register(Change::read(&a).oneshot(), drops.value()).unwrap().detach();
        std::mem::forget(queue.wait(ready, PATIENCE).unwrap());
        assert!(queue.get(id).is_some());
        id
    };
    // The next wait with the buffer ends it, on whatever queue,
    let id = forget_one(&mut ready);
    assert_eq!(queue.wait(&mut ready, NOW).unwrap().count(), 0);
    assert!(queue.get(id).is_none());
    assert_eq!(drops.count(), 1);
    let id = forget_one(&mut ready);
    assert_eq!(other.wait(&mut ready, NOW).unwrap().count(), 0);
    assert!(queue.get(id).is_none());
    assert_eq!(drops.count(), 2);
    // or else the end of the buffer.
    let id = forget_one(&mut ready);
    drop(ready);
    assert!(queue.get(id).is_none());
    assert_eq!(drops.count(), 3);
}

#[test]
fn a_one_shot_is_over_when_its_event_is_handed_out() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a).oneshot(), drops.value()).unwrap();
    let mut ready = queue.events(8);
    let mut batch = queue.wait(&mut ready, PATIENCE).unwrap();
    assert!(queue.get(registration.id()).is_some());
    let event = batch.next().unwrap();
    assert!(queue.get(event.id()).is_none());
    assert_eq!(errno(event.modify(Change::read(&a))), Some(libc::ENOENT));
    assert_eq!(errno(event.enable()), Some(libc::ENOENT));
    // The knote is free for the next, in the handler already.
    let second = queue.register(Change::read(&a), drops.value()).unwrap();
    drop(event);
    drop(batch);
    // The owner has the value, and does not delete what is another's by now.
    assert_eq!(drops.count(), 0);
    assert!(Arc::strong_count(registration.udata()) == 1);
    drop(registration);
    assert_eq!(drops.count(), 1);
    assert_eq!(count(&queue, PATIENCE), 1);
    drop(second);
    assert_eq!(drops.count(), 2);
}

#[test]
fn a_one_shot_that_was_received_and_then_dropped_is_not_seen() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a).oneshot(), 1).unwrap();
    let mut ready = queue.events(8);
    let mut batch = queue.wait(&mut ready, PATIENCE).unwrap();
    drop(registration);
    assert!(batch.next().is_none());
    drop(batch);
    // Not even by way of the key.
    let id = queue.register(Change::read(&a).oneshot(), 2).unwrap().detach();
    let mut batch = queue.wait(&mut ready, PATIENCE).unwrap();
    assert!(queue.deregister(id).is_some());
    assert!(batch.next().is_none());
}

#[test]
fn a_detached_one_shot_lives_until_its_event() {
    let (a, mut b) = pair();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let id = queue.register(Change::read(&a).oneshot(), drops.value()).unwrap().detach();
    assert!(queue.get(id).is_some());
    assert_eq!(count(&queue, NOW), 0);
    b.write_all(b"x").unwrap();
    let mut ready = queue.events(8);
    for event in queue.wait(&mut ready, PATIENCE).unwrap() {
        assert_eq!(event.id(), id);
        assert_eq!(drops.count(), 0);
    }
    assert_eq!(drops.count(), 1);
    assert!(queue.get(id).is_none());
}

#[test]
fn a_detached_one_shot_whose_batch_is_dropped_is_over_too() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let id = queue.register(Change::read(&a).oneshot(), drops.value()).unwrap().detach();
    drop(queue.wait(&mut queue.events(8), PATIENCE).unwrap());
    assert_eq!(drops.count(), 1);
    assert!(queue.get(id).is_none());
    let _again = queue.register(Change::read(&a), drops.value()).unwrap();
}

#[test]
fn detaching_between_the_event_and_its_turn() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a).oneshot(), drops.value()).unwrap();
    let mut ready = queue.events(8);
    let mut batch = queue.wait(&mut ready, PATIENCE).unwrap();
    registration.detach();
    assert!(batch.next().is_some());
    drop(batch);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_detached_registration_is_the_queues() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let id = queue.register(Change::read(&a), drops.value()).unwrap().detach();
    assert_eq!(count(&queue, PATIENCE), 1);
    queue.disable(id).unwrap();
    assert_eq!(count(&queue, NOW), 0);
    queue.enable(id).unwrap();
    queue.modify(id, Change::read(&a).clear()).unwrap();
    let mut ready = queue.events(8);
    for event in queue.wait(&mut ready, PATIENCE).unwrap() {
        drop(event.deregister());
        assert_eq!(drops.count(), 1);
    }
    assert!(queue.get(id).is_none());

    let id = queue.register(Change::read(&a), drops.value()).unwrap().detach();
    assert!(queue.deregister(id).is_some());
    assert_eq!(drops.count(), 2);
    queue.register(Change::read(&a), drops.value()).unwrap().detach();
    drop(queue);
    assert_eq!(drops.count(), 3);
}

#[test]
fn registrations_outlive_their_queue_inertly() {
    let (a, _b) = pair();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let one = queue.register(Change::read(&a), drops.value()).unwrap();
    let two = queue.register(Change::write(&a), drops.value()).unwrap();
    let waker = queue.waker().unwrap();
    drop(queue);
    assert_eq!(drops.count(), 0);
    assert_eq!(Arc::strong_count(one.udata()), 1);
    assert_eq!(errno(one.enable()), Some(libc::EBADF));
    assert_eq!(errno(one.disable()), Some(libc::EBADF));
    assert_eq!(errno(one.modify(Change::read(&a))), Some(libc::EBADF));
    assert_eq!(errno(waker.wake()), Some(libc::EBADF));
    drop(one);
    assert_eq!(drops.count(), 1);
    two.detach();
    assert_eq!(drops.count(), 2);
}

/// A value that can hold its own registration.
struct Node {
    me: Option<Registration<Node>>,
    _drops: Counted,
}

#[test]
fn a_registration_in_its_own_value_does_not_keep_the_queue() {
    let (a, _b) = pair();
    let (outer, drops) = (Queue::new().unwrap(), Drops::default());
    let queue = Queue::new().unwrap();
    let node = queue.register(Change::read(&a), Node { me: None, _drops: drops.value() }).unwrap();
    let value = Arc::clone(node.udata());
    value.lock().me = Some(node);
    // The queue's descriptor is watched by another queue, which sees that it goes.
    let watched = outer.register(Change::read(&queue), ()).unwrap();
    drop(queue);
    let enabled = watched.enable();
    assert!(matches!(errno(enabled), Some(libc::EBADF | libc::ENOENT)));
    assert_eq!(drops.count(), 0);
    let me = value.lock().me.take().unwrap();
    assert_eq!(errno(me.enable()), Some(libc::EBADF));
    drop(me);
    drop(value);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_registration_in_its_own_value_is_dropped_by_its_handler() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let node = queue.register(Change::read(&a), Node { me: None, _drops: drops.value() }).unwrap();
    let value = Arc::clone(node.udata());
    value.lock().me = Some(node);
    drop(value);
    let mut ready = queue.events(8);
    for event in queue.wait(&mut ready, PATIENCE).unwrap() {
        // While the value is locked, and with no owner but the event.
        let mut value = event.udata().lock();
        drop(value.me.take());
        assert_eq!(drops.count(), 0);
    }
    assert_eq!(drops.count(), 1);
    assert_eq!(count(&queue, NOW), 0);
}

/// A value whose `Drop` uses the queue.
#[derive(Default)]
struct Busy {
    queue: Option<Arc<Queue<Busy>>>,
    dropped: Option<mpsc::Sender<()>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        // Deadlocks if any of the queue's locks is held.
        let hour = Duration::from_secs(3600);
        drop(queue.register(Change::timer(77, hour), Busy::default()).unwrap());
        assert_eq!(queue.wait(&mut queue.events(1), NOW).unwrap().count(), 0);
        self.dropped.take().unwrap().send(()).unwrap();
    }
}

#[test]
fn values_are_dropped_with_no_lock_held() {
    let (a, mut b) = pair();
    let queue = Arc::new(Queue::new().unwrap());
    let (sender, dropped) = mpsc::channel();
    let busy = || Busy { queue: Some(Arc::clone(&queue)), dropped: Some(sender.clone()) };
    let expect = |count: usize| assert_eq!(dropped.try_iter().count(), count);

    // Refused: by the rules, by the index, by the kernel.
    assert!(queue.register(Change::read(&a).delete(), busy()).is_err());
    expect(1);
    let registration = queue.register(Change::read(&a), busy()).unwrap();
    assert!(queue.register(Change::read(&a), busy()).is_err());
    expect(1);
    let closed = Change::new(closed_number() as usize, Filter::READ, Flags::ADD);
    assert!(queue.register(closed, busy()).is_err());
    expect(1);
    drop(registration);
    expect(1);
    // Ended by key, by the number's reuse, by the last event, in and without a handler.
    let id = queue.register(Change::read(&a), busy()).unwrap().detach();
    drop(queue.deregister(id));
    expect(1);
    queue.register(Change::read(&a), busy()).unwrap().detach();
    let (c, _c2) = pair();
    become_file(&a, &c);
    queue.register(Change::read(&a), Busy::default()).unwrap().detach();
    expect(1);
    become_file(&a, &c);
    b = {
        let (d, d2) = pair();
        become_file(&a, &d);
        drop(b);
        d2
    };
    b.write_all(b"x").unwrap();
    queue.register(Change::read(&a).oneshot(), busy()).unwrap().detach();
    for event in queue.wait(&mut queue.events(8), PATIENCE).unwrap() {
        drop(event);
        expect(1);
    }
    queue.register(Change::read(&a).oneshot(), busy()).unwrap().detach();
    drop(queue.wait(&mut queue.events(8), PATIENCE).unwrap());
    expect(1);
    queue.register(Change::read(&a), busy()).unwrap().detach();
    for event in queue.wait(&mut queue.events(8), PATIENCE).unwrap() {
        drop(event.deregister());
        expect(1);
    }
}

#[test]
fn a_process_that_exits_ends_its_registration() {
    child();
    let mut process = spawn("a_process_that_exits_ends_its_registration", 0);
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    // Nobody asked for one-shot: the kernel marks it so.
    let exit = Change::process(process.id(), ProcEvents::EXIT);
    let id = queue.register(exit, drops.value()).unwrap().detach();
    assert_eq!(errno(queue.register(exit, drops.value())), Some(libc::EEXIST));
    assert_eq!(drops.count(), 1);
    release(&mut process);
    assert_eq!(count(&queue, PATIENCE), 1);
    assert_eq!(drops.count(), 2);
    assert!(queue.get(id).is_none());
    process.wait().unwrap();
}

#[test]
fn the_end_of_a_connection_leaves_the_registration() {
    let (a, b) = pair();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let id = queue.register(Change::read(&a), drops.value()).unwrap().detach();
    drop(b);
    let mut ready = queue.events(8);
    for _ in 0..3 {
        let mut seen = 0;
        for event in queue.wait(&mut ready, PATIENCE).unwrap() {
            assert!(event.event().is_eof());
            assert_eq!(event.id(), id);
            seen += 1;
        }
        assert_eq!((seen, drops.count()), (1, 0));
    }
    // Its handler ends it.
    for event in queue.wait(&mut ready, PATIENCE).unwrap() {
        event.deregister();
    }
    assert_eq!(drops.count(), 1);
    assert_eq!(count(&queue, NOW), 0);
}

#[test]
fn a_timer_that_fires_once_is_over() {
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    for round in 0..5 {
        let once = Change::timer(1, Duration::from_millis(1)).oneshot();
        queue.register(once, drops.value()).unwrap().detach();
        assert_eq!(count(&queue, PATIENCE), 1);
        assert_eq!(drops.count(), round + 1);
    }
}
