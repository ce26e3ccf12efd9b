//! Estimates that were told, until it is known how they were kept: counted for the statistics, judged by never.
//!
//! A promise has a record that says who comes back; an estimate (a full mailbox, a look-up, storage) has none. So what
//! was told is remembered here.

use crate::Moment;
use crate::slots::Holder;
use crate::stats::{LATE, Punctuality, Stats, day_of};
use crate::verdict::{Reason, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Open estimates that are remembered; one more, and the one that ends first is counted no further.
pub const ESTIMATES_MAX: usize = 50_000;

/// Estimates that are over and are counted, at most, by one call of [`Estimates::sweep`].
const SWEEP_MAX: usize = 256;

/// One that is open; also the row that outlives the process, named by its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Who was told.
    pub holder: Holder,
    /// Why it was sent away.
    pub reason: Reason,
    /// When.
    pub told: Moment,
    /// When it is to come back, as it was told last.
    pub due: Moment,
    /// Nobody is awaited after that.
    pub until: Moment,
}

/// One step from the rows of before to those of now; to be applied in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, or a holder's row anew.
    Keep(Estimate),
    /// The row is gone.
    Drop {
        /// Whose.
        holder: Holder,
    },
}

/// All open ones. Deterministic; each call costs O(log n).
#[derive(Debug, Default)]
pub struct Estimates {
    rows: BTreeMap<Holder, Estimate>,
    ends: BTreeSet<(Moment, Holder)>,
    changes: Vec<Change>,
}

impl Estimates {
    /// It was answered at `now`: let in, where there is no refusal. One that comes early and is told again was given no
    /// second hint; one that is let in early has kept its time. It is awaited for `window`.
    pub fn answered(
        &mut self,
        holder: Holder,
        refusal: Option<&Refusal>,
        window: Duration,
        now: Moment,
        stats: &mut Stats,
    ) {
        let told = refusal.filter(|refusal| refusal.reason.is_estimated());
        let told = told.and_then(|refusal| {
            let wait = Duration::from_secs(refusal.wait_secs?);
            Some((refusal.reason, now.after(wait)))
        });
        if let Some(open) = self.rows.get(&holder).copied() {
            let due = match refusal {
                Some(_) => open.due,
                None => open.due.min(now),
            };
            if stats.came(open.reason, open.told, due, now) == Punctuality::Early {
                let due = told.map_or(open.due, |(_, due)| due);
                let until = open.until.max(due.after(LATE));
                return self.put(Estimate { due, until, ..open });
            }
            self.end(holder);
        }
        if let Some((reason, due)) = told {
            stats.given(reason, now);
            self.put(Estimate {
                holder,
                reason,
                told: now,
                due,
                until: now.after(window).max(due.after(LATE)),
            });
        }
    }

    /// Counts those that nobody came for by `now`, a few hundred at a time; to be called every second.
    pub fn sweep(&mut self, now: Moment, stats: &mut Stats) {
        for _ in 0..SWEEP_MAX {
            let Some(&(until, holder)) = self.ends.first() else {
                return;
            };
            if now <= until {
                return;
            }
            if let Some(open) = self.end(holder) {
                stats.never(open.reason, day_of(open.told), 1, now);
            }
        }
    }

    /// All that are open.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Estimate> {
        self.rows.values()
    }

    /// None is open.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes the changes since the last call, in order. Who stores nothing takes them all the same: they grow.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.changes.len()
    }

    /// Takes a stored row over, at the start. What is beyond the bound is not taken, and a change says that it goes.
    pub fn restore(&mut self, stored: Estimate) {
        self.insert(stored);
    }

    fn put(&mut self, open: Estimate) {
        self.changes.push(Change::Keep(open));
        self.insert(open);
    }

    fn insert(&mut self, open: Estimate) {
        if let Some(old) = self.rows.insert(open.holder, open) {
            self.ends.remove(&(old.until, old.holder));
        }
        self.ends.insert((open.until, open.holder));
        while self.rows.len() > ESTIMATES_MAX
            && let Some(&(_, first)) = self.ends.first()
        {
            self.end(first);
        }
    }

    fn end(&mut self, holder: Holder) -> Option<Estimate> {
        let open = self.rows.remove(&holder)?;
        self.ends.remove(&(open.until, holder));
        self.changes.push(Change::Drop { holder });
        Some(open)
    }
}
