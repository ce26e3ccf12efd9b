//! All entries, and which of them speaks.

use super::networks::Networks;
use super::row::{Action, Change, Entry};
use super::subject::{Subject, plain};
use crate::Moment;
use crate::greylist::Visit;
use crate::greylist::exempt::AddressList;
use std::collections::BTreeMap;
use std::fmt;

/// Entries there may be.
pub const ENTRIES_MAX: usize = 10_000;

/// There are [`ENTRIES_MAX`] entries: remove some first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there are {ENTRIES_MAX} entries already: remove some first"
        )
    }
}

impl std::error::Error for Full {}

/// The operator's entries.
#[derive(Debug, Default)]
pub struct Overrides {
    clients: Networks<Entry>,
    senders: Patterns,
    recipients: Patterns,
    /// No entry ends before it.
    next_end: Option<Moment>,
    changes: Vec<Change>,
}

/// Entries by pattern. The list is made anew when they change: that is an operator's command, or an entry's end.
#[derive(Debug, Default)]
struct Patterns {
    rows: BTreeMap<String, Entry>,
    list: AddressList,
    /// One of them lets somebody in.
    allows: bool,
}

impl Overrides {
    /// Makes an entry, or replaces the one of the same subject.
    pub fn set(&mut self, entry: Entry) -> Result<(), Full> {
        let entry = entry.trimmed();
        if self.get(&entry.subject).is_none() && self.len() >= ENTRIES_MAX {
            return Err(Full);
        }
        let entry = self.put(entry);
        self.changes.push(Change::Keep(entry));
        Ok(())
    }

    /// Removes the entry of exactly this subject, and says which it was.
    pub fn remove(&mut self, subject: &Subject) -> Option<Entry> {
        let entry = match subject {
            Subject::Client(net) => self.clients.remove(plain(*net)),
            Subject::Sender(pattern) => self.senders.remove(pattern),
            Subject::Recipient(pattern) => self.recipients.remove(pattern),
        }?;
        self.changes.push(Change::Drop {
            subject: entry.subject.clone(),
        });
        Some(entry)
    }

    /// The entry that speaks on this visit, at `now`.
    pub fn judge(&mut self, visit: Visit<'_>, now: Moment) -> Option<&Entry> {
        self.sweep(now);
        self.recipients
            .find(visit.recipient)
            .or_else(|| self.clients.longest(visit.client))
            .or_else(|| self.senders.find(visit.sender))
    }

    /// The entry that speaks on this client, before anything else is known of its mail.
    pub fn judge_client(&mut self, client: std::net::IpAddr, now: Moment) -> Option<&Entry> {
        self.sweep(now);
        self.clients.longest(client)
    }

    /// Whether an entry lets a sender or a recipient in.
    pub fn allows_mails(&self) -> bool {
        self.senders.allows || self.recipients.allows
    }

    /// Whether an entry lets a recipient's mail in.
    pub fn allows_recipients(&self) -> bool {
        self.recipients.allows
    }

    /// All entries: clients, senders, recipients, each in order. Those whose time is over count until the next visit.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.clients
            .values()
            .chain(self.senders.rows.values())
            .chain(self.recipients.rows.values())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len() + self.senders.rows.len() + self.recipients.rows.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the changes since the last call, in order. Who stores nothing takes them all the same: they grow.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Changes that wait to be taken.
    pub fn untaken(&self) -> usize {
        self.changes.len()
    }

    /// Takes stored rows over, at the start. What is over by `now`, or beyond the bound, is not taken, and a change
    /// says that it may go.
    pub fn restore(&mut self, stored: impl IntoIterator<Item = Entry>, now: Moment) {
        for entry in stored {
            if entry.expired(now) || self.len() >= ENTRIES_MAX {
                let subject = entry.subject;
                self.changes.push(Change::Drop { subject });
            } else {
                self.insert(entry.trimmed());
            }
        }
        self.senders.relist();
        self.recipients.relist();
    }

    fn get(&self, subject: &Subject) -> Option<&Entry> {
        match subject {
            Subject::Client(net) => self.clients.get(plain(*net)),
            Subject::Sender(pattern) => self.senders.rows.get(pattern),
            Subject::Recipient(pattern) => self.recipients.rows.get(pattern),
        }
    }

    fn put(&mut self, entry: Entry) -> Entry {
        let entry = self.insert(entry);
        match entry.subject {
            Subject::Client(_) => {}
            Subject::Sender(_) => self.senders.relist(),
            Subject::Recipient(_) => self.recipients.relist(),
        }
        entry
    }

    /// Says what was put in, as it is held.
    fn insert(&mut self, mut entry: Entry) -> Entry {
        if let Some(until) = entry.until {
            self.next_end = Some(self.next_end.map_or(until, |next| next.min(until)));
        }
        match &mut entry.subject {
            Subject::Client(net) => {
                *net = plain(*net);
                self.clients.insert(*net, entry.clone());
            }
            Subject::Sender(pattern) => {
                self.senders.rows.insert(pattern.clone(), entry.clone());
            }
            Subject::Recipient(pattern) => {
                self.recipients.rows.insert(pattern.clone(), entry.clone());
            }
        }
        entry
    }

    /// Removes what has ended: it would hide what is less specific. Walks over all, once when one ends.
    fn sweep(&mut self, now: Moment) {
        if self.next_end.is_none_or(|next| now <= next) {
            return;
        }
        let over = self.entries().filter(|entry| entry.expired(now));
        let over: Vec<_> = over.map(|entry| entry.subject.clone()).collect();
        for subject in &over {
            self.remove(subject);
        }
        self.next_end = self.entries().filter_map(|entry| entry.until).min();
    }
}

impl Patterns {
    fn find(&self, address: &str) -> Option<&Entry> {
        self.rows.get(self.list.entry(address)?)
    }

    fn remove(&mut self, pattern: &str) -> Option<Entry> {
        let entry = self.rows.remove(pattern)?;
        self.relist();
        Some(entry)
    }

    fn relist(&mut self) {
        self.list = self.rows.keys().collect();
        let mut entries = self.rows.values();
        self.allows = entries.any(|entry| entry.action == Action::Allow);
    }
}
