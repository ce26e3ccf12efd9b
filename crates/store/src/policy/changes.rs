//! What one transaction writes.

use policy::engine::Engine;
use policy::{domains, estimates, greylist, lists, mailbox, returns, slots, stats};

/// Changes of all rules, each rule's in order. The rules' rows know nothing of each other, so their order doesn't matter.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) greylist: Vec<greylist::Change>,
    pub(super) slots: Vec<slots::Change>,
    pub(super) mailboxes: Vec<mailbox::Change>,
    pub(super) returns: Vec<returns::Change>,
    pub(super) domains: Vec<domains::Change>,
    pub(super) lists: Vec<lists::Change>,
    pub(super) estimates: Vec<estimates::Change>,
    pub(super) stats: Vec<stats::Change>,
}

impl Changes {
    /// Takes what has changed, behind what is here already.
    pub(super) fn take(&mut self, engine: &mut Engine) {
        self.greylist.append(&mut engine.greylist.take_changes());
        self.slots.append(&mut engine.book.take_changes());
        self.mailboxes.append(&mut engine.mailboxes.take_changes());
        self.returns.append(&mut engine.returns.take_changes());
        self.domains.append(&mut engine.domains.take_changes());
        self.lists.append(&mut engine.lists.take_changes());
        self.estimates.append(&mut engine.estimates.take_changes());
        self.stats.append(&mut engine.stats.take_changes());
    }

    pub(super) fn len(&self) -> usize {
        self.greylist.len()
            + self.slots.len()
            + self.mailboxes.len()
            + self.returns.len()
            + self.domains.len()
            + self.lists.len()
            + self.estimates.len()
            + self.stats.len()
    }
}

/// Changes that wait to be taken.
pub(super) fn untaken(engine: &Engine) -> usize {
    engine.greylist.untaken()
        + engine.book.untaken()
        + engine.mailboxes.untaken()
        + engine.returns.untaken()
        + engine.domains.untaken()
        + engine.lists.untaken()
        + engine.estimates.untaken()
        + engine.stats.untaken()
}
