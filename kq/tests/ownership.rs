//! The queue's descriptor: who owns it, who closes it, and what a forked child does not touch.

mod common;

use common::{pair, queue, udata, PATIENCE};
use kq::{Change, Kqueue};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A child that is forked while another thread holds a lock never sees it released: the tests of this file take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn flags_of(fd: i32) -> i32 {
    // SAFETY: takes numbers only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) }
}

#[test]
fn a_queue_is_closed_on_exec() {
    let _alone = alone();
    let queue = Kqueue::new().unwrap();
    let flags = flags_of(queue.as_raw_fd());
    assert!(flags != -1 && flags & libc::FD_CLOEXEC != 0);
}

#[test]
fn a_queue_goes_into_its_descriptor_and_back() {
    let _alone = alone();
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).udata(5)]).unwrap();
    let number = queue.as_raw_fd();
    assert_eq!(queue.as_fd().as_raw_fd(), number);

    let fd = OwnedFd::from(queue);
    assert_eq!(fd.as_raw_fd(), number);
    let raw = Kqueue::from(fd).into_raw_fd();
    assert_eq!(raw, number);
    // SAFETY: the number was just given out by its owner.
    let queue = unsafe { Kqueue::from_raw_fd(raw) };

    sender.write_all(b"x").unwrap();
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

#[test]
fn a_queue_can_be_polled() {
    let _alone = alone();
    let (queue, mut buffer) = queue(4);
    queue.apply(&[Change::timer(1, Duration::from_millis(5)).oneshot().udata(5)]).unwrap();
    let mut poll = libc::pollfd { fd: queue.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the list is one entry long.
    assert_eq!(unsafe { libc::poll(&mut poll, 1, 30_000) }, 1);
    assert_ne!(poll.revents & libc::POLLIN, 0);
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [5]);
}

#[test]
fn a_dropped_queue_is_closed() {
    let _alone = alone();
    let queue = Kqueue::new().unwrap();
    let number = queue.as_raw_fd();
    drop(queue);
    assert_eq!(flags_of(number), -1);
}

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
