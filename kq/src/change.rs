//! `Change`: what a queue is to watch, or to stop watching.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};

use crate::notes::Notes;
use crate::sys::{self, Ident, Raw, Udata};
use crate::timer::TimerSetting;
use crate::{Filter, Flags, ProcEvents, VnodeEvents};

/// One change to a queue: the kernel's own struct, built by a constructor and modifiers.
///
/// A constructor such as [`Change::read`] adds a registration (a *knote*) for one ident and filter.
/// [`oneshot`](Change::oneshot), [`clear`](Change::clear) and [`dispatch`](Change::dispatch) choose how often it
/// reports; without them it reports at every wait for as long as its condition holds. [`delete`](Change::delete),
/// [`enable`](Change::enable), [`disable`](Change::disable) and [`trigger`](Change::trigger) turn the change into that
/// action on the knote.
///
/// A change is `Copy` and holds numbers only: it can be built in advance, kept, and applied any number of times with
/// [`Kqueue::apply`](crate::Kqueue::apply) and its sisters. That goes for descriptors too: a change does not keep one
/// open, and applied after the descriptor was closed it fails with EBADF, or watches what has the number by then.
///
/// A queue has at most one knote for each ident and filter. Adding it again stores fflags, data and udata anew and
/// re-arms a timer, but leaves the mode (one-shot, clear, dispatch) as it was and does not enable what is disabled:
/// [`Kqueue::replace`](crate::Kqueue::replace) does both.
///
/// ```
/// use kq::{Change, Flags};
/// use std::time::Duration;
///
/// let (socket, _other) = std::os::unix::net::UnixStream::pair()?;
/// let watch = Change::read(&socket).clear().udata(17);
/// assert_eq!(watch.flags(), Flags::ADD | Flags::CLEAR);
///
/// let changes = [watch, Change::timer(1, Duration::from_secs(5)).oneshot()];
/// let queue = kq::Kqueue::new()?;
/// queue.apply(&changes)?;
/// queue.apply(&changes.map(Change::delete))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
#[must_use = "a change does nothing until it is applied to a queue"]
pub struct Change(pub(crate) Raw);

// SAFETY: the only field that is not a plain number is `udata`, a pointer in C's eyes; here it is a number that is
// never dereferenced.
unsafe impl Send for Change {}
// SAFETY: as for `Send`; there is no interior mutability.
unsafe impl Sync for Change {}

/// What a change says to do with its knote; modes are dropped with it when the action changes.
const ACTIONS_AND_MODES: Flags = {
    let bits = Flags::ADD
        .union(Flags::DELETE)
        .union(Flags::ENABLE)
        .union(Flags::DISABLE)
        .union(Flags::ONESHOT)
        .union(Flags::CLEAR)
        .union(Flags::DISPATCH);
    // The bit is another one on Apple, where it belongs to the knote's key and has to stay.
    #[cfg(freebsd_abi)]
    let bits = bits.union(Flags::FORCEONESHOT);
    // Apple takes it with EV_ADD only.
    #[cfg(apple)]
    let bits = bits.union(Flags::VANISHED);
    bits
};

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

    /// Watches for the send buffer to run empty. FreeBSD, NetBSD 10, Linux.
    #[cfg(has_empty)]
    pub fn empty(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::EMPTY)
    }

    /// Watches for out-of-band data (NOTE_OOB). OpenBSD, DragonFly, Apple.
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
    /// those that would end the process. A number that is no signal's is refused with EINVAL, at the latest when its
    /// event would come (FreeBSD accepts some and never reports them).
    pub fn signal(signal: i32) -> Change {
        // A negative number becomes one that no signal has.
        Change::with(signal as usize, Filter::SIGNAL)
    }

    /// Watches a file or directory for `events`.
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

    /// Watches a process descriptor's process (pdfork(2)) for its exit. FreeBSD.
    #[cfg(has_procdesc)]
    pub fn procdesc(fd: &(impl AsFd + ?Sized), events: ProcEvents) -> Change {
        Change::on_descriptor(fd, Filter::PROCDESC).fflags(events.bits())
    }

    /// Watches for file systems being mounted and unmounted. FreeBSD, NetBSD, DragonFly, Apple.
    #[cfg(has_fs)]
    pub fn fs() -> Change {
        Change::with(0, Filter::FS)
    }

    /// Watches a jail for `events`. FreeBSD 15.
    #[cfg(has_jail)]
    pub fn jail(jid: i32, events: crate::JailEvents) -> Change {
        Change::with(jid as usize, Filter::JAIL).fflags(events.bits())
    }

    /// Watches a jail descriptor's jail for `events`. FreeBSD 15.
    #[cfg(has_jail)]
    pub fn jaildesc(fd: &(impl AsFd + ?Sized), events: crate::JailEvents) -> Change {
        Change::on_descriptor(fd, Filter::JAILDESC).fflags(events.bits())
    }

    /// Watches a device for changes of its state (NOTE_CHANGE). OpenBSD.
    #[cfg(has_device)]
    pub fn device(fd: &(impl AsFd + ?Sized)) -> Change {
        Change::on_descriptor(fd, Filter::DEVICE).fflags(kq_sys::NOTE_CHANGE)
    }

    /// Watches a Mach port or port set, whose receive right this task holds, for messages. Apple.
    #[cfg(has_machport)]
    pub fn machport(name: u32) -> Change {
        Change::with(name as usize, Filter::MACHPORT)
    }

    /// Watches for scarce memory; current Apple kernels refuse it. Apple.
    #[cfg(has_vm)]
    pub fn vm(events: crate::VmEvents) -> Change {
        Change::with(0, Filter::VM).fflags(events.bits())
    }

    /// Any change at all: for filters and combinations that no constructor is there for.
    ///
    /// Nothing is checked or added; what the kernel does not like, it answers with an error. Only EV_RECEIPT is
    /// dropped: with no room left in the event list a receipt would silently end the batch.
    /// [`Kqueue::apply_each`](crate::Kqueue::apply_each) reports the outcome of every change.
    ///
    /// A filter of number 0 is none on FreeBSD, whose kernel skips such a change without a word, as kq-sys does on
    /// Linux; on NetBSD it is READ.
    ///
    /// ```
    /// use kq::{Change, Filter, Flags};
    ///
    /// let change = Change::new(9, Filter::TIMER, Flags::ADD | Flags::DISABLE | Flags::RECEIPT).data(250);
    /// assert_eq!(change.flags(), Flags::ADD | Flags::DISABLE);
    /// ```
    pub fn new(ident: usize, filter: Filter, flags: Flags) -> Change {
        Change(Raw {
            ident: ident as Ident,
            filter: filter.raw(),
            flags: flags.difference(Flags::RECEIPT).bits(),
            fflags: 0,
            data: 0,
            udata: 0 as Udata,
            #[cfg(has_ext)]
            ext: kq_sys::ext_t::default(),
        })
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

    /// Deletes the knote.
    ///
    /// Like the three other actions it takes the place of EV_ADD, drops the mode, and keeps ident, filter, fflags,
    /// data and udata. Applying it fails with ENOENT if there is no such knote (a one-shot that fired is gone, and so
    /// is a knote whose descriptor was closed and its number given out again), and with EBADF if the descriptor is
    /// closed: in both cases there is nothing left to delete.
    pub fn delete(self) -> Change {
        self.action(Flags::DELETE)
    }

    /// Enables the knote after [`disable`](Change::disable), or after an event of a [`dispatch`](Change::dispatch).
    ///
    /// Several kernels store fflags, data and udata of the change again: apply a change that has them all.
    /// Fails with ENOENT if there is no such knote.
    pub fn enable(self) -> Change {
        self.action(Flags::ENABLE)
    }

    /// Disables the knote: it is kept, and reports nothing until it is enabled.
    ///
    /// Several kernels store fflags, data and udata of the change again. Fails with ENOENT if there is no such knote.
    /// To add a knote that is disabled from the start, see [`disabled`](Change::disabled).
    pub fn disable(self) -> Change {
        self.action(Flags::DISABLE)
    }

    /// Triggers a user event.
    ///
    /// NOTE_TRIGGER is added to the fflags. Several kernels store udata of the change again: apply a change that has
    /// it. Fails with ENOENT if the event was not added, or was one-shot and was delivered.
    #[cfg(has_user)]
    pub fn trigger(self) -> Change {
        let fflags = self.0.fflags | kq_sys::NOTE_TRIGGER;
        self.action(Flags::empty()).fflags(fflags)
    }

    fn action(self, action: Flags) -> Change {
        let kept = self.flags().difference(ACTIONS_AND_MODES);
        self.set_flags(kept.union(action))
    }

    /// Delete the knote when its first event is delivered (EV_ONESHOT).
    pub fn oneshot(self) -> Change {
        self.add_flags(Flags::ONESHOT)
    }

    /// Reset the state when an event is delivered (EV_CLEAR): edge-triggered.
    ///
    /// Timers, signals and processes always have it.
    pub fn clear(self) -> Change {
        self.add_flags(Flags::CLEAR)
    }

    /// Disable the knote when an event is delivered (EV_DISPATCH), until [`enable`](Change::enable): one event goes to
    /// one thread.
    pub fn dispatch(self) -> Change {
        self.add_flags(Flags::DISPATCH)
    }

    /// Add the knote disabled (EV_ADD with EV_DISABLE).
    pub fn disabled(self) -> Change {
        self.add_flags(Flags::DISABLE)
    }

    /// Report only from `bytes` on: the low-water mark of READ and WRITE (NOTE_LOWAT).
    pub fn low_water(self, bytes: usize) -> Change {
        let fflags = self.0.fflags | kq_sys::NOTE_LOWAT;
        self.fflags(fflags).data(i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    /// A value that every event of the knote hands back.
    pub fn udata(mut self, udata: usize) -> Change {
        self.0.udata = udata as Udata;
        self
    }

    /// Adds flags, as far as no method is there for them. EV_RECEIPT is dropped.
    pub fn add_flags(self, flags: Flags) -> Change {
        let all = self.flags().union(flags);
        self.set_flags(all)
    }

    /// Sets all flags. EV_RECEIPT is dropped.
    pub fn set_flags(mut self, flags: Flags) -> Change {
        self.0.flags = flags.difference(Flags::RECEIPT).bits();
        self
    }

    /// Sets the filter's flags, `NOTE_*`.
    pub fn fflags(mut self, fflags: u32) -> Change {
        self.0.fflags = fflags;
        self
    }

    /// Sets the filter's data.
    pub fn data(mut self, data: i64) -> Change {
        self.0.data = sys::data_from(data);
        self
    }

    /// Sets the filter's extra words, where the struct has them.
    ///
    /// # Safety
    /// What the filter takes for an address has to be one that the kernel may use as the filter's manual says, for as
    /// long as the knote is there: with Apple's EVFILT_MACHPORT `ext[0]` and `ext[1]` are a buffer that messages are
    /// written to.
    #[cfg(has_ext)]
    pub unsafe fn ext(mut self, ext: kq_sys::ext_t) -> Change {
        self.0.ext = ext;
        self
    }
}

/// What a change holds.
impl Change {
    /// What is watched: a descriptor, pid, signal number or id.
    pub fn ident(&self) -> usize {
        sys::ident_of(&self.0)
    }

    /// The filter.
    pub fn filter(&self) -> Filter {
        Filter::from_raw(self.0.filter)
    }

    /// Action, mode and further flags.
    pub fn flags(&self) -> Flags {
        Flags::from_bits_retain(self.0.flags)
    }

    /// The filter's flags, `NOTE_*`.
    pub fn get_fflags(&self) -> u32 {
        self.0.fflags
    }

    /// The filter's data.
    pub fn get_data(&self) -> i64 {
        sys::data_of(&self.0)
    }

    /// The value that events hand back.
    pub fn get_udata(&self) -> usize {
        sys::udata_of(&self.0)
    }

    /// The filter's extra words.
    #[cfg(has_ext)]
    pub fn get_ext(&self) -> kq_sys::ext_t {
        self.0.ext
    }
}

impl PartialEq for Change {
    fn eq(&self, other: &Change) -> bool {
        let plain = |change: &Change| {
            (
                (change.0.ident, change.0.filter, change.0.flags),
                (change.0.fflags, change.0.data, sys::udata_of(&change.0)),
            )
        };
        #[cfg(has_ext)]
        let ext_equal = self.0.ext == other.0.ext;
        #[cfg(not(has_ext))]
        let ext_equal = true;
        plain(self) == plain(other) && ext_equal
    }
}

impl Eq for Change {}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_fields(f.debug_struct("Change"), &self.0)
    }
}

/// The fields of the kernel's struct under the names that they have there.
pub(crate) fn debug_fields(mut shown: fmt::DebugStruct<'_, '_>, raw: &Raw) -> fmt::Result {
    let filter = Filter::from_raw(raw.filter);
    let flags = Flags::from_bits_retain(raw.flags);
    let (ident, data, udata) = (raw.ident, raw.data, sys::udata_of(raw));
    shown
        .field("ident", &ident)
        .field("filter", &filter)
        .field("flags", &format_args!("{}", flags_text(&flags)))
        .field("fflags", &Notes { filter, fflags: raw.fflags })
        .field("data", &data)
        .field("udata", &udata);
    #[cfg(has_ext)]
    if raw.ext != kq_sys::ext_t::default() {
        shown.field("ext", &raw.ext);
    }
    shown.finish()
}

/// The flags' names, or `0`.
fn flags_text(flags: &Flags) -> impl fmt::Display + '_ {
    struct Text<'a>(&'a Flags);
    impl fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0.is_empty() {
                true => f.write_str("0"),
                false => bitflags::parser::to_writer(self.0, f),
            }
        }
    }
    Text(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_takes_the_place_of_add_and_drops_the_modes() {
        let added = Change::timer(3, Duration::from_millis(5)).oneshot().clear().dispatch().udata(9);
        for (changed, action) in [
            (added.delete(), Flags::DELETE),
            (added.enable(), Flags::ENABLE),
            (added.disable(), Flags::DISABLE),
            (added.delete().enable(), Flags::ENABLE),
        ] {
            assert_eq!(changed.flags(), action);
            assert_eq!(changed.ident(), 3);
            assert_eq!(changed.get_udata(), 9);
            assert_eq!(changed.get_data(), added.get_data());
            assert_eq!(changed.get_fflags(), added.get_fflags());
        }
    }

    #[test]
    #[cfg(has_user)]
    fn a_trigger_adds_its_note_and_no_flag() {
        let trigger = Change::user(7).clear().fflags(0x12).udata(4).trigger();
        assert_eq!(trigger.flags(), Flags::empty());
        assert_eq!(trigger.get_fflags(), 0x12 | kq_sys::NOTE_TRIGGER);
        assert_eq!(trigger.get_udata(), 4);
    }

    #[test]
    #[cfg(apple)]
    fn what_is_part_of_the_key_stays_with_the_action() {
        let added = Change::user(1).add_flags(Flags::UDATA_SPECIFIC);
        assert_eq!(added.delete().flags(), Flags::DELETE | Flags::UDATA_SPECIFIC);
    }

    #[test]
    fn receipts_are_never_asked_for() {
        let all = Flags::from_bits_retain(!0);
        assert!(!Change::new(0, Filter::READ, all).flags().contains(Flags::RECEIPT));
        assert!(!Change::new(0, Filter::READ, Flags::ADD).add_flags(all).flags().contains(Flags::RECEIPT));
        assert!(!Change::new(0, Filter::READ, Flags::ADD).set_flags(all).flags().contains(Flags::RECEIPT));
    }

    #[test]
    fn unknown_bits_and_filters_are_kept() {
        let filter = Filter::from_raw(77);
        let flags = Flags::from_bits_retain(0x0400) | Flags::ADD;
        let change = Change::new(usize::MAX, filter, flags).fflags(u32::MAX).data(i64::MIN).udata(usize::MAX);
        assert_eq!(change.ident(), usize::MAX);
        assert_eq!(change.filter().raw(), 77);
        assert_eq!(change.flags(), flags);
        assert_eq!(change.get_fflags(), u32::MAX);
        assert_eq!(change.get_data(), i64::MIN);
        assert_eq!(change.get_udata(), usize::MAX);
        let shown = format!("{change:?}");
        assert!(shown.contains("Filter(77)") && shown.contains("0x400"), "{shown}");
    }

    #[test]
    fn a_change_shows_names() {
        let shown = format!("{:?}", Change::process(12, ProcEvents::EXIT).oneshot().udata(5));
        assert!(shown.contains("filter: PROC"), "{shown}");
        assert!(shown.contains("flags: ADD | ONESHOT"), "{shown}");
        assert!(shown.contains("EXIT"), "{shown}");
    }

    #[test]
    fn a_low_water_mark_is_data_with_its_note() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let change = Change::read(&a).low_water(100);
        assert_eq!((change.get_fflags(), change.get_data()), (kq_sys::NOTE_LOWAT, 100));
        assert_eq!(Change::write(&a).low_water(usize::MAX).get_data(), i64::MAX);
    }

    #[test]
    fn a_past_time_is_due_at_once_and_any_absolute_time_is_one_shot() {
        let past = Change::timer_at(1, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert!(past.flags().contains(Flags::ONESHOT));
        assert_eq!(past.get_data(), 1);
        let ahead = Change::timer_at(1, SystemTime::now() + Duration::from_secs(60));
        assert!(ahead.flags().contains(Flags::ONESHOT));
    }

    #[test]
    fn changes_and_threads() {
        fn shareable<T: Send + Sync + Copy>() {}
        shareable::<Change>();
        assert_eq!(std::mem::size_of::<Change>(), std::mem::size_of::<Raw>());
    }
}
