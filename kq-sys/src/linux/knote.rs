//! A knote, and the table of a queue's knotes: found by (filter, ident), by index, and by key.

use core::ffi::c_void;

use slab::Slab;

use super::descriptor::Watch;
use super::process::Process;
use super::signal::Seen;
use super::timer::{Patience, Timer};
use super::vnode::{Inode, Watched};
use super::{constants::*, kevent};

/// Where a knote stands in its queue's table.
pub(super) type Index = u32;
/// The index that stands for none.
pub(super) const NONE: Index = Index::MAX;

/// The filter of inotify watches, which no change can have: the system's filters are negative.
pub(super) const INODE: i16 = 1;

/// The filter of the watches that a watched directory has on the directory it is in.
pub(super) const PARENT: i16 = 2;

/// What an epoll entry carries: a knote's index, and its generation above it.
///
/// A key is of one knote only: the generation grows by one for every knote that the queue ever had, so that an
/// entry harvested for a knote that is gone meets nobody. 38 bits of it last three days at a million a second,
/// and a stale key would have to meet the same index at the very end of such a round.
pub(super) type Key = u64;
const INDEX_BITS: u32 = 26;
/// The most knotes of one queue; the indexes above them are left for the queue's own entries.
const MAX_KNOTES: usize = 1 << (INDEX_BITS - 1);

pub(super) struct Knote {
    pub(super) ident: usize,
    pub(super) filter: i16,
    /// The stored flags: what the creating change said, without its action, and what the filter added.
    pub(super) flags: u16,
    /// fflags and data as the last change gave them, FreeBSD's `kn_sfflags` and `kn_sdata`.
    pub(super) asked_fflags: u32,
    pub(super) asked_data: i64,
    /// fflags and data as events show them, FreeBSD's `kn_fflags` and `kn_data`.
    pub(super) fflags: u32,
    pub(super) data: i64,
    pub(super) udata: *mut c_void,
    pub(super) disabled: bool,
    /// EV_FORCEONESHOT was asked for: delivered as it stands.
    pub(super) forced: bool,
    /// Whether it is in the list of ready knotes, and its neighbours there.
    pub(super) ready: bool,
    pub(super) ready_previous: Index,
    pub(super) ready_next: Index,
    /// Where it stands in the heap of a clock, `NONE` while it is in none.
    pub(super) place: u32,
    /// How long until it is looked at again, where that is what it takes.
    pub(super) patience: Patience,
    /// The last harvest that delivered it: a level entry that comes up twice in one call is delivered once.
    pub(super) harvest: u32,
    pub(super) source: Source,
    generation: u64,
    chain: Index,
}

// SAFETY: `udata` is a number to this crate: stored and handed back, never followed.
unsafe impl Send for Knote {}

/// What a knote's events come from.
pub(super) enum Source {
    Descriptor(Watch),
    Timer(Timer),
    User {
        triggered: bool,
    },
    Process(Process),
    /// What is looked at rather than told: READ and WRITE of a regular file, EMPTY.
    File(Watched),
    Vnode(Watched),
    /// Not a knote of the program's: the watch of a watched directory's own directory, under the descriptor's number
    /// and the filter `PARENT`.
    Parent(Watched),
    Signal(Seen),
    /// Not a knote of the program's: an inotify watch, under its number and the filter `INODE`.
    Inode(Inode),
}

impl Knote {
    pub(super) fn new(change: &kevent, source: Source) -> Knote {
        const ACTIONS: u16 = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT | EV_KEEPUDATA;
        Knote {
            ident: change.ident,
            filter: change.filter,
            flags: change.flags & !ACTIONS,
            asked_fflags: change.fflags,
            asked_data: change.data,
            fflags: 0,
            data: 0,
            udata: change.udata,
            disabled: change.flags & EV_DISABLE != 0,
            forced: false,
            ready: false,
            ready_previous: NONE,
            ready_next: NONE,
            place: NONE,
            patience: Patience::NEW,
            harvest: 0,
            source,
            generation: 0,
            chain: NONE,
        }
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Neither edge-triggered nor delivered once: what it watches is reported for as long as it is so.
    pub(super) fn is_level(&self) -> bool {
        matches!(self.source, Source::Descriptor(_)) && !self.has(EV_CLEAR | EV_ONESHOT | EV_DISPATCH)
    }

    /// The event as the knote stands.
    pub(super) fn event(&self) -> kevent {
        kevent {
            ident: self.ident,
            filter: self.filter,
            flags: self.flags,
            fflags: self.fflags,
            data: self.data,
            udata: self.udata,
        }
    }
}

/// The knotes of a queue. Grows with the highest number of them; finding, adding and removing allocate nothing else.
pub(super) struct Knotes {
    slab: Slab<Knote>,
    /// Heads of the chains of knotes with the same hash; at least as many as the slab has room for, a power of two.
    buckets: Vec<Index>,
    generation: u64,
}

impl Knotes {
    pub(super) const fn new() -> Knotes {
        Knotes { slab: Slab::new(), buckets: Vec::new(), generation: 0 }
    }

    fn bucket(&self, filter: i16, ident: usize) -> usize {
        // Fibonacci hashing: idents are small and dense (descriptors, pids), or anything.
        let hash = (ident as u64 ^ (filter as u64) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.buckets.len() - 1)
    }

    pub(super) fn find(&self, filter: i16, ident: usize) -> Option<Index> {
        if self.buckets.is_empty() {
            return None;
        }
        let mut index = self.buckets[self.bucket(filter, ident)];
        while index != NONE {
            let knote = &self.slab[index as usize];
            if knote.ident == ident && knote.filter == filter {
                return Some(index);
            }
            index = knote.chain;
        }
        None
    }

    /// Adds a knote whose (filter, ident) is not there; `None` where the table is full.
    pub(super) fn insert(&mut self, mut knote: Knote) -> Option<Index> {
        if self.slab.len() == self.slab.capacity() && !self.grow() {
            return None;
        }
        self.generation += 1;
        knote.generation = self.generation;
        let bucket = self.bucket(knote.filter, knote.ident);
        knote.chain = self.buckets[bucket];
        let index = self.slab.insert(knote) as Index;
        self.buckets[bucket] = index;
        Some(index)
    }

    /// Makes room for more knotes, by a quarter; false where the table has its full size.
    fn grow(&mut self) -> bool {
        let length = self.slab.len();
        if length >= MAX_KNOTES {
            return false;
        }
        self.slab.reserve_exact(length / 4 + 16);
        if self.slab.capacity() <= self.buckets.len() {
            return true;
        }
        self.buckets.clear();
        self.buckets.resize(self.slab.capacity().next_power_of_two(), NONE);
        for index in 0..length {
            // Full: no index below the length is vacant.
            let Some(knote) = self.slab.get(index) else { continue };
            let bucket = self.bucket(knote.filter, knote.ident);
            self.slab[index].chain = core::mem::replace(&mut self.buckets[bucket], index as Index);
        }
        true
    }

    pub(super) fn remove(&mut self, index: Index) -> Knote {
        let knote = self.slab.remove(index as usize);
        let bucket = self.bucket(knote.filter, knote.ident);
        if self.buckets[bucket] == index {
            self.buckets[bucket] = knote.chain;
        } else {
            let mut before = self.buckets[bucket];
            while self.slab[before as usize].chain != index {
                before = self.slab[before as usize].chain;
            }
            self.slab[before as usize].chain = knote.chain;
        }
        knote
    }

    pub(super) fn key(&self, index: Index) -> Key {
        u64::from(index) | self[index].generation << INDEX_BITS
    }

    /// The knote that a key was made for, if it is still there.
    pub(super) fn by_key(&self, key: Key) -> Option<Index> {
        let index = (key & ((1 << INDEX_BITS) - 1)) as Index;
        let knote = self.slab.get(index as usize)?;
        (knote.generation << INDEX_BITS == key & !((1 << INDEX_BITS) - 1)).then_some(index)
    }

    pub(super) fn indexes(&self) -> impl Iterator<Item = Index> + '_ {
        self.slab.iter().map(|(index, _)| index as Index)
    }
}

impl core::ops::Index<Index> for Knotes {
    type Output = Knote;
    fn index(&self, index: Index) -> &Knote {
        &self.slab[index as usize]
    }
}

impl core::ops::IndexMut<Index> for Knotes {
    fn index_mut(&mut self, index: Index) -> &mut Knote {
        &mut self.slab[index as usize]
    }
}
