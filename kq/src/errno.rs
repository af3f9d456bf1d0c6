//! The error numbers that a kernel puts into events and answers calls with.

use std::{fmt, io};

/// An error number of the system (errno(2)), as an event or a failed change carries it.
///
/// It prints as the system's text for it, and becomes an [`io::Error`] with `io::Error::from`.
///
/// ```
/// let errno = kq::Errno::from_raw(libc::EBADF);
/// assert_eq!(errno.raw(), libc::EBADF);
/// assert_eq!(std::io::Error::from(errno).raw_os_error(), Some(libc::EBADF));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(i32);

impl Errno {
    /// The error with this number.
    #[inline]
    pub const fn from_raw(errno: i32) -> Errno {
        Errno(errno)
    }

    /// The number: `libc::EBADF` and so on.
    #[inline]
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// Whether it says that there was no knote to change: ENOENT, or EBADF of a closed descriptor.
    ///
    /// That is no failure for who deletes: a one-shot that was delivered is gone, and no kernel tells that a knote went
    /// with its descriptor.
    ///
    /// ```
    /// # let queue = kq::Kqueue::new()?;
    /// # let timer = kq::Change::timer(1, std::time::Duration::ZERO);
    /// match queue.apply(&[timer.delete()]) {
    ///     Err(error) if !error.errno().is_gone() => return Err(error.into()),
    ///     _ => (),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub const fn is_gone(self) -> bool {
        matches!(self.0, libc::ENOENT | libc::EBADF)
    }

    /// What the standard library sorts the error under.
    pub fn kind(self) -> io::ErrorKind {
        io::Error::from(self).kind()
    }

    /// The error of the call that just failed in this thread.
    pub(crate) fn last() -> Errno {
        Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&io::Error::from(*self), f)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {})", self.0, io::Error::from(*self))
    }
}

impl std::error::Error for Errno {}
