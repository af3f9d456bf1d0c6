//! A knote, and the table of a queue's knotes: found by (filter, ident), by index, and by key.

use core::ffi::c_void;

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
/// The generation of a vacant place, which no key has.
const NO_GENERATION: u64 = 0;
/// The most knotes of one queue; the indexes above them are left for the queue's own entries.
const MAX_KNOTES: usize = 1 << (INDEX_BITS - 1);

/// In the order of use, in two lines of the cache.
#[repr(C, align(64))]
pub(super) struct Knote {
    generation: u64,
    pub(super) ident: usize,
    pub(super) filter: i16,
    /// The stored flags: what the creating change said, without its action, and what the filter added.
    pub(super) flags: u16,
    pub(super) disabled: bool,
    /// EV_FORCEONESHOT was asked for: delivered as it stands.
    pub(super) forced: bool,
    /// Whether it is in the list of ready knotes.
    pub(super) ready: bool,
    /// How long until it is looked at again, where that is what it takes.
    pub(super) patience: Patience,
    /// The last harvest that delivered it: what comes up twice in one call is delivered once.
    pub(super) harvest: u32,
    /// Where it stands in the heap of a clock, `NONE` while it is in none.
    pub(super) place: u32,
    /// fflags and data as the last change gave them, FreeBSD's `kn_sfflags` and `kn_sdata`.
    pub(super) asked_fflags: u32,
    /// fflags and data as events show them, FreeBSD's `kn_fflags` and `kn_data`.
    pub(super) fflags: u32,
    pub(super) data: i64,
    pub(super) udata: *mut c_void,
    pub(super) source: Source,
    pub(super) asked_data: i64,
    /// The next knote of its bucket, or the next vacant place.
    chain: Index,
    /// Its neighbours in the list of ready knotes.
    pub(super) ready_previous: Index,
    pub(super) ready_next: Index,
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
    /// No knote: a place in the table that the next one takes.
    Vacant,
}

impl Knote {
    /// A place in the table that no knote has.
    const VACANT: Knote = Knote {
        generation: NO_GENERATION,
        ident: 0,
        filter: 0,
        flags: 0,
        disabled: false,
        forced: false,
        ready: false,
        patience: Patience::NEW,
        harvest: 0,
        place: NONE,
        asked_fflags: 0,
        fflags: 0,
        data: 0,
        udata: core::ptr::null_mut(),
        source: Source::Vacant,
        asked_data: 0,
        chain: NONE,
        ready_previous: NONE,
        ready_next: NONE,
    };

    /// Becomes the knote of a change; the place was vacant, and its links are none's.
    #[inline(always)]
    fn begin(&mut self, change: &kevent, source: Source) {
        const ACTIONS: u16 = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT | EV_KEEPUDATA;
        self.ident = change.ident;
        self.filter = change.filter;
        self.flags = change.flags & !ACTIONS;
        self.disabled = change.flags & EV_DISABLE != 0;
        self.forced = false;
        self.patience = Patience::NEW;
        self.harvest = 0;
        self.asked_fflags = change.fflags;
        self.fflags = 0;
        self.data = 0;
        self.udata = change.udata;
        self.source = source;
        self.asked_data = change.data;
    }

    #[inline]
    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
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

// What an event of a descriptor takes is in the first line.
const _: () = assert!(
    core::mem::size_of::<Knote>() == 128
        && core::mem::offset_of!(Knote, source) + 1 + core::mem::size_of::<Watch>() <= 64
);

/// The knotes of a queue. Grows with the highest number of them; finding, adding and removing allocate nothing else.
#[repr(C)] // in the order of use
pub(super) struct Knotes {
    places: Vec<Knote>,
    /// Heads of the chains of knotes with the same hash; at least as many as there are places, a power of two.
    buckets: Vec<Index>,
    /// The first vacant place, from which the others are chained.
    vacant: Index,
    generation: u64,
}

impl Knotes {
    pub(super) const fn new() -> Knotes {
        Knotes { places: Vec::new(), vacant: NONE, buckets: Vec::new(), generation: NO_GENERATION }
    }

    /// An empty table, in which no key is given again that this one has given.
    pub(super) fn successors(&self) -> Knotes {
        Knotes { generation: self.generation, ..Knotes::new() }
    }

    /// Knotes of one ident have one bucket, so that those of a descriptor are found together.
    #[inline]
    fn bucket(&self, ident: usize) -> usize {
        // Fibonacci hashing: idents are small and dense (descriptors, pids), or anything.
        let hash = (ident as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.buckets.len() - 1)
    }

    #[inline]
    pub(super) fn find(&self, filter: i16, ident: usize) -> Option<Index> {
        if self.buckets.is_empty() {
            return None;
        }
        self.find_in_chain(self.buckets[self.bucket(ident)], filter, ident)
    }

    /// The knote of another filter with the ident of one that was just added.
    #[inline]
    pub(super) fn find_beside(&self, newest: Index, filter: i16) -> Option<Index> {
        let knote = &self[newest];
        self.find_in_chain(knote.chain, filter, knote.ident)
    }

    #[inline]
    fn find_in_chain(&self, mut index: Index, filter: i16, ident: usize) -> Option<Index> {
        while index != NONE {
            let knote = &self[index];
            if knote.ident == ident && knote.filter == filter {
                return Some(index);
            }
            index = knote.chain;
        }
        None
    }

    /// Adds a knote whose (filter, ident) is not there; `None` where the table is full.
    #[inline(always)]
    pub(super) fn insert(&mut self, change: &kevent, source: Source) -> Option<Index> {
        if self.vacant == NONE && !self.grow() {
            return None;
        }
        let index = self.vacant;
        let bucket = self.bucket(change.ident);
        self.generation += 1;
        let knote = &mut self.places[index as usize];
        self.vacant = knote.chain;
        knote.chain = core::mem::replace(&mut self.buckets[bucket], index);
        knote.generation = self.generation;
        knote.begin(change, source);
        Some(index)
    }

    /// Makes vacant places, by a quarter; false where the table has its full size.
    #[cold]
    fn grow(&mut self) -> bool {
        let length = self.places.len();
        if length >= MAX_KNOTES {
            return false;
        }
        let more = (length / 4 + 16).min(MAX_KNOTES - length);
        self.places.reserve_exact(more);
        for index in length..length + more {
            self.places.push(Knote { chain: core::mem::replace(&mut self.vacant, index as Index), ..Knote::VACANT });
        }
        if self.places.len() > self.buckets.len() {
            self.buckets.clear();
            self.buckets.resize(self.places.len().next_power_of_two(), NONE);
            for index in 0..length {
                // Full: no place below the length is vacant.
                let bucket = self.bucket(self.places[index].ident);
                self.places[index].chain = core::mem::replace(&mut self.buckets[bucket], index as Index);
            }
        }
        true
    }

    /// Takes out a knote that is in no list and no heap any more, and gives its source.
    #[inline]
    pub(super) fn remove(&mut self, index: Index) -> Source {
        let (ident, chain) = (self[index].ident, self[index].chain);
        let bucket = self.bucket(ident);
        if self.buckets[bucket] == index {
            self.buckets[bucket] = chain;
        } else {
            let mut before = self.buckets[bucket];
            while self[before].chain != index {
                before = self[before].chain;
            }
            self[before].chain = chain;
        }
        let vacant = core::mem::replace(&mut self.vacant, index);
        let knote = &mut self[index];
        knote.chain = vacant;
        knote.generation = NO_GENERATION;
        core::mem::replace(&mut knote.source, Source::Vacant)
    }

    #[inline]
    pub(super) fn key(&self, index: Index) -> Key {
        u64::from(index) | self[index].generation << INDEX_BITS
    }

    /// The knote that a key was made for, if it is still there.
    #[inline]
    pub(super) fn by_key(&self, key: Key) -> Option<Index> {
        let index = (key & ((1 << INDEX_BITS) - 1)) as Index;
        let knote = self.places.get(index as usize)?;
        (knote.generation << INDEX_BITS == key & !((1 << INDEX_BITS) - 1)).then_some(index)
    }

    pub(super) fn indexes(&self) -> impl Iterator<Item = Index> + '_ {
        let knotes = self.places.iter().enumerate().filter(|(_, knote)| knote.generation != NO_GENERATION);
        knotes.map(|(index, _)| index as Index)
    }
}

impl core::ops::Index<Index> for Knotes {
    type Output = Knote;
    #[inline]
    fn index(&self, index: Index) -> &Knote {
        &self.places[index as usize]
    }
}

impl core::ops::IndexMut<Index> for Knotes {
    #[inline]
    fn index_mut(&mut self, index: Index) -> &mut Knote {
        &mut self.places[index as usize]
    }
}
