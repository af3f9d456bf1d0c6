//! The hash of the index: of an ident and a filter, by a key of each index's own.
//!
//! std's hash takes text of any length, and with that takes as long as the rest of the look-up. Idents may come from
//! outside, as those of user events and timers: so that nobody can choose some that meet, the key is a secret.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Makes hashers with one key.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    start: u64,
    factor: u64,
}

impl Keyed {
    /// With a key that nobody can know.
    pub(crate) fn new() -> Keyed {
        let random = RandomState::new();
        Keyed::with_key(random.hash_one(0), random.hash_one(1))
    }

    fn with_key(start: u64, factor: u64) -> Keyed {
        // Odd, so that a product by it loses nothing.
        Keyed { start, factor: factor | 1 }
    }
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    #[inline]
    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { state: self.start, factor: self.factor }
    }
}

/// Takes numbers of at most 64 bits, one after another.
pub(crate) struct KeyedHasher {
    state: u64,
    factor: u64,
}

impl KeyedHasher {
    /// Both halves of the product: the upper one depends on all bits below, the lower one on none above.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the lower half
    fn mix(&mut self, number: u64) {
        let product = u128::from(self.state ^ number) * u128::from(self.factor);
        self.state = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for KeyedHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    /// A filter, on most systems.
    #[inline]
    fn write_i16(&mut self, number: i16) {
        self.mix(number as u64);
    }

    /// A filter, on NetBSD.
    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let number = chunk.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            self.mix(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kq::Filter;
    use std::collections::HashSet;

    /// Keys as they might be drawn.
    fn keys() -> impl Iterator<Item = Keyed> {
        (0..8_u64)
            .map(|i| Keyed::with_key(0x9e37_79b9_7f4a_7c15_u64.rotate_left(i as u32 * 7), 0xd1b5_4a32_d192_ed03 << i))
    }

    /// How many places of a table of 4,096 some idents get, and how many of 128 tags: the lowest and the highest bits,
    /// as the table of std takes them.
    fn spread(hash: &Keyed, idents: impl Iterator<Item = usize>) -> (usize, usize) {
        let hashes: Vec<u64> = idents.map(|ident| hash.hash_one((ident, Filter::READ))).collect();
        let places: HashSet<u64> = hashes.iter().map(|hash| hash & 4_095).collect();
        let tags: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        (places.len(), tags.len())
    }

    #[test]
    fn idents_of_all_kinds_spread() {
        // 4,096 balls that fall at random into as many places leave a third of them empty.
        for hash in keys() {
            for shift in [0, 1, 3, 8, 12, usize::BITS - 13] {
                let (places, tags) = spread(&hash, (0..4_096).map(|ident| ident << shift));
                assert!(places > 2_000 && tags > 100, "{hash:?}, {shift}: {places} places, {tags} tags");
            }
        }
    }

    #[test]
    fn filters_of_one_ident_differ() {
        for hash in keys() {
            let filters = [Filter::READ, Filter::WRITE, Filter::VNODE, Filter::PROC, Filter::SIGNAL, Filter::TIMER];
            let hashes: HashSet<u64> = filters.iter().map(|filter| hash.hash_one((7_usize, *filter))).collect();
            assert_eq!(hashes.len(), filters.len());
        }
    }

    #[test]
    fn no_two_indexes_have_one_key() {
        let hashes: HashSet<u64> = (0..16).map(|_| Keyed::new().hash_one((7_usize, Filter::READ))).collect();
        assert_eq!(hashes.len(), 16);
    }
}
