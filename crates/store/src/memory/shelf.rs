//! What lies in memory, and in which orders it is found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use queue::spool::{Body, Change, Entry, Hold, Lease, Leased, Step};
use queue::{HoldKey, Message, MessageId, Progress};

#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) mails: BTreeMap<MessageId, Mail>,
    pub(super) wakes: BTreeSet<(SystemTime, MessageId, u32)>,
    /// With the turn before the row's name.
    pub(super) parked: BTreeMap<HoldKey, BTreeSet<(u32, MessageId, u32)>>,
    pub(super) holds: BTreeMap<HoldKey, Hold>,
    pub(super) recipients: u64,
    /// The largest id that ever was here.
    pub(super) last_id: u64,
    pub(super) octets: u64,
    pub(super) removed_octets: u64,
    pub(super) closed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) message: Arc<Message>,
    pub(super) body: Body,
    pub(super) rows: BTreeMap<u32, Progress>,
}

pub(super) fn octets(body: &Body) -> u64 {
    match body {
        Body::Inline(content) => content.len() as u64,
        Body::File(file) => file.len(),
    }
}

impl Shelf {
    /// What does not outlive a process goes, and what is parked under a hold that is not there is parked no longer.
    pub(super) fn restart(&mut self) {
        self.closed = false;
        self.holds.retain(|key, _| !matches!(key, HoldKey::Busy(_)));
        let parks = self
            .parked
            .iter()
            .filter(|(key, _)| !self.holds.contains_key(key));
        let lost: Vec<_> = parks.flat_map(|(_, rows)| rows.iter().copied()).collect();
        for (_, id, recipient) in lost {
            if let Some(row) = self
                .mails
                .get(&id)
                .and_then(|mail| mail.rows.get(&recipient))
            {
                let row = Progress {
                    parked: None,
                    ..row.clone()
                };
                self.set(id, recipient, row);
            }
        }
    }

    pub(super) fn apply(&mut self, change: Change) {
        for (message, body, rows) in change.enqueue {
            self.enqueue(message, body, rows);
        }
        for (id, recipient, row) in change.update {
            self.set(id, recipient, row);
        }
        for (id, recipient) in change.told {
            let mail = self.mails.get(&id);
            if let Some(row) = mail.and_then(|mail| mail.rows.get(&recipient)) {
                let row = Progress {
                    delay_notice: None,
                    ..row.clone()
                };
                self.set(id, recipient, row);
            }
        }
        for (id, recipient) in change.done {
            self.done(id, recipient);
        }
        for hold in change.hold {
            self.holds.insert(hold.key.clone(), hold);
        }
        for key in change.unhold {
            self.holds.remove(&key);
        }
    }

    fn enqueue(&mut self, message: Arc<Message>, body: Body, rows: Vec<Progress>) {
        let id = message.id;
        if rows.is_empty() || self.mails.contains_key(&id) {
            return;
        }
        self.last_id = self.last_id.max(id.0);
        self.octets += octets(&body);
        self.recipients += rows.len() as u64;
        let rows: BTreeMap<u32, Progress> = (0..).zip(rows).collect();
        for (recipient, row) in &rows {
            self.index(id, *recipient, row);
        }
        self.mails.insert(
            id,
            Mail {
                message,
                body,
                rows,
            },
        );
    }

    /// Replaces a row that is there.
    fn set(&mut self, id: MessageId, recipient: u32, row: Progress) {
        let Some(place) = self
            .mails
            .get_mut(&id)
            .and_then(|mail| mail.rows.get_mut(&recipient))
        else {
            return;
        };
        let before = std::mem::replace(place, row.clone());
        self.unindex(id, recipient, &before);
        self.index(id, recipient, &row);
    }

    fn done(&mut self, id: MessageId, recipient: u32) {
        let Some(mail) = self.mails.get_mut(&id) else {
            return;
        };
        let Some(row) = mail.rows.remove(&recipient) else {
            return;
        };
        if mail.rows.is_empty() {
            let gone = octets(&mail.body);
            self.octets -= gone;
            self.removed_octets += gone;
            self.mails.remove(&id);
        }
        self.recipients -= 1;
        self.unindex(id, recipient, &row);
    }

    fn index(&mut self, id: MessageId, recipient: u32, row: &Progress) {
        self.wakes.insert((row.wake(), id, recipient));
        if let Some(key) = &row.parked {
            self.parked
                .entry(key.clone())
                .or_default()
                .insert((row.turn(), id, recipient));
        }
    }

    fn unindex(&mut self, id: MessageId, recipient: u32, row: &Progress) {
        self.wakes.remove(&(row.wake(), id, recipient));
        if let Some(key) = &row.parked
            && let Some(under) = self.parked.get_mut(key)
        {
            under.remove(&(row.turn(), id, recipient));
            if under.is_empty() {
                self.parked.remove(key);
            }
        }
    }

    pub(super) fn lease(
        &mut self,
        which: &Lease,
        now: SystemTime,
        limit: usize,
        step: &Step,
    ) -> Vec<Leased> {
        let due = |(_, id, recipient): &(SystemTime, MessageId, u32)| (*id, *recipient);
        let mut named = BTreeSet::new();
        let candidates: Box<dyn Iterator<Item = (MessageId, u32)> + '_> = match which {
            Lease::Due => Box::new(
                self.wakes
                    .iter()
                    .take_while(|(wake, ..)| *wake <= now)
                    .map(due),
            ),
            Lease::Parked(key) => {
                let under = self.parked.get(key).into_iter().flatten();
                Box::new(under.map(|(_, id, recipient)| (*id, *recipient)))
            }
            Lease::Messages(ids) => {
                Box::new(ids.iter().filter(|id| named.insert(**id)).flat_map(|id| {
                    let rows = self
                        .mails
                        .get(id)
                        .into_iter()
                        .flat_map(|mail| mail.rows.keys());
                    rows.map(|recipient| (*id, *recipient))
                }))
            }
        };
        let step = |(id, recipient): (MessageId, u32)| {
            let before = self.mails.get(&id)?.rows.get(&recipient)?;
            Some((id, recipient, before.clone(), step(before)?))
        };
        let taken: Vec<_> = candidates.filter_map(step).take(limit).collect();
        let mut leased: Vec<Leased> = Vec::new();
        let mut places = BTreeMap::new();
        for (id, recipient, before, after) in taken {
            self.set(id, recipient, after);
            let Some(mail) = self.mails.get(&id) else {
                continue;
            };
            let place = *places.entry(id).or_insert_with(|| {
                let message = Arc::clone(&mail.message);
                leased.push(Leased {
                    message,
                    rows: Vec::new(),
                });
                leased.len() - 1
            });
            leased[place].rows.push((recipient, before));
        }
        leased
    }
}

pub(super) fn entry(mail: &Mail) -> Entry {
    Entry {
        message: Arc::clone(&mail.message),
        rows: mail
            .rows
            .iter()
            .map(|(recipient, row)| (*recipient, row.clone()))
            .collect(),
    }
}
