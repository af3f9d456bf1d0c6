//! What each filter reports, as `EventKind`.

mod common;

use common::{child_line, pair, queue, spawn_child, udata, AT_ONCE, PATIENCE};
#[cfg(has_user)]
use kq::Flags;
use kq::{Change, EventKind, ProcEvents, VnodeEvents};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

#[test]
fn a_socket_becomes_readable() {
    let (queue, mut buffer) = queue(4);
    let (mut receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).udata(1)]).unwrap();
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
    sender.write_all(b"hello").unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    let EventKind::Read { fd, available, eof: false, error: None, .. } = events[0].kind() else { panic!("{events:?}") };
    assert_eq!((fd, available), (receiver.as_raw_fd(), Some(5)));

    // The end comes with what is left to read, at once or, where the child of another test has a copy of every
    // descriptor until it executes its program, after that.
    drop(sender);
    let start = Instant::now();
    let mut left = 5;
    while left > 0 {
        let events = queue.wait(&mut buffer, PATIENCE).unwrap();
        let EventKind::Read { available: Some(available), eof, .. } = events[0].kind() else { panic!("{events:?}") };
        assert_eq!(available, left);
        if !eof {
            assert!(Some(start.elapsed()) < PATIENCE);
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let mut bytes = [0; 3];
        left -= receiver.read(&mut bytes).unwrap() as i64;
    }
}

#[test]
fn a_listener_counts_connections_and_a_reset_has_its_error() {
    let (queue, mut buffer) = queue(4);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    queue.apply(&[Change::read(&listener).udata(1)]).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert!(matches!(events[0].kind(), EventKind::Read { available: Some(1), eof: false, .. }), "{events:?}");
    let (server, _) = listener.accept().unwrap();

    // Closed with data unread, or with no time to linger, a connection is reset.
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option's value is a `linger` of the size that is given.
    let set = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            std::ptr::from_ref(&linger).cast(),
            std::mem::size_of_val(&linger) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
    queue.apply(&[Change::read(&server).clear().udata(2)]).unwrap();
    drop(client);
    let error = loop {
        let events = queue.wait(&mut buffer, PATIENCE).unwrap();
        assert_eq!(udata(events), [2]);
        if let EventKind::Read { eof: true, error, .. } = events[0].kind() {
            break error;
        }
    };
    assert_eq!(error.map(|error| error.raw()), Some(libc::ECONNRESET));
}

#[test]
fn room_to_write_and_its_end() {
    let (queue, mut buffer) = queue(4);
    let (a, b) = pair();
    queue.apply(&[Change::write(&a)]).unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    let EventKind::Write { fd, space: Some(space), eof: false, .. } = events[0].kind() else { panic!("{events:?}") };
    assert_eq!(fd, a.as_raw_fd());
    assert!(space > 0);
    drop(b);
    // The child of another test may have a copy of every descriptor, until it executes its program.
    let start = Instant::now();
    loop {
        let events = queue.wait(&mut buffer, PATIENCE).unwrap();
        let EventKind::Write { eof, .. } = events[0].kind() else { panic!("{events:?}") };
        if eof {
            break;
        }
        assert!(Some(start.elapsed()) < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_low_water_mark_waits_for_enough() {
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    queue.apply(&[Change::read(&receiver).low_water(4)]).unwrap();
    sender.write_all(b"abc").unwrap();
    assert!(queue.wait(&mut buffer, Some(Duration::from_millis(20))).unwrap().is_empty());
    sender.write_all(b"d").unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert!(matches!(events[0].kind(), EventKind::Read { available: Some(4), .. }), "{events:?}");
}

#[test]
fn a_low_water_mark_is_no_error_at_the_end() {
    let (queue, mut buffer) = queue(4);
    let (receiver, sender) = pair();
    queue.apply(&[Change::read(&receiver).low_water(4)]).unwrap();
    drop(sender);
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert!(matches!(events[0].kind(), EventKind::Read { eof: true, error: None, .. }), "{events:?}");
}

#[test]
fn a_file_is_read_from_its_offset_to_its_end() {
    let (queue, mut buffer) = queue(4);
    let (_path, mut file) = file("kq-read");
    file.write_all(b"0123456789").unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    queue.apply(&[Change::read(&file).udata(1)]).unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert!(matches!(events[0].kind(), EventKind::Read { available: Some(6), .. }), "{events:?}");
    assert_eq!(udata(events), [1]);
}

#[test]
fn a_file_is_written_and_deleted() {
    let (queue, mut buffer) = queue(4);
    let (path, mut file) = file("kq-vnode");
    queue.apply(&[Change::vnode(&file, VnodeEvents::WRITE | VnodeEvents::DELETE).clear().udata(3)]).unwrap();
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
    let mut next = |what: VnodeEvents| {
        let events = queue.wait(&mut buffer, PATIENCE).unwrap();
        assert_eq!(udata(events), [3]);
        let EventKind::Vnode { events: told, .. } = events[0].kind() else { panic!("{events:?}") };
        assert!(told.contains(what), "{events:?}");
    };
    file.write_all(b"x").unwrap();
    next(VnodeEvents::WRITE);
    drop(path);
    next(VnodeEvents::DELETE);
}

/// A new file, and what removes it when it is dropped.
fn file(name: &str) -> (impl Drop, File) {
    struct Removed(std::path::PathBuf);
    impl Drop for Removed {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).expect("the file is there");
        }
    }
    let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
    (Removed(path), file)
}

#[test]
#[cfg(has_empty)]
fn a_send_buffer_runs_empty() {
    let (queue, mut buffer) = queue(4);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    if let Err(error) = queue.apply(&[Change::empty(&client).clear().udata(6)]) {
        // NetBSD 9 lacks the filter.
        assert!(cfg!(netbsd) && error.errno().raw() == libc::EINVAL, "{error}");
        return;
    }
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    let EventKind::Empty { fd, eof: false, error: None, .. } = events[0].kind() else { panic!("{events:?}") };
    assert_eq!((fd, events[0].udata()), (client.as_raw_fd(), 6));
}

#[test]
fn reading_and_writing_are_two_knotes_with_modes_of_their_own() {
    let (queue, mut buffer) = queue(4);
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    queue.apply(&[Change::read(&a).udata(1), Change::write(&a).oneshot().udata(2)]).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(udata(queue.wait(&mut buffer, PATIENCE).unwrap()));
        seen.sort_unstable();
        seen.dedup();
    }
    assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [1]);
}

#[test]
fn dispatch_reports_once_until_it_is_enabled() {
    let (queue, mut buffer) = queue(4);
    let (receiver, mut sender) = pair();
    let watch = Change::read(&receiver).dispatch().udata(6);
    queue.apply(&[watch]).unwrap();
    sender.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(udata(queue.wait(&mut buffer, PATIENCE).unwrap()), [6]);
        assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
        queue.apply(&[watch.enable()]).unwrap();
    }
    queue.apply(&[watch.disable()]).unwrap();
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
}

#[test]
#[cfg(has_user)]
fn a_user_event_is_triggered() {
    let (queue, mut buffer) = queue(4);
    let user = Change::user(7).clear().udata(9);
    if let Err(error) = queue.apply(&[user]) {
        // NetBSD 9 and OpenBSD before 7.8 have no user events.
        assert!(cfg!(any(netbsd, openbsd)) && error.errno().raw() == libc::EINVAL, "{error}");
        return;
    }
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
    queue.apply(&[user.trigger()]).unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert!(matches!(events[0].kind(), EventKind::User { id: 7, flags: 0, .. }), "{events:?}");
    assert_eq!(events[0].udata(), 9);
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
    queue.apply(&[user.delete()]).unwrap();
    assert_eq!(queue.apply(&[user.trigger()]).unwrap_err().errno().raw(), libc::ENOENT);
}

#[test]
#[cfg(has_user)]
fn the_flags_of_a_user_event_add_up() {
    let (queue, mut buffer) = queue(4);
    let user = Change::user(7).clear();
    if let Err(error) = queue.apply(&[user]) {
        // NetBSD 9 and OpenBSD before 7.8 have no user events.
        assert!(cfg!(any(netbsd, openbsd)) && error.errno().raw() == libc::EINVAL, "{error}");
        return;
    }
    // A change without an action modifies what is there.
    let quietly = user.set_flags(Flags::empty());
    queue.apply(&[quietly.set_user_flags(1), quietly.or_user_flags(6)]).unwrap();
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
    queue.apply(&[user.and_user_flags(5).trigger()]).unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert!(matches!(events[0].kind(), EventKind::User { id: 7, flags: 5, .. }), "{events:?}");
    queue.apply(&[user.trigger().set_user_flags(0x30)]).unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert!(matches!(events[0].kind(), EventKind::User { id: 7, flags: 0x30, .. }), "{events:?}");
}

#[test]
fn a_child_exits() {
    child_line();
    let (queue, mut buffer) = queue(4);
    let mut child = spawn_child("a_child_exits");
    let pid = child.id();
    queue.apply(&[Change::process(pid, ProcEvents::EXIT).udata(3)]).unwrap();
    assert!(queue.wait(&mut buffer, AT_ONCE).unwrap().is_empty());
    child.stdin.take().unwrap().write_all(&[7]).unwrap();
    let events = queue.wait(&mut buffer, PATIENCE).unwrap();
    assert_eq!(udata(events), [3]);
    let EventKind::Process { pid: of, events: what, status: Some(status), parent: None, .. } = events[0].kind() else {
        panic!("{events:?}");
    };
    assert_eq!((of, status.code()), (pid, Some(7)));
    assert!(what.contains(ProcEvents::EXIT));
    assert!(child.wait().unwrap().code() == Some(7));
    let gone = queue.apply(&[Change::process(pid, ProcEvents::EXIT).delete()]).unwrap_err();
    assert_eq!(gone.errno().raw(), libc::ENOENT);
}

#[test]
fn a_queue_is_watched_by_another() {
    let (inner, mut buffer) = queue(4);
    let (outer, mut outer_buffer) = queue(4);
    outer.apply(&[Change::read(&inner).udata(1)]).unwrap();
    assert!(outer.wait(&mut outer_buffer, AT_ONCE).unwrap().is_empty());
    inner.apply(&[Change::timer(1, Duration::from_millis(5)).oneshot().udata(2)]).unwrap();
    assert_eq!(udata(outer.wait(&mut outer_buffer, PATIENCE).unwrap()), [1]);
    assert_eq!(udata(inner.wait(&mut buffer, AT_ONCE).unwrap()), [2]);
    assert!(outer.wait(&mut outer_buffer, AT_ONCE).unwrap().is_empty());
}
