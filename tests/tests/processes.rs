//! PROC: exits with their status, of children that run, are zombies, or are gone.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use kq::{Change, Event, EventKind, Filter, Flags, ProcEvents};
use kq_tests::{child, pipe, serial, want, Child, TestQueue, Want, LIMIT};

/// Wants the exit of a child with this wait status.
fn want_exit(child: &Child, status: i64) -> Want {
    // Apple's kernel says with a note that the status was asked for.
    let notes = Change::process(child.pid(), ProcEvents::EXIT).get_fflags();
    let flags = Flags::EOF | Flags::ONESHOT | Flags::CLEAR;
    want(Filter::PROC, child.ident()).flags(flags).fflags(notes).data(status)
}

fn watch(child: &Child) -> Change {
    Change::process(child.pid(), ProcEvents::EXIT)
}

#[track_caller]
fn exit_code(event: &Event) -> Option<i32> {
    match event.kind() {
        EventKind::Process { status: Some(status), .. } => status.code(),
        kind => panic!("{kind:?}"),
    }
}

#[test]
fn an_exit_is_reported_once_with_its_status() {
    let _serial = serial();
    let mut child = Child::exiting(7);
    let mut queue = TestQueue::new();
    queue.set(watch(&child).udata(1));
    queue.nothing();
    child.release();
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    assert!(want_exit(&child, 0x700).udata(1).is(&event), "{event:?}");
    let EventKind::Process { pid, events, status, .. } = event.kind() else { panic!("{event:?}") };
    assert_eq!(pid, child.pid());
    assert!(events.contains(ProcEvents::EXIT));
    assert_eq!(status.and_then(|status| status.code()), Some(7));
    queue.nothing();
    assert_eq!(queue.apply(watch(&child).delete()), Err(libc::ENOENT));
    // The queue has told of the exit and left the child to its parent.
    assert_eq!(child.reap().code(), Some(7));
}

#[test]
fn an_end_by_a_signal_is_told_from_an_exit() {
    let _serial = serial();
    let child = Child::exiting(0);
    let mut queue = TestQueue::new();
    queue.set(watch(&child));
    let pid = libc::pid_t::try_from(child.pid()).unwrap();
    // SAFETY: takes numbers only; the child was not waited for, so the pid is its own.
    kq_tests::descriptor::checked(unsafe { libc::kill(pid, libc::SIGKILL) });
    let events = queue.wait(LIMIT);
    let [event] = events[..] else { panic!("{events:?}") };
    let EventKind::Process { status: Some(status), .. } = event.kind() else { panic!("{event:?}") };
    assert_eq!((status.code(), status.signal()), (None, Some(libc::SIGKILL)));
}

#[test]
fn a_zombie() {
    let _serial = serial();
    let mut child = Child::exiting(3);
    let mut first = TestQueue::new();
    first.set(watch(&child));
    child.release();
    assert_eq!(exit_code(&first.wait(LIMIT)[0]), Some(3));

    let mut queue = TestQueue::new();
    if cfg!(any(freebsd_abi, dragonfly)) {
        queue.set(watch(&child).udata(1));
        queue.sees(&[want_exit(&child, 0x300).udata(1)]);
    } else {
        assert_eq!(queue.apply(watch(&child).udata(1)), Err(libc::ESRCH));
    }
    queue.nothing();
}

#[test]
fn a_process_that_is_gone() {
    let _serial = serial();
    let mut child = Child::exiting(3);
    child.reap();
    let mut queue = TestQueue::new();
    assert_eq!(queue.apply(watch(&child).udata(1)), Err(libc::ESRCH));
    queue.nothing();
}

#[test]
fn a_process_that_is_gone_before_the_wait() {
    let _serial = serial();
    let mut child = Child::exiting(5);
    let mut queue = TestQueue::new();
    queue.set(watch(&child).udata(1));
    child.reap();
    queue.sees(&[want_exit(&child, 0x500).udata(1)]);
    queue.nothing();
}

#[test]
fn a_deleted_knote_reports_no_exit() {
    let _serial = serial();
    let mut child = Child::exiting(5);
    let mut queue = TestQueue::new();
    queue.set(watch(&child).udata(1));
    queue.set(watch(&child).delete());
    child.reap();
    queue.nothing();
}

#[test]
fn nothing_was_asked_for() {
    let _serial = serial();
    let mut child = Child::exiting(5);
    let mut queue = TestQueue::new();
    queue.set(Change::process(child.pid(), ProcEvents::empty()).udata(1));
    child.reap();
    // Only FreeBSD drops the exit then.
    if cfg!(freebsd_abi) {
        queue.nothing();
    }
}

#[test]
fn many_children() {
    let _serial = serial();
    let mut queue = TestQueue::new();
    let mut children: Vec<Child> = (0..20).map(Child::exiting).collect();
    for (number, child) in children.iter().enumerate() {
        queue.set(watch(child).udata(number));
    }
    queue.nothing();
    children.iter_mut().for_each(Child::release);
    let mut codes = vec![None; children.len()];
    while codes.contains(&None) {
        let events = queue.wait(LIMIT);
        assert!(!events.is_empty(), "saw {codes:?}");
        for event in &events {
            let number = event.udata();
            assert_eq!(event.ident(), children[number].ident());
            assert_eq!(codes[number].replace(exit_code(event)), None, "twice");
        }
    }
    let wanted: Vec<_> = (0..20).map(|code| Some(Some(code))).collect();
    assert_eq!(codes, wanted);
}

#[test]
fn a_child_of_the_standard_library() {
    let _serial = serial();
    // Held by its standard input: it exits as told, but only after the pipe is closed.
    let (reader, writer) = pipe();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_program_of_another_test", "--quiet"])
        .env(child::EXIT, "9")
        .stdin(reader)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::process(child.id(), ProcEvents::EXIT).udata(1));
    queue.nothing();
    drop(writer);
    let events = queue.wait(LIMIT);
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].ident(), exit_code(&events[0])), (child.id() as usize, Some(9)));
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

/// What the tests above and below execute; on its own it has nothing to do.
#[test]
fn the_program_of_another_test() {
    child::exit_as_told();
}

#[test]
fn fork_and_exec_come_with_the_exit() {
    let _serial = serial();
    let mut child = Child::executing("the_program_of_another_test", 9);
    let mut queue = TestQueue::new();
    let all = ProcEvents::EXIT | ProcEvents::FORK | ProcEvents::EXEC;
    let change = Change::process(child.pid(), all).udata(1);
    match queue.apply(change) {
        // There the notes take performance events, which the machine may keep from its users.
        Err(libc::ENOTSUP) if cfg!(linux) => return,
        outcome => assert_eq!(outcome, Ok(())),
    }
    child.release();
    // Whatever was told before: in the end all three were.
    let mut seen = ProcEvents::empty();
    loop {
        let events = queue.wait(LIMIT);
        let [event] = events[..] else { panic!("{events:?}, after {seen:?}") };
        let EventKind::Process { events, status, .. } = event.kind() else { panic!("{event:?}") };
        seen |= events;
        if events.contains(ProcEvents::EXIT) {
            assert_eq!(status.and_then(|status| status.code()), Some(9));
            break;
        }
    }
    assert!(seen.contains(all), "{seen:?}");
}

#[test]
#[cfg(freebsd_abi)] // there the knote takes the note when it happens, whatever is asked for later
fn an_exit_before_a_change_was_lost_with_what_was_asked_then() {
    let _serial = serial();
    for asked_later in [Change::disabled as fn(Change) -> Change, Change::enable] {
        let mut child = Child::exiting(4);
        let mut queue = TestQueue::new();
        queue.set(watch(&child));
        queue.set(asked_later(watch(&child)));
        child.reap();
        queue.set(Change::process(child.pid(), ProcEvents::empty()).enable().udata(2));
        queue.sees(&[want_exit(&child, 0x400).udata(2)]);
        queue.nothing();
    }
}

#[test]
#[cfg(freebsd_abi)] // as above
fn a_fork_before_a_change_came_with_the_next_event_only() {
    let _serial = serial();
    let (told, tells) = pipe();
    let (ends, end) = pipe();
    for is_disabled in [true, false] {
        let (tells, ends) = (std::os::fd::AsRawFd::as_raw_fd(&tells), std::os::fd::AsRawFd::as_raw_fd(&ends));
        // SAFETY: fork, waitpid, write and read are async-signal-safe.
        let mut child = unsafe {
            Child::forked(|| {
                let grandchild = libc::fork();
                if grandchild == 0 {
                    libc::_exit(0);
                }
                libc::waitpid(grandchild, std::ptr::null_mut(), 0);
                let mut byte = [0_u8];
                libc::write(tells, byte.as_ptr().cast(), 1);
                libc::read(ends, byte.as_mut_ptr().cast(), 1);
                0
            })
        };
        let mut queue = TestQueue::new();
        let watched = Change::process(child.pid(), ProcEvents::FORK).udata(1);
        match queue.apply(if is_disabled { watched.disabled() } else { watched }) {
            // There the note takes a performance event, which the machine may keep from its users.
            Err(libc::ENOTSUP) if cfg!(linux) => return,
            outcome => assert_eq!(outcome, Ok(())),
        }
        child.release();
        kq_tests::get(&told, 1);
        queue.set(watched.enable());
        let events = queue.wait(LIMIT);
        assert!(matches!(events[..], [event] if event.fflags() == kq_sys::NOTE_FORK), "{events:?}");
        queue.nothing();
        kq_tests::put(&end, 1);
        child.reap();
    }
}

#[test]
#[cfg(freebsd_abi)] // as above
fn an_exit_that_nobody_had_asked_for_came_after_a_change() {
    let _serial = serial();
    let mut child = Child::exiting(4);
    let mut queue = TestQueue::new();
    queue.set(Change::process(child.pid(), ProcEvents::empty()));
    child.reap();
    queue.set(watch(&child));
    queue.nothing();
    assert_eq!(queue.apply(watch(&child).delete()), Err(libc::ENOENT));
}

#[test]
#[cfg(freebsd_abi)] // only an exit is worth asking a zombie for
fn a_zombie_was_watched_for_what_it_can_not_do() {
    let _serial = serial();
    let mut child = Child::exiting(3);
    child.release();
    // The exit is told of a little before it is over.
    // SAFETY: a siginfo is plain data, and the call is given one to write to.
    kq_tests::descriptor::checked(unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PID, child.pid() as libc::id_t, &mut info, libc::WEXITED | libc::WNOWAIT)
    });
    let mut queue = TestQueue::new();
    for events in [ProcEvents::empty(), ProcEvents::FORK, ProcEvents::EXEC] {
        assert_eq!(queue.apply(Change::process(child.pid(), events)), Err(libc::ESRCH), "{events:?}");
    }
    queue.nothing();
}
