//! `Watcher`: a ready-made udata.

/// A value to register where a number says enough.
///
/// ```
/// assert_eq!(kq_typed::Watcher::new(123).id, 123);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watcher {
    /// The program's own number for what is watched.
    pub id: u64,
}

impl Watcher {
    /// A watcher with this number.
    pub const fn new(id: u64) -> Watcher {
        Watcher { id }
    }
}
