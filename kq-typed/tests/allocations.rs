//! In the steady state nothing is allocated: not by waits and events, nor by changes, nor by registrations that come and
//! go up to the highest number so far.

#![allow(clippy::missing_const_for_thread_local)] // it is one; clippy sees none where thread-locals are emulated

use kq_typed::kq::Change;
use kq_typed::{EventFilter, EventFlags, Events, Kqueue, Mutex, Queue};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // While the thread ends there is nothing to count.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates in the last of several rounds that all do the same.
fn allocations(mut round: impl FnMut()) -> usize {
    for _ in 0..100 {
        round();
    }
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..100 {
        round();
    }
    ALLOCATIONS.with(Cell::get) - before
}

const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

fn sockets() -> Vec<(UnixStream, UnixStream)> {
    let sockets: Vec<_> = (0..16).map(|_| UnixStream::pair().unwrap()).collect();
    for (_, peer) in &sockets {
        (&mut &*peer).write_all(b"x").unwrap();
    }
    sockets
}

#[test]
fn it_counts() {
    assert!(allocations(|| drop(std::hint::black_box(Box::new(1)))) >= 100);
}

#[test]
fn events_of_the_typed_door() {
    let queue = Queue::new().unwrap();
    let sockets = sockets();
    let _registrations: Vec<_> = sockets.iter().map(|(a, _)| queue.register(Change::read(a), 0).unwrap()).collect();
    let mut ready = queue.events(8);
    let mut seen = 0;
    let allocated = allocations(|| {
        for event in queue.wait(&mut ready, PATIENCE).unwrap() {
            *event.udata().lock() += 1;
            seen += 1;
        }
    });
    assert!(seen >= 200);
    assert_eq!(allocated, 0);
}

#[test]
fn changes_and_registrations_of_the_typed_door() {
    let queue: Queue<i32> = Queue::new().unwrap();
    let sockets = sockets();
    let value = Arc::new(Mutex::new(0));
    let mut ready = queue.events(8);
    let allocated = allocations(|| {
        for (a, _) in &sockets {
            let registration = queue.register(Change::read(a), Arc::clone(&value)).unwrap();
            registration.disable().unwrap();
            registration.enable().unwrap();
            registration.modify(Change::read(a).oneshot()).unwrap();
            assert_eq!(queue.wait(&mut ready, PATIENCE).unwrap().count(), 1);
            // By turns a one-shot that has fired, and one that is ended by the queue.
            drop(registration);
            let id = queue.register(Change::write(a), Arc::clone(&value)).unwrap().detach();
            drop(queue.deregister(id));
        }
    });
    assert_eq!(allocated, 0);
}

#[test]
fn events_of_the_dynamic_door() {
    let kq = Kqueue::new().unwrap();
    let sockets = sockets();
    for (number, (a, _)) in sockets.iter().enumerate() {
        kq.register(a, EventFilter::Read, EventFlags::ADD, Some(number)).unwrap();
    }
    let mut seen = 0;
    let allocated = allocations(|| {
        for event in kq.await_events(PATIENCE).unwrap() {
            seen += event.udata::<usize>().map_or(0, |_| 1);
        }
        for event in &kq.await_events(PATIENCE).unwrap() {
            seen += event.udata::<usize>().map_or(0, |_| 1);
        }
    });
    assert!(seen >= 400);
    assert_eq!(allocated, 0);
    let mut events = Events::with_capacity(8);
    assert_eq!(allocations(|| kq.await_events_into(&mut events, PATIENCE).unwrap()), 0);
}
