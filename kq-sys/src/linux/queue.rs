//! The queue: what it is made of, and how changes are applied to its knotes.

use core::ffi::c_int;
use core::mem::{self, ManuallyDrop};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use parking_lot::{Mutex, MutexGuard};

use super::event_list::EventList;
use super::knote::{Index, Key, Knotes, Source};
use super::ready::{Ready, Token};
use super::scan::wait_of;
use super::stale::Strangers;
use super::sys::{self, Result};
use super::timer::Clocks;
use super::{answer, constants::*, fail, kevent, registry, timespec};

/// The keys of the queue's own entries; no knote has them.
pub(super) const TOKEN: Key = Key::MAX;
pub(super) const INNER: Key = Key::MAX - 1;
pub(super) const CLOCKS: [Key; 2] = [Key::MAX - 2, Key::MAX - 3];
pub(super) const INOTIFY: Key = Key::MAX - 4;
pub(super) const SIGNALS: Key = Key::MAX - 5;
/// For entries that are added to see whether they are there.
pub(super) const PROBE: Key = Key::MAX - 6;
/// The highest key that a knote may have.
pub(super) const HIGHEST_KEY: Key = PROBE - 1;

/// A number that is a queue, and may be one again and again. In the order of use: what every call needs is in two lines
/// of the cache.
#[repr(C, align(64))]
pub(super) struct Queue {
    /// Grows by one when the number becomes a queue and when it is closed: odd while it is a queue. Written with the
    /// state locked.
    life: AtomicU32,
    /// The number that the program has: the epoll instance itself.
    pub(super) epoll: RawFd,
    /// Whose turn it is, where the inner set has more than its turns give it.
    pub(super) turn: AtomicU8,
    state: Mutex<State>,
    /// The signals that its knotes watch, a bit each.
    pub(super) signals: AtomicU64,
}

// The registry shares it by a pointer, which says nothing of that.
const _: () = {
    const fn is_shared<T: Sync>() {}
    is_shared::<Queue>();
};

/// A queue's state while it is locked. After that the token is written to, if that is due.
pub(super) struct Locked<'a>(ManuallyDrop<MutexGuard<'a, State>>);

impl Locked<'_> {
    /// Unlocks, as dropping it does; where a system call's way back matters (see `syscall`), in place.
    #[inline(always)]
    pub(super) fn leave(self) {
        // SAFETY: it is not dropped after that.
        unsafe { ManuallyDrop::new(self).unlock() };
    }

    /// # Safety
    /// Nothing may use it after that.
    #[inline(always)]
    unsafe fn unlock(&mut self) {
        let token = self.take_unwritten();
        // SAFETY: the guard is dropped here only, and nothing uses it any more, by the caller's promise.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        if let Some(token) = token {
            sys::eventfd_write(&token);
        }
    }

    /// Gives way to threads that wait for the lock.
    pub(super) fn let_others(&mut self) {
        MutexGuard::bump(&mut self.0);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: it is being dropped.
        unsafe { self.unlock() };
    }
}

impl Deref for Locked<'_> {
    type Target = State;
    #[inline]
    fn deref(&self) -> &State {
        &self.0
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        &mut self.0
    }
}

/// Turns of the two sets.
pub(super) mod turn {
    /// The outer set's, in which the inner set is one entry.
    pub(crate) const OUTER: u8 = 0;
    /// The inner set's, for half of the list.
    pub(crate) const INNER: u8 = 1;
    /// The outer set's, after a turn of the inner set that filled the list.
    pub(crate) const OUTER_THEN_INNER: u8 = 2;
}

/// What the queue's lock guards. It is held while changes are applied and events are made, never while waiting.
#[repr(C)] // in the order of use
pub(super) struct State {
    epoll: RawFd,
    /// Counts the calls that fetched events.
    pub(super) harvest: u32,
    /// When that was, in seconds: how long a knote's number is taken for its file's.
    pub(super) now: u32,
    /// The number was closed: it may be another file by now, and no call may be made on it.
    pub(super) closed: bool,
    /// The token is to be written to when the lock is left.
    pub(super) unwritten: bool,
    /// A change was made of which no call on the queue's number has told whether it still is the queue's.
    pub(super) is_number_unproven: bool,
    /// A stale entry came up and could not be removed.
    pub(super) is_stale_entry_left: bool,
    pub(super) token: Option<Token>,
    pub(super) ready: Ready,
    pub(super) knotes: Knotes,
    pub(super) clocks: Clocks,
    /// A second epoll instance within the first, for the second knote of a descriptor: epoll has one entry a file.
    pub(super) inner: Option<OwnedFd>,
    /// How many entries it has, or more: those of descriptors that were closed are still counted.
    pub(super) inner_entries: usize,
    /// The descriptors that are the queue's own, in order, and those by which it watches processes.
    own_numbers: Vec<RawFd>,
    /// The signals that it watches, a bit each.
    pub(super) signals: u64,
    /// Tells of files; made when first needed.
    pub(super) inotify: Option<OwnedFd>,
    /// Those that are being told of a notification; kept for its memory.
    pub(super) told: Vec<Key>,
    pub(super) strangers: Strangers,
}

impl Queue {
    /// Makes a queue and gives its number.
    pub(super) fn create(cloexec: bool) -> Result<RawFd> {
        let epoll = sys::epoll_create(cloexec)?;
        registry::open(epoll.as_raw_fd())?;
        Ok(epoll.into_raw_fd())
    }

    /// What stands for a number before it is a queue.
    pub(super) fn new(number: RawFd) -> Queue {
        Queue {
            life: AtomicU32::new(0),
            epoll: number,
            turn: AtomicU8::new(turn::OUTER),
            state: Mutex::new(State::new(number)),
            signals: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked(ManuallyDrop::new(self.state.lock()))
    }

    /// Begins a life, and ends the one before where the number was closed without this crate.
    pub(super) fn open(&self) {
        let mut state = self.lock();
        let before = state.end_life();
        state.closed = false;
        self.signals.store(0, Ordering::Relaxed);
        self.turn.store(turn::OUTER, Ordering::Relaxed);
        // From even to the next odd number, or from odd to the one after it.
        let life = self.life();
        self.life.store(life.wrapping_add(1 + (life & 1)), Ordering::Release);
        drop(state);
        drop(before);
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.life.load(Ordering::Acquire) & 1 != 0
    }

    /// Which of its lives this is; an answer holds as long as the state is locked.
    #[inline]
    pub(super) fn life(&self) -> u32 {
        self.life.load(Ordering::Relaxed)
    }

    /// Closes the number with the state locked, so that no call on it can be under way.
    pub(super) fn close(number: RawFd) -> Result<()> {
        let Some(queue) = registry::find(number) else { return sys::close(number) };
        let mut state = queue.lock();
        let before = state.end_life();
        // Another thread may have closed it since it was found.
        if queue.is_open() {
            queue.life.store(queue.life().wrapping_add(1), Ordering::Release);
        }
        let closed = sys::close(number);
        drop(state);
        drop(before);
        closed
    }

    /// Whether the number still is this queue, and has not become something else behind its back.
    pub(super) fn has_its_number(&self) -> bool {
        // A queue that is busy in another thread is there; waiting for it could be waiting for each other.
        self.state.try_lock().map_or(true, |mut state| match state.token {
            Some(_) => state.switch_token().is_ok(),
            None => sys::is_epoll(self.epoll),
        })
    }

    /// How many events it could give at least, for an outer queue that watches it; 1 where it is not known.
    pub(super) fn pending(&self) -> i64 {
        self.state.try_lock().map_or(1, |mut state| state.pending())
    }

    /// kevent(2).
    ///
    /// # Safety
    /// `changes` must be valid for reading `nchanges` entries and `events` for writing `nevents`; they may be the
    /// same array. `timeout` must be null or valid for reading.
    #[inline]
    pub(super) unsafe fn kevent(
        &self,
        changes: *const kevent,
        nchanges: usize,
        events: *mut kevent,
        nevents: usize,
        timeout: *const timespec,
    ) -> c_int {
        if nchanges > 0 || nevents == 0 || events.is_null() {
            // SAFETY: the caller's promise.
            return unsafe { self.change(changes, nchanges, events, nevents, timeout) };
        }
        // SAFETY: the caller's promise.
        let (list, wait) = unsafe { (EventList::new(events, nevents), wait_of(timeout.as_ref())) };
        match wait {
            Ok(wait) => self.scan(list, wait),
            Err(errno) => fail(errno),
        }
    }

    /// kevent(2) with changes, or without an event list.
    ///
    /// # Safety
    /// As of `kevent`.
    #[inline(never)]
    unsafe fn change(
        &self,
        changes: *const kevent,
        nchanges: usize,
        events: *mut kevent,
        nevents: usize,
        timeout: *const timespec,
    ) -> c_int {
        if nchanges == 1 && nevents == 0 {
            // SAFETY: null or valid, by the caller's promise.
            if let Some(triggered) = unsafe { changes.as_ref() }.and_then(|change| self.trigger(change)) {
                return answer(triggered.map(|()| 0));
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.change_and_scan(changes, nchanges, events, nevents, timeout) }
    }

    /// # Safety
    /// As of `kevent`.
    #[inline(never)]
    unsafe fn change_and_scan(
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
            Ok(wait) => match self.scan(list, wait) {
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
        let shown = state.settle_after_changes();
        self.signals.store(state.signals, Ordering::Relaxed);
        state.leave();
        if let Ok(Applied::All) = applied {
            shown?;
        }
        applied
    }
}

/// How far a change list was applied, where no change failed for want of room.
enum Applied {
    All,
    /// A receipt found no room in the event list: FreeBSD ends the call there, with success.
    NoRoomForReceipt,
}

/// Which of the queue's epoll instances has an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Outer,
    Inner,
}

impl State {
    /// The state of a number that is no queue.
    fn new(epoll: RawFd) -> State {
        State {
            epoll,
            closed: true,
            knotes: Knotes::new(),
            ready: Ready::new(),
            token: None,
            unwritten: false,
            inner: None,
            inner_entries: 0,
            clocks: Clocks::new(),
            inotify: None,
            told: Vec::new(),
            own_numbers: Vec::new(),
            signals: 0,
            harvest: 0,
            now: sys::seconds(),
            is_number_unproven: false,
            is_stale_entry_left: false,
            strangers: Strangers::NONE,
        }
    }

    /// Puts an empty state in its place, of a queue that is closed, and gives what was there.
    ///
    /// Keys go on where they were: what a waiter fetched in one life is nobody's in the next.
    fn end_life(&mut self) -> State {
        let mut fresh = State::new(self.epoll);
        fresh.knotes = self.knotes.successors();
        mem::replace(self, fresh)
    }

    /// epoll_ctl on the queue's number.
    #[inline(always)] // see `syscall`
    pub(super) fn ctl(&self, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        if self.closed {
            return Err(libc::EBADF);
        }
        match sys::epoll_ctl(self.epoll, operation, fd, interest, key) {
            // The number is open, and no epoll instance any more.
            Err(libc::EINVAL) => Err(libc::EBADF),
            outcome => outcome,
        }
    }

    /// epoll_ctl on one of the two sets; the inner one is made when it is first needed.
    #[inline(always)] // see `syscall`
    pub(super) fn ctl_in(&mut self, set: Set, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        match set {
            Set::Outer => self.ctl(operation, fd, interest, key),
            Set::Inner => self.ctl_inner(operation, fd, interest, key),
        }
    }

    #[inline(never)]
    fn ctl_inner(&mut self, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        let inner = match &self.inner {
            Some(inner) => inner.as_raw_fd(),
            None => {
                let inner = sys::epoll_create(true)?;
                self.ctl(libc::EPOLL_CTL_ADD, inner.as_raw_fd(), libc::EPOLLIN as u32, INNER)?;
                self.own_number(inner.as_raw_fd());
                self.inner.insert(inner).as_raw_fd()
            }
        };
        sys::epoll_ctl(inner, operation, fd, interest, key)?;
        match operation {
            libc::EPOLL_CTL_ADD => self.inner_entries += 1,
            libc::EPOLL_CTL_DEL => self.inner_entries = self.inner_entries.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    /// epoll_ctl for a knote's descriptor: EBADF for one of the queue's own, which may have got the number of one that
    /// the program has closed.
    #[inline(always)] // see `syscall`
    pub(super) fn ctl_for(&mut self, set: Set, operation: i32, fd: RawFd, interest: u32, key: Key) -> Result<()> {
        if self.is_own(fd) {
            return Err(libc::EBADF);
        }
        match self.ctl_in(set, operation, fd, interest, key) {
            // A file that epoll cannot watch: there is no entry of it to be changed or removed.
            Err(libc::EPERM) if operation != libc::EPOLL_CTL_ADD => Err(libc::ENOENT),
            outcome => outcome,
        }
    }

    /// Whether the number is one of the queue's own, or of the process's signals that it watches.
    #[inline]
    fn is_own(&self, number: RawFd) -> bool {
        self.own_numbers.binary_search(&number).is_ok()
            || self.signals != 0 && self.signal_entries().into_iter().flatten().any(|(own, ..)| own == number)
    }

    /// A descriptor becomes the queue's own, and nobody's to watch.
    pub(super) fn own_number(&mut self, number: RawFd) {
        if let Err(place) = self.own_numbers.binary_search(&number) {
            self.own_numbers.insert(place, number);
        }
    }

    /// One of the queue's own descriptors is about to be closed.
    pub(super) fn disown_number(&mut self, number: RawFd) {
        if let Ok(place) = self.own_numbers.binary_search(&number) {
            self.own_numbers.remove(place);
        }
    }

    /// The queue's own entries beside that of the inner set, as they should be in a set.
    fn own_entries(&self) -> impl Iterator<Item = Option<(RawFd, u32, Key)>> {
        let signals = if self.signals == 0 { [None; 2] } else { self.signal_entries() };
        [self.token_entry(), self.inotify_entry()].into_iter().chain(self.clock_entries()).chain(signals)
    }

    /// Whether the number is the queue's own.
    pub(super) fn is(&self, number: RawFd) -> bool {
        !self.closed && self.epoll == number
    }

    /// The descriptor of a set, if it is there.
    pub(super) fn set(&self, set: Set) -> Option<RawFd> {
        match set {
            Set::Outer => (!self.closed).then_some(self.epoll),
            Set::Inner => self.inner.as_ref().map(AsRawFd::as_raw_fd),
        }
    }

    /// Puts a fresh, empty epoll instance in the place of a set, with the queue's own entries in it.
    ///
    /// Waiters that are blocked on the old one must be woken by its token first; a poller outside that had the
    /// queue's number in a set of its own loses it.
    pub(super) fn replace_set(&mut self, set: Set) -> Result<()> {
        let fresh = sys::epoll_create(true)?;
        if set == Set::Inner {
            if let Some(old) = self.inner.take() {
                self.disown_number(old.as_raw_fd());
            }
            self.ctl(libc::EPOLL_CTL_ADD, fresh.as_raw_fd(), libc::EPOLLIN as u32, INNER)?;
            self.own_number(fresh.as_raw_fd());
            self.inner = Some(fresh);
            self.inner_entries = 0;
            return Ok(());
        }
        if self.closed {
            return Err(libc::EBADF);
        }
        // Those who wait on the old instance come over to the new one. Makes the token too, if there was none.
        self.wake_all()?;
        let inner = self.inner.as_ref().map(|inner| (inner.as_raw_fd(), libc::EPOLLIN as u32, INNER));
        let own = self.own_entries().chain([inner]).flatten();
        for (fd, interest, key) in own {
            sys::epoll_ctl(fresh.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, interest, key)?;
        }
        sys::take_over(&fresh, self.epoll)
    }

    /// Applies changes in order; errors and receipts go to the event list while it has room.
    ///
    /// # Safety
    /// `changes` must be valid for reading `count` entries; it may be the array of `list`.
    #[inline(always)] // see `syscall`
    unsafe fn apply(&mut self, changes: *const kevent, count: usize, list: &mut EventList) -> Result<Applied> {
        for position in 0..count {
            // SAFETY: within the list. Read before its outcome is written, which goes to this place or an earlier one.
            let mut change = unsafe { changes.add(position).read() };
            // FreeBSD skips an entry without a filter.
            if change.filter == 0 {
                continue;
            }
            change.flags &= !EV_SYSFLAGS;
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
    #[inline]
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

/// Whether a change of the filter may need no call on the queue's number, which would tell that it was closed.
fn needs_proof(filter: i16) -> bool {
    matches!(filter, EVFILT_USER | EVFILT_VNODE | EVFILT_SIGNAL | EVFILT_EMPTY)
}

#[cfg(test)]
mod tests {
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
