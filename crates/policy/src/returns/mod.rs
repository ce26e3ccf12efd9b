//! Who never came back: clients that were told to wait, and did not retry within the window.
//!
//! A mail server comes back; much of what only sends spam does not. A telling is **counted** against a client when its
//! window is over, the sender was not the null sender, and nothing came later for that sender's domain and that
//! recipient, from any address (big senders retry from another one); and when the client was not accepted in the last
//! [`Settings::accepted_for`], nor is of a network that greylisting knows (the engine tells of none such). After
//! [`Settings::pairs`] such sender-recipient pairs, told on [`Settings::days`] different days (UTC), the client is
//! **listed**: a single IPv4 address, or an IPv6 /64. By default that is all: [`Action::Count`].
//!
//! Ways out: a count ends after [`Settings::remembered_for`]; a count is taken back when something comes for its
//! sender's domain and recipient after all, even from a client that is being rejected; a client that is accepted once
//! loses all its counts and gets none for [`Settings::accepted_for`]; and there is [`Returns::forget`].
//!
//! **What protects others from being listed.** Only who completed a TCP handshake is told anything, so an address
//! can't be lent to somebody. A host that forwards others' mail, and a provider's outgoing pool, retry: what they were
//! told is never counted, and they are accepted. Who shares an address (NAT, a cloud's exit, a /64) with a spammer is
//! safe from its first accepted mail on, for 36 days, and then from each further one; who never had a mail accepted
//! from there shares the listing, which is why the default only counts. Forged senders make pairs, but they count
//! against the forger. A flood takes room only from its own /24 or /48, then from the largest; what is shed is
//! forgotten, never counted. While nobody listened (a restart, an hour without any event, a clock that jumped) nobody
//! could come back, so windows that ended then are not counted either.
//!
//! Whoever is exempt from waiting is told nothing, and so never gets here.

pub mod dnsbl;

mod key;
mod row;
mod table;
mod tally;

pub use row::{Change, State, Stored};
pub use table::Returns;
pub use tally::PAIRS_KEPT;

use crate::Moment;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// What the administrator sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What a listed client meets (it is only counted).
    pub action: Action,
    /// Sender-recipient pairs that never came back, until a client is listed (5; at least 1, at most [`PAIRS_KEPT`]).
    pub pairs: usize,
    /// On so many different days (2; at least 1, at most `pairs`).
    pub days: usize,
    /// How long a count lasts (36 days).
    pub remembered_for: Duration,
    /// How long after a client was last accepted nothing is counted against it (36 days).
    pub accepted_for: Duration,
    /// Tellings of one /24 or /48 that wait for the end of their window; one more is not watched (1,000).
    pub max_pending_per_network: usize,
    /// Over all; beyond that the largest network loses its oldest (100,000).
    pub max_pending: usize,
    /// Counts of one /24 or /48; one more is not counted (2,000).
    pub max_counted_per_network: usize,
    /// Over all; beyond that the largest network loses its oldest (100,000).
    pub max_counted: usize,
    /// Accepted clients of one /24 or /48; one more, and the one accepted longest ago is forgotten (1,000).
    pub max_accepted_per_network: usize,
    /// Over all; beyond that the largest network loses its oldest (100,000).
    pub max_accepted: usize,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            action: Action::Count,
            pairs: 5,
            days: 2,
            remembered_for: 36 * DAY,
            accepted_for: 36 * DAY,
            max_pending_per_network: 1_000,
            max_pending: 100_000,
            max_counted_per_network: 2_000,
            max_counted: 100_000,
            max_accepted_per_network: 1_000,
            max_accepted: 100_000,
        }
    }
}

/// What a listed client meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is counted and shown.
    Count,
    /// 550 5.7.1.
    Reject,
    /// Greylisted for so long instead of the usual delay; when it comes back then, it is accepted and off the list.
    Delay(Duration),
}

/// One who never came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offender {
    /// A single address, or a /64.
    pub client: IpNet,
    /// Pairs that count; at most [`PAIRS_KEPT`] are kept.
    pub pairs: usize,
    /// Days on which they were told to wait.
    pub days: usize,
    /// When the first of them was told.
    pub first: Moment,
    /// When the last of them was told.
    pub last: Moment,
    /// There are enough of them.
    pub listed: bool,
}

/// What is counted, and listed, as one: an IPv4 address, or the /64 of an IPv6 address.
pub fn source(client: IpAddr) -> IpNet {
    let client = client.to_canonical();
    let length = match client {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 64,
    };
    IpNet::new(client, length)
        .unwrap_or_else(|_| IpNet::from(client))
        .trunc()
}
