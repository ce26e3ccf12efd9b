//! A store as simple as can be: what is written, and what a restart reads.

use crate::bounded;
use policy::slots::{Book, Bounds, Change, Stored};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    calendars: BTreeMap<u64, Stored>,
    appointments: BTreeMap<u64, Stored>,
    ahead: Duration,
}

impl Rows {
    pub(crate) fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Keep(stored) => {
                    let (rows, id) = match &stored {
                        Stored::Calendar { id, .. } => (&mut self.calendars, *id),
                        Stored::Appointment { id, .. } => (&mut self.appointments, *id),
                        Stored::Clock { .. } => panic!("{stored:?} has a change of its own"),
                    };
                    let again = matches!(stored, Stored::Appointment { .. });
                    let before = rows.insert(id, stored);
                    assert!(again || before.is_none(), "two rows named {id}");
                }
                Change::Count { id, saved: now } => match self.calendars.get_mut(&id) {
                    Some(Stored::Calendar { saved, .. }) => *saved = now,
                    other => panic!("no calendar {id}: {other:?}"),
                },
                Change::Clock { ahead } => self.ahead = ahead,
                // For who reads the rows.
                Change::Seat { id, .. } => assert!(self.appointments.contains_key(&id)),
                Change::Guests {
                    id,
                    guests: now,
                    holds: has,
                    lapsed: is_lapsed,
                    came: has_come,
                } => match self.appointments.get_mut(&id) {
                    Some(Stored::Appointment {
                        guests,
                        holds,
                        lapsed,
                        came,
                        ..
                    }) => {
                        (*guests, *holds, *lapsed, *came) = (now, has, is_lapsed, has_come);
                    }
                    other => panic!("no appointment {id}: {other:?}"),
                },
                Change::DropCalendar { id } => {
                    assert!(self.calendars.remove(&id).is_some(), "no calendar {id}");
                }
                Change::DropAppointment { id } => {
                    assert!(self.appointments.remove(&id).is_some(), "no row {id}");
                }
            }
        }
    }

    pub(crate) fn book(&self) -> Book {
        let mut book = bounded(Bounds::default());
        book.restore(Stored::Clock { ahead: self.ahead });
        for row in self.calendars.values().chain(self.appointments.values()) {
            book.restore(row.clone());
        }
        book
    }

    pub(crate) fn without_appointments(&self) -> Self {
        Self {
            appointments: BTreeMap::new(),
            ..self.clone()
        }
    }

    pub(crate) fn without_calendars(&self) -> Self {
        Self {
            calendars: BTreeMap::new(),
            ..self.clone()
        }
    }

    pub(crate) fn len(&self) -> (usize, usize) {
        (self.calendars.len(), self.appointments.len())
    }

    pub(crate) fn calendars(&self) -> impl Iterator<Item = &Stored> {
        self.calendars.values()
    }

    pub(crate) fn appointments(&self) -> impl Iterator<Item = &Stored> {
        self.appointments.values()
    }
}
