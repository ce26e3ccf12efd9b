//! What is counted for one rule and key.

use super::Limit;
use super::change::{Saved, State};
use super::clock::bounded;
use super::quota::Quota;
use super::rate::Rate;
use crate::{Block, Moment};
use std::sync::Arc;

/// Which calendar: a keyed hash of rule and key. With a million of them, two are the same once in 10^26.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub(super) [u64; 2]);

/// Units of one calendar that someone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Of a rate, from what had passed unused.
    Banked {
        /// The first slot that had not passed then.
        before: u64,
        /// How many.
        units: u64,
    },
    /// Of a rate: a row of slots.
    Row {
        /// The first of them, counted since 1970.
        first: u64,
        /// How many.
        units: u64,
    },
    /// Of a quota.
    Window {
        /// Which, counted since 1970.
        window: u64,
        /// How many.
        units: u64,
    },
}

/// Above any slot, cost or row's name that there can be, and far from where sums overflow.
pub(super) const NUMBER_MAX: u64 = 1 << 62;

impl Units {
    fn number(self) -> u64 {
        let (Self::Banked { units, .. } | Self::Row { units, .. } | Self::Window { units, .. }) =
            self;
        units
    }
}

/// What an appointment or a charge has in one calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The calendar's row.
    pub calendar: u64,
    /// Which numbering of slots the units are of: another limit numbers anew.
    pub series: u32,
    /// What it has.
    pub units: Units,
    /// When they count.
    pub at: Moment,
    /// Kept for [`super::Grace::Brief`] only.
    pub brief: bool,
}

/// What a limit counts for one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The calendar's row.
    pub calendar: u64,
    /// When: of a row of slots, the last one's time.
    pub at: Moment,
    /// How many units.
    pub units: u64,
}

impl Hold {
    /// A row that was damaged may say anything.
    pub(super) fn is_sound(&self) -> bool {
        let (Units::Banked { before: at, .. }
        | Units::Row { first: at, .. }
        | Units::Window { window: at, .. }) = self.units;
        let numbers = [self.calendar, at, self.units.number()];
        numbers.iter().all(|number| *number <= NUMBER_MAX)
    }

    pub(super) fn counted(&self) -> Counted {
        Counted {
            calendar: self.calendar,
            at: self.at,
            units: self.units.number(),
        }
    }
}

/// One calendar. It is advanced to now before anything else is asked of it.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Names its row.
    pub(super) id: u64,
    pub(super) rule: Arc<str>,
    limit: Limit,
    series: u32,
    /// Appointments that have something in it.
    pub(super) holds: u32,
    /// Its row was handed out once.
    pub(super) stored: bool,
    /// Its row is another now.
    pub(super) changed: bool,
    /// The network that opened it, where that is known.
    pub(super) block: Option<Block>,
    /// Where it is listed by the time at which it is idle.
    pub(super) listed: Option<Moment>,
    now: Moment,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Rate(Rate),
    Quota(Quota),
}

impl Kind {
    fn new(limit: &Limit, now: Moment) -> Self {
        match limit.burst() {
            Some(burst) => Self::Rate(Rate::new(limit, burst, now)),
            None => Self::Quota(Quota::new(limit, now)),
        }
    }
}

impl Calendar {
    pub(super) fn new(id: u64, rule: Arc<str>, limit: Limit, now: Moment) -> Self {
        Self {
            id,
            rule,
            limit,
            series: 0,
            holds: 0,
            stored: false,
            changed: false,
            block: None,
            listed: None,
            now,
            kind: Kind::new(&limit, now),
        }
    }

    pub(super) fn restored(id: u64, rule: Arc<str>, saved: Saved) -> Self {
        let Saved {
            limit,
            series,
            at,
            state,
        } = saved;
        let at = bounded(at);
        let kind = match (limit.burst(), state) {
            (Some(burst), State::Rate(count)) => {
                Kind::Rate(Rate::restored(&limit, burst, &count, at))
            }
            (None, State::Quota { used, booked }) => {
                Kind::Quota(Quota::restored(&limit, used, booked, at))
            }
            _ => Kind::new(&limit, at),
        };
        Self {
            series,
            stored: true,
            kind,
            ..Self::new(id, rule, limit, at)
        }
    }

    pub(super) fn saved(&self) -> Saved {
        Saved {
            limit: self.limit,
            series: self.series,
            at: self.now,
            state: match &self.kind {
                Kind::Rate(rate) => State::Rate(rate.saved()),
                Kind::Quota(quota) => State::Quota {
                    used: quota.used(),
                    booked: quota.booked(),
                },
            },
        }
    }

    pub(super) fn advance(&mut self, now: Moment) {
        self.now = self.now.max(now);
        match &mut self.kind {
            Kind::Rate(rate) => rate.advance(now),
            Kind::Quota(quota) => quota.advance(now),
        }
    }

    /// Counts by another limit from now on. Where its slots are numbered as before, nothing else changes. Else the places
    /// that are told stay with their holders and the same number is taken from what the new limit gives next, up to one
    /// period's worth. Says whether it changed.
    pub(super) fn adopt(&mut self, limit: Limit) -> bool {
        if limit == self.limit {
            return false;
        }
        let same_count = limit.count() == self.limit.count();
        let same_period = limit.period() == self.limit.period();
        self.limit = limit;
        match (&mut self.kind, limit.burst()) {
            (Kind::Rate(rate), Some(burst)) if same_count && same_period => rate.set_burst(burst),
            (Kind::Quota(quota), None) if same_period => quota.set_count(limit.count()),
            _ => self.renumber(),
        }
        true
    }

    fn renumber(&mut self) {
        let limit = self.limit;
        let (room, told) = match &self.kind {
            Kind::Rate(rate) => (rate.bank(), rate.to_come()),
            Kind::Quota(quota) => (quota.room(), quota.booked()),
        };
        self.series = self.series.wrapping_add(1);
        self.kind = Kind::new(&limit, self.now);
        match &mut self.kind {
            Kind::Rate(rate) => rate.begin_with(room, told),
            Kind::Quota(quota) => {
                let gone = limit.count().saturating_sub(room);
                quota.begin_with(gone, told.min(limit.count()));
            }
        }
    }

    /// When there is room for `cost`, at `from` or later.
    pub(super) fn earliest(&self, from: Moment, cost: u64) -> Option<Moment> {
        match &self.kind {
            Kind::Rate(rate) => rate.earliest(from, cost),
            Kind::Quota(quota) => quota.earliest(from, cost),
        }
    }

    /// No time will ever do.
    pub(super) fn is_too_small(&self, cost: u64) -> bool {
        cost > self.limit.most()
    }

    /// Takes what [`Self::earliest`] found at `at`.
    pub(super) fn take(&mut self, at: Moment, cost: u64) -> Option<Hold> {
        let (units, counts_at) = match &mut self.kind {
            Kind::Rate(rate) => {
                let units = rate.take(at, cost)?;
                let counts_at = match units {
                    Units::Row { first, units } => rate.time(first + (units - 1)),
                    _ => self.now,
                };
                (units, counts_at)
            }
            Kind::Quota(quota) => (quota.take(at, cost), at),
        };
        Some(Hold {
            calendar: self.id,
            series: self.series,
            units,
            at: counts_at,
            brief: false,
        })
    }

    pub(super) fn give_back(&mut self, hold: &Hold) {
        if hold.series == self.series {
            match &mut self.kind {
                Kind::Rate(rate) => rate.give_back(hold.units),
                Kind::Quota(quota) => quota.give_back(hold.units),
            }
        }
    }

    pub(super) fn spend(&mut self, hold: &Hold) {
        if hold.series == self.series
            && let Kind::Rate(rate) = &mut self.kind
        {
            rate.spend(hold.units);
        }
    }

    /// Takes over what a stored appointment has in it. What a quota has booked, and what was told under another limit, is
    /// in its own row.
    pub(super) fn hold_again(&mut self, hold: &Hold) {
        if hold.series == self.series
            && let (Kind::Rate(rate), Units::Row { first, units }) = (&mut self.kind, hold.units)
        {
            rate.reserve_again(first, units);
        }
    }

    /// When it will be as good as new, if nobody comes.
    pub(super) fn idle_at(&self) -> Moment {
        match &self.kind {
            Kind::Rate(rate) => rate.idle_at(),
            Kind::Quota(quota) => quota.idle_at(),
        }
    }

    /// Forgetting it changes nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.holds == 0
            && match &self.kind {
                Kind::Rate(rate) => rate.is_idle(),
                Kind::Quota(quota) => quota.is_idle(),
            }
    }
}
