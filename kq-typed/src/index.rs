//! `Index`: which registration has which knote, and the queue that they are in.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::check::error;
use crate::hash::Keyed;
use crate::key::Key;
use crate::slots::Place;

/// The first ident of the range from which timers get theirs, and how many there are.
///
/// Far from what a program counts up from, and, as a number with a sign, positive.
const TIMERS: usize = 1 << (usize::BITS - 2);

/// What the index lock guards.
#[derive(Debug)]
pub(crate) struct Index {
    /// Empty when the queue is closed.
    pub(crate) queue: Option<Arc<kq::Kqueue>>,
    pub(crate) knotes: HashMap<Place, Key, Keyed>,
    next_timer: usize,
}

impl Index {
    pub(crate) fn new(queue: Arc<kq::Kqueue>) -> Index {
        Index { queue: Some(queue), knotes: HashMap::with_hasher(Keyed::new()), next_timer: 0 }
    }

    /// The queue.
    pub(crate) fn queue(&self) -> io::Result<&kq::Kqueue> {
        self.queue.as_deref().ok_or(error(libc::EBADF))
    }

    /// The next ident for a timer that none has.
    pub(crate) fn free_timer(&mut self) -> usize {
        // Ends: the range has more idents than memory has room for knotes.
        loop {
            let ident = TIMERS | self.next_timer;
            self.next_timer = (self.next_timer + 1) % TIMERS;
            if !self.knotes.contains_key(&(ident, kq::Filter::TIMER)) {
                return ident;
            }
        }
    }
}
