//! How many system calls the calls of both doors cost on Linux.
#![cfg(target_os = "linux")]

#[path = "../../kq-sys/tests/traced/mod.rs"]
mod traced;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use kq_typed::kq::Change;
use kq_typed::{EventFilter, EventFlags, Kqueue, Queue, Registration};
use traced::calls;

const HOUR: Duration = Duration::from_secs(3_600);

struct Typed {
    registration: Registration<u32>,
    queue: Queue<u32>,
    socket: UnixStream,
    _other: UnixStream,
}

fn typed(change: fn(&UnixStream) -> Change) -> Typed {
    let (socket, mut other) = UnixStream::pair().unwrap();
    other.write_all(b"hello").unwrap();
    let queue = Queue::new().unwrap();
    let registration = queue.register(change(&socket), 1).unwrap();
    Typed { registration, queue, socket, _other: other }
}

fn reading() -> Typed {
    typed(Change::read)
}

struct Dynamic {
    queue: Kqueue,
    socket: UnixStream,
    _other: UnixStream,
}

fn dynamic() -> Dynamic {
    let (socket, mut other) = UnixStream::pair().unwrap();
    other.write_all(b"hello").unwrap();
    let queue = Kqueue::new().unwrap();
    queue.register(&socket, EventFilter::Read, EventFlags::ADD, Some(1)).unwrap();
    Dynamic { queue, socket, _other: other }
}

#[test]
fn a_registration_and_its_end_are_one_call_each() {
    let prepare = || (Queue::new().unwrap(), UnixStream::pair().unwrap());
    let register = |(queue, (socket, _)): &mut (Queue<u32>, (UnixStream, UnixStream))| {
        queue.register(Change::read(socket), 1).unwrap().detach();
    };
    assert_eq!(calls(prepare, register), 1);
    let deregister = |it: &mut Typed| drop(it.queue.deregister(it.registration.id()));
    assert_eq!(calls(reading, deregister), 1);
    assert_eq!(calls(dynamic, |it| it.queue.deregister((&it.socket, EventFilter::Read)).unwrap()), 1);
}

#[test]
fn a_modified_registration_is_one_call() {
    let modify = |it: &mut Typed| it.registration.modify(Change::read(&it.socket).low_water(2)).unwrap();
    assert_eq!(calls(reading, modify), 1);
    let modify = |it: &mut Dynamic| it.queue.modify((&it.socket, EventFilter::Read), EventFlags::ADD).unwrap();
    assert_eq!(calls(dynamic, modify), 1);
}

#[test]
fn enabling_and_disabling_are_one_call_each() {
    let dispatched = || typed(|socket| Change::read(socket).dispatch());
    assert_eq!(calls(dispatched, |it| it.registration.enable().unwrap()), 1);
    assert_eq!(calls(dispatched, |it| it.registration.disable().unwrap()), 1);
}

#[test]
fn a_replaced_registration_is_one_call() {
    let again = |it: &mut Dynamic| {
        it.queue.register(&it.socket, EventFilter::Read, EventFlags::ADD, Some("another")).unwrap();
    };
    assert_eq!(calls(dynamic, again), 1);
}

#[test]
fn a_timer_that_starts_anew_behind_the_next_one_is_no_call() {
    let prepare = || {
        let queue = Queue::new().unwrap();
        let first = queue.register(Change::timer(1, HOUR), ()).unwrap();
        let later = queue.register(Change::timer(2, 2 * HOUR), ()).unwrap();
        (queue, first, later)
    };
    let modify = |it: &mut (Queue<()>, Registration<()>, Registration<()>)| {
        it.2.modify(Change::timer(2, 3 * HOUR)).unwrap();
    };
    assert_eq!(calls(prepare, modify), 0);
}

#[test]
fn an_event_costs_what_it_costs_kq() {
    let wait = |it: &mut Typed| {
        let mut ready = it.queue.events(8);
        assert_eq!(it.queue.wait(&mut ready, Some(Duration::ZERO)).unwrap().count(), 1);
    };
    assert_eq!(calls(reading, wait), 2);
    let wait = |it: &mut Dynamic| {
        assert_eq!(it.queue.await_events(Some(Duration::ZERO)).unwrap().into_iter().count(), 1);
    };
    assert_eq!(calls(dynamic, wait), 2);
}
