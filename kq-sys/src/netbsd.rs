//! NetBSD 9 and younger (`<sys/event.h>`, kqueue(2)): filters and flags of 32 bits, lists counted in `size_t`.
//!
//! The call is `__kevent50` with its 40-byte struct, which every release answers; on NetBSD 11 libc does so by
//! converting both lists on the heap. The feature `netbsd11` takes that release's own `__kevent100` with its 72-byte
//! struct instead, for programs that run on NetBSD 11 and younger only.

#[path = "netbsd/constants.rs"]
mod constants;

pub use constants::*;
#[cfg(not(feature = "netbsd11"))]
pub use libc::kevent;
pub use libc::{close, kqueue, kqueue1, timespec};

use crate::table::layout;
use core::ffi::c_void;

/// `kevent.ident`.
pub type ident_t = usize;
/// `kevent.filter`.
pub type filter_t = u32;
/// `kevent.flags`.
pub type flags_t = u32;
/// `kevent.fflags`.
pub type fflags_t = u32;
/// `kevent.data`.
pub type data_t = i64;
/// `kevent.udata`.
pub type udata_t = *mut c_void;
/// `kevent.ext`.
#[cfg(feature = "netbsd11")]
pub type ext_t = [u64; 4];
/// The lengths of the lists of `kevent()`.
pub type count_t = usize;

#[cfg(feature = "netbsd11")]
mod netbsd11 {
    use super::*;
    use core::ffi::c_int;

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

#[cfg(all(not(feature = "netbsd11"), target_pointer_width = "64"))]
layout!(
    kevent: size 40, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 8,
    flags: flags_t, at 12,
    fflags: fflags_t, at 16,
    data: data_t, at 24,
    udata: udata_t, at 32,
);

// i386 aligns 64-bit integers to 4 bytes.
#[cfg(all(not(feature = "netbsd11"), target_pointer_width = "32", target_arch = "x86"))]
layout!(
    kevent: size 28, align 4,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 8,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
);

#[cfg(all(not(feature = "netbsd11"), target_pointer_width = "32", not(target_arch = "x86")))]
layout!(
    kevent: size 32, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 8,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
);

#[cfg(all(feature = "netbsd11", target_pointer_width = "64"))]
layout!(
    kevent: size 72, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 8,
    flags: flags_t, at 12,
    fflags: fflags_t, at 16,
    data: data_t, at 24,
    udata: udata_t, at 32,
    ext: ext_t, at 40,
);

#[cfg(all(feature = "netbsd11", target_pointer_width = "32", target_arch = "x86"))]
layout!(
    kevent: size 60, align 4,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 8,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
    ext: ext_t, at 28,
);

#[cfg(all(feature = "netbsd11", target_pointer_width = "32", not(target_arch = "x86")))]
layout!(
    kevent: size 64, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 8,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
    ext: ext_t, at 32,
);
