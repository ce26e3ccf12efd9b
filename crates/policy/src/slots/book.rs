//! Who may come in, and when.

use super::appointments::{Appointment, Appointments, Listed, Seat};
use super::calendar::Hold;
use super::calendars::{Calendars, cut};
use super::change::{Change, Stored};
use super::clock::Clock;
use super::count::{Counts, Tally};
use super::{
    Ask, Booking, Bounds, Charge, EARLY, GUESTS_MAX, Grace, Guest, HOLDS_MAX, Took, Visit, Why,
};
use crate::greylist::Secret;
use crate::moment::whole_secs;
use crate::{Block, Moment};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Appointments that end, at most, by one event. An event adds one, so it catches up.
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
    pub(super) bounds: Bounds,
    pub(super) clock: Clock,
    pub(super) calendars: Calendars,
    pub(super) appointments: Appointments,
    pub(super) tally: Tally,
    /// By rule and day told, until they are taken.
    pub(super) unkept: BTreeMap<(Arc<str>, i64), u64>,
    /// Of the next appointment.
    pub(super) next_id: u64,
    pub(super) log: Vec<Change>,
}

/// One limit of an event, with its calendar.
#[derive(Clone)]
pub(super) struct Wanted<'a> {
    pub(super) ask: Ask<'a>,
    pub(super) rule: Arc<str>,
    pub(super) calendar: u64,
}

impl Book {
    /// An empty book. The secret needs no keeping: restored rows are hashed anew from their names.
    pub fn new(bounds: Bounds, secret: Secret) -> Self {
        Self {
            clock: Clock::new(),
            calendars: Calendars::new(secret, bounds.calendars),
            appointments: Appointments::new(secret),
            tally: Tally::default(),
            unkept: BTreeMap::new(),
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

    pub(super) fn own_time(&mut self, wall: Moment) -> Moment {
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
    /// A guest with an open appointment that is not too early is let in on what that holds, whatever is asked: limits that
    /// are new or changed since are not asked. Where what was kept briefly has gone to others, it is asked for anew.
    pub fn ask(&mut self, visit: Visit<'_>, asks: &[Ask<'_>], now: Moment) -> Booking {
        let now = self.own_time(now);
        self.sweep(now, SWEEP_MAX);
        let booking = self
            .come_back(visit, asks, now)
            .unwrap_or_else(|| self.book(visit, asks, now));
        booking.unwrap_or_else(|(rule, why)| {
            self.tally.of(&rule).full += 1;
            Booking::Full { rule, why }
        })
    }

    /// Whether one of these may come at `now`, for what it was told, and all of that is kept for it.
    pub fn comes(&mut self, guests: &[Guest], now: Moment) -> bool {
        let now = self.own_time(now);
        let id = self.appointments.of(guests, now);
        let row = id.and_then(|id| self.appointments.get(id));
        row.is_some_and(|row| {
            let is_kept = now <= row.brief_end() && !row.lapsed;
            row.due <= now.after(EARLY) && is_kept
        })
    }

    /// Whether somebody of this client's network may come at `now`, for what it was told.
    pub fn expects(&mut self, client: IpAddr, now: Moment) -> bool {
        let now = self.own_time(now);
        self.appointments.expects(client, now)
    }

    fn book(&mut self, visit: Visit<'_>, asks: &[Ask<'_>], now: Moment) -> Result<Booking, NoTime> {
        let client = visit.party.client;
        let wanted = self.open(asks, client, now)?;
        let agreed = self.agree(&wanted, now);
        if let Ok(None) = agreed {
            let holds = self.take(&wanted, client, now);
            return Ok(Booking::Admitted {
                charge: Charge(Took::Fresh(holds)),
                kept: None,
            });
        }
        if let Some(shared) = self.share(visit, &wanted, now) {
            return Ok(shared);
        }
        let Some((at, rule)) = agreed? else {
            return Err((Arc::from(""), Why::Horizon));
        };
        if wanted.len() > HOLDS_MAX {
            return Err((rule, Why::Tables));
        }
        let block = Block::holding(client);
        if let Some(why) = self.no_room(block, visit.guests.len(), now) {
            return Err((rule, why));
        }
        let wait_secs = whole_secs(at.since(now));
        let wait = Duration::from_secs(wait_secs);
        let grace = wanted.iter().map(|wanted| wanted.ask.grace.span(wait));
        let until = now.after(wait).after(grace.max().unwrap_or_default());
        let seat = |guest: &Guest| Seat {
            guest: guest.clone(),
            inside: false,
        };
        let appointment = Appointment {
            seats: visit.guests.iter().take(GUESTS_MAX).map(seat).collect(),
            block,
            rule: rule.clone(),
            asked: now,
            due: at,
            until,
            holds: self.take(&wanted, client, at),
            lapsed: false,
            came: false,
            listed: Listed::default(),
        };
        Ok(Booking::Told {
            id: self.tell(visit, appointment),
            rule,
            wait_secs,
            first: true,
            waited: None,
        })
    }

    /// The calendars of all that is asked, each once.
    pub(super) fn open<'a>(
        &mut self,
        asks: &[Ask<'a>],
        client: IpAddr,
        now: Moment,
    ) -> Result<Vec<Wanted<'a>>, NoTime> {
        let mut wanted: Vec<Wanted<'_>> = Vec::with_capacity(asks.len());
        for ask in asks.iter().filter(|ask| ask.cost > 0) {
            let rule = self.tally.name(cut(ask.rule));
            let beside = |id| wanted.iter().any(|other| other.calendar == id);
            let calendar = self
                .calendars
                .open(
                    (&rule, ask.key),
                    ask.limit,
                    (client, now),
                    beside,
                    &mut self.log,
                )
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
    pub(super) fn agree(
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
    fn no_room(&mut self, block: Block, guests: usize, now: Moment) -> Option<Why> {
        let guests = guests.min(GUESTS_MAX);
        let full = |book: &Self| {
            if book.appointments.unclaimed_in(block) >= book.bounds.per_network {
                Some(Why::Network)
            } else if book.appointments.len() >= book.bounds.appointments
                || !book.has_seats(block, guests)
            {
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

    /// Whether so many guests more of this network may be told a time.
    pub(super) fn has_seats(&self, block: Block, guests: usize) -> bool {
        let own = self.appointments.seats_in(block) + guests;
        let all = self.appointments.seats() + guests;
        own <= self.bounds.per_network.saturating_mul(GUESTS_MAX)
            && all <= self.bounds.appointments.saturating_mul(4)
    }

    /// Takes what was agreed on.
    pub(super) fn take(&mut self, wanted: &[Wanted<'_>], client: IpAddr, at: Moment) -> Vec<Hold> {
        let take = |Wanted { ask, calendar, .. }: &Wanted<'_>| {
            let hold =
                self.calendars
                    .take(*calendar, (ask.key, client), at, ask.cost, &mut self.log)?;
            let brief = ask.grace == Grace::Brief;
            Some(Hold { brief, ..hold })
        };
        wanted.iter().filter_map(take).collect()
    }

    fn tell(&mut self, visit: Visit<'_>, row: Appointment) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.tally.of(&row.rule).told += 1;
        for hold in &row.holds {
            self.calendars
                .with(hold, row.asked, |calendar| calendar.holds += 1);
        }
        self.appointments.insert(id, row);
        self.keep(id, visit);
        id
    }

    /// Hands the row out.
    pub(super) fn keep(&mut self, id: u64, visit: Visit<'_>) {
        let Some(row) = self.appointments.get(id) else {
            return;
        };
        let words = |guest: &Guest| {
            let nth = visit.guests.iter().position(|own| own.is_also(guest));
            nth.map_or(String::new(), |nth| visit.recipient(nth))
        };
        let guests = row.guests();
        self.log.push(Change::Keep(Stored::Appointment {
            id,
            recipients: guests.iter().map(words).collect(),
            guests,
            client: visit.party.client,
            sender: cut(visit.party.sender).to_owned(),
            rule: (*row.rule).to_owned(),
            asked: row.asked,
            due: row.due,
            until: row.until,
            holds: row.holds.clone(),
            lapsed: row.lapsed,
            came: row.came,
        }));
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

    /// Takes the appointments that ended since the last call with nobody having come: how many, by rule and by the day
    /// on which they were told ([`crate::stats::day_of`]).
    pub fn take_unkept(&mut self) -> BTreeMap<(Arc<str>, i64), u64> {
        std::mem::take(&mut self.unkept)
    }
}

/// The rule that has no time to tell, and why.
pub(super) type NoTime = (Arc<str>, Why);
