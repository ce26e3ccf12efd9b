//! A table that nobody can fill alone: rows belong to blocks (/24, /48), and the largest block loses its oldest.

use crate::{Block, Moment, greylist::Secret};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Where a row lies.
type Place = u32;

/// No neighbour in a block's list.
const NONE: Place = Place::MAX;

/// Rows by key, each with the moment at which it is due to be looked at. Every operation takes O(log n) at most.
#[derive(Debug)]
pub(crate) struct Shares<K, V> {
    slots: Vec<Slot<K, V>>,
    free: Vec<Place>,
    index: HashMap<K, Place, Secret>,
    dues: BTreeSet<(Moment, Place)>,
    blocks: HashMap<Block, Holding, Secret>,
    /// Blocks by size; of equal ones, the last is the one with the oldest row.
    by_size: BTreeSet<(u32, Reverse<u64>, Block)>,
    next_age: u64,
    bounds: Bounds,
}

/// How many rows there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Of one block.
    pub(crate) per_block: usize,
    /// Of all.
    pub(crate) over_all: usize,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    value: V,
    due: Moment,
    age: u64,
    block: Block,
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

impl<K: Copy + Eq + Hash, V: Copy> Shares<K, V> {
    pub(crate) fn new(secret: Secret, bounds: Bounds) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashMap::with_hasher(secret),
            dues: BTreeSet::new(),
            blocks: HashMap::with_hasher(secret),
            by_size: BTreeSet::new(),
            next_age: 0,
            bounds: bounds.countable(),
        }
    }

    pub(crate) fn configure(&mut self, bounds: Bounds) {
        self.bounds = bounds.countable();
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn get(&self, key: K) -> Option<V> {
        let place = self.index.get(&key)?;
        Some(self.slot(*place).value)
    }

    /// Rows in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, V)> {
        self.index.iter().map(|(key, place)| {
            let slot = self.slot(*place);
            (*key, slot.value)
        })
    }

    /// Whether `block` has its share: one more row is too many.
    pub(crate) fn is_full(&self, block: Block) -> bool {
        let held = self.blocks.get(&block).map_or(0, |holding| holding.count);
        held as usize >= self.bounds.per_block
    }

    /// The oldest row of `block`.
    pub(crate) fn oldest_in(&self, block: Block) -> Option<K> {
        let oldest = self.blocks.get(&block)?.oldest;
        Some(self.slot(oldest).key)
    }

    /// Adds a row, as its block's newest, or replaces one.
    pub(crate) fn set(&mut self, key: K, block: Block, value: V, due: Moment) {
        self.remove(key);
        let slot = Slot {
            key,
            value,
            due,
            age: self.next_age,
            block,
            older: NONE,
            newer: NONE,
        };
        self.next_age += 1;
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = slot;
                place
            }
            None => {
                let place = self.slots.len() as Place;
                self.slots.push(slot);
                place
            }
        };
        self.index.insert(key, place);
        self.dues.insert((due, place));
        self.link(place);
    }

    /// Changes a row in its place, if it is there: its block's list stays as it was.
    pub(crate) fn update(&mut self, key: K, value: V, due: Moment) {
        let Some(&place) = self.index.get(&key) else {
            return;
        };
        let before = self.slot(place).due;
        self.dues.remove(&(before, place));
        self.dues.insert((due, place));
        let slot = self.slot_mut(place);
        slot.value = value;
        slot.due = due;
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.index.remove(&key)?;
        self.unlink(place);
        let Slot { value, due, .. } = *self.slot(place);
        self.dues.remove(&(due, place));
        self.free.push(place);
        Some(value)
    }

    /// The row whose moment came first, if it is over by `now`.
    pub(crate) fn over(&self, now: Moment) -> Option<(K, V)> {
        let &(_, place) = self.dues.first().filter(|&&(due, _)| now > due)?;
        let slot = self.slot(place);
        Some((slot.key, slot.value))
    }

    /// A row that is too many: the oldest of the block that has most.
    pub(crate) fn surplus(&self) -> Option<K> {
        if self.len() <= self.bounds.over_all {
            return None;
        }
        let &(_, _, block) = self.by_size.last()?;
        self.oldest_in(block)
    }

    fn slot(&self, place: Place) -> &Slot<K, V> {
        &self.slots[place as usize]
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot<K, V> {
        &mut self.slots[place as usize]
    }

    /// Hangs the row into its block's list, as the newest.
    fn link(&mut self, place: Place) {
        let block = self.slot(place).block;
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

    fn unlink(&mut self, place: Place) {
        let slot = self.slot(place);
        let (block, older, newer) = (slot.block, slot.older, slot.newer);
        let Some(mut holding) = self.unrank(block) else {
            return;
        };
        self.join(&mut holding, older, newer);
        holding.count -= 1;
        if holding.count > 0 {
            self.rank(block, holding);
        }
    }

    /// Makes the two neighbours; `NONE` is the end of the list.
    fn join(&mut self, holding: &mut Holding, older: Place, newer: Place) {
        match older {
            NONE => holding.oldest = newer,
            place => self.slot_mut(place).newer = newer,
        }
        match newer {
            NONE => holding.newest = older,
            place => self.slot_mut(place).older = older,
        }
    }

    fn rank(&mut self, block: Block, holding: Holding) {
        let age = Reverse(self.slot(holding.oldest).age);
        self.by_size.insert((holding.count, age, block));
        self.blocks.insert(block, holding);
    }

    fn unrank(&mut self, block: Block) -> Option<Holding> {
        let holding = self.blocks.remove(&block)?;
        let age = Reverse(self.slot(holding.oldest).age);
        self.by_size.remove(&(holding.count, age, block));
        Some(holding)
    }
}

impl Bounds {
    /// Rows are counted in 32 bits.
    fn countable(self) -> Self {
        const MOST: usize = 1 << 30;
        Self {
            per_block: self.per_block.min(MOST),
            over_all: self.over_all.min(MOST),
        }
    }
}
