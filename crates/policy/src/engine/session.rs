//! What the engine keeps of one client's session between its events.

use crate::facts::Facts;
use crate::greylist::{Circumstances, Exemptions, Visit, exemption};
use crate::slots::{Charge, Guest};
use crate::verdict::Refusal;
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
    /// Limits that have counted it, by rule and key: what counts mails counts it once.
    pub(super) counted: Vec<(String, String)>,
    /// The same, as those who may come back for what is told at the end of the content.
    pub(super) guests: Vec<Guest>,
    /// Somebody was let in whom no limit concerns.
    pub(super) has_exempt: bool,
    /// What was told to the first of its recipients, until one is let in.
    pub(super) shared: Option<Shared>,
}

/// An appointment of a mail of which nobody is in yet.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) appointment: u64,
    /// What it has for the mail, however many recipients come, by rule and key.
    pub(super) has: Vec<(String, String)>,
}

impl Shared {
    pub(super) fn has(&self, wanted: &[(String, String)]) -> bool {
        wanted.iter().all(|one| self.has.contains(one))
    }
}

impl Session {
    /// Whether the administrator exempts it: the recipient is also whose mailbox it is, by whatever tag or alias.
    pub(super) fn is_exempt(&self, exemptions: &Exemptions, visit: &Visit<'_>) -> bool {
        let mailbox = self.mailbox.as_deref();
        mailbox.is_some_and(|mailbox| exemptions.recipients.entry(mailbox).is_some())
            || exemption(exemptions, visit, Circumstances::default()).is_some()
    }

    /// The same client's next mail begins: nothing is known of its sender.
    pub(super) fn next_mail(&mut self) -> Mail {
        self.facts.next_mail();
        std::mem::take(&mut self.mail)
    }
}
