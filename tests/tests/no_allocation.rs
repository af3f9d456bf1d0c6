//! Waiting and applying allocate nothing once the queue has had as many registrations before.

#![allow(clippy::missing_const_for_thread_local)] // it is one; clippy sees none where thread-locals are emulated

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::time::Duration;

use kq::{Change, EventBuffer, Kqueue};
use kq_tests::{get, pair, pipe, put, serial, LIMIT};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends allocates after its counter is gone.
    let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + 1));
}

// SAFETY: every call is the system allocator's; the counter beside it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `body` and fails if it allocates.
#[track_caller]
fn without_allocation<T>(body: impl FnOnce() -> T) -> T {
    let before = ALLOCATIONS.with(Cell::get);
    let result = body();
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!(allocations, 0);
    result
}

const REGISTRATIONS: usize = 100;

/// Under `serial`, so that the limit of a small system (256 on macOS) is enough.
fn pipes() -> Vec<(OwnedFd, OwnedFd)> {
    (0..REGISTRATIONS).map(|_| pipe()).collect()
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.with(Cell::get);
    drop(std::hint::black_box(vec![1_u8]));
    assert_eq!(ALLOCATIONS.with(Cell::get), before + 1);
}

#[test]
fn a_wait_allocates_nothing() {
    let _serial = serial();
    let pipes = pipes();
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(64);
    for (number, (reader, writer)) in pipes.iter().enumerate() {
        queue.apply(&[Change::read(reader).udata(number)]).unwrap();
        put(writer, 1);
    }
    // The very first wait included.
    let seen = without_allocation(|| queue.wait(&mut buffer, Some(LIMIT)).unwrap().len());
    assert_eq!(seen, 64);
    without_allocation(|| {
        for _ in 0..100 {
            assert_eq!(queue.wait(&mut buffer, None).unwrap().len(), 64);
        }
    });
    for (reader, _) in &pipes {
        get(reader, 1);
    }
    without_allocation(|| assert!(queue.wait(&mut buffer, Some(Duration::ZERO)).unwrap().is_empty()));
    without_allocation(|| assert!(queue.wait(&mut buffer, Some(Duration::from_millis(1))).unwrap().is_empty()));
}

/// Changes of every filter that needs no more than a number or a descriptor.
fn changes(pipes: &[(OwnedFd, OwnedFd)]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (number, (reader, writer)) in pipes.iter().enumerate() {
        changes.push(Change::read(reader).clear().udata(number));
        changes.push(Change::write(writer).clear().udata(number));
        changes.push(Change::timer(number, LIMIT * 100));
        #[cfg(has_user)]
        changes.push(Change::user(number).clear());
    }
    changes
}

#[test]
fn changes_up_to_the_highest_number_of_registrations_allocate_nothing() {
    let _serial = serial();
    let pipes = pipes();
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(64);
    let add = changes(&pipes);
    let delete: Vec<Change> = add.iter().copied().map(Change::delete).collect();
    let disable: Vec<Change> = add.iter().copied().map(Change::disable).collect();
    let enable: Vec<Change> = add.iter().copied().map(Change::enable).collect();
    queue.apply(&add).unwrap();
    queue.wait(&mut buffer, Some(LIMIT)).unwrap();
    without_allocation(|| {
        for _ in 0..20 {
            queue.apply(&disable).unwrap();
            queue.apply(&enable).unwrap();
            queue.apply(&add).unwrap();
            queue.wait(&mut buffer, Some(Duration::ZERO)).unwrap();
        }
        for _ in 0..20 {
            queue.apply(&delete).unwrap();
            queue.apply(&add).unwrap();
            queue.wait(&mut buffer, Some(Duration::ZERO)).unwrap();
        }
    });
}

#[test]
fn registrations_that_come_and_go_allocate_nothing() {
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(64);
    let timer = |id| Change::timer(id, LIMIT * 100);
    let first: Vec<Change> = (0..REGISTRATIONS).map(timer).collect();
    queue.apply(&first).unwrap();
    // Always another one, never more at a time.
    without_allocation(|| {
        for id in REGISTRATIONS..20 * REGISTRATIONS {
            queue.apply(&[timer(id - REGISTRATIONS).delete(), timer(id)]).unwrap();
            queue.wait(&mut buffer, Some(Duration::ZERO)).unwrap();
        }
    });
}

#[test]
fn oneshots_that_are_added_again_allocate_nothing() {
    let (a, b) = pair();
    put(&b, 1);
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(64);
    let changes =
        [Change::read(&a).oneshot(), Change::write(&a).oneshot(), Change::timer(1, Duration::from_nanos(1)).oneshot()];
    queue.apply_and_wait(&changes, &mut buffer, Some(LIMIT)).unwrap();
    without_allocation(|| {
        for _ in 0..100 {
            queue.apply_and_wait(&changes, &mut buffer, Some(LIMIT)).unwrap();
        }
    });
}

#[test]
fn changes_with_a_wait_allocate_nothing() {
    let _serial = serial();
    let pipes = pipes();
    let queue = Kqueue::new().unwrap();
    // The list fits, and does not.
    for room in [1_000, 16] {
        let mut buffer = EventBuffer::with_capacity(room);
        let add = changes(&pipes);
        let delete: Vec<Change> = add.iter().copied().map(Change::delete).collect();
        queue.apply_and_wait(&add, &mut buffer, Some(Duration::ZERO)).unwrap();
        without_allocation(|| {
            for _ in 0..20 {
                queue.apply_and_wait(&delete, &mut buffer, Some(Duration::ZERO)).unwrap();
                queue.apply_and_wait(&add, &mut buffer, Some(Duration::ZERO)).unwrap();
            }
        });
        queue.apply(&delete).unwrap();
    }
}

#[test]
#[cfg(has_user)]
fn triggers_allocate_nothing() {
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(64);
    let event = Change::user(1).clear();
    queue.apply(&[event]).unwrap();
    without_allocation(|| {
        for _ in 0..100 {
            queue.apply(&[event.trigger()]).unwrap();
            assert_eq!(queue.wait(&mut buffer, Some(LIMIT)).unwrap().len(), 1);
        }
    });
}

#[test]
fn a_failure_allocates_nothing() {
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(64);
    let bad = Change::timer(1, LIMIT).delete();
    without_allocation(|| {
        for _ in 0..10 {
            assert!(queue.apply(&[bad]).is_err());
            assert_eq!(queue.apply_and_wait(&[bad], &mut buffer, None).unwrap().len(), 1);
        }
    });
}

#[test]
fn receipts_allocate_once_for_a_length() {
    let _serial = serial();
    let pipes = pipes();
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(64);
    let add = changes(&pipes);
    assert_eq!(queue.apply_each(&add, &mut buffer).unwrap().first_failure(), None);
    without_allocation(|| {
        for _ in 0..10 {
            assert_eq!(queue.apply_each(&add, &mut buffer).unwrap().first_failure(), None);
        }
    });
}
