//! Rows found by what they are hashed to: a map without entries of its own.

use crate::slab::{NOWHERE, Place};

/// A row that may stand in a chain.
pub(crate) trait Chained {
    /// The row behind it.
    fn next(&self) -> Place;
    fn set_next(&mut self, next: Place);
}

/// Chains of rows, one row each in the mean, linked in the rows themselves. So a row takes eight octets here, and what
/// it is found by stands in it only.
///
/// There is a further chain for each further row, made of an earlier one (linear hashing): no row's coming has all of
/// them hashed anew, as where a table doubles, and nothing is kept for rows that never come. The hash must be keyed, or
/// strangers would choose one chain.
#[derive(Debug)]
pub(crate) struct Chains {
    heads: Vec<Place>,
    len: usize,
}

impl Chains {
    pub(crate) fn new() -> Self {
        Self {
            heads: vec![NOWHERE],
            len: 0,
        }
    }

    /// The row of this hash that is it.
    pub(crate) fn find<T: Chained>(
        &self,
        rows: &[T],
        hash: u64,
        is: impl Fn(&T) -> bool,
    ) -> Option<Place> {
        let mut place = self.heads[self.chain(hash)];
        while let Some(row) = rows.get(place as usize) {
            if is(row) {
                return Some(place);
            }
            place = row.next();
        }
        None
    }

    /// Adds a row that is in no chain.
    pub(crate) fn insert<T: Chained>(
        &mut self,
        rows: &mut [T],
        place: Place,
        hash: impl Fn(&T) -> u64,
    ) {
        self.put_first(rows, place, &hash);
        self.len += 1;
        if self.len > self.heads.len() {
            self.split(rows, hash);
        }
    }

    /// Takes out a row that is there.
    pub(crate) fn remove<T: Chained>(&mut self, rows: &mut [T], place: Place, hash: u64) {
        let next = rows[place as usize].next();
        let chain = self.chain(hash);
        if self.heads[chain] == place {
            self.heads[chain] = next;
        } else {
            let mut before = self.heads[chain];
            while rows[before as usize].next() != place {
                before = rows[before as usize].next();
            }
            rows[before as usize].set_next(next);
        }
        self.len -= 1;
    }

    /// One more chain, with its share of the rows of the one it is split from.
    fn split<T: Chained>(&mut self, rows: &mut [T], hash: impl Fn(&T) -> u64) {
        let new = self.heads.len();
        self.heads.push(NOWHERE);
        let mut place = std::mem::replace(&mut self.heads[below(new)], NOWHERE);
        while let Some(row) = rows.get(place as usize) {
            let next = row.next();
            self.put_first(rows, place, &hash);
            place = next;
        }
    }

    fn put_first<T: Chained>(&mut self, rows: &mut [T], place: Place, hash: impl Fn(&T) -> u64) {
        let chain = self.chain(hash(&rows[place as usize]));
        let next = std::mem::replace(&mut self.heads[chain], place);
        rows[place as usize].set_next(next);
    }

    fn chain(&self, hash: u64) -> usize {
        let chains = self.heads.len();
        let chain = hash as usize & (chains.next_power_of_two() - 1);
        if chain < chains { chain } else { below(chain) }
    }
}

/// The chain that this one is split from.
fn below(chain: usize) -> usize {
    chain & !(1 << chain.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    struct Row {
        name: u64,
        next: Place,
    }

    impl Chained for Row {
        fn next(&self) -> Place {
            self.next
        }

        fn set_next(&mut self, next: Place) {
            self.next = next;
        }
    }

    /// Few hashes, so that chains are long.
    fn hash(name: u64) -> u64 {
        name % 13
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_is_found_until_it_goes(names in prop::collection::vec(0..60u64, 1..300)) {
            let (mut rows, mut chains) = (Vec::new(), Chains::new());
            let mut there = BTreeMap::new();
            for name in names {
                if let Some(place) = there.remove(&name) {
                    chains.remove(&mut rows, place, hash(name));
                } else {
                    let place = rows.len() as Place;
                    rows.push(Row { name, next: NOWHERE });
                    chains.insert(&mut rows, place, |row| hash(row.name));
                    there.insert(name, place);
                }
                for name in 0..60 {
                    let found = chains.find(&rows, hash(name), |row| row.name == name);
                    prop_assert_eq!(found, there.get(&name).copied());
                }
            }
        }
    }

    #[test]
    fn chains_stay_short() {
        let (mut rows, mut chains) = (Vec::new(), Chains::new());
        let scattered = |name: u64| name.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
        for name in 0..10_000 {
            rows.push(Row {
                name,
                next: NOWHERE,
            });
            chains.insert(&mut rows, name as Place, |row| scattered(row.name));
        }
        let longest = chains.heads.iter().map(|&head| {
            let next = |row: &&Row| rows.get(row.next as usize);
            std::iter::successors(rows.get(head as usize), next).count()
        });
        assert!(longest.max() <= Some(12), "one in the mean");
    }
}
