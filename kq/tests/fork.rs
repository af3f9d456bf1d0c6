//! What a forked child does not get, and does not touch.
#![cfg(not(any(target_os = "tvos", target_os = "watchos")))] // no fork(2) there

mod common;

use common::{alone, flags_of, pair, queue, udata, PATIENCE};
use kq::Change;
#[cfg(freebsd)]
use kq::{EventBuffer, Kqueue};
use std::io::Write;
use std::os::fd::AsRawFd;

#[test]
fn a_child_leaves_the_parents_queue_and_its_own_descriptors_alone() {
    let _alone = alone();
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).udata(5)]).unwrap();

    let number = queue.as_raw_fd();
    // The child gets the value, as `fork` copies all memory; the parent keeps its own.
    // SAFETY: the copy is used in the child only, where the original never is.
    let copy = unsafe { std::ptr::read(&queue) };
    let mut copy = std::mem::ManuallyDrop::new(copy);
    let ok = in_child(|| {
        // Whatever the child has under the queue's number stays.
        // SAFETY: takes numbers only; the number is a queue's on Linux, and free elsewhere.
        if unsafe { libc::dup2(receiver.as_raw_fd(), number) } != number {
            return false;
        }
        // SAFETY: dropped once in this process.
        unsafe { std::mem::ManuallyDrop::drop(&mut copy) };
        flags_of(number) != -1
    });
    assert!(ok);

    sender.write_all(b"x").unwrap();
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

#[test]
fn a_queue_does_not_pass_to_a_child() {
    let _alone = alone();
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).udata(5)]).unwrap();
    let errno_in_child = || queue.apply(&[Change::read(&receiver).delete()]).err().map(|error| error.errno().raw());
    assert!(in_child(|| errno_in_child() == Some(libc::EBADF)));
    sender.write_all(b"x").unwrap();
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

#[test]
#[cfg(freebsd)] // no other system has it
fn a_queue_that_is_copied_is_the_childs_own() {
    let _alone = alone();
    let queue = match Kqueue::builder().copy_on_fork(true).build() {
        Ok(queue) => queue,
        // FreeBSD 13 lacks the call, and 14 the flag.
        Err(error) => return assert!(matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)), "{error}"),
    };
    let mut buffer = EventBuffer::with_capacity(4);
    let timer = Change::timer(1, std::time::Duration::from_millis(5)).oneshot().udata(5);
    queue.apply(&[timer]).unwrap();
    assert!(in_child(|| matches!(queue.wait(&mut buffer, PATIENCE), Ok([event]) if event.udata() == 5)));
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

/// Whether `check` holds in a forked child. It must not allocate: the harness's thread may have been about to.
fn in_child(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child makes system calls only, and exits without unwinding or running this process's exit handlers.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let status = if check() { 0 } else { 1 };
        // SAFETY: takes a number only.
        unsafe { libc::_exit(status) };
    }
    assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
    let mut status = 0;
    loop {
        // SAFETY: the status is valid for a write.
        let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
        if waited == pid {
            return libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
        }
        let error = std::io::Error::last_os_error();
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "waitpid: {error}");
    }
}
