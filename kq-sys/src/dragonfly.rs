//! DragonFly 6 (`<sys/event.h>`, kqueue(2)); it runs on 64-bit machines only.
//!
//! Its kernel writes failed changes and receipts past the end of an event list that is too short for them: an
//! `eventlist` has room for as many entries as the `changelist` has.

#[path = "dragonfly/abi.rs"]
mod abi;
#[path = "dragonfly/constants.rs"]
mod constants;

pub use abi::*;
pub use constants::*;
pub use libc::{close, kevent, kqueue, timespec};

use core::ffi::{c_int, c_void};
