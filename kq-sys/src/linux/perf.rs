//! The forks and execs of a process, from the records that perf_event_open(2) gives of a task.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::constants::{NOTE_EXEC, NOTE_FORK};
use super::sys::{self, Result};

/// A counter of nothing on a process's first thread, with the ring of records of what the thread does.
///
/// A page of header and a page of records. Both are counted against the limit of locked memory that
/// `kernel.perf_event_mlock_kb` sets for each user.
pub(super) struct Perf {
    fd: OwnedFd,
    ring: NonNull<u8>,
    page: usize,
}

// SAFETY: the mapping is the value's own and stays where it is, whatever thread has the value.
unsafe impl Send for Perf {}

/// Where the header page has the count of bytes written, and that of bytes read (`struct perf_event_mmap_page`).
const HEAD: usize = 1024;
const TAIL: usize = 1032;

const RECORD_LOST: u32 = 2;
const RECORD_COMM: u32 = 3;
const RECORD_FORK: u32 = 7;
/// In a COMM record's `misc`: the name changed because of an exec.
const COMM_EXEC: u16 = 1 << 13;

impl Perf {
    /// ENOTSUP where the system does not permit it: `kernel.perf_event_paranoid` above 2, a sandbox, a program that
    /// is not ours to look into.
    pub(super) fn open(pid: libc::pid_t) -> Result<Perf> {
        let fd = sys::perf_open(pid).map_err(|errno| match errno {
            libc::EACCES | libc::EPERM | libc::ENOSYS | libc::ENOENT | libc::EOPNOTSUPP | libc::EINVAL => libc::ENOTSUP,
            errno => errno,
        })?;
        let page = sys::page_size();
        let ring = sys::map_shared(&fd, 2 * page).map_err(|_| libc::ENOMEM)?;
        Ok(Perf { fd, ring, page })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    fn counter(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: within the header page, aligned, mapped for as long as `self` lives, and shared with the kernel,
        // which reads and writes it as a whole.
        unsafe { &*self.ring.as_ptr().add(offset).cast::<AtomicU64>() }
    }

    /// Reads some bytes of the ring, which is as long as a page and begins behind the header's.
    fn read<const N: usize>(&self, position: u64) -> [u8; N] {
        let mut bytes = [0; N];
        for (place, byte) in bytes.iter_mut().enumerate() {
            let offset = (position as usize).wrapping_add(place) % self.page;
            // SAFETY: within the second page; the kernel has written it before it moved the head beyond, and does not
            // write it again before the tail has passed.
            *byte = unsafe { self.ring.as_ptr().add(self.page + offset).read_volatile() };
        }
        bytes
    }

    /// What the process has done since the last look: NOTE_FORK, NOTE_EXEC.
    pub(super) fn harvest(&mut self) -> u32 {
        let head = self.counter(HEAD).load(Ordering::Acquire);
        let mut tail = self.counter(TAIL).load(Ordering::Relaxed);
        let mut notes = 0;
        while tail < head {
            // struct perf_event_header: u32 type, u16 misc, u16 size
            let header: [u8; 8] = self.read(tail);
            let kind = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
            let misc = u16::from_ne_bytes([header[4], header[5]]);
            let size = u16::from_ne_bytes([header[6], header[7]]);
            match kind {
                RECORD_FORK => {
                    // u32 pid, u32 ppid: the same where the "child" is a thread.
                    let ids: [u8; 8] = self.read(tail + 8);
                    if ids[..4] != ids[4..] {
                        notes |= NOTE_FORK;
                    }
                }
                RECORD_COMM if misc & COMM_EXEC != 0 => notes |= NOTE_EXEC,
                // Too much happened to be written down, and that is mostly forks.
                RECORD_LOST => notes |= NOTE_FORK,
                _ => {}
            }
            tail += u64::from(size.max(8));
        }
        self.counter(TAIL).store(head, Ordering::Release);
        notes
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        // SAFETY: the mapping that `open` made, of that size; nothing refers to it any more.
        unsafe { libc::munmap(self.ring.as_ptr().cast(), 2 * self.page) };
    }
}
