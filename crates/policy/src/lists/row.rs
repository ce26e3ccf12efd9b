//! One entry, as a store keeps it.

use super::Subject;
use crate::Moment;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// No rule that defers is asked.
    Allow,
    /// 550 5.7.1.
    Deny,
}

impl Action {
    /// `allow`, `deny`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Allow, Self::Deny]
            .into_iter()
            .find(|action| action.name() == name)
    }
}

/// One entry; its subject names the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whom it is about.
    pub subject: Subject,
    /// What it says.
    pub action: Action,
    /// The last moment at which it holds; `None`: until it is removed.
    pub until: Option<Moment>,
    /// Why, for the next administrator. One line of at most [`Entry::NOTE_MAX`] octets.
    pub note: String,
    /// When it was made.
    pub made: Moment,
}

impl Entry {
    /// Octets of a note.
    pub const NOTE_MAX: usize = 200;

    /// Its time is over.
    pub fn expired(&self, now: Moment) -> bool {
        self.until.is_some_and(|until| now > until)
    }

    /// With its note made one line, and cut to length.
    pub(super) fn trimmed(mut self) -> Self {
        self.note = self
            .note
            .trim()
            .replace(|char: char| char.is_control(), " ");
        self.note
            .truncate(self.note.floor_char_boundary(Self::NOTE_MAX));
        self
    }
}

/// One step from the rows of before to those of now; to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row, or a subject's row anew.
    Keep(Entry),
    /// The entry is gone.
    Drop {
        /// Its name.
        subject: Subject,
    },
}
