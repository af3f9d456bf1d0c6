//! Queues as descriptors: nested, polled, side by side, and closed.

use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use kq::{Change, EventBuffer, Flags, Kqueue};
use kq_tests::descriptor::checked;
use kq_tests::queue::{want_read, want_timer};
use kq_tests::{pipe, put, TestQueue, LIMIT, QUIET};

const HOUR: Duration = Duration::from_secs(3600);

/// Whether the descriptor shows readable within the time.
fn readable(fd: &impl AsRawFd, time: Duration) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry is valid for reading and writing.
    checked(unsafe { libc::poll(&mut poll, 1, time.as_millis() as i32) }) == 1
}

#[test]
#[cfg(has_user)]
fn a_queue_in_a_queue() {
    use kq::Filter;

    let (mut outer, mut inner) = (TestQueue::new(), TestQueue::new());
    let event = Change::user(1).clear();
    inner.set(event.udata(1));
    outer.set(Change::read(&inner.kq).udata(2));
    outer.nothing();
    inner.set(event.trigger());
    outer.sees(&[want_read(&inner.kq).data(1).udata(2)]);
    inner
        .sees(&[kq_tests::want(Filter::USER, 1).flags(Flags::CLEAR).udata(kq_tests::queue::udata_after_trigger(1, 0))]);
    outer.nothing();
}

#[test]
#[cfg(freebsd_abi)] // as its kernel has it: the inner queue tells of every knote that becomes ready
fn the_edge_of_a_queue_with_an_event_already_was_lost() {
    let (mut outer, mut inner) = (TestQueue::new(), TestQueue::new());
    let events = [1, 2].map(|id| Change::user(id).clear());
    inner.kq.apply(&events).unwrap();
    outer.set(Change::read(&inner.kq).clear());
    for (event, ready) in events.iter().zip(1..) {
        inner.set(event.trigger());
        outer.sees(&[want_read(&inner.kq).flags(Flags::CLEAR).data(ready)]);
        outer.nothing();
        // It is ready, and does not become so.
        inner.set(event.trigger());
        outer.nothing();
    }
    assert_eq!(inner.wait(LIMIT).len(), 2);
    outer.nothing();
}

#[test]
#[cfg(freebsd_abi)] // as above
fn the_edge_of_an_event_that_was_added_and_triggered_by_one_call_was_lost() {
    let (mut outer, inner) = (TestQueue::new(), TestQueue::new());
    outer.set(Change::read(&inner.kq).clear());
    for ready in 1..4 {
        let event = Change::user(ready).clear();
        inner.kq.apply(&[event, event.trigger()]).unwrap();
        outer.sees(&[want_read(&inner.kq).flags(Flags::CLEAR).data(ready as i64)]);
        outer.nothing();
    }
}

#[test]
fn a_queue_of_descriptors_in_a_queue() {
    let (reader, writer) = pipe();
    let (mut outer, mut inner) = (TestQueue::new(), TestQueue::new());
    inner.set(Change::read(&reader).udata(1));
    outer.set(Change::read(&inner.kq).udata(2));
    put(&writer, 3);
    outer.sees(&[want_read(&inner.kq).data(1).udata(2)]);
    inner.sees(&[want_read(&reader).data(3).udata(1)]);
    kq_tests::get(&reader, 3);
    // Only a look into the inner queue says that its event is stale.
    inner.nothing();
    outer.nothing();
}

#[test]
fn a_queue_in_itself() {
    let mut queue = TestQueue::new();
    assert_eq!(queue.apply(Change::read(&queue.kq).udata(2)), Err(libc::EINVAL));
    queue.nothing();
}

#[test]
#[cfg(has_user)]
fn a_queue_is_readable_while_an_event_is_pending() {
    let mut queue = TestQueue::new();
    let event = Change::user(1).clear().udata(1);
    assert!(!readable(&queue.kq, Duration::ZERO));
    queue.set(event);
    assert!(!readable(&queue.kq, QUIET));
    queue.set(event.trigger());
    assert!(readable(&queue.kq, LIMIT));
    assert_eq!(queue.wait(LIMIT).len(), 1);
    assert!(!readable(&queue.kq, Duration::ZERO));
}

#[test]
fn a_queue_becomes_readable_with_a_timer() {
    let mut queue = TestQueue::new();
    queue.set(Change::timer(1, Duration::from_millis(40)).oneshot().udata(1));
    assert!(readable(&queue.kq, LIMIT));
    queue.sees(&[want_timer(1).flags(Flags::ONESHOT | Flags::CLEAR).udata(1)]);
    assert!(!readable(&queue.kq, Duration::ZERO));
}

#[test]
fn two_queues_watch_one_descriptor() {
    let (reader, writer) = pipe();
    let (mut first, mut second) = (TestQueue::new(), TestQueue::new());
    first.set(Change::read(&reader).udata(1));
    second.set(Change::read(&reader).clear().udata(2));
    put(&writer, 3);
    second.sees(&[want_read(&reader).flags(Flags::CLEAR).data(3).udata(2)]);
    second.nothing();
    first.sees(&[want_read(&reader).data(3).udata(1)]);
    first.sees(&[want_read(&reader).data(3).udata(1)]);
}

#[test]
fn a_new_queue_has_nothing_of_an_old_one() {
    let queue = TestQueue::new();
    queue.set(Change::timer(1, HOUR));
    drop(queue);
    // Likely under the same number.
    for _ in 0..3 {
        let queue = TestQueue::new();
        assert_eq!(queue.apply(Change::timer(1, HOUR).delete()), Err(libc::ENOENT));
        queue.set(Change::timer(1, HOUR));
    }
}

#[test]
fn a_queue_is_closed_on_exec() {
    let queue = Kqueue::new().unwrap();
    // SAFETY: takes numbers only.
    let flags = checked(unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_GETFD) });
    assert_ne!(flags & libc::FD_CLOEXEC, 0);
}

#[test]
fn a_queue_is_a_descriptor_and_can_be_made_of_one() {
    let queue = Kqueue::new().unwrap();
    assert_eq!(queue.as_fd().as_raw_fd(), queue.as_raw_fd());
    queue.apply(&[Change::timer(1, HOUR)]).unwrap();
    let number = queue.as_raw_fd();
    let fd = OwnedFd::from(queue);
    assert_eq!(fd.as_raw_fd(), number);
    let queue = Kqueue::from(fd);
    queue.apply(&[Change::timer(1, HOUR).delete()]).unwrap();
    assert_eq!(queue.into_raw_fd(), number);
    // SAFETY: the queue gave the number away, so that it is this test's.
    let queue = unsafe { <Kqueue as std::os::fd::FromRawFd>::from_raw_fd(number) };
    queue.apply(&[Change::timer(1, HOUR)]).unwrap();
}

#[test]
fn a_descriptor_that_is_no_queue() {
    let (reader, _writer) = pipe();
    let queue = Kqueue::from(reader);
    let mut buffer = EventBuffer::with_capacity(1);
    let waited = queue.wait(&mut buffer, Some(Duration::ZERO)).map(<[_]>::len);
    let waited = waited.map_err(|error| error.raw_os_error());
    // Younger FreeBSDs say EINVAL.
    let expected = |errno| errno == libc::EBADF || (cfg!(freebsd) && errno == libc::EINVAL);
    assert!(matches!(waited, Err(Some(errno)) if expected(errno)), "{waited:?}");
    let applied = queue.apply(&[Change::timer(1, HOUR)]).map_err(|error| error.errno().raw());
    assert!(matches!(applied, Err(errno) if expected(errno)), "{applied:?}");
}
