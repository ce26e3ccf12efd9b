//! What the engine keeps of one client's session between its events.

use crate::facts::Facts;
use crate::greylist::{Circumstances, Exemptions, Visit, exemption};
use crate::slots::{Charge, Guest};
use crate::verdict::Refusal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One client's session. A door makes one when a client comes, hands it in with each event, and ends it with
/// [`super::Engine::gave_up`] or [`super::Engine::taken`] for each mail.
#[derive(Debug, Default)]
pub struct Session {
    /// What was looked up. The shell fills it in.
    pub facts: Facts,
    /// What an observing rule would have said at the last event: for the log.
    pub observed: Option<Observed>,
    /// The mailbox that the recipient's mail goes to, where the door knows one of another name (an alias, a tag). The
    /// shell fills it in.
    pub mailbox: Option<String>,
    /// What the mailbox's quota says of a mail of this size, where the door looked. The shell fills it in.
    pub has_room: Option<bool>,
    /// Its quota has no room for a small mail either, whatever this one's size. The shell fills it in.
    pub is_full: bool,
    /// Its connection was judged.
    pub(super) connected: bool,
    /// It took a place of the load's for a mail that has not come yet.
    pub(super) placed: bool,
    pub(super) mail: Mail,
}

/// What would have been said, for who tries a rule out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Refused.
    Defer(Refusal),
    /// Let in: after a wait of so long, or because it is known.
    Pass {
        /// How long it waited, when it did.
        waited: Option<Duration>,
    },
}

/// The mail under way.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// What its recipients took.
    pub(super) charges: Vec<Charge>,
    /// The recipients that were let in, by their mailboxes where the door knows those.
    pub(super) recipients: Vec<String>,
    /// Limits that have counted it, by rule, and whose: what counts mails counts it once.
    pub(super) counted: BTreeMap<String, BTreeSet<String>>,
    /// The same, as those who may come back for what is told at the end of the content.
    pub(super) guests: Vec<Guest>,
    /// And as they were named.
    pub(super) addresses: Vec<String>,
    /// Its connection is counted with it.
    pub(super) connects: bool,
    /// Somebody was let in whom no limit concerns.
    pub(super) has_exempt: bool,
    /// The appointment that the first of its recipients was told; when that had no room for more, the next one.
    pub(super) shared: Option<u64>,
}

impl Session {
    /// Whether the administrator exempts it: the recipient is also whose mailbox it is, by whatever tag or alias.
    pub(super) fn is_exempt(&self, exemptions: &Exemptions, visit: &Visit<'_>) -> bool {
        // It is the last recipient's: it says nothing of the whole mail.
        let mailbox = self
            .mailbox
            .as_deref()
            .filter(|_| !visit.recipient.is_empty());
        mailbox.is_some_and(|mailbox| exemptions.recipients.entry(mailbox).is_some())
            || exemption(exemptions, visit, Circumstances::default()).is_some()
    }

    /// The same client's next mail begins: nothing is known of its sender.
    pub(super) fn next_mail(&mut self) -> Mail {
        self.facts.next_mail();
        std::mem::take(&mut self.mail)
    }
}
