//! What the operator does to a running queue.

use std::time::SystemTime;

use super::Dispatcher;
use super::active::Place;
use crate::spool::Change;
use crate::{HoldKey, MessageId, Progress};

impl Dispatcher {
    /// `queue retry`: these messages now, whatever they wait for; the holds they are under are probed at once.
    ///
    /// `None` ends the wait of all holds, and of nothing else: for all messages the caller goes through
    /// [`crate::spool::Spool::list`] and names them, page by page.
    pub fn retry_now(&mut self, ids: Option<Vec<MessageId>>, _now: SystemTime) {
        match ids {
            Some(ids) => self.leases.retry(ids),
            None => {
                let keys: Vec<HoldKey> = self.holds.all().map(|hold| hold.key.clone()).collect();
                for key in keys {
                    self.holds.hurry(&key);
                }
            }
        }
    }

    /// The messages were deleted or held by the operator: forget what is not under way of them. The change is
    /// submitted at about the same time, before or after.
    pub fn forget(&mut self, ids: &[MessageId]) {
        self.leases.forgotten(ids, self.last_poll);
        for id in ids {
            self.owed.forget(*id);
            for job in self.take_queued(*id) {
                for (index, _) in job.rows {
                    self.leave((*id, index));
                }
                self.errand_gone(&job.errand);
            }
        }
    }

    /// Takes a message's waiting jobs out of all lines.
    fn take_queued(&mut self, id: MessageId) -> Vec<super::lanes::Queued> {
        let queued = self
            .active
            .of_message(id)
            .filter(|(_, _, place)| *place == Place::Queued);
        let destinations: std::collections::BTreeSet<_> = queued
            .map(|(_, destination, _)| std::sync::Arc::clone(destination))
            .collect();
        destinations
            .iter()
            .flat_map(|destination| self.lanes.remove(destination, id, &self.limits))
            .collect()
    }

    /// Whether an attempt on this message is under way, so that a change to its rows could come too late.
    #[must_use]
    pub fn is_under_way(&self, id: MessageId) -> bool {
        self.active
            .of_message(id)
            .any(|(_, _, place)| place != Place::Queued)
    }

    /// Shutting down: no more jobs; the rows that were leased and not begun, due now again. Attempts that are under way
    /// are still reported, and `poll` gives what comes of them. It gives the notices that are owed at once: call it.
    pub fn drain(&mut self, now: SystemTime) -> Change {
        self.draining = true;
        self.tell_all(now);
        let mut change = Change::default();
        for job in self.lanes.clear() {
            let probe = matches!(job.errand, super::lanes::Errand::Probe(_));
            for (index, row) in job.rows {
                let row = Progress {
                    due: row.due.min(now),
                    ..row
                };
                self.leave((job.message.id, index));
                change.update.push((job.message.id, index, row));
            }
            if probe {
                self.errand_gone(&job.errand);
            }
        }
        change
    }
}
