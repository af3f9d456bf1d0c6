//! What went wrong once: a registration that another one replaces, or that its own last event has ended.

mod common;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::{child, release, spawn};
use kq::Change;
use kq_typed::{EventFilter, EventFlags, Kqueue, Queue};

const LIMIT: Option<Duration> = common::PATIENCE;
const QUIET: Option<Duration> = Some(Duration::from_millis(100));

#[test]
fn an_old_batch_had_an_event_after_the_last_one_and_the_drop() {
    let queue: Queue<u32> = Queue::new().unwrap();
    let (socket, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(b"x").unwrap();
    let registration = queue.register(Change::read(&socket), 7).unwrap();
    let (mut one, mut two) = (queue.events(4), queue.events(4));
    let mut old = queue.wait(&mut one, LIMIT).unwrap();
    registration.modify(Change::read(&socket).oneshot()).unwrap();
    let mut ended = 0;
    for event in queue.wait(&mut two, LIMIT).unwrap() {
        assert_eq!(*event.udata().lock(), 7);
        ended += 1;
    }
    assert_eq!(ended, 1);
    drop(registration);
    assert!(old.next().is_none());
}

#[test]
fn a_refused_replacement_took_the_exit_of_the_old_registration() {
    child();
    let kq = Kqueue::new().unwrap();
    let mut process = spawn("a_refused_replacement_took_the_exit_of_the_old_registration", 3);
    kq.register(process.id(), EventFilter::Proc, EventFlags::ADD, Some("first")).unwrap();
    release(&mut process);
    process.wait().unwrap();
    // Some kernels keep the knote of a process that is gone and let it be changed, others refuse.
    let second = kq.register(process.id(), EventFilter::Proc, EventFlags::ADD, Some("second"));
    let wanted = if second.is_ok() { "second" } else { "first" };
    let events = kq.await_events(LIMIT).unwrap();
    let seen: Vec<_> = events.iter().map(|event| (event.udata::<&str>().copied(), event.flags())).collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].0, Some(wanted));
    assert!(seen[0].1.contains(EventFlags::PROC_EXIT));
    drop(events);
    assert!(kq.await_events(QUIET).unwrap().is_empty());
}

#[cfg(has_user)]
#[test]
fn a_strangers_knote_kept_a_wait_from_ending() {
    use std::mem::ManuallyDrop;
    use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

    let queue: Queue<u32> = Queue::new().unwrap();
    // SAFETY: the second owner is never dropped.
    let raw = ManuallyDrop::new(kq::Kqueue::from(unsafe { OwnedFd::from_raw_fd(queue.as_fd().as_raw_fd()) }));
    raw.apply(&[Change::user(9).udata(123_456)]).unwrap();
    raw.apply(&[Change::user(9).udata(123_456).trigger()]).unwrap();
    let mut events = queue.events(4);
    assert_eq!(queue.wait(&mut events, QUIET).unwrap().count(), 0);
}

#[test]
fn an_absolute_timer_stayed_after_a_modification() {
    let kq = Kqueue::new().unwrap();
    let time = std::time::SystemTime::now() + Duration::from_millis(200);
    let key = kq.register_timer_at(time, EventFlags::ADD, Some(3)).unwrap();
    kq.modify(key, EventFlags::CLEAR).unwrap();
    assert_eq!(kq.await_events(LIMIT).unwrap().iter().count(), 1);
    assert!(kq.await_events(QUIET).unwrap().is_empty());
    assert_eq!(kq.modify(key, EventFlags::CLEAR).unwrap_err().raw_os_error(), Some(libc::ENOENT));
}
