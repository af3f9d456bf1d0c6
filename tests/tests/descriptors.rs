//! Closing what is watched: with and without a duplicate, with the number used again, and what queues leave behind.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use kq::{Change, EventBuffer, Kqueue, ProcEvents, VnodeEvents};
use kq_tests::descriptor::{checked, far_dup};
use kq_tests::queue::{want_read, want_write};
use kq_tests::{get, pair, pipe, put, serial, takes, Child, TempDir, TestQueue, LIMIT, QUIET};

/// A pipe whose reader has this number, which is free.
fn pipe_at(number: i32) -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe();
    if reader.as_raw_fd() == number {
        return (reader, writer);
    }
    // SAFETY: takes numbers only; the number is free, so that nobody's descriptor is closed.
    checked(unsafe { libc::dup2(reader.as_raw_fd(), number) });
    // SAFETY: the call just made the descriptor, and nobody else has it.
    let reader = unsafe { std::os::fd::FromRawFd::from_raw_fd(number) };
    (reader, writer)
}

fn read_of(number: i32) -> Change {
    Change::new(number as usize, kq::Filter::READ, kq::Flags::ADD)
}

#[test]
fn what_is_closed_is_gone() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let number = reader.as_raw_fd();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    put(&writer, 1);
    drop(reader);
    queue.nothing();
    assert_eq!(queue.apply(read_of(number).delete()), Err(libc::EBADF));
}

#[test]
fn what_is_closed_while_a_duplicate_lives_is_gone() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let dup = far_dup(&reader);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    put(&writer, 1);
    drop(reader);
    queue.nothing();
    queue.set(Change::read(&dup).udata(2));
    queue.sees(&[want_read(&dup).data(1).udata(2)]);
}

#[test]
fn a_duplicate_has_a_knote_of_its_own() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let dup = far_dup(&reader);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    queue.set(Change::read(&dup).udata(2));
    put(&writer, 1);
    queue.sees(&[want_read(&reader).data(1).udata(1), want_read(&dup).data(1).udata(2)]);
    drop(reader);
    queue.sees(&[want_read(&dup).data(1).udata(2)]);
    get(&dup, 1);
    queue.nothing();
}

#[test]
fn a_number_that_is_used_again_has_no_old_knote() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let number = reader.as_raw_fd();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    put(&writer, 1);
    drop(reader);
    let (reader, writer) = pipe_at(number);
    assert_eq!(queue.apply(Change::read(&reader).delete()), Err(libc::ENOENT));
    assert_eq!(queue.apply(Change::read(&reader).enable()), Err(libc::ENOENT));
    put(&writer, 2);
    queue.nothing();
    // A knote of another mode, which a second ADD would not have changed.
    queue.set(Change::read(&reader).oneshot().udata(2));
    queue.sees(&[want_read(&reader).flags(kq::Flags::ONESHOT).data(2).udata(2)]);
    queue.nothing();
}

#[test]
fn a_number_that_is_used_again_while_a_duplicate_of_the_old_file_lives() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let number = reader.as_raw_fd();
    let _dup = far_dup(&reader);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    drop(reader);
    let (reader, new_writer) = pipe_at(number);
    // The old file is ready, the new one is not.
    put(&writer, 1);
    queue.nothing();
    queue.set(Change::read(&reader).udata(2));
    queue.nothing();
    put(&new_writer, 3);
    queue.sees(&[want_read(&reader).data(3).udata(2)]);
    queue.set(Change::read(&reader).delete());
    queue.nothing();
}

#[test]
fn two_ready_files_one_after_the_other_under_one_number() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let number = reader.as_raw_fd();
    let _dup = far_dup(&reader);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    put(&writer, 1);
    drop(reader);
    let (reader, new_writer) = pipe_at(number);
    put(&new_writer, 2);
    // Nobody asked for the new one. Linux may take a second to see that the number is another file's.
    let start = std::time::Instant::now();
    while cfg!(linux) && !queue.wait(Duration::ZERO).is_empty() {
        assert!(start.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(10));
    }
    queue.nothing();
    queue.set(Change::read(&reader).udata(2));
    queue.sees(&[want_read(&reader).data(2).udata(2)]);
}

#[test]
fn a_write_knote_goes_with_its_descriptor_too() {
    let _serial = serial();
    let (a, _b) = pair();
    let number = a.as_raw_fd();
    let dup = far_dup(&a);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&a).udata(1));
    queue.set(Change::write(&a).udata(2));
    drop(a);
    queue.nothing();
    assert_eq!(queue.apply(read_of(number).delete()), Err(libc::EBADF));
    queue.set(Change::write(&dup).udata(3));
    queue.sees(&[want_write(&dup).udata(3)]);
}

#[test]
fn a_duplicate_that_only_a_child_has() {
    let _serial = serial();
    let (reader, writer) = pipe();
    let number = reader.as_raw_fd();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).udata(1));
    let child = Child::exiting(0);
    put(&writer, 1);
    drop(reader);
    queue.nothing();
    assert_eq!(queue.apply(read_of(number).delete()), Err(libc::EBADF));
    // The queue is one still.
    queue.set(Change::timer(1, LIMIT));
    let (reader, new_writer) = pipe();
    queue.set(Change::read(&reader).udata(2));
    queue.nothing();
    put(&new_writer, 2);
    queue.sees(&[want_read(&reader).data(2).udata(2)]);
    drop(child);
    queue.sees(&[want_read(&reader).data(2).udata(2)]);
}

#[test]
fn closed_descriptors_do_not_keep_the_queue_awake() {
    let _serial = serial();
    let mut queue = TestQueue::new();
    let mut dups = Vec::new();
    for number in 0..20 {
        let (reader, writer) = pipe();
        put(&writer, 1);
        queue.set(Change::read(&reader).udata(number));
        dups.push((far_dup(&reader), writer));
    }
    // A wait that is not woken by what is gone ends with its time, or with what is there.
    assert!(takes(QUIET, || queue.nothing()));
    let (reader, writer) = pipe();
    queue.set(Change::read(&reader).udata(99));
    put(&writer, 1);
    queue.sees(&[want_read(&reader).data(1).udata(99)]);
}

#[test]
#[cfg(linux)] // there the queue itself has to find them
fn several_deleted_knotes_of_closed_files_kept_the_queue_awake() {
    let _serial = serial();
    for several in [1, 2, 3, 10] {
        let mut queue = TestQueue::new();
        let mut dups = Vec::new();
        for _ in 0..several {
            let (reader, writer) = pipe();
            put(&writer, 1);
            queue.set(Change::read(&reader));
            let change = Change::read(&reader).delete();
            dups.push((far_dup(&reader), writer));
            drop(reader);
            assert_eq!(queue.apply(change), Err(libc::EBADF));
        }
        queue.nothing();
        // What is left there is ready, and wakes every wait.
        let entries = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", queue.kq.as_raw_fd())).unwrap();
        assert!(!entries.contains("tfd:"), "of {several}: {entries}");
    }
}

/// How many descriptors this process has open below `end`.
fn open_below(end: i32) -> usize {
    // SAFETY: takes numbers only.
    (0..end).filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } != -1).count()
}

/// A queue with a knote of each kind, so that it has whatever it needs besides its own descriptor.
fn busy_queue(socket: &UnixStream, file: &File) -> Kqueue {
    let queue = light_queue(socket);
    let changes = [
        Change::signal(libc::SIGURG),
        Change::process(std::process::id(), ProcEvents::EXIT),
        Change::vnode(file, VnodeEvents::DELETE).clear(),
        Change::read(file),
    ];
    queue.apply(&changes).unwrap();
    queue
}

/// A queue with what most programs have in theirs.
fn light_queue(socket: &UnixStream) -> Kqueue {
    let queue = Kqueue::new().unwrap();
    let mut buffer = EventBuffer::with_capacity(4);
    let changes = [Change::read(socket), Change::write(socket), Change::timer(1, LIMIT)];
    queue.apply_and_wait(&changes, &mut buffer, Some(Duration::ZERO)).unwrap();
    queue
}

#[test]
fn queues_leave_no_descriptor_behind() {
    let _serial = serial();
    let dir = TempDir::new();
    let file = dir.file("f", 1);
    let (socket, _other) = pair();
    // What a program makes once, for all queues, is there after the first.
    drop(busy_queue(&socket, &file));
    let before = open_below(1_000);
    for _ in 0..1_000 {
        light_queue(&socket);
    }
    for _ in 0..50 {
        busy_queue(&socket, &file);
    }
    assert_eq!(open_below(1_000), before);
    let queues: Vec<Kqueue> = (0..20).map(|_| busy_queue(&socket, &file)).collect();
    assert!(open_below(1_000) >= before + 20);
    drop(queues);
    assert_eq!(open_below(1_000), before);
}
