//! macOS, iOS, tvOS, watchOS and visionOS (`<sys/event.h>`, kqueue(2)): `kevent`, packed to 4 bytes, and `kevent64`.

#[path = "apple/abi.rs"]
mod abi;
#[path = "apple/constants.rs"]
mod constants;

pub use abi::*;
pub use constants::*;
pub use libc::{close, kevent, kevent64, kevent64_s, kqueue, timespec};

use core::ffi::{c_int, c_uint, c_void};
