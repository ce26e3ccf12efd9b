//! Sender domains of which mail was accepted: whichever is not among them is seen for the first time.
//!
//! A domain is the one that somebody registered, by the list of public suffixes, so that `bounce-17.mail.example.com`
//! is seen when `example.com` was. It is seen when one of its mails was let in by all rules, after greylisting; what
//! merely knocks leaves nothing. That a domain was seen proves nothing of who names it: anybody can forge it. It only
//! spares a stranger with a domain that everybody writes from one suspicion.
//!
//! **Bounds.** A domain counts for the /24 or /48 whose mail brought it, and stays with it however others use it. A
//! block that has its share loses its own domain unused for longest; beyond the bound over all, the largest block does.
//! So who forges domains pushes out its own.

mod row;
mod table;

pub use row::{Change, Stored};
pub use table::Domains;

use std::time::Duration;

/// A domain of which no mail was accepted for so long is seen for the first time again.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(36 * 24 * 60 * 60);

/// How many are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// That one /24 or /48 brought (1,000).
    pub per_network: usize,
    /// Over all (100,000).
    pub over_all: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            per_network: 1_000,
            over_all: 100_000,
        }
    }
}
