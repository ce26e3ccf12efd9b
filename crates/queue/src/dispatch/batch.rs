//! What is settled at one moment: becomes [`Command::Settled`], and what is owed to senders ([`super::owed`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Command;
use super::active::RowKey;
use crate::settle::{Entry, Kind, Notice, Settled};
use crate::spool::Change;
use crate::{Message, MessageId, Progress};

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) change: Change,
    /// Of deliveries.
    notices: Vec<(Arc<Message>, Notice)>,
    /// Of failures and delays.
    pub(super) owed: Vec<(Arc<Message>, Notice)>,
    log: Vec<(Arc<Message>, Entry)>,
}

impl Batch {
    pub(super) fn update(&mut self, id: MessageId, index: u32, row: Progress) {
        self.change.update.push((id, index, row));
    }

    /// Takes over who is done, the notices and the log; the rows that go on waiting are handed back. Who failed and is
    /// to be told is done with the notice.
    pub(super) fn add(&mut self, message: &Arc<Message>, settled: Settled) -> Vec<(u32, Progress)> {
        let mut failed = BTreeSet::new();
        for notice in settled.notices {
            match notice.kind {
                Kind::Failed => failed.extend(notice.about.iter().map(|about| about.index)),
                Kind::Delayed => {}
                Kind::Delivered | Kind::Relayed => {
                    self.notices.push((Arc::clone(message), notice));
                    continue;
                }
            }
            self.owed.push((Arc::clone(message), notice));
        }
        let done = settled.done.into_iter();
        self.change.done.extend(
            done.filter(|index| !failed.contains(index))
                .map(|index| (message.id, index)),
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
            owed: _,
            log,
        } = self;
        let told: BTreeSet<RowKey> = notices
            .iter()
            .flat_map(|(message, notice)| {
                let rows = notice.about.iter();
                rows.map(|about| (message.id, about.index))
            })
            .collect();
        let (later, now) = change.done.into_iter().partition(|key| told.contains(key));
        change.done = now;
        let Change {
            enqueue,
            update,
            told,
            done,
            hold,
            unhold,
        } = &change;
        let nothing = enqueue.is_empty()
            && update.is_empty()
            && told.is_empty()
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
