//! A child that is forked while other threads use a queue is told that the queue is not its own.
//!
//! It waited for good for a lock that another thread of the parent's had in passing.
//!
//! A program of its own with one test, whose threads do nothing that a child could wait for but use the queue.
#![cfg(not(any(target_os = "tvos", target_os = "watchos")))] // no fork(2) there

mod common;

use common::*;
use kq_typed::Kqueue;
use std::sync::atomic::{AtomicBool, Ordering};

const CHILDREN: usize = 300;
/// Seconds after which a child that waits is ended.
const LIMIT: u32 = 60;

#[test]
fn a_child_is_told_whatever_another_thread_had_locked() {
    let kq = Kqueue::new().unwrap();
    kq.waker().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    kq.await_events(NOW).unwrap();
                    kq.waker().unwrap();
                }
            });
        }
        let failed = (0..CHILDREN).find_map(|_| in_child(&kq).err());
        done.store(true, Ordering::Relaxed);
        assert_eq!(failed, None, "the child's wait status");
    });
}

/// What a child is told; if that is wrong, its wait status.
fn in_child(kq: &Kqueue) -> Result<(), i32> {
    let events = kq.await_events(NOW).unwrap();
    // SAFETY: the child uses the queue, which is to answer before it does anything, and exits without running this
    // process's exit handlers.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: takes a number only.
        unsafe { libc::alarm(LIMIT) };
        let errno = |error: std::io::Error| error.raw_os_error();
        let answers = [kq.await_events(NOW).err().and_then(errno), kq.waker().err().and_then(errno)];
        drop(events);
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(answers != [Some(libc::EBADF); 2])) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for the call's write.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    match libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
        true => Ok(()),
        false => Err(status),
    }
}
