//! DragonFly's types and calls, as of `<sys/event.h>` of 6.x; it runs on 64-bit machines only.

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
        /// `kevent.data`.
        data_t = isize;
        /// `kevent.udata`.
        udata_t = *mut c_void;
        /// The lengths of the lists of `kevent()`.
        count_t = c_int;
    }
    struct kevent {
        fields { ident: ident_t; filter: filter_t; flags: flags_t; fflags: fflags_t; data: data_t; udata: udata_t; }
        lp64: size 32, align 8, at 0 8 10 12 16 24;
    }
    linked {
        kqueue "kqueue": fn() -> c_int;
        kevent "kevent": fn(c_int, *const kevent, count_t, *mut kevent, count_t, *const timespec) -> c_int;
    }
    looked_up {}
}
