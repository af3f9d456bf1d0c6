//! inotify(7): watches of files, and what they tell.

use core::mem;
use std::io::Write;
use std::os::fd::{OwnedFd, RawFd};

use super::sys::{check, owned, Result};

pub(super) fn init() -> Result<OwnedFd> {
    // SAFETY: takes no pointer, and makes a descriptor.
    unsafe { owned(libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK)) }
}

/// Watches the file of a descriptor, or the directory above it; gives the watch's number, which is the file's in this
/// instance.
pub(super) fn add(inotify: RawFd, fd: RawFd, above: bool, mask: u32) -> Result<i32> {
    // Written without allocating, with room for any number and a zero at the end.
    let mut path = [0u8; 40];
    let suffix = if above { "/.." } else { "" };
    write!(&mut path[..39], "/proc/thread-self/fd/{fd}{suffix}").map_err(|_| libc::ENAMETOOLONG)?;
    // SAFETY: `path` ends with a zero and lives across the call.
    check(unsafe { libc::inotify_add_watch(inotify, path.as_ptr().cast(), mask) })
}

pub(super) fn remove(inotify: RawFd, watch: i32) {
    // A watch that the kernel removed by itself is EINVAL.
    // SAFETY: takes no pointer.
    unsafe { libc::inotify_rm_watch(inotify, watch) };
}

/// What inotify tells, without the name.
pub(super) struct Notification {
    pub(super) watch: i32,
    pub(super) mask: u32,
    pub(super) cookie: u32,
    /// It is of an entry of the watched directory, not of the watched file itself.
    pub(super) is_named: bool,
}

/// Room for reading notifications: at least one with the longest name.
#[repr(align(8))]
pub(super) struct NotificationBuffer([u8; 4096]);

impl NotificationBuffer {
    pub(super) fn new() -> NotificationBuffer {
        NotificationBuffer([0; 4096])
    }

    /// The next notifications of so many bytes that are left, or `None` where there are none left.
    pub(super) fn read(&mut self, inotify: RawFd, left: &mut usize) -> Option<impl Iterator<Item = Notification> + '_> {
        let room = self.0.len().min(*left);
        if room == 0 {
            return None;
        }
        // SAFETY: the buffer has that many bytes.
        let read = unsafe { libc::read(inotify, self.0.as_mut_ptr().cast(), room) };
        let mut rest = &self.0[..usize::try_from(read).ok().filter(|read| *read > 0)?];
        *left -= rest.len();
        Some(core::iter::from_fn(move || {
            const HEADER: usize = mem::size_of::<libc::inotify_event>();
            if rest.len() < HEADER {
                return None;
            }
            // SAFETY: as many bytes are there, and an inotify_event is plain integers.
            let header = unsafe { rest.as_ptr().cast::<libc::inotify_event>().read_unaligned() };
            rest = rest.get(HEADER + header.len as usize..).unwrap_or_default();
            Some(Notification { watch: header.wd, mask: header.mask, cookie: header.cookie, is_named: header.len > 0 })
        }))
    }
}
