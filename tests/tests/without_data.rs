//! Knotes that do without the data of their events: on Linux it is left out, elsewhere it is there all the same.

use std::net::Shutdown;
use std::os::fd::AsRawFd;

use kq::{Change, Event, EventKind, Flags};
use kq_tests::{closed, get, pair, pipe, put, tcp_pair, TempDir, TestQueue, LIMIT};

/// What an event tells of `data` bytes.
fn told(data: i64) -> Option<i64> {
    (!cfg!(has_nodata)).then_some(data)
}

#[track_caller]
fn one(queue: &mut TestQueue) -> Event {
    let events = queue.wait(LIMIT);
    assert_eq!(events.len(), 1, "{events:#?}");
    events[0]
}

#[track_caller]
fn reads(event: &Event) -> (i32, Option<i64>, bool) {
    match event.kind() {
        EventKind::Read { fd, available, eof, error: None, .. } => (fd, available, eof),
        _ => panic!("{event:?}"),
    }
}

#[track_caller]
fn writes(event: &Event) -> (i32, Option<i64>, bool) {
    match event.kind() {
        EventKind::Write { fd, space, eof, error: None, .. } => (fd, space, eof),
        _ => panic!("{event:?}"),
    }
}

#[test]
fn a_level_knote_is_ready_until_it_is_drained() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).without_data().udata(7));
    queue.nothing();
    put(&writer, 5);
    for _ in 0..2 {
        let event = one(&mut queue);
        assert_eq!(event.udata(), 7);
        assert_eq!(reads(&event), (reader.as_raw_fd(), told(5), false));
    }
    get(&reader, 5);
    queue.nothing();
}

#[test]
fn modes_are_what_they_are_with_data() {
    let (socket, peer) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&socket).clear().without_data());
    put(&peer, 1);
    assert_eq!(reads(&one(&mut queue)).1, told(1));
    queue.nothing();
    put(&peer, 1);
    assert_eq!(reads(&one(&mut queue)).1, told(2));
    queue.set(Change::read(&socket).delete());

    queue.set(Change::read(&socket).oneshot().without_data());
    assert!(one(&mut queue).flags().contains(Flags::ONESHOT));
    assert_eq!(queue.apply(Change::read(&socket).delete()), Err(libc::ENOENT));

    queue.set(Change::read(&socket).dispatch().without_data());
    assert_eq!(reads(&one(&mut queue)).1, told(2));
    queue.nothing();
    queue.set(Change::read(&socket).without_data().enable());
    assert_eq!(reads(&one(&mut queue)).1, told(2));
}

#[test]
fn room_is_told_without_its_size() {
    let (_reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&writer).without_data());
    let (fd, space, eof) = writes(&one(&mut queue));
    assert_eq!((fd, space.is_none(), eof), (writer.as_raw_fd(), cfg!(has_nodata), false));
}

#[test]
fn both_directions_of_a_socket_are_told() {
    let (socket, peer) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&socket).without_data());
    queue.set(Change::write(&socket).without_data());
    put(&peer, 3);
    let events = queue.wait(LIMIT);
    assert_eq!(events.len(), 2, "{events:#?}");
}

#[test]
fn the_end_is_told_as_ever() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).without_data());
    put(&writer, 2);
    drop(writer);
    assert_eq!(reads(&one(&mut queue)), (reader.as_raw_fd(), told(2), true));

    let (client, server) = tcp_pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&client).without_data());
    server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reads(&one(&mut queue)), (client.as_raw_fd(), told(0), true));
}

#[test]
fn a_low_water_mark_has_its_data() {
    let (socket, peer) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&socket).low_water(4).without_data());
    put(&peer, 3);
    queue.nothing();
    put(&peer, 2);
    assert_eq!(reads(&one(&mut queue)).1, Some(5));
}

#[test]
fn a_regular_file_has_its_data() {
    let dir = TempDir::new();
    let file = dir.file("f", 9);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&file).without_data());
    assert_eq!(reads(&one(&mut queue)), (file.as_raw_fd(), Some(9), false));
}

#[test]
fn a_re_add_changes_whether_there_is_data() {
    let (reader, writer) = pipe();
    let mut queue = TestQueue::new();
    put(&writer, 4);
    queue.set(Change::read(&reader).without_data());
    assert_eq!(reads(&one(&mut queue)).1, told(4));
    queue.set(Change::read(&reader));
    assert_eq!(reads(&one(&mut queue)).1, Some(4));
}

#[test]
fn a_number_that_is_closed_is_refused() {
    let queue = TestQueue::new();
    let change = Change::new(closed(1), kq::Filter::READ, Flags::ADD).without_data();
    assert_eq!(queue.apply(change), Err(libc::EBADF));
}
