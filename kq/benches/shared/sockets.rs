//! The descriptors that are watched: ends of socket pairs, as many as the system allows.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

/// What the program and the contenders need beside the descriptors that are watched.
const SPARE: usize = 200;

/// How many descriptors a case can have; the soft limit is raised to the hard one.
pub fn available() -> usize {
    static AVAILABLE: OnceLock<usize> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the struct lives across the call.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
        let mut raised = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        // Apple takes no more than OPEN_MAX, whatever the hard limit is.
        if cfg!(target_vendor = "apple") {
            raised.rlim_cur = raised.rlim_cur.min(10_240);
        }
        // SAFETY: as above.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            limit = raised;
        }
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX).saturating_sub(SPARE)
    })
}

/// Those of the wanted numbers that are within reach, and the furthest number that is, if one was not, with that one.
pub fn within_reach(wanted: &[usize], reach: usize) -> (Vec<usize>, Option<usize>) {
    let mut values: Vec<usize> = wanted.iter().copied().filter(|value| *value <= reach).collect();
    let unreached = wanted.iter().copied().rfind(|value| *value > reach);
    if unreached.is_some() {
        // A round number, so that small differences of the limit do not show.
        let furthest = reach - reach % if reach >= 1_000 { 100 } else { 10 };
        if values.last().map_or(true, |last| furthest > *last) && furthest > 0 {
            values.push(furthest);
        }
    }
    (values, unreached)
}

/// Pairs of connected sockets that do not block.
pub struct Sockets(Vec<(UnixStream, UnixStream)>);

impl Sockets {
    pub fn pairs(number: usize) -> Sockets {
        available();
        let pair = |_| {
            let pair = UnixStream::pair().expect("a pair of sockets");
            for end in [&pair.0, &pair.1] {
                end.set_nonblocking(true).expect("a socket that does not block");
            }
            pair
        };
        Sockets((0..number).map(pair).collect())
    }

    /// Both ends of every pair.
    pub fn ends(&self) -> Vec<RawFd> {
        self.0.iter().flat_map(|(a, b)| [a.as_raw_fd(), b.as_raw_fd()]).collect()
    }

    /// The ends that are read from.
    pub fn readers(&self) -> Vec<RawFd> {
        self.0.iter().map(|(reader, _)| reader.as_raw_fd()).collect()
    }

    /// The ends that are written to, in the order of the readers.
    pub fn writers(&self) -> Vec<RawFd> {
        self.0.iter().map(|(_, writer)| writer.as_raw_fd()).collect()
    }
}

/// Writes one byte.
pub fn write_byte(fd: RawFd) {
    let byte = 0u8;
    // SAFETY: one byte to write.
    let written = unsafe { libc::write(fd, std::ptr::addr_of!(byte).cast(), 1) };
    assert_eq!(written, 1, "{}", std::io::Error::last_os_error());
}

/// Reads what there is, up to 64 bytes, and returns how many.
pub fn read_bytes(fd: RawFd) -> usize {
    let mut bytes = [0u8; 64];
    // SAFETY: room for so many bytes.
    let read = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
    usize::try_from(read).unwrap_or(0)
}

/// A descriptor of a case, which keeps it open for longer than the call that this is for.
pub fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the case owns the socket that has the number, and ends after those who use it.
    unsafe { BorrowedFd::borrow_raw(fd) }
}
