//! Evenly spaced slots, and a bank of those that passed unused.

use super::Limit;
use super::calendar::{NUMBER_MAX, Units};
use super::change::RateCount;
use super::runs::Runs;
use crate::Moment;
use std::ops::Range;
use std::time::Duration;

/// The calendar of one rate, in whole numbers: slot `k` lies at `ceil(k · period / count)` milliseconds after 1970.
///
/// A slot that passes unreserved goes to the bank, which holds `burst` at most. What was taken from the bank and may yet
/// come back is `live`, and room is kept for it: `bank + live` is what there would be, had none of it been taken. Where
/// that would be more than `burst`, what is out can't come back any more (`dead`): else a release could give more than
/// there ever was.
///
/// A reserved slot that passed, and that nobody came for, is `lapsed`: it goes to whoever is there next, and still counts
/// at its own time. So the bound that [`super`] states holds without exception. Up to `burst` of them are kept until the
/// bank is full again.
#[derive(Debug)]
pub(super) struct Rate {
    count: u64,
    period: u64,
    burst: u64,
    /// The first slot that has not passed.
    next: u64,
    bank: u64,
    live: u64,
    /// What was taken from the bank before this slot was the next one doesn't come back.
    dead: u64,
    /// Slots from `next` on that are reserved.
    reserved: Runs,
    /// Those of them that no appointment has any more, or never had.
    spent: Runs,
    /// Slots before `next`.
    lapsed: Runs,
}

impl Rate {
    /// A full bank, as if nobody had ever come.
    pub(super) fn new(limit: &Limit, burst: u64, now: Moment) -> Self {
        let mut rate = Self {
            count: limit.count(),
            period: limit.period_millis(),
            burst,
            next: 0,
            bank: burst,
            live: 0,
            dead: 0,
            reserved: Runs::default(),
            spent: Runs::default(),
            lapsed: Runs::default(),
        };
        rate.next = rate.behind(now);
        rate.dead = rate.next;
        rate
    }

    /// As it was stored at `at`; a row that was damaged may say anything.
    pub(super) fn restored(limit: &Limit, burst: u64, count: &RateCount, at: Moment) -> Self {
        let mut rate = Self::new(limit, burst, at);
        rate.bank = count.bank.min(burst);
        rate.live = count.live.min(burst - rate.bank);
        rate.dead = count.dead.min(rate.next);
        let sound = |run: &&Range<u64>| run.start < run.end && run.end <= NUMBER_MAX;
        for run in count.spent.iter().filter(sound) {
            rate.reserve_again(run.start, run.end - run.start);
            rate.spend_row(run.start, run.end - run.start);
        }
        for run in count.lapsed.iter().filter(sound) {
            rate.lapse(run.start, run.end.min(rate.next).saturating_sub(run.start));
        }
        rate
    }

    pub(super) fn saved(&self) -> RateCount {
        RateCount {
            bank: self.bank,
            live: self.live,
            dead: self.dead,
            spent: self.spent.iter().collect(),
            lapsed: self.lapsed.iter().collect(),
        }
    }

    pub(super) fn bank(&self) -> u64 {
        self.bank
    }

    /// Reserved slots that are to come.
    pub(super) fn to_come(&self) -> u64 {
        self.reserved.count()
    }

    /// Lets the bank hold another number.
    pub(super) fn set_burst(&mut self, burst: u64) {
        self.burst = burst;
        self.bank = self.bank.min(burst);
        self.live = self.live.min(burst - self.bank);
    }

    /// Starts with so much in the bank, and so many of the next slots gone.
    pub(super) fn begin_with(&mut self, bank: u64, gone: u64) {
        self.bank = bank.min(self.burst);
        let gone = gone.min(self.count);
        if gone > 0
            && let Some(first) = self.reserved.gap(self.next, gone)
        {
            self.reserved.insert(first, gone);
            self.spend_row(first, gone);
        }
    }

    /// The first slot that lies behind `now`.
    fn behind(&self, now: Moment) -> u64 {
        let now = u128::try_from(now.as_millis()).unwrap_or(0);
        let passed = now * u128::from(self.count) / u128::from(self.period);
        u64::try_from(passed).map_or(u64::MAX >> 1, |passed| passed + 1)
    }

    /// When a slot is.
    pub(super) fn time(&self, slot: u64) -> Moment {
        let millis = (u128::from(slot) * u128::from(self.period)).div_ceil(u128::from(self.count));
        Moment::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// Lets the slots up to `now` pass.
    pub(super) fn advance(&mut self, now: Moment) {
        let next = self.behind(now);
        if next <= self.next {
            return;
        }
        while let Some((start, end)) = self.reserved.pop_before(next) {
            self.pass_unreserved(start);
            self.next = end;
        }
        self.spent.remove(0, next);
        self.pass_unreserved(next);
    }

    /// Lets the slots up to `next` pass, which nobody has reserved.
    fn pass_unreserved(&mut self, next: u64) {
        let slots = next - self.next;
        self.next = next;
        if slots > self.burst - self.bank - self.live {
            self.live = 0;
            self.dead = next;
        }
        self.bank = self.burst.min(self.bank.saturating_add(slots));
        if self.bank == self.burst {
            self.lapsed.clear();
        }
    }

    /// When `cost` could be had, at `from` or later.
    pub(super) fn earliest(&self, from: Moment, cost: u64) -> Option<Moment> {
        let first = self.row_to(from, cost);
        if first < self.next && (self.bank >= cost || self.lapsed.run_of(cost).is_some()) {
            return Some(from);
        }
        let first = self.reserved.gap(first.max(self.next), cost)?;
        Some(from.max(self.time(first + (cost - 1))))
    }

    /// Takes `cost`, to be used at `at`: what [`Self::earliest`] found. Where the row of slots that ends at that time
    /// would have to begin in the past, from what has passed.
    pub(super) fn take(&mut self, at: Moment, cost: u64) -> Option<Units> {
        let first = self.row_to(at, cost);
        if first < self.next {
            if let Some(first) = self.lapsed.run_of(cost) {
                self.lapsed.remove(first, cost);
                return Some(Units::Row { first, units: cost });
            }
            if self.bank >= cost {
                self.bank -= cost;
                self.live += cost;
                let before = self.next;
                return Some(Units::Banked {
                    before,
                    units: cost,
                });
            }
        }
        let first = self.reserved.gap(first.max(self.next), cost)?;
        self.reserved.insert(first, cost);
        Some(Units::Row { first, units: cost })
    }

    /// The row of `cost` slots whose last one is the last that has come by `at`: where it begins. Of several that come in
    /// that millisecond it is the first: the others are left for who is told the same.
    fn row_to(&self, at: Moment, cost: u64) -> u64 {
        let first = self.behind(at.before(Duration::from_millis(1)));
        let last = first.min(self.behind(at) - 1);
        (last + 1).saturating_sub(cost)
    }

    /// Takes back, as if it had never been given: what is to come is free again, what is past may be had at once.
    pub(super) fn give_back(&mut self, units: Units) {
        match units {
            Units::Banked { before, units } if before >= self.dead => {
                let units = units.min(self.live);
                self.live -= units;
                self.bank += units;
            }
            Units::Row { first, units } => {
                let end = first + units;
                let split = self.next.clamp(first, end);
                self.reserved.remove(split, end - split);
                self.lapse(first, split - first);
            }
            Units::Banked { .. } | Units::Window { .. } => {}
        }
    }

    /// These slots passed, and nobody came.
    fn lapse(&mut self, first: u64, slots: u64) {
        let room = self.burst.saturating_sub(self.lapsed.count());
        let fits = (1..=room).contains(&slots) && self.bank < self.burst;
        if fits && self.lapsed.gap(first, slots) == Some(first) {
            self.lapsed.insert(first, slots);
        }
    }

    /// They won't come back.
    pub(super) fn spend(&mut self, units: Units) {
        match units {
            Units::Banked { before, units } if before >= self.dead => {
                self.live -= units.min(self.live);
            }
            Units::Row { first, units } => self.spend_row(first, units),
            Units::Banked { .. } | Units::Window { .. } => {}
        }
    }

    /// What is to come of it stays taken, and is no appointment's.
    fn spend_row(&mut self, first: u64, units: u64) {
        let (from, end) = (first.max(self.next), first + units);
        if from < end {
            self.spent.remove(from, end - from);
            self.spent.insert(from, end - from);
        }
    }

    /// Takes a reservation over that was stored.
    pub(super) fn reserve_again(&mut self, first: u64, units: u64) {
        let end = first.saturating_add(units);
        let from = first.max(self.next);
        if from < end && self.reserved.gap(from, end - from) == Some(from) {
            self.reserved.insert(from, end - from);
        }
    }

    /// When it will be as good as new, if nobody comes.
    pub(super) fn idle_at(&self) -> Moment {
        let full = self.next.saturating_add(self.burst - self.bank);
        let behind = full.max(self.reserved.end().unwrap_or(0));
        self.time(behind.saturating_sub(1))
    }

    /// It is as good as new.
    pub(super) fn is_idle(&self) -> bool {
        self.bank == self.burst && self.reserved.end().is_none()
    }
}
