//! How many system calls the calls cost on Linux, counted by tracing a child process.
#![cfg(target_os = "linux")]

mod traced;

use std::ffi::c_int;
use std::ptr;

use kq_sys::{
    kevent, kqueue, timespec, EVFILT_READ, EVFILT_TIMER, EVFILT_USER, EVFILT_WRITE, EV_ADD, EV_CLEAR, EV_DELETE,
    NOTE_NODATA, NOTE_TRIGGER,
};
use traced::calls;

const NOW: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

fn change(ident: usize, filter: i16, flags: u16, fflags: u32, data: i64) -> kevent {
    kevent { ident, filter, flags, fflags, data, udata: ptr::null_mut() }
}

fn apply(queue: c_int, change: kevent) {
    // SAFETY: one change, no events.
    let result = unsafe { kevent(queue, &change, 1, ptr::null_mut(), 0, ptr::null()) };
    assert_eq!(result, 0);
}

fn wait(queue: c_int) -> c_int {
    let mut events = [change(0, 0, 0, 0, 0); 8];
    // SAFETY: no changes, room for eight events.
    unsafe { kevent(queue, ptr::null(), 0, events.as_mut_ptr(), 8, &NOW) }
}

fn queue() -> c_int {
    // SAFETY: needs nothing.
    let queue = unsafe { kqueue() };
    assert!(queue >= 0);
    queue
}

fn pipe() -> [c_int; 2] {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    ends
}

fn put(fd: c_int) {
    // SAFETY: one byte.
    assert_eq!(unsafe { libc::write(fd, [0u8].as_ptr().cast(), 1) }, 1);
}

#[test]
fn a_wait_without_events_is_one_call() {
    assert_eq!(calls(queue, |queue| assert_eq!(wait(*queue), 0)), 1);
}

#[test]
fn a_read_event_is_two_calls() {
    let prepare = || {
        let (queue, pipe) = (queue(), pipe());
        apply(queue, change(pipe[0] as usize, EVFILT_READ, EV_ADD, 0, 0));
        put(pipe[1]);
        queue
    };
    assert_eq!(calls(prepare, |queue| assert_eq!(wait(*queue), 1)), 2);
}

#[test]
fn events_without_data_are_one_call_together() {
    let prepare = || {
        let (queue, pipe) = (queue(), pipe());
        apply(queue, change(pipe[0] as usize, EVFILT_READ, EV_ADD, NOTE_NODATA, 0));
        apply(queue, change(pipe[1] as usize, EVFILT_WRITE, EV_ADD, NOTE_NODATA, 0));
        put(pipe[1]);
        queue
    };
    assert_eq!(calls(prepare, |queue| assert_eq!(wait(*queue), 2)), 1);
}

#[test]
fn a_write_event_is_three_calls() {
    let prepare = || {
        let (queue, pipe) = (queue(), pipe());
        apply(queue, change(pipe[1] as usize, EVFILT_WRITE, EV_ADD, 0, 0));
        // The first event also finds out what the descriptor is.
        assert_eq!(wait(queue), 1);
        queue
    };
    assert_eq!(calls(prepare, |queue| assert_eq!(wait(*queue), 1)), 3);
}

#[test]
fn an_add_and_a_delete_are_one_call_each() {
    let prepare = || (queue(), pipe());
    let add = |(queue, pipe): &mut (c_int, [c_int; 2])| {
        apply(*queue, change(pipe[0] as usize, EVFILT_READ, EV_ADD, 0, 0));
    };
    assert_eq!(calls(prepare, add), 1);
    let added = || {
        let mut prepared = prepare();
        add(&mut prepared);
        prepared
    };
    let delete = |(queue, pipe): &mut (c_int, [c_int; 2])| {
        apply(*queue, change(pipe[0] as usize, EVFILT_READ, EV_DELETE, 0, 0));
    };
    assert_eq!(calls(added, delete), 1);
}

#[test]
fn a_trigger_is_one_call() {
    let prepare = || {
        let queue = queue();
        apply(queue, change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0));
        queue
    };
    assert_eq!(calls(prepare, |queue| apply(*queue, change(1, EVFILT_USER, 0, NOTE_TRIGGER, 0))), 1);
}

#[test]
fn a_timer_behind_the_next_one_is_no_call() {
    let prepare = || {
        let queue = queue();
        apply(queue, change(1, EVFILT_TIMER, EV_ADD, 0, 60_000));
        queue
    };
    let more = |queue: &mut c_int| {
        apply(*queue, change(2, EVFILT_TIMER, EV_ADD, 0, 120_000));
        apply(*queue, change(2, EVFILT_TIMER, EV_ADD, 0, 180_000));
        apply(*queue, change(2, EVFILT_TIMER, EV_DELETE, 0, 0));
    };
    assert_eq!(calls(prepare, more), 0);
}
