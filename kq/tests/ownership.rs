//! The queue's descriptor: who owns it, and who closes it.

mod common;

use common::{alone, flags_of, pair, queue, udata, PATIENCE};
use kq::{Change, Kqueue};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

#[test]
fn a_queue_is_closed_on_exec() {
    let _alone = alone();
    let queue = Kqueue::new().unwrap();
    let flags = flags_of(queue.as_raw_fd());
    assert!(flags != -1 && flags & libc::FD_CLOEXEC != 0);
}

#[test]
fn a_queue_can_outlive_an_exec() {
    let _alone = alone();
    let queue = Kqueue::builder().close_on_exec(false).build().unwrap();
    let flags = flags_of(queue.as_raw_fd());
    assert!(flags != -1 && flags & libc::FD_CLOEXEC == 0);
    let again = Kqueue::builder().close_on_exec(true).build().unwrap();
    assert_ne!(flags_of(again.as_raw_fd()) & libc::FD_CLOEXEC, 0);
}

#[test]
#[cfg(any(netbsd, openbsd))] // the others' calls take no such flag
fn a_queue_has_the_flags_that_it_is_made_with() {
    let _alone = alone();
    let queue = match Kqueue::builder().flags(libc::O_NONBLOCK).build() {
        Ok(queue) => queue,
        // OpenBSD before 7.8 lacks the call.
        Err(error) => return assert!(cfg!(openbsd) && error.raw_os_error() == Some(libc::ENOSYS), "{error}"),
    };
    // SAFETY: takes numbers only.
    let flags = unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_GETFL) };
    assert!(flags != -1 && flags & libc::O_NONBLOCK != 0);
    assert_ne!(flags_of(queue.as_raw_fd()) & libc::FD_CLOEXEC, 0);
    let unknown = Kqueue::builder().flags(libc::O_TRUNC).build().unwrap_err();
    assert_eq!(unknown.raw_os_error(), Some(libc::EINVAL));
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
