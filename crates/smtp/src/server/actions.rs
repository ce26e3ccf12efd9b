//! What the shell still has to be told.

use super::{Action, Ask, Ticket};

/// Actions that wait to be polled. Each is told once.
#[derive(Debug, Default)]
pub(super) struct Actions {
    /// The last ticket given out.
    ticket: u32,
    /// The open question, and whether it was told.
    question: Option<(Ask, bool)>,
    discard: bool,
    start_tls: bool,
    close: bool,
}

impl Actions {
    /// Opens a question.
    pub(super) fn ask(&mut self, ask: Ask) {
        self.ticket = self.ticket.wrapping_add(1);
        self.question = Some((ask, false));
    }

    /// The open question.
    pub(super) fn question(&self) -> Option<Ask> {
        self.question.map(|(ask, _)| ask)
    }

    /// Closes the open question, if this is its ticket.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<Ask> {
        if ticket.0 != self.ticket {
            return None;
        }
        self.question.take().map(|(ask, _)| ask)
    }

    /// Nobody waits for the answer any more.
    pub(super) fn withdraw(&mut self) {
        self.question = None;
    }

    pub(super) fn discard(&mut self) {
        self.discard = true;
    }

    pub(super) fn start_tls(&mut self) {
        self.start_tls = true;
    }

    pub(super) fn close(&mut self) {
        self.close = true;
    }

    /// The next action.
    pub(super) fn next(&mut self) -> Option<Action> {
        if std::mem::take(&mut self.discard) {
            return Some(Action::Discard);
        }
        if let Some((ask, told @ false)) = &mut self.question {
            *told = true;
            return Some(Action::Ask(Ticket(self.ticket), *ask));
        }
        if std::mem::take(&mut self.start_tls) {
            return Some(Action::StartTls);
        }
        std::mem::take(&mut self.close).then_some(Action::Close)
    }
}
