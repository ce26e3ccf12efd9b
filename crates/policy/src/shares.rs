//! A table that nobody can fill alone: rows belong to blocks (/24, /48), and the largest block loses its oldest.

use crate::chains::{Chained, Chains};
use crate::ends::Ends;
use crate::holdings::Holdings;
use crate::ring::{Ring, Ringed};
use crate::slab::{NOWHERE, Place, Slab};
use crate::{Block, Moment, greylist::Secret};
use std::hash::{BuildHasher, Hash};

/// Rows by key, each with the moment at which it is due to be looked at. Every operation takes O(log n) at most.
#[derive(Debug)]
pub(crate) struct Shares<K, V> {
    slots: Slab<Slot<K, V>>,
    secret: Secret,
    index: Chains,
    dues: Ends,
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
    /// Among those that are due in the same minute.
    ring: Ring,
    /// In its chain.
    next: Place,
    /// It is no free one.
    lives: bool,
}

impl<K, V> Ringed for Slot<K, V> {
    fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }
}

impl<K, V> Chained for Slot<K, V> {
    fn next(&self) -> Place {
        self.next
    }

    fn set_next(&mut self, next: Place) {
        self.next = next;
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Shares<K, V> {
    pub(crate) fn new(secret: Secret, bounds: Bounds) -> Self {
        Self {
            slots: Slab::new(),
            secret,
            index: Chains::new(),
            dues: Ends::new(),
            holdings: Holdings::new(secret),
            next_age: 0,
            bounds: bounds.countable(),
        }
    }

    pub(crate) fn configure(&mut self, bounds: Bounds) {
        self.bounds = bounds.countable();
    }

    pub(crate) fn len(&self) -> usize {
        self.dues.len()
    }

    pub(crate) fn get(&self, key: K) -> Option<V> {
        Some(self.slot(self.find(key)?).value)
    }

    /// Rows in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, V)> {
        let lives = self.slots.iter().filter(|slot| slot.lives);
        lives.map(|slot| (slot.key, slot.value))
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
        let place = self.slots.put(Slot {
            key,
            value,
            due,
            ring: Ring::NONE,
            next: NOWHERE,
            lives: true,
        });
        let secret = self.secret;
        let hash = |slot: &Slot<K, V>| secret.hash_one(slot.key);
        self.index.insert(&mut self.slots, place, hash);
        self.dues.insert(&mut self.slots, place, due);
        self.holdings.place(place, block, self.next_age);
        self.holdings.hold(place);
        self.next_age += 1;
    }

    /// Changes a row in its place, if it is there: its block's list stays as it was.
    pub(crate) fn update(&mut self, key: K, value: V, due: Moment) {
        let Some(place) = self.find(key) else {
            return;
        };
        let before = self.slot(place).due;
        let slot = self.slot_mut(place);
        slot.value = value;
        slot.due = due;
        if due != before {
            self.dues.remove(&mut self.slots, place, before);
            self.dues.insert(&mut self.slots, place, due);
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.find(key)?;
        self.holdings.release(place);
        let Slot { value, due, .. } = *self.slot(place);
        self.dues.remove(&mut self.slots, place, due);
        let hash = self.secret.hash_one(key);
        self.index.remove(&mut self.slots, place, hash);
        self.slot_mut(place).lives = false;
        self.slots.free(place);
        Some(value)
    }

    /// The row whose moment came first, to the minute, if it is over by `now`.
    pub(crate) fn over(&self, now: Moment) -> Option<(K, V)> {
        let slot = self.slot(self.dues.first()?);
        (now > slot.due).then_some((slot.key, slot.value))
    }

    /// A row that is too many: the oldest of the block that has most; where all have one, the one that is due first.
    pub(crate) fn surplus(&self) -> Option<K> {
        if self.len() <= self.bounds.over_all {
            return None;
        }
        let due_first = || self.dues.first();
        let place = self.holdings.oldest_of_largest().or_else(due_first)?;
        Some(self.slot(place).key)
    }

    fn find(&self, key: K) -> Option<Place> {
        let hash = self.secret.hash_one(key);
        self.index.find(&self.slots, hash, |slot| slot.key == key)
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
