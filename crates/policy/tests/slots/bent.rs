//! Books that are bent, each in one way: the checker has to notice.

use crate::keeper::{Keeper, Real, Seen, Unit, Visit};
use crate::secs;
use policy::Moment;
use policy::slots::{EARLY, Holder, Limit};
use std::collections::BTreeMap;

/// What is wrong with a bent book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The place that is told is kept for nobody.
    ForgetsToReserve,
    /// Coming early starts the wait anew.
    MovesAtEarlyReturn,
    /// Coming early books one more place.
    BooksAtEarlyReturn,
    /// Nobody may be early, not by 2 s either.
    Strict,
    /// A restart forgets what was told.
    ForgetsAtRestart,
    /// A restart forgets what was counted.
    CountsAnewAtRestart,
    /// The wait is rounded down.
    RoundsDown,
    /// One more than the burst, or than the quota, is let through.
    GivesOneMore,
    /// What was refused for another reason has lost its place.
    LosesOnRelease,
    /// What is released is given back twice.
    ReleasesTwice,
    /// Places end with the time told.
    NoGrace,
    /// Who keeps an appointment is asked for all limits again.
    AsksAgain,
}

pub(crate) struct Bent {
    real: Real,
    fault: Fault,
    /// What was told, for the faults that answer in the book's place.
    told: BTreeMap<Holder, (Moment, Vec<Unit>)>,
    /// Who was let in on that, by ticket.
    inside: BTreeMap<usize, (Holder, Moment, Vec<Unit>)>,
    extra: usize,
    calls: u128,
}

impl Bent {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            real: Real::new(),
            fault,
            told: BTreeMap::new(),
            inside: BTreeMap::new(),
            extra: 0,
            calls: 0,
        }
    }
}

/// One more than was configured.
fn one_more(limit: Limit) -> Limit {
    let (count, period) = (limit.count(), limit.period());
    let more = match limit.burst() {
        Some(burst) => Limit::new(count, period, Some(burst + 1)),
        None => Limit::new(count + 1, period, None),
    };
    more.expect("one more")
}

impl Bent {
    /// Answers in the book's place for whoever was told; the book knows nothing of them.
    fn forgets_to_reserve(&mut self, visit: &Visit<'_>, now: Moment) -> Seen {
        if let Some((due, units)) = self.told.get(&visit.holder).cloned() {
            if now.after(EARLY) >= due {
                self.told.remove(&visit.holder);
                let ticket = self.real.charges.len();
                self.real.charges.push(None);
                self.inside
                    .insert(ticket, (visit.holder, due, units.clone()));
                return Seen::In {
                    ticket,
                    units,
                    kept: true,
                };
            }
            return Seen::Told {
                wait_secs: due.since(now).as_millis().div_ceil(1_000) as u64,
                first: false,
            };
        }
        let seen = self.real.ask(visit, now);
        if let Seen::Told { wait_secs, .. } = seen {
            let due = now.after(secs(wait_secs));
            let units = visit.asks.iter().map(|ask| Unit {
                name: (ask.rule.to_owned(), ask.key.to_owned()),
                at: due,
                units: ask.cost,
            });
            self.told.insert(visit.holder, (due, units.collect()));
            self.forget(visit.holder, now);
        }
        seen
    }

    fn without_grace(&mut self, visit: &Visit<'_>, now: Moment) -> Seen {
        if let Some((due, _)) = self.told.get(&visit.holder)
            && now > *due
        {
            self.told.remove(&visit.holder);
            self.forget(visit.holder, now);
        }
        let seen = self.real.ask(visit, now);
        if let Seen::Told { wait_secs, .. } = seen {
            let due = now.after(secs(wait_secs));
            self.told.insert(visit.holder, (due, Vec::new()));
        }
        seen
    }

    fn forget(&mut self, holder: Holder, now: Moment) {
        self.real.book.forget_holder(holder, now);
        self.real.write();
    }

    fn books_again(&mut self, visit: &Visit<'_>, now: Moment) -> Seen {
        let holder = Holder(self.calls << 64);
        self.real.ask(&Visit { holder, ..*visit }, now);
        self.extra = self.real.booked();
        self.real.ask(visit, now)
    }
}

fn later(seen: Seen, by: i64) -> Seen {
    match seen {
        Seen::Told { wait_secs, first } => Seen::Told {
            wait_secs: wait_secs.saturating_add_signed(by),
            first,
        },
        seen => seen,
    }
}

impl Keeper for Bent {
    fn ask(&mut self, visit: &Visit<'_>, now: Moment) -> Seen {
        self.calls += 1;
        self.extra = 0;
        match self.fault {
            Fault::ForgetsToReserve => return self.forgets_to_reserve(visit, now),
            Fault::NoGrace => return self.without_grace(visit, now),
            Fault::Strict => return later(self.real.ask(visit, now.before(EARLY)), -2),
            Fault::RoundsDown => return later(self.real.ask(visit, now), -4),
            Fault::GivesOneMore => {
                let mut asks = visit.asks.to_vec();
                asks.iter_mut()
                    .for_each(|ask| ask.limit = one_more(ask.limit));
                return self.real.ask(
                    &Visit {
                        asks: &asks,
                        ..*visit
                    },
                    now,
                );
            }
            _ => {}
        }
        match (self.fault, self.real.ask(visit, now)) {
            (
                Fault::AsksAgain,
                Seen::In {
                    kept: true, ticket, ..
                },
            ) => {
                self.real.finish(ticket, true, now);
                self.real.ask(visit, now)
            }
            (Fault::MovesAtEarlyReturn, seen @ Seen::Told { first: false, .. }) => later(seen, 3),
            (Fault::BooksAtEarlyReturn, Seen::Told { first: false, .. }) => {
                self.books_again(visit, now)
            }
            (_, seen) => seen,
        }
    }

    fn finish(&mut self, ticket: usize, taken: bool, now: Moment) {
        if let Some((holder, due, units)) = self.inside.remove(&ticket)
            && !taken
        {
            self.told.insert(holder, (due, units));
        }
        match self.fault {
            Fault::LosesOnRelease => self.real.finish(ticket, true, now),
            Fault::ReleasesTwice if !taken => {
                self.real.finish(ticket, false, now);
                let open = self.real.charges.iter().position(Option::is_some);
                if let Some(other) = open {
                    self.real.finish(other, false, now);
                }
            }
            _ => self.real.finish(ticket, taken, now),
        }
    }

    fn tick(&mut self, now: Moment) {
        self.real.tick(now);
    }

    fn restart(&mut self) {
        for (holder, due, units) in std::mem::take(&mut self.inside).into_values() {
            self.told.insert(holder, (due, units));
        }
        match self.fault {
            Fault::ForgetsAtRestart => {
                self.real.rows = self.real.rows.without_appointments();
            }
            Fault::CountsAnewAtRestart => self.real.rows = self.real.rows.without_calendars(),
            _ => {}
        }
        self.real.restart();
    }

    fn booked(&self) -> usize {
        self.real.booked() + self.extra
    }
}
