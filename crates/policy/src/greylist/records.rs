//! The triplets' records: found by key, ended in order of time, and shed from the largest block.

use super::Moment;
use super::index::Index;
use super::key::{Key, Secret};
use super::rule::Record;
use crate::Block;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// Where a record lies.
pub(super) type Place = u32;

/// No neighbour in a block's list.
const NONE: Place = Place::MAX;

/// Every record in one slab. Every operation takes O(log n) at most.
///
/// A pending record hangs in the list of its block, oldest first; one that passed is in no list, since its network
/// has shown that it comes back.
#[derive(Debug)]
pub(super) struct Records {
    slots: Vec<Slot>,
    free: Vec<Place>,
    index: Index,
    /// Further keys of a record, beside the one in its slot: most have none, so a slot has no room for them.
    further: BTreeSet<(Place, Key)>,
    pending: Ends,
    passed: Ends,
    blocks: HashMap<Block, Holding, Secret>,
    /// Blocks of more than one, by size; of equal ones, the last is the one with the oldest record. Most blocks have
    /// one only: to find the oldest of those, `pending` will do.
    by_size: BTreeSet<(u32, Reverse<u64>, Block)>,
}

/// Places by the moment their record ends.
type Ends = BTreeSet<(Moment, Place)>;

#[derive(Debug)]
struct Slot {
    key: Key,
    id: u64,
    record: Record,
    block: Block,
    older: Place,
    newer: Place,
}

/// The pending records of one block.
#[derive(Clone, Copy, Debug)]
struct Holding {
    count: u32,
    oldest: Place,
    newest: Place,
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
            blocks: HashMap::with_hasher(secret),
            by_size: BTreeSet::new(),
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
        self.slot(place).id
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn passed(&self) -> usize {
        self.passed.len()
    }

    pub(super) fn pending_in(&self, block: Block) -> usize {
        self.blocks
            .get(&block)
            .map_or(0, |holding| holding.count as usize)
    }

    /// Adds a record whose key is not there yet, and says where it lies. Ids ascend from call to call.
    pub(super) fn insert(&mut self, key: Key, id: u64, block: Block, record: Record) -> Place {
        let slot = Slot {
            key,
            id,
            record,
            block,
            older: NONE,
            newer: NONE,
        };
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
            // It keeps its place in its block's list.
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
        self.blocks.get(&block).map(|holding| holding.oldest)
    }

    /// The oldest pending record of the block that has most; where all have one, the one that ends first.
    pub(super) fn oldest_of_largest(&self) -> Option<Place> {
        match self.by_size.last() {
            Some((_, _, block)) => self.oldest_in(*block),
            None => self.pending.first().map(|&(_, place)| place),
        }
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
            self.link(place);
        }
    }

    fn unlist(&mut self, place: Place) {
        let record = self.get(place);
        if record.passed.is_some() {
            self.passed.remove(&(record.until, place));
        } else {
            self.pending.remove(&(record.until, place));
            self.unlink(place);
        }
    }

    /// Hangs the record into its block's list, as the newest.
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
        let Slot {
            block,
            older,
            newer,
            ..
        } = *self.slot(place);
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
        if holding.count > 1 {
            let age = Reverse(self.slot(holding.oldest).id);
            self.by_size.insert((holding.count, age, block));
        }
        self.blocks.insert(block, holding);
    }

    fn unrank(&mut self, block: Block) -> Option<Holding> {
        let holding = self.blocks.remove(&block)?;
        if holding.count > 1 {
            let age = Reverse(self.slot(holding.oldest).id);
            self.by_size.remove(&(holding.count, age, block));
        }
        Some(holding)
    }
}
