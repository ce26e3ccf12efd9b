//! What is held to the law, and the real book with a store behind it.

use crate::book;
use crate::rows::Rows;
use policy::Moment;
use policy::slots::{self, Ask, Book, Booking, Change, Charge, Holder, Party, Stored};
use std::collections::BTreeMap;

/// Which calendar, in words.
pub(crate) type Name = (String, String);

/// What a limit counts for one event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    pub(crate) name: Name,
    pub(crate) at: Moment,
    pub(crate) units: u64,
}

/// What a visitor sees, and what is counted for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    In {
        ticket: usize,
        units: Vec<Unit>,
        kept: bool,
    },
    Told {
        wait_secs: u64,
        first: bool,
    },
    Full,
}

pub(crate) struct Visit<'a> {
    pub(crate) holder: Holder,
    pub(crate) party: Party<'a>,
    pub(crate) asks: &'a [Ask<'a>],
}

pub(crate) trait Keeper {
    fn ask(&mut self, visit: &Visit<'_>, now: Moment) -> Seen;
    /// The visitor with this ticket leaves: its mail was taken, or refused.
    fn finish(&mut self, ticket: usize, taken: bool, now: Moment);
    fn tick(&mut self, now: Moment);
    fn restart(&mut self);
    /// Rows that were new in the last call.
    fn booked(&self) -> usize;
}

/// The book itself.
pub(crate) struct Real {
    pub(crate) book: Book,
    pub(crate) rows: Rows,
    names: BTreeMap<u64, Name>,
    pub(crate) charges: Vec<Option<Charge>>,
    booked: usize,
}

impl Real {
    pub(crate) fn new() -> Self {
        Self {
            book: book(),
            rows: Rows::default(),
            names: BTreeMap::new(),
            charges: Vec::new(),
            booked: 0,
        }
    }

    pub(crate) fn write(&mut self) {
        let changes = self.book.take_changes();
        assert_eq!(self.book.untaken(), 0);
        self.booked = 0;
        for change in &changes {
            if let Change::Keep(stored) = change {
                self.booked += 1;
                if let Stored::Calendar { id, rule, key, .. } = stored {
                    self.names.insert(*id, (rule.clone(), key.clone()));
                }
            }
        }
        self.rows.write(changes);
    }
}

impl Keeper for Real {
    fn ask(&mut self, visit: &Visit<'_>, now: Moment) -> Seen {
        let guests = [visit.holder.into()];
        let who = slots::Visit {
            guests: &guests,
            party: visit.party,
            shared: None,
            besides: None,
        };
        let booking = self.book.ask(who, visit.asks, now);
        self.write();
        match booking {
            Booking::Admitted { charge, kept } => {
                let units = charge.counted().map(|counted| Unit {
                    name: self.names[&counted.calendar].clone(),
                    at: counted.at,
                    units: counted.units,
                });
                let units = units.collect();
                self.charges.push(Some(charge));
                Seen::In {
                    ticket: self.charges.len() - 1,
                    units,
                    kept: kept.is_some(),
                }
            }
            Booking::Told {
                wait_secs, first, ..
            } => Seen::Told { wait_secs, first },
            Booking::Full { .. } => Seen::Full,
        }
    }

    fn finish(&mut self, ticket: usize, taken: bool, now: Moment) {
        if let Some(charge) = self.charges[ticket].take() {
            if taken {
                self.book.spend(charge, now);
            } else {
                self.book.release(charge, now);
            }
            self.write();
        }
    }

    fn tick(&mut self, now: Moment) {
        self.book.tick(now);
        self.write();
    }

    fn restart(&mut self) {
        self.book = self.rows.book();
        self.charges.iter_mut().for_each(|charge| *charge = None);
        self.write();
    }

    fn booked(&self) -> usize {
        self.booked
    }
}
