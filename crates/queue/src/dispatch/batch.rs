//! What is settled at one moment: becomes [`Command::Settled`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Command;
use crate::settle::{Entry, Notice, Settled};
use crate::spool::Change;
use crate::{Message, MessageId, Progress};

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) change: Change,
    notices: Vec<(Arc<Message>, Notice)>,
    log: Vec<(Arc<Message>, Entry)>,
}

impl Batch {
    pub(super) fn update(&mut self, id: MessageId, index: u32, row: Progress) {
        self.change.update.push((id, index, row));
    }

    /// Takes over who is done, the notices and the log; the rows that go on waiting are handed back.
    pub(super) fn add(&mut self, message: &Arc<Message>, settled: Settled) -> Vec<(u32, Progress)> {
        self.change
            .done
            .extend(settled.done.into_iter().map(|index| (message.id, index)));
        self.notices.extend(
            settled
                .notices
                .into_iter()
                .map(|notice| (Arc::clone(message), notice)),
        );
        self.log.extend(
            settled
                .log
                .into_iter()
                .map(|entry| (Arc::clone(message), entry)),
        );
        settled.update
    }

    /// What moves rows and holds comes first, at once; what has notices to be written comes after, since it may take a
    /// moment and must not write rows that have moved on by then. A recipient's row goes with its notice, or neither.
    pub(super) fn into_commands(self) -> impl Iterator<Item = Command> {
        let Self {
            mut change,
            notices,
            log,
        } = self;
        let told: BTreeSet<MessageId> = notices.iter().map(|(message, _)| message.id).collect();
        let (later, now) = change
            .done
            .into_iter()
            .partition(|(id, _)| told.contains(id));
        change.done = now;
        let Change {
            enqueue,
            update,
            done,
            hold,
            unhold,
        } = &change;
        let nothing = enqueue.is_empty()
            && update.is_empty()
            && done.is_empty()
            && hold.is_empty()
            && unhold.is_empty();
        let moved = (!nothing || !log.is_empty()).then_some(Command::Settled {
            change,
            notices: Vec::new(),
            log,
        });
        let change = Change {
            done: later,
            ..Change::default()
        };
        let told = (!notices.is_empty()).then_some(Command::Settled {
            change,
            notices,
            log: Vec::new(),
        });
        moved.into_iter().chain(told)
    }
}
