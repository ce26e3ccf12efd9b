//! What a lease brought up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Dispatcher;
use super::active::{Place, RowKey};
use super::batch::Batch;
use super::lanes::{Errand, Queued};
use super::leases::Purpose;
use crate::plan::{self, LAST_CHANCE, TICK};
use crate::settle;
use crate::spool::{Lease, Leased};
use crate::{Destination, HoldKey, Message, Progress, State};

/// What becomes of a row that came up.
enum Fate {
    Attempt(Arc<Destination>, Errand),
    Park(HoldKey),
    /// It goes back as it was.
    Back,
}

impl Dispatcher {
    /// The spool's answer to a lease; an empty one only when nothing came up.
    pub fn leased(&mut self, which: &Lease, leased: Vec<Leased>, now: SystemTime) {
        let purpose = self
            .leases
            .outstanding
            .as_ref()
            .map(|it| (it.purpose, it.mark));
        let Some((purpose, mark)) = purpose else {
            return;
        };
        let rows = leased.iter().map(|one| one.rows.len()).sum();
        let mut batch = Batch::default();
        for one in leased {
            self.come_up(which, purpose, one, now, &mut batch);
        }
        self.leases.answered(which, rows, now);
        if let (Lease::Parked(key), 0) = (which, rows) {
            self.none_parked(key, mark, &mut batch);
        }
        self.emit(batch, now);
    }

    /// The lease failed: it is asked for again in a moment.
    pub fn lease_failed(&mut self, now: SystemTime) {
        self.leases.failed(now);
    }

    fn none_parked(&mut self, key: &HoldKey, mark: u64, batch: &mut Batch) {
        match key {
            HoldKey::Busy(name) => {
                if let Some(lot) = self.busy.lot(name) {
                    lot.none(mark);
                }
                self.busy.forget(name);
            }
            HoldKey::Host(_) | HoldKey::Mailbox(_) => {
                self.holds.none_parked(key, mark);
                if self.holds.forget(key) {
                    batch.change.unhold.push(key.clone());
                }
            }
        }
    }

    fn come_up(
        &mut self,
        which: &Lease,
        purpose: Purpose,
        leased: Leased,
        now: SystemTime,
        batch: &mut Batch,
    ) {
        let Leased { message, rows } = leased;
        let mut were = BTreeMap::new();
        for (index, row) in rows {
            let key = (message.id, index);
            match self.active.get(key) {
                Some((destination, Place::Queued)) => {
                    let destination = Arc::clone(destination);
                    self.came_again(&destination, &message, purpose, now, batch);
                }
                Some(_) => {}
                None if self.leases.is_stale(key, now) || self.owed.has_failed(key) => {}
                None => {
                    let row = self.as_told(key, row, now);
                    were.insert(index, row);
                }
            }
        }
        let rows: Vec<_> = were
            .iter()
            .map(|(index, row)| (*index, self.as_it_comes(which, purpose, row, now)))
            .collect();
        for (_, row) in &rows {
            if let Some(key) = &row.parked {
                self.probe_for(key, row, now, batch);
            }
        }
        let holds = |key: &HoldKey| self.holds.now(key);
        let (settled, left) = settle::expire(&self.rules, &message, rows, now, &holds);
        for (index, row) in batch.add(&message, settled) {
            batch.update(message.id, index, row);
        }
        let mut jobs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (index, mut row) in left {
            match self.fate(which, purpose, &message, index) {
                Fate::Attempt(destination, errand) => {
                    // An operator's attempt is early: the appointment that it comes before is not broken by it.
                    if let (Purpose::Retry, Some(were)) = (purpose, were.get(&index)) {
                        row.due = were.due;
                    }
                    self.active
                        .add((message.id, index), &destination, Place::Queued);
                    jobs.entry((destination, errand))
                        .or_default()
                        .push((index, row));
                }
                Fate::Park(key) => self.park(batch, message.id, index, row, key),
                Fate::Back if purpose == Purpose::Retry => batch.update(message.id, index, row),
                Fate::Back => batch.update(message.id, index, were.remove(&index).unwrap_or(row)),
            }
        }
        for ((destination, errand), rows) in jobs {
            self.queue(&destination, &message, None, rows, &errand, now);
        }
    }

    /// The row without a delay notice that was sent since the spool was asked for it.
    pub(super) fn as_told(&self, key: RowKey, row: Progress, now: SystemTime) -> Progress {
        if row.delay_notice.is_some() && self.owed.is_told(key, now) {
            return Progress {
                delay_notice: None,
                ..row
            };
        }
        row
    }

    /// The row without what the lease is in spite of: a retry is due now, whatever it waits for; what is drawn is no
    /// longer parked; and nothing is parked under a hold that is over, or that nobody knows.
    fn as_it_comes(
        &mut self,
        which: &Lease,
        purpose: Purpose,
        row: &Progress,
        now: SystemTime,
    ) -> Progress {
        let mut row = row.clone();
        let parked = row.parked.take();
        if row.state == State::Held {
            return row;
        }
        match (purpose, parked) {
            (Purpose::Retry, parked) => {
                if let Some(key) = parked {
                    self.holds.hurry(&key);
                }
                row.due = row.due.min(now);
            }
            (Purpose::Probe | Purpose::Draw, parked) => {
                if !self.draws(which) {
                    row.parked = parked;
                } else if row.due <= plan::later(self.end(which, now), plan::SPREAD) {
                    // What set the hold made this appointment, too; the spread is only ours.
                    row.due = row.due.min(now);
                }
            }
            (Purpose::Due, Some(key)) if self.is_held(&key) => row.parked = Some(key),
            (Purpose::Due, _) => {}
        }
        row
    }

    /// Whether what is parked there is still wanted, as it was when the lease was asked for.
    fn draws(&self, which: &Lease) -> bool {
        match which {
            Lease::Parked(HoldKey::Busy(_)) => true,
            Lease::Parked(key) => self.holds.draws(key),
            Lease::Due | Lease::Messages(_) => false,
        }
    }

    /// When the hold ended: its time, if an operator did not end it before.
    fn end(&self, which: &Lease, now: SystemTime) -> SystemTime {
        match which {
            Lease::Parked(key) => self.holds.get(key).map_or(now, |hold| hold.until.max(now)),
            Lease::Due | Lease::Messages(_) => now,
        }
    }

    /// Of a row that is due.
    fn fate(&mut self, which: &Lease, purpose: Purpose, message: &Message, index: u32) -> Fate {
        let Some(destination) = self.destination(message, index) else {
            return Fate::Back;
        };
        if self.draining || self.room() == 0 {
            return Fate::Back;
        }
        if purpose == Purpose::Retry {
            return Fate::Attempt(self.active.share(destination), Errand::Urgent);
        }
        let address = &message.recipients[index as usize].address;
        if let Some(key) = self.mailbox_hold(address)
            && *which != Lease::Parked(key.clone())
        {
            return Fate::Park(key);
        }
        if purpose == Purpose::Probe {
            let Lease::Parked(key) = which else {
                return Fate::Back;
            };
            if !self.holds.probe(key) {
                return Fate::Back;
            }
            return Fate::Attempt(self.active.share(destination), Errand::Probe(key.clone()));
        }
        let destination = self.active.share(destination);
        let full = self.active.of(&destination) >= self.limits.active_per_destination.max(1);
        let busy = self.busy.is(&destination)
            && *which != Lease::Parked(HoldKey::Busy(destination.to_string()));
        if full || busy {
            return Fate::Park(self.busy.begin(&destination).0);
        }
        Fate::Attempt(destination, Errand::Ordinary)
    }

    /// A row that waits for a lane came up again, its lease being over: is its lifetime, too? And an operator who wants
    /// it now finds it in line already.
    fn came_again(
        &mut self,
        destination: &Arc<Destination>,
        message: &Arc<Message>,
        purpose: Purpose,
        now: SystemTime,
        batch: &mut Batch,
    ) {
        let mut over = false;
        for job in self.lanes.waiting(destination, message.id) {
            over |= job.rows.iter().any(|(_, row)| is_over(row, job.since, now));
            if purpose == Purpose::Retry && job.errand == Errand::Ordinary {
                job.errand = Errand::Urgent;
            }
        }
        if !over {
            return;
        }
        for mut job in self.lanes.remove(destination, message.id, &self.limits) {
            self.give_up(&mut job, now, batch);
            if !job.rows.is_empty() {
                self.lanes.push(destination, job, &self.limits);
            }
        }
    }

    /// Gives up the rows of a waiting job whose lifetime is over.
    pub(super) fn give_up(&mut self, job: &mut Queued, now: SystemTime, batch: &mut Batch) {
        let since = job.since;
        let (over, rows): (Vec<_>, Vec<_>) = job
            .rows
            .drain(..)
            .partition(|(_, row)| is_over(row, since, now));
        job.rows = rows;
        if over.is_empty() {
            return;
        }
        let late = |row: Progress| Progress {
            due: plan::later(row.expires, TICK),
            ..row
        };
        let over = over
            .into_iter()
            .map(|(index, row)| (index, late(row)))
            .collect::<Vec<_>>();
        for (index, _) in &over {
            self.leave((job.message.id, *index));
        }
        let holds = |key: &HoldKey| self.holds.now(key);
        let (settled, left) = settle::expire(&self.rules, &job.message, over, now, &holds);
        let waits = batch.add(&job.message, settled);
        for (index, row) in waits.into_iter().chain(left) {
            batch.update(job.message.id, index, row);
        }
        if job.rows.is_empty() {
            self.errand_gone(&job.errand);
        }
    }
}

/// A job that waits for a lane is given up after its lifetime, but not before it has waited for a while: the last attempt
/// of a mail is at the end of its lifetime.
fn is_over(row: &Progress, since: SystemTime, now: SystemTime) -> bool {
    row.expires <= now && plan::later(since, LAST_CHANCE) <= now
}
