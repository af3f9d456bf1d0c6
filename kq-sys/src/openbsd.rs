//! OpenBSD 7 (`<sys/event.h>`, kqueue(2)).

#[path = "openbsd/constants.rs"]
mod constants;

pub use constants::*;
pub use libc::{close, kevent, kqueue, timespec};

use crate::table::layout;
use core::ffi::{c_int, c_void};

/// `kevent.ident`.
pub type ident_t = usize;
/// `kevent.filter`.
pub type filter_t = i16;
/// `kevent.flags`.
pub type flags_t = u16;
/// `kevent.fflags`.
pub type fflags_t = u32;
/// `kevent.data`; 64 bits on every machine.
pub type data_t = i64;
/// `kevent.udata`.
pub type udata_t = *mut c_void;
/// The lengths of the lists of `kevent()`.
pub type count_t = c_int;

/// `int kqueue1(int flags)`: makes a queue, with `O_CLOEXEC` and `O_NONBLOCK` (EINVAL for others).
///
/// Older releases lack it. It is not linked, so that a program starts on them too: look the symbol `kqueue1` up with
/// dlsym(3) and call it through this type.
pub type kqueue1_fn = unsafe extern "C" fn(flags: c_int) -> c_int;

#[cfg(target_pointer_width = "64")]
layout!(
    kevent: size 32, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 8,
    flags: flags_t, at 10,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
);

// i386 aligns 64-bit integers to 4 bytes.
#[cfg(all(target_pointer_width = "32", target_arch = "x86"))]
layout!(
    kevent: size 24, align 4,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 6,
    fflags: fflags_t, at 8,
    data: data_t, at 12,
    udata: udata_t, at 20,
);

#[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
layout!(
    kevent: size 32, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 6,
    fflags: fflags_t, at 8,
    data: data_t, at 16,
    udata: udata_t, at 24,
);
