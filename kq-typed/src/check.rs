//! Which changes a registration can be made of.

use std::io;

use kq::{Change, Filter, Flags};

#[cfg(has_user)]
use crate::waker::WAKER_IDENT;

/// Refuses what the kernel would not keep apart, and what would take the udata out of the store's hands.
pub(crate) fn registration(change: &Change) -> io::Result<()> {
    let flags = change.flags();
    if !flags.contains(Flags::ADD) || flags.contains(Flags::DELETE) {
        return Err(error(libc::EINVAL));
    }
    if change.get_udata() != 0 || flags.intersects(UDATA_FLAGS) {
        return Err(error(libc::EINVAL));
    }
    // The kernel gives the knotes that it makes for children their parent's udata.
    if change.filter() == Filter::PROC && change.get_fflags() & kq_sys::NOTE_TRACK != 0 {
        return Err(error(libc::EINVAL));
    }
    // It would be sent again with every change of the knote.
    #[cfg(has_user)]
    if change.filter() == Filter::USER && change.get_fflags() & kq_sys::NOTE_TRIGGER != 0 {
        return Err(error(libc::EINVAL));
    }
    #[cfg(has_user)]
    if (change.ident(), change.filter()) == (WAKER_IDENT, Filter::USER) {
        return Err(error(libc::EEXIST));
    }
    // Several kernels take the low 32 bits for the number, and then have one knote where the index has two.
    let is_int = i32::try_from(change.ident()).is_ok();
    match change.filter() {
        Filter::PROC if !is_int => Err(error(libc::ESRCH)),
        Filter::SIGNAL if !is_int => Err(error(libc::EINVAL)),
        filter if takes_descriptor(filter) && !is_int => Err(error(libc::EBADF)),
        _ => Ok(()),
    }
}

/// The flags that change what udata is to the kernel.
const UDATA_FLAGS: Flags = {
    let flags = Flags::empty();
    #[cfg(apple)]
    let flags = flags.union(Flags::UDATA_SPECIFIC);
    #[cfg(freebsd_abi)]
    let flags = flags.union(Flags::KEEPUDATA);
    flags
};

/// Whether the ident is a descriptor's number.
pub(crate) fn takes_descriptor(filter: Filter) -> bool {
    match filter {
        Filter::READ | Filter::WRITE | Filter::VNODE => true,
        #[cfg(has_empty)]
        Filter::EMPTY => true,
        #[cfg(has_except)]
        Filter::EXCEPT => true,
        #[cfg(has_procdesc)]
        Filter::PROCDESC => true,
        #[cfg(has_jail)]
        Filter::JAILDESC => true,
        #[cfg(has_device)]
        Filter::DEVICE => true,
        _ => false,
    }
}

/// Whether a knote of the filter can go without an event, with what it watches.
///
/// Those of timers, user events and signals cannot, so that there is no need to ask the kernel for them; on Apple's
/// systems asking would start a timer anew. A process may go without an event if its exit was not asked for.
pub(crate) fn can_vanish(filter: Filter) -> bool {
    match filter {
        Filter::TIMER | Filter::SIGNAL => false,
        #[cfg(has_user)]
        Filter::USER => false,
        _ => true,
    }
}

/// The `io::Error` of an errno.
pub(crate) fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn errno(change: Change) -> Option<i32> {
        registration(&change).err().and_then(|error| error.raw_os_error())
    }

    #[test]
    fn what_adds_is_accepted() {
        assert_eq!(errno(Change::signal(1)), None);
        assert_eq!(errno(Change::timer(usize::MAX, Duration::from_secs(1)).oneshot()), None);
        assert_eq!(errno(Change::new(3, Filter::READ, Flags::ADD | Flags::DISABLE)), None);
    }

    #[test]
    fn what_would_break_the_rules_is_refused() {
        let read = Change::new(3, Filter::READ, Flags::ADD);
        assert_eq!(errno(read.delete()), Some(libc::EINVAL));
        assert_eq!(errno(read.enable()), Some(libc::EINVAL));
        assert_eq!(errno(read.add_flags(Flags::DELETE)), Some(libc::EINVAL));
        assert_eq!(errno(read.udata(1)), Some(libc::EINVAL));
        #[cfg(apple)]
        assert_eq!(errno(read.add_flags(Flags::UDATA_SPECIFIC)), Some(libc::EINVAL));
        #[cfg(apple)]
        assert_eq!(errno(read.add_flags(Flags::DISPATCH2)), Some(libc::EINVAL));
        #[cfg(freebsd_abi)]
        assert_eq!(errno(read.add_flags(Flags::KEEPUDATA)), Some(libc::EINVAL));
        let track = kq::ProcEvents::from_bits_retain(kq_sys::NOTE_TRACK) | kq::ProcEvents::FORK;
        assert_eq!(errno(Change::process(1, track)), Some(libc::EINVAL));
        // Notes of other filters have the same value.
        assert_eq!(errno(read.fflags(kq_sys::NOTE_TRACK)), None);
        #[cfg(has_user)]
        assert_eq!(errno(Change::user(WAKER_IDENT)), Some(libc::EEXIST));
        #[cfg(has_user)]
        assert_eq!(errno(Change::user(1).fflags(kq_sys::NOTE_TRIGGER)), Some(libc::EINVAL));
    }

    #[test]
    fn idents_that_no_kernel_could_keep_apart_are_refused() {
        let minus_one = -1_i32 as usize;
        assert_eq!(errno(Change::new(minus_one, Filter::READ, Flags::ADD)), Some(libc::EBADF));
        assert_eq!(errno(Change::new(minus_one, Filter::VNODE, Flags::ADD)), Some(libc::EBADF));
        assert_eq!(errno(Change::new(1 << 31, Filter::WRITE, Flags::ADD)), Some(libc::EBADF));
        assert_eq!(errno(Change::new(minus_one, Filter::PROC, Flags::ADD)), Some(libc::ESRCH));
        assert_eq!(errno(Change::signal(-1)), Some(libc::EINVAL));
    }
}
