//! Numbers that are taken, as disjoint runs.

use std::collections::BTreeMap;
use std::ops::Range;

/// Runs that are looked at for one gap. Runs that touch are one, so only gaps that were too small are passed by: for
/// costs of 1 there are none.
const GAPS_MAX: usize = 1_024;

/// A set of numbers; O(log n) in its runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: BTreeMap<u64, u64>,
    count: u64,
}

impl Runs {
    /// Adds `start..start + len`, of which nothing is in it yet.
    pub(super) fn insert(&mut self, start: u64, len: u64) {
        let (mut start, mut end) = (start, start + len);
        self.count += len;
        if let Some(after) = self.runs.remove(&end) {
            end = after;
        }
        if let Some((&before, &touches)) = self.runs.range(..start).next_back()
            && touches == start
        {
            start = before;
        }
        self.runs.insert(start, end);
    }

    /// Takes `start..start + len` out, as far as it is in.
    pub(super) fn remove(&mut self, start: u64, len: u64) {
        let end = start + len;
        while let Some((&from, &to)) = self.runs.range(..end).next_back()
            && to > start
        {
            self.runs.remove(&from);
            self.count -= to.min(end) - from.max(start);
            if from < start {
                self.runs.insert(from, start);
            }
            if to > end {
                self.runs.insert(end, to);
            }
        }
    }

    /// Where the first gap of `len` begins, at `from` or later; `None` when it takes too long to find.
    pub(super) fn gap(&self, from: u64, len: u64) -> Option<u64> {
        let mut from = from;
        if let Some((_, &end)) = self.runs.range(..=from).next_back() {
            from = from.max(end);
        }
        for (looked, (&start, &end)) in self.runs.range(from..).enumerate() {
            if start - from >= len {
                break;
            }
            if looked == GAPS_MAX {
                return None;
            }
            from = end;
        }
        Some(from)
    }

    /// Takes the first run below `end` out, cut there.
    pub(super) fn pop_before(&mut self, end: u64) -> Option<(u64, u64)> {
        let (&start, &stop) = self.runs.first_key_value()?;
        if start >= end {
            return None;
        }
        self.runs.remove(&start);
        if stop > end {
            self.runs.insert(end, stop);
        }
        let stop = stop.min(end);
        self.count -= stop - start;
        Some((start, stop))
    }

    /// Where the first run of at least `len` begins.
    pub(super) fn run_of(&self, len: u64) -> Option<u64> {
        let mut runs = self.runs.iter().take(GAPS_MAX);
        runs.find(|(start, end)| **end - **start >= len)
            .map(|(&start, _)| start)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// From the first to the last.
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.runs.iter().map(|(&start, &end)| start..end)
    }

    /// How many numbers are in it.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The number behind the last one.
    pub(super) fn end(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(_, &end)| end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0u8..4, 0u64..40, 1u64..6), 0..80)) {
            let mut runs = Runs::default();
            let mut model = BTreeSet::new();
            for (step, at, len) in steps {
                match step {
                    0 | 1 => {
                        let gap = runs.gap(at, len).expect("few runs");
                        let first = (at..).find(|from| (*from..from + len).all(|n| !model.contains(&n)));
                        prop_assert_eq!(Some(gap), first);
                        runs.insert(gap, len);
                        model.extend(gap..gap + len);
                    }
                    2 => {
                        runs.remove(at, len);
                        model.retain(|n| !(at..at + len).contains(n));
                    }
                    _ => {
                        let popped = runs.pop_before(at);
                        prop_assert_eq!(popped.map(|run| run.0), model.first().copied().filter(|n| *n < at));
                        if let Some((start, end)) = popped {
                            prop_assert!(end <= at && (start..end).all(|n| model.remove(&n)));
                        }
                    }
                }
                let row = |from: &u64| (*from..*from + len).all(|n| model.contains(&n));
                prop_assert_eq!(runs.run_of(len).is_some(), model.iter().any(row));
                prop_assert!(runs.run_of(len).is_none_or(|from| row(&from)));
                prop_assert_eq!(runs.count(), model.len() as u64);
                prop_assert_eq!(runs.end(), model.last().map(|n| n + 1));
            }
        }
    }
}
