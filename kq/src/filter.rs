//! `Filter`: which part of the kernel watches, `EVFILT_*`.

use std::fmt;

/// A kernel filter: what kind of thing a change watches or an event tells of.
///
/// It holds the system's own number (negative 16-bit numbers, on NetBSD 32-bit ones counted from zero), so a filter
/// that this version of kq does not know is kept and shown. A constant is there on the systems that have the filter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Filter(kq_sys::filter_t);

impl Filter {
    /// Data to read, connections to accept, the end of the file. `ident` is a descriptor.
    pub const READ: Filter = Filter(kq_sys::EVFILT_READ);
    /// Room to write. `ident` is a descriptor.
    pub const WRITE: Filter = Filter(kq_sys::EVFILT_WRITE);
    /// A change of a file or directory. `ident` is a descriptor.
    pub const VNODE: Filter = Filter(kq_sys::EVFILT_VNODE);
    /// A process's exit, fork, exec. `ident` is its pid.
    pub const PROC: Filter = Filter(kq_sys::EVFILT_PROC);
    /// A signal to this process. `ident` is its number.
    pub const SIGNAL: Filter = Filter(kq_sys::EVFILT_SIGNAL);
    /// Time that passed. `ident` is the caller's.
    pub const TIMER: Filter = Filter(kq_sys::EVFILT_TIMER);
    /// An event that the program triggers. `ident` is the caller's. All but NetBSD 9 and OpenBSD before 7.8.
    #[cfg(has_user)]
    pub const USER: Filter = Filter(kq_sys::EVFILT_USER);
    /// An empty send buffer. `ident` is a descriptor. FreeBSD, NetBSD 10, Linux.
    #[cfg(has_empty)]
    pub const EMPTY: Filter = Filter(kq_sys::EVFILT_EMPTY);
    /// Exceptional conditions, such as out-of-band data. `ident` is a descriptor. OpenBSD, DragonFly, Apple.
    #[cfg(has_except)]
    pub const EXCEPT: Filter = Filter(kq_sys::EVFILT_EXCEPT);
    /// The exit of a process descriptor's process (pdfork(2)). `ident` is the descriptor. FreeBSD.
    #[cfg(has_procdesc)]
    pub const PROCDESC: Filter = Filter(kq_sys::EVFILT_PROCDESC);
    /// Mounts and unmounts of file systems. `ident` is 0. FreeBSD, NetBSD, DragonFly, Apple.
    #[cfg(has_fs)]
    pub const FS: Filter = Filter(kq_sys::EVFILT_FS);
    /// Completed asynchronous I/O (aio(4)), registered through its `sigevent`. `ident` is the control block's address.
    /// FreeBSD.
    #[cfg(has_aio)]
    pub const AIO: Filter = Filter(kq_sys::EVFILT_AIO);
    /// A completed list of asynchronous I/O, registered through lio_listio(2)'s `sigevent`. FreeBSD.
    #[cfg(has_aio)]
    pub const LIO: Filter = Filter(kq_sys::EVFILT_LIO);
    /// Changes of a jail (FreeBSD 15). `ident` is its id.
    #[cfg(has_jail)]
    pub const JAIL: Filter = Filter(kq_sys::EVFILT_JAIL);
    /// Changes of a jail descriptor's jail (FreeBSD 15). `ident` is the descriptor.
    #[cfg(has_jail)]
    pub const JAILDESC: Filter = Filter(kq_sys::EVFILT_JAILDESC);
    /// Changes of a device. `ident` is a descriptor. OpenBSD.
    #[cfg(has_device)]
    pub const DEVICE: Filter = Filter(kq_sys::EVFILT_DEVICE);
    /// Messages on a Mach port or port set. `ident` is its name. Apple.
    #[cfg(has_machport)]
    pub const MACHPORT: Filter = Filter(kq_sys::EVFILT_MACHPORT);
    /// Memory pressure; current kernels refuse it. `ident` is 0. Apple.
    #[cfg(has_vm)]
    pub const VM: Filter = Filter(kq_sys::EVFILT_VM);

    /// The filter with this number of the system's.
    #[inline]
    pub const fn from_raw(filter: kq_sys::filter_t) -> Filter {
        Filter(filter)
    }

    /// The system's number, `EVFILT_*`.
    #[inline]
    pub const fn raw(self) -> kq_sys::filter_t {
        self.0
    }

    /// The system's name without `EVFILT_`, if kq knows the filter.
    ///
    /// ```
    /// assert_eq!(kq::Filter::READ.name(), Some("READ"));
    /// ```
    pub fn name(self) -> Option<&'static str> {
        let (name, _) = kq_sys::FILTERS.iter().find(|(_, value)| *value == self.0)?;
        Some(name.trim_start_matches("EVFILT_"))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Filter({})", self.0),
        }
    }
}
