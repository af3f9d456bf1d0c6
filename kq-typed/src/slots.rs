//! `Slots`: the values behind the knotes, found by the udata that an event hands back.
//!
//! udata is never an address: it is the index of a slot and the slot's generation, which grows with every registration
//! that the slot has had. What an old event says about a slot that has a new tenant does not fit, and is dropped.

use kq::{Change, Event, Filter};

use crate::flights::Flights;
use crate::key::Key;
use crate::orphans::Orphans;

/// How udata divides into the index of a slot (the low bits) and its generation (above them).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    /// The first generation, and what the next one adds: a slot's udata is never below it.
    first_generation: usize,
    last_generation: usize,
}

impl Split {
    /// What pointers of this machine have room for.
    #[cfg(target_pointer_width = "64")]
    pub(crate) const NATIVE: Split = Split::new(32, 32);
    #[cfg(not(target_pointer_width = "64"))]
    pub(crate) const NATIVE: Split = Split::NARROW;

    /// What 32 bits have room for.
    #[cfg(any(test, not(target_pointer_width = "64")))]
    pub(crate) const NARROW: Split = Split::new(20, 12);

    pub(crate) const fn new(index_bits: u32, generation_bits: u32) -> Split {
        assert!(index_bits + generation_bits <= usize::BITS);
        assert!(index_bits >= 1 && generation_bits >= 1);
        let last_generation = (usize::MAX >> (usize::BITS - generation_bits)) << index_bits;
        Split { first_generation: 1 << index_bits, last_generation }
    }

    const fn index(self, udata: usize) -> usize {
        udata & (self.first_generation - 1)
    }

    const fn is_last_generation(self, udata: usize) -> bool {
        udata & !(self.first_generation - 1) == self.last_generation
    }

    /// How many slots have an index, apart from the one that ends a list.
    fn most_slots(self) -> usize {
        self.first_generation.min(List::END as usize)
    }
}

/// The udata of the queue's own waker: of generation 0, which no slot has.
pub(crate) const WAKER_UDATA: usize = 1;

/// What a knote is to the kernel: there is at most one for each of these.
pub(crate) type Place = (usize, Filter);

/// The place that a change speaks of.
pub(crate) fn place_of(change: &Change) -> Place {
    (change.ident(), change.filter())
}

/// One registration.
// In this order, since an event needs what comes first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Registered<V> {
    pub(crate) value: V,
    /// The knote as it was last added or modified, udata included: several kernels store all of it again whatever the
    /// action. Changed by [`Slots::store`].
    pub(crate) change: Change,
    pub(crate) knote: Knote,
    /// The queue owns the registration.
    pub(crate) detached: bool,
    /// The knote was added again, perhaps by a thread that did not know yet that another one had received its last
    /// event.
    pub(crate) added_again: bool,
}

/// What has become of a registration's knote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knote {
    /// The kernel has it, as far as is known.
    There,
    /// The kernel deleted it with its last event, which waits for its turn in a batch.
    Fired,
    /// It went with its descriptor, whose number is another file's now.
    Gone,
}

/// What an event needs of it is in one line of the cache.
#[derive(Debug)]
#[repr(C, align(64))]
struct Slot<V> {
    serial: u64,
    content: Content<V>,
}

#[derive(Debug)]
enum Content<V> {
    /// With the udata that the next knote is to carry: the generation and the slot's index.
    Vacant { next: u32, udata: usize },
    /// The knote carries the udata of its change.
    Taken(Registered<V>),
}

/// A list of vacant slots, linked through them.
#[derive(Debug)]
struct List {
    first: u32,
}

impl List {
    const END: u32 = u32::MAX;
    const EMPTY: List = List { first: List::END };

    fn is_empty(&self) -> bool {
        self.first == List::END
    }
}

/// The slots of one queue.
#[derive(Debug)]
pub(crate) struct Slots<V> {
    queue: u32,
    split: Split,
    slots: Vec<Slot<V>>,
    free: List,
    /// Slots whose generations are used up, since the flights' last turn.
    resting: List,
    /// Those from before it, which may be used again when the waits of the last phase have ended.
    leaving: List,
    orphans: Orphans,
}

impl<V> Slots<V> {
    pub(crate) fn new(queue: u32, split: Split) -> Slots<V> {
        Slots {
            queue,
            split,
            slots: Vec::new(),
            free: List::EMPTY,
            resting: List::EMPTY,
            leaving: List::EMPTY,
            orphans: Orphans::default(),
        }
    }

    /// Takes a slot for a value, and for the knote that `change` adds: its udata is in the change that is returned.
    ///
    /// Gives the value back if there is no slot left.
    pub(crate) fn insert(
        &mut self,
        value: V,
        change: Change,
        detached: bool,
        flights: &Flights,
    ) -> Result<(Key, Change), V> {
        let Some((index, udata, slot)) = self.vacant(flights) else {
            return Err(value);
        };
        let change = change.udata(udata);
        slot.content = Content::Taken(Registered { value, change, knote: Knote::There, detached, added_again: false });
        Ok((Key { serial: slot.serial, queue: self.queue, slot: index }, change))
    }

    /// A slot that is in no list, with its index and the udata of its next knote.
    fn vacant(&mut self, flights: &Flights) -> Option<(u32, usize, &mut Slot<V>)> {
        if self.free.is_empty() {
            self.end_rests(flights);
        }
        let (index, udata) = match pop(&mut self.slots, &mut self.free) {
            Some(vacant) => vacant,
            None => self.grow()?,
        };
        Some((index, udata, self.slots.get_mut(index as usize)?))
    }

    /// A slot more.
    fn grow(&mut self) -> Option<(u32, usize)> {
        let index = self.slots.len();
        if index >= self.split.most_slots() {
            return None;
        }
        let number = u32::try_from(index).ok()?;
        let udata = self.split.first_generation | index;
        self.slots.push(Slot { serial: 0, content: Content::Vacant { next: List::END, udata } });
        Some((number, udata))
    }

    /// Lets slots start from their first generation again, if no wait can still hold an event of an old one.
    fn end_rests(&mut self, flights: &Flights) {
        // Twice: with no wait under way at all, those that rest since the last turn may go too.
        for _ in 0..2 {
            if self.leaving.is_empty() && self.resting.is_empty() || !self.turn(flights) {
                return;
            }
        }
    }

    /// Starts the next phase of the waits, if the last one is over, and so are the rests of its time.
    fn turn(&mut self, flights: &Flights) -> bool {
        if !flights.turn() {
            return false;
        }
        while let Some((index, _)) = pop(&mut self.slots, &mut self.leaving) {
            push(&mut self.slots, &mut self.free, index, self.split.first_generation | index as usize);
        }
        self.leaving = std::mem::replace(&mut self.resting, List::EMPTY);
        true
    }

    /// Leaves a detached registration without a knote to itself until the waits that are under way have ended.
    pub(crate) fn orphan(&mut self, key: Key, flights: &Flights) {
        self.orphans.push(key, flights);
    }

    /// Ends an orphan whose time is over, and gives it.
    pub(crate) fn next_orphan(&mut self, flights: &Flights) -> Option<Registered<V>> {
        loop {
            let mut over = self.orphans.pop_over(flights);
            while over.is_none() && !self.orphans.is_empty() && self.turn(flights) {
                over = self.orphans.pop_over(flights);
            }
            let key = over?;
            // With its last event in a batch it is over when that has had its turn.
            if self.get(key).is_some_and(|it| it.knote == Knote::Gone) {
                return self.remove(key);
            }
        }
    }

    /// Whether there are registrations that wait for their end.
    pub(crate) fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Registered<V>> {
        let slot = self.slots.get(key.slot as usize)?;
        match &slot.content {
            Content::Taken(registered) if self.is_of(slot, key) => Some(registered),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Registered<V>> {
        self.get(key)?;
        match &mut self.slots.get_mut(key.slot as usize)?.content {
            Content::Taken(registered) => Some(registered),
            Content::Vacant { .. } => None,
        }
    }

    /// Stores a registration's change anew; its udata stays.
    pub(crate) fn store(&mut self, key: Key, change: Change) {
        if let Some(registered) = self.get_mut(key) {
            registered.change = change.udata(registered.change.get_udata());
        }
    }

    fn is_of(&self, slot: &Slot<V>, key: Key) -> bool {
        slot.serial == key.serial && self.queue == key.queue
    }

    /// The registration that an event is of: the one whose knote carries its udata and has its ident and filter.
    #[inline(always)]
    pub(crate) fn of_event(&mut self, event: &Event) -> Option<(Key, &mut Registered<V>)> {
        let (key, it) = self.of_udata(event.udata())?;
        (place_of(&it.change) == (event.ident(), event.filter())).then_some((key, it))
    }

    /// The registration whose knote carries this udata.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // the index of a slot fits, see `grow`
    pub(crate) fn of_udata(&mut self, udata: usize) -> Option<(Key, &mut Registered<V>)> {
        let index = self.split.index(udata);
        let slot = self.slots.get_mut(index)?;
        match &mut slot.content {
            Content::Taken(it) if it.change.get_udata() == udata => {
                Some((Key { serial: slot.serial, queue: self.queue, slot: index as u32 }, it))
            }
            _ => None,
        }
    }

    /// Ends a registration: its key, and the udata of its knote, name nothing from now on.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Registered<V>> {
        self.get(key)?;
        let slot = self.slots.get_mut(key.slot as usize)?;
        let Content::Taken(registered) = &slot.content else {
            return None;
        };
        let udata = registered.change.get_udata();
        let (list, udata) = match self.split.is_last_generation(udata) {
            true => (&mut self.resting, udata),
            false => (&mut self.free, udata + self.split.first_generation),
        };
        let vacant = Content::Vacant { next: std::mem::replace(&mut list.first, key.slot), udata };
        slot.serial += 1;
        match std::mem::replace(&mut slot.content, vacant) {
            Content::Taken(registered) => Some(registered),
            Content::Vacant { .. } => None,
        }
    }

    /// Ends all registrations and gives their values.
    pub(crate) fn clear(&mut self) -> Vec<V> {
        let cleared = std::mem::replace(self, Slots::new(self.queue, self.split));
        let taken = |slot: Slot<V>| match slot.content {
            Content::Taken(registered) => Some(registered.value),
            Content::Vacant { .. } => None,
        };
        cleared.slots.into_iter().filter_map(taken).collect()
    }
}

fn push<V>(slots: &mut [Slot<V>], list: &mut List, index: u32, udata: usize) {
    if let Some(slot) = slots.get_mut(index as usize) {
        slot.content = Content::Vacant { next: std::mem::replace(&mut list.first, index), udata };
    }
}

/// Takes the first slot out of a list, and gives the udata that is kept in it.
fn pop<V>(slots: &mut [Slot<V>], list: &mut List) -> Option<(u32, usize)> {
    let index = list.first;
    match slots.get(index as usize)?.content {
        Content::Vacant { next, udata } => {
            list.first = next;
            Some((index, udata))
        }
        Content::Taken(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn slots(split: Split) -> (Slots<u32>, Flights) {
        (Slots::new(0, split), Flights::default())
    }

    fn change() -> Change {
        Change::signal(1)
    }

    /// Registers and ends, and gives the udata that the knote had.
    fn round(slots: &mut Slots<u32>, flights: &Flights) -> Option<usize> {
        let (key, change) = slots.insert(0, change(), false, flights).ok()?;
        slots.remove(key).unwrap();
        Some(change.get_udata())
    }

    #[test]
    fn splits_keep_index_and_generation_apart() {
        for split in [Split::NATIVE, Split::NARROW, Split::new(4, 2)] {
            let (mut slots, flights) = slots(split);
            let (first, a) = slots.insert(1, change(), false, &flights).unwrap();
            let (second, b) = slots.insert(2, change(), false, &flights).unwrap();
            assert_eq!(split.index(a.get_udata()), 0);
            assert_eq!(split.index(b.get_udata()), 1);
            assert_eq!(slots.get(first).unwrap().value, 1);
            assert_eq!(slots.get(second).unwrap().value, 2);
            assert!(a.get_udata() > WAKER_UDATA && b.get_udata() > WAKER_UDATA);
        }
    }

    #[test]
    #[cfg(all(linux, target_pointer_width = "64"))]
    fn a_slot_is_a_line_of_the_cache() {
        use std::any::Any;
        use std::sync::Arc;
        assert_eq!(std::mem::size_of::<Slot<Arc<u32>>>(), 64);
        assert_eq!(std::mem::size_of::<Slot<Option<Arc<dyn Any>>>>(), 64);
    }

    #[test]
    fn what_is_stored_keeps_the_udata() {
        let (mut slots, flights) = slots(Split::NATIVE);
        let (key, change) = slots.insert(1, change(), false, &flights).unwrap();
        slots.store(key, Change::signal(1).udata(99).clear());
        let (found, registered) = slots.of_udata(change.get_udata()).unwrap();
        assert_eq!(found, key);
        assert_eq!(registered.change, change.clear());
    }

    #[test]
    fn the_split_of_32_bits_fits_them() {
        let split = Split::NARROW;
        assert_eq!(split.most_slots(), 1 << 20);
        let (mut slots, flights) = slots(split);
        let mut highest = 0;
        // One slot through all its generations, and once around.
        for _ in 0..5000 {
            highest = highest.max(round(&mut slots, &flights).unwrap());
        }
        assert_eq!(highest, 0xfff << 20);
        assert_eq!(slots.slots.len(), 1);
    }

    #[test]
    fn there_are_as_many_slots_as_indices_and_no_more() {
        let (mut slots, flights) = slots(Split::new(3, 8));
        let keys: Vec<Key> = (0..8).map(|i| slots.insert(i, change(), false, &flights).unwrap().0).collect();
        assert_eq!(slots.insert(99, change(), false, &flights), Err(99));
        assert_eq!(slots.remove(keys[3]).unwrap().value, 3);
        let (key, _) = slots.insert(99, change(), false, &flights).unwrap();
        assert_eq!(slots.get(key).unwrap().value, 99);
        assert!(slots.get(keys[3]).is_none());
        assert!(slots.remove(keys[3]).is_none());
    }

    #[test]
    fn no_udata_comes_twice_while_a_wait_is_under_way() {
        let (mut slots, flights) = slots(Split::new(4, 2));
        let flight = flights.begin();
        let mut seen = HashSet::new();
        // 16 slots of 3 generations each, then all rest.
        while let Some(udata) = round(&mut slots, &flights) {
            assert!(seen.insert(udata), "{udata:#x} a second time");
        }
        assert_eq!(seen.len(), 16 * 3);
        drop(flight);
        assert!(seen.contains(&round(&mut slots, &flights).unwrap()));
    }

    #[test]
    fn slots_go_on_while_waits_overlap_without_end() {
        let (mut slots, flights) = slots(Split::new(2, 1));
        let mut flight = flights.begin();
        for _ in 0..1000 {
            round(&mut slots, &flights).expect("a slot whose rest is over");
            // The next wait begins before the last one ends: there is always one under way.
            let next = flights.begin();
            drop(std::mem::replace(&mut flight, next));
        }
    }

    #[test]
    fn a_slot_rests_for_the_waits_of_its_time_only() {
        let (mut slots, flights) = slots(Split::new(1, 1));
        let old = flights.begin();
        let first = round(&mut slots, &flights).unwrap();
        let second = round(&mut slots, &flights).unwrap();
        assert_ne!(first, second);
        assert_eq!(round(&mut slots, &flights), None);
        let young = flights.begin();
        assert_eq!(round(&mut slots, &flights), None);
        drop(old);
        // `young` began when the slots were resting already.
        assert!(round(&mut slots, &flights).is_some());
        drop(young);
    }

    #[test]
    fn keys_are_never_given_out_twice() {
        let (mut slots, flights) = slots(Split::new(2, 1));
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            let (key, _) = slots.insert(0, change(), false, &flights).unwrap();
            assert!(seen.insert(key));
            slots.remove(key).unwrap();
            assert!(slots.get(key).is_none());
        }
    }

    #[test]
    fn the_keys_of_another_queue_name_nothing() {
        let flights = Flights::default();
        let (mut one, mut other) = (Slots::new(1, Split::NATIVE), Slots::new(2, Split::NATIVE));
        let (key, _) = one.insert("one", change(), false, &flights).unwrap();
        let _ = other.insert("other", change(), false, &flights).unwrap();
        assert!(one.get(key).is_some());
        assert!(other.get(key).is_none());
        assert!(other.get_mut(key).is_none());
        assert!(other.remove(key).is_none());
    }

    #[test]
    fn clearing_gives_the_values_and_leaves_nothing() {
        let (mut slots, flights) = slots(Split::NATIVE);
        let keys: Vec<Key> = (0..5).map(|i| slots.insert(i, change(), false, &flights).unwrap().0).collect();
        slots.remove(keys[2]);
        assert_eq!(slots.clear(), [0, 1, 3, 4]);
        assert!(keys.iter().all(|key| slots.get(*key).is_none()));
    }
}
