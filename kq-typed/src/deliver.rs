//! Waiting: from the kernel's events to the registrations that they are of.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kq::{EventBuffer, Flags};

use crate::core::{Core, Ending};
use crate::key::Key;
use crate::slots::{Knote, WAKER_UDATA};

/// The memory that a batch of events is received in, allocated once.
#[derive(Debug)]
pub(crate) struct Buffer<E> {
    raw: EventBuffer,
    /// The batch, last event first, so that the next one is popped.
    batch: Vec<E>,
    /// The queue's count of deregistrations when the batch was looked up.
    seen: usize,
}

/// An event with the value of its registration, as one of the doors hands it out.
pub(crate) trait Delivered {
    type Value: Clone;

    fn new(event: kq::Event, key: Key, value: Self::Value) -> Self;
    fn event(&self) -> &kq::Event;
    fn key(&self) -> Key;
}

/// Whether the kernel deleted the knote with this event.
fn is_last(event: &kq::Event) -> bool {
    event.flags().contains(Flags::ONESHOT)
}

impl<E: Delivered> Buffer<E> {
    pub(crate) fn with_capacity(capacity: usize) -> Buffer<E> {
        let raw = EventBuffer::with_capacity(capacity);
        let batch = Vec::with_capacity(raw.capacity());
        Buffer { raw, batch, seen: 0 }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.raw.capacity()
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.len()
    }

    /// The next event whose registration was not deregistered since. If it is the registration's last, that is over
    /// now.
    pub(crate) fn next(&mut self, core: &Core<E::Value>) -> Option<E> {
        while let Some(delivered) = self.batch.pop() {
            if core.is_current(delivered.key(), self.seen) {
                if is_last(delivered.event()) {
                    core.end(delivered.key(), Ending::Delivered);
                }
                return Some(delivered);
            }
        }
        None
    }

    /// The events, first one first.
    pub(crate) fn events(&self) -> std::iter::Rev<std::slice::Iter<'_, E>> {
        self.batch.iter().rev()
    }

    /// Whether an event's registration was not deregistered since.
    pub(crate) fn is_current(&self, delivered: &E, core: &Core<E::Value>) -> bool {
        core.is_current(delivered.key(), self.seen)
    }

    /// Drops the events that are left. Registrations that had their last one among them are over.
    pub(crate) fn discard(&mut self, core: &Core<E::Value>) {
        while let Some(delivered) = self.batch.pop() {
            if is_last(delivered.event()) {
                core.end(delivered.key(), Ending::Delivered);
            }
        }
    }

    /// Drops the events that are left, of whatever queue.
    pub(crate) fn forget(&mut self) {
        self.batch.clear();
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
        // What a batch that was forgotten has left.
        buffer.forget();
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
                    let woken = self.look_up(events, &mut buffer.batch, &mut buffer.seen);
                    if woken || !buffer.batch.is_empty() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
            drop(flight);
            // A signal came, or events of registrations that are over: the time goes on.
            match deadline {
                Some(deadline) => left = Some(deadline.saturating_duration_since(Instant::now())),
                None if timeout.is_some_and(|time| time.is_zero()) => return Ok(()),
                None => (),
            }
        }
    }

    /// Finds the registrations of the kernel's events, and says whether the waker's was among them.
    fn look_up<E: Delivered<Value = V>>(&self, events: &[kq::Event], batch: &mut Vec<E>, seen: &mut usize) -> bool {
        let mut woken = false;
        let mut slots = self.slots.lock();
        for event in events.iter().rev() {
            let Some((key, registered)) = slots.of_event(event) else {
                woken |= event.udata() == WAKER_UDATA;
                continue;
            };
            if is_last(event) {
                registered.knote = Knote::Fired;
            }
            batch.push(E::new(*event, key, registered.value.clone()));
        }
        *seen = self.deregistrations.load(Ordering::Acquire);
        woken
    }
}

#[cfg(test)]
impl<V: Clone> Core<V> {
    /// Looks up events that were received apart.
    pub(crate) fn look_up_for_test<E: Delivered<Value = V>>(
        &self,
        events: &[kq::Event],
        buffer: &mut Buffer<E>,
    ) -> bool {
        self.look_up(events, &mut buffer.batch, &mut buffer.seen)
    }
}
