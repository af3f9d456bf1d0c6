//! Tests of what lies between the kernel's event and its look-up, and of keys of few bits.

use super::*;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Generations of few bits come round all the time, and still no event meets the wrong value.
///
/// `KQ_ROUNDS` says how many rounds each thread makes.
fn stress(split: Split, threads: usize, rounds: usize) {
    let rounds = std::env::var("KQ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(rounds);
    let queue: Queue<usize> = Queue::with_split(split).unwrap();
    let events = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (queue, events) = (&queue, &events);
            scope.spawn(move || {
                let mut ready = queue.events(4);
                let mut live = Vec::new();
                for round in 0..rounds {
                    let ident = thread * rounds + round;
                    // All slots may be at rest until the waits of the other threads have ended, which they will.
                    let start = Instant::now();
                    let registration = loop {
                        match queue.register(Change::user(ident).clear(), ident) {
                            Ok(registration) => break registration,
                            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOMEM)),
                        }
                        assert!(start.elapsed() < Duration::from_secs(60), "no slot comes free");
                        std::thread::yield_now();
                    };
                    registration.trigger().unwrap();
                    live.push(registration);
                    if live.len() > 2 || round % 3 == 0 {
                        live.clear();
                    }
                    for event in queue.wait(&mut ready, Some(Duration::ZERO)).unwrap() {
                        assert_eq!(*event.udata().lock(), event.event().ident());
                        events.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(events.into_inner() > 0);
}

#[test]
fn generations_of_few_bits() {
    stress(Split::new(4, 1), 4, 3_000);
    stress(Split::new(5, 2), 4, 3_000);
}

#[test]
fn the_keys_of_32_bits() {
    stress(Split::NARROW, 4, 5_000);
}

#[test]
fn there_is_no_slot_beyond_the_last() {
    let queue: Queue<usize> = Queue::with_split(Split::new(2, 4)).unwrap();
    let mut all: Vec<_> = (0..4).map(|id| queue.register(Change::user(id), id).unwrap()).collect();
    let value = Arc::new(Mutex::new(9));
    let refused = queue.register(Change::user(9), value.clone()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ENOMEM));
    assert_eq!(Arc::strong_count(&value), 1);
    all.pop();
    let _ninth = queue.register(Change::user(9), value).unwrap();
}

/// What is received apart from the queue's own wait, as by a thread that has not looked it up yet.
fn receive(queue: &Queue<usize>) -> kq::Event {
    let mut raw = kq::EventBuffer::with_capacity(1);
    queue.handle.queue.wait(&mut raw, Some(Duration::from_secs(30))).unwrap()[0]
}

/// The values that a batch of `event` gives.
fn values(queue: &Queue<usize>, event: kq::Event) -> Vec<usize> {
    let mut ready = queue.events(1);
    let pending = &mut ready.buffer.pending;
    queue.handle.core.look_up(&[event], pending);
    let batch = Batch { events: &[event], turns: pending.turns(&queue.handle.core), woken: false };
    batch.map(|event| *event.udata().lock()).collect()
}

#[test]
fn an_old_event_does_not_reach_the_slots_new_tenant() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let old = queue.register(Change::user(1), 1).unwrap();
    old.trigger().unwrap();
    let event = receive(&queue);
    assert_eq!(values(&queue, event), [1]);
    drop(old);
    assert_eq!(values(&queue, event), []);
    // The same slot, the same ident and filter.
    let _new = queue.register(Change::user(1), 2).unwrap();
    assert_eq!(values(&queue, event), []);
}

#[test]
fn an_event_that_is_not_its_slots_is_dropped() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let registration = queue.register(Change::user(1), 1).unwrap();
    let stored = queue.handle.core.stored(registration.id()).unwrap();
    // What a kernel does that makes knotes by itself, with their parent's udata.
    let child = Change::user(2).clear().udata(stored.get_udata());
    queue.handle.queue.apply(&[child, child.trigger()]).unwrap();
    let event = receive(&queue);
    assert_eq!(event.udata(), stored.get_udata());
    assert_eq!(values(&queue, event), []);
}

/// A re-added knote whose one-shot event was received before is deleted with the registration.
#[test]
fn a_one_shot_that_is_added_again_while_its_event_is_under_way() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let once = Change::user(1).oneshot();
    let registration = queue.register(once, 1).unwrap();
    registration.trigger().unwrap();
    // Another thread received the event, and has not looked it up yet.
    let event = receive(&queue);
    // The kernel has no knote any more, and says so.
    assert_eq!(registration.modify(once).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    // Had the knote gone within the call, it would have been added once more.
    let stored = queue.handle.core.stored(registration.id()).unwrap();
    queue.handle.queue.apply(&[stored]).unwrap();

    assert_eq!(values(&queue, event), [1]);
    // The registration is over, and the knote that it had left is gone.
    let gone = queue.handle.queue.apply(&[stored.delete()]).unwrap_err();
    assert_eq!(gone.errno().raw(), libc::ENOENT);
    assert!(queue.get(registration.id()).is_none());
}

/// The knote that was added again fires too, before the first event has had its turn.
#[test]
fn a_one_shot_that_was_added_again_and_fired_was_handed_out_twice() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let once = Change::user(1).oneshot();
    let registration = queue.register(once, 1).unwrap();
    registration.trigger().unwrap();
    let first = receive(&queue);
    assert_eq!(registration.modify(once).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    let stored = queue.handle.core.stored(registration.id()).unwrap();
    queue.handle.queue.apply(&[stored, stored.trigger()]).unwrap();
    let second = receive(&queue);

    // Two threads have looked up their events, and go through them then.
    let (mut one, mut other) = (queue.events(1), queue.events(1));
    let core = &queue.handle.core;
    core.look_up(&[first], &mut one.buffer.pending);
    core.look_up(&[second], &mut other.buffer.pending);
    let batches = [(first, &mut one), (second, &mut other)].map(|(event, ready)| {
        Batch { events: &[event], turns: ready.buffer.pending.turns(core), woken: false }.count()
    });
    assert_eq!(batches, [1, 0]);
    assert!(queue.get(registration.id()).is_none());
}

/// A one-shot READ registration of a socket with data, given to the queue, whose event a thread has received and not
/// looked up yet.
fn one_shot_in_hand(queue: &Queue<usize>, value: usize) -> (Key, kq::Event, [UnixStream; 2]) {
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let id = queue.register(Change::read(&socket).oneshot(), value).unwrap().detach();
    peer.write_all(b"x").unwrap();
    (id, receive(queue), [socket, peer])
}

#[test]
fn a_newcomer_took_the_event_of_a_detached_one_shot() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let flight = queue.handle.core.flights.begin();
    let (old, event, [socket, _peer]) = one_shot_in_hand(&queue, 1);
    // The kernel has no knote any more: it may have gone with the event, or with the descriptor.
    let new = queue.register(Change::read(&socket), 2).unwrap();
    assert_eq!(values(&queue, event), [1]);
    assert!(queue.get(old).is_none());
    drop(flight);
    assert_eq!(queue.handle.core.find((event.ident(), event.filter())), Some(new.id()));
    assert_eq!(values(&queue, receive(&queue)), [2]);
}

#[test]
fn a_newcomer_took_the_event_of_a_one_shot_that_was_detached_later() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let flight = queue.handle.core.flights.begin();
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let old = queue.register(Change::read(&socket).oneshot(), 1).unwrap();
    peer.write_all(b"x").unwrap();
    let event = receive(&queue);
    let _new = queue.register(Change::read(&socket), 2).unwrap();
    let old = old.detach();
    assert_eq!(values(&queue, event), [1]);
    assert!(queue.get(old).is_none());
    drop(flight);
}

#[test]
fn a_detached_registration_without_a_knote_goes_with_the_waits_of_its_time() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let first = queue.handle.core.flights.begin();
    let (old, event, [socket, _peer]) = one_shot_in_hand(&queue, 1);
    let _new = queue.register(Change::read(&socket).disabled(), 2).unwrap();
    let look = || queue.wait(&mut queue.events(1), Some(Duration::ZERO)).unwrap().count();
    // Waits that come and go meanwhile do not end it.
    for _ in 0..3 {
        assert_eq!(look(), 0);
        assert!(queue.get(old).is_some());
    }
    drop(first);
    // The next that returns does.
    assert_eq!(look(), 0);
    assert!(queue.get(old).is_none());
    assert_eq!(values(&queue, event), []);
}

#[test]
fn a_thread_that_sleeps_keeps_a_number_of_them_and_no_more() {
    let queue: Queue<usize> = Queue::new().unwrap();
    let sleeping = queue.handle.core.flights.begin();
    let value = Arc::new(Mutex::new(1));
    let (socket, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(b"x").unwrap();
    for _ in 0..1000 {
        queue.register(Change::read(&socket).oneshot(), value.clone()).unwrap().detach();
        // The knote is gone, and what its event was stays unknown to the queue.
        receive(&queue);
    }
    drop(queue.register(Change::read(&socket), 2).unwrap());
    let kept = Arc::strong_count(&value) - 1;
    assert!(kept > 0 && kept <= 256, "{kept} kept");
    drop(sleeping);
    assert_eq!(queue.wait(&mut queue.events(1), Some(Duration::ZERO)).unwrap().count(), 0);
    assert_eq!(Arc::strong_count(&value), 1);
}
