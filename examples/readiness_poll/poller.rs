//! A portable poller over kq, as a module to take along: tells which descriptors are ready and which timers are due,
//! each by a `u64` of the caller's. It needs `kq` and `libc`.
//!
//! # How it stands on kqueue
//!
//! * A queue keeps READ and WRITE of one descriptor as two knotes with a mode each; here both are one registration, whose
//!   one event disarms both.
//! * The READ knote is always there, disabled while nobody asks to read (EV_DISPATCH disables it after an event). It is
//!   the mark of the registration: no kernel tells that a descriptor was closed, but the knote goes with it, and a change
//!   without an action answers ENOENT or EBADF then. That is how a number that was given out again is told from one that
//!   is added twice.
//! * The WRITE knote is one-shot, and there while it is asked for.
//! * Events are told apart by a number in their udata that is new with every arming: what another thread had in hand when
//!   a registration was changed is dropped. A key does not go into the kernel: on 32-bit machines it would not fit udata.

#![allow(dead_code)] // a program uses what it needs of it

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kq::{Change, EventBuffer, Filter, Flags, Kqueue, Waker};

/// What is asked of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interest {
    /// Data, a connection to accept, or the end of the file.
    pub readable: bool,
    /// Room to write, or nobody who reads.
    pub writable: bool,
}

impl Interest {
    /// Nothing for now: the descriptor stays added.
    pub const NONE: Interest = Interest { readable: false, writable: false };
    /// Readable.
    pub const READABLE: Interest = Interest { readable: true, writable: false };
    /// Writable.
    pub const WRITABLE: Interest = Interest { readable: false, writable: true };
    /// Either, or both at once.
    pub const BOTH: Interest = Interest { readable: true, writable: true };
}

/// What a wait returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A descriptor is ready. It is asked for nothing now, until [`Poller::modify`].
    Ready {
        /// The key that it was added or last modified with.
        key: u64,
        /// For what; never for nothing, and only for what was asked.
        ready: Interest,
    },
    /// A timer was due, and is gone.
    Timer {
        /// Its key.
        key: u64,
    },
    /// [`Poller::notify`] was called.
    Notified,
}

/// Room for what a wait returns, allocated once.
#[derive(Debug)]
pub struct Events {
    buffer: EventBuffer,
    list: Vec<Event>,
}

impl Events {
    /// Room for `capacity` events, or for one if that is 0. What does not fit is left for the next wait.
    pub fn with_capacity(capacity: usize) -> Events {
        let buffer = EventBuffer::with_capacity(capacity);
        Events { list: Vec::with_capacity(buffer.capacity()), buffer }
    }
}

/// Waits for descriptors and timers; any thread may change what it waits for, also during a wait.
///
/// A descriptor is asked for its readiness once: after its event it is added still, and asked for nothing. Readiness is
/// a level: asked again while it is still ready, it is reported again. The poller does not keep descriptors open. A
/// closed one is forgotten, and its number may be added anew; on Linux that of a regular file is to be deleted first.
///
/// The poller's own descriptor is readable when a wait would find something, if only what is not wanted any more: it goes
/// into another loop.
///
/// Dropping the poller forgets everything and closes none of the descriptors.
#[derive(Debug)]
pub struct Poller {
    queue: Arc<Kqueue>,
    waker: Waker,
    table: Mutex<Table>,
}

/// The udata of the waker's event.
const WAKE: usize = usize::MAX;

#[derive(Debug, Default)]
struct Table {
    descriptors: HashMap<RawFd, Registration>,
    /// The key of each timer, by the kernel's id, which is new with every timer.
    keys: HashMap<usize, u64>,
    /// The other way round.
    timers: HashMap<u64, usize>,
    last_number: usize,
    /// The descriptors that a wait has found ready, while it fills in its list.
    found: Vec<RawFd>,
}

#[derive(Clone, Copy, Debug)]
struct Registration {
    key: u64,
    /// The udata of its knotes.
    number: usize,
    /// It was asked for something, and did not report yet.
    armed: bool,
    /// It has a WRITE knote.
    writing: bool,
    /// What a wait has found so far.
    ready: Interest,
}

impl Registration {
    fn new(key: u64, number: usize, interest: Interest) -> Registration {
        Registration { key, number, armed: true, writing: interest.writable, ready: Interest::NONE }
    }
}

impl Table {
    /// A number that was not in use within the last four billion, at the least.
    fn next_number(&mut self) -> usize {
        self.last_number = self.last_number.wrapping_add(1) % WAKE;
        self.last_number
    }
}

/// Descriptors.
impl Poller {
    /// Makes a poller.
    ///
    /// # Errors
    /// EMFILE and ENFILE if there is no descriptor left, ENOMEM if there is no memory.
    pub fn new() -> io::Result<Poller> {
        let queue = Arc::new(Kqueue::new()?);
        let waker = Waker::new(&queue, 0, WAKE)?;
        Ok(Poller { queue, waker, table: Mutex::default() })
    }

    /// Adds a descriptor. Several may have the same key.
    ///
    /// # Errors
    /// EEXIST if it is added already. EPIPE if it is asked for as writable and is a pipe that nobody reads. The file's own
    /// error if it cannot be watched (EINVAL, ENODEV, EPERM, EOPNOTSUPP by system). In all these cases nothing changed.
    pub fn add(&self, fd: &impl AsFd, interest: Interest, key: u64) -> io::Result<()> {
        let mut table = self.table();
        if self.registered(&mut table, fd).is_some() {
            return Err(errno(libc::EEXIST));
        }
        let registration = Registration::new(key, table.next_number(), interest);
        self.arm(fd, interest, registration.number).inspect_err(|_| {
            // Without the mark there is no registration.
            let _ = self.remove(Change::read(fd));
        })?;
        table.descriptors.insert(fd.as_fd().as_raw_fd(), registration);
        Ok(())
    }

    /// Asks a descriptor anew, in place of what it was asked before, and gives it a key.
    ///
    /// # Errors
    /// ENOENT if it was never added: a number that was closed and given out again is not the one that was added. EPIPE if
    /// it is asked for as writable and is a pipe that nobody reads: it stays added, and is asked for nothing.
    pub fn modify(&self, fd: &impl AsFd, interest: Interest, key: u64) -> io::Result<()> {
        let mut table = self.table();
        let number = table.next_number();
        let Some(registration) = self.registered(&mut table, fd) else { return Err(errno(libc::ENOENT)) };
        let before = std::mem::replace(registration, Registration::new(key, number, interest));
        if before.writing && !interest.writable {
            self.remove(Change::write(fd))?;
        }
        self.arm(fd, interest, number).inspect_err(|_| registration.armed = false)
    }

    /// Forgets a descriptor. No wait that begins afterwards reports it.
    ///
    /// # Errors
    /// ENOENT if it was never added.
    pub fn delete(&self, fd: &impl AsFd) -> io::Result<()> {
        let mut table = self.table();
        let Some(&mut Registration { writing, .. }) = self.registered(&mut table, fd) else {
            return Err(errno(libc::ENOENT));
        };
        table.descriptors.remove(&fd.as_fd().as_raw_fd());
        if writing {
            self.remove(Change::write(fd))?;
        }
        self.remove(Change::read(fd))
    }

    /// The registration of a descriptor, if it has one: the kernel is asked whether it is still the same file.
    fn registered<'t>(&self, table: &'t mut Table, fd: &impl AsFd) -> Option<&'t mut Registration> {
        let number = fd.as_fd().as_raw_fd();
        let udata = table.descriptors.get(&number)?.number;
        let mark = Change::read(fd).set_flags(Flags::empty()).udata(udata);
        match self.queue.apply(&[mark]) {
            Ok(()) => table.descriptors.get_mut(&number),
            Err(_) => {
                table.descriptors.remove(&number);
                None
            }
        }
    }

    /// Sets the knotes of a descriptor to what is asked of it; a WRITE knote that is not has been removed.
    fn arm(&self, fd: &impl AsFd, interest: Interest, number: usize) -> io::Result<()> {
        let able = if interest.readable { Flags::ENABLE } else { Flags::DISABLE };
        // An enable alone does not store the udata on every system, and an add alone does not enable.
        let read = Change::read(fd).dispatch().add_flags(able).udata(number);
        let write = Change::write(fd).oneshot().udata(number);
        match interest.writable {
            true => self.queue.apply(&[read, write])?,
            false => self.queue.apply(&[read])?,
        }
        Ok(())
    }

    /// Deletes a knote that may not be there.
    fn remove(&self, change: Change) -> io::Result<()> {
        match self.queue.apply(&[change.delete()]) {
            Err(error) if !error.errno().is_gone() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // What a thread left that panicked is whole: nothing of the caller's runs under the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Timers. Their keys and those of descriptors have nothing to do with each other.
impl Poller {
    /// Adds a timer that is due once, `after` from now, rounded up as [`Change::timer`] says. Another time for it is a
    /// deletion and an addition.
    ///
    /// # Errors
    /// EEXIST if one of that key is there and was not reported yet. ENOMEM if the system has no timer left; on NetBSD
    /// EINVAL if `after` is more than 2³¹ clock ticks.
    pub fn add_timer(&self, key: u64, after: Duration) -> io::Result<()> {
        let mut table = self.table();
        if table.timers.contains_key(&key) {
            return Err(errno(libc::EEXIST));
        }
        let mut id = table.next_number();
        while table.keys.contains_key(&id) {
            id = table.next_number();
        }
        self.queue.apply(&[Change::timer(id, after).oneshot()])?;
        table.timers.insert(key, id);
        table.keys.insert(id, key);
        Ok(())
    }

    /// Takes a timer out. No wait that begins afterwards reports it.
    ///
    /// # Errors
    /// ENOENT if there is none of that key: it was never added, or was reported.
    pub fn delete_timer(&self, key: u64) -> io::Result<()> {
        let mut table = self.table();
        let id = table.timers.remove(&key).ok_or_else(|| errno(libc::ENOENT))?;
        table.keys.remove(&id);
        self.remove(Change::timer(id, Duration::ZERO))
    }
}

/// Waiting.
impl Poller {
    /// Waits until something is ready, due or notified, or `timeout` has passed: with `None` without end, with a zero
    /// timeout not at all. Returns no events only if the time is up.
    ///
    /// Several threads may wait: each event goes to one. A signal handler that runs meanwhile does not end the wait.
    ///
    /// # Errors
    /// EBADF (EINVAL on some systems) in a forked child.
    pub fn wait<'e>(&self, events: &'e mut Events, timeout: Option<Duration>) -> io::Result<&'e [Event]> {
        // A time that no clock will reach is none.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let Events { buffer, list } = events;
        list.clear();
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            match self.queue.wait(buffer, left) {
                Ok(raw) => self.sort_out(raw, list),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
            // Otherwise what came was of registrations that had changed meanwhile.
            if !list.is_empty() || left.is_some_and(|left| left.is_zero()) {
                return Ok(list);
            }
        }
    }

    /// Ends a wait of another thread, or the next one: one wait, however often it is called until then. That wait
    /// returns [`Event::Notified`].
    ///
    /// # Errors
    /// EBADF in a forked child.
    pub fn notify(&self) -> io::Result<()> {
        self.waker.wake()
    }

    /// Makes the caller's events of the kernel's, as far as they are still wanted.
    fn sort_out(&self, raw: &[kq::Event], list: &mut Vec<Event>) {
        let mut table = self.table();
        let Table { descriptors, keys, timers, found, .. } = &mut *table;
        for event in raw {
            if event.udata() == WAKE {
                list.push(Event::Notified);
            } else if event.filter() == Filter::TIMER {
                if let Some(key) = keys.remove(&event.ident()) {
                    timers.remove(&key);
                    list.push(Event::Timer { key });
                }
            } else if let Ok(fd) = RawFd::try_from(event.ident()) {
                let current = descriptors.get_mut(&fd).filter(|current| current.number == event.udata());
                let Some(current) = current else { continue };
                let reading = event.filter() == Filter::READ;
                current.writing &= reading;
                if reading && event.flags().contains(Flags::ONESHOT) {
                    // The kernel took the mark with its event (on Apple's systems, of a terminal whose other side is
                    // gone): it is put back.
                    let mark = Change::new(event.ident(), Filter::READ, Flags::ADD | Flags::DISPATCH | Flags::DISABLE);
                    let _ = self.queue.apply(&[mark.udata(current.number)]);
                }
                if current.armed {
                    if current.ready == Interest::NONE {
                        found.push(fd);
                    }
                    current.ready.readable |= reading;
                    current.ready.writable |= !reading;
                }
            }
        }
        // Both directions of a descriptor are one event; what comes of the other one later is dropped, being unarmed.
        for fd in found.drain(..) {
            if let Some(current) = descriptors.get_mut(&fd) {
                let ready = std::mem::take(&mut current.ready);
                current.armed = false;
                list.push(Event::Ready { key: current.key, ready });
            }
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}
