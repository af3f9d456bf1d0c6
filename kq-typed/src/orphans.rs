//! `Orphans`: detached registrations that have lost their knote, while a thread may have its last event in hand.
//!
//! The kernel does not say whether a knote that is not there any more went with its descriptor or with its last event,
//! which a thread may have received and not looked up yet. So the registration stays until every wait that was under way
//! has ended.

use std::collections::VecDeque;

use crate::flights::Flights;
use crate::key::Key;

/// The most that stay. A thread that sleeps in a wait for long keeps them all, so beyond that the oldest goes: its event
/// was looked up long ago, if it had one.
const MOST: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Orphans {
    /// Each with the number of turns after which the waits of its time have ended, the oldest first.
    keys: VecDeque<(usize, Key)>,
}

impl Orphans {
    pub(crate) fn push(&mut self, key: Key, flights: &Flights) {
        // A wait that is under way is of this phase or of the one before.
        self.keys.push_back((flights.turns().wrapping_add(2), key));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The oldest, if its time is over.
    pub(crate) fn pop_over(&mut self, flights: &Flights) -> Option<Key> {
        let (over_at, key) = *self.keys.front()?;
        let turns_left = over_at.wrapping_sub(flights.turns());
        // At most two are ever left; what is more has passed.
        if self.keys.len() <= MOST && (1..=2).contains(&turns_left) {
            return None;
        }
        self.keys.pop_front();
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Key {
        Key { serial: 0, queue: 0, slot }
    }

    #[test]
    fn it_goes_after_two_turns() {
        let (mut orphans, flights) = (Orphans::default(), Flights::default());
        orphans.push(key(1), &flights);
        assert_eq!(orphans.pop_over(&flights), None);
        assert!(flights.turn());
        orphans.push(key(2), &flights);
        assert_eq!(orphans.pop_over(&flights), None);
        assert!(flights.turn());
        assert_eq!(orphans.pop_over(&flights), Some(key(1)));
        assert_eq!(orphans.pop_over(&flights), None);
        assert!(flights.turn() && flights.turn());
        assert_eq!(orphans.pop_over(&flights), Some(key(2)));
        assert!(orphans.is_empty());
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let (mut orphans, flights) = (Orphans::default(), Flights::default());
        let _flight = flights.begin();
        for slot in 0..1000 {
            orphans.push(key(slot), &flights);
            let oldest = slot.checked_sub(MOST as u32).map(key);
            assert_eq!(orphans.pop_over(&flights), oldest);
        }
    }
}
