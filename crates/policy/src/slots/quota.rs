//! So many in each window.

use super::Limit;
use super::calendar::Units;
use crate::Moment;

/// The calendar of one quota: this window and the next.
#[derive(Debug)]
pub(super) struct Quota {
    count: u64,
    period: u64,
    /// Periods since 1970.
    window: u64,
    used: u64,
    booked: u64,
}

impl Quota {
    pub(super) fn new(limit: &Limit, now: Moment) -> Self {
        let mut quota = Self {
            count: limit.count(),
            period: limit.period_millis(),
            window: 0,
            used: 0,
            booked: 0,
        };
        quota.window = quota.window_of(now);
        quota
    }

    /// As it was stored at `at`.
    pub(super) fn restored(limit: &Limit, used: u64, booked: u64, at: Moment) -> Self {
        let mut quota = Self::new(limit, at);
        quota.begin_with(used, booked);
        quota
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// What this window still has.
    pub(super) fn room(&self) -> u64 {
        self.count.saturating_sub(self.used)
    }

    pub(super) fn booked(&self) -> u64 {
        self.booked
    }

    /// Lets another number through from now on.
    pub(super) fn set_count(&mut self, count: u64) {
        self.count = count;
    }

    pub(super) fn begin_with(&mut self, used: u64, booked: u64) {
        self.used = used;
        self.booked = booked;
    }

    fn window_of(&self, at: Moment) -> u64 {
        u64::try_from(at.as_millis()).unwrap_or(0) / self.period
    }

    fn start_of(&self, window: u64) -> Moment {
        let millis = window.saturating_mul(self.period);
        Moment::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    pub(super) fn advance(&mut self, now: Moment) {
        let window = self.window_of(now);
        if window <= self.window {
            return;
        }
        let follows = window == self.window + 1;
        self.used = if follows { self.booked } else { 0 };
        self.booked = 0;
        self.window = window;
    }

    /// When `cost` could be had, at `from` or later: in this window, or as the next one begins.
    pub(super) fn earliest(&self, from: Moment, cost: u64) -> Option<Moment> {
        let fits = |counted: u64| counted.saturating_add(cost) <= self.count;
        let window = self.window_of(from);
        if window == self.window && fits(self.used) {
            return Some(from);
        }
        if window > self.window + 1 || !fits(self.booked) {
            return None;
        }
        Some(from.max(self.start_of(self.window + 1)))
    }

    /// Takes `cost` in the window of `at`: what [`Self::earliest`] found.
    pub(super) fn take(&mut self, at: Moment, cost: u64) -> Units {
        let window = self.window_of(at);
        if window == self.window {
            self.used += cost;
        } else {
            self.booked += cost;
        }
        Units::Window {
            window,
            units: cost,
        }
    }

    /// Takes back what is of this window or the next.
    pub(super) fn give_back(&mut self, units: Units) {
        let Units::Window { window, units } = units else {
            return;
        };
        if window == self.window {
            self.used = self.used.saturating_sub(units);
        } else if window == self.window + 1 {
            self.booked = self.booked.saturating_sub(units);
        }
    }

    /// When it will be as good as new, if nobody comes.
    pub(super) fn idle_at(&self) -> Moment {
        match (self.used, self.booked) {
            (0, 0) => self.start_of(self.window),
            (_, 0) => self.start_of(self.window + 1),
            _ => self.start_of(self.window + 2),
        }
    }

    /// It is as good as new.
    pub(super) fn is_idle(&self) -> bool {
        self.used == 0 && self.booked == 0
    }
}
