//! `Handle`: the ownership of a queue, which both doors stand on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::check::error;
use crate::core::Core;
use crate::deliver::{Buffer, Delivered};
use crate::slots::{Split, WAKER_UDATA};
use crate::waker::{Waker, WAKER_IDENT};

/// A queue and its registrations; dropped, it closes the one and ends the others.
// The fields are dropped in this order: the values when the descriptor is closed.
#[derive(Debug)]
pub(crate) struct Handle<V: Clone> {
    waker: Mutex<Option<Arc<kq::Waker>>>,
    pub(crate) queue: Arc<kq::Kqueue>,
    pub(crate) core: Arc<Core<V>>,
    left_over: Vec<V>,
}

impl<V: Clone> Handle<V> {
    pub(crate) fn new(split: Split) -> io::Result<Handle<V>> {
        let queue = Arc::new(kq::Kqueue::new()?);
        let core = Arc::new(Core::new(Arc::clone(&queue), split));
        Ok(Handle { waker: Mutex::new(None), queue, core, left_over: Vec::new() })
    }

    #[inline(always)] // see kq-sys's `syscall`
    pub(crate) fn wait<E: Delivered<Value = V>>(
        &self,
        buffer: &mut Buffer<E>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.core.wait(&self.queue, buffer, timeout)
    }

    /// The queue's waker, made when first asked for.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        // In a forked child the lock may be held by a thread that the child does not have.
        if !self.core.is_ours() {
            return Err(error(libc::EBADF));
        }
        let mut waker = self.waker.lock();
        let waker = match &mut *waker {
            Some(waker) => waker,
            none => none.insert(Arc::new(kq::Waker::new(&self.queue, WAKER_IDENT, WAKER_UDATA)?)),
        };
        Ok(Waker::new(waker))
    }
}

impl<V: Clone> Drop for Handle<V> {
    fn drop(&mut self) {
        self.left_over = self.core.close();
    }
}

impl<V: Clone> AsFd for Handle<V> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
