//! OpenBSD's types and calls, as of `<sys/event.h>` of 7.9.

use super::*;
use crate::table::abi;

abi! {
    types {
        /// `kevent.ident`.
        ident_t = usize;
        /// `kevent.filter`.
        filter_t = i16;
        /// `kevent.flags`.
        flags_t = u16;
        /// `kevent.fflags`.
        fflags_t = u32;
        /// `kevent.data`; 64 bits on every machine.
        data_t = i64;
        /// `kevent.udata`.
        udata_t = *mut c_void;
        /// The lengths of the lists of `kevent()`.
        count_t = c_int;
    }
    struct kevent {
        fields { ident: ident_t; filter: filter_t; flags: flags_t; fflags: fflags_t; data: data_t; udata: udata_t; }
        lp64: size 32, align 8, at 0 8 10 12 16 24;
        i386: size 24, align 4, at 0 4 6 8 12 20;
        ilp32: size 32, align 8, at 0 4 6 8 16 24;
    }
    linked {
        kqueue "kqueue": fn() -> c_int;
        kevent "kevent": fn(c_int, *const kevent, count_t, *mut kevent, count_t, *const timespec) -> c_int;
    }
    looked_up {
        /// `int kqueue1(int flags)`: makes a queue, with `O_CLOEXEC` and `O_NONBLOCK` (EINVAL for others).
        ///
        /// Older releases lack it. It is not linked, so that a program starts on them too: look the symbol `kqueue1` up
        /// with dlsym(3) and call it through this type.
        kqueue1_fn "kqueue1": fn(c_int) -> c_int;
    }
}
