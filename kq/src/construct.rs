//! The typed constructors of `Change`, one for each filter.
//!
//! What a constructor says of errors is of applying the change: making one never fails.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};

use crate::timer::TimerSetting;
use crate::{Change, Filter, Flags, ProcEvents, VnodeEvents};

/// Constructors, one for each filter: see the section of `EVFILT_…` in the system's kqueue(2).
impl Change {
    /// Watches for data to read, connections to accept, or the end of the file (EVFILT_READ).
    ///
    /// `fd` is anything that the system's kqueue takes: sockets, pipes, terminals, files, other queues.
    /// Applying it fails with EBADF if the descriptor is closed by then, and with the file's own error (EINVAL,
    /// ENODEV, EPERM, EOPNOTSUPP by system) if the file cannot be watched.
    ///
    /// On Apple's systems a character device is EINVAL without a [`low_water`](Change::low_water) of 1, and /dev/tty is
    /// in any case: open the terminal by its own name.
    #[inline]
    pub fn read(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::READ)
    }

    /// Watches for room to write (EVFILT_WRITE).
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and, on most systems, with EPIPE if it is a
    /// pipe that nobody reads any more.
    #[inline]
    pub fn write(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::WRITE)
    }

    /// Watches for the send buffer of a socket to run empty, since everything was acknowledged (EVFILT_EMPTY). FreeBSD,
    /// NetBSD 10, Linux.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is no socket or the
    /// running system lacks the filter.
    #[cfg(has_empty)]
    pub fn empty(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::EMPTY)
    }

    /// Watches for out-of-band data (EVFILT_EXCEPT with NOTE_OOB). OpenBSD, DragonFly, Apple.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is of a kind that has no
    /// such data.
    #[cfg(has_except)]
    pub fn except(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::EXCEPT).fflags(kq_sys::NOTE_OOB)
    }

    /// Fires every `interval`, and keeps doing so; with [`oneshot`](Change::oneshot), once (EVFILT_TIMER).
    ///
    /// `id` is the caller's choice; timers have a number space of their own. The interval is rounded up to the finest
    /// unit that the system counts it in, and is at least one such unit: nanoseconds, except on FreeBSD from one second
    /// on (microseconds; on its machines of 32 bits milliseconds from 35 minutes, and seconds from 24 days on) and on
    /// DragonFly and NetBSD 9 (milliseconds). What a kernel could not count is clamped: to 31 years (10⁹ seconds) on
    /// FreeBSD, Linux and DragonFly, 292 years elsewhere.
    ///
    /// Applying it fails with ENOMEM beyond the number of timers that the system allows (all programs together on
    /// FreeBSD: `kern.kq_calloutmax`, 4,096; with user events 1,024 for a process on OpenBSD), and on NetBSD with
    /// EINVAL for an interval of more than 2³¹ clock ticks.
    ///
    /// Apple's systems may be late by tens of milliseconds to save power, unless the timer is made `critical`.
    ///
    /// A period that is shorter than the kernel needs for an expiration keeps it busy. FreeBSD 12 makes up for each
    /// that it missed, one by one: there, make a very short timer one-shot.
    ///
    /// Applying it again re-arms the timer with the new interval; on DragonFly only
    /// [`Kqueue::replace`](crate::Kqueue::replace) does.
    #[inline]
    pub fn timer(id: usize, interval: Duration) -> Change {
        Change::from_setting(id, TimerSetting::every(interval))
    }

    /// Fires once, when the wall clock reaches `time` (EVFILT_TIMER with NOTE_ABSTIME, NOTE_ABSOLUTE). The change is
    /// one-shot.
    ///
    /// The time is rounded up as in [`timer`](Change::timer). A time that has passed already fires at once. Where the
    /// system has no timers by the wall clock (DragonFly, NetBSD 9), or cannot count so far (FreeBSD and Linux beyond
    /// the year 2038, FreeBSD on machines of 32 bits), the time that is left *now* is what is waited for, and a later
    /// step of the clock goes unnoticed; the kernels of FreeBSD 12 and of Apple's systems do not notice one either.
    /// Errors are those of [`timer`](Change::timer).
    ///
    /// Use [`Kqueue::replace`](crate::Kqueue::replace) where the id may be another timer's still: added over a periodic
    /// one it stays periodic, and Apple refuses a change between the two kinds with EINVAL.
    pub fn timer_at(id: usize, time: SystemTime) -> Change {
        Change::from_setting(id, TimerSetting::at(time, SystemTime::now())).oneshot()
    }

    /// Watches a process of any parentage for `events`, such as [`ProcEvents::EXIT`] (EVFILT_PROC).
    ///
    /// `pid` is the process's id, as from [`std::process::Child::id`]. Applying it fails with ESRCH if there is no such
    /// process (on NetBSD, OpenBSD and Apple also if it exited and was not waited for yet; elsewhere the event then
    /// comes at once), and with EACCES or EPERM where the system keeps the process from the caller. A process's exit
    /// removes the knote.
    ///
    /// The event takes nothing from waitpid(2), and may come a moment before that has the status: wait without WNOHANG.
    ///
    /// On Apple's systems the exit status is told only to those who may ask for it: NOTE_EXITSTATUS is added to
    /// NOTE_EXIT here, and left out again by the queue where the kernel answers EACCES.
    ///
    /// With [`ProcEvents::TRACK`] the kernel itself makes knotes for children, with the same udata; each tells itself
    /// by an event that has its parent. Apple's systems refuse it with ENOTSUP, and so does Linux.
    #[inline]
    pub fn process(pid: u32, events: ProcEvents) -> Change {
        #[cfg(apple)]
        let events = match events.contains(ProcEvents::EXIT) {
            true => events | ProcEvents::EXITSTATUS,
            false => events,
        };
        Change::with(pid as usize, Filter::PROC).fflags(events.bits())
    }

    /// Counts a signal that is sent to this process, besides its usual effect (EVFILT_SIGNAL).
    ///
    /// `signal` is the signal's number, such as `libc::SIGUSR1`. The signal keeps being delivered: ignore or handle
    /// those that would end the process. Applying it fails with EINVAL if the number is no signal's; FreeBSD takes
    /// any number and never reports it.
    #[inline]
    pub fn signal(signal: i32) -> Change {
        Change::with(ident(signal), Filter::SIGNAL)
    }

    /// Watches a file or directory for `events`, such as [`VnodeEvents::WRITE`] (EVFILT_VNODE).
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is no file or
    /// directory; on Linux also with EACCES if the file may not be read, and ENOENT without /proc.
    ///
    /// One open descriptor is needed for each file; a directory tells of its own entries only, and not which. Usually
    /// made [`clear`](Change::clear), since what happened stays reported otherwise. On Apple's systems a file that is
    /// opened with O_EVTONLY for this does not keep its file system from being unmounted.
    pub fn vnode(fd: &(impl AsFd + ?Sized), events: VnodeEvents) -> Change {
        Change::on_descriptor(fd, Filter::VNODE).fflags(events.bits())
    }

    /// An event that the program triggers itself, from any thread, by applying this change with
    /// [`trigger`](Change::trigger) (EVFILT_USER).
    ///
    /// `id` is the caller's choice; user events have a number space of their own. Add it first and trigger it with a
    /// second change: FreeBSD and NetBSD ignore a trigger within the change that creates the knote. Without
    /// [`clear`](Change::clear) a triggered event is reported at every wait. FreeBSD reports a
    /// [`oneshot`](Change::oneshot) without its flags and data.
    ///
    /// Applying it fails with ENOMEM beyond the number that the system allows (1,024 for a process on OpenBSD, with its
    /// timers). NetBSD 9 and OpenBSD before 7.8 lack the filter and answer EINVAL; [`Waker`](crate::Waker) wakes a
    /// thread there too.
    #[cfg(has_user)]
    #[inline]
    pub fn user(id: usize) -> Change {
        Change::with(id, Filter::USER)
    }

    /// Watches a process descriptor's process (pdfork(2)) for `events`, which is [`ProcEvents::EXIT`] (EVFILT_PROCDESC).
    /// FreeBSD.
    ///
    /// Such a child raises no SIGCHLD. Applying it fails with EBADF if the descriptor is closed by then, and with
    /// EINVAL if it is no process descriptor.
    #[cfg(has_procdesc)]
    pub fn procdesc(fd: &(impl AsFd + ?Sized), events: ProcEvents) -> Change {
        Change::on_descriptor(fd, Filter::PROCDESC).fflags(events.bits())
    }

    /// Watches for file systems being mounted and unmounted (EVFILT_FS). FreeBSD, NetBSD, DragonFly, Apple.
    ///
    /// Applying it fails with EINVAL where the running system lacks the filter.
    /// Usually made [`clear`](Change::clear), since what happened stays reported otherwise.
    #[cfg(has_fs)]
    pub fn fs() -> Change {
        Change::with(0, Filter::FS)
    }

    /// Watches the jail (jail(2)) with the id `jid` for `events` (EVFILT_JAIL). FreeBSD 15; older kernels answer EINVAL.
    #[cfg(has_jail)]
    pub fn jail(jid: i32, events: crate::JailEvents) -> Change {
        Change::with(ident(jid), Filter::JAIL).fflags(events.bits())
    }

    /// Watches a jail descriptor's jail for `events` (EVFILT_JAILDESC). FreeBSD 15; older kernels answer EINVAL.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then.
    #[cfg(has_jail)]
    pub fn jaildesc(fd: &(impl AsFd + ?Sized), events: crate::JailEvents) -> Change {
        Change::on_descriptor(fd, Filter::JAILDESC).fflags(events.bits())
    }

    /// Watches a device for changes of its state (EVFILT_DEVICE with NOTE_CHANGE). OpenBSD.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is no such device.
    #[cfg(has_device)]
    pub fn device(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::DEVICE).fflags(kq_sys::NOTE_CHANGE)
    }

    /// Watches a Mach port or port set, whose receive right this task holds, for messages (EVFILT_MACHPORT). Apple.
    ///
    /// The event tells that there is a message, and leaves it to be received with mach_msg. Applying it fails with
    /// ENOENT if the task has no such name, and with ENOTSUP if it has no receive right under it.
    #[cfg(has_machport)]
    pub fn machport(name: u32) -> Change {
        Change::with(name as usize, Filter::MACHPORT)
    }

    /// Watches for scarce memory (EVFILT_VM). Apple, whose current kernels refuse it.
    #[cfg(has_vm)]
    pub fn vm(events: crate::VmEvents) -> Change {
        Change::with(0, Filter::VM).fflags(events.bits())
    }

    /// An EV_ADD of the filter.
    #[inline]
    fn with(ident: usize, filter: Filter) -> Change {
        Change::new(ident, filter, Flags::ADD)
    }

    #[inline]
    fn on_descriptor(fd: &(impl AsFd + ?Sized), filter: Filter) -> Change {
        Change::with(ident(fd.as_fd().as_raw_fd()), filter)
    }

    #[inline]
    fn from_setting(id: usize, setting: TimerSetting) -> Change {
        Change::with(id, Filter::TIMER).fflags(setting.fflags).data(setting.data)
    }
}

/// The number as an ident. A negative one becomes the highest, which is no signal's, jail's or descriptor's.
#[inline]
fn ident(number: i32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
