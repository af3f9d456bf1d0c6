//! `Registration<T>`: the owner of one knote and its value's place in the queue.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use kq::Change;
use parking_lot::Mutex;

use crate::check::error;
use crate::core::{Core, Ending};
use crate::key::Key;

/// Owns one registration: dropped, it deletes the knote and frees the slot, and the value goes when nobody else holds
/// its `Arc`.
///
/// It can be kept anywhere, in its own value too: it holds the value and a weak link to the queue, so it keeps no queue
/// alive. It can be dropped anywhere: in another thread, or in the handler of its own event. Once it is dropped (or
/// deregistered), no event of it is handed out any more, not from a batch that was received before either; an event
/// that was handed out stays valid, and holds the value until its turn ends.
///
/// A registration is over before that when an event that was its last is handed out (one-shot; the exit of a process;
/// whatever the kernel marks so). When its descriptor is closed and the number registered anew, it has no knote any
/// more. In both cases the value stays in it, changes answer ENOENT, and dropping it deletes nothing that is not its
/// own.
///
/// Where `T: Send` it is `Send` and `Sync`.
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// use kq_typed::{kq::Change, Queue};
///
/// # fn main() -> std::io::Result<()> {
/// let queue = Queue::new()?;
/// queue.register(Change::user(1), "ended at once")?; // to be kept, or detached
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0277
/// use kq_typed::{kq::Change, Queue};
/// use std::rc::Rc;
///
/// # fn main() -> std::io::Result<()> {
/// let queue = Queue::new()?;
/// let registration = queue.register(Change::user(1), Rc::new(1))?;
/// std::thread::spawn(move || drop(registration)); // an `Rc` does not go to another thread
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a registration ends it; `detach` leaves it to the queue"]
pub struct Registration<T> {
    core: Weak<Core<Arc<Mutex<T>>>>,
    key: Key,
    detached: bool,
    value: Arc<Mutex<T>>,
}

impl<T> Registration<T> {
    pub(crate) fn new(core: &Arc<Core<Arc<Mutex<T>>>>, key: Key, value: Arc<Mutex<T>>) -> Registration<T> {
        Registration { core: Arc::downgrade(core), key, detached: false, value }
    }

    /// The value, as it was registered.
    pub fn udata(&self) -> &Arc<Mutex<T>> {
        &self.value
    }

    /// The registration's key, as its events have it.
    pub fn id(&self) -> Key {
        self.key
    }

    /// Registers anew, with the same value: `change` is one that adds, of the same ident and filter.
    ///
    /// Notes, data and mode become those of `change`, and the knote is enabled unless the change says
    /// [`disabled`](Change::disabled). A timer starts anew. An event that was received before is still handed out.
    ///
    /// It is one system call where the kernel needs one. Another mode takes a new knote, and what was pending of the old
    /// one (a trigger, counted signals, notes of a file) goes with it.
    ///
    /// # Errors
    /// The registration stays as it was. EINVAL: another ident or filter, or what [`register`](crate::Queue::register)
    /// refuses. ENOENT, EBADF: the knote is gone, with its last event or its descriptor. EBADF: the queue is gone, or
    /// another process's. Whatever else the kernel answers.
    pub fn modify(&self, change: Change) -> io::Result<()> {
        self.open()?.modify(self.key, change)
    }

    /// Enables the knote after [`disable`](Registration::disable), or after an event of a [`dispatch`](Change::dispatch)
    /// registration. On Apple's systems a timer starts anew.
    ///
    /// # Errors
    /// ENOENT, EBADF: the knote is gone, with its last event or its descriptor. EBADF: the queue is gone, or another
    /// process's.
    pub fn enable(&self) -> io::Result<()> {
        self.open()?.switch(self.key, true)
    }

    /// Disables the knote: it reports nothing until it is enabled. An event that was received before is still handed
    /// out.
    ///
    /// # Errors
    /// As [`enable`](Registration::enable).
    pub fn disable(&self) -> io::Result<()> {
        self.open()?.switch(self.key, false)
    }

    /// Triggers the user event ([`Change::user`]).
    ///
    /// # Errors
    /// EINVAL if it is none; otherwise as [`enable`](Registration::enable).
    #[cfg(has_user)]
    pub fn trigger(&self) -> io::Result<()> {
        self.open()?.trigger(self.key)
    }

    /// Ends the registration and gives the value. Dropping does the same.
    pub fn deregister(self) -> Arc<Mutex<T>> {
        Arc::clone(&self.value)
    }

    /// Leaves the registration to the queue, which holds the value from now on.
    ///
    /// It lasts until its last event is handed out (one-shot, the exit of a process), `event.deregister()`,
    /// [`Queue::deregister`](crate::Queue::deregister), a registration of its descriptor's number after that was closed
    /// and opened again, or the queue's end.
    pub fn detach(mut self) -> Key {
        self.detached = true;
        if let Some(core) = self.core.upgrade() {
            core.detach(self.key);
        }
        self.key
    }

    fn open(&self) -> io::Result<Arc<Core<Arc<Mutex<T>>>>> {
        self.core.upgrade().ok_or(error(libc::EBADF))
    }
}

impl<T> Drop for Registration<T> {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        if let Some(core) = self.core.upgrade() {
            // The value is held by `self` too, which goes after this.
            core.end(self.key, Ending::Deregistered);
        }
    }
}

/// Without the value, whose lock may be held.
impl<T> fmt::Debug for Registration<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("id", &self.key).finish_non_exhaustive()
    }
}
