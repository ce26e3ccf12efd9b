//! The triplets' records: found by key, ended in order of time, and shed from the largest block.

use super::Moment;
use super::index::Index;
use super::key::{Key, Secret};
use super::rule::Record;
use crate::Block;
use crate::holdings::Holdings;
pub(super) use crate::holdings::Place;
use std::collections::BTreeSet;

/// Every record in one slab. Every operation takes O(log n) at most.
///
/// A pending record is held by its block; one that passed is held by none, since its network has shown that it comes back.
#[derive(Debug)]
pub(super) struct Records {
    slots: Vec<Slot>,
    free: Vec<Place>,
    index: Index,
    /// Further keys of a record, beside the one in its slot: most have none, so a slot has no room for them.
    further: BTreeSet<(Place, Key)>,
    pending: Ends,
    passed: Ends,
    /// A record's age there is its id: its name in the store.
    holdings: Holdings,
}

/// Places by the moment their record ends.
type Ends = BTreeSet<(Moment, Place)>;

#[derive(Debug)]
struct Slot {
    key: Key,
    record: Record,
}

impl Records {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: Index::new(secret),
            further: BTreeSet::new(),
            pending: Ends::new(),
            passed: Ends::new(),
            holdings: Holdings::new(secret),
        }
    }

    pub(super) fn find(&self, key: Key) -> Option<Place> {
        self.index.find(key, |place| {
            self.slot(place).key == key || self.further.contains(&(place, key))
        })
    }

    pub(super) fn get(&self, place: Place) -> Record {
        self.slot(place).record
    }

    /// The record's name in the store.
    pub(super) fn id(&self, place: Place) -> u64 {
        self.holdings.age(place)
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn passed(&self) -> usize {
        self.passed.len()
    }

    pub(super) fn pending_in(&self, block: Block) -> usize {
        self.holdings.count(block)
    }

    /// Adds a record whose key is not there yet, and says where it lies. Ids ascend from call to call.
    pub(super) fn insert(&mut self, key: Key, id: u64, block: Block, record: Record) -> Place {
        let slot = Slot { key, record };
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
        self.holdings.place(place, block, id);
        self.index.insert(key, place);
        self.list(place);
        place
    }

    /// Lets the record be found by one more key, which finds nothing yet.
    pub(super) fn add_key(&mut self, place: Place, key: Key) {
        self.index.insert(key, place);
        self.further.insert((place, key));
    }

    /// All keys that find the record.
    pub(super) fn keys(&self, place: Place) -> impl Iterator<Item = Key> + '_ {
        let all = (place, Key::LEAST)..=(place, Key::GREATEST);
        let further = self.further.range(all).map(|&(_, key)| key);
        std::iter::once(self.slot(place).key).chain(further)
    }

    /// Replaces what is remembered.
    pub(super) fn set(&mut self, place: Place, record: Record) {
        let old = self.get(place);
        if old.passed.is_none() && record.passed.is_none() {
            // It keeps its place among its block's.
            self.pending.remove(&(old.until, place));
            self.pending.insert((record.until, place));
            self.slot_mut(place).record = record;
        } else {
            self.unlist(place);
            self.slot_mut(place).record = record;
            self.list(place);
        }
    }

    /// Removes a record, and says which.
    pub(super) fn remove(&mut self, place: Place) -> u64 {
        self.unlist(place);
        let id = self.id(place);
        while let Some(key) = self.keys(place).last() {
            self.index.remove(key);
            if !self.further.remove(&(place, key)) {
                break;
            }
        }
        self.free.push(place);
        id
    }

    /// The record that ended first, if any has by `now`.
    pub(super) fn ended(&self, now: Moment) -> Option<Place> {
        let over = |ends: &Ends| ends.first().copied().filter(|&(until, _)| now > until);
        over(&self.pending)
            .or_else(|| over(&self.passed))
            .map(|(_, place)| place)
    }

    /// The oldest pending record of `block`.
    pub(super) fn oldest_in(&self, block: Block) -> Option<Place> {
        self.holdings.oldest_in(block)
    }

    /// The oldest pending record of the block that has most; where all have one, the one that ends first.
    pub(super) fn oldest_of_largest(&self) -> Option<Place> {
        let ends_first = || self.pending.first().map(|&(_, place)| place);
        self.holdings.oldest_of_largest().or_else(ends_first)
    }

    /// Of the records that passed, the one that ends first.
    pub(super) fn stalest_passed(&self) -> Option<Place> {
        self.passed.first().map(|&(_, place)| place)
    }

    fn slot(&self, place: Place) -> &Slot {
        &self.slots[place as usize]
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot {
        &mut self.slots[place as usize]
    }

    fn list(&mut self, place: Place) {
        let record = self.get(place);
        if record.passed.is_some() {
            self.passed.insert((record.until, place));
        } else {
            self.pending.insert((record.until, place));
            self.holdings.hold(place);
        }
    }

    fn unlist(&mut self, place: Place) {
        let record = self.get(place);
        if record.passed.is_some() {
            self.passed.remove(&(record.until, place));
        } else {
            self.pending.remove(&(record.until, place));
            self.holdings.release(place);
        }
    }
}
