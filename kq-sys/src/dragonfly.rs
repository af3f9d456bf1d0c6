//! DragonFly 6 (`<sys/event.h>`, kqueue(2)); it runs on 64-bit machines only.
//!
//! Its kernel writes failed changes and receipts past the end of an event list that is too short for them: an
//! `eventlist` has room for as many entries as the `changelist` has.

#[path = "dragonfly/constants.rs"]
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
/// `kevent.data`.
pub type data_t = isize;
/// `kevent.udata`.
pub type udata_t = *mut c_void;
/// The lengths of the lists of `kevent()`.
pub type count_t = c_int;

layout!(
    kevent: size 32, align 8,
    ident: ident_t, at 0,
    filter: filter_t, at 8,
    flags: flags_t, at 10,
    fflags: fflags_t, at 12,
    data: data_t, at 16,
    udata: udata_t, at 24,
);
