//! The table of a queue's knotes on Linux, beside a map that says what has to be in it.
#![cfg(target_os = "linux")]

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;

use kq_sys::{
    kevent, kqueue, timespec, EVFILT_READ, EVFILT_TIMER, EVFILT_USER, EVFILT_WRITE, EV_ADD, EV_CLEAR, EV_DELETE,
    EV_DISABLE, EV_DISPATCH, EV_ENABLE, EV_ONESHOT, NOTE_TRIGGER,
};

/// Numbers that are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

#[derive(Clone, Copy, Debug)]
struct Knote {
    udata: usize,
    mode: u16,
    disabled: bool,
    triggered: bool,
}

impl Knote {
    /// Whether its event has to come; an edge of a socket may have come before.
    fn must_come(&self, filter: i16) -> bool {
        !self.disabled && if filter == EVFILT_USER { self.triggered } else { self.mode != EV_CLEAR }
    }
}

type Name = (i16, usize);

fn change((filter, ident): Name, flags: u16, fflags: u32, udata: usize) -> kevent {
    const FAR_AWAY: i64 = 1_000_000_000;
    let data = if filter == EVFILT_TIMER { FAR_AWAY } else { 0 };
    kevent { ident, filter, flags, fflags, data, udata: udata as *mut _ }
}

/// Applies a change; its error, or 0.
fn apply(queue: i32, change: kevent) -> i32 {
    // SAFETY: one change, no events.
    match unsafe { kevent(queue, &change, 1, ptr::null_mut(), 0, ptr::null()) } {
        0 => 0,
        _ => io::Error::last_os_error().raw_os_error().unwrap(),
    }
}

fn wait(queue: i32, room: usize) -> Vec<kevent> {
    const NOW: timespec = timespec { tv_sec: 0, tv_nsec: 0 };
    let mut events = vec![change((0, 0), 0, 0, 0); room];
    // SAFETY: no changes, and room for as many events as is said.
    let count = unsafe { kevent(queue, ptr::null(), 0, events.as_mut_ptr(), room as i32, &NOW) };
    events.truncate(usize::try_from(count).expect("a wait that does not fail"));
    events
}

/// Takes the events out of the model, of which each has to be there and ready.
fn take(knotes: &mut HashMap<Name, Knote>, events: &[kevent], room: usize) {
    let due: Vec<Name> = knotes
        .iter()
        .filter(|(name, knote)| name.0 != EVFILT_TIMER && knote.must_come(name.0))
        .map(|(name, _)| *name)
        .collect();
    let mut seen = HashSet::new();
    for event in events {
        let name = (event.filter, event.ident);
        assert!(seen.insert(name), "{name:?} came twice");
        let knote = knotes.get_mut(&name).unwrap_or_else(|| panic!("{name:?} has no knote"));
        assert_eq!(event.udata as usize, knote.udata, "{name:?}");
        assert!(!knote.disabled && (name.0 != EVFILT_USER || knote.triggered), "{name:?} {knote:?}");
        match knote.mode {
            EV_CLEAR => knote.triggered = false,
            EV_DISPATCH => knote.disabled = true,
            EV_ONESHOT => drop(knotes.remove(&name)),
            _ => {}
        }
    }
    let missing: Vec<_> = due.iter().filter(|name| !seen.contains(name)).collect();
    assert!(events.len() == room || missing.is_empty(), "{missing:?} did not come");
}

#[test]
fn the_table_has_what_was_added_and_not_deleted() {
    for seed in 1..=20 {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        // SAFETY: needs nothing.
        let queue = unsafe { kqueue() };
        assert!(queue >= 0);
        let sockets: Vec<_> = (0..20).map(|_| UnixStream::pair().unwrap()).collect();
        sockets.iter().for_each(|(_, peer)| io::Write::write_all(&mut &*peer, b"x").unwrap());
        let idents: Vec<usize> = (0..300)
            .map(|n: usize| [n, n.rotate_right(8), usize::MAX - n, numbers.below(usize::MAX)][numbers.below(4)])
            .collect();
        let mut knotes = HashMap::new();
        for step in 0..6_000 {
            let name = match numbers.below(4) {
                0 | 1 => (EVFILT_USER, numbers.one_of(&idents)),
                2 => (EVFILT_TIMER, numbers.one_of(&idents)),
                _ => (
                    numbers.one_of(&[EVFILT_READ, EVFILT_WRITE]),
                    usize::try_from(sockets[numbers.below(sockets.len())].0.as_raw_fd()).unwrap(),
                ),
            };
            let known = knotes.contains_key(&name);
            let udata = numbers.below(1 << 30);
            // The table grows and shrinks by turns.
            let adds = if step / 1_500 % 2 == 0 { 6 } else { 2 };
            match numbers.below(10) {
                action if action < adds => {
                    let mode = numbers.one_of(&[0, EV_CLEAR, EV_ONESHOT, EV_DISPATCH]);
                    let disabled = numbers.below(4) == 0;
                    let flags = EV_ADD | mode | if disabled { EV_DISABLE } else { 0 };
                    assert_eq!(apply(queue, change(name, flags, 0, udata)), 0);
                    let new = Knote { udata, mode, disabled, triggered: false };
                    let knote = knotes.entry(name).or_insert(new);
                    knote.udata = udata;
                    // Of a knote that is there the mode stays, but the trigger goes with any EV_CLEAR, unless it is a
                    // one-shot that is about to be delivered.
                    knote.triggered &= mode != EV_CLEAR || knote.mode == EV_ONESHOT && !knote.disabled;
                    knote.disabled |= disabled;
                }
                0..=5 => {
                    let outcome = apply(queue, change(name, EV_DELETE, 0, 0));
                    assert_eq!(outcome, if knotes.remove(&name).is_some() { 0 } else { libc::ENOENT });
                }
                6..=8 => {
                    let flags = numbers.one_of(&[EV_ENABLE, EV_DISABLE, 0]);
                    let fflags = if name.0 == EVFILT_USER { NOTE_TRIGGER } else { 0 };
                    let outcome = apply(queue, change(name, flags, fflags, udata));
                    assert_eq!(outcome, if known { 0 } else { libc::ENOENT });
                    if let Some(knote) = knotes.get_mut(&name) {
                        knote.udata = udata;
                        knote.triggered = true;
                        knote.disabled = if flags == 0 { knote.disabled } else { flags == EV_DISABLE };
                    }
                }
                _ => {
                    let room = [1_000, 1 + numbers.below(30)][numbers.below(2)];
                    take(&mut knotes, &wait(queue, room), room);
                }
            }
        }
        // SAFETY: this test's own.
        assert_eq!(unsafe { kq_sys::close(queue) }, 0);
    }
}
