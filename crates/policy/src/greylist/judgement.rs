//! The question and the answer.

use super::origin::Origin;
use std::net::IpAddr;
use std::time::Duration;

/// One RCPT.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The reverse-path, without its brackets; empty for the null sender.
    pub sender: &'a str,
    /// The forward-path, without its brackets.
    pub recipient: &'a str,
}

/// A visit with what was found out for it; a mere [`Visit`] is one with nothing.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who comes.
    pub visit: Visit<'a>,
    /// What the client is found under beside its network: [`pool`](super::pool). The first two count.
    pub origins: &'a [Origin],
    /// How long it waits as a stranger, in place of [`Settings::delay`](super::Settings::delay): the answer of
    /// [`suspicion`](super::suspicion::suspicion), where not all strangers wait. Zero for one that is not suspicious:
    /// then it passes, and with it whatever it was told earlier.
    pub delay: Option<Duration>,
}

impl<'a> From<Visit<'a>> for Arrival<'a> {
    fn from(visit: Visit<'a>) -> Self {
        Self {
            visit,
            origins: &[],
            delay: None,
        }
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client's network or SPF domain is known, or this triplet has passed before.
    Known,
    /// It came back in its window: passed after so long.
    Waited(Duration),
    /// Come back later.
    Defer {
        /// In so many whole seconds, rounded up; `None`: not recorded, no appointment.
        wait_secs: Option<u64>,
        /// This is the first visit.
        first: bool,
    },
}

/// What became of an appointment, for statistics. Those that nobody came for:
/// [`Table::unclaimed`](super::Table::unclaimed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appointment {
    /// There was none, and none was made.
    None,
    /// It was made.
    Made,
    /// It stands: the client came too early, and was told again.
    Early {
        /// Since it was made.
        waited: Duration,
        /// Until its time.
        early: Duration,
    },
    /// It was kept.
    Kept {
        /// Since it was made.
        waited: Duration,
        /// After its time; zero for up to [`EARLY`](super::rule::EARLY) before it.
        late: Duration,
    },
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What the client is told.
    pub verdict: Verdict,
    /// What this visit was to its appointment.
    pub appointment: Appointment,
}
