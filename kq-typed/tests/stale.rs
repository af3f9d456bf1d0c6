//! Events of registrations that are over: not handed out, whoever ended them and when.

mod common;

use common::*;
use kq_typed::kq::Change;
use kq_typed::{Batch, Queue, ReadyBuffer, Registration};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

/// A queue, two registrations that have an event each, and their sockets.
fn two() -> (Queue<&'static str>, [Registration<&'static str>; 2], Vec<UnixStream>) {
    let queue = Queue::new().unwrap();
    let (a, mut a2) = pair();
    let (b, mut b2) = pair();
    a2.write_all(b"x").unwrap();
    b2.write_all(b"x").unwrap();
    let one = queue.register(Change::read(&a), "one").unwrap();
    let two = queue.register(Change::read(&b), "two").unwrap();
    (queue, [one, two], vec![a, a2, b, b2])
}

/// A batch with both events.
fn both<'a>(queue: &'a Queue<&'static str>, ready: &'a mut ReadyBuffer<&'static str>) -> Batch<'a, &'static str> {
    for _ in 0..1000 {
        if queue.wait(ready, PATIENCE).unwrap().size_hint().1 == Some(2) {
            return queue.wait(ready, PATIENCE).unwrap();
        }
    }
    panic!("two events that are pending did not come together");
}

#[test]
fn a_handler_that_drops_the_other_registration() {
    let (queue, registrations, _sockets) = two();
    let mut registrations = Vec::from(registrations);
    let mut ready = queue.events(8);
    let mut seen = 0;
    for event in both(&queue, &mut ready) {
        registrations.retain(|registration| registration.id() == event.id());
        assert_eq!(registrations.len(), 1);
        seen += 1;
    }
    assert_eq!(seen, 1);
}

#[test]
fn a_handler_that_deregisters_the_other_by_its_key() {
    let (queue, registrations, _sockets) = two();
    let mut ready = queue.events(8);
    let mut seen = 0;
    for event in both(&queue, &mut ready) {
        let other = registrations.iter().find(|registration| registration.id() != event.id()).unwrap();
        assert!(queue.deregister(other.id()).is_some());
        // The key of one that is over does nothing to the other events.
        assert!(queue.deregister(other.id()).is_none());
        seen += 1;
    }
    assert_eq!(seen, 1);
}

#[test]
fn a_handler_that_ends_its_own_registration_leaves_the_other() {
    let (queue, registrations, _sockets) = two();
    let mut ready = queue.events(8);
    let mut seen = Vec::new();
    for event in both(&queue, &mut ready) {
        seen.push(*event.deregister().lock());
    }
    seen.sort_unstable();
    assert_eq!(seen, ["one", "two"]);
    assert_eq!(queue.wait(&mut ready, NOW).unwrap().count(), 0);
    // The slots have new tenants; the old owners do them no harm.
    let (c, mut c2) = pair();
    c2.write_all(b"x").unwrap();
    let _new = queue.register(Change::read(&c), "new").unwrap();
    drop(registrations);
    assert_eq!(queue.wait(&mut ready, PATIENCE).unwrap().count(), 1);
}

#[test]
fn another_thread_that_deregisters_between_two_events() {
    let (queue, registrations, _sockets) = two();
    let mut registrations = Vec::from(registrations);
    let mut ready = queue.events(8);
    let mut batch = both(&queue, &mut ready);
    let first = batch.next().unwrap().id();
    let other = registrations.iter().position(|registration| registration.id() != first).unwrap();
    let other = registrations.swap_remove(other);
    std::thread::spawn(move || drop(other)).join().unwrap();
    assert!(batch.next().is_none());
}

#[test]
fn a_slot_with_a_new_tenant_does_not_get_the_old_ones_event() {
    let (queue, registrations, sockets) = two();
    let mut ready = queue.events(8);
    let batch = both(&queue, &mut ready);
    drop(registrations);
    // Same slots, same descriptors, other registrations.
    let new = [
        queue.register(Change::read(&sockets[0]), "new one").unwrap(),
        queue.register(Change::read(&sockets[2]), "new two").unwrap(),
    ];
    assert_eq!(batch.count(), 0);
    for event in both(&queue, &mut ready) {
        assert!(event.udata().lock().starts_with("new"));
    }
    drop(new);
}

#[test]
fn an_event_in_hand_stays_valid() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), drops.value()).unwrap();
    let (in_hand, is_in_hand) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    std::thread::scope(|scope| {
        let (queue, drops) = (&queue, &drops);
        scope.spawn(move || {
            let mut ready = queue.events(8);
            for event in queue.wait(&mut ready, PATIENCE).unwrap() {
                in_hand.send(()).unwrap();
                has_ended.recv().unwrap();
                let _value = event.udata().lock();
                assert_eq!(drops.count(), 0);
            }
            assert_eq!(drops.count(), 1);
        });
        is_in_hand.recv().unwrap();
        drop(registration);
        ended.send(()).unwrap();
    });
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_event_can_go_to_another_thread() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let queue = Queue::new().unwrap();
    let _registration = queue.register(Change::read(&a).dispatch(), 0).unwrap();
    let mut ready = queue.events(8);
    std::thread::scope(|scope| {
        for event in queue.wait(&mut ready, PATIENCE).unwrap() {
            scope.spawn(move || {
                *event.udata().lock() += 1;
                event.enable().unwrap();
            });
        }
    });
    assert_eq!(queue.wait(&mut ready, PATIENCE).unwrap().map(|event| *event.udata().lock()).collect::<Vec<_>>(), [1]);
}
