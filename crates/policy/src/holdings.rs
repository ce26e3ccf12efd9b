//! Which block has how many rows, and which has most: so that a full table takes from whoever filled it.

use crate::{Block, greylist::Secret};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// Where a row lies.
pub(crate) type Place = u32;

/// No neighbour in a block's list.
const NONE: Place = Place::MAX;

/// The rows that each block holds, oldest first. Every operation takes O(log n) at most.
#[derive(Debug)]
pub(crate) struct Holdings {
    rows: Vec<Row>,
    blocks: HashMap<Block, Holding, Secret>,
    /// Blocks of more than one row, by size; of equal ones, the last is the one with the oldest row. Most blocks have one
    /// only, and would take a sixth of a table's memory here.
    by_size: BTreeSet<(u32, Reverse<u64>, Block)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    block: Block,
    /// Ascends from row to row.
    age: u64,
    older: Place,
    newer: Place,
}

/// The rows of one block.
#[derive(Clone, Copy, Debug)]
struct Holding {
    count: u32,
    oldest: Place,
    newest: Place,
}

impl Holdings {
    pub(crate) fn new(secret: Secret) -> Self {
        Self {
            rows: Vec::new(),
            blocks: HashMap::with_hasher(secret),
            by_size: BTreeSet::new(),
        }
    }

    /// Says whose row lies at `place`, which is one that was used before, or the next one; its block does not hold it
    /// yet.
    pub(crate) fn place(&mut self, place: Place, block: Block, age: u64) {
        let row = Row {
            block,
            age,
            older: NONE,
            newer: NONE,
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
        self.blocks
            .get(&block)
            .map_or(0, |holding| holding.count as usize)
    }

    /// The oldest row of `block`.
    pub(crate) fn oldest_in(&self, block: Block) -> Option<Place> {
        self.blocks.get(&block).map(|holding| holding.oldest)
    }

    /// The oldest row of the block that has most; `None` where none has more than one.
    pub(crate) fn oldest_of_largest(&self) -> Option<Place> {
        let (_, _, block) = self.by_size.last()?;
        self.oldest_in(*block)
    }

    /// The row's block holds it, as its newest.
    pub(crate) fn hold(&mut self, place: Place) {
        let block = self.rows[place as usize].block;
        let mut holding = self.unrank(block).unwrap_or(Holding {
            count: 0,
            oldest: NONE,
            newest: NONE,
        });
        let newest = holding.newest;
        self.join(&mut holding, newest, place);
        self.join(&mut holding, place, NONE);
        holding.count += 1;
        self.rank(block, holding);
    }

    /// The row's block, which held it, holds it no more.
    pub(crate) fn release(&mut self, place: Place) {
        let row = self.rows[place as usize];
        let Some(mut holding) = self.unrank(row.block) else {
            return;
        };
        self.join(&mut holding, row.older, row.newer);
        holding.count -= 1;
        if holding.count > 0 {
            self.rank(row.block, holding);
        }
    }

    /// Makes the two neighbours; `NONE` is the end of the list.
    fn join(&mut self, holding: &mut Holding, older: Place, newer: Place) {
        match older {
            NONE => holding.oldest = newer,
            place => self.rows[place as usize].newer = newer,
        }
        match newer {
            NONE => holding.newest = older,
            place => self.rows[place as usize].older = older,
        }
    }

    fn rank(&mut self, block: Block, holding: Holding) {
        if holding.count > 1 {
            self.by_size.insert(self.size(block, holding));
        }
        self.blocks.insert(block, holding);
    }

    fn unrank(&mut self, block: Block) -> Option<Holding> {
        let holding = self.blocks.remove(&block)?;
        if holding.count > 1 {
            self.by_size.remove(&self.size(block, holding));
        }
        Some(holding)
    }

    fn size(&self, block: Block, holding: Holding) -> (u32, Reverse<u64>, Block) {
        (holding.count, Reverse(self.age(holding.oldest)), block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
