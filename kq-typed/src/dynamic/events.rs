//! `Events`: the events of one wait, in memory that is used again.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::Core;
use crate::deliver::{Buffer, Pending};
use crate::dynamic::udata::Udata;
use crate::dynamic::Event;

/// How many collections a queue keeps for its next waits.
const KEPT: usize = 16;

/// The memory of collections that were dropped.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    #[allow(clippy::vec_box)] // a buffer goes to and fro with every wait
    buffers: Mutex<Vec<Box<Buffer<Event>>>>,
}

/// The events of one wait; from [`Kqueue::await_events`](crate::Kqueue::await_events).
///
/// It owns them, so the queue can be changed while they are gone through, by value (`for event in events`) or by
/// reference (`for event in &events`). An event whose registration was deregistered or replaced meanwhile is left out.
///
/// The values of its events are held until it is dropped or filled again, those that were taken out until they are
/// dropped themselves.
pub struct Events {
    /// There until the collection is dropped.
    buffer: Option<Box<Buffer<Event>>>,
    /// Where the memory goes back to.
    pool: Option<Arc<Pool>>,
}

fn new_buffer(capacity: usize) -> Box<Buffer<Event>> {
    Box::new(Buffer::with_capacity(capacity))
}

impl Events {
    /// An empty collection for up to `capacity` events of a wait (at least one), for
    /// [`Kqueue::await_events_into`](crate::Kqueue::await_events_into).
    ///
    /// # Panics
    /// As [`kq::EventBuffer::with_capacity`].
    pub fn with_capacity(capacity: usize) -> Events {
        Events { buffer: Some(new_buffer(capacity)), pool: None }
    }

    /// One with the pool's memory.
    pub(crate) fn lent(pool: &Arc<Pool>, capacity: usize) -> Events {
        let buffer = pool.buffers.lock().pop();
        Events { buffer: Some(buffer.unwrap_or_else(|| new_buffer(capacity))), pool: Some(Arc::clone(pool)) }
    }

    /// The memory, to be filled by a queue.
    pub(crate) fn buffer(&mut self) -> &mut Buffer<Event> {
        self.buffer.get_or_insert_with(|| new_buffer(1))
    }

    /// How many events there are, with those whose registration was deregistered meanwhile.
    pub fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.pending.entries.len())
    }

    /// Whether there are none: the time was up, or a waker woke.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a [`Waker`](crate::Waker) woke, with or without events besides; `false` if the time was up.
    pub fn is_woken(&self) -> bool {
        self.buffer.as_ref().is_some_and(|buffer| buffer.pending.woken)
    }

    /// The most events that one wait gives.
    pub fn capacity(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.capacity())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let (Some(mut buffer), Some(pool)) = (self.buffer.take(), &self.pool) else {
            return;
        };
        // Values are dropped here, before the pool is locked.
        buffer.clear();
        // In a forked child the pool may be locked by a thread that the child does not have.
        if buffer.core.as_ref().is_some_and(|core| !core.is_ours()) {
            return;
        }
        let mut buffers = pool.buffers.lock();
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Events by value.
impl IntoIterator for Events {
    type Item = Event;
    type IntoIter = EventsIntoIter;

    fn into_iter(self) -> EventsIntoIter {
        EventsIntoIter { events: self }
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = EventsIter<'a>;

    fn into_iter(self) -> EventsIter<'a> {
        self.iter()
    }
}

impl Events {
    /// The events by reference, those left out whose registration was deregistered meanwhile.
    pub fn iter(&self) -> EventsIter<'_> {
        let filled = self.buffer.as_ref().and_then(|buffer| {
            let core = buffer.core.as_deref()?;
            Some(Filled { pending: &buffer.pending, core, left: buffer.pending.entries.iter().rev() })
        });
        EventsIter { filled }
    }
}

/// The events of a collection by value; what is left when it is dropped is dropped.
pub struct EventsIntoIter {
    events: Events,
}

impl Iterator for EventsIntoIter {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let buffer = self.events.buffer.as_mut()?;
        let (event, ()) = buffer.pending.turns(buffer.core.as_deref()?).next()?;
        Some(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.events.len()))
    }
}

impl FusedIterator for EventsIntoIter {}

impl fmt::Debug for EventsIntoIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventsIntoIter").field(&self.events).finish()
    }
}

/// The events of a collection by reference.
#[derive(Clone)]
pub struct EventsIter<'a> {
    filled: Option<Filled<'a>>,
}

/// What a queue has filled a collection with.
#[derive(Clone)]
struct Filled<'a> {
    pending: &'a Pending<Event>,
    core: &'a Core<Udata>,
    left: std::iter::Rev<std::slice::Iter<'a, Event>>,
}

impl<'a> Iterator for EventsIter<'a> {
    type Item = &'a Event;

    #[inline]
    fn next(&mut self) -> Option<&'a Event> {
        let Filled { pending, core, left } = self.filled.as_mut()?;
        left.find(|event| pending.is_current(event, &(), core))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.filled.as_ref().map_or(0, |filled| filled.left.len())))
    }
}

impl FusedIterator for EventsIter<'_> {}

impl fmt::Debug for EventsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
