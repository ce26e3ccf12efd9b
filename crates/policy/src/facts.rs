//! What rules want to know from outside, and what the shell found out.
//!
//! The engine names its [`Question`]s; the shell looks up, as long as it thinks right, and puts the answers into
//! [`Facts`]; then the engine judges. It never waits itself.

use crate::greylist::Origin;
use std::time::Duration;

/// One thing that was looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// Nobody asked.
    #[default]
    Unasked,
    /// The answer, also where it is "there is none".
    Known(T),
    /// No answer: SERVFAIL, or no reply in time. The next look-up makes sense after `retry`, as the back-off of that
    /// zone has it; `None` when nothing is known of that.
    Failed {
        /// How long until the zone is asked again.
        retry: Option<Duration>,
    },
}

impl<T> Fact<T> {
    /// The answer, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unasked | Self::Failed { .. } => None,
        }
    }
}

/// What is looked up, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// The client's name, confirmed forward (RFC 8601 §2.7.3 `iprev`).
    Reverse,
    /// The block and allow lists.
    Lists,
    /// SPF of the sender's domain (RFC 7208).
    Spf,
    /// Whether the sender's domain takes mail: MX, A or AAAA.
    SenderDomain,
    /// DMARC of the author's domain (RFC 9989). Needs the content.
    Dmarc,
}

/// A client's name in the DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reverse {
    /// What its PTR record says, lower case, without a final dot; of several the one that leads back; `None`: there is
    /// none.
    pub name: Option<String>,
    /// That name has an address record with the client's address.
    pub confirmed: bool,
}

/// What the lists say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sum of the scores of the block lists that name the client.
    pub score: u32,
    /// The block lists that do.
    pub zones: Vec<String>,
    /// An allow list names it.
    pub allowed: bool,
}

/// What SPF said of client and sender (RFC 7208 §2.6), or DMARC of client, sender and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It may.
    Pass,
    /// It may not, and the domain says: refuse it.
    Fail,
    /// Anything else: no policy, neutral, soft, a policy that is broken.
    Neutral,
}

/// SPF's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// What it says.
    pub finding: Finding,
    /// The domain that was asked: the sender's, or that of HELO for the null sender. Empty: there was none to ask.
    pub domain: String,
    /// The pool to remember the client under: `None` when it didn't pass, or by too wide a range.
    pub pool: Option<Origin>,
}

/// What was found out in one session so far. Facts of the client stay for its session, those of the sender for its mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// [`Question::Reverse`].
    pub reverse: Fact<Reverse>,
    /// [`Question::Lists`].
    pub lists: Fact<Listing>,
    /// [`Question::Spf`].
    pub spf: Fact<Spf>,
    /// [`Question::SenderDomain`].
    pub sender_domain: Fact<bool>,
    /// [`Question::Dmarc`].
    pub dmarc: Fact<Finding>,
}

impl Facts {
    /// Forgets what concerned the last mail.
    pub fn next_mail(&mut self) {
        self.spf = Fact::Unasked;
        self.sender_domain = Fact::Unasked;
        self.dmarc = Fact::Unasked;
    }

    /// Whether this has an answer. One that failed has none: it is asked again with the next event, as its zone's
    /// back-off allows.
    pub fn has(&self, question: Question) -> bool {
        match question {
            Question::Reverse => self.reverse.known().is_some(),
            Question::Lists => self.lists.known().is_some(),
            Question::Spf => self.spf.known().is_some(),
            Question::SenderDomain => self.sender_domain.known().is_some(),
            Question::Dmarc => self.dmarc.known().is_some(),
        }
    }
}
