//! What the engine says, before a door puts it into its protocol's words.

use crate::event::Stage;
use crate::slots::Why;
use std::fmt;
use std::time::Duration;

/// Why somebody is sent away. Its name is the one in logs, statistics and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A stranger that has to come back once.
    Greylist,
    /// The recipient's mailbox is full.
    Mailbox,
    /// The recipient's rate or quota.
    Recipient,
    /// The client's rate.
    Client,
    /// The sender's rate.
    Sender,
    /// A check's look-up failed.
    Lookup,
    /// Mail can't be stored now.
    Storage,
    /// More comes in than can be taken.
    Load,
    /// The operator's list, or a check that failed for good.
    Denied,
}

impl Reason {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 9] = [
        Self::Greylist,
        Self::Mailbox,
        Self::Recipient,
        Self::Client,
        Self::Sender,
        Self::Lookup,
        Self::Storage,
        Self::Load,
        Self::Denied,
    ];

    /// Its name in logs, statistics and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greylist => "greylist",
            Self::Mailbox => "mailbox",
            Self::Recipient => "recipient",
            Self::Client => "client",
            Self::Sender => "sender",
            Self::Lookup => "lookup",
            Self::Storage => "storage",
            Self::Load => "load",
            Self::Denied => "denied",
        }
    }

    /// A wait that is told for it is an estimate, by what was measured, and no promise.
    pub const fn is_estimated(self) -> bool {
        matches!(self, Self::Mailbox | Self::Lookup | Self::Storage)
    }

    /// Whom it usually speaks against.
    const fn about(self) -> About {
        match self {
            Self::Greylist | Self::Mailbox | Self::Recipient | Self::Storage => About::Recipient,
            Self::Sender => About::Sender,
            Self::Client | Self::Lookup | Self::Load | Self::Denied => About::Client,
        }
    }
}

/// Whom a refusal speaks against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The client.
    Client,
    /// The reverse-path.
    Sender,
    /// The forward-path.
    Recipient,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why nobody can say when to come back. For the log: an administrator wonders, a sender can do nothing with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHint {
    /// The client's network holds all the places that one network may.
    NetworkFull,
    /// As much is remembered as may be.
    TablesFull,
    /// No place is free as far ahead as places are given.
    BookedOut,
    /// It was not measured often enough to say how long it takes.
    NoHistory,
    /// The administrator wants none given.
    TurnedOff,
}

impl NoHint {
    /// Its name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetworkFull => "network-full",
            Self::TablesFull => "tables-full",
            Self::BookedOut => "booked-out",
            Self::NoHistory => "no-history",
            Self::TurnedOff => "turned-off",
        }
    }

    /// Where a rule says no more than that it knows no time.
    const fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::Greylist => Some(Self::TablesFull),
            Reason::Mailbox | Reason::Lookup | Reason::Storage => Some(Self::NoHistory),
            _ => None,
        }
    }
}

impl From<Why> for NoHint {
    fn from(why: Why) -> Self {
        match why {
            Why::Network => Self::NetworkFull,
            Why::Tables => Self::TablesFull,
            Why::Horizon | Why::TooLarge => Self::BookedOut,
        }
    }
}

/// A refusal: what a reply is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Whom it speaks against.
    pub about: About,
    /// The reply code: 421 only for what concerns the client itself, since it closes the session.
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub status: (u8, u8, u16),
    /// The hint: whole seconds, rounded up; `None` where nothing is promised or measured, and for 5yz.
    pub wait_secs: Option<u64>,
    /// `Greylisted`; the shell adds when to try again. Never holds a peer's words.
    pub text: String,
    /// The limit that spoke, by its configured name; `load` for the load. For the log.
    pub rule: Option<String>,
    /// Why there is no hint, where it is temporary and has none. For the log.
    pub no_hint: Option<NoHint>,
}

impl Refusal {
    /// Come back: in so many seconds, or nobody knows when.
    pub fn wait(
        reason: Reason,
        (code, status): (u16, (u8, u8, u16)),
        words: &str,
        wait_secs: Option<u64>,
    ) -> Self {
        Self {
            reason,
            about: reason.about(),
            code,
            status,
            wait_secs,
            text: words.to_owned(),
            rule: None,
            no_hint: match wait_secs {
                Some(_) => None,
                None => NoHint::of(reason),
            },
        }
    }

    /// Don't come back with this.
    pub fn never(
        reason: Reason,
        (code, status): (u16, (u8, u8, u16)),
        words: impl Into<String>,
    ) -> Self {
        Self {
            reason,
            about: reason.about(),
            code,
            status,
            wait_secs: None,
            text: words.into(),
            rule: None,
            no_hint: None,
        }
    }

    /// It speaks against somebody else than its reason usually does.
    #[must_use]
    pub fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// What is rejected at this stage, in the field's words: `Recipient address rejected`. A whole mail is Postfix's
    /// `End-of-data`, whatever speaks against it.
    pub const fn what(&self, stage: Stage) -> &'static str {
        match (self.about, stage) {
            (_, Stage::Message) => "End-of-data rejected",
            (About::Recipient, _) => "Recipient address rejected",
            (About::Sender, _) => "Sender address rejected",
            (About::Client, _) => "Client host rejected",
        }
    }
}

/// The engine's answer to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Accept {
        /// It went through a greylist wait of so long: for `X-Greylist:`.
        waited: Option<Duration>,
    },
    /// Not now, or never.
    Refuse(Refusal),
}

impl Verdict {
    /// What it is refused with; `None`: it is let in.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Accept { .. } => None,
            Self::Refuse(refusal) => Some(refusal),
        }
    }
}
