//! `IntoShared`: what can be registered as a `T`.

use std::sync::Arc;

use parking_lot::Mutex;

/// A `T`, or an `Arc<Mutex<T>>` that may be behind other registrations too.
///
/// What [`Queue::register`](crate::Queue::register) takes.
pub trait IntoShared<T> {
    /// The shared value.
    fn into_shared(self) -> Arc<Mutex<T>>;
}

impl<T> IntoShared<T> for T {
    fn into_shared(self) -> Arc<Mutex<T>> {
        Arc::new(Mutex::new(self))
    }
}

impl<T> IntoShared<T> for Arc<Mutex<T>> {
    fn into_shared(self) -> Arc<Mutex<T>> {
        self
    }
}
