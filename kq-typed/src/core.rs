//! `Core`: the registrations of one queue, behind both doors.
//!
//! Two locks. The index lock is held across every change to the queue including its system call, so that index, slots
//! and kernel agree about who has which knote. The slot lock is held for look-ups only: once for each batch of events,
//! never across a call. Where both are needed the index comes first. Neither is held while waiting, and no code of the
//! caller's runs under either: a value that leaves a slot is handed out, to be dropped when the locks are released.

use std::collections::hash_map::Entry;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::Arc;

use kq::{Change, Filter, Flags};
use parking_lot::{Mutex, MutexGuard};

use crate::check::{self, error};
use crate::flights::Flights;
use crate::index::Index;
use crate::key::Key;
use crate::slots::{place_of, Knote, Place, Registered, Slots, Split};

/// The registrations of one queue, each with a `V`: something like an `Arc`, whose `Clone` runs no code of the caller's.
#[derive(Debug)]
pub(crate) struct Core<V> {
    index: Mutex<Index>,
    pub(crate) slots: Mutex<Slots<V>>,
    pub(crate) flights: Flights,
    /// Counts the deregistrations. Changed under the slot lock.
    pub(crate) deregistrations: AtomicUsize,
    /// Whether there are registrations that wait for their end. Changed under the slot lock.
    has_orphans: AtomicBool,
    /// The process that made the queue: a forked child has another file under its number.
    pid: u32,
}

/// What a registration does where another one has the knote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collision {
    /// Fails with EEXIST, if the other's knote is there.
    Refuse,
    /// Takes its place.
    Replace,
    /// Takes the next free ident of the timers' range, whatever ident was asked for.
    Renumber,
}

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Somebody deregistered it: its events are not to be seen any more.
    Deregistered,
    /// Its last event was handed out.
    Delivered,
}

impl<V: Clone> Core<V> {
    pub(crate) fn new(queue: Arc<kq::Kqueue>, split: Split) -> Core<V> {
        static QUEUES: AtomicU32 = AtomicU32::new(0);
        let number = QUEUES.fetch_add(1, Ordering::Relaxed);
        Core {
            index: Mutex::new(Index::new(queue)),
            slots: Mutex::new(Slots::new(number, split)),
            flights: Flights::default(),
            deregistrations: AtomicUsize::new(0),
            has_orphans: AtomicBool::new(false),
            pid: kq::process_id(),
        }
    }

    /// Adds a knote, and a slot with `value` for it.
    pub(crate) fn register(&self, change: Change, value: V, detached: bool, collision: Collision) -> io::Result<Key> {
        check::registration(&change)?;
        // Values that leave the slots are dropped after the locks are released: this lives longer than the guards.
        let mut leaving = None;
        let key = self.add(change, value, detached, collision, &mut leaving)?;
        drop(leaving);
        self.end_orphans();
        Ok(key)
    }

    /// `register` under the index lock. The value that is to be dropped is put into `leaving`.
    fn add(
        &self,
        change: Change,
        value: V,
        detached: bool,
        collision: Collision,
        leaving: &mut Option<V>,
    ) -> io::Result<Key> {
        let mut index = match self.lock_open() {
            Ok(index) => index,
            Err(error) => {
                *leaving = Some(value);
                return Err(error);
            }
        };
        let change = match collision {
            Collision::Renumber => with_ident(&change, index.free_timer()),
            _ => change,
        };
        let Index { queue: Some(queue), knotes, .. } = &mut *index else {
            *leaving = Some(value);
            return Err(error(libc::EBADF));
        };
        // Makes room first, so that nothing can fail once the kernel has agreed.
        let place = knotes.entry(place_of(&change));
        let holder = match &place {
            Entry::Occupied(place) => Some(*place.get()),
            Entry::Vacant(_) => None,
        };
        if let (Some(holder), Collision::Refuse | Collision::Renumber) = (holder, collision) {
            let refusal = match self.has_knote(queue, holder) {
                Ok(false) => None,
                Ok(true) => Some(error(libc::EEXIST)),
                Err(error) => Some(error),
            };
            if let Some(refusal) = refusal {
                *leaving = Some(value);
                return Err(refusal);
            }
        }
        let inserted = self.slots.lock().insert(value, change, detached, &self.flights);
        let (key, change) = match inserted {
            Ok(inserted) => inserted,
            Err(value) => {
                *leaving = Some(value);
                return Err(error(libc::ENOMEM));
            }
        };
        let added = match (holder, collision) {
            (Some(holder), Collision::Replace) => self.exchange(queue, holder, &change),
            _ => apply(queue, &[change]),
        };
        if let Err(error) = added {
            *leaving = self.release(key, Ending::Deregistered);
            return Err(error);
        }
        match place {
            Entry::Occupied(mut place) => drop(place.insert(key)),
            Entry::Vacant(place) => drop(place.insert(key)),
        }
        match (holder, collision) {
            (Some(holder), Collision::Replace) => *leaving = self.release(holder, Ending::Deregistered),
            (Some(holder), _) => self.pass_on(holder),
            (None, _) => (),
        }
        Ok(key)
    }

    /// Changes what a registration's knote watches for, and how often it reports.
    pub(crate) fn modify(&self, key: Key, change: Change) -> io::Result<()> {
        check::registration(&change)?;
        let index = self.lock_open()?;
        let old = self.knote(key)?;
        if place_of(&change) != place_of(&old) {
            return Err(error(libc::EINVAL));
        }
        let change = change.udata(old.get_udata());
        if takes_a_new_knote(&old, &change) {
            self.add_anew(index.queue()?, key, &old, &change)?;
        } else if is_stored_by_actions(&change) {
            // Changes the knote that is there, and adds none where it has gone with its descriptor.
            apply(index.queue()?, &[switched(&change)])?;
        } else {
            if let Some(registered) = self.slots.lock().get_mut(key) {
                registered.added_again = true;
            }
            // The old knote first, for the same reason.
            apply(index.queue()?, &[question(&old), added_again(&change)])?;
        }
        self.store(key, change);
        Ok(())
    }

    /// Enables or disables a registration's knote.
    pub(crate) fn switch(&self, key: Key, enable: bool) -> io::Result<()> {
        let index = self.lock_open()?;
        let stored = self.knote(key)?;
        let flags = stored.flags();
        let (action, flags) = match enable {
            true => (stored.enable(), flags.difference(Flags::DISABLE)),
            false => (stored.disable(), flags.union(Flags::DISABLE)),
        };
        apply(index.queue()?, &[action])?;
        self.store(key, stored.set_flags(flags));
        Ok(())
    }

    /// Triggers a registration's user event.
    #[cfg(has_user)]
    pub(crate) fn trigger(&self, key: Key) -> io::Result<()> {
        let index = self.lock_open()?;
        let stored = self.knote(key)?;
        if stored.filter() != Filter::USER {
            return Err(error(libc::EINVAL));
        }
        apply(index.queue()?, &[stored.trigger()])
    }

    /// Ends a registration: deletes its knote, frees its slot, and gives the value.
    pub(crate) fn end(&self, key: Key, ending: Ending) -> Option<V> {
        // In a forked child the locks may be held by a thread that the child does not have.
        if !self.is_ours() {
            return None;
        }
        let mut index = self.index.lock();
        let slots = self.slots.lock();
        let found = slots.get(key).map(|it| (it.change, it.knote, it.added_again));
        if found.is_none() && ending == Ending::Deregistered {
            // Its last event has ended it, and an earlier one may lie in a batch still.
            self.count_deregistration(&slots);
        }
        drop(slots);
        let (change, knote, added_again) = found?;
        let Index { queue: Some(queue), knotes, .. } = &mut *index else {
            return self.release(key, ending);
        };
        if let Entry::Occupied(place) = knotes.entry(place_of(&change)) {
            if *place.get() == key {
                if knote == Knote::There || added_again {
                    // ENOENT and EBADF say that the knote went with its descriptor.
                    let _ = apply(queue, &[change.delete()]);
                }
                place.remove();
            }
        }
        self.release(key, ending)
    }

    /// Gives a registration to the queue.
    pub(crate) fn detach(&self, key: Key) {
        if !self.is_ours() {
            return;
        }
        {
            let mut slots = self.slots.lock();
            let Some(registered) = slots.get_mut(key) else { return };
            registered.detached = true;
            if registered.knote == Knote::Gone {
                self.orphan(&mut slots, key);
            }
        }
        self.end_orphans();
    }

    /// The value of a registration.
    pub(crate) fn get(&self, key: Key) -> Option<V> {
        Some(self.lock_slots()?.get(key)?.value.clone())
    }

    /// The change that a registration was made or last modified by.
    pub(crate) fn stored(&self, key: Key) -> Option<Change> {
        Some(self.lock_slots()?.get(key)?.change)
    }

    /// The registration that has a knote.
    pub(crate) fn find(&self, place: Place) -> Option<Key> {
        self.lock_open().ok()?.knotes.get(&place).copied()
    }

    /// Whether a registration is there.
    pub(crate) fn is_there(&self, key: Key) -> bool {
        self.lock_slots().is_some_and(|slots| slots.get(key).is_some())
    }

    /// Ends all registrations; the queue answers EBADF from now on.
    pub(crate) fn close(&self) -> Vec<V> {
        let Some((mut index, mut slots)) = self.lock_both() else {
            return Vec::new();
        };
        index.queue = None;
        index.knotes.clear();
        self.count_deregistration(&slots);
        slots.clear()
    }

    /// Both locks. In a forked child only if no other thread of the parent's held them, for that would hold them for
    /// ever.
    #[allow(clippy::type_complexity)] // two guards
    fn lock_both(&self) -> Option<(MutexGuard<'_, Index>, MutexGuard<'_, Slots<V>>)> {
        match self.is_ours() {
            true => Some((self.index.lock(), self.slots.lock())),
            false => Some((self.index.try_lock()?, self.slots.try_lock()?)),
        }
    }

    /// The slots, if this process is the queue's.
    fn lock_slots(&self) -> Option<MutexGuard<'_, Slots<V>>> {
        self.is_ours().then(|| self.slots.lock())
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.pid == kq::process_id()
    }

    /// The index of a queue that is open, and this process's.
    fn lock_open(&self) -> io::Result<MutexGuard<'_, Index>> {
        // Asked first: in a forked child the lock may be held by a thread that the child does not have.
        if !self.is_ours() {
            return Err(error(libc::EBADF));
        }
        let index = self.index.lock();
        match index.queue.is_some() {
            true => Ok(index),
            false => Err(error(libc::EBADF)),
        }
    }

    /// The stored change of a registration whose knote is there.
    fn knote(&self, key: Key) -> io::Result<Change> {
        let slots = self.slots.lock();
        match slots.get(key) {
            Some(registered) if registered.knote == Knote::There => Ok(registered.change),
            _ => Err(error(libc::ENOENT)),
        }
    }

    fn store(&self, key: Key, change: Change) {
        self.slots.lock().store(key, change);
    }

    /// Frees a slot and gives its value.
    fn release(&self, key: Key, ending: Ending) -> Option<V> {
        let mut slots = self.slots.lock();
        let Registered { value, .. } = slots.remove(key)?;
        if ending == Ending::Deregistered {
            self.count_deregistration(&slots);
        }
        Some(value)
    }

    /// With the slots locked: nobody else is counting.
    fn count_deregistration(&self, _slots: &Slots<V>) {
        let count = self.deregistrations.load(Ordering::Relaxed);
        self.deregistrations.store(count.wrapping_add(1), Ordering::Release);
    }

    /// Asks the kernel whether a registration's knote is still there, for nobody reports a close.
    fn has_knote(&self, queue: &kq::Kqueue, holder: Key) -> io::Result<bool> {
        let Ok(stored) = self.knote(holder) else {
            self.delete_added_again(queue, holder);
            return Ok(false);
        };
        if !check::can_vanish(stored.filter()) {
            return Ok(true);
        }
        match apply(queue, &[question(&stored)]) {
            Ok(()) => Ok(true),
            Err(error) if says_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes the knote that a registration was given again, in ignorance of its last event.
    fn delete_added_again(&self, queue: &kq::Kqueue, key: Key) {
        let mut slots = self.slots.lock();
        let added_again = slots.get_mut(key).filter(|it| it.added_again).map(|it| {
            it.added_again = false;
            it.change
        });
        drop(slots);
        if let Some(change) = added_again {
            let _ = apply(queue, &[change.delete()]);
        }
    }

    /// Takes note that a registration's place is another's: it has no knote any more.
    fn pass_on(&self, holder: Key) {
        let mut slots = self.slots.lock();
        let Some(registered) = slots.get_mut(holder) else { return };
        // What fired is over when its event has had its turn.
        if registered.knote != Knote::Fired {
            registered.knote = Knote::Gone;
            if registered.detached {
                self.orphan(&mut slots, holder);
            }
        }
    }

    fn orphan(&self, slots: &mut Slots<V>, key: Key) {
        slots.orphan(key, &self.flights);
        self.has_orphans.store(true, Ordering::SeqCst);
    }

    /// Ends the detached registrations without a knote whose last event nobody can have in hand any more. With no lock
    /// held.
    #[inline]
    pub(crate) fn end_orphans(&self) {
        // Set before the waits are counted, as a wait counts itself out before it asks here: one of the two sees to it.
        while self.has_orphans.load(Ordering::SeqCst) {
            let ended = self.next_orphan();
            if ended.is_none() {
                break;
            }
        }
    }

    #[cold]
    fn next_orphan(&self) -> Option<Registered<V>> {
        let mut slots = self.slots.lock();
        let ended = slots.next_orphan(&self.flights);
        if ended.is_some() {
            self.count_deregistration(&slots);
        }
        self.has_orphans.store(slots.has_orphans(), Ordering::SeqCst);
        ended
    }

    /// Deletes a registration's knote and adds what takes its place, in one call; if the kernel does not like that, the old
    /// one again.
    fn add_anew(&self, queue: &kq::Kqueue, key: Key, old: &Change, new: &Change) -> io::Result<()> {
        apply(queue, &[old.delete(), *new]).inspect_err(|error| {
            // With these errors there was no knote to be deleted, or there is nothing to add one for.
            if !says_gone(error) {
                self.put_back(queue, key, old);
            }
        })
    }

    /// Puts the knote of `new` where that of a registration is; if the kernel does not like it, puts that back.
    fn exchange(&self, queue: &kq::Kqueue, holder: Key, new: &Change) -> io::Result<()> {
        let old = self.slots.lock().get(holder).map(|it| it.change);
        if old.is_some_and(|old| !takes_a_new_knote(&old, new)) {
            // The knote goes on under the new udata, with what is pending of it.
            return apply(queue, &[added_again(new)]);
        }
        let deleted = old.filter(|old| apply(queue, &[old.delete()]).is_ok());
        let added = apply(queue, &[*new]);
        if let (Err(_), Some(old)) = (&added, deleted) {
            self.put_back(queue, holder, &old);
        }
        added
    }

    /// Adds a knote again that was deleted for another, which was refused.
    fn put_back(&self, queue: &kq::Kqueue, key: Key, old: &Change) {
        if apply(queue, &[*old]).is_err() {
            if let Some(registered) = self.slots.lock().get_mut(key) {
                registered.knote = Knote::Gone;
            }
        }
    }
}

fn apply(queue: &kq::Kqueue, changes: &[Change]) -> io::Result<()> {
    Ok(queue.apply(changes)?)
}

/// The change without action, which fails if the knote is not there, and otherwise stores what is stored.
fn question(stored: &Change) -> Change {
    stored.set_flags(Flags::empty())
}

/// The change as an action, for a knote that is there already, which is enabled or disabled by it.
fn switched(change: &Change) -> Change {
    match change.flags().contains(Flags::DISABLE) {
        // With both the kernel is to say what it makes of that.
        true => change.disable().add_flags(change.flags() & Flags::ENABLE),
        false => change.enable(),
    }
}

/// Whether a change that only enables or disables has notes and data stored, too: so do the kernels for descriptors, but
/// for OpenBSD's.
fn is_stored_by_actions(change: &Change) -> bool {
    cfg!(not(openbsd)) && check::takes_descriptor(change.filter())
}

/// Whether a change failed because its knote is not there, or its descriptor.
fn says_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EBADF))
}

/// The change for a knote that is there already: adding alone would leave it disabled.
fn added_again(change: &Change) -> Change {
    match change.flags().contains(Flags::DISABLE) {
        true => *change,
        false => change.add_flags(Flags::ENABLE),
    }
}

/// Whether a knote has to be deleted and added anew to become what a change says.
///
/// Adding again leaves the mode as it was; for a timer what it does differs from system to system. A process may be
/// gone, so that nothing could be added: its knote stays, with its mode.
fn takes_a_new_knote(old: &Change, new: &Change) -> bool {
    match new.filter() {
        Filter::TIMER => true,
        Filter::PROC => false,
        // The kernel keeps the udata that a user event was first added with.
        #[cfg(dragonfly)]
        Filter::USER => true,
        _ => mode(old) != mode(new),
    }
}

/// How often the change's knote reports, and whatever else only adding it anew can change.
fn mode(change: &Change) -> Flags {
    change.flags().difference(Flags::ADD | Flags::ENABLE | Flags::DISABLE)
}

fn with_ident(change: &Change, ident: usize) -> Change {
    Change::new(ident, change.filter(), change.flags()).fflags(change.get_fflags()).data(change.get_data())
}
