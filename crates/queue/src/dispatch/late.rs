//! Things to be passed over for a moment, because what removes them may be on its way.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use crate::plan;

/// So many are remembered; beyond that the oldest are forgotten early.
const MAX: usize = 100_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Late<K> {
    until: BTreeMap<K, SystemTime>,
    order: VecDeque<(SystemTime, K)>,
}

impl<K> Default for Late<K> {
    fn default() -> Self {
        Self {
            until: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Ord + Clone> Late<K> {
    pub(super) fn add(&mut self, key: K, now: SystemTime, time: Duration) {
        let until = plan::later(now, time);
        self.until.insert(key.clone(), until);
        self.order.push_back((until, key));
        while self.order.len() > MAX || self.order.front().is_some_and(|(until, _)| *until <= now) {
            let Some((until, key)) = self.order.pop_front() else {
                return;
            };
            if self.until.get(&key) == Some(&until) {
                self.until.remove(&key);
            }
        }
    }

    pub(super) fn has(&self, key: &K, now: SystemTime) -> bool {
        self.until.get(key).is_some_and(|until| now < *until)
    }

    /// The clock went back: nothing is passed over for longer than `time` from now.
    pub(super) fn clamp(&mut self, now: SystemTime, time: Duration) {
        let end = plan::later(now, time);
        for until in self.until.values_mut() {
            *until = end.min(*until);
        }
        for (until, _) in &mut self.order {
            *until = end.min(*until);
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.until.remove(key);
    }
}
