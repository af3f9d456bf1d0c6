//! EVFILT_PROC: a process's exit, over a pidfd.

use std::os::fd::{AsRawFd, RawFd};

use super::knote::{Index, Source};
use super::queue::{Set, State};
use super::sys::{self, Errno, Result};
use super::{constants::*, kevent};

impl State {
    pub(super) fn attach_process(&mut self, change: &kevent) -> Result<()> {
        supported(change.fflags)?;
        let pid = libc::pid_t::try_from(change.ident).map_err(|_| libc::ESRCH)?;
        let pidfd = sys::pidfd_open(pid).map_err(|errno| match errno {
            // Zero, or a thread that is no process.
            libc::EINVAL | libc::ENOENT => libc::ESRCH,
            errno => errno,
        })?;
        let fd = pidfd.as_raw_fd();
        let index = self.insert(change, Source::Process { pidfd })?;
        self.knotes[index].flags |= EV_CLEAR;
        let added = self.add_process_entry(index, fd);
        if added.is_err() {
            self.forget(index);
        }
        added
    }

    pub(super) fn add_process_entry(&self, index: Index, pidfd: RawFd) -> Result<()> {
        self.ctl(libc::EPOLL_CTL_ADD, pidfd, self.process_interest(index), self.knotes.key(index))
    }

    pub(super) fn modify_process(&mut self, index: Index, change: &kevent) -> Result<()> {
        supported(change.fflags)?;
        let knote = &mut self.knotes[index];
        knote.asked_fflags = change.fflags;
        knote.asked_data = change.data;
        let Source::Process { pidfd } = &self.knotes[index].source else { return Ok(()) };
        self.ctl(libc::EPOLL_CTL_MOD, pidfd.as_raw_fd(), self.process_interest(index), self.knotes.key(index))
    }

    fn process_interest(&self, index: Index) -> u32 {
        if self.knotes[index].disabled {
            (libc::EPOLLET | libc::EPOLLONESHOT) as u32
        } else {
            // One thread gets it: there is one exit.
            (libc::EPOLLIN | libc::EPOLLONESHOT) as u32
        }
    }

    /// The process is gone: its only event, and its knote's last.
    pub(super) fn take_process(&mut self, index: Index) -> Option<kevent> {
        let knote = &mut self.knotes[index];
        let Source::Process { pidfd } = &knote.source else { return None };
        if knote.asked_fflags & NOTE_EXIT == 0 {
            self.finish(index);
            return None;
        }
        let status = exit_status(pidfd.as_raw_fd(), knote.ident);
        knote.flags |= EV_EOF | EV_ONESHOT;
        knote.fflags |= NOTE_EXIT;
        knote.data = i64::from(status);
        let event = knote.event();
        self.finish(index);
        Some(event)
    }

    /// Takes the pidfd's entry out of the set.
    pub(super) fn remove_process_entry(&mut self, index: Index) -> Result<()> {
        let Source::Process { pidfd } = &self.knotes[index].source else { return Ok(()) };
        let fd = pidfd.as_raw_fd();
        self.ctl_in(Set::Outer, libc::EPOLL_CTL_DEL, fd, 0, 0)
    }
}

/// A pidfd tells of the exit only: the other notes are refused rather than accepted and never reported.
fn supported(fflags: u32) -> core::result::Result<(), Errno> {
    if fflags & (NOTE_FORK | NOTE_EXEC | NOTE_TRACK) != 0 {
        return Err(libc::ENOTSUP);
    }
    Ok(())
}

/// The wait status of a process that has exited, whoever reaps it; 0 where the kernel does not tell.
fn exit_status(pidfd: libc::c_int, pid: usize) -> libc::c_int {
    if let Ok(Some(status)) = sys::peek_child_status(pidfd) {
        return status;
    }
    // Not our child, or reaped by now.
    sys::reaped_status(pidfd).or_else(|| zombie_status(pid)).or_else(|| sys::reaped_status(pidfd)).unwrap_or(0)
}

/// The wait status of somebody else's zombie, which only its line in /proc has (field 52, `exit_code`).
fn zombie_status(pid: usize) -> Option<libc::c_int> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; the fields after it are counted from the third.
    let (_, fields) = line.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    if fields.first() != Some(&"Z") {
        return None;
    }
    fields.get(52 - 3)?.parse().ok()
}
