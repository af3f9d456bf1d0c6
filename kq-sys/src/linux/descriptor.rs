//! EVFILT_READ and EVFILT_WRITE: knotes that are entries of an epoll set.

use core::ffi::c_int;
use std::os::fd::RawFd;

use super::backlog::connections_waiting;
use super::kind::{is_queue, is_shut_for_writing, kind_of, pending_error, pipe_room, socket_room, Kind};
use super::knote::{Index, Knote, Source, NONE};
use super::queue::{State, PROBE};
use super::sets::Set;
use super::sys::{self, Result};
use super::timer::Patience;
use super::{constants::*, kevent, registry};

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const ERR: u32 = libc::EPOLLERR as u32;
const HUP: u32 = libc::EPOLLHUP as u32;
const PEER_SHUT: u32 = libc::EPOLLRDHUP as u32;
const EDGE: u32 = libc::EPOLLET as u32;
const ONCE: u32 = libc::EPOLLONESHOT as u32;

/// How a descriptor knote stands with epoll. Packed, so that it fits behind the tag of its source, where a knote's first
/// line in the cache ends.
#[repr(C, packed)]
pub(super) struct Watch {
    entry: Entry,
    /// The entry is edge-triggered although the knote is not: the file is ready in epoll's eyes and not in
    /// kqueue's (below a low-water mark, a socket that was never connected), and a level entry would spin.
    damped: bool,
    kind: Kind,
    /// When its number was last known to be its file's, in seconds.
    known: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    In(Set),
    /// A directory: accepted, and never ready.
    Nowhere,
}

/// What an entry's readiness means for its knote.
enum Verdict {
    Ready {
        flags: u16,
        fflags: u32,
        data: i64,
    },
    /// Not ready, but epoll goes on saying so.
    Damp,
    /// Not ready (any more).
    Nothing,
    /// The number is no longer the file that the entry stands for.
    Stale,
}

impl Verdict {
    fn data(data: i64) -> Verdict {
        Verdict::Ready { flags: 0, fflags: 0, data }
    }
}

/// What it takes to make an event of an entry.
pub(super) enum Plain {
    /// Nothing.
    Done,
    /// Bytes to read, of which there must be some.
    Bytes,
    /// A closer look.
    No,
}

impl Knote {
    /// Whether the entry is the common case, of which little or nothing is to be found out.
    #[inline]
    pub(super) fn is_plain(&self, readiness: u32, harvest: u32, now: u32) -> Plain {
        let Source::Descriptor(watch) = &self.source else { return Plain::No };
        let is_usual = watch.known == now
            && self.harvest != harvest
            && self.place == NONE
            && !(watch.damped | self.disabled | self.ready);
        if !is_usual {
            return Plain::No;
        }
        match self.asked_fflags & (NOTE_LOWAT | NOTE_NODATA) {
            0 if readiness == IN && self.filter == EVFILT_READ => Plain::Bytes,
            NOTE_NODATA if readiness == if self.filter == EVFILT_READ { IN } else { OUT } => Plain::Done,
            _ => Plain::No,
        }
    }

    #[inline]
    pub(super) fn bytes_to_read(&self) -> Result<c_int> {
        sys::bytes_to_read(self.ident as RawFd)
    }

    /// The event with this data, where the case is plain.
    #[inline]
    pub(super) fn plain_event(&mut self, data: c_int, harvest: u32) -> kevent {
        self.harvest = harvest;
        self.fflags = self.asked_fflags & NOTE_NODATA;
        self.data = i64::from(data);
        self.disabled = self.has(EV_DISPATCH);
        self.event()
    }

    /// Whether its events leave the data out. A low-water mark asks for it.
    fn is_without_data(&self) -> bool {
        self.asked_fflags & (NOTE_LOWAT | NOTE_NODATA) == NOTE_NODATA
    }
}

impl State {
    #[inline(always)] // see `syscall`
    pub(super) fn attach_descriptor(&mut self, change: &kevent) -> Result<()> {
        let fd = change.ident as RawFd;
        if change.filter == EVFILT_WRITE {
            self.prepare_writing(change)?;
        }
        let watch = Watch {
            entry: Entry::In(Set::Outer),
            damped: change.fflags & NOTE_LOWAT != 0 && change.flags & EV_CLEAR == 0,
            kind: Kind::Unknown,
            known: self.now,
        };
        let index = self.knotes.insert(change, Source::Descriptor(watch)).ok_or(libc::ENOMEM)?;
        let (key, interest) = (self.knotes.key(index), self.interest(index));
        let other =
            self.knotes.find_beside(index, if change.filter == EVFILT_READ { EVFILT_WRITE } else { EVFILT_READ });
        match self.ctl(libc::EPOLL_CTL_ADD, fd, interest, key) {
            Ok(()) if other.is_none() => Ok(()),
            added => self.attach_otherwise(index, other, added),
        }
    }

    /// What a knote for writing is refused for, or needs.
    #[inline(never)]
    fn prepare_writing(&mut self, change: &kevent) -> Result<()> {
        let fd = change.ident as RawFd;
        if is_queue(fd) {
            return Err(libc::EINVAL);
        }
        let ended = sys::poll_now(fd, libc::POLLOUT) & (libc::POLLERR | libc::POLLHUP) != 0;
        if ended && kind_of(fd) == Ok(Kind::Pipe) && !sys::is_fifo(fd) {
            return Err(libc::EPIPE);
        }
        if change.fflags & NOTE_LOWAT != 0 {
            self.need_looks()?;
        }
        Ok(())
    }

    /// Goes on with a knote whose entry was refused by the outer set, or is not the descriptor's only one.
    #[inline(never)]
    fn attach_otherwise(&mut self, index: Index, other: Option<Index>, added: Result<()>) -> Result<()> {
        let placed = self.place_entry(index, other, added);
        if placed.is_err() {
            self.forget(index);
        }
        placed
    }

    /// Finds the place of a knote's entry: in the outer set, or in the inner one where the other filter's is there.
    fn place_entry(&mut self, index: Index, other: Option<Index>, mut added: Result<()>) -> Result<()> {
        let knote = &self.knotes[index];
        let (fd, key, interest) = (knote.ident as RawFd, self.knotes.key(index), self.interest(index));
        let mut set = Set::Outer;
        if added == Err(libc::EEXIST) && self.entry_of(other) == Some(Set::Outer) {
            set = Set::Inner;
            added = self.ctl_for(set, libc::EPOLL_CTL_ADD, fd, interest, key);
        }
        match added {
            // The other filter's knote says that it has this place: its file was closed, and this is another one.
            Ok(()) if self.entry_of(other) == Some(set) => {
                if let Some(other) = other {
                    self.forget(other);
                }
            }
            // An entry of a knote that is gone: its number was another file's for a while, and is the old file's again.
            Err(libc::EEXIST) => self.ctl_for(set, libc::EPOLL_CTL_MOD, fd, interest, key)?,
            // A file that epoll cannot watch.
            Err(libc::EPERM) => {
                let status = sys::status_of(fd)?;
                match status.st_mode & libc::S_IFMT {
                    libc::S_IFDIR if self.knotes[index].filter == EVFILT_READ => {
                        self.watch(index).entry = Entry::Nowhere;
                        return Ok(());
                    }
                    libc::S_IFREG | libc::S_IFDIR => return self.attach_file(index, &status),
                    libc::S_IFCHR | libc::S_IFBLK => return Err(libc::ENODEV),
                    _ => return Err(libc::EINVAL),
                }
            }
            added => added?,
        }
        self.watch(index).entry = Entry::In(set);
        Ok(())
    }

    /// Adds an entry to a new set as it was in the old one.
    pub(super) fn add_again(&mut self, index: Index, set: Set) -> Result<()> {
        let knote = &self.knotes[index];
        match &knote.source {
            Source::Process(_) => self.add_process_entries(index),
            _ => {
                let (fd, key, interest) = (knote.ident as RawFd, self.knotes.key(index), self.interest(index));
                self.ctl_for(set, libc::EPOLL_CTL_ADD, fd, interest, key)
            }
        }
    }

    fn watch(&mut self, index: Index) -> &mut Watch {
        match &mut self.knotes[index].source {
            Source::Descriptor(watch) => watch,
            _ => unreachable!("called for descriptor knotes only"),
        }
    }

    /// The set that a descriptor knote's entry is in.
    pub(super) fn entry_of(&self, index: Option<Index>) -> Option<Set> {
        match &self.knotes[index?].source {
            Source::Descriptor(Watch { entry: Entry::In(set), .. }) => Some(*set),
            _ => None,
        }
    }

    /// What the knote's entry asks of epoll.
    #[inline]
    fn interest(&self, index: Index) -> u32 {
        let knote = &self.knotes[index];
        // No interest at all: errors and hang-ups, which cannot be left out, come once at most and are dropped. The
        // entry stays, and with it the knowledge which file it is of.
        if knote.disabled {
            return EDGE | ONCE;
        }
        let damped = matches!(&knote.source, Source::Descriptor(watch) if watch.damped);
        let wanted = if knote.filter == EVFILT_READ { IN | PEER_SHUT } else { OUT };
        if damped {
            wanted | EDGE
        } else if knote.has(EV_ONESHOT | EV_DISPATCH) {
            wanted | ONCE
        } else if knote.has(EV_CLEAR) {
            wanted | EDGE
        } else {
            wanted
        }
    }

    /// Writes the knote's interest to its entry, which makes epoll look at the file anew.
    #[inline(always)] // see `syscall`
    fn renew_in_place(&mut self, index: Index) -> Result<()> {
        let knote = &self.knotes[index];
        let (fd, key, interest) = (knote.ident as RawFd, self.knotes.key(index), self.interest(index));
        match self.entry_of(Some(index)) {
            Some(set) => self.ctl_for(set, libc::EPOLL_CTL_MOD, fd, interest, key),
            None => still_nowhere(fd),
        }
    }

    #[inline(never)]
    pub(super) fn renew(&mut self, index: Index) -> Result<()> {
        self.renew_in_place(index)
    }

    /// A knote's file is asked for first: ENOENT says that its number is another file's now.
    #[inline(always)] // see `syscall`
    pub(super) fn modify_descriptor(&mut self, index: Index, change: &kevent) -> Result<()> {
        let knote = &mut self.knotes[index];
        knote.asked_fflags = change.fflags;
        knote.asked_data = change.data;
        let damped = change.fflags & NOTE_LOWAT != 0 && !knote.has(EV_CLEAR);
        knote.patience = Patience::NEW;
        if knote.filter == EVFILT_WRITE && change.fflags & NOTE_LOWAT != 0 {
            self.need_looks()?;
        }
        self.clocks.remove(&mut self.knotes, index);
        self.watch(index).damped = damped;
        let renewed = self.renew_in_place(index);
        if renewed.is_err() {
            self.forget(index);
        }
        renewed
    }

    /// Takes the knote's entry out of its set, whichever filter's.
    #[inline(always)] // see `syscall`
    pub(super) fn remove_entry(&mut self, index: Index) -> Result<()> {
        let fd = self.knotes[index].ident as RawFd;
        match &self.knotes[index].source {
            Source::Descriptor(Watch { entry: Entry::In(set), .. }) => {
                let set = *set;
                self.ctl_for(set, libc::EPOLL_CTL_DEL, fd, 0, 0)
            }
            Source::Descriptor(_) => still_nowhere(fd),
            Source::Process(_) => self.remove_process_entries(index),
            Source::Vnode(_) | Source::File(_) => self.same_file(index).map(drop),
            _ => Ok(()),
        }
    }

    /// Makes the event of an entry, given the bytes that there are to read where they were asked for already.
    #[cold]
    pub(super) fn take_descriptor(
        &mut self,
        index: Index,
        readiness: u32,
        bytes: Option<Result<c_int>>,
    ) -> Option<kevent> {
        if !self.is_still_its_file(index) {
            self.drop_stale(index);
            return None;
        }
        let verdict = if self.knotes[index].filter == EVFILT_READ {
            self.judge_read(index, readiness, bytes)
        } else {
            self.judge_write(index, readiness)
        };
        let (flags, fflags, data) = match verdict {
            Verdict::Ready { flags, fflags, data } => (flags, fflags, data),
            Verdict::Damp => {
                let was_damped = core::mem::replace(&mut self.watch(index).damped, true);
                // Epoll does not tell when there is more room, only when there is some.
                if self.knotes[index].filter == EVFILT_WRITE && self.knotes[index].asked_fflags & NOTE_LOWAT != 0 {
                    let _ = self.look_later(index);
                }
                if !was_damped && (!self.knotes[index].has(EV_CLEAR) || self.fires_once(index)) {
                    let _ = self.renew(index);
                }
                return None;
            }
            Verdict::Nothing => {
                // An entry that fires once has fired, for nothing.
                if self.fires_once(index) {
                    let _ = self.renew(index);
                }
                return None;
            }
            Verdict::Stale => {
                self.drop_stale(index);
                return None;
            }
        };
        // A later look that was planned has been taken.
        self.clocks.remove(&mut self.knotes, index);
        self.ready.remove(&mut self.knotes, index);
        let knote = &mut self.knotes[index];
        knote.patience = Patience::NEW;
        (knote.fflags, knote.data) = if knote.is_without_data() { (fflags | NOTE_NODATA, 0) } else { (fflags, data) };
        let mut event = knote.event();
        event.flags |= flags;
        if event.flags & EV_ONESHOT != 0 {
            self.finish(index);
            return Some(event);
        }
        knote.disabled |= knote.has(EV_DISPATCH);
        let (disabled, level) = (knote.disabled, !knote.has(EV_CLEAR));
        // Ready again in kqueue's eyes: the entry goes back to what the knote is, and a low-water mark is met until
        // the next look says otherwise.
        if core::mem::take(&mut self.watch(index).damped) && (disabled || level) {
            let _ = self.renew(index);
        }
        Some(event)
    }

    /// The time has come to look at a knote again, of which epoll had nothing to tell.
    #[inline(never)]
    pub(super) fn look_at_descriptor(&mut self, index: Index) -> Option<kevent> {
        let wanted = if self.knotes[index].filter == EVFILT_READ { libc::POLLIN } else { libc::POLLOUT };
        let readiness = sys::poll_now(self.knotes[index].ident as RawFd, wanted);
        self.take_descriptor(index, u32::from(readiness as u16), None)
    }

    /// Whether the knote's number still is the file that its entry stands for.
    ///
    /// It is another's after a close that a duplicate outlived, and what the number has to read would be told as the
    /// old file's. Asking costs as much as the event, so it is done once a second: a stale entry lives no longer.
    fn is_still_its_file(&mut self, index: Index) -> bool {
        let now = self.now;
        let watch = self.watch(index);
        let known = watch.known;
        watch.known = now;
        known == now || self.ask_for_its_file(index)
    }

    /// Asks epoll, by adding what should be there: that changes nothing where it is, unlike every other question.
    pub(super) fn ask_for_its_file(&mut self, index: Index) -> bool {
        let Some(set) = self.entry_of(Some(index)) else { return true };
        let fd = self.knotes[index].ident as RawFd;
        match self.ctl_for(set, libc::EPOLL_CTL_ADD, fd, EDGE | ONCE, PROBE) {
            Ok(()) => {
                let _ = self.ctl_for(set, libc::EPOLL_CTL_DEL, fd, 0, 0);
                false
            }
            Err(libc::EBADF | libc::EPERM) => false,
            Err(_) => true,
        }
    }

    fn fires_once(&self, index: Index) -> bool {
        self.knotes[index].has(EV_ONESHOT | EV_DISPATCH)
    }

    fn kind(&mut self, index: Index) -> Result<Kind> {
        let fd = self.knotes[index].ident as RawFd;
        let watch = self.watch(index);
        if watch.kind == Kind::Unknown {
            watch.kind = kind_of(fd)?;
        }
        Ok(watch.kind)
    }

    fn judge_read(&mut self, index: Index, readiness: u32, bytes: Option<Result<c_int>>) -> Verdict {
        let knote = &self.knotes[index];
        let fd = knote.ident as RawFd;
        let low_water = (knote.asked_fflags & NOTE_LOWAT != 0).then_some(knote.asked_data);
        let bytes = match bytes.unwrap_or_else(|| sys::bytes_to_read(fd)) {
            Ok(bytes) if bytes > 0 && readiness == IN && low_water.is_none() => return Verdict::data(i64::from(bytes)),
            Ok(bytes) => Some(i64::from(bytes)),
            Err(libc::EBADF) => return Verdict::Stale,
            // A file that counts no bytes.
            Err(_) => None,
        };
        let Ok(kind) = self.kind(index) else { return Verdict::Stale };
        match (kind, bytes) {
            // This is the end to write to, of which there is nothing to say.
            (Kind::Pipe, Some(_)) if readiness & ERR != 0 && sys::is_fifo(fd) => Verdict::Damp,
            (Kind::Pipe, Some(data)) if readiness & (HUP | ERR) != 0 => {
                Verdict::Ready { flags: EV_EOF, fflags: 0, data }
            }
            (Kind::Pipe, Some(0)) => self.look_again(index),
            // A unix socket that was listening, and shut; TCP's are as if they never had.
            (kind, None)
                if kind.is_stream()
                    && readiness & (HUP | PEER_SHUT) != 0
                    && sys::socket_int(fd, libc::SO_ACCEPTCONN) == Ok(1) =>
            {
                Verdict::Ready { flags: EV_EOF, fflags: libc::ECONNABORTED as u32, data: 0 }
            }
            (kind, None) if kind.is_stream() => match connections_waiting(fd) {
                0 if readiness & IN == 0 => Verdict::Damp,
                0 => Verdict::Nothing,
                waiting => Verdict::data(waiting),
            },
            (kind, Some(data)) if kind.is_stream() => {
                if readiness & (HUP | ERR | PEER_SHUT) == HUP {
                    // Never connected: for kqueue there is nothing to say of it.
                    return Verdict::Damp;
                }
                if readiness & (HUP | PEER_SHUT) != 0 {
                    let fflags = if readiness & ERR != 0 { pending_error(fd) } else { 0 };
                    return Verdict::Ready { flags: EV_EOF, fflags, data };
                }
                match low_water {
                    Some(mark) if data < mark => Verdict::Damp,
                    None if data == 0 && readiness & ERR == 0 => self.look_again(index),
                    _ => Verdict::data(data),
                }
            }
            (Kind::Datagram, Some(data)) => match low_water {
                _ if readiness & (PEER_SHUT | HUP) != 0 => Verdict::Ready { flags: EV_EOF, fflags: 0, data },
                Some(mark) if data < mark && readiness & ERR == 0 => Verdict::Damp,
                _ => Verdict::data(data),
            },
            (Kind::Queue, _) => Verdict::data(registry::find(fd).map_or(1, |queue| queue.pending())),
            (_, bytes) => {
                let flags = if readiness & HUP != 0 { EV_EOF } else { 0 };
                // Something there is to read, of a file that does not count it, unless it has hung up.
                Verdict::Ready { flags, fflags: 0, data: bytes.unwrap_or(i64::from(flags == 0)) }
            }
        }
    }

    /// Epoll called the file readable, but it has no bytes: somebody read them, or the number is another file's.
    fn look_again(&mut self, index: Index) -> Verdict {
        if !self.ask_for_its_file(index) {
            return Verdict::Stale;
        }
        let fd = self.knotes[index].ident as RawFd;
        if sys::poll_now(fd, libc::POLLIN) & libc::POLLIN == 0 {
            return Verdict::Nothing;
        }
        sys::bytes_to_read(fd).map_or(Verdict::Nothing, |bytes| Verdict::data(i64::from(bytes)))
    }

    fn judge_write(&mut self, index: Index, readiness: u32) -> Verdict {
        let knote = &self.knotes[index];
        let fd = knote.ident as RawFd;
        let low_water = (knote.asked_fflags & NOTE_LOWAT != 0).then_some(knote.asked_data);
        let Ok(kind) = self.kind(index) else { return Verdict::Stale };
        let is_socket = kind.is_stream() || kind == Kind::Datagram;
        let room = match kind {
            Kind::Pipe => pipe_room(fd),
            _ if is_socket => socket_room(fd),
            _ => Ok(1),
        };
        let data = match room {
            Ok(room) => room,
            Err(libc::EBADF) => return Verdict::Stale,
            Err(_) => 1,
        };
        match kind {
            Kind::Pipe if readiness & (HUP | ERR) != 0 => match sys::is_fifo(fd) {
                // The other end is gone, and with it the knote on FreeBSD.
                false => Verdict::Ready { flags: EV_EOF | EV_ONESHOT, fflags: 0, data },
                // It may come again.
                true if readiness & ERR != 0 => Verdict::Ready { flags: EV_EOF, fflags: 0, data: 0 },
                // This is the end to read from, of which there is nothing to say.
                true => Verdict::Damp,
            },
            _ if kind.is_stream() && readiness & (HUP | ERR) != 0 => {
                if readiness & ERR != 0 {
                    let fflags = pending_error(fd);
                    let flags = if readiness & HUP != 0 { EV_EOF } else { 0 };
                    return Verdict::Ready { flags, fflags, data };
                }
                // A peer that closed has also shut its side; a socket that was never connected has none.
                if sys::poll_now(fd, libc::POLLRDHUP) & libc::POLLRDHUP == 0 {
                    return Verdict::Damp;
                }
                Verdict::Ready { flags: EV_EOF, fflags: 0, data }
            }
            // Looked at, not told of.
            _ if readiness & (OUT | HUP | ERR) == 0 => Verdict::Damp,
            _ if is_shut_for_writing(kind, fd) => Verdict::Ready { flags: EV_EOF, fflags: 0, data },
            _ if is_socket && low_water.is_some_and(|mark| data < mark) => Verdict::Damp,
            _ if readiness & HUP != 0 => Verdict::Ready { flags: EV_EOF, fflags: 0, data },
            _ => Verdict::data(data),
        }
    }
}

/// ENOENT where the number was a directory's and is another file's now.
fn still_nowhere(fd: RawFd) -> Result<()> {
    match sys::status_of(fd)?.st_mode & libc::S_IFMT {
        libc::S_IFDIR => Ok(()),
        _ => Err(libc::ENOENT),
    }
}
