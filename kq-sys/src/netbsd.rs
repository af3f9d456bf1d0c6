//! NetBSD 9 and younger (`<sys/event.h>`, kqueue(2)): filters and flags of 32 bits, lists counted in `size_t`.
//!
//! The call is `__kevent50` with its 40-byte struct, which every release answers; on NetBSD 11 libc does so by
//! converting both lists on the heap. The feature `netbsd11` takes that release's own `__kevent100` with its 72-byte
//! struct instead, for programs that run on NetBSD 11 and younger only.

#[cfg(not(feature = "netbsd11"))]
#[path = "netbsd/abi.rs"]
mod abi;
#[cfg(feature = "netbsd11")]
#[path = "netbsd/abi11.rs"]
mod abi;
#[path = "netbsd/constants.rs"]
mod constants;

pub use abi::*;
pub use constants::*;
#[cfg(not(feature = "netbsd11"))]
pub use libc::kevent;
pub use libc::{close, kqueue, kqueue1, timespec};

use core::ffi::{c_int, c_void};

#[cfg(feature = "netbsd11")]
mod netbsd11 {
    use super::*;

    /// A change to a queue, or an event from it (kqueue(2)), as NetBSD 11 has it.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct kevent {
        /// What is watched: a descriptor, a pid, a signal's number, a timer's or user event's id.
        pub ident: ident_t,
        /// `EVFILT_*`.
        pub filter: filter_t,
        /// `EV_*`.
        pub flags: flags_t,
        /// `NOTE_*`, by filter.
        pub fflags: fflags_t,
        /// By filter.
        pub data: data_t,
        /// Handed back as it came.
        pub udata: udata_t,
        /// By filter; what the filter does not use is handed back as it came.
        pub ext: ext_t,
    }

    extern "C" {
        /// Applies the changes, then waits for events (kqueue(2)).
        ///
        /// Returns the number of entries in `eventlist`, or -1 and errno.
        ///
        /// # Safety
        /// `changelist` is valid for `nchanges` reads, `eventlist` for `nevents` writes (either may be null with a
        /// length of 0), and `timeout` is null or valid for a read.
        #[link_name = "__kevent100"]
        pub fn kevent(
            kq: c_int,
            changelist: *const kevent,
            nchanges: count_t,
            eventlist: *mut kevent,
            nevents: count_t,
            timeout: *const timespec,
        ) -> c_int;
    }
}
#[cfg(feature = "netbsd11")]
pub use netbsd11::kevent;
