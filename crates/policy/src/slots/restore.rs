//! What of the book outlives the process.

use super::Book;
use super::appointments::{Appointment, Listed, Seat};
use super::calendar::{Hold, NUMBER_MAX};
use super::calendars::cut;
use super::change::{Change, Stored};
use crate::Block;

impl Book {
    /// Takes the changes since the last call. Who stores nothing takes them all the same: they grow.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.log);
        changes.extend(self.calendars.take_changed());
        changes.extend(self.appointments.take_changed());
        changes
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.log.len() + self.calendars.untaken() + self.appointments.untaken()
    }

    /// Takes a stored row over, at the start: the clock and the calendars, then the appointments in ascending order of
    /// ids. What is over goes as it would have without a restart; a damaged row goes at once. No bound applies: what was
    /// told is kept.
    pub fn restore(&mut self, stored: Stored) {
        match stored {
            Stored::Clock { ahead } => self.clock.set_ahead(ahead),
            Stored::Calendar {
                id,
                rule,
                key,
                client,
                saved,
            } => {
                self.clock.resume(saved.at);
                let rule = self.tally.name(cut(&rule));
                self.calendars
                    .restore(id, (&rule, &key), client, saved, &mut self.log);
            }
            Stored::Appointment {
                id,
                guests,
                client,
                rule,
                asked,
                due,
                until,
                holds,
                lapsed,
                came,
                ..
            } => {
                self.clock.resume(asked);
                let sound = id <= NUMBER_MAX && holds.iter().all(Hold::is_sound);
                if self.appointments.get(id).is_some() || !sound {
                    self.log.push(Change::DropAppointment { id });
                    return;
                }
                self.next_id = self.next_id.max(id + 1);
                for hold in &holds {
                    self.calendars.restore_hold(hold);
                }
                let seat = |guest| Seat {
                    guest,
                    inside: false,
                };
                let row = Appointment {
                    seats: guests.into_iter().map(seat).collect(),
                    block: Block::holding(client),
                    rule: self.tally.name(cut(&rule)),
                    asked,
                    due,
                    until,
                    lapsed,
                    // Rows of earlier releases don't say so; once a guest was let in, it has nothing left.
                    came: came || holds.is_empty(),
                    holds,
                    listed: Listed::default(),
                };
                self.appointments.insert(id, row);
            }
        }
    }
}
