//! Which rows to ask the spool for next: one lease at a time, and only where there is room.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use super::active::RowKey;
use super::late::Late;
use super::{Command, Dispatcher};
use crate::plan;
use crate::spool::Lease;
use crate::{HoldKey, MessageId};

/// At most so many rows a lease.
const BATCH: usize = 500;
/// So many messages of a `queue retry` a lease.
const RETRY_BATCH: usize = 100;
/// Their rows at most. Those for which there is no room are written back, due at once.
const RETRY_ROWS: usize = 100_000;
/// After a lease that failed, or one that brought nothing though it should have.
const PAUSE: Duration = Duration::from_secs(1);

/// So long a `Settled` with notices may take to be submitted. A row that comes up all the same after that is attempted
/// again: it must have failed.
const NOTICE_TIME: Duration = Duration::from_secs(60);
/// So long the operator's change may take to be submitted.
const FORGET_TIME: Duration = Duration::from_secs(2);

/// What a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Retry,
    Probe,
    Draw,
    Due,
}

#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) which: Lease,
    pub(super) purpose: Purpose,
    pub(super) limit: usize,
    /// The mark of the lot that is asked for.
    pub(super) mark: u64,
}

#[derive(Debug, Default)]
pub(super) struct Leases {
    pub(super) outstanding: Option<Outstanding>,
    /// Rows that left memory while the lease is outstanding: it met them as they were before.
    recent: BTreeSet<RowKey>,
    /// Recipients that are done, though their rows are still there until their notices are written; and since when.
    done_later: Late<RowKey>,
    /// Messages the operator took away, whose change may be on its way; and since when.
    forgotten: Late<MessageId>,
    spool_wake: Option<SystemTime>,
    /// The last lease of what is due found nothing; when that was.
    nothing_due_at: Option<SystemTime>,
    /// After a failed lease.
    not_before: Option<SystemTime>,
    retry: VecDeque<MessageId>,
    /// What is due has its turn before what is drawn.
    due_first: bool,
    last_drawn: Option<HoldKey>,
}

impl Leases {
    pub(super) fn left(&mut self, key: RowKey) {
        if self.outstanding.is_some() {
            self.recent.insert(key);
        }
    }

    pub(super) fn done_later(&mut self, done: &[RowKey], now: SystemTime) {
        for key in done {
            self.done_later.add(*key, now, NOTICE_TIME);
        }
    }

    pub(super) fn forgotten(&mut self, ids: &[MessageId], now: SystemTime) {
        for id in ids {
            self.forgotten.add(*id, now, FORGET_TIME);
        }
        if !self.retry.is_empty() {
            let ids: BTreeSet<_> = ids.iter().collect();
            self.retry.retain(|id| !ids.contains(id));
        }
    }

    pub(super) fn retry(&mut self, ids: Vec<MessageId>) {
        for id in &ids {
            self.forgotten.remove(id);
        }
        self.retry.extend(ids);
    }

    /// Whether a leased row is the shadow of one that was settled or taken away since the lease was asked for.
    pub(super) fn is_stale(&self, key: RowKey, now: SystemTime) -> bool {
        self.recent.contains(&key)
            || self.done_later.has(&key, now)
            || self.forgotten.has(&key.0, now)
    }

    /// The lease was answered with so many rows.
    pub(super) fn answered(&mut self, which: &Lease, rows: usize, now: SystemTime) {
        self.recent.clear();
        let Some(outstanding) = self.outstanding.take() else {
            return;
        };
        if *which == Lease::Due {
            self.nothing_due_at = (rows == 0).then_some(now);
            if rows >= outstanding.limit && self.spool_wake.is_none() {
                self.spool_wake = Some(now);
            }
        }
    }

    pub(super) fn failed(&mut self, now: SystemTime) {
        self.recent.clear();
        self.not_before = Some(plan::later(now, PAUSE));
        match self.outstanding.take() {
            Some(Outstanding {
                which: Lease::Due, ..
            }) => {
                self.spool_wake = Some(self.spool_wake.map_or(now, |wake| wake.min(now)));
            }
            Some(Outstanding {
                which: Lease::Messages(ids),
                ..
            }) => {
                for id in ids.into_iter().rev() {
                    self.retry.push_front(id);
                }
            }
            _ => {}
        }
    }

    pub(super) fn set_spool_wake(&mut self, wake: Option<SystemTime>) {
        self.spool_wake = wake;
    }

    pub(super) fn spool_wakes_by(&mut self, wake: SystemTime) {
        self.spool_wake = Some(self.spool_wake.map_or(wake, |known| known.min(wake)));
    }

    /// Pauses end as if they began now.
    pub(super) fn clock_went_back(&mut self, now: SystemTime) {
        self.done_later.clamp(now, NOTICE_TIME);
        self.forgotten.clamp(now, FORGET_TIME);
        self.nothing_due_at = None;
        let pause = plan::later(now, PAUSE);
        self.not_before = self.not_before.map(|at| at.min(pause));
    }

    /// When what is due in the spool is to be leased.
    fn due_at(&self) -> Option<SystemTime> {
        let wake = self.spool_wake?;
        Some(match self.nothing_due_at {
            // A wake time that brought nothing must not become a busy loop.
            Some(at) if wake <= at => plan::later(at, PAUSE),
            _ => wake,
        })
    }
}

impl Dispatcher {
    pub(super) fn room(&self) -> usize {
        self.limits.active.max(1).saturating_sub(self.active.len())
    }

    /// So much room must there be before rows are leased, so that they come in batches.
    fn enough(&self) -> usize {
        (self.limits.active / 4).clamp(1, BATCH)
    }

    pub(super) fn next_lease(&mut self, now: SystemTime) -> Option<Command> {
        if self.leases.not_before.is_some_and(|at| at <= now) {
            self.leases.not_before = None;
        }
        if self.draining || self.leases.outstanding.is_some() || self.leases.not_before.is_some() {
            return None;
        }
        let next = self
            .retry_lease()
            .or_else(|| self.probe_lease())
            .or_else(|| self.batch_lease(now))?;
        let command = Command::Lease {
            which: next.which.clone(),
            limit: next.limit,
        };
        self.leases.outstanding = Some(next);
        Some(command)
    }

    fn retry_lease(&mut self) -> Option<Outstanding> {
        let count = self.leases.retry.len().min(RETRY_BATCH);
        let ids: Vec<_> = self.leases.retry.drain(..count).collect();
        let which = Lease::Messages(ids);
        (count > 0).then_some(Outstanding {
            which,
            purpose: Purpose::Retry,
            limit: RETRY_ROWS,
            mark: 0,
        })
    }

    fn probe_lease(&self) -> Option<Outstanding> {
        if self.room() == 0 {
            return None;
        }
        let (key, mark) = self.holds.wants_probe()?;
        Some(Outstanding {
            which: Lease::Parked(key),
            purpose: Purpose::Probe,
            limit: 1,
            mark,
        })
    }

    /// What was parked, and what is due, in turns.
    fn batch_lease(&mut self, now: SystemTime) -> Option<Outstanding> {
        let room = self.room().min(BATCH);
        if room < self.enough() {
            return None;
        }
        let due_first = std::mem::take(&mut self.leases.due_first);
        let due = if due_first {
            self.due_lease(room, now)
        } else {
            None
        };
        due.or_else(|| self.draw_lease(room))
            .or_else(|| self.due_lease(room, now))
    }

    fn due_lease(&mut self, room: usize, now: SystemTime) -> Option<Outstanding> {
        self.leases.due_at().filter(|at| *at <= now)?;
        self.leases.spool_wake = None;
        Some(Outstanding {
            which: Lease::Due,
            purpose: Purpose::Due,
            limit: room,
            mark: 0,
        })
    }

    fn draw_lease(&mut self, room: usize) -> Option<Outstanding> {
        let last = self.leases.last_drawn.as_ref();
        let max = self.limits.active_per_destination.max(1);
        let hold = self
            .holds
            .wants_draw(last)
            .map(|(key, mark)| (key, mark, room));
        let busy = self.busy.wants_draw(last, &self.active, max);
        // The holds and the busy destinations in turn, too.
        let (key, mark, limit) = match last {
            Some(HoldKey::Busy(_)) | None => hold.or(busy),
            Some(_) => busy.or(hold),
        }?;
        self.leases.last_drawn = Some(key.clone());
        self.leases.due_first = true;
        Some(Outstanding {
            which: Lease::Parked(key),
            purpose: Purpose::Draw,
            limit: limit.min(room),
            mark,
        })
    }

    /// When a lease has to be asked for.
    pub(super) fn lease_wake(&self) -> Option<SystemTime> {
        if self.leases.outstanding.is_some() {
            return None;
        }
        let due = self
            .leases
            .due_at()
            .filter(|_| self.room().min(BATCH) >= self.enough());
        match (due, self.leases.not_before) {
            (_, Some(at)) => Some(at),
            (due, None) => due,
        }
    }
}
