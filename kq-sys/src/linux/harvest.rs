//! Harvesting: waiting on epoll, and making events of what it gives and of the knotes that are ready without it.

use core::ffi::c_int;
use core::sync::atomic::Ordering;
use std::os::fd::AsRawFd;

use super::descriptor::Plain;
use super::event_list::{Entries, EventList};
use super::knote::{Index, Key, Source};
use super::queue::{turn, Queue, Set, State, CLOCKS, HIGHEST_KEY, INNER, INOTIFY, SIGNALS, TOKEN};
use super::sys::{self, Result, Wait};
use super::timer::{MONOTONIC, REALTIME};
use super::{answer, constants::*, kevent, registry, signals, timespec};

/// After how many entries other threads get at the queue.
const TURN: usize = 256;
/// After how many harvests of calls that do not wait the clock is asked again.
const LOOKS_A_SECOND: u32 = 16;
/// How often a call that must not wait looks again, when all that it fetched came to nothing.
const MAX_FRUITLESS: u32 = 64;

/// How a wait stands after its first look at epoll.
struct Scan {
    wait: Wait,
    deadline: Option<u64>,
    /// The life of the queue in which it began.
    life: u32,
    /// The number of its harvest, where one was begun.
    harvest: Option<u32>,
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
        let harvest = state.next_harvest(true);
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

    /// Whether epoll's entries are not all that there is to a wait.
    #[inline]
    fn has_more_to_look_at(&self) -> bool {
        signals::in_use() || self.turn.load(Ordering::Relaxed) != turn::OUTER
    }

    /// Waits until there are events, and makes them.
    #[inline]
    pub(super) fn scan(&self, mut list: EventList, wait: Wait) -> c_int {
        let life = self.life();
        let has_end = wait != Wait::NO && wait != Wait::FOREVER;
        if has_end || self.has_more_to_look_at() {
            return self.prepare_and_scan(list, wait, life);
        }
        match list.fetch(self.epoll, wait) {
            Ok(entries) if entries.len() == 0 => list.length as c_int,
            fetched => self.scan_on(list, fetched, Scan { wait, deadline: None, life, harvest: None }),
        }
    }

    /// The same where something comes before the wait.
    #[inline(never)]
    fn prepare_and_scan(&self, mut list: EventList, mut wait: Wait, life: u32) -> c_int {
        let mut harvest = None;
        if self.has_more_to_look_at() {
            harvest = self.before_wait(&mut list);
            if list.room() == 0 {
                return list.length as c_int;
            }
            if list.length > 0 {
                wait = Wait::NO;
            }
        }
        let deadline = wait.deadline();
        let fetched = list.fetch(self.epoll, wait);
        self.scan_on(list, fetched, Scan { wait, deadline, life, harvest })
    }

    /// Makes events of what was fetched, and goes on waiting where that comes to none.
    #[inline(never)]
    fn scan_on(&self, list: EventList, fetched: Result<Entries>, scan: Scan) -> c_int {
        answer(self.make_events(list, fetched, scan))
    }

    #[inline(always)] // into `scan_on`, which gives the result as kevent does
    fn make_events(&self, mut list: EventList, mut fetched: Result<Entries>, scan: Scan) -> Result<usize> {
        let Scan { mut wait, deadline, life, mut harvest } = scan;
        let mut fruitless = 0;
        loop {
            let mut entries = match fetched {
                Ok(entries) if entries.len() == 0 => return Ok(list.length),
                Ok(entries) => entries,
                // The program knows nothing of that handler.
                Err(libc::EINTR) if signals::only_ours_ran() => Entries::NONE,
                Err(_) if list.length > 0 => return Ok(list.length),
                // The number is open, but no epoll instance (any more).
                Err(libc::EINVAL) => return Err(libc::EBADF),
                Err(errno) => return Err(errno),
            };
            if entries.len() > 0 {
                let is_full = entries.len() == list.room();
                // Who only looks, looks often; and who was only woken has no descriptor's event to make.
                let is_woken = entries.len() == 1 && list.peek(&entries).is_some_and(|(_, key)| key == TOKEN);
                let looks_at_clock = wait != Wait::NO && !is_woken;
                let mut state = self.lock();
                let mut inner = false;
                loop {
                    if self.life() != life {
                        return if list.length > 0 { Ok(list.length) } else { Err(libc::EBADF) };
                    }
                    let harvest = *harvest.get_or_insert_with(|| state.next_harvest(looks_at_clock));
                    inner |= state.harvest(&mut entries, harvest, &mut list);
                    if entries.len() == 0 {
                        // Without a token no knote is ready but by epoll, and no clock runs.
                        if (inner || state.token.is_some()) && state.harvest_rest(inner, harvest, &mut list) {
                            self.turn.store(turn::INNER, Ordering::Relaxed);
                        }
                        break;
                    }
                    state.let_others();
                }
                if list.length > 0 {
                    state.leave();
                    return Ok(list.length);
                }
                // Entries that came to nothing may have hidden others.
                if wait == Wait::NO && is_full && fruitless < MAX_FRUITLESS {
                    fruitless += 1;
                    drop(state);
                    fetched = list.fetch(self.epoll, wait);
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
            fetched = list.fetch(self.epoll, wait);
        }
    }
}

impl State {
    /// Begins a harvest, and gives its number.
    #[inline]
    fn next_harvest(&mut self, looks_at_clock: bool) -> u32 {
        // Zero is for knotes that had no event yet.
        self.harvest = self.harvest.checked_add(1).unwrap_or(1);
        if looks_at_clock || self.harvest % LOOKS_A_SECOND == 0 {
            self.now = sys::seconds();
        }
        self.harvest
    }

    /// Makes events of the next entries that epoll gave; whether that of the inner set was among them.
    #[inline]
    fn harvest(&mut self, entries: &mut Entries, harvest: u32, list: &mut EventList) -> bool {
        let mut inner = false;
        let mut entries = entries.split_off(TURN);
        while let Some((readiness, key)) = list.take(&mut entries) {
            if key <= HIGHEST_KEY {
                self.take(Set::Outer, key, readiness, harvest, list);
            } else if key == TOKEN {
                self.token_harvested();
            } else {
                inner |= self.harvest_own(key);
            }
        }
        inner
    }

    /// Does what one of the queue's own entries beside the token asks for; whether it was that of the inner set.
    #[inline(never)]
    fn harvest_own(&mut self, key: Key) -> bool {
        match key {
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
    #[inline(never)] // a system call in place
    fn harvest_inner(&mut self, room: usize, harvest: u32, list: &mut EventList) -> bool {
        let Some(inner) = self.inner.as_ref().map(AsRawFd::as_raw_fd) else { return false };
        let Ok(mut entries) = list.fetch_some(inner, room, Wait::NO) else { return false };
        let has_more = entries.len() == room;
        while let Some((readiness, key)) = list.take(&mut entries) {
            self.take(Set::Inner, key, readiness, harvest, list);
        }
        has_more
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
                list.push(knote.event());
                self.finish(index);
                continue;
            }
            if let Source::User { .. } = knote.source {
                let event = self.deliver_user(index, harvest);
                list.push(event);
                continue;
            }
            let event = match knote.source {
                Source::Timer(_) => self.deliver_timer(index),
                Source::Vnode(_) => self.deliver_vnode(index),
                Source::File(_) => self.deliver_file(index),
                Source::Signal(_) => Some(self.deliver_signal(index)),
                Source::Descriptor(_) => self.look_at_descriptor(index),
                Source::User { .. } | Source::Process(_) | Source::Inode(_) | Source::Parent(_) | Source::Vacant => {
                    None
                }
            };
            self.deliver(event, key, harvest, list);
        }
    }
}

/// How long a timeout is; EINVAL where it is none.
#[inline]
pub(super) fn wait_of(timeout: Option<&timespec>) -> Result<Wait> {
    match timeout {
        None => Ok(Wait::FOREVER),
        Some(timeout) if timeout.tv_sec == 0 && timeout.tv_nsec == 0 => Ok(Wait::NO),
        Some(timeout) => wait_for(timeout),
    }
}

#[inline(never)]
fn wait_for(timeout: &timespec) -> Result<Wait> {
    #[allow(clippy::useless_conversion)] // both fields have 32 bits on some machines
    let (seconds, nanos) = (i64::from(timeout.tv_sec), i64::from(timeout.tv_nsec));
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
        assert_eq!(seen, 1);
        assert_eq!(Queue::close(number), Ok(()));
    }
}
