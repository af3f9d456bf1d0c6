//! `Queue<T>`: the typed door, where every registration carries a `T`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use kq::Change;
use parking_lot::Mutex;

use crate::check::error;
use crate::core::{Collision, Ending};
use crate::deliver::Buffer;
use crate::handle::Handle;
use crate::into_shared::IntoShared;
use crate::key::Key;
use crate::ready::{Batch, ReadyBuffer};
use crate::registration::Registration;
use crate::slots::Split;
use crate::waker::Waker;

/// A kernel event queue (kqueue(2)) whose every registration carries a `T`.
///
/// [`register`](Queue::register) gives a [`Registration`], which owns the value's place in the queue;
/// [`wait`](Queue::wait) gives the events, each with its registration's `Arc<Mutex<T>>`.
///
/// Every method takes `&self`, and where `T: Send` the queue can be shared by threads: any number may wait, each with a
/// [`ReadyBuffer`] of its own, while others register, modify and deregister. An event of a
/// [`dispatch`](Change::dispatch) or [`oneshot`](Change::oneshot) registration goes to one of the threads that wait.
///
/// Dropping the queue closes it and ends all registrations; the values whose `Registration` was detached or is gone are
/// dropped then, after the descriptor was closed. Registrations that are left hold their values, and answer changes with
/// EBADF.
///
/// ```
/// use kq_typed::kq::{Change, EventKind};
/// use kq_typed::{Queue, Registration};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// struct Conn { socket: UnixStream, received: Vec<u8> }
/// # impl std::os::fd::AsFd for Conn {
/// #     fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> { self.socket.as_fd() }
/// # }
///
/// let (socket, mut peer) = UnixStream::pair()?;
/// let queue: Queue<Conn> = Queue::new()?;
/// let conn: Registration<Conn> =
///     queue.register_owned(Conn { socket, received: Vec::new() }, |conn| Change::read(conn).clear())?;
/// peer.write_all(b"hello")?;
///
/// let mut ready = queue.events(64);
/// for event in queue.wait(&mut ready, None)? {
///     let mut conn = event.udata().lock();
///     if let EventKind::Read { available: Some(bytes), .. } = event.kind() {
///         let mut buffer = vec![0; bytes as usize];
///         conn.socket.read_exact(&mut buffer)?;
///         conn.received.extend(buffer);
///     }
/// }
/// assert_eq!(conn.udata().lock().received, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Queue<T> {
    pub(crate) handle: Handle<Arc<Mutex<T>>>,
}

impl<T> Queue<T> {
    /// Makes a queue that is closed on exec.
    ///
    /// # Errors
    /// As [`kq::Kqueue::new`]: EMFILE and ENFILE without a descriptor left, ENOMEM.
    pub fn new() -> io::Result<Queue<T>> {
        Queue::with_split(Split::NATIVE)
    }

    pub(crate) fn with_split(split: Split) -> io::Result<Queue<T>> {
        Ok(Queue { handle: Handle::new(split)? })
    }

    /// Registers what `change` says, with a `T` or an `Arc<Mutex<T>>`.
    ///
    /// The registration lasts as long as the [`Registration`] that is returned (see there).
    ///
    /// `change` holds a descriptor's number only: [`register_owned`](Queue::register_owned) keeps the descriptor open
    /// for as long as it is registered. If it is closed before, the knote is gone without a word, and the next
    /// registration of the number finds that out.
    ///
    /// # Errors
    /// The value is dropped; pass a clone of an `Arc` to keep it. Nothing is left in queue or store.
    /// - EEXIST: another registration has the knote (a queue has one for each ident and filter), or it is the user event
    ///   with the ident `isize::MAX as usize`, which is the queue's own.
    /// - EINVAL: the change is not one that adds, has a udata (the queue's own business), NOTE_TRACK,
    ///   EV_UDATA_SPECIFIC or EV_KEEPUDATA; or the kernel says so.
    /// - EBADF: the descriptor is closed, negative, or cannot be one; or the queue belongs to the process that this one
    ///   was forked from.
    /// - ESRCH: there is no such process.
    /// - ENOMEM: there is no memory, or no key (with pointers of 32 bits there are 2²⁰), or no timer left.
    /// - Whatever else the kernel answers: see [`kq::Kqueue::apply`].
    pub fn register(&self, change: Change, value: impl IntoShared<T>) -> io::Result<Registration<T>> {
        let value = value.into_shared();
        let core = &self.handle.core;
        let key = core.register(change, Arc::clone(&value), false, Collision::Refuse)?;
        Ok(Registration::new(core, key, value))
    }

    /// Registers a value that owns its descriptor, so that the number stays its own for as long as it is registered.
    ///
    /// `change` is made from the value: `queue.register_owned(socket, |socket| Change::read(socket).clear())`. When the
    /// registration ends the knote goes first, then the value with its descriptor.
    ///
    /// # Errors
    /// EINVAL if the change is not of the value's descriptor; otherwise as [`register`](Queue::register).
    pub fn register_owned(&self, value: T, change: impl FnOnce(&T) -> Change) -> io::Result<Registration<T>>
    where
        T: AsFd,
    {
        let change = change(&value);
        if usize::try_from(value.as_fd().as_raw_fd()).ok() != Some(change.ident()) {
            return Err(error(libc::EINVAL));
        }
        self.register(change, value)
    }

    /// Room for `capacity` events (at least one), to be used for any number of waits, by one thread at a time.
    ///
    /// # Panics
    /// As [`kq::EventBuffer::with_capacity`].
    pub fn events(&self, capacity: usize) -> ReadyBuffer<T> {
        ReadyBuffer::with_capacity(capacity)
    }

    /// Waits until there are events, or `timeout` has passed, and gives them one by one.
    ///
    /// With `None` it waits without end, with a zero timeout not at all. The batch is empty when the time is up, or when
    /// a [`Waker`] woke this thread ([`Batch::is_woken`]). A signal handler that runs meanwhile does not end the wait: it
    /// goes on with the time that is left.
    ///
    /// What is still in the buffer from a batch before is dropped first, so no value is held while waiting.
    ///
    /// # Errors
    /// EBADF in a forked child, to which queues do not pass.
    #[inline(always)] // see kq-sys's `syscall`
    pub fn wait<'a>(&'a self, ready: &'a mut ReadyBuffer<T>, timeout: Option<Duration>) -> io::Result<Batch<'a, T>> {
        self.handle.wait(&mut ready.buffer, timeout)?;
        let Buffer { raw, pending, .. } = &mut ready.buffer;
        let woken = pending.woken;
        Ok(Batch { events: raw.events(), turns: pending.turns(&self.handle.core), woken })
    }

    /// The value of a registration, if it is not over.
    pub fn get(&self, id: Key) -> Option<Arc<Mutex<T>>> {
        self.handle.core.get(id)
    }

    /// Ends a registration, detached or not, and gives its value; `None` if it is over already.
    pub fn deregister(&self, id: Key) -> Option<Arc<Mutex<T>>> {
        self.handle.core.end(id, Ending::Deregistered)
    }

    /// [`Registration::modify`], by key.
    ///
    /// # Errors
    /// As there; ENOENT also if the registration is over.
    pub fn modify(&self, id: Key, change: Change) -> io::Result<()> {
        self.handle.core.modify(id, change)
    }

    /// [`Registration::enable`], by key.
    ///
    /// # Errors
    /// As there; ENOENT also if the registration is over.
    pub fn enable(&self, id: Key) -> io::Result<()> {
        self.handle.core.switch(id, true)
    }

    /// [`Registration::disable`], by key.
    ///
    /// # Errors
    /// As there; ENOENT also if the registration is over.
    pub fn disable(&self, id: Key) -> io::Result<()> {
        self.handle.core.switch(id, false)
    }

    /// [`Registration::trigger`], by key.
    ///
    /// # Errors
    /// As there; ENOENT also if the registration is over.
    #[cfg(has_user)]
    pub fn trigger(&self, id: Key) -> io::Result<()> {
        self.handle.core.trigger(id)
    }

    /// The queue's waker, which ends another thread's wait.
    ///
    /// # Errors
    /// As [`kq::Waker::new`]; EBADF in a forked child.
    pub fn waker(&self) -> io::Result<Waker> {
        self.handle.waker()
    }
}

/// The queue's descriptor, to be polled or put into another queue: it is readable while events are pending.
impl<T> AsFd for Queue<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl<T> AsRawFd for Queue<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("fd", &self.as_raw_fd()).finish_non_exhaustive()
    }
}

// Not under miri: they make system calls.
#[cfg(all(test, has_user, not(miri)))]
mod tests;
