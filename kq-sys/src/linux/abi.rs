//! The types of the Linux side: those of FreeBSD, without `ext`. The calls are Rust's.

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
    linked {}
    looked_up {}
}
