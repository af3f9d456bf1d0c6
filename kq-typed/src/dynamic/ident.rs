//! `Ident` and `Target`: what is registered, and how a registration is spoken of.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::dynamic::EventFilter;
use crate::key::Key;

/// What can be registered: a number, or a reference to what has a descriptor.
///
/// Numbers are descriptors' (`RawFd`), pids, signals', or, for user events, any. `&socket`, `&file` and a [`BorrowedFd`]
/// say the same as their number; the registration does not keep the descriptor open.
pub trait Ident {
    /// The number, as far as the system's ident has room for it. A negative one becomes one that the kernel refuses.
    fn ident(self) -> Option<usize>;
}

impl Ident for i32 {
    fn ident(self) -> Option<usize> {
        Some(self as usize)
    }
}

impl Ident for u32 {
    fn ident(self) -> Option<usize> {
        usize::try_from(self).ok()
    }
}

impl Ident for u64 {
    fn ident(self) -> Option<usize> {
        usize::try_from(self).ok()
    }
}

impl Ident for usize {
    fn ident(self) -> Option<usize> {
        Some(self)
    }
}

impl Ident for BorrowedFd<'_> {
    fn ident(self) -> Option<usize> {
        self.as_raw_fd().ident()
    }
}

impl<F: AsFd + ?Sized> Ident for &F {
    fn ident(self) -> Option<usize> {
        self.as_fd().ident()
    }
}

/// A registration: by its [`Key`], or by what was registered, `(ident, filter)`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Target {
    /// By key.
    Key(Key),
    /// By ident and filter; without an ident, none.
    Knote(Option<usize>, EventFilter),
}

impl From<Key> for Target {
    fn from(key: Key) -> Target {
        Target::Key(key)
    }
}

impl<I: Ident> From<(I, EventFilter)> for Target {
    fn from((ident, filter): (I, EventFilter)) -> Target {
        Target::Knote(ident.ident(), filter)
    }
}
