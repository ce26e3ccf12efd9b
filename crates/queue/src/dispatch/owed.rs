//! Notices that are owed: of failures and of delays, collected so that a sender gets one for all recipients of a mail
//! that fail together.
//!
//! *Together* means: while other recipients of the same mail are in memory (in line or under attempt), and a moment
//! longer, since recipients whose attempts are due at the same time come up one batch after the other. What waits in
//! the spool for another time is not waited for, and nothing is for longer than [`TOGETHER`].
//!
//! Nothing is lost by it. The row of a recipient that failed stays in the spool, leased, until it goes in one change
//! with the notice: a crash before that makes the attempt anew, and it fails again. The row of one that is late moves
//! at once, with the notice due again after [`crate::settle::TELL_AGAIN`]; the change with the notice takes that away.
//! So at worst a delay is told twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::active::RowKey;
use super::late::Late;
use super::{Command, Dispatcher};
use crate::plan;
use crate::settle::{About, Kind, Notice, TELL_AGAIN};
use crate::spool::Change;
use crate::{Message, MessageId};

/// A notice waits so long for other recipients that are under way, no longer.
const TOGETHER: Duration = Duration::from_secs(300);
/// So long after the last of them: longer than appointments are spread, and than the next lease takes.
const QUIET: Duration = Duration::from_secs(2);
/// So many recipients are kept at most; beyond that the notice that is due next goes at once.
const MAX: usize = 10_000;

/// What one sender has to be told.
#[derive(Debug)]
struct Debt {
    message: Arc<Message>,
    failed: BTreeMap<u32, About>,
    delayed: BTreeMap<u32, About>,
    /// At the latest.
    end: SystemTime,
    /// As things stand.
    at: SystemTime,
}

impl Debt {
    fn len(&self) -> usize {
        self.failed.len() + self.delayed.len()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Owed {
    debts: BTreeMap<MessageId, Debt>,
    timers: BTreeSet<(SystemTime, MessageId)>,
    /// Those of which a recipient has left memory since they were looked at.
    left: BTreeSet<MessageId>,
    rows: usize,
    /// Recipients whose delay was told, by a change that may be on its way; their rows in memory don't know it.
    told: Late<RowKey>,
}

impl Owed {
    fn add(&mut self, message: &Arc<Message>, notice: Notice, now: SystemTime) {
        let id = message.id;
        let debt = self.debts.entry(id).or_insert_with(|| {
            let end = plan::later(now, TOGETHER);
            self.timers.insert((end, id));
            Debt {
                message: Arc::clone(message),
                failed: BTreeMap::new(),
                delayed: BTreeMap::new(),
                end,
                at: end,
            }
        });
        self.rows -= debt.len();
        for about in notice.about {
            if notice.kind == Kind::Failed {
                debt.delayed.remove(&about.index);
                debt.failed.insert(about.index, about);
            } else {
                debt.delayed.insert(about.index, about);
            }
        }
        self.rows += debt.len();
        self.left.insert(id);
    }

    /// A row of this message left memory.
    pub(super) fn left(&mut self, id: MessageId) {
        if self.debts.contains_key(&id) {
            self.left.insert(id);
        }
    }

    /// Whether this recipient has failed, and its row waits for the notice.
    pub(super) fn has_failed(&self, (id, index): RowKey) -> bool {
        let debt = self.debts.get(&id);
        debt.is_some_and(|debt| debt.failed.contains_key(&index))
    }

    /// All of which that is so.
    pub(super) fn failed(&self) -> impl Iterator<Item = RowKey> {
        let debts = self.debts.iter();
        debts.flat_map(|(id, debt)| debt.failed.keys().map(|index| (*id, *index)))
    }

    /// Whether its sender was told that it is late.
    pub(super) fn is_told(&self, key: RowKey, now: SystemTime) -> bool {
        self.told.has(&key, now)
    }

    /// Nobody is to be told, and the rows are as they are in the spool.
    pub(super) fn forget(&mut self, id: MessageId) {
        drop(self.take(id));
    }

    pub(super) fn wake(&self) -> Option<SystemTime> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The clock went back.
    pub(super) fn clamp(&mut self, now: SystemTime) {
        self.told.clamp(now, 2 * TELL_AGAIN);
        let ids: Vec<MessageId> = self.debts.keys().copied().collect();
        for id in ids {
            if let Some(debt) = self.debts.get_mut(&id) {
                debt.end = debt.end.min(plan::later(now, TOGETHER));
                let at = debt.at.min(debt.end);
                self.set(id, at);
            }
        }
    }

    fn set(&mut self, id: MessageId, at: SystemTime) {
        if let Some(debt) = self.debts.get_mut(&id) {
            self.timers.remove(&(debt.at, id));
            debt.at = at;
            self.timers.insert((at, id));
        }
    }

    fn take(&mut self, id: MessageId) -> Option<Debt> {
        let debt = self.debts.remove(&id)?;
        self.timers.remove(&(debt.at, id));
        self.rows -= debt.len();
        Some(debt)
    }

    /// The next whose time has come, or for which there is no room.
    fn next(&self, now: SystemTime) -> Option<MessageId> {
        let (at, id) = self.timers.first()?;
        (*at <= now || self.rows > MAX).then_some(*id)
    }
}

impl Dispatcher {
    /// Remembers what is to be told. Its time is set by the next `poll`.
    pub(super) fn owe(&mut self, owed: Vec<(Arc<Message>, Notice)>, now: SystemTime) {
        for (message, notice) in owed {
            self.owed.add(&message, notice, now);
        }
        if self.draining {
            self.tell_all(now);
        }
    }

    /// Tells what is to be told by now.
    pub(super) fn tell_owed(&mut self, now: SystemTime) {
        for id in std::mem::take(&mut self.owed.left) {
            let alone = self.active.of_message(id).next().is_none();
            let Some(debt) = self.owed.debts.get(&id).filter(|_| alone) else {
                continue;
            };
            let at = if debt.len() == debt.message.recipients.len() {
                now
            } else {
                plan::later(now, QUIET).min(debt.end)
            };
            self.owed.set(id, at);
        }
        while let Some(id) = self.owed.next(now) {
            // Others came up in the moment that it waited.
            let more = self.active.of_message(id).next().is_some();
            match self.owed.debts.get(&id).map(|debt| debt.end) {
                Some(end) if more && now < end && self.owed.rows <= MAX => self.owed.set(id, end),
                _ => self.tell(id, now),
            }
        }
    }

    /// The same for all, at the end.
    pub(super) fn tell_all(&mut self, now: SystemTime) {
        let ids: Vec<MessageId> = self.owed.debts.keys().copied().collect();
        ids.into_iter().for_each(|id| self.tell(id, now));
    }

    fn tell(&mut self, id: MessageId, now: SystemTime) {
        let Some(debt) = self.owed.take(id) else {
            return;
        };
        let keys = |about: &BTreeMap<u32, About>| about.keys().map(|index| (id, *index)).collect();
        let change = Change {
            done: keys(&debt.failed),
            told: keys(&debt.delayed),
            ..Change::default()
        };
        self.leases.done_later(&change.done, now);
        for key in &change.told {
            self.owed.told.add(*key, now, 2 * TELL_AGAIN);
        }
        let notice = |kind, about: BTreeMap<u32, About>| {
            let about = about.into_values().collect();
            (Arc::clone(&debt.message), Notice { kind, about })
        };
        let mut notices = vec![
            notice(Kind::Failed, debt.failed),
            notice(Kind::Delayed, debt.delayed),
        ];
        notices.retain(|(_, notice)| !notice.about.is_empty());
        self.settled.push_back(Command::Settled {
            change,
            notices,
            log: Vec::new(),
        });
    }

    /// What was to tell of these delays could not be kept: it is told again when it is due again.
    pub fn not_told(&mut self, rows: &[(MessageId, u32)]) {
        for key in rows {
            self.owed.told.remove(key);
        }
    }
}
