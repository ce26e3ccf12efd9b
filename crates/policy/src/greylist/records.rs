//! The triplets' records: found by key, ended in order of time, and shed from the largest block.

use super::Moment;
use super::key::{Key, Secret};
use super::keys::{Behind, Keys};
use super::rule::Record;
use crate::Block;
use crate::ends::Ends;
use crate::holdings::Holdings;
use crate::ring::{Ring, Ringed};
pub(super) use crate::slab::Place;
use crate::slab::Slab;

/// Every record in one slab. Every operation takes O(log n) at most.
///
/// A pending record is held by its block; one that passed is held by none, since its network has shown that it comes back.
#[derive(Debug)]
pub(super) struct Records {
    slots: Slab<Slot>,
    keys: Keys,
    pending: Ends,
    passed: Ends,
    /// A record's age there is its id: its name in the store.
    holdings: Holdings,
}

#[derive(Debug)]
struct Slot {
    record: Record,
    keys: Behind,
    /// Among those that end in the same minute.
    ring: Ring,
}

impl Ringed for Slot {
    fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }
}

impl Records {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            slots: Slab::new(),
            keys: Keys::new(),
            pending: Ends::new(),
            passed: Ends::new(),
            holdings: Holdings::new(secret),
        }
    }

    pub(super) fn find(&self, key: Key) -> Option<Place> {
        self.keys.find(key)
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
        let keys = self.keys.add(key, Behind::record(self.slots.next()));
        let ring = Ring::NONE;
        let place = self.slots.put(Slot { record, keys, ring });
        self.holdings.place(place, block, id);
        self.list(place);
        place
    }

    /// Lets the record be found by one more key, which finds nothing yet.
    pub(super) fn add_key(&mut self, place: Place, key: Key) {
        let has = self.slot(place).keys;
        self.slot_mut(place).keys = self.keys.add(key, has);
    }

    /// All keys that find the record.
    pub(super) fn keys(&self, place: Place) -> impl Iterator<Item = Key> + '_ {
        self.keys.of(self.slot(place).keys)
    }

    /// Replaces what is remembered.
    pub(super) fn set(&mut self, place: Place, record: Record) {
        let old = self.get(place);
        if old.passed.is_none() && record.passed.is_none() {
            // It keeps its place among its block's.
            self.slot_mut(place).record = record;
            if old.until != record.until {
                self.pending.remove(&mut self.slots, place, old.until);
                self.pending.insert(&mut self.slots, place, record.until);
            }
        } else {
            self.unlist(place);
            self.slot_mut(place).record = record;
            self.list(place);
        }
    }

    /// Removes a record, and says which.
    pub(super) fn remove(&mut self, place: Place) -> u64 {
        self.unlist(place);
        let keys = self.slot(place).keys;
        self.keys.remove(keys);
        self.slots.free(place);
        self.id(place)
    }

    /// The record that ended first, if any has by `now`; to the minute.
    pub(super) fn ended(&self, now: Moment) -> Option<Place> {
        let over = |ends: &Ends| ends.first().filter(|&place| self.get(place).expired(now));
        over(&self.pending).or_else(|| over(&self.passed))
    }

    /// The oldest pending record of `block`.
    pub(super) fn oldest_in(&self, block: Block) -> Option<Place> {
        self.holdings.oldest_in(block)
    }

    /// The oldest pending record of the block that has most; where all have one, the one that ends first.
    pub(super) fn oldest_of_largest(&self) -> Option<Place> {
        let ends_first = || self.pending.first();
        self.holdings.oldest_of_largest().or_else(ends_first)
    }

    /// Of the records that passed, the one that ends first; to the minute.
    pub(super) fn stalest_passed(&self) -> Option<Place> {
        self.passed.first()
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
            self.passed.insert(&mut self.slots, place, record.until);
        } else {
            self.pending.insert(&mut self.slots, place, record.until);
            self.holdings.hold(place);
        }
    }

    fn unlist(&mut self, place: Place) {
        let record = self.get(place);
        if record.passed.is_some() {
            self.passed.remove(&mut self.slots, place, record.until);
        } else {
            self.pending.remove(&mut self.slots, place, record.until);
            self.holdings.release(place);
        }
    }
}
