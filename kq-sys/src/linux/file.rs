//! What epoll does not watch, and is looked at instead: READ and WRITE of regular files, and EVFILT_EMPTY.
//!
//! A file is readable where its end is not the descriptor's offset; inotify tells when to look again. Nothing tells
//! when a send buffer has drained: it is looked at after a while, and again after twice as long.

use std::os::fd::RawFd;

use super::knote::{Index, Source};
use super::queue::State;
use super::sys::{self, Result};
use super::timer::Patience;
use super::vnode::{refusal, Watched};
use super::{constants::*, kevent};

impl State {
    /// Makes a knote that was added for a descriptor one of a regular file.
    pub(super) fn attach_file(&mut self, index: Index, status: &libc::stat) -> Result<()> {
        self.need_token()?;
        self.knotes[index].source = Source::File(Watched::new(status));
        self.subscribe(index)?;
        self.look_at_file(index)
    }

    pub(super) fn attach_empty(&mut self, change: &kevent) -> Result<()> {
        let status = sys::status_of(change.ident as RawFd)?;
        if status.st_mode & libc::S_IFMT != libc::S_IFSOCK {
            return Err(refusal(change.ident as RawFd, &status));
        }
        self.need_looks()?;
        let index = self.insert(change, Source::File(Watched::new(&status)))?;
        let looked = self.look_at_file(index);
        if looked.is_err() {
            self.forget(index);
        }
        looked
    }

    #[inline(never)]
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
        self.clocks.remove(&mut self.knotes, index);
        if self.knotes[index].disabled {
            return Ok(());
        }
        if let Source::File(watched) = &mut self.knotes[index].source {
            watched.was_empty = false;
        }
        if self.file_data(index)?.is_some() {
            self.ready.push(&mut self.knotes, index);
        } else if self.knotes[index].filter == EVFILT_EMPTY {
            self.knotes[index].patience = Patience::NEW;
            self.look_later(index)?;
        }
        Ok(())
    }

    /// What an event of the file would have as data, if the file is ready: the bytes up to its end, negative beyond it.
    pub(super) fn file_data(&self, index: Index) -> Result<Option<i64>> {
        let knote = &self.knotes[index];
        let status = self.same_file(index)?;
        match knote.filter {
            EVFILT_WRITE => return Ok(Some(0)),
            EVFILT_EMPTY => return Ok((sys::bytes_unsent(knote.ident as RawFd)? == 0).then_some(0)),
            _ => {}
        }
        let left = (status.st_size - sys::offset_of(knote.ident as RawFd)?) as i64;
        Ok((left != 0 || knote.asked_fflags & NOTE_FILE_POLL != 0).then_some(left))
    }

    #[inline(never)]
    pub(super) fn deliver_file(&mut self, index: Index) -> Option<kevent> {
        let data = match self.file_data(index) {
            Ok(data) => data,
            Err(_) => {
                self.forget(index);
                return None;
            }
        };
        if self.knotes[index].filter == EVFILT_EMPTY && !self.has_drained(index, data.is_some()) {
            let _ = self.look_later(index);
            return None;
        }
        let knote = &mut self.knotes[index];
        knote.data = data?;
        let event = knote.event();
        if knote.has(EV_ONESHOT) {
            self.forget(index);
            return Some(event);
        }
        knote.disabled |= knote.has(EV_DISPATCH);
        if !knote.has(EV_CLEAR | EV_DISPATCH) {
            self.ready.push(&mut self.knotes, index);
        } else if knote.filter == EVFILT_EMPTY && !knote.disabled {
            knote.patience = Patience::NEW;
            let _ = self.look_later(index);
        }
        Some(event)
    }

    /// Whether an edge-triggered EMPTY knote has something to tell: its buffer is empty, and was not at the last look.
    fn has_drained(&mut self, index: Index, is_empty: bool) -> bool {
        let knote = &mut self.knotes[index];
        let is_edge = knote.has(EV_CLEAR);
        let Source::File(watched) = &mut knote.source else { return false };
        let was_empty = core::mem::replace(&mut watched.was_empty, is_empty);
        is_empty && !(is_edge && was_empty)
    }
}
