//! Somebody who was told a time is here.

use super::appointments::BRIEF;
use super::book::{Book, NoTime, Wanted};
use super::calendar::Hold;
use super::change::Change;
use super::{
    Ask, Booking, Charge, EARLY, GUESTS_MAX, Grace, Guest, HOLDS_MAX, Kept, Took, Visit, Why,
};
use crate::Moment;
use crate::moment::whole_secs;
use std::sync::Arc;
use std::time::Duration;

impl Book {
    /// Somebody who was told a time is here. `None`: it comes too late, and has none any more; or it never had.
    pub(super) fn come_back(
        &mut self,
        visit: Visit<'_>,
        asks: &[Ask<'_>],
        now: Moment,
    ) -> Option<Result<Booking, NoTime>> {
        loop {
            let id = self.appointments.of(visit.guests, now)?;
            let row = self.appointments.get(id)?;
            if now > row.until {
                self.end(id, now);
                continue;
            }
            let is_early = now.after(EARLY) < row.due;
            let is_besides = visit.besides.is_some_and(|rule| *rule == *row.rule);
            let (due, is_over) = (row.due, now > row.brief_end());
            if is_early && is_besides {
                let full = self.full(visit, asks, now)?;
                return Some(Ok(told_again(id, full, due, None, now)));
            }
            if is_over {
                self.lapse(id, now);
            }
            return Some(self.visit(id, visit, asks, now));
        }
    }

    /// What has no room now of all that is asked. What was told already has a place in that too: it is told again, and
    /// a second appointment would only be later.
    fn full(&mut self, visit: Visit<'_>, asks: &[Ask<'_>], now: Moment) -> Option<Arc<str>> {
        let wanted = self.open(asks, visit.party.client, now);
        match wanted.and_then(|wanted| self.agree(&wanted, now)) {
            Ok(agreed) => agreed.map(|(_, rule)| rule),
            Err((rule, _)) => Some(rule),
        }
    }

    fn visit(
        &mut self,
        id: u64,
        visit: Visit<'_>,
        asks: &[Ask<'_>],
        now: Moment,
    ) -> Result<Booking, NoTime> {
        let nothing = || (Arc::from(""), Why::Tables);
        let row = self.appointments.get(id).ok_or_else(nothing)?;
        let (rule, due, asked) = (row.rule.clone(), row.due, row.asked);
        if now.after(EARLY) < due {
            // What will never fit is told so now: it would come back for nothing.
            if let Err(never @ (_, Why::TooLarge)) = self.beyond(id, visit, asks, now) {
                return Err(never);
            }
            self.tally.of(&rule).early += 1;
            self.seat(id, visit);
            let waited = Some(now.since(asked));
            return Ok(told_again(id, rule, due, waited, now));
        }
        if row.lapsed
            && let Some(told) = self.renew(id, visit, asks, now)?
        {
            return Ok(told);
        }
        match self.take_rest(id, visit, asks, now) {
            Ok(rest) => self.claim(id, visit.guests, rest, now).ok_or_else(nothing),
            Err(no_time) => self.told_to_another(visit, no_time, now),
        }
    }

    /// There is no room for a mail that brings more than was told it. Where another of its recipients has a time that is
    /// to come, that stands, and is told again.
    fn told_to_another(
        &mut self,
        visit: Visit<'_>,
        no_time: NoTime,
        now: Moment,
    ) -> Result<Booking, NoTime> {
        let Some((id, row)) = self.appointments.early_of(visit.guests, now) else {
            return Err(no_time);
        };
        if no_time.1 == Why::TooLarge {
            return Err(no_time);
        }
        let (rule, due, waited) = (row.rule.clone(), row.due, now.since(row.asked));
        self.tally.of(&rule).early += 1;
        Ok(told_again(id, rule, due, Some(waited), now))
    }

    /// Takes what an exact ask costs beyond what the appointment has for it.
    fn take_rest(
        &mut self,
        id: u64,
        visit: Visit<'_>,
        asks: &[Ask<'_>],
        now: Moment,
    ) -> Result<Vec<Hold>, NoTime> {
        let rest = self.beyond(id, visit, asks, now)?;
        let times = rest.iter().map(
            |Wanted {
                 ask,
                 rule,
                 calendar,
             }| {
                let calendar = self.calendars.get(*calendar);
                let at = calendar.and_then(|calendar| calendar.earliest(now, ask.cost));
                at.filter(|at| *at <= now.after(ask.horizon))
                    .ok_or_else(|| (rule.clone(), Why::Horizon))
            },
        );
        let times: Vec<_> = times.collect::<Result<_, _>>()?;
        let client = visit.party.client;
        let each = rest.chunks(1).zip(times);
        Ok(each
            .flat_map(|(wanted, at)| self.take(wanted, client, at))
            .collect())
    }

    /// What an exact ask costs beyond what the appointment has for it, or all of it behind the first guest.
    fn beyond<'a>(
        &mut self,
        id: u64,
        visit: Visit<'_>,
        asks: &[Ask<'a>],
        now: Moment,
    ) -> Result<Vec<Wanted<'a>>, NoTime> {
        let exact: Vec<_> = asks.iter().filter(|ask| ask.exact).copied().collect();
        let mut rest = self.open(&exact, visit.party.client, now)?;
        let Some(row) = self.appointments.get(id) else {
            return Ok(Vec::new());
        };
        let is_first = !row.holds.is_empty() && row.is_empty_inside();
        let rule_of = |hold: &Hold| {
            let calendar = self.calendars.get(hold.calendar);
            calendar.map(|calendar| calendar.rule.clone())
        };
        let rules: Vec<_> = row.holds.iter().filter_map(rule_of).collect();
        // A limit that is new since it was told is not asked.
        rest.retain(|wanted| !is_first || rules.contains(&wanted.rule));
        rest.retain_mut(|wanted| {
            let mut own = row.holds.iter().filter(|_| is_first);
            let told = own.find(|hold| hold.calendar == wanted.calendar);
            let told = told.map_or(0, |hold| hold.counted().units);
            wanted.ask.cost = wanted.ask.cost.saturating_sub(told);
            wanted.ask.cost > 0
        });
        let never = rest.iter().find(|Wanted { ask, calendar, .. }| {
            let calendar = self.calendars.get(*calendar);
            calendar.is_some_and(|calendar| calendar.is_too_small(ask.cost))
        });
        match never {
            Some(wanted) => Err((wanted.rule.clone(), Why::TooLarge)),
            None => Ok(rest),
        }
    }

    /// Nothing is asked of these, but an appointment that one of them may come for now is used up.
    pub fn pass(&mut self, guests: &[Guest], now: Moment) -> Option<Booking> {
        let now = self.own_time(now);
        let id = self.appointments.of(guests, now)?;
        let row = self.appointments.get(id)?;
        let comes = row.due <= now.after(EARLY) && now <= row.until;
        comes
            .then(|| self.claim(id, guests, Vec::new(), now))
            .flatten()
    }

    fn claim(
        &mut self,
        id: u64,
        guests: &[Guest],
        rest: Vec<Hold>,
        now: Moment,
    ) -> Option<Booking> {
        let row = self.appointments.get(id)?;
        let kept = Kept {
            rule: row.rule.clone(),
            waited: now.since(row.asked),
            late: now.since(row.due),
            first: !row.came,
        };
        // What it has counts for the first of its guests.
        let holds = match row.is_empty_inside() {
            true => row.holds.clone(),
            false => Vec::new(),
        };
        if kept.first {
            self.tally.of(&kept.rule).kept(kept.late);
        }
        let guests = self.appointments.claim(id, guests);
        Some(Booking::Admitted {
            charge: Charge(Took::Claimed {
                id,
                guests,
                holds,
                rest,
            }),
            kept: Some(kept),
        })
    }

    /// What was kept briefly went to others: it is taken where there is room, or told anew. `None`: there was room.
    fn renew(
        &mut self,
        id: u64,
        visit: Visit<'_>,
        asks: &[Ask<'_>],
        now: Moment,
    ) -> Result<Option<Booking>, NoTime> {
        let client = visit.party.client;
        let brief = asks.iter().filter(|ask| ask.grace == Grace::Brief);
        let brief: Vec<_> = brief.copied().collect();
        let wanted = self.open(&brief, client, now)?;
        let agreed = self.agree(&wanted, now)?;
        let at = agreed.as_ref().map_or(now, |(at, _)| *at);
        let holds = self.take(&wanted, client, at);
        for hold in &holds {
            self.calendars
                .with(hold, now, |calendar| calendar.holds += 1);
        }
        let wait_secs = whole_secs(at.since(now));
        self.appointments.change(id, |row| {
            row.holds.extend(holds);
            row.lapsed = false;
            if let Some((at, _)) = &agreed {
                row.due = *at;
                row.until = row.until.max(at.after(BRIEF));
            }
        });
        let Some((_, rule)) = agreed else {
            self.appointments.touch(id);
            return Ok(None);
        };
        self.keep(id, visit);
        // The same appointment goes on, for the statistics as well.
        Ok(Some(Booking::Told {
            id,
            rule,
            wait_secs,
            first: false,
            waited: None,
        }))
    }

    /// One more of a mail that was told a time: it shares that, where all that it needs beyond the mail's own places has
    /// room then.
    pub(super) fn share(
        &mut self,
        visit: Visit<'_>,
        wanted: &[Wanted<'_>],
        now: Moment,
    ) -> Option<Booking> {
        let id = visit.shared?;
        let row = self.appointments.get(id)?;
        let (rule, due) = (row.rule.clone(), row.due);
        if due <= now {
            return None;
        }
        let has = |calendar| row.holds.iter().any(|hold| hold.calendar == calendar);
        let own = wanted
            .iter()
            .filter(|wanted| !(wanted.ask.once && has(wanted.calendar)));
        let own: Vec<_> = own.cloned().collect();
        let fits = |wanted: &Wanted<'_>| {
            let calendar = self.calendars.get(wanted.calendar);
            calendar.and_then(|calendar| calendar.earliest(due, wanted.ask.cost)) == Some(due)
        };
        if row.holds.len() + own.len() > HOLDS_MAX || !own.iter().all(fits) {
            return None;
        }
        if !self.seat(id, visit) {
            return None;
        }
        let holds = self.take(&own, visit.party.client, due);
        for hold in &holds {
            self.calendars
                .with(hold, now, |calendar| calendar.holds += 1);
        }
        self.appointments.change(id, |row| row.holds.extend(holds));
        self.appointments.touch(id);
        Some(told_again(id, rule, due, None, now))
    }

    /// Whether one more of a mail may find room in what its first recipients were told, with a place in each of so many
    /// calendars.
    pub fn may_share(&self, id: u64, calendars: usize) -> bool {
        let row = self.appointments.get(id);
        row.is_some_and(|row| {
            row.seats.len() < GUESTS_MAX && row.holds.len() + calendars <= HOLDS_MAX
        })
    }

    /// These are told the same: who is not yet a guest is one now. Says whether there was room.
    fn seat(&mut self, id: u64, visit: Visit<'_>) -> bool {
        for (nth, guest) in visit.guests.iter().enumerate() {
            if self.appointments.seats_guest(id, guest) {
                continue;
            }
            let Some(row) = self.appointments.get(id) else {
                return false;
            };
            if row.seats.len() >= GUESTS_MAX || !self.has_seats(row.block, 1) {
                return false;
            }
            self.appointments.seat(id, guest.clone());
            self.log.push(Change::Seat {
                id,
                guest: guest.clone(),
                recipient: visit.recipient(nth),
            });
        }
        true
    }
}

fn told_again(
    id: u64,
    rule: Arc<str>,
    due: Moment,
    waited: Option<Duration>,
    now: Moment,
) -> Booking {
    Booking::Told {
        id,
        rule,
        wait_secs: whole_secs(due.since(now)),
        first: false,
        waited,
    }
}
