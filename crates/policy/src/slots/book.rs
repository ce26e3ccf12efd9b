//! Who may come in, and when.

use super::appointments::{Appointment, Appointments};
use super::calendar::{Calendar, Hold};
use super::calendars::{Calendars, cut};
use super::change::{Change, Stored};
use super::clock::Clock;
use super::count::{Counts, Tally};
use super::{Ask, Booking, Bounds, Charge, EARLY, Holder, Kept, Party, Took, Why};
use crate::greylist::Secret;
use crate::{Block, Moment};
use std::sync::Arc;
use std::time::Duration;

/// Appointments that are over and are removed, at most, by one event. An event adds one, so it catches up.
const SWEEP_MAX: usize = 64;

/// Rounds in which the limits of one event agree on a time. Each round is at a free place of one of them.
const ROUNDS_MAX: usize = 256;

/// Calendars and appointments, deterministic: the same events at the same times give the same answers and the same
/// changes.
///
/// An event costs O(log n) for each limit that it touches. Names are not held, only their keyed hash, but for the few
/// names of rules: they go out with the [`Change`] for whoever stores them.
#[derive(Debug)]
pub struct Book {
    bounds: Bounds,
    pub(super) clock: Clock,
    pub(super) calendars: Calendars,
    pub(super) appointments: Appointments,
    pub(super) tally: Tally,
    /// Of the next appointment.
    pub(super) next_id: u64,
    pub(super) log: Vec<Change>,
}

/// One limit of an event, with its calendar.
struct Wanted<'a> {
    ask: Ask<'a>,
    rule: Arc<str>,
    calendar: u64,
}

impl Book {
    /// An empty book. The secret needs no keeping: restored rows are hashed anew from their names.
    pub fn new(bounds: Bounds, secret: Secret) -> Self {
        Self {
            clock: Clock::new(),
            calendars: Calendars::new(secret, bounds.calendars),
            appointments: Appointments::new(secret),
            tally: Tally::default(),
            next_id: 1,
            log: Vec::new(),
            bounds,
        }
    }

    /// Changes the bounds. Appointments stand.
    pub fn configure(&mut self, bounds: Bounds) {
        self.calendars.bound(bounds.calendars);
        self.bounds = bounds;
    }

    /// Lets time pass. To be called every second, with traffic or without: what is over is removed, and a jump of the
    /// wall clock is noticed ([`super::clock`]).
    pub fn tick(&mut self, now: Moment) {
        let now = self.own_time(now);
        self.sweep(now, SWEEP_MAX);
    }

    fn own_time(&mut self, wall: Moment) -> Moment {
        let before = self.clock.ahead();
        let now = self.clock.at(wall);
        let ahead = self.clock.ahead();
        if ahead != before {
            self.log.push(Change::Clock { ahead });
        }
        now
    }

    /// Decides one event over all limits that it touches.
    ///
    /// A holder with an open appointment that is not too early is let in on what it holds, whatever is asked: limits
    /// that are new or changed since are not asked.
    pub fn ask(
        &mut self,
        holder: Holder,
        party: Party<'_>,
        asks: &[Ask<'_>],
        now: Moment,
    ) -> Booking {
        let now = self.own_time(now);
        self.sweep(now, SWEEP_MAX);
        while let Some(id) = self.appointments.open_of(holder) {
            if let Some(booking) = self.visit(id, now) {
                return booking;
            }
        }
        match self.book(holder, party, asks, now) {
            Ok(booking) => booking,
            Err((rule, why)) => {
                self.tally.of(&rule).full += 1;
                Booking::Full { rule, why }
            }
        }
    }

    fn book(
        &mut self,
        holder: Holder,
        party: Party<'_>,
        asks: &[Ask<'_>],
        now: Moment,
    ) -> Result<Booking, NoTime> {
        let wanted = self.open(asks, now)?;
        let Some((at, rule)) = self.agree(&wanted, now)? else {
            let holds = self.take(&wanted, now);
            return Ok(Booking::Admitted {
                charge: Charge(Took::Fresh(holds)),
                kept: None,
            });
        };
        let block = Block::holding(party.client);
        if let Some(why) = self.no_room(block, now) {
            return Err((rule, why));
        }
        let wait_secs = whole_secs(at.since(now));
        let wait = Duration::from_secs(wait_secs);
        let grace = wanted.iter().map(|wanted| wanted.ask.grace.span(wait));
        let until = now.after(wait).after(grace.max().unwrap_or_default());
        let appointment = Appointment {
            holder,
            block,
            rule: rule.clone(),
            asked: now,
            due: at,
            until,
            holds: self.take(&wanted, at),
            open: false,
            came: false,
        };
        self.tell(party, appointment);
        Ok(Booking::Told {
            rule,
            wait_secs,
            first: true,
        })
    }

    /// The holder of an appointment is here. `None`: it comes too late, and has none any more.
    fn visit(&mut self, id: u64, now: Moment) -> Option<Booking> {
        let row = self.appointments.get(id)?;
        if now > row.until {
            self.end(id, now);
            return None;
        }
        let rule = row.rule.clone();
        let counts = self.tally.of(&rule);
        if now.after(EARLY) < row.due {
            counts.early += 1;
            return Some(Booking::Told {
                rule,
                wait_secs: whole_secs(row.due.since(now)),
                first: false,
            });
        }
        let late = now.since(row.due);
        if !row.came {
            counts.kept(late);
        }
        let waited = now.since(row.asked);
        let holds = row.holds.clone();
        self.appointments.claim(id);
        Some(Booking::Admitted {
            charge: Charge(Took::Claimed { id, holds }),
            kept: Some(Kept { rule, waited, late }),
        })
    }

    /// The calendars of all that is asked, each once.
    fn open<'a>(&mut self, asks: &[Ask<'a>], now: Moment) -> Result<Vec<Wanted<'a>>, NoTime> {
        let mut wanted: Vec<Wanted<'_>> = Vec::with_capacity(asks.len());
        for ask in asks.iter().filter(|ask| ask.cost > 0) {
            let rule = self.tally.name(cut(ask.rule));
            let beside = |id| wanted.iter().any(|other| other.calendar == id);
            let calendar = self
                .calendars
                .open((&rule, ask.key), ask.limit, now, beside, &mut self.log)
                .ok_or_else(|| (rule.clone(), Why::Tables))?;
            match wanted.iter_mut().find(|other| other.calendar == calendar) {
                Some(twice) => twice.ask.cost = twice.ask.cost.saturating_add(ask.cost),
                None => wanted.push(Wanted {
                    ask: *ask,
                    rule,
                    calendar,
                }),
            }
        }
        Ok(wanted)
    }

    /// The first time at which all have room, and the rule that had it last. `None`: now.
    ///
    /// Each calendar has to have a place before its own horizon. Where another rule's time is later than that, all go
    /// with it, up to the longest horizon.
    fn agree(
        &self,
        wanted: &[Wanted<'_>],
        now: Moment,
    ) -> Result<Option<(Moment, Arc<str>)>, NoTime> {
        for Wanted {
            ask,
            rule,
            calendar,
        } in wanted
        {
            let no = |why| (rule.clone(), why);
            let calendar = self.calendars.get(*calendar);
            let calendar = calendar.ok_or_else(|| no(Why::Tables))?;
            if calendar.is_too_small(ask.cost) {
                return Err(no(Why::TooLarge));
            }
            calendar
                .earliest(now, ask.cost)
                .filter(|earliest| *earliest <= now.after(ask.horizon))
                .ok_or_else(|| no(Why::Horizon))?;
        }
        let horizon = wanted.iter().map(|wanted| wanted.ask.horizon).max();
        let end = now.after(horizon.unwrap_or_default());
        let mut at = now;
        let mut latest = None;
        for _ in 0..ROUNDS_MAX {
            let before = at;
            for Wanted {
                ask,
                rule,
                calendar,
            } in wanted
            {
                let earliest = self
                    .calendars
                    .get(*calendar)
                    .and_then(|calendar| calendar.earliest(at, ask.cost))
                    .filter(|earliest| *earliest <= end)
                    .ok_or_else(|| (rule.clone(), Why::Horizon))?;
                if earliest > at {
                    at = earliest;
                    latest = Some(rule);
                }
            }
            if at == before {
                return Ok(latest.map(|rule| (at, rule.clone())));
            }
        }
        let last = latest.map_or_else(|| Arc::from(""), Arc::clone);
        Err((last, Why::Horizon))
    }

    /// Why one more of this network can't be told a time.
    fn no_room(&mut self, block: Block, now: Moment) -> Option<Why> {
        let full = |book: &Self| {
            if book.appointments.open_in(block) >= book.bounds.per_network {
                Some(Why::Network)
            } else if book.appointments.len() >= book.bounds.appointments {
                Some(Why::Tables)
            } else {
                None
            }
        };
        full(self)?;
        // There may be room yet: the sweep may not have come to all that are over.
        self.sweep(now, usize::MAX);
        full(self)
    }

    /// Takes what was agreed on.
    fn take(&mut self, wanted: &[Wanted<'_>], at: Moment) -> Vec<Hold> {
        let take = |Wanted { ask, calendar, .. }: &Wanted<'_>| {
            self.calendars
                .take(*calendar, ask.key, at, ask.cost, &mut self.log)
        };
        wanted.iter().filter_map(take).collect()
    }

    fn tell(&mut self, party: Party<'_>, row: Appointment) {
        let id = self.next_id;
        self.next_id += 1;
        self.log.push(Change::Keep(Stored::Appointment {
            id,
            holder: row.holder,
            client: party.client,
            sender: cut(party.sender).to_owned(),
            recipient: cut(party.recipient).to_owned(),
            rule: (*row.rule).to_owned(),
            asked: row.asked,
            due: row.due,
            until: row.until,
            holds: row.holds.clone(),
        }));
        self.tally.of(&row.rule).told += 1;
        for hold in &row.holds {
            self.calendars
                .with(hold, row.asked, |calendar| calendar.holds += 1);
        }
        self.appointments.insert(id, row);
    }

    /// The mail was taken: what it was charged stays charged.
    pub fn spend(&mut self, charge: Charge, now: Moment) {
        let now = self.own_time(now);
        match charge.0 {
            Took::Fresh(holds) => {
                for hold in &holds {
                    self.calendars
                        .with(hold, now, |calendar| calendar.spend(hold));
                }
            }
            Took::Claimed { id, .. } => {
                self.drop_row(id, now, |calendar, hold| calendar.spend(hold))
            }
        }
    }

    /// The mail was refused for another reason: all that it was charged is given back, and an appointment that it had
    /// stands again until its end.
    pub fn release(&mut self, charge: Charge, now: Moment) {
        let now = self.own_time(now);
        match charge.0 {
            Took::Fresh(holds) => {
                for hold in &holds {
                    self.calendars
                        .with(hold, now, |calendar| calendar.give_back(hold));
                }
            }
            Took::Claimed { id, .. } => self.appointments.reopen(id),
        }
    }

    /// An operator's word: whoever this is has no appointment any more. Says whether it had one.
    pub fn forget_holder(&mut self, holder: Holder, now: Moment) -> bool {
        let now = self.own_time(now);
        let mut had = false;
        while let Some(id) = self.appointments.open_of(holder) {
            self.drop_row(id, now, |calendar, hold| calendar.give_back(hold));
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
            self.drop_row(id, now, |calendar, hold| calendar.give_back(hold));
        }
        self.calendars.remove(calendar, &mut self.log);
        true
    }

    /// Appointments that are told and not over. Those whose time is over count until the next events sweep them.
    pub fn appointments(&self) -> usize {
        self.appointments.len()
    }

    /// Calendars that are not as good as new; the same holds of them.
    pub fn calendars(&self) -> usize {
        self.calendars.len()
    }

    /// How appointments went since the start, by rule.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.tally.iter()
    }

    fn sweep(&mut self, now: Moment, most: usize) {
        for _ in 0..most {
            let Some(id) = self.appointments.ended(now) else {
                break;
            };
            self.end(id, now);
        }
        self.calendars.sweep(now, &mut self.log);
    }

    /// An appointment's time is over. Who is still inside on it has spent it.
    fn end(&mut self, id: u64, now: Moment) {
        let Some(row) = self.appointments.get(id) else {
            return;
        };
        if !row.came {
            self.tally.of(&row.rule).never += 1;
        }
        if row.open {
            self.drop_row(id, now, |calendar, hold| calendar.give_back(hold));
        } else {
            self.drop_row(id, now, |calendar, hold| calendar.spend(hold));
        }
    }

    fn drop_row(&mut self, id: u64, now: Moment, end: fn(&mut Calendar, &Hold)) {
        let Some(row) = self.appointments.remove(id) else {
            return;
        };
        self.log.push(Change::DropAppointment { id });
        for hold in &row.holds {
            self.calendars.with(hold, now, |calendar| {
                end(calendar, hold);
                calendar.holds = calendar.holds.saturating_sub(1);
            });
        }
    }
}

/// The rule that has no time to tell, and why.
type NoTime = (Arc<str>, Why);

/// Rounded up: whoever comes back after so many seconds is not early.
fn whole_secs(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
}
