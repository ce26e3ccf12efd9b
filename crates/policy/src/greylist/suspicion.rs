//! Who is greylisted where not all strangers are: clients with something suspicious, and how long each waits.

use super::dynamic::dynamic_looking;
use crate::{Fact, Facts, Reverse};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What is suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suspicion {
    /// The address has no reverse name, or one that does not lead back to it.
    NoName,
    /// The reverse name looks like that of a line, not of a server: see [`dynamic_looking`].
    DynamicName,
    /// It is on a blocklist, though not enough to be refused.
    Listed,
    /// The sender's domain was never seen.
    FirstSeenDomain,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "no reverse name",
            Self::DynamicName => "dynamic-looking reverse name",
            Self::Listed => "on a blocklist",
            Self::FirstSeenDomain => "first-seen sender domain",
        })
    }
}

/// How long a client waits for each thing that is suspicious; `None`: it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// For [`Suspicion::NoName`] (300 s).
    pub no_name: Option<Duration>,
    /// For [`Suspicion::DynamicName`] (300 s).
    pub dynamic_name: Option<Duration>,
    /// For [`Suspicion::Listed`], from a score of 1 on (900 s: time for other lists to learn of it).
    pub listed: Option<Duration>,
    /// For [`Suspicion::FirstSeenDomain`] (300 s).
    pub first_seen_domain: Option<Duration>,
}

impl Default for Delays {
    fn default() -> Self {
        const WAIT: Option<Duration> = Some(Duration::from_secs(300));
        Self {
            no_name: WAIT,
            dynamic_name: WAIT,
            listed: Some(Duration::from_secs(900)),
            first_seen_domain: WAIT,
        }
    }
}

/// What is suspicious and how long it makes the client wait: of several things the one with the longest delay, of
/// equal ones the first. `None`: nothing is; its [`Arrival`](super::Arrival) has a delay of zero.
///
/// What was not asked, or not answered, is suspicious of nothing: a resolver's trouble is no fault of the client's, and
/// makes nobody wait who would not have waited. `first_seen_domain` is what
/// [`Domains::is_first_seen`](crate::domains::Domains::is_first_seen) says of the sender.
///
/// Facts may change between two visits. That moves no appointment later: the record keeps the time it told, and only a
/// shorter delay applies to it.
pub fn suspicion(
    delays: &Delays,
    client: IpAddr,
    facts: &Facts,
    first_seen_domain: bool,
) -> Option<(Suspicion, Duration)> {
    let name = facts.reverse.known().and_then(|reverse| match reverse {
        Reverse {
            name: Some(name),
            confirmed: true,
        } => dynamic_looking(name, client).then_some((Suspicion::DynamicName, delays.dynamic_name)),
        _ => Some((Suspicion::NoName, delays.no_name)),
    });
    let is_listed = matches!(&facts.lists, Fact::Known(listing) if listing.score > 0);
    let listed = is_listed.then_some((Suspicion::Listed, delays.listed));
    let first_seen =
        first_seen_domain.then_some((Suspicion::FirstSeenDomain, delays.first_seen_domain));
    [name, listed, first_seen]
        .into_iter()
        .flatten()
        .filter_map(|(what, delay)| Some((what, delay.filter(|delay| !delay.is_zero())?)))
        // Of equal ones the last wins otherwise.
        .rev()
        .max_by_key(|&(_, delay)| delay)
}
