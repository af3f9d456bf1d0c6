//! macOS, iOS, tvOS, watchOS and visionOS (`<sys/event.h>`, kqueue(2)): `kevent`, packed to 4 bytes, and `kevent64`.

#[path = "apple/constants.rs"]
mod constants;

pub use constants::*;
pub use libc::{close, kevent, kevent64, kevent64_s, kqueue, timespec};

use crate::table::layout;
use core::ffi::{c_int, c_void};

/// `kevent.ident`; that of `kevent64_s` is a `u64`.
pub type ident_t = usize;
/// `kevent.filter` and `kevent64_s.filter`.
pub type filter_t = i16;
/// `kevent.flags` and `kevent64_s.flags`.
pub type flags_t = u16;
/// `kevent.fflags` and `kevent64_s.fflags`.
pub type fflags_t = u32;
/// `kevent.data`; that of `kevent64_s` is an `i64`.
pub type data_t = isize;
/// `kevent.udata`; that of `kevent64_s` is a `u64`.
pub type udata_t = *mut c_void;
/// `kevent64_s.ext`; `kevent` has none.
pub type ext_t = [u64; 2];
/// The lengths of the lists of `kevent()` and `kevent64()`.
pub type count_t = c_int;

#[cfg(target_pointer_width = "64")]
layout!(
    kevent: size 32, align 4,
    ident: ident_t, at 0,
    filter: filter_t, at 8,
    flags: flags_t, at 10,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
);

#[cfg(target_pointer_width = "32")]
layout!(
    kevent: size 20, align 4,
    ident: ident_t, at 0,
    filter: filter_t, at 4,
    flags: flags_t, at 6,
    fflags: fflags_t, at 8,
    data: data_t, at 12,
    udata: udata_t, at 16,
);

#[cfg(target_pointer_width = "64")]
layout!(
    kevent64_s: size 48, align 8,
    ident: u64, at 0,
    filter: filter_t, at 8,
    flags: flags_t, at 10,
    fflags: fflags_t, at 12,
    data: i64, at 16,
    udata: u64, at 24,
    ext: ext_t, at 32,
);

// The offsets are the same on 32-bit machines; whether 64-bit integers are aligned to 4 or to 8 bytes is not.
#[cfg(target_pointer_width = "32")]
const _: () = {
    assert!(core::mem::size_of::<kevent64_s>() == 48);
    assert!(core::mem::align_of::<kevent64_s>() == core::mem::align_of::<u64>());
    assert!(core::mem::offset_of!(kevent64_s, ext) == 32);
};
