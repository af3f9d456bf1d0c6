//! Pipes, sockets, and numbers that no descriptor has.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::patience::QUIET;

/// A pipe that is closed on exec: the end to read from, and the end to write to.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the array is valid for the two numbers that the call writes.
    checked(unsafe { libc::pipe(ends.as_mut_ptr()) });
    let ends = ends.map(|fd| {
        // SAFETY: takes numbers only.
        checked(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) });
        // SAFETY: the call just made the descriptor, and nobody else has it.
        unsafe { OwnedFd::from_raw_fd(fd) }
    });
    let [reader, writer] = ends;
    (reader, writer)
}

/// Lets this process have `count` descriptors: some systems allow 256 unless they are asked for more.
pub fn allow(count: libc::rlim_t) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is valid for the call's write.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) });
    if limit.rlim_cur < count {
        limit.rlim_cur = count;
        // SAFETY: the struct is valid.
        checked(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) });
    }
}

/// Two connected stream sockets.
pub fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// A listening socket on the loopback interface.
pub fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// A connected client and its server.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = listen();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Writes `count` bytes.
#[track_caller]
pub fn put(fd: &impl AsRawFd, count: usize) {
    let bytes = vec![b'x'; count];
    // SAFETY: the buffer is valid for `count` bytes.
    let written = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), count) };
    let error = io::Error::last_os_error();
    assert_eq!(usize::try_from(written), Ok(count), "write: {error}");
}

/// Writes until there is no room, and none comes any more: what is on its way to a TCP reader arrives in its buffer, and
/// makes room here, after the first write that finds none.
pub fn fill(socket: &TcpStream) {
    let bytes = [b'x'; 512];
    socket.set_nonblocking(true).unwrap();
    loop {
        let mut written = 0;
        // SAFETY: the buffer is valid for its length.
        while unsafe { libc::write(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) } > 0 {
            written += 1;
        }
        if written == 0 {
            return;
        }
        std::thread::sleep(2 * QUIET);
    }
}

/// Reads `count` bytes, which have to be there.
#[track_caller]
pub fn get(fd: &impl AsRawFd, count: usize) {
    let mut bytes = vec![0_u8; count];
    // SAFETY: the buffer is valid for `count` bytes.
    let read = unsafe { libc::read(fd.as_raw_fd(), bytes.as_mut_ptr().cast(), count) };
    let error = io::Error::last_os_error();
    assert_eq!(usize::try_from(read), Ok(count), "read: {error}");
}

/// The `n`th of the numbers that no descriptor has: they are given out from the lowest on, and these are far above.
pub fn closed(n: usize) -> usize {
    1_000_000 + n
}

/// The number as an ident.
pub fn ident(fd: &impl AsRawFd) -> usize {
    usize::try_from(fd.as_raw_fd()).expect("an open descriptor is never negative")
}

/// The result of a call that returns -1 when it fails.
#[track_caller]
pub fn checked(result: libc::c_int) -> libc::c_int {
    let error = io::Error::last_os_error();
    assert!(result != -1, "{error}");
    result
}

/// A duplicate with a number that is not used again soon.
pub fn far_dup(fd: &impl AsRawFd) -> OwnedFd {
    // SAFETY: takes numbers only, and makes a descriptor that nobody else has.
    unsafe { OwnedFd::from_raw_fd(checked(libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 100))) }
}
