//! Numbers that were closed without a word to the queue, and are something else by now. One at a time: each relies on a
//! number that it closed.

#[cfg(freebsd_abi)]
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::thread::JoinHandleExt;
use std::ptr;
use std::sync::mpsc;
use std::thread;

use kq::{Change, EventBuffer, Kqueue};
use kq_tests::descriptor::checked;
use kq_tests::queue::{want_read, want_write};
use kq_tests::{pair, pipe, put, serial, TempDir, TestQueue, LIMIT, QUIET};

/// Gives the file a number that is free.
fn renumbered(file: impl Into<OwnedFd>, number: RawFd) -> OwnedFd {
    let file = file.into();
    if file.as_raw_fd() == number {
        return file;
    }
    // SAFETY: takes numbers only; the number is free, and the descriptor made is nobody else's.
    unsafe { OwnedFd::from_raw_fd(checked(libc::dup2(file.as_raw_fd(), number))) }
}

#[test]
fn a_regular_file_under_the_number_of_a_watched_pipe_was_refused() {
    let _serial = serial();
    let dir = TempDir::new();
    let mut queue = TestQueue::new();
    let (reader, _writer) = pipe();
    queue.set(Change::read(&reader));
    let number = reader.as_raw_fd();
    drop(reader);
    let file = renumbered(dir.file("file", 7), number);
    queue.set(Change::read(&file).udata(1));
    queue.sees(&[want_read(&file).data(7).udata(1)]);
}

#[cfg(freebsd_abi)] // directories are taken there
#[test]
fn a_directory_under_the_number_of_a_watched_pipe_was_refused() {
    let _serial = serial();
    let dir = TempDir::new();
    let queue = TestQueue::new();
    let (reader, _writer) = pipe();
    queue.set(Change::read(&reader));
    let number = reader.as_raw_fd();
    drop(reader);
    let directory = renumbered(File::open(dir.path()).unwrap(), number);
    queue.set(Change::read(&directory));
}

#[cfg(freebsd_abi)] // directories are taken there
#[test]
fn a_pipe_under_the_number_of_a_watched_directory_was_never_ready() {
    let _serial = serial();
    let dir = TempDir::new();
    let mut queue = TestQueue::new();
    let directory = File::open(dir.path()).unwrap();
    queue.set(Change::read(&directory));
    let number = directory.as_raw_fd();
    drop(directory);
    let (reader, writer) = pipe();
    let reader = renumbered(reader, number);
    queue.set(Change::read(&reader));
    put(&writer, 3);
    queue.sees(&[want_read(&reader).data(3)]);
}

#[test]
fn the_knote_of_a_closed_pipe_was_not_missing_but_not_permitted() {
    let _serial = serial();
    let dir = TempDir::new();
    for change in [Change::delete as fn(Change) -> Change, Change::enable, Change::disable] {
        let queue = TestQueue::new();
        let (reader, _writer) = pipe();
        let knote = Change::read(&reader);
        queue.set(knote);
        let number = reader.as_raw_fd();
        drop(reader);
        let _file = renumbered(dir.file("file", 7), number);
        assert_eq!(queue.apply(change(knote)), Err(libc::ENOENT));
    }
}

#[cfg(freebsd_abi)] // directories are taken there
#[test]
fn the_knote_of_a_closed_directory_was_still_there() {
    let _serial = serial();
    let dir = TempDir::new();
    for change in [Change::delete as fn(Change) -> Change, Change::enable, Change::disable] {
        let queue = TestQueue::new();
        let directory = File::open(dir.path()).unwrap();
        let knote = Change::read(&directory);
        queue.set(knote);
        let number = directory.as_raw_fd();
        drop(directory);
        let (reader, _writer) = pipe();
        let _reader = renumbered(reader, number);
        assert_eq!(queue.apply(change(knote)), Err(libc::ENOENT));
    }
}

#[test]
fn a_socket_under_the_number_of_a_closed_queue_was_taken_for_the_queue() {
    let _serial = serial();
    let mut queue = TestQueue::new();
    let (reader, _writer) = pipe();
    let closed = Kqueue::new().unwrap();
    closed.apply(&[Change::read(&reader)]).unwrap();
    let number = closed.into_raw_fd();
    // SAFETY: the number is this test's own.
    checked(unsafe { libc::close(number) });
    let (socket, _peer) = pair();
    let socket = renumbered(socket, number);
    queue.set(Change::write(&socket));
    queue.sees(&[want_write(&socket)]);
}

#[test]
fn a_waiter_of_a_closed_queue_was_interrupted_and_took_the_next_ones_event() {
    let _serial = serial();
    let watching = TestQueue::new();
    watching.set(Change::signal(libc::SIGWINCH));
    let (reader, writer) = pipe();
    let number = Kqueue::new().unwrap().into_raw_fd();
    let (starting, start) = mpsc::channel();
    let waiter = thread::spawn(move || {
        starting.send(()).unwrap();
        let mut event = MaybeUninit::<kq_sys::kevent>::zeroed();
        let time = kq_sys::timespec { tv_sec: 2, tv_nsec: 0 };
        // SAFETY: no changes, room for one event, and a time that lives across the call.
        unsafe { kq_sys::kevent(number, ptr::null(), 0, event.as_mut_ptr(), 1, &time) }
    });
    start.recv().unwrap();
    thread::sleep(QUIET);
    // SAFETY: the number is this test's own.
    checked(unsafe { kq_sys::close(number) });
    let next = Kqueue::new().unwrap();
    assert_eq!(next.as_raw_fd(), number, "the lowest number is given out first");
    // SAFETY: the thread was not joined, so that its handle is valid.
    unsafe { libc::pthread_kill(waiter.as_pthread_t() as _, libc::SIGWINCH) };
    thread::sleep(QUIET);
    next.apply(&[Change::read(&reader).oneshot()]).unwrap();
    put(&writer, 1);
    thread::sleep(QUIET);
    let mut buffer = EventBuffer::with_capacity(4);
    assert_eq!(next.wait(&mut buffer, Some(LIMIT)).unwrap().len(), 1);
    assert!(waiter.join().unwrap() <= 0);
}
