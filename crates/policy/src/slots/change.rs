//! What a store keeps of the book, and what changed of it.

use super::calendar::Hold;
use super::{Guest, Limit};
use crate::Moment;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

/// One row that outlives the process. Texts have at most [`super::TEXT_MAX`] octets. Times are the book's
/// ([`super::clock`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// What is counted for one rule and key.
    Calendar {
        /// Names the row; never given twice in a book's life.
        id: u64,
        /// The rule's name.
        rule: String,
        /// Whose limit it is under that rule.
        key: String,
        /// Who opened it; `None` in a row of an earlier release.
        client: Option<IpAddr>,
        /// What is counted.
        saved: Saved,
    },
    /// How far the book's time is ahead of the wall clock; there is one such row at most, and none for 0.
    Clock {
        /// So far.
        ahead: Duration,
    },
    /// A place that someone was told.
    Appointment {
        /// Names the row; ascends with its age.
        id: u64,
        /// Who may come for it, and is not through with it.
        guests: Vec<Guest>,
        /// The client's address.
        client: IpAddr,
        /// The reverse-path.
        sender: String,
        /// The guests' forward-paths, in their order; empty where it isn't known, or was handed out before.
        recipients: Vec<String>,
        /// The rule whose time was the latest.
        rule: String,
        /// The first visit.
        asked: Moment,
        /// The time told.
        due: Moment,
        /// The last moment at which it counts.
        until: Moment,
        /// What it has, in which calendars; nothing once the first guest was let in.
        holds: Vec<Hold>,
        /// What was kept briefly went to others.
        lapsed: bool,
        /// A guest came for it once.
        came: bool,
    },
}

/// What a calendar counted up to one moment. What a rate keeps for appointments is in their rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The limit it counts by.
    pub limit: Limit,
    /// How often its slots were numbered anew.
    pub series: u32,
    /// The moment.
    pub at: Moment,
    /// What is counted.
    pub state: State,
}

/// See [`Saved`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Of a rate.
    Rate(RateCount),
    /// Of a quota.
    Quota {
        /// In this window.
        used: u64,
        /// In the next.
        booked: u64,
    },
}

/// Slots are counted since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateCount {
    /// Slots that passed unused and may be used still.
    pub bank: u64,
    /// Of what was taken from there, so much may come back.
    pub live: u64,
    /// Nothing that was taken before this slot was the next one.
    pub dead: u64,
    /// To come, and used up: octets that came and were not told, a mail that came a little early.
    pub spent: Vec<Range<u64>>,
    /// Passed, and given back by who had them.
    pub lapsed: Vec<Range<u64>>,
}

/// One step from the rows of before to those of now; to be applied in order, and what one
/// [`super::Book::take_changes`] gave as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, or an appointment whose times are others.
    Keep(Stored),
    /// The calendar has another count.
    Count {
        /// The calendar's row.
        id: u64,
        /// What it has now.
        saved: Saved,
    },
    /// The calendar is as good as new.
    DropCalendar {
        /// Its row.
        id: u64,
    },
    /// The wall clock was set: the one row of [`Stored::Clock`] is this, or goes.
    Clock {
        /// How far the book's time is ahead of it.
        ahead: Duration,
    },
    /// Somebody more may come for an appointment; its guests follow.
    Seat {
        /// Its row.
        id: u64,
        /// Who.
        guest: Guest,
        /// The forward-path.
        recipient: String,
    },
    /// The appointment has other guests or other places.
    Guests {
        /// Its row.
        id: u64,
        /// Who may come for it now.
        guests: Vec<Guest>,
        /// What it has now.
        holds: Vec<Hold>,
        /// What was kept briefly went to others.
        lapsed: bool,
        /// A guest came for it once.
        came: bool,
    },
    /// The appointment is over.
    DropAppointment {
        /// Its row.
        id: u64,
    },
}
