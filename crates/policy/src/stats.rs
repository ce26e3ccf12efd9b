//! Hints given, and how they were kept: by reason and day.

pub use crate::moment::EARLY;
use crate::{Moment, Reason};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// More than so long after its due, a return is late: it came by its own clock, not because it was told to.
///
/// A sender that obeys hints is there within two seconds, or as soon as it has a free connection. One that doesn't
/// comes at its next step: after the usual 300 s that is 100 s late for qmail and OpenSMTPD, 120 s for Stalwart,
/// 148 s for Haraka, 150 s for mox, 600 s for Exim, 900 s for KumoMTA. Those whose step happens to be 300 s (Postfix,
/// Courier, ZoneMTA) can't be told from ones that obey.
pub const LATE: Duration = Duration::from_secs(60);

/// Days that are kept.
pub const DAYS_MAX: usize = 36;

/// One row that outlives the process: what became of the hints of one reason that were given on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Days since 1970-01-01 UTC, on which the hint was given; with `reason` it names the row.
    pub day: i64,
    /// Why.
    pub reason: Reason,
    /// How many, of what.
    pub counts: Counts,
}

/// How many, of what. Every hint ends in one of `on_time`, `late` and `never`, or is open still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hints given.
    pub given: u64,
    /// Visits more than [`EARLY`] before the due. They end nothing: the appointment stands.
    pub early: u64,
    /// Returns from then until [`LATE`] after the due.
    pub on_time: u64,
    /// Returns after that.
    pub late: u64,
    /// Windows that ended without one.
    pub never: u64,
}

/// One step from the rows of before to those of now; to be applied in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, or a row anew.
    Keep(Row),
    /// All rows of that day are gone.
    Drop {
        /// Days since 1970-01-01 UTC.
        day: i64,
    },
}

/// Counters. What happens is counted for the day on which the hint was given, so that a day's numbers add up.
#[derive(Debug, Default)]
pub struct Stats {
    days: BTreeMap<i64, BTreeMap<Reason, Counts>>,
    /// Changed since the changes were taken: a busy day is one change, not one a mail.
    changed: BTreeSet<(i64, Reason)>,
    dropped: Vec<i64>,
}

/// When a visit came, against its due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punctuality {
    /// More than [`EARLY`] before it.
    Early,
    /// Not early, and at most [`LATE`] after it.
    OnTime,
    /// Later.
    Late,
}

/// How a visit at `now` keeps an appointment for `due`.
pub fn punctuality(due: Moment, now: Moment) -> Punctuality {
    if now.after(EARLY) < due {
        Punctuality::Early
    } else if now <= due.after(LATE) {
        Punctuality::OnTime
    } else {
        Punctuality::Late
    }
}

impl Stats {
    /// A new appointment was told at `now`. Telling the same one again is none.
    pub fn given(&mut self, reason: Reason, now: Moment) {
        self.count(reason, now, now, |counts| &mut counts.given);
    }

    /// Somebody told at `given` to come at `due` comes at `now`. Once it was on time or late, its appointment is over:
    /// further visits are not counted.
    pub fn came(&mut self, reason: Reason, given: Moment, due: Moment, now: Moment) -> Punctuality {
        let how = punctuality(due, now);
        self.count(reason, given, now, |counts| match how {
            Punctuality::Early => &mut counts.early,
            Punctuality::OnTime => &mut counts.on_time,
            Punctuality::Late => &mut counts.late,
        });
        how
    }

    /// The windows of `times` appointments that were told on `day` ([`day_of`]) have ended, and nobody came.
    pub fn never(&mut self, reason: Reason, day: i64, times: u64, now: Moment) {
        self.add(reason, day, times, now, |counts| &mut counts.never);
    }

    /// All rows, by day and reason.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.days.iter().flat_map(|(&day, reasons)| {
            reasons.iter().map(move |(&reason, &counts)| Row {
                day,
                reason,
                counts,
            })
        })
    }

    /// The sum of one reason over the days from `first` to `last`, both included.
    pub fn sum(&self, reason: Reason, first: i64, last: i64) -> Counts {
        let in_time = |row: &Row| row.reason == reason && (first..=last).contains(&row.day);
        self.rows()
            .filter(in_time)
            .fold(Counts::default(), |sum, row| sum.plus(row.counts))
    }

    /// Takes what changed since the last call: a row that changed often is told once.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let dropped = std::mem::take(&mut self.dropped).into_iter();
        let changed = std::mem::take(&mut self.changed).into_iter();
        let row = |(day, reason): (i64, Reason)| {
            let counts = *self.days.get(&day)?.get(&reason)?;
            Some(Change::Keep(Row {
                day,
                reason,
                counts,
            }))
        };
        let gone = dropped.map(|day| Change::Drop { day });
        gone.chain(changed.filter_map(row)).collect()
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.changed.len() + self.dropped.len()
    }

    /// Takes a stored row over, at the start. Days beyond the bound are not taken, and a change says that they may go.
    pub fn restore(&mut self, row: Row, now: Moment) {
        self.days
            .entry(row.day)
            .or_default()
            .insert(row.reason, row.counts);
        self.shed(day_of(now));
    }

    fn count(
        &mut self,
        reason: Reason,
        given: Moment,
        now: Moment,
        counter: impl FnOnce(&mut Counts) -> &mut u64,
    ) {
        self.add(reason, day_of(given), 1, now, counter);
    }

    fn add(
        &mut self,
        reason: Reason,
        day: i64,
        times: u64,
        now: Moment,
        counter: impl FnOnce(&mut Counts) -> &mut u64,
    ) {
        let today = day_of(now);
        let is_kept = self.days.contains_key(&day);
        if !is_kept && day.abs_diff(today) >= DAYS_MAX as u64 {
            return;
        }
        let counts = self.days.entry(day).or_default().entry(reason).or_default();
        let counter = counter(counts);
        *counter = counter.saturating_add(times);
        self.changed.insert((day, reason));
        self.shed(today);
    }

    /// The day that is farthest from today goes: a clock that was wrong for a while takes no more than its own day.
    fn shed(&mut self, today: i64) {
        while self.days.len() > DAYS_MAX {
            let days = self.days.keys().copied();
            let Some(far) = days.max_by_key(|day| day.abs_diff(today)) else {
                return;
            };
            self.days.remove(&far);
            self.dropped.push(far);
        }
    }
}

impl Counts {
    fn plus(self, more: Self) -> Self {
        Self {
            given: self.given.saturating_add(more.given),
            early: self.early.saturating_add(more.early),
            on_time: self.on_time.saturating_add(more.on_time),
            late: self.late.saturating_add(more.late),
            never: self.never.saturating_add(more.never),
        }
    }

    /// Hints whose end is not known yet.
    pub fn open(&self) -> u64 {
        let ended = self.on_time.saturating_add(self.late);
        self.given.saturating_sub(ended.saturating_add(self.never))
    }
}

/// Days since 1970-01-01 UTC.
pub fn day_of(moment: Moment) -> i64 {
    const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
    moment.as_millis().div_euclid(DAY_MILLIS)
}

#[cfg(test)]
mod tests;
