//! A spool's model: what is in it is durable at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use queue::spool::{Change, Hold, Lease, Leased, Step};
use queue::{HoldKey, Message, MessageId, Progress};

type Row = (MessageId, u32);

#[derive(Default)]
pub(crate) struct Spool {
    pub(crate) messages: BTreeMap<MessageId, Arc<Message>>,
    pub(crate) rows: BTreeMap<Row, Progress>,
    pub(crate) holds: BTreeMap<HoldKey, Hold>,
    by_wake: BTreeSet<(SystemTime, Row)>,
    /// With the turn.
    by_hold: BTreeSet<(HoldKey, u32, Row)>,
    /// Rows written, other than by enqueueing.
    pub(crate) writes: usize,
}

impl Spool {
    fn put(&mut self, key: Row, row: Option<Progress>) {
        if let Some(old) = self.rows.remove(&key) {
            self.by_wake.remove(&(old.wake(), key));
            let turn = old.turn();
            if let Some(hold) = old.parked {
                self.by_hold.remove(&(hold, turn, key));
            }
        }
        if let Some(row) = row {
            self.by_wake.insert((row.wake(), key));
            if let Some(hold) = row.parked.clone() {
                self.by_hold.insert((hold, row.turn(), key));
            }
            self.rows.insert(key, row);
        }
    }

    pub(crate) fn submit(&mut self, change: Change) {
        let new = change.enqueue.iter().flat_map(|(_, _, rows)| rows);
        let moved = change.update.iter().map(|(_, _, row)| row);
        let parked: BTreeSet<HoldKey> = moved
            .chain(new)
            .filter_map(|row| row.parked.clone())
            .collect();
        for (message, _, rows) in change.enqueue {
            for (index, row) in (0..).zip(rows) {
                self.put((message.id, index), Some(row));
            }
            self.messages.insert(message.id, message);
        }
        for (id, index, row) in change.update {
            self.writes += 1;
            assert!(
                self.rows.contains_key(&(id, index)),
                "an update of a row that is gone: {id:?} {index}"
            );
            self.put((id, index), Some(row));
        }
        for key in change.told {
            self.writes += 1;
            let row = self.rows.get(&key).cloned();
            self.put(
                key,
                row.map(|row| Progress {
                    delay_notice: None,
                    ..row
                }),
            );
        }
        for (id, index) in change.done {
            self.writes += 1;
            assert!(
                self.rows.contains_key(&(id, index)),
                "done twice: {id:?} {index}"
            );
            self.put((id, index), None);
            if self.rows.range((id, 0)..=(id, u32::MAX)).next().is_none() {
                self.messages.remove(&id);
            }
        }
        for hold in change.hold {
            self.holds.insert(hold.key.clone(), hold);
        }
        for key in parked {
            let known = matches!(key, HoldKey::Busy(_)) || self.holds.contains_key(&key);
            assert!(known, "parked under {key}, which was forgotten");
        }
        for key in change.unhold {
            assert_eq!(
                self.parked(&key),
                0,
                "{key} is forgotten with mail parked under it"
            );
            self.holds.remove(&key);
        }
    }

    pub(crate) fn parked(&self, key: &HoldKey) -> usize {
        let from = (key.clone(), 0, (MessageId(0), 0));
        self.by_hold
            .range(from..)
            .take_while(|(hold, ..)| hold == key)
            .count()
    }

    pub(crate) fn lease(
        &mut self,
        which: &Lease,
        now: SystemTime,
        limit: usize,
        step: &Step,
    ) -> Vec<Leased> {
        let keys: Vec<Row> = match which {
            Lease::Due => self
                .by_wake
                .iter()
                .take_while(|(wake, _)| *wake <= now)
                .map(|(_, key)| *key)
                .collect(),
            Lease::Parked(hold) => {
                let from = (hold.clone(), 0, (MessageId(0), 0));
                self.by_hold
                    .range(from..)
                    .take_while(|(key, ..)| key == hold)
                    .map(|(.., key)| *key)
                    .collect()
            }
            Lease::Messages(ids) => {
                let rows = ids
                    .iter()
                    .flat_map(|id| self.rows.range((*id, 0)..=(*id, u32::MAX)));
                rows.map(|(key, _)| *key).collect()
            }
        };
        let mut leased: BTreeMap<MessageId, Vec<(u32, Progress)>> = BTreeMap::new();
        let mut count = 0;
        for key in keys {
            if count == limit {
                break;
            }
            let row = self.rows[&key].clone();
            if let Some(next) = step(&row) {
                assert!(
                    next.wake() > now,
                    "a leased row is due again at once: {next:?}"
                );
                self.put(key, Some(next));
                self.writes += 1;
                count += 1;
                leased.entry(key.0).or_default().push((key.1, row));
            }
        }
        let message = |id| Arc::clone(&self.messages[&id]);
        leased
            .into_iter()
            .map(|(id, rows)| Leased {
                message: message(id),
                rows,
            })
            .collect()
    }

    pub(crate) fn next_wake(&self) -> Option<SystemTime> {
        self.by_wake.first().map(|(wake, _)| *wake)
    }

    /// What a store does when it is opened: a limit of our own does not outlive a restart, nor does a park under a hold
    /// whose record is lost.
    pub(crate) fn reopen(&mut self) {
        let busy: Vec<Row> = self
            .by_hold
            .iter()
            .filter(|(key, ..)| !self.holds.contains_key(key))
            .map(|(.., row)| *row)
            .collect();
        for key in busy {
            let row = Progress {
                parked: None,
                ..self.rows[&key].clone()
            };
            self.put(key, Some(row));
        }
    }
}
