//! `Event`: an event with a value of any type.

use std::any::Any;
use std::fmt;

use crate::deliver::{is_last, Delivered};
use crate::dynamic::udata::Udata;
use crate::dynamic::{EventFilter, EventFlags};
use crate::key::Key;

/// An event of a [`Kqueue`](crate::Kqueue), with the value of its registration.
///
/// It holds the value for as long as it lives, whatever happens to the registration. A clone shares it.
#[derive(Clone)]
pub struct Event {
    raw: kq::Event,
    key: Key,
    udata: Udata,
}

impl Delivered for Event {
    type Value = Udata;
    type Head = ();

    #[inline]
    fn new(event: &kq::Event, key: Key, udata: Udata) -> Event {
        Event { raw: *event, key, udata }
    }

    #[inline]
    fn head(_: &kq::Event, _: usize, _: Key) {}

    #[inline]
    fn key(&self, _: &()) -> Key {
        self.key
    }

    #[inline]
    fn is_last(&self, _: &()) -> bool {
        is_last(&self.raw)
    }
}

impl Event {
    /// What reports.
    pub fn filter(&self) -> EventFilter {
        self.raw().filter().into()
    }

    /// What it reports of: a descriptor, pid, signal's number, timer's or user event's id.
    pub fn ident(&self) -> u64 {
        self.raw().ident() as u64
    }

    /// What happened, in one word: the queue's flags and the filter's own.
    pub fn flags(&self) -> EventFlags {
        EventFlags::of_event(self.raw())
    }

    /// What happened, decoded by filter: [`kq::Event::kind`]. It has what no flag tells, such as how a process ended.
    ///
    /// ```
    /// use kq_typed::kq::EventKind;
    /// use kq_typed::{EventFilter, EventFlags, Kqueue};
    /// use std::process::{Command, Stdio};
    ///
    /// let kq = Kqueue::new()?;
    /// let mut child = Command::new("sh").args(["-c", "read line; exit 3"]).stdin(Stdio::piped()).spawn()?;
    /// kq.register(child.id(), EventFilter::Proc, EventFlags::ADD, None::<()>)?;
    /// drop(child.stdin.take()); // now it may end
    /// for event in kq.await_events(None)? {
    ///     let EventKind::Process { status, .. } = event.kind() else { continue };
    ///     assert_eq!(status.and_then(|status| status.code()), Some(3));
    /// }
    /// # child.wait()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kind(&self) -> kq::EventKind {
        self.raw().kind()
    }

    /// The filter's data: bytes to read or room to write, a wait status, how often a timer fired or a signal came.
    pub fn data(&self) -> i64 {
        self.raw().data()
    }

    /// The value that was registered, if it is a `T`.
    ///
    /// `None` if another type was registered, or nothing. The type is exactly the one that was given: a `99` without more
    /// ado is an `i32`, a text an `&'static str`.
    pub fn udata<T: Any>(&self) -> Option<&T> {
        self.udata.get()
    }

    /// The registration's key. It names nothing any more if this was the registration's last event.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The kernel's event, with what has no flag here. Its udata is the queue's own.
    pub fn raw(&self) -> &kq::Event {
        &self.raw
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("filter", &self.filter())
            .field("ident", &self.ident())
            .field("flags", &self.flags())
            .field("data", &self.data())
            .field("udata", &self.udata)
            .finish_non_exhaustive()
    }
}
