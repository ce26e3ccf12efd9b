//! A full mailbox: when it has room again (452 4.2.2), from its own history of fill and drain; else no estimate.
//!
//! An *episode* is the time from the first mail that did not fit to the next that did. Of each mailbox the lengths of
//! the last few are kept. The estimate is their median, of those longer than this one has lasted already; when it has
//! outlasted them all, there is nothing to go by.
//!
//! Two sources say that a mailbox is full: a Maildir's quota ([`maildirsize`]), at a delivery or, where there is no room for
//! a small mail either, at RCPT; and an LMTP server whose 452 4.2.2 comes after our 250. Later recipients are refused until the time estimated, or for [`PROBE_AFTER`] where there is
//! none; from then on they are let in, until the next answer says that it is full still. So a mailbox without history
//! takes what comes in while one delivery is under way, once in [`PROBE_AFTER`].

pub mod maildirsize;

mod history;

pub use history::{EPISODES_MAX, Episode, History, PROBE_AFTER, WAIT_MAX, WAIT_MIN};

use crate::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Mailboxes that are remembered; one more, and the one unused for longest is forgotten.
pub const MAILBOXES_MAX: usize = 10_000;

/// Octets of an address that is remembered (RFC 5321 §4.5.3.1: 64 + 1 + 255).
pub const ADDRESS_MAX: usize = 320;

/// Refuse: the mailbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullVerdict {
    /// Until it should have room; `None`: nothing to go by, so no hint. Rounded up to milliseconds at most; whoever
    /// asks again earlier is told the same moment.
    pub wait: Option<Duration>,
}

/// One row that outlives the process: a mailbox, named by its address in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The address, which names the row.
    pub mailbox: String,
    /// What is remembered.
    pub history: History,
}

/// One step from the rows of before to those of now; to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, or a mailbox's row anew.
    Keep(Stored),
    /// The mailbox is forgotten.
    Drop {
        /// Its address.
        mailbox: String,
    },
}

/// The mailboxes that were full. Deterministic; each call costs O(log n).
#[derive(Debug, Default)]
pub struct Mailboxes {
    rows: BTreeMap<Arc<str>, History>,
    by_use: BTreeSet<(Moment, Arc<str>)>,
    changes: Vec<Change>,
}

impl Mailboxes {
    /// A mail did not fit: the quota says so, or the LMTP server did.
    pub fn full(&mut self, mailbox: &str, now: Moment) {
        let mut history = self.find(mailbox).cloned().unwrap_or_default();
        if history.full(now) {
            self.put(mailbox, history, true);
        }
    }

    /// A mail was delivered, or the quota has room again. Of a mailbox that was never full nothing is remembered.
    pub fn room(&mut self, mailbox: &str, now: Moment) {
        let Some(mut history) = self.find(mailbox).cloned() else {
            return;
        };
        if history.room(now) {
            self.put(mailbox, history, true);
        }
    }

    /// Whether to refuse a mail for `mailbox`; `None`: let it in, there may be room.
    pub fn judge(&self, mailbox: &str, now: Moment) -> Option<FullVerdict> {
        self.find(mailbox)?.judge(now)
    }

    /// The operator's word: what is remembered of `mailbox` is forgotten. Says whether there was anything.
    pub fn forget(&mut self, mailbox: &str) -> bool {
        let name = mailbox.to_lowercase();
        let Some(history) = self.rows.remove(name.as_str()) else {
            return false;
        };
        self.by_use
            .remove(&(history.used, Arc::from(name.as_str())));
        self.changes.push(Change::Drop { mailbox: name });
        true
    }

    /// What is remembered, by address.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &History)> {
        self.rows.iter().map(|(name, history)| (&**name, history))
    }

    /// Takes the changes since the last call, in order. Who stores nothing takes them all the same: they grow.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.changes.len()
    }

    /// Takes a stored row over, at the start. What is beyond the bounds is not taken, and a change says that it goes.
    pub fn restore(&mut self, stored: Stored) {
        let history = stored.history.bounded();
        self.put(&stored.mailbox, history, false);
    }

    fn find(&self, mailbox: &str) -> Option<&History> {
        self.rows.get(mailbox.to_lowercase().as_str())
    }

    fn put(&mut self, mailbox: &str, history: History, tell: bool) {
        let name = mailbox.to_lowercase();
        if name.len() > ADDRESS_MAX {
            if !tell {
                self.changes.push(Change::Drop { mailbox: name });
            }
            return;
        }
        let name: Arc<str> = Arc::from(name);
        if tell {
            self.changes.push(Change::Keep(Stored {
                mailbox: name.to_string(),
                history: history.clone(),
            }));
        }
        let used = history.used;
        if let Some(old) = self.rows.insert(Arc::clone(&name), history) {
            self.by_use.remove(&(old.used, Arc::clone(&name)));
        }
        self.by_use.insert((used, name));
        while self.rows.len() > MAILBOXES_MAX
            && let Some((_, stalest)) = self.by_use.pop_first()
        {
            self.rows.remove(&stalest);
            let mailbox = stalest.to_string();
            self.changes.push(Change::Drop { mailbox });
        }
    }
}
