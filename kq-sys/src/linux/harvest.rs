//! Harvesting: waiting on epoll, and making events of what it gives and of the knotes that are ready without it.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use std::os::fd::AsRawFd;

use super::descriptor::Plain;
use super::knote::{Index, Key, Source};
use super::queue::{turn, Queue, Set, State, CLOCKS, HIGHEST_KEY, INNER, INOTIFY, SIGNALS, TOKEN};
use super::sys::{self, Result, Wait};
use super::timer::{MONOTONIC, REALTIME};
use super::{constants::*, kevent, registry, signals, timespec};

/// How many entries are fetched from epoll at once.
const HARVEST: usize = 256;
/// After how many harvests of calls that do not wait the clock is asked again.
const LOOKS_A_SECOND: u32 = 16;
/// How often a call that must not wait looks again, when all that it fetched came to nothing.
const MAX_FRUITLESS: u32 = 64;

/// A caller's event list, and how much of it is filled.
pub(super) struct EventList {
    list: *mut kevent,
    room: usize,
    pub(super) length: usize,
}

impl EventList {
    /// # Safety
    /// `list` must be valid for writing `room` entries for as long as the value lives.
    pub(super) unsafe fn new(list: *mut kevent, room: usize) -> EventList {
        EventList { list, room, length: 0 }
    }

    pub(super) fn room(&self) -> usize {
        self.room - self.length
    }

    #[inline]
    pub(super) fn push(&mut self, event: kevent) {
        debug_assert!(self.length < self.room);
        if self.length < self.room {
            // SAFETY: within the list, by `new`'s contract.
            unsafe { self.list.add(self.length).write(event) };
            self.length += 1;
        }
    }
}

impl Queue {
    /// What no handler tells of: one that the program has installed since, and what is or was pending, blocked.
    #[cold]
    fn look_at_signals(&self, watched: u64) {
        if let Some(signals) = registry::signals() {
            signals.rechain(watched);
        }
        let mut state = self.lock();
        state.count_signals();
        let _ = state.show_ready();
    }

    /// Gives the inner set its turn before the outer one, if it is its turn; the number of the harvest that it was.
    ///
    /// As one entry of the outer set it would have one turn in a round of all of those.
    #[cold]
    fn take_turns(&self, list: &mut EventList) -> Option<u32> {
        if self.turn.swap(turn::OUTER, Ordering::Relaxed) == turn::OUTER_THEN_INNER {
            self.turn.store(turn::INNER, Ordering::Relaxed);
            return None;
        }
        let mut state = self.lock();
        let harvest = state.next_harvest(Wait::FOREVER);
        let half = list.room().div_ceil(2);
        if state.harvest_inner(half, harvest, list) {
            let next = if list.room() == 0 { turn::OUTER_THEN_INNER } else { turn::INNER };
            self.turn.store(next, Ordering::Relaxed);
        }
        Some(harvest)
    }

    /// What has to be done before the wait, where signals are watched or the inner set has a turn: the number of the
    /// harvest, where one was begun.
    #[cold]
    fn before_wait(&self, list: &mut EventList) -> Option<u32> {
        let watched = self.signals.load(Ordering::Relaxed);
        if watched != 0 {
            self.look_at_signals(watched);
        }
        signals::wait_begins();
        if self.turn.load(Ordering::Relaxed) != turn::OUTER {
            return self.take_turns(list);
        }
        None
    }

    /// Waits until there are events, and makes them.
    #[inline(always)] // see `syscall`
    pub(super) fn scan(&self, list: &mut EventList, mut wait: Wait) -> Result<usize> {
        let mut buffer = [const { MaybeUninit::<libc::epoll_event>::uninit() }; HARVEST];
        let mut harvest = None;
        let mut fruitless = 0;
        let life = self.life();
        if signals::in_use() || self.turn.load(Ordering::Relaxed) != turn::OUTER {
            harvest = self.before_wait(list);
            if list.room() == 0 {
                return Ok(list.length);
            }
            if list.length > 0 {
                wait = Wait::NO;
            }
        }
        let deadline = wait.deadline();
        loop {
            let asked = list.room().min(HARVEST);
            let entries = match sys::epoll_wait(self.epoll, &mut buffer[..asked], wait) {
                Ok(0) => return Ok(list.length),
                // SAFETY: epoll_wait filled so many.
                Ok(count) => unsafe { initialised(&buffer[..count]) },
                // The program knows nothing of that handler.
                Err(libc::EINTR) if signals::only_ours_ran() => &[],
                Err(_) if list.length > 0 => return Ok(list.length),
                // The number is open, but no epoll instance (any more).
                Err(libc::EINVAL) => return Err(libc::EBADF),
                Err(errno) => return Err(errno),
            };
            if !entries.is_empty() {
                let mut state = self.lock();
                if self.life() != life {
                    return Err(libc::EBADF);
                }
                let harvest = *harvest.get_or_insert_with(|| state.next_harvest(wait));
                let before = list.length;
                if state.harvest(entries, harvest, list) {
                    self.turn.store(turn::INNER, Ordering::Relaxed);
                }
                let is_full = entries.len() == asked && list.room() > 0;
                // Only the buffer was too short.
                if list.length > before && is_full && asked == HARVEST {
                    wait = Wait::NO;
                    continue;
                }
                if list.length > 0 {
                    return Ok(list.length);
                }
                // Entries that came to nothing may have hidden others.
                if wait == Wait::NO && is_full && fruitless < MAX_FRUITLESS {
                    fruitless += 1;
                    continue;
                }
                if core::mem::take(&mut state.is_stale_entry_left) {
                    // It ends every wait at once, and only time can bring the means to remove it.
                    drop(state);
                    std::thread::sleep(core::time::Duration::from_millis(5));
                }
            }
            if list.length > 0 || wait == Wait::NO {
                return Ok(list.length);
            }
            // The number may be another queue's by now, whose events are not this wait's.
            if self.life() != life {
                return Err(libc::EBADF);
            }
            // What came was for nothing.
            if let Some(deadline) = deadline {
                wait = Wait::until(deadline);
                if wait == Wait::NO {
                    return Ok(0);
                }
            }
        }
    }
}

impl State {
    /// Begins a harvest, and gives its number.
    #[inline]
    fn next_harvest(&mut self, wait: Wait) -> u32 {
        // Zero is for knotes that had no event yet.
        self.harvest = self.harvest.checked_add(1).unwrap_or(1);
        // Who only looks, looks often.
        if wait != Wait::NO || self.harvest % LOOKS_A_SECOND == 0 {
            self.now = sys::seconds();
        }
        self.harvest
    }

    /// Makes events of the entries that epoll gave; whether the inner set has more.
    #[inline]
    fn harvest(&mut self, entries: &[libc::epoll_event], harvest: u32, list: &mut EventList) -> bool {
        let mut inner = false;
        for entry in entries {
            let key = entry.u64;
            if key <= HIGHEST_KEY {
                self.take(Set::Outer, key, entry.events, harvest, list);
            } else {
                inner |= self.harvest_own(key);
            }
        }
        // Without a token no knote is ready but by epoll, and no clock runs.
        if !inner && self.token.is_none() {
            return false;
        }
        self.harvest_rest(inner, harvest, list)
    }

    /// Does what one of the queue's own entries asks for; whether it was that of the inner set.
    #[inline(never)]
    fn harvest_own(&mut self, key: Key) -> bool {
        match key {
            TOKEN => self.token_harvested(),
            INNER => return true,
            INOTIFY => self.harvest_inotify(),
            SIGNALS => self.count_signals(),
            _ if key == CLOCKS[MONOTONIC] => self.expire(MONOTONIC),
            _ if key == CLOCKS[REALTIME] => self.expire(REALTIME),
            _ => {}
        }
        false
    }

    /// Makes events of what the outer set does not have; whether the inner set has more.
    #[inline(never)]
    fn harvest_rest(&mut self, inner: bool, harvest: u32, list: &mut EventList) -> bool {
        let mut inner_has_more = inner;
        if inner && list.room() > 0 {
            // It stands for all its entries with one, and gets the room that is left, less one for ready knotes.
            let kept_free = usize::from(self.ready.len() > 0);
            inner_has_more = self.harvest_inner((list.room() - kept_free).max(1), harvest, list);
        }
        self.deliver_ready(harvest, list);
        // Both fail only where the number was closed by now; then nobody waits for what they show.
        let _ = self.arm_clocks();
        let _ = self.show_ready();
        inner_has_more
    }

    /// Makes events of so many entries of the inner set; whether it may have more.
    #[inline(never)] // it has a buffer of its own
    fn harvest_inner(&mut self, room: usize, harvest: u32, list: &mut EventList) -> bool {
        let Some(inner) = self.inner.as_ref().map(AsRawFd::as_raw_fd) else { return false };
        let room = room.min(HARVEST);
        let mut buffer = [const { MaybeUninit::<libc::epoll_event>::uninit() }; HARVEST];
        let Ok(count) = sys::epoll_wait(inner, &mut buffer[..room], Wait::NO) else { return false };
        // SAFETY: epoll_wait filled so many.
        for entry in unsafe { initialised(&buffer[..count]) } {
            self.take(Set::Inner, entry.u64, entry.events, harvest, list);
        }
        count == room && count < self.inner_entries
    }

    /// Makes the event of one entry, if there is one.
    #[inline(always)] // into the loop over the entries
    fn take(&mut self, set: Set, key: Key, readiness: u32, harvest: u32, list: &mut EventList) {
        let now = self.now;
        let Some(index) = self.knotes.by_key(key) else {
            return self.meet_stranger(set, key);
        };
        let knote = &mut self.knotes[index];
        let data = match knote.is_plain(readiness, harvest, now) {
            Plain::Done => 0,
            Plain::Bytes => match knote.bytes_to_read() {
                Ok(bytes @ 1..) => bytes,
                bytes => return self.take_other(index, readiness, Some(bytes), harvest, list),
            },
            Plain::No => return self.take_other(index, readiness, None, harvest, list),
        };
        let event = knote.plain_event(data, harvest);
        list.push(event);
        if event.flags & EV_ONESHOT != 0 {
            self.finish(index);
        }
    }

    /// The same where it takes a closer look, given the bytes that there are to read if they were asked for already.
    #[inline(never)]
    fn take_other(
        &mut self,
        index: Index,
        readiness: u32,
        bytes: Option<Result<c_int>>,
        harvest: u32,
        list: &mut EventList,
    ) {
        let (key, knote) = (self.knotes.key(index), &self.knotes[index]);
        // Switched off since epoll gave the entry; or a level entry that comes up for the second time in this call, as
        // it will at the next.
        if knote.disabled || knote.harvest == harvest && knote.is_level() {
            return;
        }
        let event = match knote.source {
            Source::Descriptor(_) => self.take_descriptor(index, readiness, bytes),
            Source::Process(_) => self.take_process(index),
            _ => None,
        };
        self.deliver(event, key, harvest, list);
    }

    /// Puts an event into the list, and notes in which call its knote had one.
    fn deliver(&mut self, event: Option<kevent>, key: Key, harvest: u32, list: &mut EventList) {
        let Some(event) = event else { return };
        if let Some(index) = self.knotes.by_key(key) {
            self.knotes[index].harvest = harvest;
        }
        list.push(event);
    }

    /// Delivers the ready knotes, each once in a call, while there is room.
    fn deliver_ready(&mut self, harvest: u32, list: &mut EventList) {
        for _ in 0..self.ready.len() {
            let Some(index) = self.ready.first().filter(|_| list.room() > 0) else { return };
            self.ready.remove(&mut self.knotes, index);
            let (key, knote) = (self.knotes.key(index), &self.knotes[index]);
            if knote.harvest == harvest {
                self.ready.push(&mut self.knotes, index);
                continue;
            }
            if knote.forced {
                self.look_for_data(index);
                list.push(self.knotes[index].event());
                self.finish(index);
                continue;
            }
            let event = match knote.source {
                Source::Timer(_) => self.deliver_timer(index),
                Source::User { .. } => Some(self.deliver_user(index)),
                Source::Vnode(_) => self.deliver_vnode(index),
                Source::File(_) => self.deliver_file(index),
                Source::Signal(_) => Some(self.deliver_signal(index)),
                Source::Descriptor(_) => self.look_at_descriptor(index),
                Source::Process(_) | Source::Inode(_) | Source::Parent(_) | Source::Vacant => None,
            };
            self.deliver(event, key, harvest, list);
        }
    }

    /// Brings the data of a knote up to date that is delivered whether it is ready or not.
    #[cold]
    fn look_for_data(&mut self, index: Index) {
        let knote = &self.knotes[index];
        let data = match knote.source {
            Source::Timer(_) => return self.count_expirations(index),
            Source::File(_) => self.file_data(index).map(|data| data.unwrap_or(0)),
            Source::Descriptor(_) if knote.filter == EVFILT_READ => knote.bytes_to_read().map(i64::from),
            _ => return,
        };
        if let Ok(data) = data {
            self.knotes[index].data = data;
        }
    }
}

/// # Safety
/// All entries must have been filled.
unsafe fn initialised(entries: &[MaybeUninit<libc::epoll_event>]) -> &[libc::epoll_event] {
    // SAFETY: the caller's promise.
    unsafe { &*(entries as *const [MaybeUninit<libc::epoll_event>] as *const [libc::epoll_event]) }
}

/// How long a timeout is; EINVAL where it is none.
pub(super) fn wait_of(timeout: Option<&timespec>) -> Result<Wait> {
    let Some(timeout) = timeout else { return Ok(Wait::FOREVER) };
    #[allow(clippy::useless_conversion)] // both fields have 32 bits on some machines
    let (seconds, nanos) = (i64::from(timeout.tv_sec), i64::from(timeout.tv_nsec));
    if seconds | nanos == 0 {
        return Ok(Wait::NO);
    }
    if seconds < 0 || !(0..sys::NANOS_PER_SEC as i64).contains(&nanos) {
        return Err(libc::EINVAL);
    }
    // What FreeBSD takes for endless.
    if seconds > i64::from(i32::MAX) {
        return Ok(Wait::FOREVER);
    }
    Ok(Wait::nanos(seconds as u64 * sys::NANOS_PER_SEC + nanos as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knote_without_an_event_yet_was_skipped_when_the_count_of_harvests_came_round() {
        let number = Queue::create(true).unwrap();
        let queue = registry::find(number).unwrap();
        queue.lock().harvest = u32::MAX;
        let user =
            kevent { ident: 1, filter: EVFILT_USER, flags: EV_ADD, fflags: 0, data: 0, udata: core::ptr::null_mut() };
        let trigger = kevent { flags: 0, fflags: NOTE_TRIGGER, ..user };
        let changes = [user, trigger];
        let mut events = [user];
        let second = timespec { tv_sec: 1, tv_nsec: 0 };
        // SAFETY: two changes, room for one event, and a time that lives across the call.
        let seen = unsafe { queue.kevent(changes.as_ptr(), 2, events.as_mut_ptr(), 1, &second) };
        assert_eq!(seen, Ok(1));
        assert_eq!(Queue::close(number), Ok(()));
    }
}
