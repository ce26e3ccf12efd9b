//! A parking lot: whether mail is parked under a key, as far as can be known without asking the spool.
//!
//! A key must be remembered until nothing is parked under it, or that mail would sleep until it expires. So a lot is
//! empty only when the spool said so, and nothing was parked since the spool was asked.

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lot {
    /// How often something was parked.
    parks: u64,
    /// The spool was asked after so many, and had none.
    empty_after: Option<u64>,
    /// New messages that will be parked here once they are durable.
    admitting: u64,
}

impl Lot {
    /// Something is parked by a change that goes to the spool before the next lease.
    pub(super) fn park(&mut self) {
        self.parks += 1;
    }

    /// Something will be parked, at a time that is not ours to know.
    pub(super) fn admit(&mut self) {
        self.admitting += 1;
    }

    /// What was admitted is parked now, or never will be.
    pub(super) fn admitted(&mut self) {
        self.admitting = self.admitting.saturating_sub(1);
        self.parks += 1;
    }

    /// What was said about it was said for another question.
    pub(super) fn ask_again(&mut self) {
        self.empty_after = None;
    }

    /// What to remember when the spool is asked.
    pub(super) fn mark(&self) -> u64 {
        self.parks
    }

    /// The spool had none, when it was asked at `mark`.
    pub(super) fn none(&mut self, mark: u64) {
        self.empty_after = Some(mark);
    }

    /// Whether the spool may have some.
    pub(super) fn may_have(&self) -> bool {
        self.empty_after != Some(self.parks)
    }

    /// Whether it is certain that nothing is parked, nor about to be.
    pub(super) fn is_empty(&self) -> bool {
        !self.may_have() && self.admitting == 0
    }
}
