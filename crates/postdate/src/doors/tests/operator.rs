//! What happens to the rules beside a session: mailboxes fill, the operator has a word.

use policy::Moment;
use policy::lists::{Action, Entry, Subject};

use crate::judge::Judge;
use crate::mailboxes::MailboxNews as _;

pub(super) enum Change {
    Full(String),
    Room(String),
    Set(Action, Subject),
}

impl Change {
    /// `full b@here.example`, `deny client 192.0.2.1`, `allow sender a@far.example`
    pub(super) fn read(word: &str, rest: &str) -> Self {
        let action = match word {
            "full" => return Self::Full(rest.to_owned()),
            "room" => return Self::Room(rest.to_owned()),
            _ => Action::named(word).expect("allow or deny"),
        };
        let (kind, value) = rest.split_once(' ').expect("whom");
        let subject = match kind {
            "client" => Subject::client(value),
            "sender" => Subject::sender(value),
            "recipient" => Subject::recipient(value),
            _ => panic!("{kind}"),
        };
        Self::Set(action, subject.expect("an entry"))
    }

    pub(super) fn make(&self, judge: &Judge) {
        match self {
            Self::Full(mailbox) => judge.full(mailbox),
            Self::Room(mailbox) => judge.room(mailbox),
            Self::Set(action, subject) => {
                let now = judge.now();
                let entry = Entry {
                    subject: subject.clone(),
                    action: *action,
                    until: None,
                    note: String::new(),
                    made: Moment::from(now),
                };
                let set = judge.records.with(now, |engine, _| engine.lists.set(entry));
                assert!(set.is_ok());
            }
        }
    }
}
