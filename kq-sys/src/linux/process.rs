//! EVFILT_PROC: a process's exit, over a pidfd, and its forks and execs where perf events tell of them.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::knote::{Index, Key, Source};
use super::perf::Perf;
use super::queue::State;
use super::sets::Set;
use super::sys::{self, Errno, Result};
use super::{constants::*, kevent};

const FORK_AND_EXEC: u32 = NOTE_FORK | NOTE_EXEC;

/// What a process is watched by. Both descriptors have the knote's key.
pub(super) struct Process {
    pidfd: OwnedFd,
    /// Opened when forks or execs are first asked for.
    perf: Option<Perf>,
    /// Its exit is noted.
    has_exited: bool,
}

impl State {
    #[inline(never)]
    pub(super) fn attach_process(&mut self, change: &kevent) -> Result<()> {
        refuse_tracking(change.fflags)?;
        let pid = libc::pid_t::try_from(change.ident).map_err(|_| libc::ESRCH)?;
        let pidfd = sys::pidfd_open(pid).map_err(|errno| match errno {
            // Zero, or a thread that is no process.
            libc::EINVAL | libc::ENOENT => libc::ESRCH,
            errno => errno,
        })?;
        let number = pidfd.as_raw_fd();
        // All that a zombie has left to do is told by its exit.
        if change.fflags & NOTE_EXIT == 0 && has_exited(number) {
            return Err(libc::ESRCH);
        }
        let index = self.insert(change, Source::Process(Process { pidfd, perf: None, has_exited: false }))?;
        self.own_number(number);
        self.knotes[index].flags |= EV_CLEAR;
        let added = self.add_process_entries(index).and_then(|()| self.need_perf(index, change.fflags));
        if added.is_err() {
            self.finish(index);
        }
        added
    }

    /// Makes what a change of a knote asks for, before anything is changed. What has happened until now is noted as
    /// was asked for until now.
    #[inline(never)]
    pub(super) fn prepare_process(&mut self, index: Index, fflags: u32) -> Result<()> {
        refuse_tracking(fflags)?;
        self.note_process(index);
        self.need_perf(index, fflags)?;
        if self.knotes[index].fflags != 0 {
            self.need_token()?;
        }
        Ok(())
    }

    /// Notes in the knote what has happened to the process, as far as it is asked for.
    fn note_process(&mut self, index: Index) {
        let knote = &mut self.knotes[index];
        let Source::Process(process) = &mut knote.source else { return };
        if process.has_exited {
            return;
        }
        if let Some(perf) = &mut process.perf {
            knote.fflags |= perf.harvest() & knote.asked_fflags;
        }
        let pidfd = process.pidfd.as_raw_fd();
        process.has_exited = has_exited(pidfd);
        if process.has_exited {
            knote.flags |= EV_EOF | EV_ONESHOT;
            if knote.asked_fflags & NOTE_EXIT != 0 {
                knote.fflags |= NOTE_EXIT;
                knote.data = i64::from(exit_status(pidfd, knote.ident));
            }
        }
    }

    #[inline(never)]
    pub(super) fn modify_process(&mut self, index: Index, change: &kevent) -> Result<()> {
        let knote = &mut self.knotes[index];
        knote.asked_fflags = change.fflags;
        knote.asked_data = change.data;
        for (fd, interest, key) in self.process_entries(index).into_iter().flatten() {
            self.ctl(libc::EPOLL_CTL_MOD, fd, interest, key)?;
        }
        // Its entries do not tell again of what was noted already.
        if self.knotes[index].fflags != 0 && !self.knotes[index].disabled {
            self.ready.push(&mut self.knotes, index);
        }
        Ok(())
    }

    fn process(&self, index: Index) -> Option<&Process> {
        match &self.knotes[index].source {
            Source::Process(process) => Some(process),
            _ => None,
        }
    }

    /// Starts to look for forks and execs, if they are asked for.
    fn need_perf(&mut self, index: Index, fflags: u32) -> Result<()> {
        if fflags & FORK_AND_EXEC == 0 || self.process(index).map_or(true, |process| process.perf.is_some()) {
            return Ok(());
        }
        let perf = match Perf::open(self.knotes[index].ident as libc::pid_t) {
            Ok(perf) => perf,
            // It has exited, and will do neither any more.
            Err(libc::ESRCH) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let (fd, key) = (perf.fd(), self.knotes.key(index));
        self.ctl(libc::EPOLL_CTL_ADD, fd, self.perf_interest(index), key)?;
        self.own_number(fd);
        if let Source::Process(process) = &mut self.knotes[index].source {
            process.perf = Some(perf);
        }
        Ok(())
    }

    fn perf_interest(&self, index: Index) -> u32 {
        let wanted = if self.knotes[index].disabled { 0 } else { libc::EPOLLIN };
        (wanted | libc::EPOLLET) as u32
    }

    /// The knote's entries, as they should be in a set.
    fn process_entries(&self, index: Index) -> [Option<(RawFd, u32, Key)>; 2] {
        let Some(process) = self.process(index) else { return [None; 2] };
        let key = self.knotes.key(index);
        let wanted = if self.knotes[index].disabled { 0 } else { libc::EPOLLIN };
        // One thread gets the exit: there is one.
        let exit = (process.pidfd.as_raw_fd(), (wanted | libc::EPOLLONESHOT | libc::EPOLLET) as u32, key);
        let perf = process.perf.as_ref().map(|perf| (perf.fd(), self.perf_interest(index), key));
        [Some(exit), perf]
    }

    /// Adds the knote's entries to the set.
    pub(super) fn add_process_entries(&self, index: Index) -> Result<()> {
        for (fd, interest, key) in self.process_entries(index).into_iter().flatten() {
            self.ctl(libc::EPOLL_CTL_ADD, fd, interest, key)?;
        }
        Ok(())
    }

    /// The knote is gone, and its descriptors with it.
    pub(super) fn disown_process(&mut self, process: &Process) {
        let perf = process.perf.as_ref().map(Perf::fd);
        for number in [Some(process.pidfd.as_raw_fd()), perf].into_iter().flatten() {
            self.disown_number(number);
        }
    }

    /// Takes the knote's entries out of the set.
    pub(super) fn remove_process_entries(&mut self, index: Index) -> Result<()> {
        for (fd, ..) in self.process_entries(index).into_iter().flatten() {
            self.ctl_in(Set::Outer, libc::EPOLL_CTL_DEL, fd, 0, 0)?;
        }
        Ok(())
    }

    /// Something happened to the process; its exit is its last event, and its knote's.
    #[inline(never)]
    pub(super) fn take_process(&mut self, index: Index) -> Option<kevent> {
        self.note_process(index);
        self.ready.remove(&mut self.knotes, index);
        let knote = &mut self.knotes[index];
        let event = knote.event();
        if event.flags & EV_EOF != 0 || event.flags & EV_ONESHOT != 0 && event.fflags != 0 {
            self.finish(index);
        } else if event.fflags != 0 {
            knote.fflags = 0;
            knote.disabled |= knote.has(EV_DISPATCH);
        }
        // An exit that nobody asked for ends the knote without a word.
        (event.fflags != 0).then_some(event)
    }
}

/// Following children takes knotes that the kernel makes by itself.
fn refuse_tracking(fflags: u32) -> core::result::Result<(), Errno> {
    if fflags & NOTE_TRACK != 0 {
        return Err(libc::ENOTSUP);
    }
    Ok(())
}

fn has_exited(pidfd: RawFd) -> bool {
    sys::poll_now(pidfd, libc::POLLIN) & libc::POLLIN != 0
}

/// The wait status of a process that has exited, whoever reaps it; 0 where the kernel does not tell.
fn exit_status(pidfd: RawFd, pid: usize) -> libc::c_int {
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
    let mut fields = fields.split_ascii_whitespace();
    if fields.next() != Some("Z") {
        return None;
    }
    fields.nth(52 - 4)?.parse().ok()
}
