//! `Event`: what a queue reports.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::change::{debug_fields, fields};
use crate::errno::Errno;
use crate::sys::{self, Raw};
use crate::{EventKind, Filter, Flags};

/// One event from a queue: the kernel's own struct.
///
/// [`kind`](Event::kind) says what happened; the getters give every field as the kernel left it. An event is `Copy` and
/// can be kept.
///
/// ```
/// use kq::{Change, EventBuffer, EventKind, Kqueue};
/// use std::time::Duration;
///
/// let queue = Kqueue::new()?;
/// let mut events = EventBuffer::with_capacity(8);
/// queue.apply(&[Change::timer(1, Duration::from_millis(1)).oneshot().udata(17)])?;
/// for event in queue.wait(&mut events, None)? {
///     assert_eq!(event.udata(), 17);
///     assert!(matches!(event.kind(), EventKind::Timer { id: 1, expirations: 1 }));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Event(pub(crate) Raw);

// SAFETY: the only field that is not a plain number is `udata`, a pointer in C's eyes; here it is a number that is
// never dereferenced.
unsafe impl Send for Event {}
// SAFETY: as for `Send`; there is no interior mutability.
unsafe impl Sync for Event {}

impl Event {
    /// What happened, decoded by filter.
    #[inline]
    pub fn kind(&self) -> EventKind {
        EventKind::decode(self)
    }

    /// What it happened to: a descriptor, pid, signal number or id.
    #[inline]
    pub fn ident(&self) -> usize {
        sys::ident_of(&self.0)
    }

    /// The filter that reports.
    #[inline]
    pub fn filter(&self) -> Filter {
        Filter::from_raw(self.0.filter)
    }

    /// The flags. [`Flags::EOF`] and [`Flags::ERROR`] are news; several kernels hand the others back as they were in
    /// the change.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags::from_bits_retain(self.0.flags)
    }

    /// The filter's flags: what happened (`NOTE_*`), or the socket's error at the end of a file.
    #[inline]
    pub fn fflags(&self) -> u32 {
        self.0.fflags
    }

    /// The filter's data.
    #[inline]
    pub fn data(&self) -> i64 {
        sys::data_of(&self.0)
    }

    /// The value that the change gave.
    #[inline]
    pub fn udata(&self) -> usize {
        sys::udata_of(&self.0)
    }

    /// The filter's extra words.
    #[cfg(has_ext)]
    #[inline]
    pub fn ext(&self) -> kq_sys::ext_t {
        self.0.ext
    }

    /// Whether the other side is gone, or the process exited (EV_EOF). Data may be pending still.
    #[inline]
    pub fn is_eof(&self) -> bool {
        self.flags().contains(Flags::EOF)
    }

    /// Whether out-of-band data has come (EV_OOBAND), for a READ that asked with [`Flags::OOBAND`]. Apple.
    #[cfg(apple)]
    #[inline]
    pub fn is_oob(&self) -> bool {
        self.flags().contains(Flags::OOBAND)
    }

    /// Whether the descriptor was closed, or the Mach port died (EV_VANISHED), for a change with [`Flags::DISPATCH2`]
    /// and [`Flags::VANISHED`]. Apple.
    #[cfg(apple)]
    #[inline]
    pub fn is_vanished(&self) -> bool {
        self.flags().contains(Flags::VANISHED)
    }

    /// Whether both directions are shut (EV_HUP). DragonFly.
    #[cfg(dragonfly)]
    #[inline]
    pub fn is_hup(&self) -> bool {
        self.flags().contains(Flags::HUP)
    }

    /// Whether nothing is left to read at the end of a file (EV_NODATA). DragonFly.
    #[cfg(dragonfly)]
    #[inline]
    pub fn is_drained(&self) -> bool {
        self.flags().contains(Flags::NODATA)
    }

    /// The error of a change that failed in [`Kqueue::apply_and_wait`](crate::Kqueue::apply_and_wait), if this event
    /// tells of one. EV_ERROR is a bit: Apple's kernel reports it together with the change's flags.
    #[inline]
    pub fn change_error(&self) -> Option<Errno> {
        let failed = self.flags().contains(Flags::ERROR) && self.data() != 0;
        // An errno fits; what would not is told as the highest.
        failed.then(|| Errno::from_raw(i32::try_from(self.data()).unwrap_or(i32::MAX)))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        fields(&self.0) == fields(&other.0)
    }
}

impl Eq for Event {}

impl Hash for Event {
    fn hash<H: Hasher>(&self, state: &mut H) {
        fields(&self.0).hash(state);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_fields(f.debug_struct("Event"), &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_threads() {
        fn shareable<T: Send + Sync + Copy>() {}
        shareable::<Event>();
        assert_eq!(std::mem::size_of::<Event>(), std::mem::size_of::<Raw>());
    }

    #[test]
    fn equal_events_have_equal_fields() {
        let event = |data: i64| Event(crate::Change::new(5, Filter::READ, Flags::ADD).udata(7).data(data).0);
        assert_eq!(event(1), event(1));
        assert_ne!(event(1), event(2));
    }

    #[test]
    fn an_error_is_a_bit() {
        let mut event = Event(crate::Change::new(5, Filter::READ, Flags::ADD | Flags::ERROR).0);
        assert_eq!(event.change_error(), None);
        event.0.data = libc::ENOENT as _;
        assert_eq!(event.change_error(), Some(Errno::from_raw(libc::ENOENT)));
        event.0.flags = Flags::ADD.bits();
        assert_eq!(event.change_error(), None);
    }
}
