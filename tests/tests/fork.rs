//! A queue and a forked child: the child has nothing of it, and the parent loses nothing.

use std::os::fd::AsRawFd;
use std::time::Duration;

use kq::{Change, EventBuffer, Kqueue};
use kq_tests::queue::want_read;
use kq_tests::{pipe, put, serial, Child, TestQueue, LIMIT};

/// Runs `body` in a child; the outcome is its exit code.
///
/// Under `serial` no other thread of this program is in the middle of a call of kq's when the child is forked.
fn in_a_child(body: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the other threads of this program wait for the lock that the test holds, so that none was forked away
    // while it held a lock of kq's or of the allocator's.
    let mut child = unsafe { Child::forked(body) };
    child.reap().code()
}

/// An exit code for an errno.
fn code(outcome: Result<usize, std::io::Error>) -> i32 {
    outcome.map_or_else(|error| error.raw_os_error().unwrap_or(255), |_| 0)
}

#[test]
fn a_child_has_no_queue() {
    let _serial = serial();
    let mut queue = TestQueue::new();
    let (reader, writer) = pipe();
    put(&writer, 1);
    queue.set(Change::read(&reader).udata(1));
    let mut buffer = EventBuffer::with_capacity(4);
    let waited = in_a_child(|| code(queue.kq.wait(&mut buffer, Some(Duration::ZERO)).map(<[_]>::len)));
    assert_eq!(waited, Some(libc::EBADF));
    let applied =
        in_a_child(|| code(queue.kq.apply(&[Change::read(&reader).delete()]).map(|()| 0).map_err(Into::into)));
    assert_eq!(applied, Some(libc::EBADF));
    queue.sees(&[want_read(&reader).data(1).udata(1)]);
}

#[test]
fn dropped_in_a_child_it_leaves_everything_alone() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let queue = Kqueue::new().unwrap();
    queue.apply(&[Change::read(&reader).udata(1)]).unwrap();
    let number = queue.as_raw_fd();
    let mut slot = Some(queue);
    let left = in_a_child(|| {
        // The child has something else under the number.
        // SAFETY: takes numbers only, and nothing else in the child uses the number.
        let put_there = unsafe { libc::dup2(reader.as_raw_fd(), number) };
        drop(slot.take());
        // SAFETY: takes numbers only.
        let still_there = unsafe { libc::fcntl(number, libc::F_GETFD) };
        i32::from(put_there != number || still_there == -1)
    });
    assert_eq!(left, Some(0));
    let queue = slot.expect("the parent's is still here");
    put(&writer, 2);
    let mut buffer = EventBuffer::with_capacity(4);
    let events = queue.wait(&mut buffer, Some(LIMIT)).unwrap();
    assert!(events.len() == 1 && want_read(&reader).data(2).udata(1).is(&events[0]), "{events:?}");
}

#[test]
fn a_child_can_make_a_queue_of_its_own() {
    let _serial = serial();
    let parents = TestQueue::new();
    parents.set(Change::timer(1, LIMIT));
    let made = in_a_child(|| {
        let Ok(queue) = Kqueue::new() else { return 1 };
        let mut buffer = EventBuffer::with_capacity(4);
        let timer = Change::timer(1, Duration::from_millis(1)).oneshot();
        match queue.apply_and_wait(&[timer], &mut buffer, Some(LIMIT)) {
            Ok([event]) if event.ident() == 1 && event.change_error().is_none() => 0,
            _ => 2,
        }
    });
    assert_eq!(made, Some(0));
    parents.set(Change::timer(1, LIMIT).delete());
}

#[test]
fn what_a_child_closes_stays_watched() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    let closed = in_a_child(|| {
        // SAFETY: the number is the child's own copy.
        unsafe { libc::close(reader.as_raw_fd()) }
    });
    assert_eq!(closed, Some(0));
    put(&writer, 1);
    queue.sees(&[want_read(&reader).data(1).udata(1)]);
}
