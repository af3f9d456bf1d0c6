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
///     if let EventKind::Read { available: Some(bytes), .. } = event.event().kind() {
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
    /// - EEXIST: another registration has the knote (a queue has one for each ident and filter).
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
    pub fn events(&self, capacity: usize) -> ReadyBuffer<T> {
        ReadyBuffer::with_capacity(capacity)
    }

    /// Waits until there are events, or `timeout` has passed, and gives them one by one.
    ///
    /// With `None` it waits without end, with a zero timeout not at all. The batch is empty when the time is up, or when
    /// a [`Waker`] woke this thread. A signal handler that runs meanwhile does not end the wait: it goes on with the
    /// time that is left.
    ///
    /// What is still in the buffer from a batch before is dropped first, so no value is held while waiting.
    ///
    /// # Errors
    /// EBADF (EINVAL on some systems) in a forked child, to which queues do not pass.
    pub fn wait<'a>(&'a self, ready: &'a mut ReadyBuffer<T>, timeout: Option<Duration>) -> io::Result<Batch<'a, T>> {
        self.handle.wait(&mut ready.buffer, timeout)?;
        let Buffer { raw, pending } = &mut ready.buffer;
        Ok(Batch { core: &self.handle.core, events: raw.events(), pending })
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
    /// As [`kq::Waker::new`].
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

#[cfg(all(test, has_user))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    /// Generations of few bits come round all the time, and still no event meets the wrong value.
    fn stress(split: Split, threads: usize, rounds: usize) {
        let queue: Queue<usize> = Queue::with_split(split).unwrap();
        let events = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (queue, events) = (&queue, &events);
                scope.spawn(move || {
                    let mut ready = queue.events(4);
                    let mut live = Vec::new();
                    for round in 0..rounds {
                        let ident = thread * rounds + round;
                        // All slots may be at rest until the waits of the other threads have ended, which they will.
                        let start = Instant::now();
                        let registration = loop {
                            match queue.register(Change::user(ident).clear(), ident) {
                                Ok(registration) => break registration,
                                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOMEM)),
                            }
                            assert!(start.elapsed() < Duration::from_secs(60), "no slot comes free");
                            std::thread::yield_now();
                        };
                        registration.trigger().unwrap();
                        live.push(registration);
                        if live.len() > 2 || round % 3 == 0 {
                            live.clear();
                        }
                        for event in queue.wait(&mut ready, Some(Duration::ZERO)).unwrap() {
                            assert_eq!(*event.udata().lock(), event.event().ident());
                            events.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert!(events.into_inner() > 0);
    }

    #[test]
    fn generations_of_few_bits() {
        stress(Split::new(4, 1), 4, 3_000);
        stress(Split::new(5, 2), 4, 3_000);
    }

    #[test]
    fn the_keys_of_32_bits() {
        stress(Split::NARROW, 4, 5_000);
    }

    #[test]
    fn there_is_no_slot_beyond_the_last() {
        let queue: Queue<usize> = Queue::with_split(Split::new(2, 4)).unwrap();
        let mut all: Vec<_> = (0..4).map(|id| queue.register(Change::user(id), id).unwrap()).collect();
        let value = Arc::new(Mutex::new(9));
        let refused = queue.register(Change::user(9), value.clone()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENOMEM));
        assert_eq!(Arc::strong_count(&value), 1);
        all.pop();
        let _ninth = queue.register(Change::user(9), value).unwrap();
    }

    /// What is received apart from the queue's own wait, as by a thread that has not looked it up yet.
    fn receive(queue: &Queue<usize>) -> kq::Event {
        let mut raw = kq::EventBuffer::with_capacity(1);
        queue.handle.queue.wait(&mut raw, Some(Duration::from_secs(30))).unwrap()[0]
    }

    /// The values that a batch of `event` gives.
    fn values(queue: &Queue<usize>, event: kq::Event) -> Vec<usize> {
        let mut ready = queue.events(1);
        let pending = &mut ready.buffer.pending;
        queue.handle.core.look_up(&[event], pending);
        let batch = Batch { core: &queue.handle.core, events: &[event], pending };
        batch.map(|event| *event.udata().lock()).collect()
    }

    #[test]
    fn an_old_event_does_not_reach_the_slots_new_tenant() {
        let queue: Queue<usize> = Queue::new().unwrap();
        let old = queue.register(Change::user(1), 1).unwrap();
        old.trigger().unwrap();
        let event = receive(&queue);
        assert_eq!(values(&queue, event), [1]);
        drop(old);
        assert_eq!(values(&queue, event), []);
        // The same slot, the same ident and filter.
        let _new = queue.register(Change::user(1), 2).unwrap();
        assert_eq!(values(&queue, event), []);
    }

    #[test]
    fn an_event_that_is_not_its_slots_is_dropped() {
        let queue: Queue<usize> = Queue::new().unwrap();
        let registration = queue.register(Change::user(1), 1).unwrap();
        let stored = queue.handle.core.stored(registration.id()).unwrap();
        // What a kernel does that makes knotes by itself, with their parent's udata.
        let child = Change::user(2).clear().udata(stored.get_udata());
        queue.handle.queue.apply(&[child, child.trigger()]).unwrap();
        let event = receive(&queue);
        assert_eq!(event.udata(), stored.get_udata());
        assert_eq!(values(&queue, event), []);
    }

    /// A re-added knote whose one-shot event was received before is deleted with the registration.
    #[test]
    fn a_one_shot_that_is_added_again_while_its_event_is_under_way() {
        let queue: Queue<usize> = Queue::new().unwrap();
        let once = Change::user(1).oneshot();
        let registration = queue.register(once, 1).unwrap();
        registration.trigger().unwrap();
        // Another thread received the event, and has not looked it up yet.
        let event = receive(&queue);
        // The kernel has no knote any more, and says so.
        assert_eq!(registration.modify(once).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        // Had the knote gone within the call, it would have been added once more.
        let stored = queue.handle.core.stored(registration.id()).unwrap();
        queue.handle.queue.apply(&[stored]).unwrap();

        assert_eq!(values(&queue, event), [1]);
        // The registration is over, and the knote that it had left is gone.
        let gone = queue.handle.queue.apply(&[stored.delete()]).unwrap_err();
        assert_eq!(gone.errno().raw(), libc::ENOENT);
        assert!(queue.get(registration.id()).is_none());
    }
}
