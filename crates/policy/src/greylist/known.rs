//! KnownOrigins and domains that came back, the one unused for longest first.

use super::key::Secret;
use super::origin::Origin;
use super::rule::Known;
use super::{Change, Moment, Settings, Stored};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Origins that passed at least once.
#[derive(Debug)]
pub(super) struct KnownOrigins {
    rows: HashMap<Origin, Row, Secret>,
    by_use: BTreeSet<(Moment, Origin)>,
    for_good: usize,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    known: Known,
    /// The last use that the store was told of.
    told: Moment,
}

/// A later use is told to the store only after so long: a busy one would be written every second otherwise.
/// What a crash forgets of 36 days is this.
fn grain(settings: &Settings) -> Duration {
    (settings.known_for / 256).min(Duration::from_secs(3600))
}

impl KnownOrigins {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            rows: HashMap::with_hasher(secret),
            by_use: BTreeSet::new(),
            for_good: 0,
        }
    }

    pub(super) fn get(&self, origin: &Origin) -> Option<Known> {
        self.rows.get(origin).map(|row| row.known)
    }

    /// Those that are let in without a wait.
    pub(super) fn for_good(&self) -> usize {
        self.for_good
    }

    /// Sets what is remembered of `origin`, and says what the store has to know of it.
    pub(super) fn set(
        &mut self,
        origin: Origin,
        known: Known,
        settings: &Settings,
        changes: &mut Vec<Change>,
    ) {
        let old = self.rows.get(&origin).copied();
        let tell = old.is_none_or(|old| {
            old.known.passes != known.passes || known.last_used.since(old.told) >= grain(settings)
        });
        if tell {
            changes.push(Change::Keep(Stored::Known {
                origin: origin.clone(),
                known,
            }));
        }
        let told = match old {
            Some(old) if !tell => old.told,
            _ => known.last_used,
        };
        self.put(origin, Row { known, told }, settings);
        self.shed(settings, changes);
    }

    /// Takes a row over that the store has already.
    pub(super) fn restore(&mut self, origin: Origin, known: Known, settings: &Settings) {
        let told = known.last_used;
        self.put(origin, Row { known, told }, settings);
    }

    fn put(&mut self, origin: Origin, row: Row, settings: &Settings) {
        if let Some(old) = self.rows.insert(origin.clone(), row) {
            self.by_use.remove(&(old.known.last_used, origin.clone()));
            self.for_good -= usize::from(old.known.is_good(settings));
        }
        self.by_use.insert((row.known.last_used, origin));
        self.for_good += usize::from(row.known.is_good(settings));
    }

    /// Forgets the one unused for longest if its time is over. Says whether it did.
    pub(super) fn sweep_one(
        &mut self,
        settings: &Settings,
        now: Moment,
        changes: &mut Vec<Change>,
    ) -> bool {
        let over = self
            .by_use
            .first()
            .is_some_and(|(last_used, _)| now > last_used.after(settings.known_for));
        over && self.forget_oldest(settings, changes)
    }

    fn forget_oldest(&mut self, settings: &Settings, changes: &mut Vec<Change>) -> bool {
        let oldest = self.by_use.first().map(|(_, origin)| origin.clone());
        oldest.is_some_and(|origin| self.forget(&origin, settings, changes))
    }

    /// Makes it a stranger again. Says whether it was known.
    pub(super) fn forget(
        &mut self,
        origin: &Origin,
        settings: &Settings,
        changes: &mut Vec<Change>,
    ) -> bool {
        let Some((origin, row)) = self.rows.remove_entry(origin) else {
            return false;
        };
        self.by_use.remove(&(row.known.last_used, origin.clone()));
        self.for_good -= usize::from(row.known.is_good(settings));
        changes.push(Change::Forget { origin });
        true
    }

    /// Counts anew and cuts down to size: once at a reload, so a walk over all is no matter.
    pub(super) fn configure(&mut self, settings: &Settings, changes: &mut Vec<Change>) {
        let good = |row: &&Row| row.known.is_good(settings);
        self.for_good = self.rows.values().filter(good).count();
        self.shed(settings, changes);
    }

    /// Forgets those unused for longest, down to the bound.
    pub(super) fn shed(&mut self, settings: &Settings, changes: &mut Vec<Change>) {
        while self.rows.len() > settings.max_known.max(1) {
            self.forget_oldest(settings, changes);
        }
    }
}
