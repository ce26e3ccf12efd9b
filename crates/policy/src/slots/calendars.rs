//! All calendars, in bounded memory.

use super::calendar::{Calendar, Hold, Key, NUMBER_MAX};
use super::change::{Change, Saved, Stored};
use super::shelf::Shelf;
use super::{Limit, TEXT_MAX};
use crate::greylist::Secret;
use crate::{Block, Moment};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// Idle calendars that are dropped, at most, by one event. An event opens a few, so it catches up.
const SWEEP_MAX: usize = 16;

/// Found by rule and key, or by the name of their row. Every operation takes O(log n) at most.
#[derive(Debug)]
pub(super) struct Calendars {
    secret: Secret,
    most: usize,
    rows: HashMap<u64, (Key, Calendar), Secret>,
    by_key: HashMap<Key, u64, Secret>,
    /// Those in which no appointment has anything.
    idle: Shelf,
    /// Rows that are another since they were handed out.
    changed: Vec<u64>,
    next_id: u64,
}

impl Calendars {
    pub(super) fn new(secret: Secret, most: usize) -> Self {
        Self {
            secret,
            most,
            rows: HashMap::with_hasher(secret),
            by_key: HashMap::with_hasher(secret),
            idle: Shelf::new(secret),
            changed: Vec::new(),
            next_id: 1,
        }
    }

    pub(super) fn bound(&mut self, most: usize) {
        self.most = most;
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn untaken(&self) -> usize {
        self.changed.len()
    }

    fn key(&self, rule: &str, key: &str) -> Key {
        let half = |purpose| {
            let mut hasher = self.secret.build_hasher();
            hasher.write_u8(purpose);
            for text in [cut(rule), cut(key)] {
                hasher.write_usize(text.len());
                hasher.write(text.as_bytes());
            }
            hasher.finish()
        };
        Key([half(1), half(2)])
    }

    pub(super) fn find(&self, rule: &str, key: &str) -> Option<u64> {
        self.by_key.get(&self.key(rule, key)).copied()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Calendar> {
        self.rows.get(&id).map(|(_, calendar)| calendar)
    }

    /// The calendar of a rule and key, as it is now; a new one where there is none. `None`: no room, since all others
    /// hold promises or are among `beside`.
    pub(super) fn open(
        &mut self,
        name: (&Arc<str>, &str),
        limit: Limit,
        (client, now): (IpAddr, Moment),
        beside: impl Fn(u64) -> bool,
        log: &mut Vec<Change>,
    ) -> Option<u64> {
        let (rule, text) = name;
        let key = self.key(rule, text);
        if let Some(&id) = self.by_key.get(&key) {
            let (_, calendar) = self.rows.get_mut(&id)?;
            calendar.advance(now);
            if calendar.adopt(limit) {
                self.touch(id);
            }
            return Some(id);
        }
        while self.rows.len() >= self.most {
            let id = self.idle.spare(&beside)?;
            self.remove(id, log);
        }
        let id = self.next_id;
        self.next_id += 1;
        let mut calendar = Calendar::new(id, rule.clone(), limit, now);
        calendar.block = Some(Block::holding(client));
        self.add(key, calendar);
        Some(id)
    }

    fn add(&mut self, key: Key, calendar: Calendar) {
        let id = calendar.id;
        self.by_key.insert(key, id);
        self.rows.insert(id, (key, calendar));
        self.list(id);
    }

    /// Takes what was found to be there, and hands the row out if it is new.
    pub(super) fn take(
        &mut self,
        id: u64,
        (key, client): (&str, IpAddr),
        at: Moment,
        cost: u64,
        log: &mut Vec<Change>,
    ) -> Option<Hold> {
        let (_, calendar) = self.rows.get_mut(&id)?;
        let hold = calendar.take(at, cost)?;
        if !calendar.stored {
            calendar.stored = true;
            log.push(Change::Keep(Stored::Calendar {
                id,
                rule: cut(&calendar.rule).to_owned(),
                key: cut(key).to_owned(),
                client: Some(client),
                saved: calendar.saved(),
            }));
        }
        self.touch(id);
        Some(hold)
    }

    /// Lets a change of what an appointment or a charge has in a calendar happen, at `now`.
    pub(super) fn with(&mut self, hold: &Hold, now: Moment, change: impl FnOnce(&mut Calendar)) {
        let id = hold.calendar;
        // It was dropped when it was as good as new, or taken back by an operator: there is nothing to change.
        if let Some((_, calendar)) = self.rows.get_mut(&id) {
            calendar.advance(now);
            change(calendar);
            self.touch(id);
        }
    }

    /// Its row is another, and so is the time at which it is idle.
    fn touch(&mut self, id: u64) {
        if let Some((_, calendar)) = self.rows.get_mut(&id)
            && calendar.stored
            && !calendar.changed
        {
            calendar.changed = true;
            self.changed.push(id);
        }
        self.list(id);
    }

    fn list(&mut self, id: u64) {
        let Some((_, calendar)) = self.rows.get_mut(&id) else {
            return;
        };
        let at = (calendar.holds == 0).then(|| calendar.idle_at());
        if calendar.listed == at {
            return;
        }
        let before = std::mem::replace(&mut calendar.listed, at);
        let block = calendar.block;
        if let Some(before) = before {
            self.idle.remove(before, id, block);
        }
        if let Some(at) = at {
            self.idle.put(at, id, block);
        }
    }

    /// Drops what is as good as new.
    pub(super) fn sweep(&mut self, now: Moment, log: &mut Vec<Change>) {
        for _ in 0..SWEEP_MAX {
            let Some((at, id)) = self.idle.first() else {
                return;
            };
            if at > now {
                return;
            }
            let Some((_, calendar)) = self.rows.get_mut(&id) else {
                return;
            };
            calendar.advance(now);
            if calendar.is_idle() {
                self.remove(id, log);
            } else {
                self.list(id);
            }
        }
    }

    /// Forgets a calendar, with all that it counted.
    pub(super) fn remove(&mut self, id: u64, log: &mut Vec<Change>) {
        let Some((key, calendar)) = self.rows.remove(&id) else {
            return;
        };
        self.by_key.remove(&key);
        if let Some(at) = calendar.listed {
            self.idle.remove(at, id, calendar.block);
        }
        if calendar.stored {
            log.push(Change::DropCalendar { id });
        }
    }

    /// The rows that are another since the last call, in the order in which they became so.
    pub(super) fn take_changed(&mut self) -> Vec<Change> {
        let mut counts = Vec::with_capacity(self.changed.len());
        for id in std::mem::take(&mut self.changed) {
            if let Some((_, calendar)) = self.rows.get_mut(&id) {
                calendar.changed = false;
                let saved = calendar.saved();
                counts.push(Change::Count { id, saved });
            }
        }
        counts
    }

    /// Takes a stored row over.
    pub(super) fn restore(
        &mut self,
        id: u64,
        name: (&Arc<str>, &str),
        client: Option<IpAddr>,
        saved: Saved,
        log: &mut Vec<Change>,
    ) {
        let (rule, text) = name;
        let key = self.key(rule, text);
        if id > NUMBER_MAX || self.by_key.contains_key(&key) || self.rows.contains_key(&id) {
            log.push(Change::DropCalendar { id });
            return;
        }
        self.next_id = self.next_id.max(id + 1);
        let mut calendar = Calendar::restored(id, rule.clone(), saved);
        calendar.block = client.map(Block::holding);
        self.add(key, calendar);
    }

    /// Takes over what a stored appointment has in a calendar.
    pub(super) fn restore_hold(&mut self, hold: &Hold) {
        // Where its calendar's row is lost, no other calendar may get that name.
        self.next_id = self.next_id.max(hold.calendar + 1);
        if let Some((_, calendar)) = self.rows.get_mut(&hold.calendar) {
            calendar.hold_again(hold);
            calendar.holds += 1;
            self.list(hold.calendar);
        }
    }
}

/// A name, as far as it counts.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX)]
}
