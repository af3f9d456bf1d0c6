//! FreeBSD 12 and younger (`<sys/event.h>`, kqueue(2)): the 64-byte `struct kevent` with `ext`.

#[path = "freebsd/constants.rs"]
mod constants;

pub use constants::*;
// libc's is this struct unless a build asks it for the ABI of FreeBSD 11; the assertions below stop such a build.
pub use libc::{close, kevent, kqueue, timespec};

use crate::table::layout;
use core::ffi::{c_int, c_uint, c_void};

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
/// `kevent.ext`.
pub type ext_t = [u64; 4];
/// The lengths of the lists of `kevent()`.
pub type count_t = c_int;

/// `int kqueuex(u_int flags)`: makes a queue, with `KQUEUE_CLOEXEC` and `KQUEUE_CPONFORK`.
///
/// FreeBSD has it from 14.0 on, and in 13.5. It is not linked, so that a program starts on older systems too: look the
/// symbol `kqueuex` up with dlsym(3) and call it through this type.
pub type kqueuex_fn = unsafe extern "C" fn(flags: c_uint) -> c_int;

/// `int kqueue1(int flags)`: makes a queue, with `O_CLOEXEC`.
///
/// It came to FreeBSD's libc with `kqueuex`, for source that was written for NetBSD. Like [`kqueuex_fn`] it is to be
/// looked up with dlsym(3).
pub type kqueue1_fn = unsafe extern "C" fn(flags: c_int) -> c_int;

#[cfg(target_pointer_width = "64")]
layout!(
    kevent: size 64, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 8,
    flags: flags_t, at 10,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
    ext: ext_t, at 32,
);

// i386 aligns 64-bit integers to 4 bytes.
#[cfg(all(target_pointer_width = "32", target_arch = "x86"))]
layout!(
    kevent: size 56, align 4,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 6,
    fflags: fflags_t, at 8,
    data: data_t, at 12,
    udata: udata_t, at 20,
    ext: ext_t, at 24,
);

#[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
layout!(
    kevent: size 64, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 6,
    fflags: fflags_t, at 8,
    data: data_t, at 16,
    udata: udata_t, at 24,
    ext: ext_t, at 32,
);
