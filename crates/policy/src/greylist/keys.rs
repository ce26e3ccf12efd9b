//! What finds the records: any of a record's keys.

use super::key::Key;
use crate::chains::{Chained, Chains};
use crate::slab::{NOWHERE, Place, Slab};

/// Every key of every record.
#[derive(Debug)]
pub(super) struct Keys {
    cells: Slab<Cell>,
    chains: Chains,
}

#[derive(Debug)]
struct Cell {
    key: Key,
    /// In its chain.
    next: Place,
    behind: Behind,
}

/// What stands behind a key: a further key of the same record, or, behind the last one, the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behind(u32);

enum Is {
    Key(Place),
    Record(Place),
}

impl Behind {
    /// Marks a record.
    const RECORD: u32 = 1 << 31;

    pub(super) const fn record(place: Place) -> Self {
        Self(place | Self::RECORD)
    }

    const fn is(self) -> Is {
        match self.0 & Self::RECORD {
            0 => Is::Key(self.0),
            _ => Is::Record(self.0 & !Self::RECORD),
        }
    }
}

impl Chained for Cell {
    fn next(&self) -> Place {
        self.next
    }

    fn set_next(&mut self, next: Place) {
        self.next = next;
    }
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            cells: Slab::new(),
            chains: Chains::new(),
        }
    }

    /// The record that has this key.
    pub(super) fn find(&self, key: Key) -> Option<Place> {
        let is = |cell: &Cell| cell.key == key;
        let mut cell = self.chains.find(&self.cells, key.hash(), is)?;
        loop {
            match self.cells[cell as usize].behind.is() {
                Is::Key(further) => cell = further,
                Is::Record(place) => return Some(place),
            }
        }
    }

    /// Adds a key that finds nothing yet, before what its record has (the record itself, where it has none). Says what
    /// the record has then.
    pub(super) fn add(&mut self, key: Key, behind: Behind) -> Behind {
        let next = NOWHERE;
        let place = self.cells.put(Cell { key, next, behind });
        let hash = |cell: &Cell| cell.key.hash();
        self.chains.insert(&mut self.cells, place, hash);
        Behind(place)
    }

    /// The keys that a record has.
    pub(super) fn of(&self, has: Behind) -> impl Iterator<Item = Key> + '_ {
        let cell = |behind: Behind| match behind.is() {
            Is::Key(place) => Some(&self.cells[place as usize]),
            Is::Record(_) => None,
        };
        let further = move |before: &&Cell| cell(before.behind);
        std::iter::successors(cell(has), further).map(|cell| cell.key)
    }

    /// Removes all keys that a record has.
    pub(super) fn remove(&mut self, has: Behind) {
        let mut has = has;
        while let Is::Key(place) = has.is() {
            let Cell { key, behind, .. } = self.cells[place as usize];
            self.chains.remove(&mut self.cells, place, key.hash());
            self.cells.free(place);
            has = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_share_a_hash_are_told_apart() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|rest| Key::of([7, rest << 32]));
        assert_eq!(a.hash(), d.hash());
        let mut keys = Keys::new();
        let one = keys.add(a, Behind::record(10));
        let one = keys.add(b, one);
        let other = keys.add(c, Behind::record(20));
        let found = |keys: &Keys| [a, b, c, d].map(|key| keys.find(key));
        assert_eq!(found(&keys), [Some(10), Some(10), Some(20), None]);
        assert_eq!(keys.of(one).collect::<Vec<_>>(), [b, a]);
        keys.remove(one);
        assert_eq!(found(&keys), [None, None, Some(20), None]);
        let other = keys.add(a, other);
        keys.add(d, Behind::record(0));
        assert_eq!(found(&keys), [Some(20), None, Some(20), Some(0)]);
        keys.remove(other);
        assert_eq!(found(&keys), [None, None, None, Some(0)]);
    }
}
