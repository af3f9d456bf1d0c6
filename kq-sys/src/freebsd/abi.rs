//! FreeBSD's types and calls, as of `<sys/event.h>` of 12 and younger.

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
        /// `kevent.ext`.
        ext_t = [u64; 4];
        /// The lengths of the lists of `kevent()`.
        count_t = c_int;
    }
    struct kevent {
        fields {
            ident: ident_t; filter: filter_t; flags: flags_t; fflags: fflags_t; data: data_t; udata: udata_t; ext: ext_t;
        }
        lp64: size 64, align 8, at 0 8 10 12 16 24 32;
        i386: size 56, align 4, at 0 4 6 8 12 20 24;
        ilp32: size 64, align 8, at 0 4 6 8 16 24 32;
    }
    linked {
        kqueue "kqueue": fn() -> c_int;
        kevent "kevent": fn(c_int, *const kevent, count_t, *mut kevent, count_t, *const timespec) -> c_int;
    }
    looked_up {
        /// `int kqueuex(u_int flags)`: makes a queue, with `KQUEUE_CLOEXEC` and `KQUEUE_CPONFORK`.
        ///
        /// FreeBSD has it from 14.0 on, and in 13.5. It is not linked, so that a program starts on older systems too:
        /// look the symbol `kqueuex` up with dlsym(3) and call it through this type.
        kqueuex_fn "kqueuex": fn(c_uint) -> c_int;
        /// `int kqueue1(int flags)`: makes a queue, with `O_CLOEXEC`.
        ///
        /// It came to FreeBSD's libc with `kqueuex`, for source that was written for NetBSD. Like [`kqueuex_fn`] it is
        /// to be looked up with dlsym(3).
        kqueue1_fn "kqueue1": fn(c_int) -> c_int;
    }
}
