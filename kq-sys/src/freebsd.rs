//! FreeBSD 12 and younger (`<sys/event.h>`, kqueue(2)): the 64-byte `struct kevent` with `ext`.

#[path = "freebsd/abi.rs"]
mod abi;
#[path = "freebsd/constants.rs"]
mod constants;

pub use abi::*;
pub use constants::*;
// libc's is this struct unless a build asks it for the ABI of FreeBSD 11; the assertions of `abi` stop such a build.
pub use libc::{close, kevent, kqueue, timespec};

use core::ffi::{c_int, c_uint, c_void};
