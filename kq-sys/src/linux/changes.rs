//! Changes: how a call applies its list of them to the queue's knotes.

use core::ffi::c_int;
use core::mem;
use core::sync::atomic::Ordering;
use std::os::fd::RawFd;

use super::event_list::EventList;
use super::knote::{Index, Source};
use super::lock::Locked;
use super::queue::{Queue, State};
use super::scan::wait_of;
use super::sys::{self, Result};
use super::user::is_trigger;
use super::{answer, constants::*, fail, kevent, timespec};

impl Queue {
    /// kevent(2) with one change, of which there is room to tell nothing but its error.
    #[inline(always)] // see `syscall`
    pub(super) fn change_one(&self, change: &kevent) -> c_int {
        if !is_trigger(change) {
            return self.apply_one(change);
        }
        let (answer, unwritten) = self.trigger(change);
        if let Some(token) = unwritten {
            token.write();
        }
        answer
    }

    #[inline(never)]
    pub(super) fn apply_one(&self, change: &kevent) -> c_int {
        let Some(mut change) = taken(*change) else { return 0 };
        let mut state = self.lock();
        let outcome = state.register(&mut change);
        let shown = self.settle(state);
        // A receipt without room ends the call before that.
        answer(outcome.and(if change.flags & EV_RECEIPT == 0 { shown } else { Ok(()) }).map(|()| 0))
    }

    /// kevent(2) with changes, or without an event list.
    ///
    /// # Safety
    /// As of `kevent`.
    #[inline(never)]
    pub(super) unsafe fn change(
        &self,
        changes: *const kevent,
        nchanges: usize,
        events: *mut kevent,
        nevents: usize,
        timeout: *const timespec,
    ) -> c_int {
        if nchanges > 0 && changes.is_null() {
            return fail(libc::EFAULT);
        }
        // FreeBSD fetches so many events before it finds that they have nowhere to go.
        const FETCHED_AT_ONCE: usize = 8;
        let is_nowhere = events.is_null() && nevents > 0;
        let mut lost: Vec<kevent> = Vec::new();
        let (events, nevents) = if is_nowhere {
            lost.reserve(nevents.min(nchanges.max(FETCHED_AT_ONCE)));
            (lost.as_mut_ptr(), nevents.min(lost.capacity()))
        } else {
            (events, nevents)
        };
        // SAFETY: the caller's promise, or the memory of the vector, which outlives the list.
        let mut list = unsafe { EventList::new(events, nevents) };
        if nchanges > 0 {
            // SAFETY: the caller's promise, and not null, as was just seen.
            match unsafe { self.apply(changes, nchanges, &mut list) } {
                Ok(Applied::NoRoomForReceipt) => return 0,
                // Outcomes of changes are counted also where they have nowhere to go.
                Ok(Applied::All) if list.length > 0 || nevents == 0 => return list.length as c_int,
                Ok(Applied::All) => {}
                Err(errno) => return fail(errno),
            }
        } else if nevents == 0 {
            return if sys::is_open(self.epoll) && sys::is_epoll(self.epoll) { 0 } else { fail(libc::EBADF) };
        }
        // SAFETY: null or valid, by the caller's promise.
        match wait_of(unsafe { timeout.as_ref() }) {
            // SAFETY: the caller's promise, or the memory of the vector; nothing is in the list yet.
            Ok(wait) => match unsafe { self.scan(events, nevents, wait) } {
                1.. if is_nowhere => fail(libc::EFAULT),
                outcome => outcome,
            },
            Err(errno) => fail(errno),
        }
    }

    /// Applies a list of changes.
    ///
    /// # Safety
    /// As of `State::apply`.
    #[inline(always)] // see `syscall`
    unsafe fn apply(&self, changes: *const kevent, count: usize, list: &mut EventList) -> Result<Applied> {
        let mut state = self.lock();
        // SAFETY: the caller's promise.
        let applied = unsafe { state.apply(changes, count, list) };
        let shown = self.settle(state);
        if let Ok(Applied::All) = applied {
            shown?;
        }
        applied
    }

    /// Unlocks after changes, when what they have changed is settled.
    #[inline(always)] // see `syscall`
    fn settle(&self, mut state: Locked<'_>) -> Result<()> {
        let settled = state.settle_after_changes();
        self.signals.store(state.signals, Ordering::Relaxed);
        state.leave();
        settled
    }
}

/// How far a change list was applied, where no change failed for want of room.
enum Applied {
    All,
    /// A receipt found no room in the event list: FreeBSD ends the call there, with success.
    NoRoomForReceipt,
}

impl State {
    /// Applies changes in order; errors and receipts go to the event list while it has room.
    ///
    /// # Safety
    /// `changes` must be valid for reading `count` entries; it may be the array of `list`.
    #[inline(always)] // see `syscall`
    unsafe fn apply(&mut self, changes: *const kevent, count: usize, list: &mut EventList) -> Result<Applied> {
        for position in 0..count {
            // SAFETY: within the list. Read before its outcome is written, which goes to this place or an earlier one.
            let Some(mut change) = taken(unsafe { changes.add(position).read() }) else { continue };
            let outcome = self.register(&mut change);
            if outcome.is_ok() && change.flags & EV_RECEIPT == 0 {
                continue;
            }
            if list.room() == 0 {
                return outcome.map(|()| Applied::NoRoomForReceipt);
            }
            change.flags = EV_ERROR;
            change.data = i64::from(outcome.err().unwrap_or(0));
            list.push(change);
        }
        Ok(Applied::All)
    }

    /// Applies one change. A knote that is made takes the fflags out of it, as receipts show.
    #[inline(always)] // see `syscall`
    fn register(&mut self, change: &mut kevent) -> Result<()> {
        if change.flags & (EV_ENABLE | EV_DISABLE) == EV_ENABLE | EV_DISABLE {
            return Err(libc::EINVAL);
        }
        if change.flags & (EV_ADD | EV_KEEPUDATA) == EV_ADD | EV_KEEPUDATA {
            return Err(libc::EINVAL);
        }
        let is_descriptor = match change.filter {
            EVFILT_READ | EVFILT_WRITE | EVFILT_VNODE | EVFILT_PROCDESC | EVFILT_EMPTY => true,
            EVFILT_AIO | EVFILT_PROC | EVFILT_SIGNAL | EVFILT_TIMER | EVFILT_FS | EVFILT_LIO | EVFILT_USER
            | EVFILT_SENDFILE => false,
            _ => return Err(libc::EINVAL),
        };
        if is_descriptor && change.ident > i32::MAX as usize {
            return Err(libc::EBADF);
        }
        if let Some(index) = self.knotes.find(change.filter, change.ident) {
            let modified = if change.flags & EV_DELETE != 0 { self.delete(index) } else { self.modify(index, change) };
            match modified {
                // The knote's file was closed, and its number is another file's now: there is no such knote.
                Err(libc::ENOENT)
                    if change.flags & EV_ADD != 0 && self.knotes.find(change.filter, change.ident).is_none() => {}
                outcome => return outcome,
            }
        } else if is_descriptor && self.is(change.ident as RawFd) {
            return Err(libc::EINVAL);
        } else if change.flags & EV_ADD == 0 {
            let is_open = !self.closed && (!is_descriptor || sys::is_open(change.ident as RawFd));
            return Err(if is_open { libc::ENOENT } else { libc::EBADF });
        }
        let attached = match change.filter {
            EVFILT_READ | EVFILT_WRITE => self.attach_descriptor(change),
            _ => self.attach(change),
        };
        // A descriptor is looked up before there is a knote to take them.
        if attached != Err(libc::EBADF) {
            change.fflags = 0;
        }
        attached
    }

    #[inline(never)] // a list of changes is mostly of descriptors
    fn attach(&mut self, change: &kevent) -> Result<()> {
        self.is_number_unproven |= needs_proof(change.filter);
        match change.filter {
            EVFILT_TIMER => self.attach_timer(change),
            EVFILT_USER => self.attach_user(change),
            EVFILT_PROC => self.attach_process(change),
            EVFILT_VNODE => self.attach_vnode(change),
            EVFILT_SIGNAL => self.attach_signal(change),
            EVFILT_EMPTY => self.attach_empty(change),
            EVFILT_PROCDESC if !sys::is_open(change.ident as RawFd) => Err(libc::EBADF),
            _ => Err(libc::ENOTSUP),
        }
    }

    /// Adds a knote to the table.
    #[inline(never)]
    pub(super) fn insert(&mut self, change: &kevent, source: Source) -> Result<Index> {
        self.knotes.insert(change, source).ok_or(libc::ENOMEM)
    }

    /// Applies a change to a knote that is there, and stays.
    #[inline(never)]
    fn modify(&mut self, index: Index, change: &mut kevent) -> Result<()> {
        // A trigger does with a write to the token, or with none, which tells nothing of the queue's number.
        let is_trigger = change.flags & EV_ADD == 0 && change.fflags & NOTE_TRIGGER != 0;
        self.is_number_unproven |= needs_proof(change.filter) && !(is_trigger && change.filter == EVFILT_USER);
        if change.filter == EVFILT_PROC {
            self.prepare_process(index, change.fflags)?;
        }
        let knote = &mut self.knotes[index];
        if change.flags & EV_FORCEONESHOT != 0 {
            knote.flags |= EV_ONESHOT;
            knote.forced = true;
        }
        if change.flags & EV_ENABLE != 0 {
            knote.disabled = false;
        } else if change.flags & EV_DISABLE != 0 {
            knote.disabled = true;
        }
        if change.flags & EV_KEEPUDATA == 0 {
            knote.udata = change.udata;
        }
        match &knote.source {
            Source::Descriptor(_) => self.modify_descriptor(index, change)?,
            Source::Timer(_) => self.modify_timer(index, change)?,
            Source::User { .. } => self.modify_user(index, change),
            Source::Process(_) => self.modify_process(index, change)?,
            Source::Vnode(_) => self.modify_vnode(index, change)?,
            Source::File(_) => self.modify_file(index, change)?,
            Source::Signal(_) => self.modify_signal(index, change),
            Source::Inode(_) | Source::Parent(_) | Source::Vacant => {}
        }
        let knote = &self.knotes[index];
        if knote.disabled {
            self.ready.remove(&mut self.knotes, index);
        } else if knote.forced {
            self.need_token()?;
            self.ready.push(&mut self.knotes, index);
        }
        Ok(())
    }

    /// Deletes a knote, telling where its descriptor was no longer the file that it was added for.
    #[inline(always)] // see `syscall`
    fn delete(&mut self, index: Index) -> Result<()> {
        self.is_number_unproven |= needs_proof(self.knotes[index].filter);
        let outcome = self.remove_entry(index);
        self.take_out(index);
        outcome
    }

    /// Deletes a knote after its last event.
    #[inline(never)]
    pub(super) fn finish(&mut self, index: Index) {
        // A descriptor that was closed in the meantime takes its entry along.
        let _ = self.remove_entry(index);
        self.take_out(index);
    }

    /// Takes a knote out of the table, whose epoll entry is gone or about to go.
    #[inline(never)]
    pub(super) fn forget(&mut self, index: Index) {
        self.take_out(index);
    }

    #[inline(always)] // see `syscall`
    fn take_out(&mut self, index: Index) {
        self.ready.remove(&mut self.knotes, index);
        self.clocks.remove(&mut self.knotes, index);
        if matches!(self.knotes[index].source, Source::Descriptor(_)) {
            self.knotes.remove(index);
        } else {
            self.forget_other(index);
        }
    }

    #[inline(never)]
    fn forget_other(&mut self, index: Index) {
        self.unsubscribe(index);
        let ident = self.knotes[index].ident;
        let source = self.knotes.remove(index);
        match &source {
            Source::Signal(_) => self.unwatch_signal(ident),
            Source::Process(process) => self.disown_process(process),
            _ => {}
        }
    }

    /// Makes epoll and the clocks agree with the knotes, after changes.
    #[inline(always)]
    fn settle_after_changes(&mut self) -> Result<()> {
        // Without it there are no ready knotes and no clocks to be shown.
        if self.token.is_none() {
            return Ok(());
        }
        self.arm_clocks()?;
        // Also where nothing is to be switched: a queue whose number was closed must not take a trigger silently.
        if mem::take(&mut self.is_number_unproven) {
            self.switch_token()?;
        }
        self.show_ready()
    }
}

/// A change as it is applied, without the system's own flags; `None` for one without a filter, which FreeBSD skips.
#[inline(always)]
fn taken(mut change: kevent) -> Option<kevent> {
    change.flags &= !EV_SYSFLAGS;
    (change.filter != 0).then_some(change)
}

/// Whether a change of the filter may need no call on the queue's number, which would tell that it was closed.
fn needs_proof(filter: i16) -> bool {
    matches!(filter, EVFILT_USER | EVFILT_VNODE | EVFILT_SIGNAL | EVFILT_EMPTY)
}

#[cfg(test)]
mod tests {
    use super::super::registry;
    use super::*;

    fn trigger() -> kevent {
        kevent { ident: 1, filter: EVFILT_USER, flags: 0, fflags: NOTE_TRIGGER, data: 0, udata: core::ptr::null_mut() }
    }

    fn change(queue: &Queue, change: kevent) -> (c_int, sys::Errno) {
        // SAFETY: one change, and no list of events.
        let answer = unsafe { queue.kevent(&change, 1, core::ptr::null_mut(), 0, core::ptr::null()) };
        (answer, sys::errno())
    }

    #[test]
    fn a_change_of_a_queue_that_was_closed_since_it_was_found_found_no_knote() {
        let number = Queue::create(true).unwrap();
        let queue = registry::find(number).unwrap();
        assert_eq!(Queue::close(number), Ok(()));
        assert_eq!(change(queue, trigger()), (-1, libc::EBADF));
        assert_eq!(change(queue, kevent { flags: EV_DELETE, ..trigger() }), (-1, libc::EBADF));
    }

    #[test]
    fn a_trigger_on_a_number_that_is_another_epoll_instance_found_no_knote() {
        let number = Queue::create(true).unwrap();
        let queue = registry::find(number).unwrap();
        assert_eq!(change(queue, kevent { flags: EV_ADD, ..trigger() }).0, 0);
        let another = sys::epoll_create(true).unwrap();
        sys::take_over(&another, number).unwrap();
        assert_eq!(change(queue, trigger()), (-1, libc::EBADF));
        assert_eq!(Queue::close(number), Ok(()));
    }
}
