//! The law of rates, quotas and load, and a checker that holds any book to it.
//!
//! Whoever comes back from 2 s before the time told until its grace is over is let in, whoever else comes and whatever
//! is configured meanwhile. What was told never moves later; coming early books nothing. No limit is exceeded, a mail
//! counted at its slot's time.

use crate::keeper::{Keeper, Name, Seen, Unit, Visit};
use crate::{START, ask, holder, limit, millis, party, secs};
use policy::Moment;
use policy::slots::{Ask, Grace, Limit};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Visitors; five of them share a network, which may have four appointments.
pub(crate) const VISITORS: u32 = 16;

/// What is configured: a rate for each of two recipients, a quota for all, octets for each of three senders, load.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) rate: Limit,
    pub(crate) quota: Limit,
    pub(crate) octets: Limit,
    pub(crate) load: Limit,
}

/// Which rules a visitor meets: bits.
fn touches(who: u32) -> u32 {
    [1, 1, 2, 3, 4, 5, 8, 8, 7, 6, 9, 1, 2, 4, 15, 3][who as usize % 16]
}

impl Rules {
    pub(crate) fn asks(&self, who: u32) -> Vec<Ask<'static>> {
        let bits = touches(who);
        let key = |n: u32| ["a", "b", "c"][n as usize];
        let mut asks = Vec::new();
        if bits & 1 > 0 {
            asks.push(ask("rate", key(who % 2), self.rate));
        }
        if bits & 2 > 0 {
            asks.push(ask("quota", "all", self.quota));
        }
        if bits & 4 > 0 {
            let cost = 1 + u64::from(who % 5);
            asks.push(Ask {
                cost,
                ..ask("octets", key(who % 3), self.octets)
            });
        }
        if bits & 8 > 0 {
            asks.push(Ask {
                horizon: secs(900),
                grace: Grace::Brief,
                exact: false,
                once: true,
                ..ask("load", "", self.load)
            });
        }
        asks
    }

    pub(crate) fn limit(&self, rule: &str) -> Limit {
        match rule {
            "rate" => self.rate,
            "quota" => self.quota,
            "octets" => self.octets,
            _ => self.load,
        }
    }
}

pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let rate = |count: u64, burst: u64| {
        (1..count, 1u64..120, 1..burst)
            .prop_map(|(count, period, burst)| limit(&format!("{count}/{period}s burst {burst}")))
    };
    let quota =
        (1u64..6, 1u64..300).prop_map(|(count, period)| limit(&format!("{count}/{period}s")));
    (rate(8, 4), quota, rate(60, 12), rate(40, 4)).prop_map(|(rate, quota, octets, load)| Rules {
        rate,
        quota,
        octets,
        load,
    })
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// So many ms go by.
    Pass(u64),
    /// Someone comes.
    Visit(u32),
    /// Someone who was told a time comes back then, give or take so many ms.
    Return { who: usize, off: i64 },
    /// Someone who was let in leaves.
    Finish { who: usize, taken: bool },
    /// The wall clock is set back by so many ms.
    Back(u64),
    /// The wall clock is set forward by so many ms.
    Forward(u64),
    /// The limits change.
    Reload(Rules),
    /// The server starts anew.
    Restart,
}

/// With limits that change, with clocks that are set.
pub(crate) fn events(reload: bool, clocks: bool) -> impl Strategy<Value = Vec<Event>> {
    let off = prop_oneof![
        3 => Just(-2_000i64),
        1 => Just(0i64),
        2 => -5_000i64..5_000,
        1 => 0i64..900_000,
    ];
    let reload = if reload {
        rules().prop_map(Event::Reload).boxed()
    } else {
        Just(Event::Restart).boxed()
    };
    let event = prop_oneof![
        3 => (0u64..20_000).prop_map(Event::Pass),
        10 => (0..VISITORS).prop_map(Event::Visit),
        6 => (0usize..16, off).prop_map(|(who, off)| Event::Return { who, off }),
        5 => (0usize..16, any::<bool>()).prop_map(|(who, taken)| Event::Finish { who, taken }),
        1 => if clocks { 1_001u64..10_000_000 } else { 0..1 }.prop_map(Event::Back),
        1 => if clocks { 0u64..10_000_000 } else { 0..1 }.prop_map(Event::Forward),
        1 => reload,
        1 => Just(Event::Restart),
    ];
    prop::collection::vec(event, 0..120)
}

/// What a visitor was told, by a clock that is never set.
#[derive(Clone, Copy, Debug)]
struct Promise {
    /// In the order in which they were told.
    nth: usize,
    at: Moment,
    until: Moment,
}

/// Who is inside.
#[derive(Debug)]
struct Guest {
    who: u32,
    ticket: usize,
    units: Vec<Unit>,
    /// It had an appointment.
    kept: bool,
    /// Which, unless the clock was set forward since it was told.
    promise: Option<Promise>,
    /// Under which configuration its place was given.
    epoch: usize,
}

/// Plays events to a book.
pub(crate) struct Checker<'a> {
    keeper: &'a mut dyn Keeper,
    rules: Vec<Rules>,
    now: Moment,
    wall: i64,
    /// With the configuration under which they were told.
    promises: BTreeMap<(u32, usize), (Promise, usize)>,
    told: usize,
    /// Who had a promise as the clock was set forward: the book may hold it still.
    vague: BTreeSet<u32>,
    /// Whoever was told a time with places of both kinds: the book holds some of them longer than it promises.
    mixed: BTreeSet<u32>,
    inside: Vec<Guest>,
    counted: BTreeMap<(usize, Name), Vec<Unit>>,
}

/// The first breach is told.
pub(crate) fn check(
    keeper: &mut dyn Keeper,
    rules: &Rules,
    events: &[Event],
) -> Result<(), String> {
    let mut checker = Checker {
        keeper,
        rules: vec![rules.clone()],
        now: START,
        wall: 0,
        promises: BTreeMap::new(),
        told: 0,
        vague: BTreeSet::new(),
        mixed: BTreeSet::new(),
        inside: Vec::new(),
        counted: BTreeMap::new(),
    };
    for event in events {
        checker.play(event)?;
    }
    checker.all_come_back()
}

impl Checker<'_> {
    fn play(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Pass(span) => self.pass(self.now.after(millis(*span))),
            Event::Back(0) | Event::Forward(0) => {}
            Event::Back(span) => {
                self.keeper.tick(self.wall_now());
                self.wall -= *span as i64;
                self.keeper.tick(self.wall_now());
            }
            Event::Forward(span) => {
                // It may be that much later, for all the book knows.
                self.wall += *span as i64;
                let told = std::mem::take(&mut self.promises).into_keys();
                self.vague.extend(told.map(|(who, _)| who));
                for guest in &mut self.inside {
                    if guest.promise.take().is_some() {
                        self.vague.insert(guest.who);
                    }
                }
            }
            Event::Reload(next) => self.rules.push(next.clone()),
            Event::Restart => self.restart(),
            Event::Finish { who, taken } => {
                if !self.inside.is_empty() {
                    let guest = self.inside.swap_remove(who % self.inside.len());
                    self.keeper.finish(guest.ticket, *taken, self.wall_now());
                    self.leave(guest, *taken);
                }
            }
            Event::Visit(who) => self.visit(*who)?,
            Event::Return { who, off } => {
                let nth = self.promises.iter().nth(who % self.promises.len().max(1));
                if let Some((&(who, _), (promise, _))) = nth {
                    self.pass(shifted(promise.at, *off));
                    self.visit(who)?;
                }
            }
        }
        Ok(())
    }

    /// Lets time pass, as a server does: never silent for long.
    fn pass(&mut self, to: Moment) {
        while self.now < to {
            self.now = self.now.after(secs(30)).min(to);
            self.keeper.tick(self.wall_now());
        }
    }

    fn wall_now(&self) -> Moment {
        shifted(self.now, self.wall)
    }

    fn epoch(&self) -> usize {
        self.rules.len() - 1
    }

    /// Who was inside on an appointment may come again; who was let in at once has used it up.
    fn restart(&mut self) {
        self.keeper.restart();
        for guest in std::mem::take(&mut self.inside) {
            let taken = !guest.kept;
            self.leave(guest, taken);
        }
    }

    fn leave(&mut self, guest: Guest, taken: bool) {
        if taken {
            for unit in guest.units {
                let key = (guest.epoch, unit.name.clone());
                self.counted.entry(key).or_default().push(unit);
            }
        } else if let Some(promise) = guest.promise {
            self.promises
                .insert((guest.who, promise.nth), (promise, guest.epoch));
        }
    }

    fn visit(&mut self, who: u32) -> Result<(), String> {
        for ((who, _), (promise, _)) in &self.promises {
            if self.now > promise.until && self.mixed.contains(who) {
                self.vague.insert(*who);
            }
        }
        let asks = self.rules[self.epoch()].asks(who);
        let visit = Visit {
            holder: holder(who),
            party: party(who / 5),
            asks: &asks,
        };
        let mut seen = self.keeper.ask(&visit, self.wall_now());
        if let Seen::In {
            units, kept: true, ..
        } = &mut seen
            && self.vague.contains(&who)
        {
            // Under which limits they were given is not known.
            units.clear();
        }
        self.promises
            .retain(|_, (promise, _)| self.now <= promise.until);
        let mut own = self.promises.range((who, 0)..(who + 1, 0));
        let standing = own.next().map(|(_, standing)| *standing);
        let told = format!(
            "visitor {who} at {} ms: {seen:?}",
            self.since_start(self.now)
        );
        match standing {
            Some((promise, epoch)) => self.come_back(who, seen, promise, epoch),
            None => self.come(who, seen, &asks),
        }
        .map_err(|breach| format!("{told}: {breach}"))
    }

    fn since_start(&self, moment: Moment) -> i64 {
        moment.as_millis() - START.as_millis()
    }

    /// Somebody without an appointment, for all the checker knows.
    fn come(&mut self, who: u32, seen: Seen, asks: &[Ask<'_>]) -> Result<(), String> {
        let epoch = self.epoch();
        match seen {
            Seen::In {
                ticket,
                units,
                kept,
            } => self.inside.push(Guest {
                who,
                ticket,
                units,
                kept,
                promise: None,
                epoch,
            }),
            Seen::Told { wait_secs, first } => {
                let wait = secs(wait_secs);
                let horizon = asks.iter().map(|ask| ask.horizon).max().unwrap_or_default();
                if first && wait >= horizon + secs(1) {
                    return Err("a time beyond the horizon".into());
                }
                let at = self.now.after(wait);
                // Told before the clock was set forward: how long it stays open is not known.
                // Behind the shortest, what was kept so briefly is asked for anew.
                let grace = asks.iter().map(|ask| ask.grace.span(wait)).min();
                let kinds = |grace| asks.iter().any(|ask| ask.grace == grace);
                if kinds(Grace::Brief) && kinds(Grace::Lasting) {
                    self.mixed.insert(who);
                }
                let grace = grace.filter(|_| first).unwrap_or(Duration::ZERO);
                let until = at.after(grace);
                self.told += 1;
                let nth = self.told;
                self.promises
                    .insert((who, nth), (Promise { nth, at, until }, epoch));
            }
            Seen::Full => {}
        }
        Ok(())
    }

    fn come_back(
        &mut self,
        who: u32,
        seen: Seen,
        promise: Promise,
        epoch: usize,
    ) -> Result<(), String> {
        let breach = |what| Err(format!("{promise:?} {what}"));
        match seen {
            Seen::In { ticket, units, .. } => {
                // The time told is a next full second.
                if self.now.after(secs(3)) <= promise.at && !self.vague.contains(&who) {
                    return breach("was not waited for");
                }
                self.promises.remove(&(who, promise.nth));
                // Whoever may have another one as well may have used that.
                let promise = (!self.vague.contains(&who)).then_some(promise);
                self.inside.push(Guest {
                    who,
                    ticket,
                    units,
                    kept: true,
                    promise,
                    epoch,
                });
                Ok(())
            }
            _ if self.now.after(secs(2)) >= promise.at => breach("is broken"),
            Seen::Full => breach("is forgotten"),
            Seen::Told { first: true, .. } => breach("is forgotten"),
            Seen::Told { wait_secs, .. }
                if self.now.after(secs(wait_secs)) >= promise.at.after(secs(1)) =>
            {
                breach("is moved later")
            }
            Seen::Told { .. } if self.keeper.booked() > 0 => breach("is booked twice"),
            Seen::Told { wait_secs, .. } => {
                let at = promise.at.min(self.now.after(secs(wait_secs)));
                self.promises
                    .insert((who, promise.nth), (Promise { at, ..promise }, epoch));
                Ok(())
            }
        }
    }

    /// So that what was reserved counts as well. Then the limits are looked at.
    fn all_come_back(&mut self) -> Result<(), String> {
        for guest in std::mem::take(&mut self.inside) {
            self.keeper.finish(guest.ticket, true, self.wall_now());
            self.leave(guest, true);
        }
        let mut times: Vec<_> = self
            .promises
            .iter()
            .map(|((who, _), (told, _))| (told.at, *who))
            .collect();
        times.sort();
        for (at, who) in times {
            self.pass(at);
            self.visit(who)?;
        }
        for guest in std::mem::take(&mut self.inside) {
            self.leave(guest, true);
        }
        for ((epoch, (rule, key)), units) in &mut self.counted {
            units.sort_by_key(|unit| unit.at);
            let limit = self.rules[*epoch].limit(rule);
            exceeded(limit, units)
                .map_err(|breach| format!("{rule} {key:?}, {limit}: {breach}"))?;
        }
        Ok(())
    }
}

/// What is proved, looked at in each interval that begins and ends with a mail.
pub(crate) fn exceeded(limit: Limit, units: &[Unit]) -> Result<(), String> {
    let period = limit.period().as_millis() as i64;
    let largest = units.iter().map(|unit| unit.units).max().unwrap_or(1);
    for (first, from) in units.iter().enumerate() {
        let mut sum = 0;
        for to in &units[first..] {
            sum += to.units;
            let (from, to) = (from.at.as_millis(), to.at.as_millis());
            let most = match limit.burst() {
                Some(burst) => {
                    let slots = ((to - from + 1) * limit.count() as i64 + period - 1) / period;
                    burst + slots as u64 + (largest - 1)
                }
                None if from / period == to / period => limit.count(),
                None => break,
            };
            if sum > most {
                let span = to - from + 1;
                return Err(format!("{sum} within {span} ms, where {most} may be"));
            }
        }
    }
    Ok(())
}

fn shifted(moment: Moment, millis: i64) -> Moment {
    Moment::from_millis(moment.as_millis() + millis)
}
