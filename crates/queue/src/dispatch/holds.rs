//! The holds on hosts and mailboxes: their ends, their probes, and the drawing of what is parked under them.
//!
//! A hold *stands* until its time has come. Then one row is drawn, its *probe*, and the hold is still in force for all
//! others. When the probe shows that it is over, the rest is drawn. The record stays in the spool until nothing is
//! parked under it, so that a crash at any point leaves nobody parked for ever: what is read at the start and has come
//! to its end is probed again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::lot::Lot;
use crate::plan;
use crate::spool::Hold;
use crate::{HoldKey, HostKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until its time.
    Standing,
    /// A probe is wanted; `true`: one is under way.
    Probing(bool),
    /// Over, and what is parked under it is drawn.
    Over,
}

#[derive(Debug)]
struct Entry {
    hold: Hold,
    /// Its place in the timers: its end, or later when its probe has to be made once more.
    wakes: SystemTime,
    phase: Phase,
    lot: Lot,
    /// Hints obeyed in a row after which it still refused.
    broken: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HoldTable {
    entries: BTreeMap<HoldKey, Entry>,
    timers: BTreeSet<(SystemTime, HoldKey)>,
    /// Those that want a probe drawn.
    wanted: BTreeSet<HoldKey>,
    /// Those under which everything is drawn: they are over, or another way round them was found.
    draws: BTreeSet<HoldKey>,
    mailboxes: usize,
}

impl HoldTable {
    /// With what the spool remembers.
    pub(super) fn load(holds: Vec<Hold>) -> Self {
        let mut table = Self::default();
        for hold in holds {
            table.insert(hold);
        }
        table
    }

    fn insert(&mut self, hold: Hold) {
        self.mailboxes += usize::from(matches!(hold.key, HoldKey::Mailbox(_)));
        self.timers.insert((hold.until, hold.key.clone()));
        let entry = Entry {
            wakes: hold.until,
            hold: hold.clone(),
            phase: Phase::Standing,
            lot: Lot::default(),
            broken: 0,
        };
        self.entries.insert(hold.key, entry);
    }

    /// Whether it holds anybody back who is not its probe.
    pub(super) fn in_force(&self, key: &HoldKey) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| entry.phase != Phase::Over)
    }

    /// Whether what is parked under it is drawn: all, or a probe.
    pub(super) fn draws(&self, key: &HoldKey) -> bool {
        self.draws.contains(key)
            || self
                .entries
                .get(key)
                .is_some_and(|entry| entry.phase == Phase::Probing(false))
    }

    /// The hold, if it is in force.
    pub(super) fn now(&self, key: &HoldKey) -> Option<&Hold> {
        let entry = self.entries.get(key)?;
        (entry.phase != Phase::Over).then_some(&entry.hold)
    }

    /// The clock went back, or is not the one by which the record was made: none stands longer than a wait that is
    /// believed.
    pub(super) fn clamp(&mut self, now: SystemTime, longest: impl Fn(&HoldKey) -> Duration) {
        let mut moved = Vec::new();
        for (until, key) in &self.timers {
            let end = plan::later(now, longest(key));
            if *until > end {
                moved.push((*until, end, key.clone()));
            }
        }
        for (until, end, key) in moved {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.hold.until = entry.hold.until.min(end);
                entry.wakes = end;
            }
            self.timers.remove(&(until, key.clone()));
            self.timers.insert((end, key));
        }
    }

    pub(super) fn holds_host(&self, host: HostKey) -> Option<SystemTime> {
        self.now(&HoldKey::Host(host)).map(|hold| hold.until)
    }

    pub(super) fn has_mailboxes(&self) -> bool {
        self.mailboxes > 0
    }

    pub(super) fn get(&self, key: &HoldKey) -> Option<&Hold> {
        self.entries.get(key).map(|entry| &entry.hold)
    }

    /// Whether it stands, its time not come.
    pub(super) fn stands(&self, key: &HoldKey) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| entry.phase == Phase::Standing)
    }

    /// Those in force.
    pub(super) fn all(&self) -> impl Iterator<Item = &Hold> {
        self.entries
            .values()
            .filter(|entry| entry.phase != Phase::Over)
            .map(|entry| &entry.hold)
    }

    /// Sets or moves a hold; what is returned goes into the spool. `None`: there are `max` already.
    pub(super) fn set(&mut self, hold: Hold, max: usize) -> Option<Hold> {
        self.wanted.remove(&hold.key);
        self.draws.remove(&hold.key);
        if let Some(entry) = self.entries.get_mut(&hold.key) {
            self.timers.remove(&(entry.wakes, hold.key.clone()));
            self.timers.insert((hold.until, hold.key.clone()));
            entry.wakes = hold.until;
            entry.hold = hold.clone();
            entry.phase = Phase::Standing;
        } else if self.entries.len() < max {
            self.insert(hold.clone());
        } else {
            return None;
        }
        Some(hold)
    }

    /// Finds those whose time has come.
    pub(super) fn tick(&mut self, now: SystemTime) {
        while self.timers.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.timers.pop_first() else {
                return;
            };
            self.want_probe(&key);
        }
    }

    /// When the next one's time comes.
    pub(super) fn wake(&self) -> Option<SystemTime> {
        self.timers.first().map(|(until, _)| *until)
    }

    fn want_probe(&mut self, key: &HoldKey) {
        if let Some(entry) = self.entries.get_mut(key)
            && entry.phase != Phase::Over
        {
            entry.phase = Phase::Probing(false);
            entry.lot.ask_again();
            self.wanted.insert(key.clone());
        }
    }

    /// Its probe came to nothing (it expired, or was taken away): another one.
    pub(super) fn probe_gone(&mut self, key: &HoldKey) {
        if self
            .entries
            .get(key)
            .is_some_and(|entry| entry.phase == Phase::Probing(true))
        {
            self.want_probe(key);
        }
    }

    /// Its probe found a limit of our own, which says nothing of it: it is made at this time.
    pub(super) fn probe_later(&mut self, key: &HoldKey, at: SystemTime) {
        if let Some(entry) = self.entries.get_mut(key)
            && entry.phase == Phase::Probing(true)
        {
            entry.phase = Phase::Standing;
            entry.wakes = at;
            self.timers.insert((at, key.clone()));
        }
    }

    /// Counts a hint that was obeyed and led to another refusal.
    pub(super) fn broken(&mut self, key: &HoldKey) -> u32 {
        self.entries.get_mut(key).map_or(0, |entry| {
            entry.broken = entry.broken.saturating_add(1);
            entry.broken
        })
    }

    /// The operator ends its wait: it is probed now.
    pub(super) fn hurry(&mut self, key: &HoldKey) {
        if let Some(entry) = self.entries.get(key)
            && entry.phase == Phase::Standing
        {
            self.timers.remove(&(entry.wakes, key.clone()));
            self.want_probe(key);
        }
    }

    /// A probe was drawn. `false`: none is wanted any more.
    pub(super) fn probe(&mut self, key: &HoldKey) -> bool {
        let Some(entry) = self.entries.get_mut(key) else {
            return false;
        };
        if entry.phase != Phase::Probing(false) {
            return false;
        }
        self.wanted.remove(key);
        entry.phase = Phase::Probing(true);
        true
    }

    /// It is over: the rest may follow.
    pub(super) fn over(&mut self, key: &HoldKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.timers.remove(&(entry.wakes, key.clone()));
            self.wanted.remove(key);
            entry.phase = Phase::Over;
            entry.lot.ask_again();
            entry.hold.failures = 0;
            entry.broken = 0;
            self.draws.insert(key.clone());
        }
    }

    /// It stands, but its mail has another way: what is parked is drawn until something is parked again.
    pub(super) fn draw(&mut self, key: &HoldKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.lot.ask_again();
            self.draws.insert(key.clone());
        }
    }

    /// Parks one row, by a change that goes to the spool before the next lease.
    pub(super) fn park(&mut self, key: &HoldKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.lot.park();
            if entry.phase != Phase::Over {
                self.draws.remove(key);
            }
        }
    }

    pub(super) fn lot(&mut self, key: &HoldKey) -> Option<&mut Lot> {
        self.entries.get_mut(key).map(|entry| &mut entry.lot)
    }

    /// A hold that wants a probe, and the mark of its lot.
    pub(super) fn wants_probe(&self) -> Option<(HoldKey, u64)> {
        self.candidate(self.wanted.iter())
    }

    /// The hold after `last`, in turn, under which everything is drawn, and the mark of its lot.
    pub(super) fn wants_draw(&self, last: Option<&HoldKey>) -> Option<(HoldKey, u64)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = last
            .and_then(|last| self.candidate(self.draws.range((Excluded(last.clone()), Unbounded))));
        after.or_else(|| self.candidate(self.draws.iter()))
    }

    fn candidate<'a>(
        &'a self,
        mut keys: impl Iterator<Item = &'a HoldKey>,
    ) -> Option<(HoldKey, u64)> {
        keys.find_map(|key| {
            let lot = &self.entries.get(key)?.lot;
            lot.may_have().then(|| (key.clone(), lot.mark()))
        })
    }

    /// The spool had nothing parked under it when it was asked at `mark`.
    pub(super) fn none_parked(&mut self, key: &HoldKey, mark: u64) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.lot.none(mark);
            if entry.phase == Phase::Standing {
                self.draws.remove(key);
            }
        }
    }

    /// Forgets it, if it no longer stands, no probe of it is under way and nothing is parked under it: `true`, and the
    /// spool is to forget it too.
    pub(super) fn forget(&mut self, key: &HoldKey) -> bool {
        let gone = self.entries.get(key).is_some_and(|entry| {
            entry.lot.is_empty() && matches!(entry.phase, Phase::Over | Phase::Probing(false))
        });
        if gone {
            self.entries.remove(key);
            self.wanted.remove(key);
            self.draws.remove(key);
            self.mailboxes -= usize::from(matches!(key, HoldKey::Mailbox(_)));
        }
        gone
    }
}
