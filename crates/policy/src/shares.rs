//! A table that nobody can fill alone: rows belong to blocks (/24, /48), and the largest block loses its oldest.

use crate::holdings::Holdings;
use crate::slab::{Place, Slab};
use crate::{Block, Moment, greylist::Secret};
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Rows by key, each with the moment at which it is due to be looked at. Every operation takes O(log n) at most.
#[derive(Debug)]
pub(crate) struct Shares<K, V> {
    slots: Slab<Slot<K, V>>,
    index: HashMap<K, Place, Secret>,
    dues: BTreeSet<(Moment, Place)>,
    holdings: Holdings,
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
}

impl<K: Copy + Eq + Hash, V: Copy> Shares<K, V> {
    pub(crate) fn new(secret: Secret, bounds: Bounds) -> Self {
        Self {
            slots: Slab::new(),
            index: HashMap::with_hasher(secret),
            dues: BTreeSet::new(),
            holdings: Holdings::new(secret),
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
        self.holdings.count(block) >= self.bounds.per_block
    }

    /// The oldest row of `block`.
    pub(crate) fn oldest_in(&self, block: Block) -> Option<K> {
        Some(self.slot(self.holdings.oldest_in(block)?).key)
    }

    /// Adds a row, as its block's newest, or replaces one.
    pub(crate) fn set(&mut self, key: K, block: Block, value: V, due: Moment) {
        self.remove(key);
        let place = self.slots.put(Slot { key, value, due });
        self.index.insert(key, place);
        self.dues.insert((due, place));
        self.holdings.place(place, block, self.next_age);
        self.holdings.hold(place);
        self.next_age += 1;
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
        self.holdings.release(place);
        let Slot { value, due, .. } = *self.slot(place);
        self.dues.remove(&(due, place));
        self.slots.free(place);
        Some(value)
    }

    /// The row whose moment came first, if it is over by `now`.
    pub(crate) fn over(&self, now: Moment) -> Option<(K, V)> {
        let &(_, place) = self.dues.first().filter(|&&(due, _)| now > due)?;
        let slot = self.slot(place);
        Some((slot.key, slot.value))
    }

    /// A row that is too many: the oldest of the block that has most; where all have one, the one that is due first.
    pub(crate) fn surplus(&self) -> Option<K> {
        if self.len() <= self.bounds.over_all {
            return None;
        }
        let due_first = || self.dues.first().map(|&(_, place)| place);
        let place = self.holdings.oldest_of_largest().or_else(due_first)?;
        Some(self.slot(place).key)
    }

    fn slot(&self, place: Place) -> &Slot<K, V> {
        &self.slots[place as usize]
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot<K, V> {
        &mut self.slots[place as usize]
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
