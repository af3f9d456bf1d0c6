//! NetBSD's types and calls, as of `<sys/event.h>` of 11: `__kevent100` with its 72-byte struct.

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
        /// `kevent.ext`.
        ext_t = [u64; 4];
        /// The lengths of the lists of `kevent()`.
        count_t = usize;
    }
    struct kevent {
        fields {
            ident: ident_t; filter: filter_t; flags: flags_t; fflags: fflags_t; data: data_t; udata: udata_t; ext: ext_t;
        }
        lp64: size 72, align 8, at 0 8 12 16 24 32 40;
        i386: size 60, align 4, at 0 4 8 12 16 24 28;
        ilp32: size 64, align 8, at 0 4 8 12 16 24 32;
    }
    linked {
        kqueue "kqueue": fn() -> c_int;
        kqueue1 "kqueue1": fn(c_int) -> c_int;
        kevent "__kevent100": fn(c_int, *const kevent, count_t, *mut kevent, count_t, *const timespec) -> c_int;
    }
    looked_up {}
}
