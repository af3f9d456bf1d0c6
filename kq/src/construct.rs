//! The typed constructors of `Change`, one for each filter.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};

use crate::timer::TimerSetting;
use crate::{Change, Filter, Flags, ProcEvents, VnodeEvents};

impl Change {
    /// Watches for data to read, connections to accept, or the end of the file.
    ///
    /// `fd` is anything that the system's kqueue takes: sockets, pipes, terminals, files, other queues.
    /// Applying it fails with EBADF if the descriptor is closed by then, and with the file's own error (EINVAL,
    /// ENODEV, EPERM, EOPNOTSUPP by system) if the file cannot be watched.
    pub fn read(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::READ)
    }

    /// Watches for room to write.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and, on most systems, with EPIPE if it is a
    /// pipe that nobody reads any more.
    pub fn write(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::WRITE)
    }

    /// Watches for the send buffer of a socket to run empty: everything was acknowledged. FreeBSD, NetBSD 10, Linux.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is no socket or the
    /// running system lacks the filter.
    #[cfg(has_empty)]
    pub fn empty(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::EMPTY)
    }

    /// Watches for out-of-band data (NOTE_OOB). OpenBSD, DragonFly, Apple.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is of a kind that has no
    /// such data.
    #[cfg(has_except)]
    pub fn except(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::EXCEPT).fflags(kq_sys::NOTE_OOB)
    }

    /// Fires every `interval`, and keeps doing so; with [`oneshot`](Change::oneshot), once.
    ///
    /// `id` is the caller's choice; timers have a number space of their own. The interval is rounded up to the finest
    /// unit that the system offers, and is at least one such unit: nanoseconds, except on FreeBSD from one second on
    /// (microseconds) and on DragonFly and NetBSD 9 (milliseconds). What a kernel could not count is clamped: to
    /// 31 years (10⁹ seconds) on FreeBSD, Linux and DragonFly, 292 years elsewhere. NetBSD refuses intervals beyond
    /// 2³¹ clock ticks with EINVAL.
    ///
    /// Applying it again re-arms the timer with the new interval; on DragonFly only
    /// [`Kqueue::replace`](crate::Kqueue::replace) does.
    pub fn timer(id: usize, interval: Duration) -> Change {
        Change::from_setting(id, TimerSetting::every(interval))
    }

    /// Fires once, when the wall clock reaches `time`. The change is one-shot.
    ///
    /// The time is rounded up as in [`timer`](Change::timer). A time that has passed already fires at once. Where the
    /// system has no timers by the wall clock (DragonFly, NetBSD 9), or cannot count so far (FreeBSD and Linux beyond
    /// the year 2038), the time that is left *now* is what is waited for, and a later step of the clock goes
    /// unnoticed; Apple's systems do not notice it either.
    ///
    /// Use [`Kqueue::replace`](crate::Kqueue::replace) where the id may be another timer's still: added over a periodic
    /// one it stays periodic, and Apple refuses a change between the two kinds with EINVAL.
    pub fn timer_at(id: usize, time: SystemTime) -> Change {
        Change::from_setting(id, TimerSetting::at(time, SystemTime::now())).oneshot()
    }

    /// Watches a process of any parentage for `events`, such as [`ProcEvents::EXIT`].
    ///
    /// `pid` is the process's id, as from [`std::process::Child::id`]. Applying it fails with ESRCH if there is no such
    /// process (on NetBSD, OpenBSD and Apple also if it exited and was not waited for yet; elsewhere the event then
    /// comes at once). A process's exit removes the knote.
    ///
    /// On Apple's systems the exit status is told only to those who may ask for it: NOTE_EXITSTATUS is added to
    /// NOTE_EXIT here, and left out again by the queue where the kernel answers EACCES.
    ///
    /// With [`ProcEvents::TRACK`] (where it exists) the kernel itself makes knotes for children, with the same udata.
    pub fn process(pid: u32, events: ProcEvents) -> Change {
        #[cfg(apple)]
        let events = match events.contains(ProcEvents::EXIT) {
            true => events | ProcEvents::EXITSTATUS,
            false => events,
        };
        Change::with(pid as usize, Filter::PROC).fflags(events.bits())
    }

    /// Counts a signal that is sent to this process, besides its usual effect.
    ///
    /// `signal` is the signal's number, such as `libc::SIGUSR1`. The signal keeps being delivered: ignore or handle
    /// those that would end the process. Applying it fails with EINVAL if the number is no signal's; FreeBSD takes
    /// any number and never reports it.
    pub fn signal(signal: i32) -> Change {
        // A negative number becomes one that no signal has.
        Change::with(signal as usize, Filter::SIGNAL)
    }

    /// Watches a file or directory for `events`, such as [`VnodeEvents::WRITE`].
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is no file or
    /// directory; on Linux also with EACCES if the file may not be read, and ENOENT without /proc.
    ///
    /// One open descriptor is needed for each file; a directory tells of its own entries only, and not which. Usually
    /// made [`clear`](Change::clear), since what happened stays reported otherwise.
    pub fn vnode(fd: &(impl AsFd + ?Sized), events: VnodeEvents) -> Change {
        Change::on_descriptor(fd, Filter::VNODE).fflags(events.bits())
    }

    /// An event that the program triggers itself, from any thread, by applying this change with
    /// [`trigger`](Change::trigger).
    ///
    /// `id` is the caller's choice; user events have a number space of their own. Add it first and trigger it with a
    /// second change: FreeBSD and NetBSD ignore a trigger within the change that creates the knote. Without
    /// [`clear`](Change::clear) a triggered event is reported at every wait.
    ///
    /// NetBSD 9 and OpenBSD before 7.8 lack the filter and answer EINVAL; [`Waker`](crate::Waker) wakes a thread there
    /// too.
    #[cfg(has_user)]
    pub fn user(id: usize) -> Change {
        Change::with(id, Filter::USER)
    }

    /// Watches a process descriptor's process (pdfork(2)) for `events`, which is [`ProcEvents::EXIT`]. FreeBSD.
    ///
    /// Such a child raises no SIGCHLD. Applying it fails with EBADF if the descriptor is closed by then, and with
    /// EINVAL if it is no process descriptor.
    #[cfg(has_procdesc)]
    pub fn procdesc(fd: &(impl AsFd + ?Sized), events: ProcEvents) -> Change {
        Change::on_descriptor(fd, Filter::PROCDESC).fflags(events.bits())
    }

    /// Watches for file systems being mounted and unmounted. FreeBSD, NetBSD, DragonFly, Apple.
    ///
    /// Usually made [`clear`](Change::clear), since what happened stays reported otherwise.
    #[cfg(has_fs)]
    pub fn fs() -> Change {
        Change::with(0, Filter::FS)
    }

    /// Watches the jail with the id `jid` for `events`. FreeBSD 15; older kernels answer EINVAL.
    #[cfg(has_jail)]
    pub fn jail(jid: i32, events: crate::JailEvents) -> Change {
        Change::with(jid as usize, Filter::JAIL).fflags(events.bits())
    }

    /// Watches a jail descriptor's jail for `events`. FreeBSD 15; older kernels answer EINVAL.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then.
    #[cfg(has_jail)]
    pub fn jaildesc(fd: &(impl AsFd + ?Sized), events: crate::JailEvents) -> Change {
        Change::on_descriptor(fd, Filter::JAILDESC).fflags(events.bits())
    }

    /// Watches a device for changes of its state (NOTE_CHANGE). OpenBSD.
    ///
    /// Applying it fails with EBADF if the descriptor is closed by then, and with EINVAL if it is no such device.
    #[cfg(has_device)]
    pub fn device(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::DEVICE).fflags(kq_sys::NOTE_CHANGE)
    }

    /// Watches a Mach port or port set, whose receive right this task holds, for messages. Apple.
    ///
    /// The event tells that there is a message, and leaves it to be received with mach_msg. Applying it fails with
    /// ENOENT if the task has no such name, and with ENOTSUP if it has no receive right under it.
    #[cfg(has_machport)]
    pub fn machport(name: u32) -> Change {
        Change::with(name as usize, Filter::MACHPORT)
    }

    /// Watches for scarce memory; current Apple kernels refuse it. Apple.
    #[cfg(has_vm)]
    pub fn vm(events: crate::VmEvents) -> Change {
        Change::with(0, Filter::VM).fflags(events.bits())
    }

    /// An EV_ADD of the filter.
    fn with(ident: usize, filter: Filter) -> Change {
        Change::new(ident, filter, Flags::ADD)
    }

    fn on_descriptor(fd: &(impl AsFd + ?Sized), filter: Filter) -> Change {
        // A borrowed descriptor is never negative.
        Change::with(fd.as_fd().as_raw_fd() as usize, filter)
    }

    fn from_setting(id: usize, setting: TimerSetting) -> Change {
        Change::with(id, Filter::TIMER).fflags(setting.fflags).data(setting.data)
    }
}
