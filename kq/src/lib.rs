//! kq
mod apply;
mod buffer;
mod change;
mod create;
mod errno;
mod event;
mod filter;
mod flags;
mod kind;
mod kqueue;
mod notes;
mod receipts;
mod status;
mod sys;
mod timeout;
mod timer;
mod wait;
mod waker;

pub use apply::ApplyError;
pub use buffer::EventBuffer;
pub use change::Change;
pub use errno::Errno;
pub use event::Event;
pub use filter::Filter;
#[cfg(has_jail)]
pub use flags::JailEvents;
#[cfg(has_vm)]
pub use flags::VmEvents;
pub use flags::{Flags, ProcEvents, VnodeEvents};
pub use kind::EventKind;
pub use kqueue::Kqueue;
pub use receipts::{Receipt, Receipts};
pub use waker::Waker;

/// The raw calls, structs and constants that kq stands on.
pub use kq_sys;
