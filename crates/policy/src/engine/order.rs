//! In which order the rules speak that reserve nothing.

use std::fmt;

/// A rule that may refuse a recipient and reserves nothing. The operator's list speaks before all of them, and what
/// reserves after them, whatever the administrator sets: a mail that is refused must not have taken a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReadOnly {
    /// What was looked up: [`super::Checks`].
    Checks,
    /// Who never came back: [`crate::returns`].
    NeverReturned,
    /// A full mailbox.
    Mailbox,
    /// Greylisting.
    Greylist,
}

impl ReadOnly {
    /// All of them, in the usual order.
    pub const ALL: [Self; 4] = [
        Self::Checks,
        Self::NeverReturned,
        Self::Mailbox,
        Self::Greylist,
    ];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checks => "checks",
            Self::NeverReturned => "never_returned",
            Self::Mailbox => "mailbox",
            Self::Greylist => "greylist",
        }
    }

    /// The rule of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Each [`ReadOnly`] rule once; the first that refuses is the answer. The default is [`ReadOnly::ALL`]: what refuses for
/// good first, so that nobody comes back for nothing.
///
/// The order moves no look-up: they are made before any rule speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order([ReadOnly; 4]);

/// What is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misordered {
    /// A rule is there twice.
    Twice(ReadOnly),
    /// A rule is left out.
    Missing(ReadOnly),
}

impl fmt::Display for Misordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(rule) => write!(f, "\"{rule}\" is there twice"),
            Self::Missing(rule) => write!(
                f,
                "\"{rule}\" is left out: name each rule once (a rule is switched off by its own keys)"
            ),
        }
    }
}

impl std::error::Error for Misordered {}

impl Order {
    /// This order.
    ///
    /// # Errors
    ///
    /// When a rule is there twice, or is left out.
    pub fn new(rules: &[ReadOnly]) -> Result<Self, Misordered> {
        for rule in ReadOnly::ALL {
            match rules.iter().filter(|named| **named == rule).count() {
                0 => return Err(Misordered::Missing(rule)),
                1 => {}
                _ => return Err(Misordered::Twice(rule)),
            }
        }
        rules
            .try_into()
            .map(Self)
            .map_err(|_| Misordered::Twice(rules[0]))
    }

    /// The rules, the first first.
    pub fn rules(self) -> [ReadOnly; 4] {
        self.0
    }
}

impl Default for Order {
    fn default() -> Self {
        Self(ReadOnly::ALL)
    }
}
