//! `Change`: what a queue is to watch, or to stop watching.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::notes::Notes;
use crate::sys::{self, Ident, Raw, Udata};
use crate::{Filter, Flags};

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
    /// Any change at all: for filters and combinations that no constructor is there for.
    ///
    /// Nothing is checked or added; what the kernel does not like, it answers with an error. Only EV_RECEIPT is
    /// dropped: with no room left in the event list a receipt would silently end the batch.
    /// [`Kqueue::apply_each`](crate::Kqueue::apply_each) reports the outcome of every change.
    ///
    /// Number 0 is NetBSD's READ and no filter elsewhere; FreeBSD's kernel passes over such a change without a word. So
    /// there 0 becomes 1, which is no filter either, and which every kernel refuses with EINVAL.
    ///
    /// ```
    /// use kq::{Change, Filter, Flags};
    ///
    /// let change = Change::new(9, Filter::TIMER, Flags::ADD | Flags::DISABLE | Flags::RECEIPT).data(250);
    /// assert_eq!(change.flags(), Flags::ADD | Flags::DISABLE);
    /// ```
    #[inline]
    pub fn new(ident: usize, filter: Filter, flags: Flags) -> Change {
        let filter = match filter.raw() {
            0 if cfg!(not(netbsd)) => 1,
            number => number,
        };
        Change(Raw {
            ident: ident as Ident,
            filter,
            flags: flags.difference(Flags::RECEIPT).bits(),
            fflags: 0,
            data: 0,
            udata: 0 as Udata,
            #[cfg(has_ext)]
            ext: kq_sys::ext_t::default(),
        })
    }

    /// Deletes the knote.
    ///
    /// Like the three other actions it takes the place of EV_ADD, drops the mode, and keeps ident, filter, fflags,
    /// data and udata. Applying it fails with ENOENT if there is no such knote (a one-shot that fired is gone, and so
    /// is a knote whose descriptor was closed and its number given out again), and with EBADF if the descriptor is
    /// closed: in both cases there is nothing left to delete.
    #[inline]
    pub fn delete(self) -> Change {
        self.action(Flags::DELETE)
    }

    /// Enables the knote after [`disable`](Change::disable), or after an event of a [`dispatch`](Change::dispatch).
    ///
    /// Several kernels store fflags, data and udata of the change again: apply a change that has them all.
    /// Fails with ENOENT if there is no such knote.
    #[inline]
    pub fn enable(self) -> Change {
        self.action(Flags::ENABLE)
    }

    /// Disables the knote: it is kept, and reports nothing until it is enabled.
    ///
    /// Several kernels store fflags, data and udata of the change again. Fails with ENOENT if there is no such knote.
    /// To add a knote that is disabled from the start, see [`disabled`](Change::disabled).
    #[inline]
    pub fn disable(self) -> Change {
        self.action(Flags::DISABLE)
    }

    /// Triggers a user event.
    ///
    /// NOTE_TRIGGER is added to the fflags. Several kernels store udata of the change again: apply a change that has
    /// it. Fails with ENOENT if the event was not added, or was one-shot and was delivered.
    #[cfg(has_user)]
    #[inline]
    pub fn trigger(self) -> Change {
        let fflags = self.0.fflags | kq_sys::NOTE_TRIGGER;
        self.action(Flags::empty()).fflags(fflags)
    }

    /// Reports the knote once more, at once, whatever its state, and deletes it (EV_FORCEONESHOT). FreeBSD, Linux.
    ///
    /// Like the other actions it takes the place of EV_ADD. A knote that is disabled reports when it is enabled. Fails
    /// with ENOENT if there is no such knote.
    #[cfg(freebsd_abi)]
    #[inline]
    pub fn force_oneshot(self) -> Change {
        self.action(Flags::FORCEONESHOT)
    }

    #[inline]
    fn action(self, action: Flags) -> Change {
        let kept = self.flags().difference(ACTIONS_AND_MODES);
        self.set_flags(kept.union(action))
    }

    /// Delete the knote when its first event is delivered (EV_ONESHOT).
    #[inline]
    pub fn oneshot(self) -> Change {
        self.add_flags(Flags::ONESHOT)
    }

    /// Reset the state when an event is delivered (EV_CLEAR): edge-triggered.
    ///
    /// Timers, signals and processes always have it.
    #[inline]
    pub fn clear(self) -> Change {
        self.add_flags(Flags::CLEAR)
    }

    /// Disable the knote when an event is delivered (EV_DISPATCH), until [`enable`](Change::enable): one event goes to
    /// one thread.
    #[inline]
    pub fn dispatch(self) -> Change {
        self.add_flags(Flags::DISPATCH)
    }

    /// Add the knote disabled (EV_ADD with EV_DISABLE).
    #[inline]
    pub fn disabled(self) -> Change {
        self.add_flags(Flags::DISABLE)
    }

    /// Report only from `bytes` on: the low-water mark of READ and WRITE (NOTE_LOWAT). The end of the file is reported
    /// whatever it is.
    #[inline]
    pub fn low_water(self, bytes: usize) -> Change {
        let fflags = self.0.fflags | kq_sys::NOTE_LOWAT;
        self.fflags(fflags).data(i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    /// Do without the events' data: for [`read`](Change::read) and [`write`](Change::write) on Linux, where fetching it
    /// is a system call for each event (NOTE_NODATA). Without effect elsewhere, where it costs nothing.
    ///
    /// For a program that reads until EWOULDBLOCK anyway. `available` and `space` are `None` then; the end of a file
    /// and its error are told as ever, but for a shutdown of this side for writing. A knote below a low-water mark and
    /// one of a regular file have their data all the same.
    ///
    /// ```
    /// use kq::{Change, EventBuffer, EventKind, Kqueue};
    /// use std::io::Write;
    ///
    /// let (reader, mut writer) = std::os::unix::net::UnixStream::pair()?;
    /// let queue = Kqueue::new()?;
    /// let mut events = EventBuffer::with_capacity(8);
    /// queue.apply(&[Change::read(&reader).without_data()])?;
    /// writer.write_all(b"hello")?;
    /// let event = queue.wait(&mut events, None)?[0];
    /// let EventKind::Read { available, eof: false, .. } = event.kind() else { panic!("{event:?}") };
    /// assert_eq!(available, if cfg!(target_os = "linux") { None } else { Some(5) });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn without_data(self) -> Change {
        #[cfg(has_nodata)]
        return self.fflags(self.0.fflags | kq_sys::NOTE_NODATA);
        #[cfg(not(has_nodata))]
        self
    }

    /// Report a regular file as poll(2) does, as always ready (NOTE_FILE_POLL): for [`read`](Change::read). FreeBSD,
    /// Linux.
    #[cfg(has_file_poll)]
    #[inline]
    pub fn file_poll(self) -> Change {
        let fflags = self.0.fflags | kq_sys::NOTE_FILE_POLL;
        self.fflags(fflags)
    }

    /// Report a regular file at its end, too (NOTE_EOF): for [`read`](Change::read). OpenBSD.
    #[cfg(has_note_eof)]
    #[inline]
    pub fn end_of_file(self) -> Change {
        let fflags = self.0.fflags | kq_sys::NOTE_EOF;
        self.fflags(fflags)
    }

    /// A value that every event of the knote hands back.
    #[inline]
    pub fn udata(mut self, udata: usize) -> Change {
        self.0.udata = udata as Udata;
        self
    }

    /// Adds flags, as far as no method is there for them; [`Flags`] lists those of the system. EV_RECEIPT is dropped.
    #[inline]
    pub fn add_flags(self, flags: Flags) -> Change {
        let all = self.flags().union(flags);
        self.set_flags(all)
    }

    /// Sets all flags. EV_RECEIPT is dropped.
    #[inline]
    pub fn set_flags(mut self, flags: Flags) -> Change {
        self.0.flags = flags.difference(Flags::RECEIPT).bits();
        self
    }

    /// Sets the filter's flags, `NOTE_*`, in place of those that a constructor or a modifier put there.
    #[inline]
    pub fn fflags(mut self, fflags: u32) -> Change {
        self.0.fflags = fflags;
        self
    }

    /// Sets the filter's data: bytes of a low-water mark, a timer's count of the unit that its notes say (milliseconds
    /// without), a user event's own number.
    #[inline]
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
    #[inline]
    pub unsafe fn ext(mut self, ext: kq_sys::ext_t) -> Change {
        self.0.ext = ext;
        self
    }
}

/// What a change holds.
impl Change {
    /// What is watched: a descriptor, pid, signal number or id.
    #[inline]
    pub fn ident(&self) -> usize {
        sys::ident_of(&self.0)
    }

    /// The filter.
    #[inline]
    pub fn filter(&self) -> Filter {
        Filter::from_raw(self.0.filter)
    }

    /// Action, mode and further flags.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags::from_bits_retain(self.0.flags)
    }

    /// The filter's flags, `NOTE_*`.
    #[inline]
    pub fn get_fflags(&self) -> u32 {
        self.0.fflags
    }

    /// The filter's data.
    #[inline]
    pub fn get_data(&self) -> i64 {
        sys::data_of(&self.0)
    }

    /// The value that events hand back.
    #[inline]
    pub fn get_udata(&self) -> usize {
        sys::udata_of(&self.0)
    }

    /// The filter's extra words.
    #[cfg(has_ext)]
    #[inline]
    pub fn get_ext(&self) -> kq_sys::ext_t {
        self.0.ext
    }
}

impl PartialEq for Change {
    fn eq(&self, other: &Change) -> bool {
        fields(&self.0) == fields(&other.0)
    }
}

impl Eq for Change {}

impl Hash for Change {
    fn hash<H: Hasher>(&self, state: &mut H) {
        fields(&self.0).hash(state);
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_fields(f.debug_struct("Change"), &self.0)
    }
}

/// The fields of the kernel's struct, to be compared: not all systems' structs can be, and none has udata for a number.
pub(crate) fn fields(raw: &Raw) -> impl Eq + Hash {
    let words = (raw.ident, raw.filter, raw.flags, raw.fflags, raw.data, sys::udata_of(raw));
    #[cfg(has_ext)]
    return (words, raw.ext);
    #[cfg(not(has_ext))]
    words
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
    use crate::ProcEvents;
    use std::time::{Duration, SystemTime};

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
    #[cfg(has_file_poll)]
    fn a_note_joins_a_low_water_mark() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let change = Change::read(&a).low_water(5).file_poll();
        assert_eq!((change.get_fflags(), change.get_data()), (kq_sys::NOTE_LOWAT | kq_sys::NOTE_FILE_POLL, 5));
    }

    #[test]
    #[cfg(has_note_eof)]
    fn a_note_joins_a_low_water_mark() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let change = Change::read(&a).low_water(5).end_of_file();
        assert_eq!((change.get_fflags(), change.get_data()), (kq_sys::NOTE_LOWAT | kq_sys::NOTE_EOF, 5));
    }

    #[test]
    fn a_negative_number_is_nobodys_ident() {
        assert_eq!(Change::signal(-1).ident(), usize::MAX);
        assert_eq!(Change::signal(i32::MIN).ident(), usize::MAX);
        assert_eq!(Change::signal(7).ident(), 7);
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
    fn filter_zero_is_none_that_a_kernel_would_pass_over() {
        let change = Change::new(1, Filter::from_raw(0), Flags::ADD);
        assert_eq!(change.filter(), Filter::from_raw(if cfg!(netbsd) { 0 } else { 1 }));
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
        let most = i64::try_from(usize::MAX).unwrap_or(i64::MAX);
        assert_eq!(Change::write(&a).low_water(usize::MAX).get_data(), most);
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
    #[cfg(has_ext)]
    fn extra_words_go_along() {
        let plain = Change::timer(1, Duration::from_secs(1));
        let mut words = kq_sys::ext_t::default();
        words[words.len() - 1] = 7;
        // SAFETY: a timer takes none of the words for an address.
        let change = unsafe { plain.ext(words) };
        assert_eq!((plain.get_ext(), change.get_ext()), (kq_sys::ext_t::default(), words));
        assert!(plain != change);
        assert!(format!("{change:?}").contains("ext: ["), "{change:?}");
        assert_eq!(change.delete().get_ext(), words);
    }

    #[test]
    fn what_differs_in_any_field_is_not_equal() {
        let change = Change::new(1, Filter::TIMER, Flags::ADD).fflags(2).data(3).udata(4);
        let others = [
            Change::new(2, Filter::TIMER, Flags::ADD).fflags(2).data(3).udata(4),
            Change::new(1, Filter::SIGNAL, Flags::ADD).fflags(2).data(3).udata(4),
            change.clear(),
            change.fflags(3),
            change.data(4),
            change.udata(5),
        ];
        let all: std::collections::HashSet<Change> = others.into_iter().chain([change, change]).collect();
        assert_eq!(all.len(), others.len() + 1);
        assert!(all.contains(&change) && !others.contains(&change));
    }

    #[test]
    fn changes_and_threads() {
        fn shareable<T: Send + Sync + Copy>() {}
        shareable::<Change>();
        assert_eq!(std::mem::size_of::<Change>(), std::mem::size_of::<Raw>());
    }
}
