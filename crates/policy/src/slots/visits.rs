//! Somebody who was told a time is here.

use super::book::{Book, NoTime, Wanted, whole_secs};
use super::calendar::Hold;
use super::{Ask, Booking, Charge, EARLY, GUESTS_MAX, Grace, Guest, Kept, Took, Visit, Why};
use crate::Moment;
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
            if now > row.brief_end() {
                self.lapse(id, now);
            }
            return Some(self.visit(id, visit, asks, now));
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
            self.tally.of(&rule).early += 1;
            self.seat(id, visit.guests);
            let waited = Some(now.since(asked));
            return Ok(told_again(id, rule, due, waited, now));
        }
        if row.lapsed
            && let Some(told) = self.renew(id, visit, asks, now)?
        {
            return Ok(told);
        }
        let rest = self.take_rest(id, visit, asks, now)?;
        self.claim(id, visit.guests, rest, now).ok_or_else(nothing)
    }

    /// Takes what an exact ask costs beyond what the appointment has for it, or all of it behind the first guest.
    fn take_rest(
        &mut self,
        id: u64,
        visit: Visit<'_>,
        asks: &[Ask<'_>],
        now: Moment,
    ) -> Result<Vec<Hold>, NoTime> {
        let exact: Vec<_> = asks.iter().filter(|ask| ask.exact).copied().collect();
        let mut rest = self.open(&exact, visit.party.client, now)?;
        let Some(row) = self.appointments.get(id) else {
            return Ok(Vec::new());
        };
        let is_first = !row.holds.is_empty() && row.is_empty_inside();
        rest.retain_mut(|wanted| {
            let mut own = row.holds.iter();
            let told = own.find(|hold| hold.calendar == wanted.calendar);
            let told = told.map(|hold| hold.counted().units).filter(|_| is_first);
            // A limit that is new since it was told is not asked.
            let told = told.unwrap_or(if is_first { u64::MAX } else { 0 });
            wanted.ask.cost = wanted.ask.cost.saturating_sub(told);
            wanted.ask.cost > 0
        });
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
        let wait = Duration::from_secs(wait_secs);
        self.appointments.change(id, |row| {
            row.holds.extend(holds);
            row.lapsed = false;
            if let Some((at, rule)) = &agreed {
                (row.due, row.rule) = (*at, rule.clone());
                let until = now.after(wait).after(Grace::Lasting.span(wait));
                row.until = row.until.max(until);
            }
        });
        let Some((_, rule)) = agreed else {
            self.appointments.touch(id);
            return Ok(None);
        };
        self.keep(id, visit.party);
        self.tally.of(&rule).told += 1;
        Ok(Some(Booking::Told {
            id,
            rule,
            wait_secs,
            first: true,
            waited: None,
        }))
    }

    /// One more of a mail that was told a time: it shares that.
    pub(super) fn share(&mut self, visit: Visit<'_>, now: Moment) -> Option<Booking> {
        let id = visit.shared?;
        let row = self.appointments.get(id)?;
        let (rule, due) = (row.rule.clone(), row.due);
        let comes_later = due > now.after(EARLY);
        (comes_later && self.seat(id, visit.guests)).then(|| told_again(id, rule, due, None, now))
    }

    /// These are told the same: who is not yet a guest is one now. Says whether there was room.
    fn seat(&mut self, id: u64, guests: &[Guest]) -> bool {
        for guest in guests {
            if self.appointments.seats_guest(id, guest) {
                continue;
            }
            let seats = self.appointments.get(id).map_or(0, |row| row.seats.len());
            if seats >= GUESTS_MAX || self.appointments.seats() >= self.bounds.appointments {
                return false;
            }
            self.appointments.seat(id, guest.clone());
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
