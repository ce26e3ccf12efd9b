//! What goes out of the table to whoever stores it, and comes back in.

use super::{JOINED_MAX, Table};
use crate::Block;
use crate::greylist::Moment;
use crate::greylist::change::{Change, Stored};
use crate::greylist::key::Envelope;
use crate::greylist::origin::Origin;
use std::time::SystemTime;

impl Table {
    /// Takes the changes since the last call, in order. Who stores nothing takes them all the same: they grow.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.changes.len()
    }

    /// Takes a stored row over, at the start, in ascending order of record ids. What is over by `now`, or beyond the
    /// bounds, is not taken, and a change says that it may go.
    pub fn restore(&mut self, stored: Stored, now: SystemTime) {
        let now = Moment::from(now);
        match stored {
            Stored::Known { origin, known } if known.expired(&self.settings, now) => {
                self.changes.push(Change::Forget { origin });
            }
            Stored::Known { origin, known } => {
                if let Origin::Network(network) = origin {
                    self.prefixes.met(network);
                }
                self.known.restore(origin, known, &self.settings);
                self.known.shed(&self.settings, &mut self.changes);
            }
            Stored::Record {
                id,
                network,
                pool,
                sender,
                recipient,
                record,
            } => {
                let envelope = Envelope::new(&sender, &recipient);
                let key = self.secret.key(&Origin::Network(network), &envelope);
                let twice = self.records.find(key).is_some();
                self.next_id = self.next_id.max(id.saturating_add(1));
                if record.expired(now) || twice || self.settings.max_pending == 0 {
                    if record.expired(now) {
                        self.count_end(record);
                    }
                    self.changes.push(Change::Drop { id });
                    return;
                }
                self.prefixes.met(network);
                let place = self.records.insert(key, id, Block::of(network), record);
                for origin in pool.iter().take(JOINED_MAX - 1) {
                    let key = self.secret.key(origin, &envelope);
                    if let Origin::Network(network) = *origin {
                        self.prefixes.met(network);
                    }
                    if self.records.find(key).is_none() {
                        self.records.add_key(place, key);
                    }
                }
                self.shed();
            }
        }
    }

    /// Forgets what this stored row says, on an administrator's word: who was told a time is a stranger again. Says
    /// whether it was there.
    pub fn forget(&mut self, stored: &Stored) -> bool {
        match stored {
            Stored::Known { origin, .. } => {
                self.known.forget(origin, &self.settings, &mut self.changes)
            }
            Stored::Record {
                id,
                network,
                sender,
                recipient,
                ..
            } => {
                let envelope = Envelope::new(sender, recipient);
                let key = self.secret.key(&Origin::Network(*network), &envelope);
                let place = self.records.find(key);
                let place = place.filter(|&place| self.records.id(place) == *id);
                place.map(|place| self.remove(place)).is_some()
            }
        }
    }
}
