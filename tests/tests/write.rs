//! WRITE on pipes and sockets, and READ and WRITE of one descriptor side by side.

use kq::{Change, EventKind, Flags};
use kq_tests::queue::{want_read, want_write};
use kq_tests::{pair, pipe, put, TestQueue, LIMIT};

#[test]
fn room_is_reported_as_long_as_there_is_some() {
    let (_reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&writer).udata(1));
    queue.sees(&[want_write(&writer).udata(1)]);
    queue.sees(&[want_write(&writer).udata(1)]);
}

#[test]
fn a_full_pipe_has_no_room_until_it_is_read() {
    let (reader, writer) = pipe();
    // SAFETY: takes numbers only.
    kq_tests::descriptor::checked(unsafe {
        libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&writer), libc::F_SETFL, libc::O_NONBLOCK)
    });
    let mut sink = std::fs::File::from(writer);
    let mut filled = 0;
    while let Ok(count) = std::io::Write::write(&mut sink, &[0; 4096]) {
        filled += count;
    }
    let mut queue = TestQueue::new();
    queue.set(Change::write(&sink).udata(1));
    queue.nothing();
    for _ in 0..filled / 1024 {
        kq_tests::get(&reader, 1024);
    }
    queue.sees(&[want_write(&sink).udata(1)]);
}

#[test]
fn a_pipe_that_nobody_reads_any_more() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&writer).udata(1));
    drop(reader);
    let wanted = want_write(&writer).at_least(0).udata(1);
    // FreeBSD ends the knote with it.
    let flags = if cfg!(freebsd_abi) { Flags::EOF | Flags::ONESHOT } else { Flags::EOF };
    queue.sees(&[wanted.flags(flags)]);
    if cfg!(freebsd_abi) {
        queue.nothing();
        assert_eq!(queue.apply(Change::write(&writer).delete()), Err(libc::ENOENT));
    }
}

#[test]
#[cfg(any(freebsd_abi, dragonfly, apple))] // known to refuse it
fn a_pipe_that_nobody_reads_is_refused() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    drop(reader);
    assert_eq!(queue.apply(Change::write(&writer).udata(1)), Err(libc::EPIPE));
    queue.nothing();
}

#[test]
fn a_oneshot_is_gone_after_its_event() {
    let (a, _b) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&a).oneshot().udata(1));
    queue.sees(&[want_write(&a).flags(Flags::ONESHOT).udata(1)]);
    queue.nothing();
    assert_eq!(queue.apply(Change::write(&a).delete()), Err(libc::ENOENT));
}

#[test]
fn an_event_is_decoded() {
    let (a, _b) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&a));
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    let EventKind::Write { space, eof, error, .. } = event.kind() else { panic!("{event:?}") };
    assert!(space > Some(0), "{event:?}");
    assert_eq!((eof, error), (false, None));
}

#[test]
fn read_and_write_of_a_socket_are_two_knotes() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    let (read, write) = (want_read(&a).data(3).udata(1), want_write(&a).udata(2));
    queue.set(Change::read(&a).udata(1));
    queue.set(Change::write(&a).udata(2));
    queue.sees(&[write]);
    put(&b, 3);
    queue.sees(&[read, write]);
    queue.set(Change::write(&a).delete());
    queue.sees(&[read]);
    queue.set(Change::read(&a).delete());
    queue.nothing();
}

#[test]
fn read_and_write_of_a_socket_have_modes_of_their_own() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&a).oneshot().udata(1));
    queue.set(Change::write(&a).clear().udata(2));
    put(&b, 3);
    queue.sees(&[want_read(&a).flags(Flags::ONESHOT).data(3).udata(1), want_write(&a).flags(Flags::CLEAR).udata(2)]);
    queue.nothing();
    queue.set(Change::read(&a).udata(3));
    queue.sees(&[want_read(&a).data(3).udata(3)]);
}

#[test]
#[cfg(freebsd_abi)] // a knote that is ready goes to the end of FreeBSD's list of those that are
fn reading_had_fewer_turns_than_writing() {
    let (a, b) = pair();
    put(&b, 1);
    let mut queue = TestQueue::with_room_for(1);
    queue.set(Change::read(&a).udata(1));
    queue.set(Change::write(&a).udata(2));
    for _ in 0..5 {
        queue.sees(&[want_read(&a).data(1).udata(1)]);
        queue.sees(&[want_write(&a).udata(2)]);
    }
}

#[test]
#[cfg(freebsd_abi)] // FreeBSD's pipes go both ways
fn the_reading_end_of_a_pipe_went_on_ending() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&reader).udata(1));
    drop(writer);
    queue.sees(&[want_write(&reader).flags(Flags::EOF | Flags::ONESHOT).udata(1)]);
    queue.nothing();
    assert_eq!(queue.apply(Change::write(&reader).delete()), Err(libc::ENOENT));
    assert_eq!(queue.apply(Change::write(&reader)), Err(libc::EPIPE));
}
