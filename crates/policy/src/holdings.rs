//! Which block has how many rows, and which has most: so that a full table takes from whoever filled it.

use crate::chains::{Chained, Chains};
use crate::ring::{self, Ring, Ringed};
use crate::slab::{NOWHERE, Place};
use crate::{Block, greylist::Secret};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::hash::BuildHasher;

/// The rows that each block holds, oldest first. Every operation takes O(log n) at most.
///
/// A block is no entry of its own: its oldest row stands for it, and is found by it. Most blocks have one row only.
#[derive(Debug)]
pub(crate) struct Holdings {
    secret: Secret,
    rows: Vec<Row>,
    /// Each block's oldest row.
    blocks: Chains,
    /// The oldest rows of the blocks that have more than one, by how many; of equally many, the last is the oldest.
    by_size: BTreeSet<(u32, Reverse<u64>, Place)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    block: Block,
    /// Ascends from row to row.
    age: u64,
    /// Among its block's.
    ring: Ring,
    /// How many its block holds, where it is the oldest.
    count: u32,
    /// The next block's oldest, where it is its own block's.
    next: Place,
}

impl Ringed for Row {
    fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }
}

impl Chained for Row {
    fn next(&self) -> Place {
        self.next
    }

    fn set_next(&mut self, next: Place) {
        self.next = next;
    }
}

impl Holdings {
    pub(crate) fn new(secret: Secret) -> Self {
        Self {
            secret,
            rows: Vec::new(),
            blocks: Chains::new(),
            by_size: BTreeSet::new(),
        }
    }

    /// Says whose row lies at `place`, which is one that was used before, or the next one; its block does not hold it
    /// yet.
    pub(crate) fn place(&mut self, place: Place, block: Block, age: u64) {
        let row = Row {
            block,
            age,
            ring: Ring::NONE,
            count: 0,
            next: NOWHERE,
        };
        match self.rows.get_mut(place as usize) {
            Some(there) => *there = row,
            None => self.rows.push(row),
        }
    }

    pub(crate) fn age(&self, place: Place) -> u64 {
        self.rows[place as usize].age
    }

    /// How many rows `block` holds.
    pub(crate) fn count(&self, block: Block) -> usize {
        self.oldest_in(block)
            .map_or(0, |oldest| self.rows[oldest as usize].count as usize)
    }

    /// The oldest row of `block`.
    pub(crate) fn oldest_in(&self, block: Block) -> Option<Place> {
        let is = |row: &Row| row.block == block;
        self.blocks.find(&self.rows, hash(self.secret, block), is)
    }

    /// The oldest row of the block that has most; `None` where none has more than one.
    pub(crate) fn oldest_of_largest(&self) -> Option<Place> {
        self.by_size.last().map(|&(_, _, oldest)| oldest)
    }

    /// The row's block holds it, as its newest.
    pub(crate) fn hold(&mut self, place: Place) {
        let oldest = self.oldest_in(self.rows[place as usize].block);
        let count = oldest.map_or(0, |oldest| self.unrank(oldest));
        ring::append(&mut self.rows, oldest, place);
        if oldest.is_none() {
            self.lead(place);
        }
        self.rank(oldest.unwrap_or(place), count + 1);
    }

    /// The row's block, which held it, holds it no more.
    pub(crate) fn release(&mut self, place: Place) {
        let Row { block, .. } = self.rows[place as usize];
        let Some(oldest) = self.oldest_in(block) else {
            return;
        };
        let count = self.unrank(oldest);
        let left = ring::take_out(&mut self.rows, oldest, place);
        if oldest == place {
            let hash = hash(self.secret, block);
            self.blocks.remove(&mut self.rows, place, hash);
            left.into_iter().for_each(|oldest| self.lead(oldest));
        }
        if let Some(oldest) = left {
            self.rank(oldest, count - 1);
        }
    }

    /// From now on the row stands for its block.
    fn lead(&mut self, oldest: Place) {
        let secret = self.secret;
        let hash = |row: &Row| hash(secret, row.block);
        self.blocks.insert(&mut self.rows, oldest, hash);
    }

    fn rank(&mut self, oldest: Place, count: u32) {
        let row = &mut self.rows[oldest as usize];
        row.count = count;
        if count > 1 {
            self.by_size.insert((count, Reverse(row.age), oldest));
        }
    }

    /// Says how many rows the block of this one holds.
    fn unrank(&mut self, oldest: Place) -> u32 {
        let Row { count, age, .. } = self.rows[oldest as usize];
        if count > 1 {
            self.by_size.remove(&(count, Reverse(age), oldest));
        }
        count
    }
}

fn hash(secret: Secret, block: Block) -> u64 {
    secret.hash_one(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(last: u8) -> Block {
        Block::holding([192, 0, last, 1].into())
    }

    /// Rows at 0, 1, 2 … of these blocks.
    fn holding(blocks: &[u8]) -> Holdings {
        let mut holdings = Holdings::new(Secret::new([1, 2]));
        for (place, &last) in (0..).zip(blocks) {
            holdings.place(place, block(last), u64::from(place));
            holdings.hold(place);
        }
        holdings
    }

    #[test]
    fn the_largest_loses_its_oldest_and_of_equals_the_oldest() {
        let mut holdings = holding(&[1, 2, 3, 3, 2, 3]);
        let lost: Vec<_> = std::iter::from_fn(|| {
            let place = holdings.oldest_of_largest()?;
            holdings.release(place);
            Some(place)
        })
        .collect();
        assert_eq!(lost, [2, 1, 3], "3 has three; then 2's first is older");
        assert_eq!([1, 2, 3].map(|last| holdings.count(block(last))), [1; 3]);
    }

    #[test]
    fn a_row_that_is_held_again_is_its_blocks_newest() {
        let mut holdings = holding(&[1, 1, 1]);
        holdings.release(1);
        holdings.release(0);
        holdings.hold(0);
        assert_eq!(holdings.oldest_in(block(1)), Some(2));
        holdings.release(2);
        assert_eq!(holdings.oldest_in(block(1)), Some(0));
        holdings.release(0);
        assert_eq!(
            (holdings.count(block(1)), holdings.oldest_in(block(1))),
            (0, None)
        );
    }

    /// The same in plain lists: each block's rows, oldest first.
    type Model = std::collections::BTreeMap<u8, Vec<Place>>;

    fn oldest_of_largest(model: &Model) -> Option<Place> {
        let rank = |rows: &&Vec<Place>| (rows.len(), Reverse(rows.first().copied()));
        let largest = model
            .values()
            .filter(|rows| rows.len() > 1)
            .max_by_key(rank);
        largest.map(|rows| rows[0])
    }

    proptest! {
        /// Each step is a row that comes for a block, or one of those that are held that goes.
        #[test]
        fn rows_that_come_and_go_are_where_the_model_has_them(
            steps in prop::collection::vec((any::<bool>(), 0..6u8, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut holdings = holding(&[]);
            let mut model = Model::new();
            let mut rows: Vec<(u8, Place)> = Vec::new();
            let mut next = 0;
            for (comes, last, which) in steps {
                if comes || rows.is_empty() {
                    holdings.place(next, block(last), u64::from(next));
                    holdings.hold(next);
                    model.entry(last).or_default().push(next);
                    rows.push((last, next));
                    next += 1;
                } else {
                    let (last, place) = rows.swap_remove(which.index(rows.len()));
                    holdings.release(place);
                    model.entry(last).or_default().retain(|&row| row != place);
                }
                for last in 0..6 {
                    let held = model.get(&last).map_or(&[][..], |rows| rows);
                    prop_assert_eq!(holdings.count(block(last)), held.len());
                    prop_assert_eq!(holdings.oldest_in(block(last)), held.first().copied());
                }
                prop_assert_eq!(holdings.oldest_of_largest(), oldest_of_largest(&model));
            }
        }
    }
}
