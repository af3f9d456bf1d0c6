//! Applying changes: `apply`, `apply_each`, `replace`, and `ApplyError`.

use std::{fmt, io, ptr};

use crate::status;
use crate::sys::{self, Raw, Then, Wait};
use crate::{Change, Errno, Event, EventBuffer, Filter, Flags, Kqueue, Receipts};

/// A change of a list failed; from [`Kqueue::apply`].
///
/// The changes before it are applied, those after it are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyError {
    errno: Errno,
    index: Option<usize>,
}

impl ApplyError {
    /// Why the change was not made.
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// Which change failed, where that is known.
    ///
    /// The kernels do not tell: it is known for a list of one change. [`Kqueue::apply_each`] reports every change by
    /// its index.
    pub fn index(&self) -> Option<usize> {
        self.index
    }
}

impl ApplyError {
    /// The error of a part of a list, for the whole list: `by` changes come before the part.
    fn moved(self, by: usize) -> ApplyError {
        ApplyError { index: self.index.map(|index| index + by), ..self }
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "change {index} was not applied: {}", self.errno),
            None => write!(f, "a change was not applied: {}", self.errno),
        }
    }
}

impl std::error::Error for ApplyError {}

/// Keeps the error number.
impl From<ApplyError> for io::Error {
    fn from(error: ApplyError) -> io::Error {
        error.errno.into()
    }
}

impl Kqueue {
    /// Applies changes, in one system call, until one fails.
    ///
    /// Those before the failed one stay applied, those after it are not. No event is taken from the queue. An empty
    /// list is no call at all.
    ///
    /// # Errors
    /// [`ApplyError`] with the kernel's error for the change, which becomes an [`io::Error`] of that number. Often:
    /// EBADF (the descriptor is closed), ENOENT (the knote to delete, enable or trigger is not there), EINVAL (a filter
    /// or flags that the kernel does not know, or a file that cannot be watched so), ESRCH (no such process), EPIPE
    /// (a pipe that nobody reads), ENOMEM (out of memory, or of timers), EACCES, EPERM and, in FreeBSD's capability
    /// mode, ENOTCAPABLE (not the caller's to watch).
    ///
    /// ```
    /// use kq::{Change, Kqueue};
    ///
    /// let queue = Kqueue::new()?;
    /// let error = queue.apply(&[Change::timer(1, std::time::Duration::ZERO).delete()]).unwrap_err();
    /// assert_eq!(error.errno().raw(), libc::ENOENT);
    /// assert_eq!(error.index(), Some(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn apply(&self, changes: &[Change]) -> Result<(), ApplyError> {
        if status::IS_REFUSED_TO_SOME {
            self.apply_asking_again(changes)
        } else {
            self.apply_list(changes)
        }
    }

    /// Applies changes until one fails, and again without the question for a status those to which it was refused.
    fn apply_asking_again(&self, changes: &[Change]) -> Result<(), ApplyError> {
        let mut rest = changes;
        // A change that may have to be tried twice goes alone.
        while let Some(place) = rest.iter().position(status::is_asked_for) {
            let (before, from) = rest.split_at(place);
            let (alone, later) = from.split_at(1);
            let done = changes.len() - rest.len();
            self.apply_list(before).map_err(|error| error.moved(done))?;
            for change in alone {
                self.apply_one(change).map_err(|errno| ApplyError { errno, index: Some(done + place) })?;
            }
            rest = later;
        }
        self.apply_list(rest).map_err(|error| error.moved(changes.len() - rest.len()))
    }

    /// Applies changes and reports the outcome of each by its index, failed or not.
    ///
    /// All are tried, whatever happens to the others. They are copied into the buffer, with EV_RECEIPT, and applied with
    /// one system call for as many as it holds; the caller's list stays as it is. No event is taken from the queue, and
    /// what the buffer held is gone. The outcomes are kept in the buffer too: it allocates when a list is longer than
    /// any list before.
    ///
    /// # Errors
    /// If the call itself fails: EBADF (EINVAL on some systems) if this is no queue, as after a fork. What fails for one
    /// change is in its [`Receipt`](crate::Receipt).
    ///
    /// ```
    /// use kq::{Change, EventBuffer, Kqueue};
    ///
    /// let queue = Kqueue::new()?;
    /// let mut buffer = EventBuffer::with_capacity(16);
    /// let changes = [Change::user(1), Change::user(9).delete(), Change::user(2)];
    /// for receipt in queue.apply_each(&changes, &mut buffer)? {
    ///     match receipt.error() {
    ///         None => println!("change {} is applied", receipt.index()),
    ///         Some(error) => println!("change {} is not: {error}", receipt.index()),
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn apply_each<'b>(&self, changes: &[Change], buffer: &'b mut EventBuffer) -> io::Result<Receipts<'b>> {
        buffer.outcomes.clear();
        buffer.outcomes.reserve(changes.len());
        for list in changes.chunks(buffer.capacity().min(sys::MAX_LIST)) {
            match self.receipted(list, buffer, 0) {
                Ok(written) => self.note_outcomes(list, buffer, written),
                // The queue was lost on the way: what was applied before is told, and so is the rest.
                Err(errno) if !buffer.outcomes.is_empty() => {
                    buffer.outcomes.resize(changes.len(), errno.raw());
                    break;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Receipts::new(&buffer.outcomes))
    }

    /// Registers anew: deletes the knote if there is one, and adds it, in one system call.
    ///
    /// For what adding again does not do: change the mode, enable what is disabled, and, on DragonFly, re-arm a timer.
    /// What was pending of the old knote (an expiration, a trigger) is gone with it. That there was none to delete does
    /// not matter.
    ///
    /// # Errors
    /// EINVAL if `change` is not one that adds; otherwise the error of adding, and then the old knote is gone. If the old
    /// knote could not be deleted the error says why: on Apple EINPROGRESS for one with EV_DISPATCH2 whose event has been
    /// delivered.
    ///
    /// ```
    /// use kq::{Change, Kqueue};
    ///
    /// let (socket, _other) = std::os::unix::net::UnixStream::pair()?;
    /// let queue = Kqueue::new()?;
    /// queue.apply(&[Change::read(&socket)])?;
    /// queue.replace(&Change::read(&socket).oneshot())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn replace(&self, change: &Change) -> io::Result<()> {
        if !change.flags().contains(Flags::ADD) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let mut list = [change.delete(), *change].map(with_receipt);
        let entries = list.as_mut_ptr();
        // SAFETY: the list is two structs long, for reading and for writing.
        let written =
            unsafe { sys::call(self.raw(), entries, list.len(), entries, list.len(), Wait::Not, Then::ReportChanges)? };
        let [deleted, added] = match written {
            2 => list.map(|entry| Event(entry).change_error()),
            // The kernels write a receipt for either change, or fail as a whole.
            _ => return Err(io::Error::from_raw_os_error(libc::EIO)),
        };
        if let Some(errno) = added {
            let without = status::left_out(change, errno).ok_or(errno)?;
            self.apply_one(&without)?;
        }
        match deleted {
            // Without a knote, or on a number that was free at that moment, there was nothing to delete.
            Some(errno) if !errno.is_gone() => Err(errno.into()),
            _ => Ok(()),
        }
    }

    /// Applies a list of any length, until a change fails.
    #[inline(always)] // see kq-sys's `syscall`
    fn apply_list(&self, changes: &[Change]) -> Result<(), ApplyError> {
        for list in changes.chunks(sys::MAX_LIST) {
            // With no room for events a kernel stops at the first change that fails, takes no event, and does not wait.
            // SAFETY: the list is a slice of structs that are transparent over the kernel's; there is no event list.
            unsafe {
                sys::call(
                    self.raw(),
                    list.as_ptr().cast::<Raw>(),
                    list.len(),
                    ptr::null_mut(),
                    0,
                    Wait::Not,
                    Then::ReportChanges,
                )
            }
            .map_err(|errno| ApplyError { errno, index: (changes.len() == 1).then_some(0) })?;
        }
        Ok(())
    }

    /// Applies one change, for the second time without the question for a status if that was refused.
    pub(crate) fn apply_one(&self, change: &Change) -> Result<(), Errno> {
        let apply = |change: &Change| self.apply_list(std::slice::from_ref(change)).map_err(|error| error.errno);
        match apply(change) {
            Err(errno) => match status::left_out(change, errno) {
                Some(without) => apply(&without),
                None => Err(errno),
            },
            Ok(()) => Ok(()),
        }
    }

    /// Applies a list, which fits there, with a receipt for each change in the buffer's slots from `start` on, and
    /// returns how many entries the kernel wrote there.
    pub(crate) fn receipted(&self, list: &[Change], buffer: &mut EventBuffer, start: usize) -> Result<usize, Errno> {
        let slots = buffer.slots_from(start);
        let count = slots.len().min(list.len());
        for (slot, change) in slots.iter_mut().zip(list) {
            slot.write(Event(with_receipt(*change)));
        }
        let entries = slots.as_mut_ptr().cast::<Raw>();
        // The timeout is zero, and there is an entry for each change, so that no event is taken instead.
        // SAFETY: the first `count` slots were just written, and are the buffer's.
        unsafe { sys::call(self.raw(), entries, count, entries, count, Wait::Not, Then::ReportChanges) }
    }

    /// Adds the outcomes of a list whose receipts are the buffer's first `written` slots.
    fn note_outcomes(&self, list: &[Change], buffer: &mut EventBuffer, written: usize) {
        let mut outcomes = std::mem::take(&mut buffer.outcomes);
        // SAFETY: the kernel wrote the first `written` slots, and was told of no more than there are changes.
        unsafe { buffer.set_filled(written.min(list.len())) };
        for (change, error) in errors(list, buffer.events()) {
            let error = match error.and_then(|errno| status::left_out(change, errno)) {
                Some(without) => self.apply_one(&without).err(),
                None => error,
            };
            outcomes.push(error.map_or(0, Errno::raw));
        }
        buffer.clear();
        buffer.outcomes = outcomes;
    }
}

/// Each change of a list with its error, if it failed, by the entries that the kernel wrote about them.
///
/// They come in the order of the changes. One that is missing is of a change that did not fail: errors are always told.
fn errors<'a>(list: &'a [Change], entries: &'a [Event]) -> impl Iterator<Item = (&'a Change, Option<Errno>)> {
    let is_complete = entries.len() == list.len();
    let mut rest = entries.iter().peekable();
    list.iter().map(move |change| {
        let entry = rest.next_if(|entry| is_complete || is_receipt_of(&entry.0, change));
        (change, entry.and_then(Event::change_error))
    })
}

/// The change as the kernel gets it, with a receipt asked for.
fn with_receipt(change: Change) -> Raw {
    let mut raw = change.0;
    raw.flags |= Flags::RECEIPT.bits();
    raw
}

/// Whether an entry answers the change.
fn is_receipt_of(entry: &Raw, change: &Change) -> bool {
    let is_receipt = Flags::from_bits_retain(entry.flags).contains(Flags::ERROR);
    is_receipt && entry.ident == change.0.ident && Filter::from_raw(entry.filter) == change.filter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// How many of the timers 0, 1 … are there, from the first on.
    fn added(queue: &Kqueue) -> usize {
        (0..).take_while(|id| queue.apply(&[Change::timer(*id, HOUR).delete()]).is_ok()).count()
    }

    #[test]
    fn a_receipt_that_is_missing_is_of_a_change_that_was_made() {
        let list = [1, 2, 3, 4].map(|id| Change::timer(id, HOUR));
        let receipt = |id: usize, errno: i32| {
            Event(Change::new(id, Filter::TIMER, Flags::ADD | Flags::ERROR).data(errno.into()).0)
        };
        let told = |entries: &[Event]| errors(&list, entries).map(|(_, error)| error.map_or(0, Errno::raw)).collect();
        let all: Vec<i32> = told(&[receipt(1, 0), receipt(2, libc::EBADF), receipt(3, 0), receipt(4, libc::ENOENT)]);
        assert_eq!(all, [0, libc::EBADF, 0, libc::ENOENT]);
        let failures: Vec<i32> = told(&[receipt(2, libc::EBADF), receipt(4, libc::ENOENT)]);
        assert_eq!(failures, all);
        // An event in the place of a receipt tells nothing of a change.
        let event = Event(Change::new(1, Filter::TIMER, Flags::CLEAR).data(3).0);
        let nothing: Vec<i32> = told(&[event]);
        assert_eq!(nothing, [0; 4]);
    }

    #[test]
    fn a_list_that_is_too_long_for_a_call_is_split() {
        let queue = Kqueue::new().unwrap();
        let length = 3 * sys::MAX_LIST + 1;
        let mut changes: Vec<Change> = (0..length).map(|id| Change::timer(id, HOUR)).collect();
        queue.apply(&changes).unwrap();
        assert_eq!(added(&queue), length);

        let mut buffer = EventBuffer::with_capacity(2 * length);
        assert!(queue.apply_each(&changes, &mut buffer).unwrap().all(|receipt| receipt.is_applied()));
        assert_eq!(added(&queue), length);

        assert!(queue.apply_and_wait(&changes, &mut buffer, Some(Duration::ZERO)).unwrap().is_empty());
        assert_eq!(added(&queue), length);

        // It stops at the first failure, in whichever part.
        let failing = 2 * sys::MAX_LIST + 1;
        if let Some(change) = changes.get_mut(failing) {
            *change = Change::timer(failing, HOUR).delete();
        }
        assert_eq!(queue.apply(&changes).unwrap_err().errno().raw(), libc::ENOENT);
        assert_eq!(added(&queue), failing);

        let failures = queue.apply_each(&changes, &mut buffer).unwrap().filter(|receipt| !receipt.is_applied());
        assert_eq!(failures.map(|receipt| receipt.index()).collect::<Vec<_>>(), [failing]);
        let told = queue.apply_and_wait(&changes, &mut buffer, Some(Duration::ZERO)).unwrap();
        assert_eq!(told.iter().map(Event::ident).collect::<Vec<_>>(), [failing]);
    }
}
