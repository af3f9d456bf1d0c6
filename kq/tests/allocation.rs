//! Once set up, applying changes and waiting for events allocate nothing.

#![allow(clippy::missing_const_for_thread_local)] // it is one; clippy sees none where threads' locals are emulated

mod common;

use common::{pair, queue, AT_ONCE, PATIENCE};
use kq::Change;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::time::Duration;

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends may allocate after its counter is gone.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nothing_is_allocated_after_set_up() {
    let (queue, mut buffer) = queue(8);
    let mut pairs: Vec<_> = (0..20).map(|_| pair()).collect();
    let reads: Vec<Change> = pairs.iter().map(|(a, _)| Change::read(a).udata(1)).collect();
    let writes: Vec<Change> = pairs.iter().map(|(a, _)| Change::write(a).oneshot().udata(2)).collect();
    let timers: Vec<Change> =
        (0..20).map(|id| Change::timer(id, Duration::from_millis(1)).oneshot().udata(3)).collect();

    let mut round = || {
        queue.apply(&reads).unwrap();
        queue.apply(&writes).unwrap();
        for (_, b) in &mut pairs {
            b.write_all(b"x").unwrap();
        }
        assert!(queue.apply_each(&timers, &mut buffer).unwrap().all(|receipt| receipt.is_applied()));
        let mut left = [20, 20, 20];
        while left != [0; 3] {
            for event in queue.wait(&mut buffer, PATIENCE).unwrap() {
                let index = event.udata() - 1;
                left[index] -= 1;
                if event.udata() == 1 {
                    let (a, _) = pairs.iter_mut().find(|(a, _)| Change::read(a).ident() == event.ident()).unwrap();
                    a.read_exact(&mut [0]).unwrap();
                }
            }
        }
        assert!(queue.apply_and_wait(&reads[..8], &mut buffer, AT_ONCE).unwrap().is_empty());
        assert!(queue.apply_and_wait(&reads, &mut buffer, AT_ONCE).unwrap().is_empty());
        queue.replace(&reads[0].clear()).unwrap();
        queue.replace(&reads[0]).unwrap();
        queue.apply(&[timers[0].delete()]).unwrap_err();
        for read in &reads {
            queue.apply(&[read.delete()]).unwrap();
        }
    };
    round();
    let before = COUNT.get();
    for _ in 0..10 {
        round();
    }
    assert_eq!(COUNT.get() - before, 0, "allocations");
}
