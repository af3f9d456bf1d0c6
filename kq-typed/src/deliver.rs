//! Waiting: from the kernel's events to the registrations that they are of.

use std::io;
use std::iter::once_with;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kq::{EventBuffer, Flags};

use crate::check::error;
use crate::core::{Core, Ending};
use crate::key::Key;
use crate::slots::{Knote, WAKER_UDATA};

/// The memory that a batch of events is received in, allocated once.
#[derive(Debug)]
pub(crate) struct Buffer<E: Delivered> {
    /// What the kernel wrote.
    pub(crate) raw: EventBuffer,
    pub(crate) pending: Pending<E>,
    /// The registrations of the queue that filled it last.
    pub(crate) core: Option<Arc<Core<E::Value>>>,
}

/// The events of a batch that were not handed out yet, with their registrations.
#[derive(Debug)]
pub(crate) struct Pending<E: Delivered> {
    /// The last event first, so that the next one is popped.
    pub(crate) entries: Vec<E>,
    /// What else is known of each entry, and stays where it is when the entry is popped.
    pub(crate) heads: Vec<E::Head>,
    /// The queue's count of deregistrations when the batch was looked up.
    seen: usize,
    /// The queue's waker ended the wait, or would have.
    pub(crate) woken: bool,
}

/// An event with the value of its registration, as one of the doors keeps it.
pub(crate) trait Delivered: Sized {
    type Value: Clone;
    /// What an entry leaves in the buffer: the less is moved, the faster is its turn.
    type Head: std::fmt::Debug;

    fn new(event: &kq::Event, key: Key, value: Self::Value) -> Self;
    /// For the event at `index` of the batch.
    fn head(event: &kq::Event, index: usize, key: Key) -> Self::Head;
    fn key(&self, head: &Self::Head) -> Key;
    /// Whether it is the registration's last, as [`is_last`] said.
    fn is_last(&self, head: &Self::Head) -> bool;
}

/// Whether the kernel deleted the knote with this event: its own mark, whatever was registered.
pub(crate) fn is_last(event: &kq::Event) -> bool {
    event.flags().contains(Flags::ONESHOT)
}

/// The events of a batch as they are handed out, one by one.
pub(crate) struct Turns<'a, E: Delivered> {
    pub(crate) core: &'a Core<E::Value>,
    entries: &'a mut Vec<E>,
    heads: &'a [E::Head],
    seen: usize,
}

impl<E: Delivered> Buffer<E> {
    pub(crate) fn with_capacity(capacity: usize) -> Buffer<E> {
        let raw = EventBuffer::with_capacity(capacity);
        let entries = Vec::with_capacity(raw.capacity());
        let heads = Vec::with_capacity(raw.capacity());
        Buffer { raw, pending: Pending { entries, heads, seen: 0, woken: false }, core: None }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.raw.capacity()
    }

    /// Drops the events that are left, of whatever queue: a batch that was forgotten has left them all.
    pub(crate) fn clear(&mut self) {
        if let Some(core) = &self.core {
            self.pending.turns(core).discard();
        }
        self.pending.heads.clear();
    }

    /// Empties it, to be filled by a queue.
    #[inline]
    fn start(&mut self, core: &Arc<Core<E::Value>>) {
        self.clear();
        self.pending.woken = false;
        if !self.core.as_ref().is_some_and(|last| Arc::ptr_eq(last, core)) {
            self.core = Some(Arc::clone(core));
        }
    }
}

impl<E: Delivered> Drop for Buffer<E> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<E: Delivered> Pending<E> {
    /// Whether an event's registration was not deregistered since.
    #[inline]
    pub(crate) fn is_current(&self, entry: &E, head: &E::Head, core: &Core<E::Value>) -> bool {
        core.deregistrations.load(Ordering::Acquire) == self.seen || core.is_there(entry.key(head))
    }

    #[inline]
    pub(crate) fn turns<'a>(&'a mut self, core: &'a Core<E::Value>) -> Turns<'a, E> {
        Turns { core, entries: &mut self.entries, heads: &self.heads, seen: self.seen }
    }
}

impl<'a, E: Delivered> Turns<'a, E> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The next event whose registration was not deregistered since. If it is the registration's last, that is over
    /// now.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(E, &'a E::Head)> {
        let entry = self.entries.pop()?;
        let head = self.heads.get(self.entries.len())?;
        if self.core.deregistrations.load(Ordering::Acquire) == self.seen && !entry.is_last(head) {
            return Some((entry, head));
        }
        self.next_of_changed(entry, head)
    }

    /// `next`, which is `entry` unless that is over: where registrations have ended, or end now.
    #[cold]
    fn next_of_changed(&mut self, mut entry: E, mut head: &'a E::Head) -> Option<(E, &'a E::Head)> {
        let core = self.core;
        while core.deregistrations.load(Ordering::Acquire) != self.seen && !core.is_there(entry.key(head)) {
            entry = self.entries.pop()?;
            head = self.heads.get(self.entries.len())?;
        }
        if entry.is_last(head) {
            core.end(entry.key(head), Ending::Delivered);
        }
        Some((entry, head))
    }

    /// Drops the events that are left. Registrations that had their last one among them are over.
    #[inline]
    pub(crate) fn discard(&mut self) {
        // Mostly all had their turn.
        if !self.entries.is_empty() {
            self.discard_rest();
        }
    }

    #[inline(never)]
    fn discard_rest(&mut self) {
        for (entry, head) in self.entries.iter().zip(self.heads) {
            if entry.is_last(head) {
                self.core.end(entry.key(head), Ending::Delivered);
            }
        }
        self.entries.clear();
    }
}

impl<V: Clone> Core<V> {
    /// Waits until there are events of registrations, the waker wakes, or the time is up; the last two leave the buffer
    /// empty.
    #[inline(always)] // see kq-sys's `syscall`
    pub(crate) fn wait<E: Delivered<Value = V>>(
        self: &Arc<Self>,
        queue: &kq::Kqueue,
        buffer: &mut Buffer<E>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        // In a forked child the number may be a queue of the child's own.
        if !self.is_ours() {
            return Err(error(libc::EBADF));
        }
        buffer.start(self);
        let end = match timeout {
            Some(time) if time.is_zero() => End::Now,
            Some(time) => Instant::now().checked_add(time).map_or(End::Never, End::At),
            None => End::Never,
        };
        match self.receive(queue, buffer, timeout) {
            Ok(Received::Something | Received::Nothing) => Ok(()),
            outcome => self.wait_on(outcome, queue, buffer, end),
        }
    }

    /// Goes on after a look that came to nothing.
    #[cold]
    fn wait_on<E: Delivered<Value = V>>(
        &self,
        mut outcome: io::Result<Received>,
        queue: &kq::Kqueue,
        buffer: &mut Buffer<E>,
        end: End,
    ) -> io::Result<()> {
        loop {
            match outcome {
                Ok(Received::Something | Received::Nothing) => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                // A signal came, or events of registrations that are over: the time goes on.
                Ok(Received::Strangers) | Err(_) => (),
            }
            let left = match end {
                End::Now => return Ok(()),
                End::At(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
                End::Never => None,
            };
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            outcome = self.receive(queue, buffer, left);
        }
    }

    /// Asks the kernel once, and looks up what it tells.
    #[inline(always)]
    fn receive<E: Delivered<Value = V>>(
        &self,
        queue: &kq::Kqueue,
        buffer: &mut Buffer<E>,
        timeout: Option<Duration>,
    ) -> io::Result<Received> {
        let flight = self.flights.begin();
        let received = match queue.wait(&mut buffer.raw, timeout) {
            Ok([]) => Ok(Received::Nothing),
            Ok(events) => {
                self.look_up(events, &mut buffer.pending);
                match buffer.pending.entries.is_empty() && !buffer.pending.woken {
                    true => Ok(Received::Strangers),
                    false => Ok(Received::Something),
                }
            }
            Err(error) => Err(error),
        };
        drop(flight);
        self.end_orphans();
        received
    }

    /// Finds the registrations of the kernel's events, and the waker's among them.
    #[inline(never)]
    pub(crate) fn look_up<E: Delivered<Value = V>>(&self, events: &[kq::Event], pending: &mut Pending<E>) {
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
            // A second last event is of a knote that was added again in ignorance of the first.
            if is_last(event) && mem::replace(&mut registered.knote, Knote::Fired) == Knote::Fired {
                continue;
            }
            // `once_with` has an entry made where it is to be: a copy of what was written piece by piece stalls.
            pending.entries.extend(once_with(|| E::new(event, key, registered.value.clone())));
            pending.heads.extend(once_with(|| E::head(event, index, key)));
        }
        pending.seen = self.deregistrations.load(Ordering::Acquire);
        pending.woken |= woken;
    }
}

/// When a wait is over.
#[derive(Clone, Copy)]
enum End {
    Now,
    At(Instant),
    Never,
}

/// What a call brought.
enum Received {
    /// Events of registrations, or a wake.
    Something,
    /// The time is up.
    Nothing,
    /// Events that are of no registration, any more or at all.
    Strangers,
}
