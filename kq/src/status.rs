//! The exit status on Apple's systems, which is told only to those who may ask for it.

use crate::{Change, Errno, Filter};

/// The note that asks for the status, where one is needed.
#[cfg(apple)]
const EXITSTATUS: Option<u32> = Some(kq_sys::NOTE_EXITSTATUS);
#[cfg(not(apple))]
const EXITSTATUS: Option<u32> = None;

/// Whether this system refuses to tell a status: the calls look for such changes on such a system only.
pub(crate) const IS_REFUSED_TO_SOME: bool = EXITSTATUS.is_some();

/// Whether the kernel may refuse the change because it asks for the status.
#[inline]
pub(crate) fn is_asked_for(change: &Change) -> bool {
    EXITSTATUS.is_some_and(|note| change.filter() == Filter::PROC && change.get_fflags() & note != 0)
}

/// The change without the question, if that is why it failed.
pub(crate) fn left_out(change: &Change, errno: Errno) -> Option<Change> {
    let refused = errno.raw() == libc::EACCES && is_asked_for(change);
    refused.then(|| change.fflags(change.get_fflags() & !EXITSTATUS.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProcEvents;

    #[test]
    fn only_a_refused_question_is_left_out() {
        let change = Change::process(1, ProcEvents::EXIT | ProcEvents::FORK);
        let eacces = Errno::from_raw(libc::EACCES);
        assert_eq!(left_out(&change, Errno::from_raw(libc::ESRCH)), None);
        let without = left_out(&change, eacces);
        assert_eq!(without.is_some(), cfg!(apple));
        if let Some(without) = without {
            assert_eq!(without.get_fflags(), (ProcEvents::EXIT | ProcEvents::FORK).bits());
            assert_eq!(left_out(&without, eacces), None);
        }
    }
}
