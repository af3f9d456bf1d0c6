//! The dynamic door: a value of another type behind every registration.

mod event;
mod events;
mod filter;
mod flags;
mod ident;
mod udata;

use std::any::Any;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kq::{Change, Filter, Flags};

use crate::check::error;
use crate::core::{Collision, Ending};
use crate::handle::Handle;
use crate::key::Key;
use crate::slots::Split;
use crate::waker::Waker;

pub use event::Event;
pub use events::{Events, EventsIntoIter, EventsIter};
pub use filter::EventFilter;
pub use flags::EventFlags;
pub use ident::{Ident, Target};

use events::Pool;
use udata::Udata;

/// How many events one [`Kqueue::await_events`] gives at most.
const BATCH: usize = 256;

/// A kernel event queue (kqueue(2)) whose registrations carry values of any type, each its own.
///
/// The queue owns what is registered: a value stays until its registration is deregistered or replaced, its last event
/// is handed out (one-shot, the exit of a process), its descriptor's number is registered anew, or the queue is dropped.
/// Then it is dropped, or when the last [`Event`] that holds it is. To share a value with the program, register an
/// [`Arc`], such as an `Arc<Mutex<T>>`.
///
/// Every method takes `&self`, and a queue can be shared by threads: any number may wait while others register and
/// deregister.
///
/// ```
/// use kq_typed::{EventFilter, EventFlags, Kqueue, Watcher};
/// use std::io::Write;
/// use std::os::fd::AsRawFd;
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (receiver, mut sender) = UnixStream::pair()?;
/// let fd = receiver.as_raw_fd();
///
/// let kq = Kqueue::new()?;
/// kq.register(fd, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(Watcher::new(123)))?;
/// kq.register_timer(Duration::from_secs(60), EventFlags::ADD | EventFlags::ENABLE, Some("a minute has passed"))?;
///
/// sender.write_all(b"hello")?;
/// for event in kq.await_events(Some(Duration::from_secs(10)))? {
///     assert_eq!((event.filter(), event.ident()), (EventFilter::Read, fd as u64));
///     assert_eq!(event.udata::<Watcher>().map(|watcher| watcher.id), Some(123));
///     assert_eq!(event.udata::<&str>(), None);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Kqueue {
    handle: Handle<Udata>,
    pool: Arc<Pool>,
}

/// Whether a timer's time is the wall clock's.
#[cfg(has_abstime)]
fn is_absolute(timer: &Change) -> bool {
    #[cfg(apple)]
    use kq_sys::NOTE_ABSOLUTE as ABSOLUTE;
    #[cfg(not(apple))]
    use kq_sys::NOTE_ABSTIME as ABSOLUTE;
    timer.filter() == Filter::TIMER && timer.get_fflags() & ABSOLUTE != 0
}

/// Such a timer is one of an interval here.
#[cfg(not(has_abstime))]
fn is_absolute(_timer: &Change) -> bool {
    false
}

impl Kqueue {
    /// Makes a queue that is closed on exec.
    ///
    /// # Errors
    /// As [`kq::Kqueue::new`]: EMFILE and ENFILE without a descriptor left, ENOMEM.
    pub fn new() -> io::Result<Kqueue> {
        Ok(Kqueue { handle: Handle::new(Split::NATIVE)?, pool: Arc::default() })
    }

    /// Registers `ident` with a filter, and `udata` for its events; `None::<()>` for none.
    ///
    /// `ident` is a descriptor (its number, or a reference to what has one: `&socket`), a pid, a signal's number, or for
    /// a user event any number. Timers are made with [`register_timer`](Kqueue::register_timer). Among the flags there
    /// has to be [`EventFlags::ADD`]; a mode (`ONESHOT`, `CLEAR`, `DISPATCH`) and the filter's own flags may be: a `Vnode`
    /// registration needs some (`VNODE_WRITE` …), a `Proc` registration without any asks for the exit.
    ///
    /// A registration of the same ident and filter is replaced, value and mode and all: its key names nothing any more.
    ///
    /// The key that is returned may be ignored: the registration goes on.
    ///
    /// # Errors
    /// `udata` is dropped, and a registration that was to be replaced stays.
    /// - EINVAL: no `ADD` among the flags, or `DELETE` or `DISABLE` (that is what [`deregister`](Kqueue::deregister) and
    ///   [`modify`](Kqueue::modify) are for), or flags that the filter does not have; a timer; a `Vnode` without
    ///   flags; or the kernel says so.
    /// - EBADF: the descriptor is closed or negative.
    /// - ESRCH: there is no such process.
    /// - EEXIST: the user event with the ident `isize::MAX as usize`, which is the queue's own.
    /// - ENOMEM: there is no memory, or no key (with pointers of 32 bits there are 2²⁰), or no user event left.
    /// - Whatever else the kernel answers: see [`kq::Kqueue::apply`].
    pub fn register<T: Any + Send + Sync>(
        &self,
        ident: impl Ident,
        filter: EventFilter,
        flags: EventFlags,
        udata: Option<T>,
    ) -> io::Result<Key> {
        if !flags.contains(EventFlags::ADD) || flags.intersects(EventFlags::DISABLE | EventFlags::DELETE) {
            return Err(error(libc::EINVAL));
        }
        let ident = ident.ident().ok_or(error(libc::EINVAL))?;
        let change = change(ident, filter, flags)?;
        self.add(change, Collision::Replace, udata)
    }

    /// Fires every `interval`; with [`EventFlags::ONESHOT`], once.
    ///
    /// The timer gets an ident of its own, from a range far from other numbers ([`Event::ident`] has it), so there can
    /// be any number of timers. Intervals are rounded up, see [`Change::timer`].
    ///
    /// # Errors
    /// As [`register`](Kqueue::register); ENOMEM also where the system's number of timers is used up.
    pub fn register_timer<T: Any + Send + Sync>(
        &self,
        interval: Duration,
        flags: EventFlags,
        udata: Option<T>,
    ) -> io::Result<Key> {
        self.add_timer(Change::timer(0, interval), flags, udata)
    }

    /// Fires once, when the wall clock reaches `time`, and at once if it has; see [`Change::timer_at`].
    ///
    /// # Errors
    /// As [`register_timer`](Kqueue::register_timer).
    pub fn register_timer_at<T: Any + Send + Sync>(
        &self,
        time: SystemTime,
        flags: EventFlags,
        udata: Option<T>,
    ) -> io::Result<Key> {
        self.add_timer(Change::timer_at(0, time), flags, udata)
    }

    fn add_timer<T: Any + Send + Sync>(&self, timer: Change, flags: EventFlags, udata: Option<T>) -> io::Result<Key> {
        if !flags.contains(EventFlags::ADD) || flags.intersects(EventFlags::DISABLE | EventFlags::DELETE) {
            return Err(error(libc::EINVAL));
        }
        let (mode, notes) = flags.split(Filter::TIMER).ok_or(error(libc::EINVAL))?;
        let timer = timer.add_flags(mode).fflags(timer.get_fflags() | notes);
        self.add(timer, Collision::Renumber, udata)
    }

    /// Registers what a [`Change`] says: for what [`register`](Kqueue::register) has no words for, such as a low-water
    /// mark or a filter that has data.
    ///
    /// # Errors
    /// As [`Queue::register`](crate::Queue::register), except that a registration of the same ident and filter is
    /// replaced.
    pub fn register_change<T: Any + Send + Sync>(&self, change: Change, udata: Option<T>) -> io::Result<Key> {
        self.add(change, Collision::Replace, udata)
    }

    fn add<T: Any + Send + Sync>(&self, change: Change, collision: Collision, udata: Option<T>) -> io::Result<Key> {
        self.handle.core.register(change, Udata::new(udata), true, collision)
    }

    /// Ends a registration, by its key or by `(ident, filter)`.
    ///
    /// No event of it is handed out any more, not from a collection that was received before either.
    ///
    /// # Errors
    /// ENOENT: there is no such registration, any more or at all.
    pub fn deregister(&self, target: impl Into<Target>) -> io::Result<()> {
        let key = self.key(target.into())?;
        let ended = self.handle.core.end(key, Ending::Deregistered);
        ended.map(drop).ok_or(error(libc::ENOENT))
    }

    /// Changes a registration, by its key or by `(ident, filter)`, and keeps its value.
    ///
    /// [`EventFlags::ENABLE`] or [`EventFlags::DISABLE`] alone is [`enable`](Kqueue::enable) or
    /// [`disable`](Kqueue::disable). Otherwise the mode becomes that of `flags`, and so do the filter's own flags if there
    /// are any among them; the registration is enabled unless `DISABLE` is among them. A timer starts anew with the
    /// interval that it has.
    ///
    /// # Errors
    /// The registration stays as it was. EINVAL: `DELETE`, or flags that the filter does not have. ENOENT, EBADF: there
    /// is no such registration, or its knote is gone, with its last event or its descriptor. Whatever else the kernel
    /// answers.
    ///
    /// Another mode takes a new knote, and what was pending of the old one (a trigger, counted signals, notes of a file)
    /// goes with it; an absolute timer stays one-shot.
    pub fn modify(&self, target: impl Into<Target>, flags: EventFlags) -> io::Result<()> {
        let key = self.key(target.into())?;
        if flags == EventFlags::ENABLE || flags == EventFlags::DISABLE {
            return self.handle.core.switch(key, flags == EventFlags::ENABLE);
        }
        let stored = self.handle.core.stored(key).ok_or(error(libc::ENOENT))?;
        let (mut mode, notes) = flags.split(stored.filter()).ok_or(error(libc::EINVAL))?;
        // A time of the wall clock comes once; a kernel that is not told so reports it at every wait from then on.
        if is_absolute(&stored) {
            mode |= Flags::ONESHOT;
        }
        let changed = stored.udata(0).set_flags(mode | Flags::ADD);
        // A timer's stored fflags have its unit besides.
        let changed = match notes {
            0 => changed,
            _ if stored.filter() == Filter::TIMER => changed.fflags(changed.get_fflags() | notes),
            _ => changed.fflags(notes),
        };
        self.handle.core.modify(key, changed)
    }

    /// Gives a timer another interval, from now on. It keeps its mode and, on Apple's systems, how punctual it is; one of
    /// [`register_timer_at`](Kqueue::register_timer_at) becomes one of an interval, and stays one-shot.
    ///
    /// # Errors
    /// EINVAL if it is no timer; otherwise as [`modify`](Kqueue::modify).
    pub fn modify_timer(&self, target: impl Into<Target>, interval: Duration) -> io::Result<()> {
        let key = self.key(target.into())?;
        let stored = self.handle.core.stored(key).ok_or(error(libc::ENOENT))?;
        self.handle.core.modify(key, with_interval(&stored, interval))
    }

    /// Enables a registration after [`disable`](Kqueue::disable), or after an event of one with
    /// [`EventFlags::DISPATCH`].
    ///
    /// # Errors
    /// ENOENT, EBADF: there is no such registration, or its knote is gone, with its last event or its descriptor.
    pub fn enable(&self, target: impl Into<Target>) -> io::Result<()> {
        self.handle.core.switch(self.key(target.into())?, true)
    }

    /// Disables a registration: it reports nothing until it is enabled.
    ///
    /// # Errors
    /// As [`enable`](Kqueue::enable).
    pub fn disable(&self, target: impl Into<Target>) -> io::Result<()> {
        self.handle.core.switch(self.key(target.into())?, false)
    }

    /// Triggers a user event, from any thread.
    ///
    /// ```
    /// use kq_typed::{EventFilter, EventFlags, Kqueue};
    ///
    /// let kq = Kqueue::new()?;
    /// kq.register(7, EventFilter::User, EventFlags::ADD | EventFlags::CLEAR, Some("rung"))?;
    /// kq.trigger((7, EventFilter::User))?;
    /// for event in kq.await_events(None)? {
    ///     assert_eq!(event.udata::<&str>(), Some(&"rung"));
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// EINVAL: it is another filter's. ENOENT: there is no such registration.
    #[cfg(has_user)]
    pub fn trigger(&self, target: impl Into<Target>) -> io::Result<()> {
        self.handle.core.trigger(self.key(target.into())?)
    }

    /// Waits until there are events, or `timeout` has passed, and gives them.
    ///
    /// With `None` it waits without end, with a zero timeout not at all. The collection is empty when the time is up, or
    /// when a [`Waker`] woke this thread ([`Events::is_woken`]). A signal handler that runs meanwhile does not end the
    /// wait: it goes on with the time that is left.
    ///
    /// The collection owns its events, so the loop over it may change the queue. Its memory goes back to the queue when
    /// it is dropped: nothing is allocated after the first wait.
    ///
    /// # Errors
    /// EBADF in a forked child, to which queues do not pass.
    pub fn await_events(&self, timeout: Option<Duration>) -> io::Result<Events> {
        // In a forked child the pool may be locked by a thread that the child does not have.
        if !self.handle.core.is_ours() {
            return Err(error(libc::EBADF));
        }
        let mut events = Events::lent(&self.pool, BATCH);
        self.await_events_into(&mut events, timeout)?;
        Ok(events)
    }

    /// [`await_events`](Kqueue::await_events) into a collection of the caller's, which also says how many events one
    /// wait gives. What is still in it is dropped first.
    ///
    /// # Errors
    /// As [`await_events`](Kqueue::await_events).
    #[inline(always)] // see kq-sys's `syscall`
    pub fn await_events_into(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.handle.wait(events.buffer(), timeout)
    }

    /// The queue's waker, which ends another thread's wait.
    ///
    /// # Errors
    /// As [`kq::Waker::new`]; EBADF in a forked child.
    pub fn waker(&self) -> io::Result<Waker> {
        self.handle.waker()
    }

    fn key(&self, target: Target) -> io::Result<Key> {
        let key = match target {
            Target::Key(key) => Some(key),
            Target::Knote(ident, filter) => ident.and_then(|ident| self.handle.core.find((ident, filter.kernel()))),
        };
        key.ok_or(error(libc::ENOENT))
    }
}

/// The notes of a timer that say how it runs, rather than when.
#[cfg(apple)]
const MANNER: u32 =
    kq_sys::NOTE_CRITICAL | kq_sys::NOTE_BACKGROUND | kq_sys::NOTE_LEEWAY | kq_sys::NOTE_MACH_CONTINUOUS_TIME;
#[cfg(not(apple))]
const MANNER: u32 = 0;

/// A timer's change with another interval; of another filter's change it makes a timer, which is not that registration's.
fn with_interval(stored: &Change, interval: Duration) -> Change {
    let timer = Change::timer(stored.ident(), interval);
    if stored.filter() != Filter::TIMER {
        return timer;
    }
    let mode = stored.flags().difference(Flags::DISABLE);
    let notes = timer.get_fflags() | stored.get_fflags() & MANNER;
    // The extra words of Apple's struct, which hold the leeway, stay.
    stored.udata(0).set_flags(mode).fflags(notes).data(timer.get_data())
}

/// The change that `register` makes of its arguments.
fn change(ident: usize, filter: EventFilter, flags: EventFlags) -> io::Result<Change> {
    let kernel = filter.kernel();
    let (mode, notes) = flags.split(kernel).ok_or(error(libc::EINVAL))?;
    let change = Change::new(ident, kernel, Flags::ADD | mode).fflags(notes);
    match kernel {
        Filter::TIMER => Err(error(libc::EINVAL)),
        Filter::VNODE if notes == 0 => Err(error(libc::EINVAL)),
        Filter::PROC => Ok(process(change)),
        #[cfg(has_procdesc)]
        Filter::PROCDESC if notes == 0 => Ok(change.fflags(kq_sys::NOTE_EXIT)),
        #[cfg(has_except)]
        Filter::EXCEPT if notes == 0 => Ok(change.fflags(kq_sys::NOTE_OOB)),
        #[cfg(has_device)]
        Filter::DEVICE if notes == 0 => Ok(change.fflags(kq_sys::NOTE_CHANGE)),
        _ => Ok(change),
    }
}

/// Asks for the exit if nothing is asked for, and for the status with it where that has to be asked for.
fn process(change: Change) -> Change {
    let notes = match change.get_fflags() {
        0 => kq_sys::NOTE_EXIT,
        notes => notes,
    };
    let Ok(pid) = u32::try_from(change.ident()) else {
        return change.fflags(notes);
    };
    let events = kq::ProcEvents::from_bits_retain(notes);
    Change::process(pid, events).set_flags(change.flags())
}

/// The queue's descriptor, to be polled or put into another queue: it is readable while events are pending.
impl AsFd for Kqueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl AsRawFd for Kqueue {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Kqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kqueue").field("fd", &self.as_raw_fd()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_interval_keeps_how_the_timer_runs() {
        const LONG: Duration = Duration::from_secs(5);
        let old = Change::timer(3, Duration::from_millis(1)).udata(9).add_flags(Flags::DISPATCH | Flags::DISABLE);
        assert_eq!(with_interval(&old, LONG), Change::timer(3, LONG).dispatch());
        // It became an ordinary one.
        #[cfg(apple)]
        assert_eq!(
            with_interval(&old.critical().leeway(LONG), LONG),
            Change::timer(3, LONG).dispatch().critical().leeway(LONG)
        );
        assert_eq!(
            with_interval(&Change::timer_at(3, SystemTime::now() + LONG), LONG),
            Change::timer(3, LONG).oneshot()
        );
    }
}
