//! Which calendars may be forgotten, and which first.

use crate::greylist::Secret;
use crate::{Block, Moment};
use std::collections::{BTreeSet, HashMap};

/// Calendars that hold no promise, by the moment at which they are as good as new, and by the network that opened them.
/// Every operation takes O(log n).
#[derive(Debug)]
pub(super) struct Shelf {
    all: BTreeSet<(Moment, u64)>,
    of_block: BTreeSet<(Block, Moment, u64)>,
    counts: HashMap<Block, usize, Secret>,
    /// Networks with more than one. Most have one only.
    by_count: BTreeSet<(usize, Block)>,
}

impl Shelf {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            all: BTreeSet::new(),
            of_block: BTreeSet::new(),
            counts: HashMap::with_hasher(secret),
            by_count: BTreeSet::new(),
        }
    }

    pub(super) fn put(&mut self, at: Moment, id: u64, block: Option<Block>) {
        self.all.insert((at, id));
        if let Some(block) = block {
            self.of_block.insert((block, at, id));
            self.count(block, |count| count + 1);
        }
    }

    pub(super) fn remove(&mut self, at: Moment, id: u64, block: Option<Block>) {
        self.all.remove(&(at, id));
        if let Some(block) = block {
            self.of_block.remove(&(block, at, id));
            self.count(block, |count| count - 1);
        }
    }

    fn count(&mut self, block: Block, change: impl FnOnce(usize) -> usize) {
        let before = self.counts.remove(&block).unwrap_or(0);
        let now = change(before);
        self.by_count.remove(&(before, block));
        if now > 1 {
            self.by_count.insert((now, block));
        }
        if now > 0 {
            self.counts.insert(block, now);
        }
    }

    /// The one that is as good as new first of all.
    pub(super) fn first(&self) -> Option<(Moment, u64)> {
        self.all.first().copied()
    }

    /// The one to forget when there is no room: of the network that opened most, and where none opened more than one, of
    /// all. None that `stays`.
    pub(super) fn spare(&self, stays: impl Fn(u64) -> bool) -> Option<u64> {
        let largest = self.by_count.last().map(|(_, block)| *block);
        let own = largest.and_then(|block| {
            let last = Moment::from_millis(i64::MAX);
            let from = (block, Moment::from_millis(i64::MIN), 0);
            let mut own = self.of_block.range(from..=(block, last, u64::MAX));
            own.find(|(_, _, id)| !stays(*id)).map(|(_, _, id)| *id)
        });
        own.or_else(|| {
            let mut all = self.all.iter();
            all.find(|(_, id)| !stays(*id)).map(|(_, id)| *id)
        })
    }
}
