//! Scanning: waiting on epoll until there are events, or the time is over.

use core::ffi::c_int;
use core::sync::atomic::Ordering;

use super::event_list::{Entries, EventList};
use super::queue::{turn, Queue, TOKEN};
use super::sys::{self, End, Errno, Result, Wait};
use super::{answer, kevent, registry, signals, timespec};

/// How often a call that must not wait looks again, when all that it fetched came to nothing.
const MAX_FRUITLESS: u32 = 64;

/// A call that scans: what it goes by from one look at epoll to the next.
struct Scan {
    end: End,
    /// The life of the queue in which it began.
    life: u32,
    /// The number of its harvest, where one was begun.
    harvest: Option<u32>,
    /// The last look filled the list with entries.
    was_full: bool,
    fruitless: u32,
}

impl Scan {
    #[inline]
    fn new(end: End, life: u32) -> Scan {
        Scan { end, life, harvest: None, was_full: false, fruitless: 0 }
    }

    /// How long to wait for the next look, after one that came to nothing, if there is to be one.
    fn next(&mut self, queue: &Queue) -> Result<Option<Wait>> {
        if self.end == End::NOW {
            // Entries that came to nothing may have hidden others.
            self.fruitless += 1;
            return Ok((self.was_full && self.fruitless <= MAX_FRUITLESS).then_some(Wait::NO));
        }
        // The number may be another queue's by now, whose events are not this wait's.
        if queue.life() != self.life {
            return Err(libc::EBADF);
        }
        Ok(Some(self.end.wait()).filter(|wait| *wait != Wait::NO))
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

    /// Waits until there are events, and puts them into a list; gives what kevent returns.
    ///
    /// # Safety
    /// `events` must be valid for writing `room` entries.
    #[inline(always)] // see `syscall`
    pub(super) unsafe fn scan(&self, events: *mut kevent, room: usize, wait: Wait) -> c_int {
        let life = self.life();
        let timeout = wait.timeout().filter(|_| !self.has_more_to_look_at());
        // SAFETY: the caller's promise, here and in what follows.
        let mut list = unsafe { EventList::new(events, room) };
        let Some(timeout) = timeout else { return self.prepare_and_scan(list, wait, life) };
        let end = wait.end();
        match list.fetch_once(self.epoll, room, timeout) {
            Ok(entries) if entries.len() == 0 => 0,
            // SAFETY: as above; the token's entry was fetched just now.
            Ok(entries) if list.is_only(&entries, TOKEN) => unsafe { self.scan_woken(events, room, end, life) },
            // SAFETY: as above; so many were fetched just now.
            Ok(entries) => unsafe { self.scan_first(events, room, entries.len(), end, life) },
            Err(errno) => self.scan_after(errno, list, end, life),
        }
    }

    /// Makes events of what the first look has fetched. Takes no more than registers hold.
    ///
    /// # Safety
    /// As of `scan`, and so many entries must have been fetched into the list.
    #[inline(never)]
    unsafe fn scan_first(&self, events: *mut kevent, room: usize, fetched: usize, end: End, life: u32) -> c_int {
        // SAFETY: the caller's promise.
        let mut list = unsafe { EventList::new(events, room) };
        // SAFETY: the caller's promise.
        let entries = unsafe { list.fetched(fetched) };
        let mut scan = Scan::new(end, life);
        match self.harvest(entries, &mut list, &mut scan) {
            Ok(true) => list.length as c_int,
            Ok(false) => answer(self.scan_on(list, scan)),
            Err(errno) => answer(Err(errno)),
        }
    }

    /// Makes the event of a waker's trigger, if that is what the token has come up for. Short, since it is what a thread
    /// does first that was asleep, with nothing of it in the cache.
    ///
    /// # Safety
    /// As of `scan_first`, of the token's entry.
    #[inline(never)]
    unsafe fn scan_woken(&self, events: *mut kevent, room: usize, end: End, life: u32) -> c_int {
        let mut state = self.lock();
        let wake = if self.life() == life { state.take_wake() } else { None };
        state.leave();
        match wake {
            Some(event) => {
                // SAFETY: room for one that was fetched, by the caller's promise.
                unsafe { events.write(event) };
                1
            }
            // SAFETY: the caller's promise.
            None => unsafe { self.scan_first(events, room, 1, end, life) },
        }
    }

    /// Goes on after a first look that failed.
    #[cold]
    fn scan_after(&self, errno: Errno, list: EventList, end: End, life: u32) -> c_int {
        let is_over = if sys::lacks_exact_waits(errno) { Ok(false) } else { self.failed(errno, &list) };
        answer(is_over.and_then(|is_over| match is_over {
            true => Ok(list.length),
            false => self.scan_on(list, Scan::new(end, life)),
        }))
    }

    /// Scans where something comes before the wait.
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
        let mut scan = Scan { harvest, ..Scan::new(wait.end(), life) };
        match self.look(&mut list, &mut scan, wait) {
            Ok(true) => list.length as c_int,
            Ok(false) => answer(self.scan_on(list, scan)),
            Err(errno) => answer(Err(errno)),
        }
    }

    /// Goes on after a look that came to nothing.
    #[inline(never)]
    fn scan_on(&self, mut list: EventList, mut scan: Scan) -> Result<usize> {
        while let Some(wait) = scan.next(self)? {
            if self.look(&mut list, &mut scan, wait)? {
                break;
            }
        }
        Ok(list.length)
    }

    /// Waits once; whether the call ends with that: there are events, or the time is over.
    #[inline(never)]
    fn look(&self, list: &mut EventList, scan: &mut Scan, wait: Wait) -> Result<bool> {
        match list.fetch(self.epoll, wait) {
            Ok(entries) if entries.len() == 0 => Ok(true),
            Ok(entries) => self.harvest(entries, list, scan),
            Err(errno) => {
                scan.was_full = false;
                self.failed(errno, list)
            }
        }
    }

    /// Whether a look that failed ends the call, with the events that it has or with the error.
    #[cold]
    fn failed(&self, errno: Errno, list: &EventList) -> Result<bool> {
        match errno {
            // The program knows nothing of that handler.
            libc::EINTR if signals::only_ours_ran() => Ok(list.length > 0),
            _ if list.length > 0 => Ok(true),
            // The number is open, but no epoll instance (any more).
            libc::EINVAL => Err(libc::EBADF),
            errno => Err(errno),
        }
    }

    /// Makes events of entries; whether there are some then.
    #[inline(always)] // see `syscall`
    fn harvest(&self, entries: Entries, list: &mut EventList, scan: &mut Scan) -> Result<bool> {
        let has_events = self.harvest_once(entries, list, scan)?;
        if has_events && scan.was_full && list.room() > 0 {
            self.fill(list, scan);
        }
        Ok(has_events)
    }

    /// Looks for what entries that came to nothing have hidden, and there is room for: it comes up first now.
    #[cold]
    fn fill(&self, list: &mut EventList, scan: &mut Scan) {
        loop {
            let length = list.length;
            let Ok(entries) = list.fetch(self.epoll, Wait::NO) else { return };
            if entries.len() == 0 || self.harvest_once(entries, list, scan).is_err() {
                return;
            }
            if list.length == length || !scan.was_full || list.room() == 0 {
                return;
            }
        }
    }

    #[inline(always)] // see `syscall`
    fn harvest_once(&self, mut entries: Entries, list: &mut EventList, scan: &mut Scan) -> Result<bool> {
        scan.was_full = entries.len() == list.room();
        // Who only looks, looks often; and who was only woken has no descriptor's event to make.
        let looks_at_clock = scan.end != End::NOW && !list.is_only(&entries, TOKEN);
        let mut inner = false;
        let mut state = self.lock();
        loop {
            if self.life() != scan.life {
                return if list.length > 0 { Ok(true) } else { Err(libc::EBADF) };
            }
            let harvest = *scan.harvest.get_or_insert_with(|| state.next_harvest(looks_at_clock));
            inner |= state.harvest(&mut entries, harvest, list);
            if entries.len() == 0 {
                if state.has_rest(inner) && state.harvest_rest(inner, harvest, list) {
                    self.turn.store(turn::INNER, Ordering::Relaxed);
                    scan.was_full = true;
                }
                break;
            }
            state.let_others();
        }
        if list.length > 0 {
            state.leave();
            return Ok(true);
        }
        if scan.end != End::NOW && core::mem::take(&mut state.is_stale_entry_left) {
            // It ends every wait at once, and only time can bring the means to remove it.
            drop(state);
            std::thread::sleep(core::time::Duration::from_millis(5));
        }
        Ok(false)
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
    use std::os::fd::AsRawFd;

    use super::super::EVFILT_READ;
    use super::*;

    #[test]
    fn a_call_that_must_not_wait_slept_because_of_an_entry_that_nobody_can_remove() {
        let number = Queue::create(true).unwrap();
        let queue = registry::find(number).unwrap();
        let ready = sys::eventfd(1).unwrap();
        const NOBODY: super::super::knote::Key = 1 << 40;
        let mut state = queue.lock();
        state.ctl(libc::EPOLL_CTL_ADD, ready.as_raw_fd(), libc::EPOLLIN as u32, NOBODY).unwrap();
        state.is_stale_entry_left = true;
        drop(state);
        let mut event =
            kevent { ident: 0, filter: EVFILT_READ, flags: 0, fflags: 0, data: 0, udata: core::ptr::null_mut() };
        let at_once = timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: room for one event, and a time that lives across the call.
        let seen = unsafe { queue.kevent(core::ptr::null(), 0, &mut event, 1, &at_once) };
        assert_eq!(seen, 0);
        assert!(queue.lock().is_stale_entry_left, "a sleep uses it up");
        assert_eq!(Queue::close(number), Ok(()));
    }

    #[test]
    fn an_exact_wait_goes_on_where_the_kernel_has_none() {
        let number = Queue::create(true).unwrap();
        let queue = registry::find(number).unwrap();
        let mut event =
            kevent { ident: 0, filter: EVFILT_READ, flags: 0, fflags: 0, data: 0, udata: core::ptr::null_mut() };
        for errno in [libc::ENOSYS, libc::EPERM] {
            let before = std::time::Instant::now();
            let end = Wait::nanos(1_500_000).end();
            // SAFETY: room for one event, which outlives the list.
            let list = unsafe { EventList::new(&mut event, 1) };
            assert_eq!(queue.scan_after(errno, list, end, queue.life()), 0);
            assert!(before.elapsed() >= std::time::Duration::from_nanos(1_500_000));
            assert!(Wait::nanos(1_500_000).timeout().is_none(), "it is not asked again");
            assert!(Wait::nanos(2_000_000).timeout().is_some());
        }
        assert_eq!(Queue::close(number), Ok(()));
    }
}
