//! What the operator does to a queue that runs.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use queue::spool::Change;
use queue::{MessageId, State};

use super::Runner;

impl Runner {
    /// `queue retry`: these now, whatever they wait for.
    pub(crate) fn retry_now(self: &Arc<Self>, ids: Vec<MessageId>) {
        self.let_go(&ids);
        self.dispatcher().retry_now(Some(ids), self.now());
        self.pump();
    }

    /// `queue hold`: nothing more is begun of these, and what comes of attempts under way is held.
    pub(crate) fn hold_back(&self, ids: &[MessageId]) {
        let mut dispatcher = self.dispatcher();
        let under_way = ids
            .iter()
            .filter(|id| dispatcher.is_under_way(**id))
            .copied();
        self.held().extend(under_way);
        dispatcher.forget(ids);
    }

    /// `queue delete`: nothing more is begun of these.
    pub(crate) fn forget(&self, ids: &[MessageId]) {
        self.let_go(ids);
        self.dispatcher().forget(ids);
    }

    /// `queue release`: what comes of attempts under way is not held.
    pub(crate) fn let_go(&self, ids: &[MessageId]) {
        let mut held = self.held();
        held.retain(|id| !ids.contains(id));
    }

    fn held(&self) -> MutexGuard<'_, HashSet<MessageId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an attempt gave for a message that the operator holds since it began.
    pub(super) fn hold_on(&self, change: &mut Change) {
        let held = self.held();
        if held.is_empty() {
            return;
        }
        for (id, _, row) in &mut change.update {
            if held.contains(id) {
                row.state = State::Held;
            }
        }
    }

    /// An attempt is over, and what it gave is on its way to the spool.
    pub(super) fn attempted(&self, id: MessageId) {
        let dispatcher = self.dispatcher();
        let mut held = self.held();
        if !held.is_empty() && !dispatcher.is_under_way(id) {
            held.remove(&id);
        }
    }

    /// Rows were changed in the spool: look at the schedule again.
    pub(crate) fn rescheduled(self: &Arc<Self>) {
        self.read_wake();
        self.pump();
    }
}
