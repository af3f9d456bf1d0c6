//! `Builder`: makes a queue, close-on-exec in one step where the system can.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use crate::Kqueue;

/// How a queue is made; from [`Kqueue::builder`].
///
/// ```
/// let queue = kq::Kqueue::builder().close_on_exec(false).build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct Builder {
    close_on_exec: bool,
    #[cfg(any(netbsd, openbsd))]
    flags: i32,
    #[cfg(freebsd)]
    copy_on_fork: bool,
}

impl Kqueue {
    /// Makes a queue that is to be other than [`Kqueue::new`]'s.
    pub fn builder() -> Builder {
        Builder {
            close_on_exec: true,
            #[cfg(any(netbsd, openbsd))]
            flags: 0,
            #[cfg(freebsd)]
            copy_on_fork: false,
        }
    }
}

impl Builder {
    /// Whether the descriptor is closed on exec; it is unless this is set to `false`.
    ///
    /// Where the system can, it is so from the start (`kqueue1` or `kqueuex`: NetBSD, FreeBSD 14, OpenBSD 7.8, Linux;
    /// Apple's queues always are); elsewhere it is made so by a second call, and a program that another thread
    /// executes in between inherits the descriptor.
    pub fn close_on_exec(mut self, close_on_exec: bool) -> Builder {
        self.close_on_exec = close_on_exec;
        self
    }

    /// Further flags of kqueue1(2): O_NONBLOCK, and on NetBSD O_NOSIGPIPE. NetBSD, OpenBSD 7.8.
    #[cfg(any(netbsd, openbsd))]
    pub fn flags(mut self, flags: i32) -> Builder {
        self.flags = flags;
        self
    }

    /// Whether a forked child gets a copy of the queue and of what is registered (KQUEUE_CPONFORK). FreeBSD 15.
    ///
    /// The copy is the child's own: there it is used, and closed when it is dropped, like any queue.
    #[cfg(freebsd)]
    pub fn copy_on_fork(mut self, copy_on_fork: bool) -> Builder {
        self.copy_on_fork = copy_on_fork;
        self
    }

    /// Makes the queue.
    ///
    /// # Errors
    /// As [`Kqueue::new`]; EINVAL for flags that the system does not know, and ENOSYS where it lacks the call that
    /// takes them.
    pub fn build(&self) -> io::Result<Kqueue> {
        let fd = self.make()?;
        // SAFETY: the system just made the descriptor, and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        #[cfg(freebsd)]
        if self.copy_on_fork {
            return Ok(Kqueue::of_any_process(fd));
        }
        Ok(Kqueue::from(fd))
    }

    #[cfg(linux)]
    fn make(&self) -> io::Result<RawFd> {
        let flags = if self.close_on_exec { kq_sys::KQUEUE_CLOEXEC } else { 0 };
        // SAFETY: takes a number only.
        checked(unsafe { kq_sys::kqueuex(flags) })
    }

    #[cfg(netbsd)]
    fn make(&self) -> io::Result<RawFd> {
        // SAFETY: takes a number only.
        checked(unsafe { kq_sys::kqueue1(self.flags | self.open_flag()) })
    }

    /// A queue on which close-on-exec is set, or taken away, in a second call: all that DragonFly has, and Apple, whose
    /// kernel makes every queue close-on-exec.
    #[cfg(any(apple, dragonfly))]
    fn make(&self) -> io::Result<RawFd> {
        plain(self.close_on_exec)
    }

    /// The calls are asked for at run time, so that one binary starts on releases without them (FreeBSD before 14).
    #[cfg(freebsd)]
    fn make(&self) -> io::Result<RawFd> {
        use std::sync::OnceLock;

        static KQUEUEX: OnceLock<Option<kq_sys::kqueuex_fn>> = OnceLock::new();
        let kqueuex = KQUEUEX.get_or_init(|| {
            // SAFETY: a symbol of libc's of that name is a function of this type (kqueue(2)); null becomes `None`.
            unsafe { std::mem::transmute::<*mut libc::c_void, Option<kq_sys::kqueuex_fn>>(symbol(c"kqueuex")) }
        });
        let mut flags = if self.close_on_exec { kq_sys::KQUEUE_CLOEXEC } else { 0 };
        if self.copy_on_fork {
            flags |= kq_sys::KQUEUE_CPONFORK;
        }
        match kqueuex {
            // SAFETY: takes a number only.
            Some(kqueuex) => checked(unsafe { kqueuex(flags) }),
            None if self.copy_on_fork => Err(io::Error::from_raw_os_error(libc::ENOSYS)),
            None => plain(self.close_on_exec),
        }
    }

    /// `kqueue1` is asked for at run time, so that one binary starts on releases without it (OpenBSD before 7.8).
    #[cfg(openbsd)]
    fn make(&self) -> io::Result<RawFd> {
        use std::sync::OnceLock;

        static KQUEUE1: OnceLock<Option<kq_sys::kqueue1_fn>> = OnceLock::new();
        let kqueue1 = KQUEUE1.get_or_init(|| {
            // SAFETY: a symbol of libc's of that name is a function of this type (kqueue(2)); null becomes `None`.
            unsafe { std::mem::transmute::<*mut libc::c_void, Option<kq_sys::kqueue1_fn>>(symbol(c"kqueue1")) }
        });
        match kqueue1 {
            // SAFETY: takes a number only.
            Some(kqueue1) => checked(unsafe { kqueue1(self.flags | self.open_flag()) }),
            None if self.flags != 0 => Err(io::Error::from_raw_os_error(libc::ENOSYS)),
            None => plain(self.close_on_exec),
        }
    }

    #[cfg(any(netbsd, openbsd))]
    fn open_flag(&self) -> i32 {
        if self.close_on_exec {
            libc::O_CLOEXEC
        } else {
            0
        }
    }
}

/// The address of a function of libc's, or null if it has none of that name.
#[cfg(any(freebsd, openbsd))]
fn symbol(name: &std::ffi::CStr) -> *mut libc::c_void {
    // SAFETY: the name is a C string.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// In two steps, for systems without a call that does both.
#[cfg(any(freebsd, openbsd, dragonfly, apple))]
fn plain(close_on_exec: bool) -> io::Result<RawFd> {
    // SAFETY: takes no argument.
    let fd = checked(unsafe { kq_sys::kqueue() })?;
    // As the kernel makes it.
    if close_on_exec == cfg!(apple) {
        return Ok(fd);
    }
    let flags = if close_on_exec { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: takes numbers only, and the descriptor is ours.
    if let Err(error) = checked(unsafe { libc::fcntl(fd, libc::F_SETFD, flags) }) {
        // SAFETY: the descriptor is ours, and not used again.
        unsafe { kq_sys::close(fd) };
        return Err(error);
    }
    Ok(fd)
}

fn checked(result: i32) -> io::Result<i32> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}
