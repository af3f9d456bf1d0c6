//! `Ready<T>`, an event with the value of its registration, and the batch and the buffer that it comes from.

use std::fmt;
use std::io;
use std::sync::Arc;

use kq::Change;
use parking_lot::Mutex;

use crate::core::{Core, Ending};
use crate::deliver::{is_last, Buffer, Delivered, Turns};
use crate::key::Key;

/// Room for the events of a wait, allocated once; from [`Queue::events`](crate::Queue::events).
///
/// One thread uses it at a time. Any queue of the same `T` can fill it.
pub struct ReadyBuffer<T> {
    pub(crate) buffer: Buffer<Arc<Mutex<T>>>,
}

impl<T> ReadyBuffer<T> {
    pub(crate) fn with_capacity(capacity: usize) -> ReadyBuffer<T> {
        ReadyBuffer { buffer: Buffer::with_capacity(capacity) }
    }

    /// The most events that one wait gives.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

impl<T> fmt::Debug for ReadyBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyBuffer").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// The events of one wait, given one by one; from [`Queue::wait`](crate::Queue::wait).
///
/// An event whose registration was deregistered meanwhile (by the handler of an event before it, or by another thread)
/// is left out. So the number of events is not known beforehand.
///
/// Dropping the batch drops the events that are left. A one-shot among them is over nevertheless: the kernel has deleted
/// its knote.
#[must_use = "the events of a batch are gone when it is dropped"]
pub struct Batch<'a, T> {
    pub(crate) events: &'a [kq::Event],
    pub(crate) turns: Turns<'a, Arc<Mutex<T>>>,
    pub(crate) woken: bool,
}

impl<T> Batch<'_, T> {
    /// Whether a [`Waker`](crate::Waker) woke, with or without events besides; `false` if the time was up.
    ///
    /// ```
    /// use kq_typed::{kq::Change, Queue};
    /// use std::time::Duration;
    ///
    /// let queue = Queue::new()?;
    /// let timer = queue.register(Change::timer(1, Duration::from_secs(60)), "a minute")?;
    /// queue.waker()?.wake()?;
    ///
    /// let mut ready = queue.events(8);
    /// assert!(queue.wait(&mut ready, None)?.is_woken());
    /// assert!(!queue.wait(&mut ready, Some(Duration::from_millis(1)))?.is_woken());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_woken(&self) -> bool {
        self.woken
    }
}

impl<'a, T> Iterator for Batch<'a, T> {
    type Item = Ready<'a, T>;

    #[inline]
    fn next(&mut self) -> Option<Ready<'a, T>> {
        let (value, head) = self.turns.next()?;
        let event = self.events.get(head.index)?;
        Some(Ready { core: self.turns.core, event, head, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.turns.len()))
    }
}

impl<T> std::iter::FusedIterator for Batch<'_, T> {}

impl<T> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        self.turns.discard();
    }
}

impl<T> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("left", &self.turns.len()).finish_non_exhaustive()
    }
}

/// An event, with the value of its registration.
///
/// It holds the value until it is dropped, whatever happens to the registration meanwhile. With its methods a handler
/// acts on the registration that the event is of, without having it at hand.
///
/// It borrows the queue:
///
/// ```compile_fail,E0505
/// use kq_typed::Queue;
///
/// # fn main() -> std::io::Result<()> {
/// let queue = Queue::<u32>::new()?;
/// let mut ready = queue.events(8);
/// let event = queue.wait(&mut ready, None)?.next();
/// drop(queue);
/// println!("{event:?}"); // the queue is gone
/// # Ok(())
/// # }
/// ```
pub struct Ready<'a, T> {
    core: &'a Core<Arc<Mutex<T>>>,
    event: &'a kq::Event,
    head: &'a Head,
    value: Arc<Mutex<T>>,
}

/// What is known of an event beside its value until its turn.
#[derive(Debug)]
pub(crate) struct Head {
    key: Key,
    /// Which of the batch's events it is.
    index: usize,
    is_last: bool,
}

impl<T> Delivered for Arc<Mutex<T>> {
    type Value = Arc<Mutex<T>>;
    type Head = Head;

    #[inline]
    fn new(_: &kq::Event, _: Key, value: Arc<Mutex<T>>) -> Arc<Mutex<T>> {
        value
    }

    #[inline]
    fn head(event: &kq::Event, index: usize, key: Key) -> Head {
        Head { key, index, is_last: is_last(event) }
    }

    #[inline]
    fn key(&self, head: &Head) -> Key {
        head.key
    }

    #[inline]
    fn is_last(&self, head: &Head) -> bool {
        head.is_last
    }
}

impl<T> Ready<'_, T> {
    /// The registration's value.
    pub fn udata(&self) -> &Arc<Mutex<T>> {
        &self.value
    }

    /// The kernel's event; its udata is the queue's own.
    pub fn event(&self) -> &kq::Event {
        self.event
    }

    /// What happened, decoded by filter: [`kq::Event::kind`].
    pub fn kind(&self) -> kq::EventKind {
        self.event.kind()
    }

    /// The registration's key. It names nothing any more if this was the registration's last event (a one-shot's, a
    /// process's exit).
    pub fn id(&self) -> Key {
        self.head.key
    }

    /// Ends the registration, whoever owns it, and gives the value.
    pub fn deregister(self) -> Arc<Mutex<T>> {
        self.core.end(self.head.key, Ending::Deregistered);
        self.value
    }

    /// [`Registration::modify`](crate::Registration::modify) for the registration that the event is of.
    ///
    /// # Errors
    /// As there; ENOENT also if the registration is over.
    pub fn modify(&self, change: Change) -> io::Result<()> {
        self.core.modify(self.head.key, change)
    }

    /// [`Registration::enable`](crate::Registration::enable) for the registration that the event is of: the next event
    /// of a [`dispatch`](Change::dispatch) registration may come, to whichever thread waits.
    ///
    /// # Errors
    /// As there; ENOENT also if the registration is over.
    pub fn enable(&self) -> io::Result<()> {
        self.core.switch(self.head.key, true)
    }

    /// [`Registration::disable`](crate::Registration::disable) for the registration that the event is of.
    ///
    /// # Errors
    /// As there; ENOENT also if the registration is over.
    pub fn disable(&self) -> io::Result<()> {
        self.core.switch(self.head.key, false)
    }
}

/// Without the value, whose lock may be held.
impl<T> fmt::Debug for Ready<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("id", &self.id()).field("event", self.event()).finish_non_exhaustive()
    }
}
