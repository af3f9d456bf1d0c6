//! Makes the queue's descriptor, close-on-exec in one step where the system can.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A new queue that is closed on exec.
pub(crate) fn queue() -> io::Result<OwnedFd> {
    let fd = make()?;
    // SAFETY: the system just made the descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(linux)]
fn make() -> io::Result<RawFd> {
    // SAFETY: takes a number only.
    checked(unsafe { kq_sys::kqueuex(kq_sys::KQUEUE_CLOEXEC) })
}

#[cfg(netbsd)]
fn make() -> io::Result<RawFd> {
    // SAFETY: takes a number only.
    checked(unsafe { kq_sys::kqueue1(libc::O_CLOEXEC) })
}

/// Apple's kernel makes every queue close-on-exec.
#[cfg(apple)]
fn make() -> io::Result<RawFd> {
    // SAFETY: takes no argument.
    checked(unsafe { kq_sys::kqueue() })
}

#[cfg(dragonfly)]
fn make() -> io::Result<RawFd> {
    plain()
}

/// `kqueue1` is asked for at run time, so that one binary starts on releases without it (FreeBSD before 14, OpenBSD
/// before 7.8).
#[cfg(any(freebsd, openbsd))]
fn make() -> io::Result<RawFd> {
    use std::sync::OnceLock;

    static KQUEUE1: OnceLock<Option<kq_sys::kqueue1_fn>> = OnceLock::new();
    let kqueue1 = KQUEUE1.get_or_init(|| {
        // SAFETY: the name is a C string.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"kqueue1".as_ptr()) };
        // SAFETY: a symbol of libc's of that name is a function of this type (kqueue(2)); null becomes `None`.
        unsafe { std::mem::transmute::<*mut libc::c_void, Option<kq_sys::kqueue1_fn>>(symbol) }
    });
    match kqueue1 {
        // SAFETY: takes a number only.
        Some(kqueue1) => checked(unsafe { kqueue1(libc::O_CLOEXEC) }),
        None => plain(),
    }
}

/// In two steps, for systems without a call that does both.
#[cfg(any(freebsd, openbsd, dragonfly))]
fn plain() -> io::Result<RawFd> {
    // SAFETY: takes no argument.
    let fd = checked(unsafe { kq_sys::kqueue() })?;
    // SAFETY: takes numbers only, and the descriptor is ours.
    if let Err(error) = checked(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }) {
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
