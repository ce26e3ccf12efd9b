//! What is counted against each client.

use super::key::PairKey;
use super::{Offender, Settings};
use crate::greylist::Secret;
use crate::shares::{Bounds, Shares};
use crate::stats::day_of;
use crate::{Block, Moment};
use ipnet::IpNet;
use std::collections::HashMap;

/// Pairs that are kept of one client. The more there are, the more have to come back before it is off the list.
pub const PAIRS_KEPT: usize = 8;

/// One pair that never came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) id: u64,
    pub(super) client: IpNet,
    pub(super) told: Moment,
}

/// The counts, by pair and by client.
#[derive(Debug)]
pub(super) struct Tallies {
    rows: Shares<PairKey, Counted>,
    by_client: HashMap<IpNet, Vec<(PairKey, Moment)>, Secret>,
}

fn bounds(settings: &Settings) -> Bounds {
    Bounds {
        per_block: settings.max_counted_per_network,
        over_all: settings.max_counted,
    }
}

impl Tallies {
    pub(super) fn new(settings: &Settings, secret: Secret) -> Self {
        Self {
            rows: Shares::new(secret, bounds(settings)),
            by_client: HashMap::with_hasher(secret),
        }
    }

    pub(super) fn configure(&mut self, settings: &Settings) {
        self.rows.configure(bounds(settings));
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Counts a pair, or not, for want of room. Ids of what is no longer counted, this one's among them if it isn't,
    /// go into `gone`.
    pub(super) fn add(
        &mut self,
        key: PairKey,
        counted: Counted,
        settings: &Settings,
        gone: &mut Vec<u64>,
    ) {
        gone.extend(self.remove(key));
        let held = self.by_client.get(&counted.client);
        if let Some(least) = held.and_then(|pairs| least_missed(pairs)) {
            gone.extend(self.remove(least));
        }
        let block = Block::of(counted.client);
        if self.rows.is_full(block) {
            gone.push(counted.id);
            return;
        }
        let ends = counted.told.after(settings.remembered_for);
        self.rows.set(key, block, counted, ends);
        self.by_client
            .entry(counted.client)
            .or_default()
            .push((key, counted.told));
        while let Some(surplus) = self.rows.surplus() {
            gone.extend(self.remove(surplus));
        }
    }

    /// Takes a count back; says which it was.
    pub(super) fn remove(&mut self, key: PairKey) -> Option<u64> {
        let counted = self.rows.remove(key)?;
        if let Some(pairs) = self.by_client.get_mut(&counted.client) {
            pairs.retain(|(other, _)| *other != key);
            if pairs.is_empty() {
                self.by_client.remove(&counted.client);
            }
        }
        Some(counted.id)
    }

    /// Takes all counts back that stand against `client`; ids of them.
    pub(super) fn clear(&mut self, client: IpNet) -> Vec<u64> {
        let pairs = self.by_client.remove(&client).unwrap_or_default();
        pairs
            .into_iter()
            .filter_map(|(key, _)| self.rows.remove(key))
            .map(|counted| counted.id)
            .collect()
    }

    /// A count whose time is over.
    pub(super) fn over(&self, now: Moment) -> Option<PairKey> {
        self.rows.over(now).map(|(key, _)| key)
    }

    /// Clients with a count, in order.
    pub(super) fn clients(&self) -> Vec<IpNet> {
        let mut clients: Vec<_> = self.by_client.keys().copied().collect();
        clients.sort_unstable();
        clients
    }

    /// What stands against `client` at `now`.
    pub(super) fn offender(
        &self,
        client: IpNet,
        settings: &Settings,
        now: Moment,
    ) -> Option<Offender> {
        let pairs = self.by_client.get(&client)?;
        let lives = |told: &Moment| now <= told.after(settings.remembered_for);
        let mut told: Vec<_> = pairs
            .iter()
            .map(|(_, told)| *told)
            .filter(|told| lives(told))
            .collect();
        told.sort_unstable();
        let (first, last) = (*told.first()?, *told.last()?);
        let mut days: Vec<_> = told.iter().map(|told| day_of(*told)).collect();
        days.dedup();
        let enough_pairs = settings.pairs.clamp(1, PAIRS_KEPT);
        let enough_days = settings.days.clamp(1, enough_pairs);
        Some(Offender {
            client,
            pairs: told.len(),
            days: days.len(),
            first,
            last,
            listed: told.len() >= enough_pairs && days.len() >= enough_days,
        })
    }
}

/// Of a client with as many pairs as are kept, the one to go: the oldest of the day that has most, so that the days
/// stay as many as can be.
fn least_missed(pairs: &[(PairKey, Moment)]) -> Option<PairKey> {
    if pairs.len() < PAIRS_KEPT {
        return None;
    }
    let of_day = |told: Moment| {
        pairs
            .iter()
            .filter(|(_, other)| day_of(*other) == day_of(told))
            .count()
    };
    pairs
        .iter()
        .max_by_key(|(key, told)| (of_day(*told), std::cmp::Reverse((*told, *key))))
        .map(|(key, _)| *key)
}
