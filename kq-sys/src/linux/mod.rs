//! The calls of kqueue(2), answered in Rust over epoll and its relatives.

mod abi;
mod backlog;
mod changes;
mod constants;
mod descriptor;
mod event_list;
mod file;
mod harvest;
mod inotify;
mod kind;
mod knote;
mod lock;
mod perf;
mod process;
mod queue;
mod ready;
mod registry;
mod scan;
mod sets;
mod signal;
mod signals;
mod stale;
mod sys;
mod syscall;
mod timer;
mod user;
mod vnode;

pub use abi::*;
pub use constants::*;
pub use libc::timespec;

use core::ffi::{c_int, c_void};

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

/// kqueue(2): makes a queue and returns its number, or -1 with errno set.
///
/// The number is an epoll instance of its own: it can be polled, selected, and put into another queue or an epoll set,
/// and shows readable when an event is pending. Close it with [`close`].
///
/// # Errors
/// EMFILE, ENFILE, ENOMEM; ENOSYS on a kernel before 4.14.
///
/// # Safety
/// None is needed; the call is unsafe as the system's own is elsewhere.
pub unsafe fn kqueue() -> c_int {
    answer(queue::Queue::create(false).map(|number| number as usize))
}

/// `kqueuex` of FreeBSD 14: like [`kqueue`], and with [`KQUEUE_CLOEXEC`] the number is closed on exec.
///
/// # Errors
/// EINVAL for any other flag, and those of [`kqueue`].
///
/// # Safety
/// None is needed; the call is unsafe as the system's own is elsewhere.
pub unsafe fn kqueuex(flags: u32) -> c_int {
    if flags & !KQUEUE_CLOEXEC != 0 {
        return fail(libc::EINVAL);
    }
    answer(queue::Queue::create(flags & KQUEUE_CLOEXEC != 0).map(|number| number as usize))
}

/// kevent(2): applies changes in order, then waits for events; returns how many entries of `eventlist` it filled, or
/// -1 with errno set.
///
/// A change that fails, or asks for a receipt, fills an entry with [`EV_ERROR`] and the errno (or 0) in `data`; where
/// there is one such entry the call does not wait. Without room for it the call ends with the error; the changes
/// before it stay applied. A null `timeout` waits without end.
///
/// # Errors
/// EBADF: `kq` is no queue of this process. EFAULT: the change list is null and has a length, or an event came and the
/// event list is null. EINVAL: the timeout is negative or has nanoseconds above 999,999,999. EINTR: a signal came; the
/// changes were applied. And those of a change for which `eventlist` had no room.
///
/// # Safety
/// `changelist` must be null or valid for reading `nchanges` entries, `eventlist` null or valid for writing `nevents`, and
/// `timeout` null or valid for reading. The lists may be the same array.
#[inline(always)] // see `syscall`
pub unsafe fn kevent(
    kq: c_int,
    changelist: *const kevent,
    nchanges: c_int,
    eventlist: *mut kevent,
    nevents: c_int,
    timeout: *const timespec,
) -> c_int {
    let Some(queue) = registry::find(kq) else { return fail(libc::EBADF) };
    let (nchanges, nevents) = (nchanges.max(0) as usize, nevents.max(0) as usize);
    // SAFETY: the caller's promise.
    unsafe { queue.kevent(changelist, nchanges, eventlist, nevents, timeout) }
}

/// close(2) for a queue: closes the number, and the descriptors that the queue has beside it.
///
/// A thread that waits on the queue is not woken, as on FreeBSD: it goes on until its time is over, or, with EBADF, until
/// an event of a descriptor or a signal comes. After a plain close(2) the queue's other descriptors stay open until the number is a queue again.
///
/// # Errors
/// EBADF, EINTR and EIO as close(2).
///
/// # Safety
/// Nobody else may own the number, as with close(2).
pub unsafe fn close(fd: c_int) -> c_int {
    answer(queue::Queue::close(fd).map(|()| 0))
}

/// What a call returns: a number, or -1 with errno set.
#[inline]
fn answer(result: sys::Result<usize>) -> c_int {
    match result {
        Ok(number) => number as c_int,
        Err(errno) => fail(errno),
    }
}

#[cold]
fn fail(errno: sys::Errno) -> c_int {
    sys::set_errno(errno);
    -1
}
