//! Pipes, sockets, and numbers that no descriptor has.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::patience::QUIET;

/// A pipe that is closed on exec: the end to read from, and the end to write to.
#[track_caller]
pub fn pipe() -> (OwnedFd, OwnedFd) {
    try_pipe().unwrap()
}

/// As many pipes as the system gives, up to `most`: a process may not have so many descriptors, and a kernel of little
/// memory has not enough of it for so many pipes' buffers (FreeBSD: `kern.ipc.maxpipekva`).
pub fn many_pipes(most: usize) -> Vec<(OwnedFd, OwnedFd)> {
    const FEW: usize = 50;
    // Some descriptors are left for the rest of the test.
    let limit = usize::try_from(allow(2 * most as libc::rlim_t + 100)).unwrap_or(usize::MAX);
    let room = (limit.saturating_sub(100) / 2).clamp(FEW, most);
    let mut pipes: Vec<_> = (0..room).map_while(|_| try_pipe().ok()).collect();
    if pipes.len() < room {
        pipes.truncate(pipes.len().saturating_sub(10));
    }
    assert!(pipes.len() >= FEW, "no more than {} pipes", pipes.len());
    pipes
}

fn try_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the array is valid for the two numbers that the call writes.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let ends = ends.map(|fd| {
        // SAFETY: takes numbers only.
        checked(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) });
        // SAFETY: the call just made the descriptor, and nobody else has it.
        unsafe { OwnedFd::from_raw_fd(fd) }
    });
    let [reader, writer] = ends;
    Ok((reader, writer))
}

/// Lets this process have `count` descriptors, as far as it may, and says how many that are: some systems allow 256
/// unless they are asked for more.
fn allow(count: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is valid for the call's write.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) });
    if limit.rlim_cur < count {
        let most = limit.rlim_max;
        // Apple's systems say that there is no limit, and refuse more than this.
        let most = if cfg!(apple) { most.min(10_240) } else { most };
        limit.rlim_cur = count.min(most).max(limit.rlim_cur);
        // SAFETY: the struct is valid.
        checked(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) });
    }
    limit.rlim_cur
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
