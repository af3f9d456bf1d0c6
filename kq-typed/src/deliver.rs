//! Waiting: from the kernel's events to the registrations that they are of.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kq::{EventBuffer, Flags};

use crate::check::error;
use crate::core::{Core, Ending};
use crate::key::Key;
use crate::slots::{Knote, WAKER_UDATA};

/// The memory that a batch of events is received in, allocated once.
#[derive(Debug)]
pub(crate) struct Buffer<E> {
    /// What the kernel wrote.
    pub(crate) raw: EventBuffer,
    pub(crate) pending: Pending<E>,
}

/// The events of a batch that were not handed out yet, with their registrations.
#[derive(Debug)]
pub(crate) struct Pending<E> {
    /// The last event first, so that the next one is popped.
    entries: Vec<E>,
    /// The queue's count of deregistrations when the batch was looked up.
    seen: usize,
}

/// An event with the value of its registration, as one of the doors keeps it.
pub(crate) trait Delivered {
    type Value: Clone;

    /// For the event at `index` of the batch.
    fn new(event: &kq::Event, index: usize, key: Key, value: Self::Value) -> Self;
    fn key(&self) -> Key;
    /// The event, of those of the batch.
    fn event<'a>(&'a self, events: &'a [kq::Event]) -> &'a kq::Event;
}

/// Whether the kernel deleted the knote with this event: its own mark, whatever was registered.
fn is_last(event: &kq::Event) -> bool {
    event.flags().contains(Flags::ONESHOT)
}

impl<E: Delivered> Buffer<E> {
    pub(crate) fn with_capacity(capacity: usize) -> Buffer<E> {
        let raw = EventBuffer::with_capacity(capacity);
        let entries = Vec::with_capacity(raw.capacity());
        Buffer { raw, pending: Pending { entries, seen: 0 } }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.raw.capacity()
    }
}

impl<E: Delivered> Pending<E> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The next event whose registration was not deregistered since. If it is the registration's last, that is over
    /// now.
    #[inline]
    pub(crate) fn next(&mut self, events: &[kq::Event], core: &Core<E::Value>) -> Option<E> {
        loop {
            // Looked at where it lies: it is moved once.
            let next = self.entries.last()?;
            if core.is_current(next.key(), self.seen) {
                if is_last(next.event(events)) {
                    core.end(next.key(), Ending::Delivered);
                }
                return self.entries.pop();
            }
            self.entries.pop();
        }
    }

    /// The events, first one first.
    pub(crate) fn iter(&self) -> std::iter::Rev<std::slice::Iter<'_, E>> {
        self.entries.iter().rev()
    }

    /// Whether an event's registration was not deregistered since.
    pub(crate) fn is_current(&self, delivered: &E, core: &Core<E::Value>) -> bool {
        core.is_current(delivered.key(), self.seen)
    }

    /// Drops the events that are left. Registrations that had their last one among them are over.
    pub(crate) fn discard(&mut self, events: &[kq::Event], core: &Core<E::Value>) {
        while let Some(delivered) = self.entries.pop() {
            if is_last(delivered.event(events)) {
                core.end(delivered.key(), Ending::Delivered);
            }
        }
    }

    /// Drops the events that are left, of whatever queue.
    pub(crate) fn forget(&mut self) {
        self.entries.clear();
    }
}

impl<V: Clone> Core<V> {
    /// Waits until there are events of registrations, the waker wakes, or the time is up; the last two leave the buffer
    /// empty.
    pub(crate) fn wait<E: Delivered<Value = V>>(
        &self,
        queue: &kq::Kqueue,
        buffer: &mut Buffer<E>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        // In a forked child the number may be a queue of the child's own.
        if !self.is_ours() {
            return Err(error(libc::EBADF));
        }
        // What a batch that was forgotten has left.
        buffer.pending.forget();
        let deadline = match timeout {
            Some(time) if !time.is_zero() => Instant::now().checked_add(time),
            _ => None,
        };
        let mut left = timeout;
        loop {
            let flight = self.flights.begin();
            match queue.wait(&mut buffer.raw, left) {
                Ok([]) => return Ok(()),
                Ok(events) => {
                    let woken = self.look_up(events, &mut buffer.pending);
                    if woken || buffer.pending.len() > 0 {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
            drop(flight);
            // A signal came, or events of registrations that are over: the time goes on.
            match deadline {
                Some(deadline) => {
                    let rest = deadline.saturating_duration_since(Instant::now());
                    if rest.is_zero() {
                        return Ok(());
                    }
                    left = Some(rest);
                }
                None if timeout.is_some_and(|time| time.is_zero()) => return Ok(()),
                None => (),
            }
        }
    }

    /// Finds the registrations of the kernel's events, and says whether the waker's was among them.
    pub(crate) fn look_up<E: Delivered<Value = V>>(&self, events: &[kq::Event], pending: &mut Pending<E>) -> bool {
        let mut woken = false;
        let mut slots = self.slots.lock();
        for (index, event) in events.iter().enumerate().rev() {
            let Some((key, registered)) = slots.of_event(event) else {
                woken |= event.udata() == WAKER_UDATA;
                continue;
            };
            // There is room for as many as the kernel wrote; nothing is ever allocated under the lock.
            if pending.entries.len() == pending.entries.capacity() {
                break;
            }
            if is_last(event) {
                registered.knote = Knote::Fired;
            }
            pending.entries.push(E::new(event, index, key, registered.value.clone()));
        }
        pending.seen = self.deregistrations.load(Ordering::Acquire);
        woken
    }
}
