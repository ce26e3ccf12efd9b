//! Any row, as an administrator is shown it.

use policy::{domains, greylist, lists, mailbox, returns, slots};

/// One thing that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Of greylisting: who is known for good, or a triplet.
    Greylist(greylist::Stored),
    /// Of rates, quotas and load: an appointment, or a calendar.
    Slots(slots::Stored),
    /// Of who never came back: somebody who was told to, or a client that was accepted.
    Returns(returns::Stored),
    /// A sender domain of which mail was accepted: not seen for the first time.
    Domain(domains::Stored),
    /// A mailbox that was full.
    Mailbox(mailbox::Stored),
    /// The operator's own word.
    Override(lists::Entry),
}
