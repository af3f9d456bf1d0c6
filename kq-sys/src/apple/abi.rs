//! The types and calls of macOS, iOS, tvOS, watchOS and visionOS, as of the public `<sys/event.h>`.

use super::*;
use crate::table::abi;

abi! {
    types {
        /// `kevent.ident`; that of `kevent64_s` is a `u64`.
        ident_t = usize;
        /// `kevent.filter` and `kevent64_s.filter`.
        filter_t = i16;
        /// `kevent.flags` and `kevent64_s.flags`.
        flags_t = u16;
        /// `kevent.fflags` and `kevent64_s.fflags`.
        fflags_t = u32;
        /// `kevent.data`; that of `kevent64_s` is an `i64`.
        data_t = isize;
        /// `kevent.udata`; that of `kevent64_s` is a `u64`.
        udata_t = *mut c_void;
        /// `kevent64_s.ext`; `kevent` has none.
        ext_t = [u64; 2];
        /// The lengths of the lists of `kevent()` and `kevent64()`.
        count_t = c_int;
    }
    struct kevent {
        fields { ident: ident_t; filter: filter_t; flags: flags_t; fflags: fflags_t; data: data_t; udata: udata_t; }
        lp64: size 32, align 4, at 0 8 10 12 16 24;
        i386: size 20, align 4, at 0 4 6 8 12 16;
        ilp32: size 20, align 4, at 0 4 6 8 12 16;
    }
    struct kevent64_s {
        fields { ident: u64; filter: filter_t; flags: flags_t; fflags: fflags_t; data: i64; udata: u64; ext: ext_t; }
        lp64: size 48, align 8, at 0 8 10 12 16 24 32;
        // Apple's 32-bit ARMs differ in how they align 64-bit integers; the offsets are the same.
        i386: size 48, align core::mem::align_of::<u64>(), at 0 8 10 12 16 24 32;
        ilp32: size 48, align core::mem::align_of::<u64>(), at 0 8 10 12 16 24 32;
    }
    linked {
        kqueue "kqueue": fn() -> c_int;
        kevent "kevent": fn(c_int, *const kevent, count_t, *mut kevent, count_t, *const timespec) -> c_int;
        kevent64 "kevent64":
            fn(c_int, *const kevent64_s, count_t, *mut kevent64_s, count_t, c_uint, *const timespec) -> c_int;
    }
    looked_up {}
}
