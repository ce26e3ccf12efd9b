//! Destinations with as much mail in memory as may be: the rest is parked, and drawn as they drain.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::active::Active;
use super::lot::Lot;
use crate::{Destination, HoldKey};

#[derive(Debug)]
struct Entry {
    destination: Arc<Destination>,
    lot: Lot,
}

/// By the destination's text form, as in the parked rows.
#[derive(Debug, Default)]
pub(super) struct Busy(BTreeMap<String, Entry>);

impl Busy {
    /// Whether mail is parked for this destination: new mail goes behind it.
    pub(super) fn is(&self, destination: &Destination) -> bool {
        !self.0.is_empty() && self.0.contains_key(&destination.to_string())
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The lot of a destination that is busy from now on.
    pub(super) fn begin(&mut self, destination: &Arc<Destination>) -> (HoldKey, &mut Lot) {
        let name = destination.to_string();
        let key = HoldKey::Busy(name.clone());
        let new = || Entry {
            destination: Arc::clone(destination),
            lot: Lot::default(),
        };
        (key, &mut self.0.entry(name).or_insert_with(new).lot)
    }

    pub(super) fn lot(&mut self, name: &str) -> Option<&mut Lot> {
        self.0.get_mut(name).map(|entry| &mut entry.lot)
    }

    /// A destination after `last`, in turn, that has drained to half of `max` rows: its key, the mark of its lot, and
    /// how many rows there is room for.
    pub(super) fn wants_draw(
        &self,
        last: Option<&HoldKey>,
        active: &Active,
        max: usize,
    ) -> Option<(HoldKey, u64, usize)> {
        let candidate = |(name, entry): (&String, &Entry)| {
            let count = active.of(&entry.destination);
            let drained = count <= max / 2 && entry.lot.may_have();
            drained.then(|| {
                (
                    HoldKey::Busy(name.clone()),
                    entry.lot.mark(),
                    max.saturating_sub(count).max(1),
                )
            })
        };
        let after = match last {
            Some(HoldKey::Busy(last)) => {
                use std::ops::Bound::{Excluded, Unbounded};
                self.0
                    .range::<String, _>((Excluded(last), Unbounded))
                    .find_map(candidate)
            }
            _ => None,
        };
        after.or_else(|| self.0.iter().find_map(candidate))
    }

    /// Forgets it, if nothing is parked any more.
    pub(super) fn forget(&mut self, name: &str) {
        if self.0.get(name).is_some_and(|entry| entry.lot.is_empty()) {
            self.0.remove(name);
        }
    }
}
