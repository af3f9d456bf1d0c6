//! `Waker`: ends another thread's wait.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use crate::check::error;

/// The ident of the waker's user event. It is refused to registrations with EEXIST.
pub(crate) const WAKER_IDENT: usize = isize::MAX as usize;

/// Wakes a thread that waits on a queue, from any thread.
///
/// From [`Queue::waker`](crate::Queue::waker) or [`Kqueue::waker`](crate::Kqueue::waker). The wait that is woken returns
/// no event of the waker's: its batch is what else has happened, or is empty, and says that it was woken
/// ([`Batch::is_woken`](crate::Batch::is_woken), [`Events::is_woken`](crate::Events::is_woken)). Several wakes before a
/// wait returns are one; a wake while nobody waits ends the next wait; of several threads that wait, one is woken.
///
/// A waker does not keep the queue open. Clones wake the same queue.
///
/// ```
/// let queue = kq_typed::Queue::<()>::new()?;
/// let waker = queue.waker()?;
/// let worker = std::thread::spawn(move || waker.wake());
///
/// let mut ready = queue.events(8);
/// assert_eq!(queue.wait(&mut ready, None)?.count(), 0);
/// worker.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Waker {
    waker: Weak<kq::Waker>,
}

impl Waker {
    pub(crate) fn new(waker: &Arc<kq::Waker>) -> Waker {
        Waker { waker: Arc::downgrade(waker) }
    }

    /// Wakes a thread that waits, or the next one that will.
    ///
    /// # Errors
    /// EBADF if the queue was dropped, or is that of the process that this one was forked from.
    #[inline(always)] // see kq-sys's `syscall`
    pub fn wake(&self) -> io::Result<()> {
        self.waker.upgrade().ok_or(error(libc::EBADF))?.wake()
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("queue_is_open", &(self.waker.strong_count() > 0)).finish()
    }
}
