//! The queue: what it is made of, its lives, and the call.

use core::ffi::c_int;
use core::mem;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use parking_lot::Mutex;

use super::knote::{Key, Knotes};
use super::lock::Locked;
use super::ready::{Ready, Token};
use super::scan::wait_of;
use super::stale::Strangers;
use super::sys::{self, Result};
use super::timer::Clocks;
use super::{fail, kevent, registry, timespec};

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
/// of the cache, and what a trigger and the wait that it ends write to is in the first: it goes to and fro between
/// processors.
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

// The state comes after its lock.
const _: () = {
    let state = mem::offset_of!(Queue, state) + mem::size_of::<usize>();
    assert!(state + mem::offset_of!(State, token) < 64);
};

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
    pub(super) epoll: RawFd,
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
    pub(super) ready: Ready,
    pub(super) token: Option<Token>,
    pub(super) knotes: Knotes,
    pub(super) clocks: Clocks,
    /// A second epoll instance within the first, for the second knote of a descriptor: epoll has one entry a file.
    pub(super) inner: Option<OwnedFd>,
    /// How many entries it has, or more: those of descriptors that were closed are still counted.
    pub(super) inner_entries: usize,
    /// The descriptors that are the queue's own, in order, and those by which it watches processes.
    pub(super) own_numbers: Vec<RawFd>,
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
        Locked::new(self.state.lock())
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
    #[inline(always)] // see `syscall`
    pub(super) unsafe fn kevent(
        &self,
        changes: *const kevent,
        nchanges: usize,
        events: *mut kevent,
        nevents: usize,
        timeout: *const timespec,
    ) -> c_int {
        if nchanges == 1 && nevents == 0 {
            // SAFETY: null or valid, by the caller's promise.
            if let Some(change) = unsafe { changes.as_ref() } {
                return self.change_one(change);
            }
        }
        if nchanges > 0 || nevents == 0 || events.is_null() {
            // SAFETY: the caller's promise.
            return unsafe { self.change(changes, nchanges, events, nevents, timeout) };
        }
        // SAFETY: null or valid, by the caller's promise.
        match wait_of(unsafe { timeout.as_ref() }) {
            // SAFETY: the caller's promise, and not null.
            Ok(wait) => unsafe { self.scan(events, nevents, wait) },
            Err(errno) => fail(errno),
        }
    }
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
}
