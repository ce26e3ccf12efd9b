//! Greylisting: refuse a stranger once, let it in when it comes back at the time it was told.
//!
//! [`rule::step`] is the whole rule, on one record. [`Table`] holds the records in bounded memory and lets the rule
//! run on them. [`exempt`] says who is not judged at all, [`suspicion`] whom it suffices to judge, and [`pool`] which
//! answers of the DNS group the addresses of one sender.

pub mod exempt;
pub mod pool;
pub mod rule;
pub mod suspicion;

mod change;
mod dynamic;
mod judgement;
mod key;
mod keys;
mod known;
mod network;
mod origin;
mod records;
mod table;

pub use crate::Moment;
pub use change::{Change, Stored};
pub use dynamic::dynamic_looking;
pub use exempt::{Circumstances, Exemption, Exemptions, exemption};
pub use judgement::{Appointment, Arrival, Judgement, Verdict, Visit};
pub use key::Secret;
pub use origin::{Domain, NoOrigin, Origin};
pub use rule::{Known, Record};
pub use table::Table;

use std::time::Duration;

/// What the administrator sets.
///
/// A change touches no appointment: a record keeps the times it was made with, only a shorter `delay` applies at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a stranger waits (300 s), unless its [`Arrival`] says otherwise. Zero: nobody does.
    pub delay: Duration,
    /// How long after the first visit a retry still passes (2 days). Where it ends before the delay does, a promise
    /// is open for [`rule::OPEN_AT_LEAST`].
    pub window: Duration,
    /// Passes after which a client network or an SPF domain is known for good (1). Each triplet counts once. Zero: none is
    /// from now on, whatever it passed.
    pub known_after: u32,
    /// How long it stays known after its last use (36 days).
    pub known_for: Duration,
    /// Prefix that makes a client network (24).
    pub v4_prefix: u8,
    /// Prefix that makes a client network (64).
    pub v6_prefix: u8,
    /// Pending records of one /24 or /48; one more is deferred unrecorded and without a hint (1,000).
    pub max_pending_per_network: usize,
    /// Pending records over all; beyond that the largest network loses its oldest (1,000,000).
    pub max_pending: usize,
    /// Known networks and domains over all; beyond that the one unused for longest goes (1,000,000). The same bound
    /// holds for triplets that passed while not all that they are found under is known.
    pub max_known: usize,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            delay: Duration::from_secs(300),
            window: 2 * DAY,
            known_after: 1,
            known_for: 36 * DAY,
            v4_prefix: 24,
            v6_prefix: 64,
            max_pending_per_network: 1_000,
            max_pending: 1_000_000,
            max_known: 1_000_000,
        }
    }
}
