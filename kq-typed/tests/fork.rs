//! A queue does not pass to a forked child: what the child does with it touches nothing of the parent's.
//!
//! A program of its own with one test, so that no other thread holds a lock when it forks.
#![cfg(not(any(target_os = "tvos", target_os = "watchos")))] // no fork(2) there

mod common;

use common::*;
use kq_typed::kq::Change;
use kq_typed::{EventFilter, EventFlags, Kqueue, Queue, Registration, Waker};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

fn errno<T>(result: std::io::Result<T>) -> i32 {
    result.err().and_then(|error| error.raw_os_error()).unwrap_or(0)
}

/// Whether a queue that the child makes, under the number of the parent's, keeps its knote when what the child has of the
/// parent's goes, and is not woken by the parent's waker.
fn a_queue_of_the_same_number_survives(
    socket: &UnixStream,
    parents: Queue<&'static str>,
    registration: Registration<&'static str>,
    waker: &Waker,
) -> bool {
    let number = parents.as_raw_fd();
    // SAFETY: the parent's queue is not used in the child; where it was not inherited this does nothing.
    unsafe { libc::close(number) };
    let mut queues = Vec::new();
    let own = loop {
        let queue: Queue<&str> = Queue::new().unwrap();
        if queue.as_raw_fd() >= number {
            break queue;
        }
        queues.push(queue);
    };
    let _own = own.register(Change::write(socket).clear(), "own").unwrap();
    let read = own.register(Change::read(socket).clear(), "own").unwrap();
    let _wakers = own.waker().unwrap();
    let told = [errno(registration.disable()), errno(waker.wake()), errno(parents.waker())];
    drop(registration);
    drop(parents);
    // Both knotes are there, and the queue.
    told == [libc::EBADF; 3]
        && own.as_raw_fd() == number
        && own.wait(&mut own.events(8), PATIENCE).unwrap().count() == 1
        && read.enable().is_ok()
}

#[test]
fn a_forked_child_leaves_the_parents_queue_alone() {
    let (a, mut b) = pair();
    let queue = Queue::new().unwrap();
    let registration = queue.register(Change::read(&a), "typed").unwrap();
    let kq = Kqueue::new().unwrap();
    kq.register(&a, EventFilter::Read, EventFlags::ADD, Some("dynamic")).unwrap();

    let waker = queue.waker().unwrap();

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
        let waited = errno(queue.wait(&mut queue.events(1), NOW).map(drop));
        let found = queue.get(registration.id()).is_some() || queue.deregister(registration.id()).is_some();
        let as_told = answers.iter().chain([&waited]).all(|answer| *answer == libc::EBADF) && !found;
        let survives = a_queue_of_the_same_number_survives(&a, queue, registration, &waker);
        drop(kq);
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(!as_told) + 2 * i32::from(!survives)) };
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
