//! Networks and domains that came back, the one unused for longest first.

use super::key::Secret;
use super::origin::Origin;
use super::rule::Known;
use super::{Change, Moment, Settings, Stored};
use crate::chains::{Chained, Chains};
use crate::ends::Ends;
use crate::ring::{Ring, Ringed};
use crate::slab::{NOWHERE, Place, Slab};
use std::hash::BuildHasher;
use std::time::Duration;

/// Origins that passed at least once.
#[derive(Debug)]
pub(super) struct KnownOrigins {
    secret: Secret,
    rows: Slab<Row>,
    by_origin: Chains,
    by_use: Ends,
    for_good: usize,
}

/// Laid out to be small: there may be a million.
#[derive(Debug)]
struct Row {
    /// `None`: the row is free.
    origin: Option<Origin>,
    last_used: Moment,
    /// So much of it the store was not told. Weeks fit, and it is told by the hour.
    untold_millis: u32,
    passes: u32,
    /// Among those used in the same minute.
    ring: Ring,
    /// In its chain.
    next: Place,
    for_good: bool,
}

impl Row {
    fn new(origin: Origin, known: Known, told: Moment) -> Self {
        let untold = known.last_used.since(told).as_millis();
        Self {
            origin: Some(origin),
            last_used: known.last_used,
            untold_millis: u32::try_from(untold).unwrap_or(u32::MAX),
            passes: known.passes,
            ring: Ring::NONE,
            next: NOWHERE,
            for_good: known.for_good,
        }
    }

    /// The last use that the store was told of.
    fn told(&self) -> Moment {
        let untold = Duration::from_millis(u64::from(self.untold_millis));
        self.last_used.before(untold)
    }

    const fn known(&self) -> Known {
        Known {
            passes: self.passes,
            last_used: self.last_used,
            for_good: self.for_good,
        }
    }

    fn is(&self, origin: &Origin) -> bool {
        self.origin.as_ref() == Some(origin)
    }
}

impl Ringed for Row {
    fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }
}

impl Chained for Row {
    fn next(&self) -> Place {
        self.next
    }

    fn set_next(&mut self, next: Place) {
        self.next = next;
    }
}

/// Rows are counted in 32 bits.
const ROWS_MAX: usize = 1 << 30;

/// A later use is told to the store only after so long: a busy one would be written every second otherwise.
/// What a crash forgets of 36 days is this.
fn grain(settings: &Settings) -> Duration {
    (settings.known_for / 256).min(Duration::from_secs(3600))
}

impl KnownOrigins {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            secret,
            rows: Slab::new(),
            by_origin: Chains::new(),
            by_use: Ends::new(),
            for_good: 0,
        }
    }

    pub(super) fn get(&self, origin: &Origin) -> Option<Known> {
        self.find(origin).map(|place| self.row(place).known())
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
        let old = self.find(&origin).map(|place| self.row(place));
        let tell = old.is_none_or(|old| {
            old.passes != known.passes
                || old.for_good != known.for_good
                || known.last_used.since(old.told()) >= grain(settings)
        });
        let told = match old {
            Some(old) if !tell => old.told(),
            _ => known.last_used,
        };
        if tell {
            changes.push(Change::Keep(Stored::Known {
                origin: origin.clone(),
                known,
            }));
        }
        self.put(Row::new(origin, known, told), settings);
        self.shed(settings, changes);
    }

    /// Takes a row over that the store has already.
    pub(super) fn restore(&mut self, origin: Origin, known: Known, settings: &Settings) {
        self.put(Row::new(origin, known, known.last_used), settings);
    }

    /// Adds the row, or replaces its origin's.
    fn put(&mut self, row: Row, settings: &Settings) {
        let (last_used, is_good) = (row.last_used, row.known().is_good(settings));
        let there = row.origin.as_ref().and_then(|origin| self.find(origin));
        let place = match there {
            Some(place) => {
                self.unlist(place, settings);
                let next = self.row(place).next;
                self.rows[place as usize] = Row { next, ..row };
                place
            }
            None => {
                let place = self.rows.put(row);
                let secret = self.secret;
                let hash = |row: &Row| hash(secret, row.origin.as_ref());
                self.by_origin.insert(&mut self.rows, place, hash);
                place
            }
        };
        self.by_use.insert(&mut self.rows, place, last_used);
        self.for_good += usize::from(is_good);
    }

    fn unlist(&mut self, place: Place, settings: &Settings) {
        let known = self.row(place).known();
        self.by_use.remove(&mut self.rows, place, known.last_used);
        self.for_good -= usize::from(known.is_good(settings));
    }

    /// Forgets the one unused for longest if its time is over. Says whether it did.
    pub(super) fn sweep_one(
        &mut self,
        settings: &Settings,
        now: Moment,
        changes: &mut Vec<Change>,
    ) -> bool {
        let oldest = self.by_use.first();
        let over = oldest.filter(|&place| self.row(place).known().expired(settings, now));
        over.map(|place| self.forget_row(place, settings, changes))
            .is_some()
    }

    /// Makes it a stranger again. Says whether it was known.
    pub(super) fn forget(
        &mut self,
        origin: &Origin,
        settings: &Settings,
        changes: &mut Vec<Change>,
    ) -> bool {
        let place = self.find(origin);
        place
            .map(|place| self.forget_row(place, settings, changes))
            .is_some()
    }

    fn forget_row(&mut self, place: Place, settings: &Settings, changes: &mut Vec<Change>) {
        self.unlist(place, settings);
        let hash = hash(self.secret, self.row(place).origin.as_ref());
        self.by_origin.remove(&mut self.rows, place, hash);
        self.rows.free(place);
        let origin = self.rows[place as usize].origin.take();
        let forgotten = origin.map(|origin| Change::Forget { origin });
        changes.extend(forgotten);
    }

    /// Counts anew and cuts down to size: once at a reload, so a walk over all is no matter.
    pub(super) fn configure(&mut self, settings: &Settings, changes: &mut Vec<Change>) {
        let good = |row: &&Row| row.origin.is_some() && row.known().is_good(settings);
        self.for_good = self.rows.iter().filter(good).count();
        self.shed(settings, changes);
    }

    /// Forgets those unused for longest, down to the bound.
    pub(super) fn shed(&mut self, settings: &Settings, changes: &mut Vec<Change>) {
        while self.by_use.len() > settings.max_known.clamp(1, ROWS_MAX)
            && let Some(oldest) = self.by_use.first()
        {
            self.forget_row(oldest, settings, changes);
        }
    }

    fn find(&self, origin: &Origin) -> Option<Place> {
        let hash = hash(self.secret, Some(origin));
        self.by_origin.find(&self.rows, hash, |row| row.is(origin))
    }

    fn row(&self, place: Place) -> &Row {
        &self.rows[place as usize]
    }
}

fn hash(secret: Secret, origin: Option<&Origin>) -> u64 {
    secret.hash_one(origin)
}
