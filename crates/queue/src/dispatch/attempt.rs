//! Handing out jobs.

use std::sync::Arc;
use std::time::SystemTime;

use super::active::Place;
use super::batch::Batch;
use super::lanes::{Current, Errand, Queued};
use super::{Dispatcher, Job, LaneId};
use crate::plan;
use crate::{Destination, HoldKey};

impl Dispatcher {
    /// The lane's next job; `None`: nothing now (the worker may keep its session for a moment, ask again, or close).
    pub fn next_job(&mut self, lane: LaneId, now: SystemTime) -> Option<Job> {
        while !self.draining {
            let (destination, queued) = self.lanes.take(lane, &self.limits)?;
            let mut batch = Batch::default();
            let job = self.begin(lane, &destination, queued, now, &mut batch);
            self.emit(batch, now);
            if job.is_some() {
                return job;
            }
        }
        None
    }

    /// Begins what of a job may be attempted still: it has waited for its lane, and meanwhile its lifetime may be over,
    /// or its mailbox held.
    fn begin(
        &mut self,
        lane: LaneId,
        destination: &Destination,
        mut job: Queued,
        now: SystemTime,
        batch: &mut Batch,
    ) -> Option<Job> {
        self.give_up(&mut job, now, batch);
        self.park_held(&mut job, batch);
        let Queued {
            message,
            body,
            rows,
            errand,
            since,
        } = job;
        if rows.is_empty() {
            return None;
        }
        // After so long a wait its lease is over, or nearly: it is renewed, so that the next attempt's time is ahead. So it
        // is at the end of the lifetime, which may have come between the lease and its answer.
        let soon = plan::later(now, self.rules.first_backoff / 4);
        let mut renewed = false;
        for (index, row) in &rows {
            if plan::under_way(&self.rules, row, since).due <= soon || row.expires <= soon {
                batch.update(message.id, *index, plan::under_way(&self.rules, row, now));
                renewed = true;
            }
        }
        for (index, _) in &rows {
            self.active.place((message.id, *index), Place::Lane(lane));
        }
        let indices = rows.iter().map(|(index, _)| *index).collect();
        self.lanes.begin(
            lane,
            Current {
                id: message.id,
                rows: indices,
                errand,
            },
        );
        Some(Job {
            message: Arc::clone(&message),
            body,
            rows,
            destination: destination.clone(),
            renewed,
        })
    }

    /// Parks the rows of a job whose mailbox is held by now.
    fn park_held(&mut self, job: &mut Queued, batch: &mut Batch) {
        if job.errand == Errand::Urgent || !self.holds.has_mailboxes() {
            return;
        }
        for (index, row) in std::mem::take(&mut job.rows) {
            match self.held_by(job, index) {
                Some(key) => self.park(batch, job.message.id, index, row, key),
                None => job.rows.push((index, row)),
            }
        }
        if job.rows.is_empty() {
            let errand = job.errand.clone();
            self.errand_gone(&errand);
        }
    }

    fn held_by(&self, job: &Queued, index: u32) -> Option<HoldKey> {
        let recipient = job.message.recipients.get(usize::try_from(index).ok()?)?;
        let key = self.mailbox_hold(&recipient.address)?;
        let probes = job.errand == Errand::Probe(key.clone()) && !self.holds.stands(&key);
        (!probes).then_some(key)
    }
}
