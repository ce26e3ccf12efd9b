//! New mail: straight into memory where there is room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Dispatcher;
use super::active::Place;
use super::batch::Batch;
use super::lanes::{Errand, Queued};
use crate::plan;
use crate::spool::Body;
use crate::{Destination, HoldKey, Message, Progress};

/// A message between `admit` and `enqueued`.
#[derive(Debug)]
pub(super) struct Admission {
    at: SystemTime,
    /// What its rows will be parked under.
    parked: Vec<HoldKey>,
}

impl Dispatcher {
    /// The rows with which a new message goes into the spool: leased at once where there is room, due now where there
    /// is none, parked where its mailbox is held or its destination busy.
    ///
    /// Every admitted message is followed by either [`Dispatcher::enqueued`], once it is durable, or
    /// [`Dispatcher::not_enqueued`].
    pub fn admit(&mut self, message: &Message, now: SystemTime) -> Vec<Progress> {
        let waiting = plan::first(&self.rules, message, now, false);
        let leased = plan::first(&self.rules, message, now, true);
        let mut parked = Vec::new();
        let mut rows = Vec::with_capacity(message.recipients.len());
        for (index, recipient) in (0_u32..).zip(&message.recipients) {
            let destination = self.routes.destination(&recipient.address);
            rows.push(match self.admit_one(&recipient.address, destination) {
                Admitted::Leased(destination) => {
                    self.active
                        .add((message.id, index), &destination, Place::Admitted);
                    leased.clone()
                }
                Admitted::Waits => waiting.clone(),
                Admitted::Parked(key) => {
                    parked.push(key.clone());
                    Progress {
                        parked: Some(key),
                        ..waiting.clone()
                    }
                }
            });
        }
        self.admitted
            .insert(message.id, Admission { at: now, parked });
        rows
    }

    fn admit_one(&mut self, address: &str, destination: Destination) -> Admitted {
        if self.draining {
            return Admitted::Waits;
        }
        if let Some(key) = self.mailbox_hold(address) {
            if let Some(lot) = self.holds.lot(&key) {
                lot.admit();
            }
            return Admitted::Parked(key);
        }
        let crowded = self.active.of(&destination) >= self.limits.active_per_destination.max(1);
        if crowded || self.busy.is(&destination) {
            let (key, lot) = self.busy.begin(&self.active.share(destination));
            lot.admit();
            return Admitted::Parked(key);
        }
        // A quarter of the room is kept for what waits in the spool, so that new mail never shuts it out.
        let max = self.limits.active.max(1);
        if self.active.len() >= max - max / 4 {
            return Admitted::Waits;
        }
        Admitted::Leased(self.active.share(destination))
    }

    /// The message is durable: those of its rows that were leased by `admit` are tried now.
    pub fn enqueued(
        &mut self,
        message: Arc<Message>,
        body: Body,
        rows: Vec<Progress>,
        now: SystemTime,
    ) {
        let Some(admission) = self.admitted.remove(&message.id) else {
            return;
        };
        self.parked(&admission);
        let before = plan::first(&self.rules, &message, admission.at, false);
        let mut batch = Batch::default();
        let mut jobs: BTreeMap<Arc<Destination>, Vec<(u32, Progress)>> = BTreeMap::new();
        for (index, _) in (0_u32..).zip(rows) {
            let key = (message.id, index);
            let Some((destination, Place::Admitted)) = self.active.get(key) else {
                continue;
            };
            if self.draining {
                self.leave(key);
                batch.update(message.id, index, before.clone());
            } else {
                jobs.entry(Arc::clone(destination))
                    .or_default()
                    .push((index, before.clone()));
                self.active.place(key, Place::Queued);
            }
        }
        for (destination, rows) in jobs {
            self.queue(
                &destination,
                &message,
                Some(&body),
                rows,
                &Errand::Ordinary,
                now,
            );
        }
        self.emit(batch, now);
    }

    /// The message did not become durable: give back the room that `admit` took.
    pub fn not_enqueued(&mut self, message: &Message, rows: &[Progress]) {
        if let Some(admission) = self.admitted.remove(&message.id) {
            self.parked(&admission);
        }
        for (index, _) in (0_u32..).zip(rows) {
            if let Some((_, Place::Admitted)) = self.active.get((message.id, index)) {
                self.leave((message.id, index));
            }
        }
    }

    fn parked(&mut self, admission: &Admission) {
        for key in &admission.parked {
            if let Some(lot) = self.lot(key) {
                lot.admitted();
            }
        }
    }

    /// Puts rows of one message for one destination in line, in jobs of at most so many recipients.
    pub(super) fn queue(
        &mut self,
        destination: &Arc<Destination>,
        message: &Arc<Message>,
        body: Option<&Body>,
        mut rows: Vec<(u32, Progress)>,
        errand: &Errand,
        now: SystemTime,
    ) {
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(self.limits.recipients_per_job.max(1)));
            let job = Queued {
                message: Arc::clone(message),
                body: body.cloned(),
                rows: std::mem::replace(&mut rows, rest),
                errand: errand.clone(),
                since: now,
            };
            self.lanes.push(destination, job, &self.limits);
        }
    }
}

enum Admitted {
    Leased(Arc<Destination>),
    Waits,
    Parked(HoldKey),
}
