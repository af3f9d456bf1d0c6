//! What only some systems have: followed children, process descriptors, file systems, out-of-band data, notes and flags.

#[cfg(any(has_track, has_procdesc, has_except))]
use kq::EventKind;
use kq_tests::TestQueue;

#[test]
#[cfg(has_track)]
fn a_childs_child_is_followed() {
    use kq::{Change, ProcEvents};
    use kq_tests::{serial, Child, LIMIT};

    let _serial = serial();
    // It forks a child that exits with 0, waits for it, and exits with 9.
    let mut child = Child::executing("the_program_of_another_test", 9);
    let mut queue = TestQueue::new();
    queue.set(Change::process(child.pid(), ProcEvents::EXIT | ProcEvents::TRACK).udata(7));
    child.release();
    let (mut grandchild, mut is_over) = (None, false);
    while !is_over {
        let events = queue.wait(LIMIT);
        assert!(!events.is_empty(), "grandchild: {grandchild:?}");
        for event in events {
            assert_eq!(event.udata(), 7, "the kernel copies it: {event:?}");
            let EventKind::Process { pid, events, status, parent, .. } = event.kind() else { panic!("{event:?}") };
            let code = status.and_then(|status| status.code());
            if pid == child.pid() {
                assert_eq!(parent, None);
                is_over |= events.contains(ProcEvents::EXIT);
                assert!(!is_over || code == Some(9), "{event:?}");
            } else {
                // Told apart from its exit, or together with it.
                assert!(events.intersects(ProcEvents::CHILD | ProcEvents::EXIT), "{event:?}");
                assert!(parent.map_or(code == Some(0), |parent| parent == child.pid()), "{event:?}");
                assert_eq!(*grandchild.get_or_insert(pid), pid);
            }
        }
    }
    assert!(grandchild.is_some());
}

/// What the test above executes; on its own it has nothing to do.
#[test]
fn the_program_of_another_test() {
    kq_tests::child::exit_as_told();
}

#[test]
#[cfg(has_procdesc)]
fn a_process_descriptor_tells_the_exit() {
    use kq::{Change, ProcEvents};
    use kq_tests::descriptor::checked;
    use kq_tests::{serial, LIMIT};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    let _serial = serial();
    let mut number = -1;
    // SAFETY: the number is valid for the call's write; the child calls _exit and nothing else.
    let pid = unsafe { libc::pdfork(&mut number, 0) };
    if pid == 0 {
        // SAFETY: ends the process.
        unsafe { libc::_exit(5) };
    }
    checked(pid);
    // SAFETY: the call just made the descriptor, and nobody else has it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    let mut queue = TestQueue::new();
    queue.set(Change::procdesc(&descriptor, ProcEvents::EXIT).udata(3));
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    let EventKind::ProcessDescriptor { fd, events, status, .. } = event.kind() else { panic!("{event:?}") };
    assert_eq!((fd, event.udata()), (descriptor.as_raw_fd(), 3));
    assert!(events.contains(ProcEvents::EXIT));
    assert_eq!(status.and_then(|status| status.code()), Some(5));
}

#[test]
#[cfg(has_fs)]
fn nothing_is_mounted() {
    use kq::Change;

    let mut queue = TestQueue::new();
    queue.set(Change::fs().clear());
    queue.nothing();
    queue.set(Change::fs().delete());
    assert_eq!(queue.apply(Change::fs().delete()), Err(libc::ENOENT));
}

#[test]
#[cfg(has_except)]
fn an_urgent_byte_is_an_exception() {
    use kq::Change;
    use kq_tests::LIMIT;
    use std::os::fd::AsRawFd;

    let (client, server) = kq_tests::tcp_pair();
    let mut queue = TestQueue::new();
    queue.set(Change::except(&server).clear().udata(4));
    queue.nothing();
    // SAFETY: the buffer is valid for one byte.
    assert_eq!(unsafe { libc::send(client.as_raw_fd(), [b'!'].as_ptr().cast(), 1, libc::MSG_OOB) }, 1);
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    let EventKind::Except { fd, oob, .. } = event.kind() else { panic!("{event:?}") };
    assert_eq!((fd, oob, event.udata()), (server.as_raw_fd(), true, 4));
}

#[test]
#[cfg(has_note_eof)]
fn the_end_of_a_file_is_told_to_who_asks() {
    use kq::Change;
    use kq_tests::{get, TempDir, LIMIT};

    let dir = TempDir::new();
    let file = dir.file("f", 3);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&file).end_of_file());
    get(&file, 3);
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    assert!(matches!(event.kind(), EventKind::Read { available: Some(0), eof: true, error: None, .. }), "{event:?}");
}

#[test]
#[cfg(freebsd_abi)] // no other system has the flag
fn udata_is_kept_where_the_kernel_can() {
    use kq::{Change, Flags};
    use kq_tests::{pipe, put, LIMIT};

    let (reader, writer) = pipe();
    put(&writer, 1);
    let mut queue = TestQueue::new();
    let watch = Change::read(&reader);
    queue.set(watch.disabled().udata(1));
    queue.set(watch.enable().add_flags(Flags::KEEPUDATA).udata(2));
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    // FreeBSD learned it with 14.
    assert!(event.udata() == 1 || cfg!(freebsd) && event.udata() == 2, "{event:?}");
}
