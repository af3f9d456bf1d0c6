//! The knotes that are ready without epoll knowing it (user events, timers, forced ones), in the order in which
//! they became so, and the token by which epoll shows that there are some.

use core::mem;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::knote::{Index, Key, Knotes, NONE};
use super::queue::{State, TOKEN};
use super::sys::{self, Result};

/// A list through the knotes' own links: nothing to allocate, and a knote leaves from anywhere.
pub(super) struct Ready {
    first: Index,
    last: Index,
    length: u32,
    /// How many knotes ever came into it.
    came: u32,
}

impl Ready {
    pub(super) const fn new() -> Ready {
        Ready { first: NONE, last: NONE, length: 0, came: 0 }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.length as usize
    }

    pub(super) fn first(&self) -> Option<Index> {
        (self.first != NONE).then_some(self.first)
    }

    /// The knote in it, if it is the only one.
    #[inline]
    pub(super) fn only(&self) -> Option<Index> {
        (self.length == 1).then_some(self.first)
    }

    /// Appends a knote that is not in the list yet.
    #[inline]
    pub(super) fn push(&mut self, knotes: &mut Knotes, index: Index) {
        if knotes[index].ready {
            return;
        }
        let knote = &mut knotes[index];
        knote.ready = true;
        store(&mut knote.ready_previous, self.last);
        store(&mut knote.ready_next, NONE);
        match self.last {
            NONE => self.first = index,
            last => knotes[last].ready_next = index,
        }
        self.last = index;
        self.length += 1;
        self.came = self.came.wrapping_add(1);
    }

    /// Takes a knote out, if it is in the list.
    #[inline]
    pub(super) fn remove(&mut self, knotes: &mut Knotes, index: Index) {
        if knotes[index].ready {
            self.unlink(knotes, index);
        }
    }

    fn unlink(&mut self, knotes: &mut Knotes, index: Index) {
        let knote = &mut knotes[index];
        knote.ready = false;
        let (previous, next) = (knote.ready_previous, knote.ready_next);
        match previous {
            NONE => self.first = next,
            previous => knotes[previous].ready_next = next,
        }
        match next {
            NONE => self.last = previous,
            next => knotes[next].ready_previous = previous,
        }
        self.length -= 1;
    }
}

/// Writes what differs. A line of the cache that is only read stays with all processors, and a knote that is triggered in
/// one and delivered in another has the same there time and again.
#[inline(always)]
pub(super) fn store<T: PartialEq>(place: &mut T, value: T) {
    if *place != value {
        *place = value;
    }
}

/// An eventfd that always reads as ready and is never read: its entry is what shows.
///
/// Edge-triggered, so that one waiter comes for it; whoever does looks after all ready knotes, and makes it show again
/// where some are left. That is done by switching the entry's interest on, or, while it is on, by writing to the eventfd:
/// after the queue's lock was left, since a thread that it wakes wants that lock.
#[repr(C)] // what changes comes first
pub(super) struct Token {
    entry: Entry,
    /// How many knotes had become ready when an outer queue was told so: it is to be told of more.
    told: Option<u32>,
    /// Shared with those who are about to write to it.
    eventfd: Arc<OwnedFd>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// It has no interest.
    Off,
    /// It has, and came up since it was last made to show.
    Spent,
    /// It shows, or is about to.
    Shown,
}

impl Token {
    const ON: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;
    const OFF: u32 = 0;

    fn number(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    fn interest(&self) -> u32 {
        if self.entry == Entry::Off {
            Token::OFF
        } else {
            Token::ON
        }
    }
}

/// The token of a queue that may be closed before it is written to.
pub(super) struct Unwritten(Arc<OwnedFd>);

impl Unwritten {
    #[inline(always)] // see `syscall`
    pub(super) fn write(self) {
        sys::eventfd_write(&self.0);
        self.let_go();
    }

    #[inline(never)]
    fn let_go(self) {}
}

impl State {
    /// Makes the token, which is needed as soon as a knote's readiness is not epoll's business.
    pub(super) fn need_token(&mut self) -> Result<()> {
        if self.token.is_none() {
            let eventfd = sys::eventfd(1)?;
            self.ctl(libc::EPOLL_CTL_ADD, eventfd.as_raw_fd(), Token::OFF, TOKEN)?;
            self.own_number(eventfd.as_raw_fd());
            self.token = Some(Token { entry: Entry::Off, told: None, eventfd: Arc::new(eventfd) });
        }
        Ok(())
    }

    /// Makes epoll show what the list of ready knotes says; a write that this takes is left to the lock's end.
    #[inline]
    pub(super) fn show_ready(&mut self) -> Result<()> {
        let wanted = self.ready.len() != 0;
        let Some(token) = &mut self.token else { return Ok(()) };
        if token.entry == Entry::Spent {
            if wanted {
                token.entry = Entry::Shown;
                self.unwritten = true;
            }
            Ok(())
        } else if wanted == (token.entry == Entry::Shown) {
            if wanted && token.told.is_some_and(|told| told != self.ready.came) {
                token.told = None;
                self.unwritten = true;
            }
            Ok(())
        } else if !wanted && mem::take(&mut self.unwritten) {
            token.entry = Entry::Spent;
            Ok(())
        } else {
            self.switch_token()
        }
    }

    /// How many events the queue could give at least, for an outer queue that tells so; 1 where it is not known.
    pub(super) fn pending(&mut self) -> i64 {
        if let Some(token) = &mut self.token {
            token.told = Some(self.ready.came);
        }
        (self.ready.len() as i64).max(1)
    }

    /// Sets the token's entry as it should be, also where it is so already: the queue's number answers for itself.
    #[inline(never)]
    pub(super) fn switch_token(&mut self) -> Result<()> {
        let shown = self.ready.len() != 0;
        let Some(token) = &mut self.token else { return Ok(()) };
        token.entry = if shown { Entry::Shown } else { Entry::Off };
        self.unwritten = false;
        let (number, interest) = (token.number(), token.interest());
        // The token is there: another errno than EBADF says that the number is somebody else's epoll instance by now.
        self.ctl(libc::EPOLL_CTL_MOD, number, interest, TOKEN).map_err(|_| libc::EBADF)
    }

    /// The token, if it is to be written to.
    #[inline]
    pub(super) fn take_unwritten(&mut self) -> Option<Unwritten> {
        if self.unwritten {
            self.unwritten = false;
            return self.token.as_ref().map(|token| Unwritten(Arc::clone(&token.eventfd)));
        }
        None
    }

    /// The token's entry, as it should be in a set.
    pub(super) fn token_entry(&self) -> Option<(RawFd, u32, Key)> {
        self.token.as_ref().map(|token| (token.number(), token.interest(), TOKEN))
    }

    /// Wakes every waiter of the queue, and goes on doing so.
    pub(super) fn wake_all(&mut self) -> Result<()> {
        self.need_token()?;
        match &self.token {
            Some(token) => self.ctl(libc::EPOLL_CTL_MOD, token.number(), libc::EPOLLIN as u32, TOKEN),
            None => Ok(()),
        }
    }

    /// The token's entry came up in a harvest, which an edge-triggered entry does once.
    #[inline]
    pub(super) fn token_harvested(&mut self) {
        if let Some(token) = self.token.as_mut().filter(|token| token.entry == Entry::Shown) {
            token.entry = Entry::Spent;
        }
    }
}
