//! Places that were told, and who may claim them.

use super::Holder;
use super::calendar::Hold;
use crate::greylist::Secret;
use crate::{Block, Moment};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// One place told. It carries its own times, so that no later setting takes back what was told.
#[derive(Debug)]
pub(super) struct Appointment {
    pub(super) holder: Holder,
    pub(super) block: Block,
    /// The rule whose time was the latest.
    pub(super) rule: Arc<str>,
    /// The first visit.
    pub(super) asked: Moment,
    /// The time told. Never moves.
    pub(super) due: Moment,
    /// The last moment at which it counts.
    pub(super) until: Moment,
    pub(super) holds: Vec<Hold>,
    /// Its holder has not come for it, or was refused for another reason.
    pub(super) open: bool,
    /// Its holder came for it once.
    pub(super) came: bool,
}

/// All of them. Every operation takes O(log n) at most.
#[derive(Debug)]
pub(super) struct Appointments {
    rows: BTreeMap<u64, Appointment>,
    /// Open ones, by their holder. One may have several: it was told another while its first mail was inside, and that
    /// was refused after all.
    holders: BTreeSet<(Holder, u64)>,
    ends: BTreeSet<(Moment, u64)>,
    /// How many open ones each network has.
    blocks: HashMap<Block, usize, Secret>,
}

impl Appointments {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            rows: BTreeMap::new(),
            holders: BTreeSet::new(),
            ends: BTreeSet::new(),
            blocks: HashMap::with_hasher(secret),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Appointment> {
        self.rows.get(&id)
    }

    /// The oldest of this holder.
    pub(super) fn open_of(&self, holder: Holder) -> Option<u64> {
        let mut own = self.holders.range((holder, 0)..=(holder, u64::MAX));
        own.next().map(|&(_, id)| id)
    }

    pub(super) fn open_in(&self, block: Block) -> usize {
        self.blocks.get(&block).copied().unwrap_or(0)
    }

    /// Adds one that is open.
    pub(super) fn insert(&mut self, id: u64, appointment: Appointment) {
        self.ends.insert((appointment.until, id));
        self.rows.insert(id, appointment);
        self.enlist(id, true);
    }

    /// Its holder is here: it is no longer unclaimed.
    pub(super) fn claim(&mut self, id: u64) {
        self.enlist(id, false);
        if let Some(row) = self.rows.get_mut(&id) {
            row.came = true;
        }
    }

    /// Its holder was refused for another reason, and may come again.
    pub(super) fn reopen(&mut self, id: u64) {
        self.enlist(id, true);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Appointment> {
        self.enlist(id, false);
        let row = self.rows.remove(&id)?;
        self.ends.remove(&(row.until, id));
        Some(row)
    }

    /// The one that ended first, if any has by `now`.
    pub(super) fn ended(&self, now: Moment) -> Option<u64> {
        let &(until, id) = self.ends.first()?;
        (now > until).then_some(id)
    }

    /// Those with something in this calendar, oldest first. Looks at all.
    pub(super) fn within(&self, calendar: u64) -> Vec<u64> {
        let has = |row: &Appointment| row.holds.iter().any(|hold| hold.calendar == calendar);
        let rows = self.rows.iter().filter(|(_, row)| has(row));
        rows.map(|(&id, _)| id).collect()
    }

    fn enlist(&mut self, id: u64, open: bool) {
        let Some(row) = self.rows.get_mut(&id) else {
            return;
        };
        if row.open == open {
            return;
        }
        row.open = open;
        if open {
            self.holders.insert((row.holder, id));
            *self.blocks.entry(row.block).or_default() += 1;
            return;
        }
        self.holders.remove(&(row.holder, id));
        if let Some(count) = self.blocks.get_mut(&row.block) {
            *count -= 1;
            if *count == 0 {
                self.blocks.remove(&row.block);
            }
        }
    }
}
