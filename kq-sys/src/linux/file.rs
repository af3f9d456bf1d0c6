//! EVFILT_READ and EVFILT_WRITE on regular files, which epoll does not watch: readable is what lies beyond the
//! descriptor's offset, looked up at each delivery, and inotify tells when to look again.

use std::os::fd::RawFd;

use super::knote::{Index, Source};
use super::queue::State;
use super::sys::{self, Result};
use super::vnode::Watched;
use super::{constants::*, kevent};

impl State {
    /// Makes a knote that was added for a descriptor one of a regular file.
    pub(super) fn attach_file(&mut self, index: Index, status: &libc::stat) -> Result<()> {
        self.need_token()?;
        self.knotes[index].source = Source::File(Watched::new(status));
        self.subscribe(index)?;
        self.look_at_file(index)
    }

    pub(super) fn modify_file(&mut self, index: Index, change: &kevent) -> Result<()> {
        if let Err(errno) = self.same_file(index) {
            self.forget(index);
            return Err(errno);
        }
        let knote = &mut self.knotes[index];
        knote.asked_fflags = change.fflags;
        knote.asked_data = change.data;
        self.look_at_file(index)
    }

    /// Makes an enabled knote ready if its file is.
    fn look_at_file(&mut self, index: Index) -> Result<()> {
        if self.file_data(index)?.is_some() && !self.knotes[index].disabled {
            self.ready.push(&mut self.knotes, index);
        }
        Ok(())
    }

    /// What an event of the file would have as data, if the file is ready: the bytes up to its end, negative beyond it.
    fn file_data(&self, index: Index) -> Result<Option<i64>> {
        let knote = &self.knotes[index];
        let status = self.same_file(index)?;
        if knote.filter == EVFILT_WRITE {
            return Ok(Some(0));
        }
        let left = (status.st_size - sys::offset_of(knote.ident as RawFd)?) as i64;
        Ok((left != 0 || knote.asked_fflags & NOTE_FILE_POLL != 0).then_some(left))
    }

    pub(super) fn deliver_file(&mut self, index: Index) -> Option<kevent> {
        let data = match self.file_data(index) {
            Ok(data) => data?,
            Err(_) => {
                self.forget(index);
                return None;
            }
        };
        let knote = &mut self.knotes[index];
        knote.data = data;
        let event = knote.event();
        if knote.has(EV_ONESHOT) {
            self.forget(index);
            return Some(event);
        }
        knote.disabled |= knote.has(EV_DISPATCH);
        if !knote.has(EV_CLEAR | EV_DISPATCH) {
            self.ready.push(&mut self.knotes, index);
        }
        Some(event)
    }
}
