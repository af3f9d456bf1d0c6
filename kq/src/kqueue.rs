//! `Kqueue`: the queue and the ownership of its descriptor.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::process::process_id;

/// A kernel event queue (kqueue(2)).
///
/// Every method takes `&self`, and a queue can be shared by threads: one may apply changes while others wait, and of
/// several that wait each event of a [`dispatch`](crate::Change::dispatch) or [`oneshot`](crate::Change::oneshot)
/// registration goes to one. The kernel removes what was registered when the queue is closed.
///
/// A queue is a descriptor itself, which is readable while events are pending: it can be polled, or watched by another
/// queue or a runtime.
///
/// A queue does not pass to a forked child, unless it is made so on FreeBSD 15 (`Builder::copy_on_fork`). Dropped there,
/// it leaves alone whatever the child has under its number; its calls answer EBADF there, or, once the child has given
/// the number to a queue of its own, go to that one. It cannot be sent to another process either.
///
/// ```
/// use kq::{Change, EventBuffer, EventKind, Kqueue};
/// use std::io::Write;
/// use std::time::Duration;
///
/// const PIPE: usize = 1;
///
/// let (receiver, mut sender) = std::os::unix::net::UnixStream::pair()?;
/// let queue = Kqueue::new()?;
/// let mut events = EventBuffer::with_capacity(64);
///
/// queue.apply(&[Change::read(&receiver).udata(PIPE)])?;
/// sender.write_all(b"hello")?;
/// for event in queue.wait(&mut events, Some(Duration::from_secs(10)))? {
///     assert_eq!(event.udata(), PIPE);
///     assert!(matches!(event.kind(), EventKind::Read { available: Some(5), eof: false, .. }));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Kqueue {
    fd: ManuallyDrop<OwnedFd>,
    /// The process that made the queue, or took it over; `None` if forked children have it too.
    pid: Option<u32>,
}

impl Kqueue {
    /// Makes a queue that is closed on exec, atomically where the system can (see [`Builder::close_on_exec`]).
    ///
    /// [`Kqueue::builder`] makes others.
    ///
    /// [`Builder::close_on_exec`]: crate::Builder::close_on_exec
    ///
    /// # Errors
    /// EMFILE and ENFILE if there is no descriptor left, ENOMEM if there is no memory, or, on FreeBSD, if the user has
    /// as many queues as the limits allow.
    pub fn new() -> io::Result<Kqueue> {
        Kqueue::builder().build()
    }

    /// A queue that forked children have a copy of.
    #[cfg(freebsd)]
    pub(crate) fn of_any_process(fd: OwnedFd) -> Kqueue {
        Kqueue { fd: ManuallyDrop::new(fd), pid: None }
    }

    /// The number for the system's calls.
    #[inline]
    pub(crate) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Whether this process made the queue: a forked child did not, and has something else under its number, or
    /// nothing.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.pid.map_or(true, |pid| pid == process_id())
    }

    /// Takes the descriptor out; `self` is not dropped.
    fn into_fd(self) -> OwnedFd {
        let mut queue = ManuallyDrop::new(self);
        // SAFETY: `queue` is never used or dropped again, so the descriptor is taken once.
        unsafe { ManuallyDrop::take(&mut queue.fd) }
    }
}

impl Drop for Kqueue {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        // SAFETY: the descriptor is owned by `self`, which is not used again.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        // Not close(2) alone: on Linux a queue has more descriptors than its own.
        // SAFETY: the descriptor was just taken out of its owner.
        unsafe { kq_sys::close(fd.into_raw_fd()) };
    }
}

/// Takes over a descriptor, which should be a queue's: any other answers every call with EBADF or EINVAL.
impl From<OwnedFd> for Kqueue {
    fn from(fd: OwnedFd) -> Kqueue {
        Kqueue { fd: ManuallyDrop::new(fd), pid: Some(process_id()) }
    }
}

/// Gives the descriptor away. On Linux it is to be closed with `kq_sys::close`, or as a [`Kqueue`] again: close(2)
/// leaves what the queue needed besides it open until its number is a queue's again.
impl From<Kqueue> for OwnedFd {
    fn from(queue: Kqueue) -> OwnedFd {
        queue.into_fd()
    }
}

impl IntoRawFd for Kqueue {
    fn into_raw_fd(self) -> RawFd {
        self.into_fd().into_raw_fd()
    }
}

impl FromRawFd for Kqueue {
    unsafe fn from_raw_fd(fd: RawFd) -> Kqueue {
        // SAFETY: the caller owns the descriptor.
        Kqueue::from(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl AsFd for Kqueue {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Kqueue {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.raw()
    }
}
