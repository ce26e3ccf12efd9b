//! How a charge ends, and how an appointment does.

use super::book::Book;
use super::calendar::{Calendar, Hold};
use super::calendars::cut;
use super::change::Change;
use super::{Charge, Holder, Took};
use crate::Moment;
use crate::stats::day_of;

impl Book {
    /// The mail was taken: what it was charged stays charged.
    pub fn spend(&mut self, charge: Charge, now: Moment) {
        let now = self.own_time(now);
        match charge.0 {
            Took::Fresh(holds) => self.end_fresh(&holds, now, Calendar::spend),
            Took::Claimed {
                id, guests, rest, ..
            } => {
                self.end_fresh(&rest, now, Calendar::spend);
                self.empty(id, now, Calendar::spend);
                // Behind its end, its row is gone.
                let is_there = self.appointments.get(id).is_some();
                if is_there && !self.appointments.leave(id, &guests) {
                    self.appointments.remove(id);
                    self.log.push(Change::DropAppointment { id });
                }
            }
        }
    }

    /// The mail was refused for another reason: all that it was charged is given back, and an appointment that it had
    /// stands again until its end.
    pub fn release(&mut self, charge: Charge, now: Moment) {
        let now = self.own_time(now);
        match charge.0 {
            Took::Fresh(holds) => self.end_fresh(&holds, now, Calendar::give_back),
            Took::Claimed {
                id, guests, rest, ..
            } => {
                self.end_fresh(&rest, now, Calendar::give_back);
                self.appointments.reopen(id, &guests);
            }
        }
    }

    /// An operator's word: whoever this is has no appointment any more. Who shared it has it still, with all that it
    /// holds. Says whether it had one.
    pub fn forget_holder(&mut self, holder: Holder, now: Moment) -> bool {
        let now = self.own_time(now);
        let mut had = false;
        while let Some(id) = self.appointments.of(&[holder.into()], now) {
            if !self.appointments.unseat(id, holder) {
                self.drop_row(id, now, Calendar::give_back);
            }
            had = true;
        }
        had
    }

    /// An operator's word: nothing is counted yet for this rule and key, and nothing promised. Says whether there was
    /// anything.
    pub fn forget_key(&mut self, rule: &str, key: &str, now: Moment) -> bool {
        let now = self.own_time(now);
        let Some(calendar) = self.calendars.find(cut(rule), key) else {
            return false;
        };
        for id in self.appointments.within(calendar) {
            self.drop_row(id, now, Calendar::give_back);
        }
        self.calendars.remove(calendar, &mut self.log);
        true
    }

    pub(super) fn sweep(&mut self, now: Moment, most: usize) {
        for _ in 0..most {
            let Some(id) = self.appointments.ended(now) else {
                break;
            };
            if self.appointments.get(id).is_some_and(|row| now > row.until) {
                self.end(id, now);
            } else {
                self.lapse(id, now);
            }
        }
        self.calendars.sweep(now, &mut self.log);
    }

    /// An appointment's time is over. Who is still inside on it has spent it.
    pub(super) fn end(&mut self, id: u64, now: Moment) {
        let Some(row) = self.appointments.get(id) else {
            return;
        };
        if !row.came {
            self.tally.of(&row.rule).never += 1;
            let told = (row.rule.clone(), day_of(row.asked));
            *self.unkept.entry(told).or_default() += 1;
        }
        match row.is_empty_inside() {
            true => self.drop_row(id, now, Calendar::give_back),
            false => self.drop_row(id, now, Calendar::spend),
        }
    }

    /// What an appointment has briefly goes to whoever is there. Who is inside on it keeps it.
    pub(super) fn lapse(&mut self, id: u64, now: Moment) {
        let mut gone = Vec::new();
        self.appointments.change(id, |row| {
            if row.is_empty_inside() {
                gone.extend(row.holds.extract_if(.., |hold| hold.brief));
                row.lapsed |= !gone.is_empty();
            }
            row.holds.iter_mut().for_each(|hold| hold.brief = false);
        });
        self.appointments.touch(id);
        self.end_holds(&gone, now, Calendar::give_back);
    }

    /// What it had counts, or is free.
    fn empty(&mut self, id: u64, now: Moment, end: fn(&mut Calendar, &Hold)) {
        let mut holds = Vec::new();
        self.appointments
            .change(id, |row| holds = std::mem::take(&mut row.holds));
        self.end_holds(&holds, now, end);
    }

    fn drop_row(&mut self, id: u64, now: Moment, end: fn(&mut Calendar, &Hold)) {
        let Some(row) = self.appointments.remove(id) else {
            return;
        };
        self.log.push(Change::DropAppointment { id });
        self.end_holds(&row.holds, now, end);
    }

    fn end_fresh(&mut self, holds: &[Hold], now: Moment, end: fn(&mut Calendar, &Hold)) {
        for hold in holds {
            self.calendars
                .with(hold, now, |calendar| end(calendar, hold));
        }
    }

    fn end_holds(&mut self, holds: &[Hold], now: Moment, end: fn(&mut Calendar, &Hold)) {
        for hold in holds {
            self.calendars.with(hold, now, |calendar| {
                end(calendar, hold);
                calendar.holds = calendar.holds.saturating_sub(1);
            });
        }
    }
}
