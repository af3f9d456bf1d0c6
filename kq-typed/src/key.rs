//! `Key`: the name of one registration.

use std::fmt;

/// Names a registration, in either door.
///
/// A key is `Copy`, keeps nothing alive, and is never given out a second time: the key of a registration that is over,
/// or of another queue, names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Counts the registrations of the slot; 64 bits do not wrap.
    pub(crate) serial: u64,
    /// The queue's number within the process.
    pub(crate) queue: u32,
    pub(crate) slot: u32,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}.{}.{})", self.queue, self.slot, self.serial)
    }
}
