//! kq-typed
#![forbid(unsafe_code)]

mod check;
mod core;
mod deliver;
mod dynamic;
mod flights;
mod handle;
mod index;
mod into_shared;
mod key;
mod queue;
mod ready;
mod registration;
mod slots;
mod waker;
mod watcher;

pub use dynamic::{Event, EventFilter, EventFlags, Events, EventsIntoIter, EventsIter, Ident, Kqueue, Target};
pub use into_shared::IntoShared;
pub use key::Key;
pub use queue::Queue;
pub use ready::{Batch, Ready, ReadyBuffer};
pub use registration::Registration;
pub use waker::Waker;
pub use watcher::Watcher;

/// The safe, untyped layer: [`Change`](kq::Change), [`EventKind`](kq::EventKind) and the rest.
pub use kq;
/// The lock around the typed door's values.
pub use parking_lot::{Mutex, MutexGuard};
