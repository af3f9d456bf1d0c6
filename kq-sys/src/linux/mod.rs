//! The calls of kqueue(2), answered in Rust over epoll and its relatives.

mod constants;

pub use constants::*;
pub use libc::timespec;

use core::ffi::{c_int, c_void};

/// `kevent.ident`.
pub type ident_t = usize;
/// `kevent.filter`.
pub type filter_t = i16;
/// `kevent.flags`.
pub type flags_t = u16;
/// `kevent.fflags`.
pub type fflags_t = u32;
/// `kevent.data`.
pub type data_t = i64;
/// `kevent.udata`.
pub type udata_t = *mut c_void;
/// The lengths of the lists of `kevent()`.
pub type count_t = c_int;

/// A change to a queue, or an event from it (kqueue(2)).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct kevent {
    /// What is watched: a descriptor, a pid, a signal's number, a timer's or user event's id.
    pub ident: usize,
    /// `EVFILT_*`.
    pub filter: i16,
    /// `EV_*`.
    pub flags: u16,
    /// `NOTE_*`, by filter.
    pub fflags: u32,
    /// By filter.
    pub data: i64,
    /// Handed back as it came.
    pub udata: *mut c_void,
}

/// Makes a queue.
pub unsafe fn kqueue() -> c_int {
    -1
}

/// FreeBSD's `kqueuex`: makes a queue, with `KQUEUE_CLOEXEC`.
pub unsafe fn kqueuex(_flags: u32) -> c_int {
    -1
}

/// Applies changes and waits for events.
pub unsafe fn kevent(
    _kq: c_int,
    _changelist: *const kevent,
    _nchanges: c_int,
    _eventlist: *mut kevent,
    _nevents: c_int,
    _timeout: *const timespec,
) -> c_int {
    -1
}

/// Closes a queue.
pub unsafe fn close(_fd: c_int) -> c_int {
    -1
}
