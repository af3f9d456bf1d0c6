//! The one place where kq meets the system's call: the struct that it exchanges, and `kevent` itself.

use std::os::fd::RawFd;

use crate::errno::Errno;

#[cfg(not(kevent64))]
pub(crate) use kq_sys::kevent as Raw;
#[cfg(kevent64)]
pub(crate) use kq_sys::kevent64_s as Raw;

/// The type of `Raw::ident`.
#[cfg(kevent64)]
pub(crate) type Ident = u64;
#[cfg(not(kevent64))]
pub(crate) type Ident = kq_sys::ident_t;

/// The type of `Raw::data`.
#[cfg(kevent64)]
pub(crate) type Data = i64;
#[cfg(not(kevent64))]
pub(crate) type Data = kq_sys::data_t;

/// The type of `Raw::udata`.
#[cfg(kevent64)]
pub(crate) type Udata = u64;
#[cfg(not(kevent64))]
pub(crate) type Udata = kq_sys::udata_t;

/// `ident` under the type that all systems share. Apple's 64 bits hold what a change gave, or a 32-bit name.
#[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation)] // another type on Apple
#[inline]
pub(crate) fn ident_of(raw: &Raw) -> usize {
    raw.ident as usize
}

/// `udata` under the type that all systems share. Apple's 64 bits hold what a change gave.
#[allow(clippy::cast_possible_truncation)] // another type on Apple
#[inline]
pub(crate) fn udata_of(raw: &Raw) -> usize {
    raw.udata as usize
}

/// `data` under the type that all systems share.
#[allow(clippy::unnecessary_cast)] // another type on DragonFly
#[inline]
pub(crate) fn data_of(raw: &Raw) -> i64 {
    raw.data as i64
}

/// `data` as the struct has it.
#[allow(clippy::cast_possible_truncation)] // another type on DragonFly, whose machines have 64 bits
#[inline]
pub(crate) fn data_from(data: i64) -> Data {
    data as Data
}

/// The longest list that one call takes: the count is a C int on all systems but NetBSD, and that length is
/// enough there too. Lists of that length are out of a test's reach, so the unit tests have a shorter limit.
pub(crate) const MAX_LIST: usize = if cfg!(test) { 4 } else { i32::MAX as usize };

/// How long a call may wait for events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    Not,
    /// Until this much time has passed.
    For(kq_sys::timespec),
    /// Until an event comes.
    Forever,
}

/// What a call does after its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Report failed and receipted changes, or events if there are none.
    Harvest,
    /// Report failed and receipted changes only, where the system can be told so.
    #[cfg_attr(not(kevent64), allow(dead_code))]
    ReportChanges,
}

/// One `kevent` call: applies `changes`, then writes up to `room` entries to `events`.
///
/// # Safety
/// `changes` is valid for reading `count` entries and `events` for writing `room` entries. They may be the same
/// memory. On DragonFly, whose kernel writes every failed change without looking at `room`, either `room` is at
/// least `count`, or `room` is 0 and `events` is null.
#[inline(always)]
pub(crate) unsafe fn call(
    queue: RawFd,
    changes: *const Raw,
    count: usize,
    events: *mut Raw,
    room: usize,
    wait: Wait,
    then: Then,
) -> Result<usize, Errno> {
    const NOT: kq_sys::timespec = kq_sys::timespec { tv_sec: 0, tv_nsec: 0 };
    let timeout: *const kq_sys::timespec = match &wait {
        Wait::Not => &NOT,
        Wait::For(time) => time,
        Wait::Forever => std::ptr::null(),
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // `MAX_LIST` fits the type on all systems
    let (count, room) = (count.min(MAX_LIST) as kq_sys::count_t, room.min(MAX_LIST) as kq_sys::count_t);

    #[cfg(not(kevent64))]
    let written = {
        let _ = then;
        // SAFETY: the lists are the caller's promise; the timeout is null or lives in `wait` or `NOT`.
        unsafe { kq_sys::kevent(queue, changes, count, events, room, timeout) }
    };
    #[cfg(kevent64)]
    let written = {
        // A zero timeout alone would go through the scheduler when nothing is ready.
        let mut flags = match wait {
            Wait::Not => kq_sys::KEVENT_FLAG_IMMEDIATE,
            _ => kq_sys::KEVENT_FLAG_NONE,
        };
        if then == Then::ReportChanges {
            flags |= kq_sys::KEVENT_FLAG_ERROR_EVENTS;
        }
        // SAFETY: the lists are the caller's promise; the timeout is null or lives in `wait` or `NOT`.
        unsafe { kq_sys::kevent64(queue, changes, count, events, room, flags as _, timeout) }
    };
    usize::try_from(written).map_err(|_| Errno::last())
}
