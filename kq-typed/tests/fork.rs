//! A queue does not pass to a forked child: what the child does with it touches nothing of the parent's.
//!
//! A program of its own with one test, so that no other thread holds a lock when it forks.
#![cfg(not(any(target_os = "tvos", target_os = "watchos")))] // no fork(2) there

mod common;

use common::*;
use kq_typed::kq::Change;
use kq_typed::{EventFilter, EventFlags, Kqueue, Queue};
use std::io::Write;

fn errno<T>(result: std::io::Result<T>) -> i32 {
    result.err().and_then(|error| error.raw_os_error()).unwrap_or(0)
}

#[test]
fn a_forked_child_leaves_the_parents_queue_alone() {
    let (a, mut b) = pair();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), "typed").unwrap();
    let kq = Kqueue::new().unwrap();
    kq.register(&a, EventFilter::Read, EventFlags::ADD, Some("dynamic")).unwrap();

    // SAFETY: the child calls nothing that another thread's locks could stop: this thread alone uses the queues, and it
    // leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let answers = [
            errno(registration.enable()),
            errno(registration.modify(Change::read(&a).clear())),
            errno(queue.register(Change::write(&a), "child")),
            errno(kq.register(&a, EventFilter::Write, EventFlags::ADD, None::<()>)),
        ];
        drop(registration);
        drop(queue);
        drop(kq);
        let as_told = answers.iter().all(|answer| *answer == libc::EBADF);
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(!as_told)) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for the call's write.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");

    b.write_all(b"x").unwrap();
    let mut ready = queue.events(8);
    let values: Vec<_> = queue.wait(&mut ready, PATIENCE).unwrap().map(|event| *event.udata().lock()).collect();
    assert_eq!(values, ["typed"]);
    let events = kq.await_events(PATIENCE).unwrap();
    assert_eq!(events.iter().next().unwrap().udata(), Some(&"dynamic"));
    registration.enable().unwrap();
}
