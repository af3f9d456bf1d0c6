//! `Core`: the registrations of one queue, behind both doors.
//!
//! Two locks. The index lock is held across every change to the queue including its system call, so that index, slots
//! and kernel agree about who has which knote. The slot lock is held for look-ups only: once for each batch of events,
//! never across a call. Where both are needed the index comes first. Neither is held while waiting, and no code of the
//! caller's runs under either: a value that leaves a slot is handed out, to be dropped when the locks are released.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
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
            pid: kq::process_id(),
        }
    }

    /// Adds a knote, and a slot with `value` for it.
    pub(crate) fn register(&self, change: Change, value: V, detached: bool, collision: Collision) -> io::Result<Key> {
        check::registration(&change)?;
        // Values that leave the slots are dropped after the locks are released: this lives longer than the guards.
        let mut leaving: [Option<V>; 2] = [None, None];
        let mut index = self.lock_open()?;
        let change = match collision {
            Collision::Renumber => with_ident(&change, index.free_timer()),
            _ => change,
        };
        let place = place_of(&change);
        let mut replaced = None;
        if let Some(holder) = index.knotes.get(&place).copied() {
            if collision == Collision::Replace {
                replaced = Some(holder);
            } else if self.has_knote(&index, holder)? {
                return Err(error(libc::EEXIST));
            } else {
                leaving[0] = self.pass_on(&mut index, holder);
            }
        }
        // Room first, so that nothing can fail once the kernel has agreed.
        index.knotes.reserve(1);
        let inserted = self.slots.lock().insert(value, change, detached, &self.flights);
        let (key, change) = match inserted {
            Ok(inserted) => inserted,
            Err(value) => {
                leaving[1] = Some(value);
                return Err(error(libc::ENOMEM));
            }
        };
        let added = match replaced {
            Some(holder) => self.exchange(&index, holder, &change),
            None => apply(&index, &[change]),
        };
        if let Err(error) = added {
            leaving[1] = self.release(key, Ending::Deregistered);
            return Err(error);
        }
        index.knotes.insert(place, key);
        if let Some(holder) = replaced {
            leaving[0] = self.release(holder, Ending::Deregistered);
        }
        Ok(key)
    }

    /// Changes what a registration's knote watches for, and how often it reports.
    pub(crate) fn modify(&self, key: Key, change: Change) -> io::Result<()> {
        check::registration(&change)?;
        let index = self.lock_open()?;
        let old = {
            let mut slots = self.slots.lock();
            let registered = slots.get_mut(key).ok_or(error(libc::ENOENT))?;
            if place_of(&change) != place_of(&registered.change) {
                return Err(error(libc::EINVAL));
            }
            if registered.knote != Knote::There {
                return Err(error(libc::ENOENT));
            }
            registered.added_again = true;
            registered.change
        };
        let change = change.udata(old.get_udata());
        if takes_a_new_knote(&old, &change) {
            apply(&index, &[old.delete()])?;
            if let Err(error) = apply(&index, &[change]) {
                self.put_back(&index, key, &old);
                return Err(error);
            }
        } else {
            // The old knote first, so that nothing is added where it has gone with its descriptor.
            apply(&index, &[question(&old), added_again(&change)])?;
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
        apply(&index, &[action])?;
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
        apply(&index, &[stored.trigger()])
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
            self.deregistrations.fetch_add(1, Ordering::Release);
        }
        drop(slots);
        let (change, knote, added_again) = found?;
        let place = place_of(&change);
        if index.holds(place, key) {
            if knote == Knote::There || added_again {
                // ENOENT and EBADF say that the knote went with its descriptor.
                let _ = apply(&index, &[change.delete()]);
            }
            index.knotes.remove(&place);
        }
        self.release(key, ending)
    }

    /// Gives a registration to the queue. Its value is handed out if that is the end of it.
    pub(crate) fn detach(&self, key: Key) -> Option<V> {
        {
            let mut slots = self.slots.lock();
            let registered = slots.get_mut(key)?;
            registered.detached = true;
            if registered.knote != Knote::Gone {
                return None;
            }
        }
        self.release(key, Ending::Deregistered)
    }

    /// The value of a registration.
    pub(crate) fn get(&self, key: Key) -> Option<V> {
        Some(self.slots.lock().get(key)?.value.clone())
    }

    /// The change that a registration was made or last modified by.
    pub(crate) fn stored(&self, key: Key) -> Option<Change> {
        Some(self.slots.lock().get(key)?.change)
    }

    /// The registration that has a knote.
    pub(crate) fn find(&self, place: Place) -> Option<Key> {
        self.index.lock().knotes.get(&place).copied()
    }

    /// Whether a registration has been there since `seen` deregistrations.
    pub(crate) fn is_current(&self, key: Key, seen: usize) -> bool {
        self.deregistrations.load(Ordering::Acquire) == seen || self.slots.lock().get(key).is_some()
    }

    /// Ends all registrations; the queue answers EBADF from now on.
    pub(crate) fn close(&self) -> Vec<V> {
        let mut index = self.index.lock();
        index.queue = None;
        index.knotes.clear();
        let mut slots = self.slots.lock();
        self.deregistrations.fetch_add(1, Ordering::Release);
        slots.clear()
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
        if let Some(registered) = self.slots.lock().get_mut(key) {
            registered.change = change;
        }
    }

    /// Frees a slot and gives its value.
    fn release(&self, key: Key, ending: Ending) -> Option<V> {
        let mut slots = self.slots.lock();
        let Registered { value, .. } = slots.remove(key)?;
        if ending == Ending::Deregistered {
            self.deregistrations.fetch_add(1, Ordering::Release);
        }
        Some(value)
    }

    /// Asks the kernel whether a registration's knote is still there, for nobody reports a close.
    fn has_knote(&self, index: &Index, holder: Key) -> io::Result<bool> {
        let Ok(stored) = self.knote(holder) else {
            return Ok(false);
        };
        if !check::can_vanish(stored.filter()) {
            return Ok(true);
        }
        match apply(index, &[question(&stored)]) {
            Ok(()) => Ok(true),
            Err(error) if says_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes its place from a registration without a knote. Its value is handed out if that is the end of it.
    fn pass_on(&self, index: &mut Index, holder: Key) -> Option<V> {
        let mut slots = self.slots.lock();
        let registered = slots.get_mut(holder)?;
        let (change, added_again) = (registered.change, registered.added_again);
        let (fired, detached) = (registered.knote == Knote::Fired, registered.detached);
        if !fired {
            registered.knote = Knote::Gone;
        }
        drop(slots);
        index.knotes.remove(&place_of(&change));
        if fired && added_again {
            let _ = apply(index, &[change.delete()]);
        }
        // What fired is over when its event has had its turn.
        match detached && !fired {
            true => self.release(holder, Ending::Deregistered),
            false => None,
        }
    }

    /// Puts the knote of `new` where that of a registration is; if the kernel does not like it, puts that back.
    fn exchange(&self, index: &Index, holder: Key, new: &Change) -> io::Result<()> {
        let old = self.slots.lock().get(holder).map(|it| it.change);
        if old.is_some_and(|old| !takes_a_new_knote(&old, new)) {
            // The knote goes on under the new udata, with what is pending of it.
            return apply(index, &[added_again(new)]);
        }
        let deleted = old.filter(|old| apply(index, &[old.delete()]).is_ok());
        let added = apply(index, &[*new]);
        if let (Err(_), Some(old)) = (&added, deleted) {
            self.put_back(index, holder, &old);
        }
        added
    }

    /// Adds a knote again that was deleted for another, which was refused.
    fn put_back(&self, index: &Index, key: Key, old: &Change) {
        if apply(index, &[*old]).is_err() {
            if let Some(registered) = self.slots.lock().get_mut(key) {
                registered.knote = Knote::Gone;
            }
        }
    }
}

fn apply(index: &Index, changes: &[Change]) -> io::Result<()> {
    let queue = index.queue.as_ref().ok_or(error(libc::EBADF))?;
    Ok(queue.apply(changes)?)
}

/// The change without action, which fails if the knote is not there, and otherwise stores what is stored.
fn question(stored: &Change) -> Change {
    stored.set_flags(Flags::empty())
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
