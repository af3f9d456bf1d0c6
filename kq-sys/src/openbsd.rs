//! OpenBSD 7 (`<sys/event.h>`, kqueue(2)).

#[path = "openbsd/abi.rs"]
mod abi;
#[path = "openbsd/constants.rs"]
mod constants;

pub use abi::*;
pub use constants::*;
pub use libc::{close, kevent, kqueue, timespec};

use core::ffi::{c_int, c_void};
