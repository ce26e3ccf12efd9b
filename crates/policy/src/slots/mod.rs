//! Rates, quotas and load: who finds no room is told when there will be, and that place is kept for it.
//!
//! A [`Limit`] says how much; a calendar, one for each rule and key, counts it and keeps the places that were told; the
//! [`Book`] holds the calendars and the appointments, and decides for one event over all limits that it touches.
//!
//! # What is proved
//!
//! In the book's own time, which is the wall clock's unless that was set back, as [`clock`] says:
//!
//! - **A rate** (`count/period burst B`): in any interval of length L, at most `B + ceil(L · count / period)` units are
//!   counted, without a one more at the edges. A unit counts at its slot's time: when it was taken, for one that found
//!   room at once; the slot's own time, for one that was reserved, whenever in its grace the mail really came, and for
//!   whoever came in its holder's place behind that. A mail of several units (octets) stands in a row of slots and counts
//!   at the last; at an interval's start at most one such row may stick out, so mails (not units) may count for the
//!   largest cost less one more.
//! - **A quota** (`count/period`): in each window at most `count` units. A reserved unit counts in the window it was
//!   reserved in.
//! - **A promise**: whoever comes back from 2 s before the time told until its grace is over is let in, whatever came
//!   between or was configured meanwhile, unless an operator took it back. Where an appointment has places of both kinds
//!   of [`Grace`], those that are kept briefly are asked for anew behind theirs.
//!
//! Several guests may have one appointment: the recipients of one mail, that were told one time. They come together or
//! each alone, in any order, and count as the one mail that was told, with the first of them that is let in.
//!
//! Where a limit is changed, the units promised under the old one come on top, once; a change takes nothing back.
//! Where [`Bounds::calendars`] is reached, the network that opened most loses the one that is nearest to being as good as
//! new; calendars with promises stay.

pub mod clock;

mod appointments;
mod book;
mod calendar;
mod calendars;
mod change;
mod count;
mod ends;
mod limit;
mod quota;
mod rate;
mod restore;
mod runs;
mod shelf;
mod visits;

pub use book::Book;
pub use calendar::{Counted, Hold, Units};
pub use change::{Change, RateCount, Saved, State, Stored};
pub use count::Counts;
pub use limit::{Limit, LimitError};

pub use crate::moment::EARLY;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the tables may hold. A lower bound takes no promise back; it only lets nobody else in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Unclaimed appointments of one /24 or /48, over all calendars (4).
    pub per_network: usize,
    /// Appointments over all (100,000), with four times as many guests. Who comes when they are full is told no time:
    /// others' promises stay.
    pub appointments: usize,
    /// Calendars over all (100,000). Those that are as good as new go by themselves; then see [`self`].
    pub calendars: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            per_network: 4,
            appointments: 100_000,
            calendars: 100_000,
        }
    }
}

/// Who is to come back, as the engine sees it: 128 bits made of what stays the same at its next visit (client network,
/// sender, recipient, stage). Made with a key that outlives the process, since stored appointments are found by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(pub u128);

/// One who may come back, by each name that it may then be known under: from the network that it came from, from another
/// address of the sender's pool. The same name twice is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest(pub Vec<Holder>);

impl Guest {
    fn is_also(&self, other: &Self) -> bool {
        self.0.iter().any(|name| other.0.contains(name))
    }
}

impl From<Holder> for Guest {
    fn from(name: Holder) -> Self {
        Self(vec![name])
    }
}

/// Guests that one appointment may have: a server has to take so many recipients of one mail (RFC 5321 §4.5.3.1.8), and
/// most senders send no more. A network has four times as many at most, as it has four appointments.
pub const GUESTS_MAX: usize = 100;

/// What one appointment may have in calendars, which have to stay for it. So a thousand networks with four appointments
/// each can't fill the table of calendars with promises.
pub const HOLDS_MAX: usize = 24;

/// Who it is in words: the client's network is what appointments are limited by, the rest is for whoever reads the
/// stored rows. Cut to [`TEXT_MAX`] octets.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The reverse-path, or nothing where it isn't known yet.
    pub sender: &'a str,
    /// The forward-paths, one for each guest; none where it isn't known yet.
    pub recipients: &'a [&'a str],
}

/// Names are compared and kept up to this length, in octets: an address has at most 254 (RFC 5321 §4.5.3.1.3).
pub const TEXT_MAX: usize = 256;

/// One event: who is here.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// Each may come back for what is told now, and the first that has an appointment is here for it.
    pub guests: &'a [Guest],
    /// In words.
    pub party: Party<'a>,
    /// What another guest of the same mail was told: where there is no room now, and there is then, it is shared.
    pub shared: Option<u64>,
    /// An appointment of this rule that is early keeps nobody out: it is only told again where another limit does.
    pub besides: Option<&'a str>,
}

impl Visit<'_> {
    /// The nth guest's forward-path, as it is kept.
    fn recipient(&self, nth: usize) -> String {
        let recipient = self.party.recipients.get(nth).copied();
        calendars::cut(recipient.unwrap_or_default()).to_owned()
    }
}

/// One limit that an event touches. Two of the same rule and key are one, of both costs.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The rule's name, as the administrator knows it.
    pub rule: &'a str,
    /// Whose limit it is under that rule: an address, a domain, a network.
    pub key: &'a str,
    /// How much.
    pub limit: Limit,
    /// Units that it takes: 1 for a message, octets for a size. Nothing is asked where it is 0.
    pub cost: u64,
    /// How far ahead a place may be told: [`Limit::period`], or 15 minutes for load. Where another of the event's limits
    /// has a later time, the place may lie there.
    pub horizon: Duration,
    /// How long the place is kept behind its time.
    pub grace: Grace,
    /// Units are counted as they come, not as they were told: whoever comes back with more, or after another guest of the
    /// same appointment, is let in, and the rest counts at the next free slots. No further than to the horizon.
    pub exact: bool,
    /// It is for the mail: guests who share an appointment share it.
    pub once: bool,
}

/// How long a place is kept behind the time told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// Rates and quotas: as long as the wait was, and 15 minutes at least.
    Lasting,
    /// Load: 5 s, then it goes to whoever is there.
    Brief,
}

impl Grace {
    const BRIEF: Duration = Duration::from_secs(5);

    /// The grace behind a wait.
    pub fn span(self, wait: Duration) -> Duration {
        match self {
            Self::Lasting => wait.max(Duration::from_secs(15 * 60)),
            Self::Brief => Self::BRIEF,
        }
    }
}

/// The answer to one event.
#[derive(Debug)]
pub enum Booking {
    /// There is room, or it was kept. End the charge with [`Book::spend`] or [`Book::release`].
    Admitted {
        /// What it took.
        charge: Charge,
        /// It had an appointment.
        kept: Option<Kept>,
    },
    /// Come back then: the place is kept.
    Told {
        /// The appointment, for [`Visit::shared`].
        id: u64,
        /// The rule whose time was the latest.
        rule: Arc<str>,
        /// In so many whole seconds, rounded up.
        wait_secs: u64,
        /// It was made just now; else it stood already, and nothing was booked.
        first: bool,
        /// Since this guest was told first; `None`: it was not told before.
        waited: Option<Duration>,
    },
    /// Not now, and no time to tell: nothing was taken.
    Full {
        /// The rule that had no room.
        rule: Arc<str>,
        /// Why no place was reserved.
        why: Why,
    },
}

/// An appointment that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The rule that was told.
    pub rule: Arc<str>,
    /// How long after the first visit it came.
    pub waited: Duration,
    /// How long after the time told; zero for up to 2 s before.
    pub late: Duration,
    /// Nobody came for it before.
    pub first: bool,
}

/// Why there is no time to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The network has its four appointments.
    Network,
    /// No place up to the horizon, or none that all of the event's limits have at the same time.
    Horizon,
    /// The limit is smaller than this one event: no time will ever do.
    TooLarge,
    /// [`Bounds::appointments`] or [`Bounds::calendars`] is reached.
    Tables,
}

/// What an admitted event took. One that is dropped counts as spent; spent slots can be used better when that is said.
#[must_use = "spend it when the mail was taken, release it when it was refused after all"]
#[derive(Debug)]
pub struct Charge(pub(super) Took);

#[derive(Debug)]
pub(super) enum Took {
    /// From what was there.
    Fresh(Vec<Hold>),
    /// An appointment's places, for these of its guests.
    Claimed {
        id: u64,
        guests: Vec<Guest>,
        holds: Vec<Hold>,
        /// What it cost beyond that.
        rest: Vec<Hold>,
    },
}

impl Charge {
    /// Whether it took what is kept briefly: a place of the load's.
    pub fn has_brief(&self) -> bool {
        let (Took::Fresh(holds) | Took::Claimed { holds, .. }) = &self.0;
        holds.iter().any(|hold| hold.brief)
    }

    /// Whether it counts in limits: who comes behind the first guest of an appointment finds its places used.
    pub fn has_places(&self) -> bool {
        let (Took::Fresh(holds) | Took::Claimed { holds, .. }) = &self.0;
        !holds.is_empty()
    }

    /// What the limits count for it, and when.
    pub fn counted(&self) -> impl Iterator<Item = Counted> + '_ {
        let (holds, rest) = match &self.0 {
            Took::Fresh(holds) => (holds, None),
            Took::Claimed { holds, rest, .. } => (holds, Some(rest)),
        };
        let rest = rest.into_iter().flatten();
        holds.iter().chain(rest).map(Hold::counted)
    }
}
