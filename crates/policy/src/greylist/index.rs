//! From keys to places, in a third of the memory that a map of whole keys takes.

use super::key::{Key, Secret};
use super::records::Place;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// The place of each key. Of a key only 32 bits are held; the records know the rest.
#[derive(Debug)]
pub(super) struct Index {
    short: HashMap<u32, Place, Secret>,
    /// Keys whose short form was taken: of a million, about a hundred.
    crowded: BTreeMap<Key, Place>,
}

impl Index {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            short: HashMap::with_hasher(secret),
            crowded: BTreeMap::new(),
        }
    }

    /// The place of `key`; `holds` says whether a record has it.
    pub(super) fn find(&self, key: Key, holds: impl Fn(Place) -> bool) -> Option<Place> {
        let place = self.short.get(&key.short()).copied();
        let place = place.filter(|&place| holds(place));
        place.or_else(|| self.crowded.get(&key).copied())
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, key: Key, place: Place) {
        match self.short.entry(key.short()) {
            Entry::Vacant(entry) => {
                entry.insert(place);
            }
            Entry::Occupied(_) => {
                self.crowded.insert(key, place);
            }
        }
    }

    /// Removes a key that is there.
    pub(super) fn remove(&mut self, key: Key) {
        if self.crowded.remove(&key).is_none() {
            self.short.remove(&key.short());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_share_their_short_form_are_told_apart() {
        let [a, b, c] = [1, 2, 3].map(|rest| Key::of([7, rest]));
        assert_eq!(a.short(), c.short());
        let mut index = Index::new(Secret::new([1, 2]));
        let keys = [(10, a), (20, b), (30, c)];
        for (place, key) in keys {
            index.insert(key, place);
        }
        let find = |index: &Index, key| index.find(key, |place| keys.contains(&(place, key)));
        for (place, key) in keys {
            assert_eq!(find(&index, key), Some(place));
        }
        for gone in [b, a] {
            index.remove(gone);
            assert_eq!(find(&index, gone), None);
        }
        assert_eq!(find(&index, c), Some(30));
        index.insert(a, 10);
        assert_eq!(find(&index, a), Some(10));
        index.remove(c);
        assert_eq!(find(&index, c), None);
        assert_eq!(find(&index, a), Some(10));
    }
}
