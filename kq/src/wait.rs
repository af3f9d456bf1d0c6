//! Waiting for events: `wait` and `apply_and_wait`.

use std::io;
use std::time::Duration;

use crate::status;
use crate::sys::{self, Raw, Then, Wait};
use crate::timeout::wait_for;
use crate::{Change, Errno, Event, EventBuffer, Flags, Kqueue};

impl Kqueue {
    /// Waits until there are events, or `timeout` has passed, and returns as many as the buffer holds.
    ///
    /// With `None` it waits without end, with a zero timeout not at all. A timeout is kept to the nanosecond as far as
    /// the system's clock goes, and one of more than 68 years (on Apple's systems 100,000,000 seconds) is none. An
    /// empty slice says that the time is up.
    ///
    /// # Errors
    /// [`Interrupted`](io::ErrorKind::Interrupted) (EINTR) if a signal handler ran while waiting: wait again, if that
    /// is all. EBADF (EINVAL on some systems) if this is no queue, as after a fork.
    ///
    /// ```
    /// use kq::{EventBuffer, Kqueue};
    /// use std::time::Duration;
    ///
    /// let queue = Kqueue::new()?;
    /// let mut events = EventBuffer::with_capacity(8);
    /// assert!(queue.wait(&mut events, Some(Duration::from_millis(1)))?.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)] // see kq-sys's `syscall`
    pub fn wait<'b>(&self, buffer: &'b mut EventBuffer, timeout: Option<Duration>) -> io::Result<&'b [Event]> {
        self.harvest(&[], buffer, wait_for(timeout))?;
        Ok(buffer.events())
    }

    /// Applies changes and waits for events, in one system call.
    ///
    /// Every change is tried. If some fail, the call returns at once with an
    /// [`EventKind::ChangeFailed`](crate::EventKind::ChangeFailed) for each (its ident, filter and udata are the
    /// change's) and with no event besides. Otherwise it is [`wait`](Kqueue::wait) with the same timeout.
    ///
    /// An empty slice says that the time is up, or that a signal handler ran (EINTR): the changes were applied in
    /// either case, and are not to be sent again.
    ///
    /// A list that is longer than the buffer is applied first, in further calls, and then waited for. If as many changes
    /// fail as the buffer holds, those behind the last of them are not tried.
    ///
    /// # Errors
    /// EBADF (EINVAL on some systems) if this is no queue, as after a fork.
    ///
    /// ```
    /// use kq::{Change, EventBuffer, EventKind, Kqueue};
    /// use std::time::Duration;
    ///
    /// let queue = Kqueue::new()?;
    /// let mut events = EventBuffer::with_capacity(8);
    /// let changes = [Change::timer(1, Duration::from_millis(1)).oneshot()];
    /// for event in queue.apply_and_wait(&changes, &mut events, None)? {
    ///     match event.kind() {
    ///         EventKind::ChangeFailed { error, .. } => eprintln!("{:?}: {error}", event.filter()),
    ///         kind => println!("{kind:?}"),
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn apply_and_wait<'b>(
        &self,
        changes: &[Change],
        buffer: &'b mut EventBuffer,
        timeout: Option<Duration>,
    ) -> io::Result<&'b [Event]> {
        let wait = wait_for(timeout);
        // An event list shorter than the failures would lose some, and on DragonFly be written past its end.
        let outcome = if changes.len() <= buffer.capacity().min(sys::MAX_LIST) {
            self.harvest(changes, buffer, wait)
        } else {
            match self.apply_first(changes, buffer) {
                Ok(0) => self.harvest(&[], buffer, wait),
                outcome => outcome.map(drop),
            }
        };
        let outcome = match outcome {
            Ok(()) if status::IS_REFUSED_TO_SOME && self.try_without_status(buffer) => self.harvest(&[], buffer, wait),
            outcome => outcome,
        };
        match outcome {
            Err(errno) if errno.raw() != libc::EINTR => Err(errno.into()),
            // After EINTR nothing was collected, and the buffer is empty.
            _ => Ok(buffer.events()),
        }
    }

    /// One call: applies changes that the buffer has room for, and fills the buffer.
    #[inline(always)]
    fn harvest(&self, changes: &[Change], buffer: &mut EventBuffer, wait: Wait) -> Result<(), Errno> {
        let room = buffer.capacity();
        let slots = buffer.as_mut_ptr();
        // SAFETY: the changes are a slice of structs that are transparent over the kernel's, the slots are so many, and
        // not fewer than the changes.
        let written = unsafe {
            sys::call(self.raw(), changes.as_ptr().cast::<Raw>(), changes.len(), slots, room, wait, Then::Harvest)?
        };
        // SAFETY: the kernel wrote so many slots, and never more than it was given.
        unsafe { buffer.set_filled(written.min(room)) };
        Ok(())
    }

    /// Applies a list that is longer than the buffer and leaves those that failed in it; returns how many.
    fn apply_first(&self, changes: &[Change], buffer: &mut EventBuffer) -> Result<usize, Errno> {
        let mut failed = 0;
        let mut rest = changes;
        while !rest.is_empty() && failed < buffer.capacity() {
            let room = (buffer.capacity() - failed).min(sys::MAX_LIST);
            let (list, later) = rest.split_at(room.min(rest.len()));
            let written = self.receipted(list, buffer, failed)?.min(list.len());
            // SAFETY: the failures so far are in front, and the kernel wrote `written` slots behind them.
            unsafe { buffer.set_filled(failed + written) };
            buffer.retain(is_failure);
            failed = buffer.events().len();
            rest = later;
        }
        Ok(failed)
    }

    /// Tries the changes again that failed because they asked for a status, and takes them out of the buffer; returns
    /// whether nothing else is in it.
    fn try_without_status(&self, buffer: &mut EventBuffer) -> bool {
        let without = |event: &Event| {
            let errno = event.change_error()?;
            // The kernel hands the change back, with EV_ERROR among its flags and the errno for its data.
            let change = Change(event.0);
            status::left_out(&change.set_flags(change.flags().difference(Flags::ERROR)).data(0), errno)
        };
        if !buffer.events().iter().any(|event| without(event).is_some()) {
            return false;
        }
        buffer.retain(|event| match without(event).map(|change| self.apply_one(&change)) {
            Some(Ok(())) => false,
            Some(Err(errno)) => {
                event.0.data = sys::data_from(errno.raw().into());
                true
            }
            None => true,
        });
        buffer.events().is_empty()
    }
}

/// Whether an entry tells of a failed change. The receipt was the library's question: Apple's kernel, which hands a
/// change's flags back with its outcome, would show it to the caller.
fn is_failure(entry: &mut Event) -> bool {
    entry.0.flags &= !Flags::RECEIPT.bits();
    entry.change_error().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Filter;

    #[test]
    fn a_failure_is_told_without_the_librarys_receipt() {
        let told = Flags::ADD | Flags::CLEAR | Flags::ERROR;
        let entry = |errno: i32| {
            let mut change = Change::new(3, Filter::READ, told).data(errno.into());
            change.0.flags |= Flags::RECEIPT.bits();
            Event(change.0)
        };
        let (mut failed, mut made) = (entry(libc::ENOENT), entry(0));
        assert!(is_failure(&mut failed) && !is_failure(&mut made));
        assert_eq!(failed.flags(), told);
    }
}
