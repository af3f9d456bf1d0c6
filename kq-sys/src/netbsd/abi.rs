//! NetBSD's types and calls, as of `<sys/event.h>` of 9 and 10: `__kevent50` with its 40-byte struct.

use super::*;
use crate::table::abi;

abi! {
    types {
        /// `kevent.ident`.
        ident_t = usize;
        /// `kevent.filter`.
        filter_t = u32;
        /// `kevent.flags`.
        flags_t = u32;
        /// `kevent.fflags`.
        fflags_t = u32;
        /// `kevent.data`.
        data_t = i64;
        /// `kevent.udata`.
        udata_t = *mut c_void;
        /// The lengths of the lists of `kevent()`.
        count_t = usize;
    }
    struct kevent {
        fields { ident: ident_t; filter: filter_t; flags: flags_t; fflags: fflags_t; data: data_t; udata: udata_t; }
        lp64: size 40, align 8, at 0 8 12 16 24 32;
        i386: size 28, align 4, at 0 4 8 12 16 24;
        ilp32: size 32, align 8, at 0 4 8 12 16 24;
    }
    linked {
        kqueue "kqueue": fn() -> c_int;
        kqueue1 "kqueue1": fn(c_int) -> c_int;
        kevent "__kevent50": fn(c_int, *const kevent, count_t, *mut kevent, count_t, *const timespec) -> c_int;
    }
    looked_up {}
}
