//! Harvesting: making events of the entries that epoll gave, and of the knotes that are ready without it.

use core::ffi::c_int;
use std::os::fd::AsRawFd;

use super::descriptor::Plain;
use super::event_list::{Entries, EventList};
use super::knote::{Index, Key, Source};
use super::queue::{State, CLOCKS, HIGHEST_KEY, INNER, INOTIFY, SIGNALS, TOKEN};
use super::sets::Set;
use super::sys::{self, Result, Timeout};
use super::timer::{MONOTONIC, REALTIME};
use super::{constants::*, kevent};

/// After how many entries other threads get at the queue.
const TURN: usize = 256;
/// After how many harvests of calls that do not wait the clock is asked again.
const LOOKS_A_SECOND: u32 = 16;

impl State {
    /// Begins a harvest, and gives its number.
    #[inline]
    pub(super) fn next_harvest(&mut self, looks_at_clock: bool) -> u32 {
        // Zero is for knotes that had no event yet.
        self.harvest = self.harvest.checked_add(1).unwrap_or(1);
        if looks_at_clock || self.harvest % LOOKS_A_SECOND == 0 {
            self.now = sys::seconds();
        }
        self.harvest
    }

    /// Makes events of the next entries that epoll gave; whether that of the inner set was among them.
    #[inline(always)] // see `syscall`
    pub(super) fn harvest(&mut self, entries: &mut Entries, harvest: u32, list: &mut EventList) -> bool {
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

    /// Whether there may be events that the outer set does not have.
    #[inline]
    pub(super) fn has_rest(&self, inner: bool) -> bool {
        // Without a token no knote is ready but by epoll, and no clock runs.
        inner || self.token.is_some()
    }

    /// Makes events of what the outer set does not have; whether the inner set has more.
    #[inline(never)]
    pub(super) fn harvest_rest(&mut self, inner: bool, harvest: u32, list: &mut EventList) -> bool {
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
    pub(super) fn harvest_inner(&mut self, room: usize, harvest: u32, list: &mut EventList) -> bool {
        let Some(inner) = self.inner.as_ref().map(AsRawFd::as_raw_fd) else { return false };
        let Ok(mut entries) = list.fetch_once(inner, room, Timeout::NO) else { return false };
        let count = entries.len();
        while let Some((readiness, key)) = list.take(&mut entries) {
            self.take(Set::Inner, key, readiness, harvest, list);
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
        // Switched off since epoll gave the entry.
        if knote.disabled {
            return;
        }
        // It comes up for the second time in this call, and is the next one's: an edge has to be shown again for that.
        if knote.harvest == harvest && matches!(knote.source, Source::Descriptor(_)) {
            if knote.has(EV_CLEAR | EV_ONESHOT | EV_DISPATCH) {
                let _ = self.renew(index);
            }
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
                Source::Process(_) => self.take_process(index),
                Source::User { .. } | Source::Inode(_) | Source::Parent(_) | Source::Vacant => None,
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::super::queue::Queue;
    use super::super::{registry, timespec};
    use super::*;

    #[test]
    fn an_edge_came_twice_in_one_call() {
        let number = Queue::create(true).unwrap();
        let queue = registry::find(number).unwrap();
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let read = kevent {
            ident: reader.as_raw_fd() as usize,
            filter: EVFILT_READ,
            flags: EV_ADD | EV_CLEAR,
            fflags: 0,
            data: 0,
            udata: core::ptr::null_mut(),
        };
        let mut events = [read];
        // SAFETY: one change, and no list of events.
        let added = unsafe { queue.kevent(&read, 1, core::ptr::null_mut(), 0, core::ptr::null()) };
        assert_eq!(added, 0);
        let harvest = queue.lock().next_harvest(true);
        // Two looks of one call, and bytes that come between them.
        let looks = [1, 2].map(|_| {
            writer.write_all(b"x").unwrap();
            // SAFETY: room for one event, which outlives the list.
            let mut list = unsafe { EventList::new(events.as_mut_ptr(), 1) };
            let mut entries = list.fetch_once(number, 1, Timeout::NO).unwrap();
            queue.lock().harvest(&mut entries, harvest, &mut list);
            list.length
        });
        assert_eq!(looks, [1, 0]);
        let second = timespec { tv_sec: 1, tv_nsec: 0 };
        // SAFETY: room for one event, and a time that lives across the call.
        let seen = unsafe { queue.kevent(core::ptr::null(), 0, events.as_mut_ptr(), 1, &second) };
        assert_eq!((seen, events[0].data), (1, 2));
        assert_eq!(Queue::close(number), Ok(()));
    }

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
