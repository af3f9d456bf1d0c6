//! `Receipts`: the outcome of each change of a list.

use std::io;
use std::iter::{Copied, Enumerate, FusedIterator};
use std::slice::Iter;

use crate::Errno;

/// The outcome of every change of a list, in its order; from [`Kqueue::apply_each`](crate::Kqueue::apply_each).
#[derive(Clone, Debug)]
#[must_use = "a change that failed is told by its receipt only"]
pub struct Receipts<'b> {
    outcomes: Enumerate<Copied<Iter<'b, i32>>>,
}

/// The outcome of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    index: usize,
    errno: i32,
}

impl<'b> Receipts<'b> {
    /// Over one errno (or 0) for each change.
    #[inline]
    pub(crate) fn new(outcomes: &'b [i32]) -> Receipts<'b> {
        Receipts { outcomes: outcomes.iter().copied().enumerate() }
    }

    /// The first change, of those that are left, that failed.
    ///
    /// ```
    /// use kq::{Change, EventBuffer, Kqueue};
    ///
    /// let queue = Kqueue::new()?;
    /// let changes = [Change::user(1), Change::user(2).delete(), Change::user(3)];
    /// let mut buffer = EventBuffer::with_capacity(8);
    /// let failed = queue.apply_each(&changes, &mut buffer)?.first_failure();
    /// assert_eq!(failed.map(|receipt| receipt.index()), Some(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn first_failure(&mut self) -> Option<Receipt> {
        self.find(|receipt| !receipt.is_applied())
    }
}

impl Receipt {
    /// The change's place in the list.
    #[inline]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether the change was made.
    #[inline]
    pub fn is_applied(&self) -> bool {
        self.errno == 0
    }

    /// Why the change was not made.
    #[inline]
    pub fn error(&self) -> Option<Errno> {
        (self.errno != 0).then(|| Errno::from_raw(self.errno))
    }

    /// The outcome as a result.
    pub fn result(&self) -> io::Result<()> {
        self.error().map_or(Ok(()), |errno| Err(errno.into()))
    }
}

impl Iterator for Receipts<'_> {
    type Item = Receipt;

    #[inline]
    fn next(&mut self) -> Option<Receipt> {
        let (index, errno) = self.outcomes.next()?;
        Some(Receipt { index, errno })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.outcomes.size_hint()
    }
}

impl ExactSizeIterator for Receipts<'_> {}
impl FusedIterator for Receipts<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_come_by_index() {
        let outcomes = [0, libc::EBADF, 0, libc::ENOENT];
        let receipts = Receipts::new(&outcomes);
        assert_eq!(receipts.len(), 4);
        let failed: Vec<_> = receipts.clone().filter(|receipt| !receipt.is_applied()).collect();
        assert_eq!(failed.iter().map(Receipt::index).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(failed[0].error(), Some(Errno::from_raw(libc::EBADF)));
        assert_eq!(failed[1].result().unwrap_err().raw_os_error(), Some(libc::ENOENT));
        let mut receipts = receipts;
        assert_eq!(receipts.first_failure().map(|receipt| receipt.index()), Some(1));
        assert_eq!(receipts.first_failure().map(|receipt| receipt.index()), Some(3));
        assert_eq!(receipts.first_failure(), None);
    }
}
