//! Why a reply is read as it is.

use core::fmt;
use core::ops::Range;

use crate::framing::{Reply, frame};
use crate::prose::{self, Instead};
use crate::{Answered, Hint, Holds, Tongue, Tongues, draft, keyword, locate};

/// How a reply was read, and why. Displays as one line for a human.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    reply: &'a [u8],
    reading: Result<(Hint, Range<usize>), NoHint>,
}

/// Why a reply has no hint. A range says which octets of the reply it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoHint {
    /// It does not begin with a reply code.
    NoCode,
    /// It is no 4yz reply.
    NotTemporary {
        /// Its code.
        code: u16,
    },
    /// Its lines disagree about the code, so that it is not one reply (RFC 5321 §4.2.1).
    MixedCodes {
        /// The first line's.
        first: u16,
        /// The first that differs.
        other: u16,
    },
    /// `TIME=` in its place, but what follows is not digits alone.
    KeywordMalformed(Range<usize>),
    /// `TIME=300` where it does not count: a client could have put it there.
    KeywordMisplaced(Range<usize>),
    /// `retry=` in its place, with a value that is neither a clock nor whole seconds.
    DraftMalformed(Range<usize>),
    /// Prose names a wait, but is not read.
    ProseOff(Range<usize>),
    /// The window of a limit: "100 messages per 60 minutes".
    LimitWindow(Range<usize>),
    /// In another server's reply that this one quotes.
    AnotherReply(Range<usize>),
    /// A time of the day. Whose clock, and which zone?
    PointInTime(Range<usize>),
    /// A duration, and nothing around it says that it is a wait.
    NotAWait(Range<usize>),
    /// No word names a wait.
    Nothing,
}

/// Reads the hint of one whole reply as [`read`](crate::read) does, and says why.
///
/// Takes a little longer than `read` where there is no hint. Never fails, never panics, whatever the octets.
#[must_use]
pub fn explain(reply: &[u8], answered: Answered, tongues: Tongues) -> Explanation<'_> {
    let reading = frame(reply)
        .and_then(|framed| locate(&framed, answered, tongues).ok_or_else(|| why_not(&framed)));
    Explanation { reply, reading }
}

impl<'a> Explanation<'a> {
    /// The hint, the same as `read` gives.
    #[must_use]
    pub fn hint(&self) -> Option<Hint> {
        self.reading.as_ref().ok().map(|(hint, _)| *hint)
    }

    /// Why there is no hint; `None` where there is one.
    #[must_use]
    pub fn no_hint(&self) -> Option<&NoHint> {
        self.reading.as_ref().err()
    }

    /// The octets that decided: those of the hint, or those that look like one and are none.
    #[must_use]
    pub fn bytes(&self) -> Option<Range<usize>> {
        match &self.reading {
            Ok((_, bytes)) => Some(bytes.clone()),
            Err(no_hint) => no_hint.bytes(),
        }
    }

    /// The words that stand at [`bytes`](Self::bytes).
    #[must_use]
    pub fn words(&self) -> Option<&'a [u8]> {
        self.reply.get(self.bytes()?)
    }
}

impl NoHint {
    /// The octets of the reply that it is about.
    #[must_use]
    pub fn bytes(&self) -> Option<Range<usize>> {
        match self {
            Self::NoCode | Self::NotTemporary { .. } | Self::MixedCodes { .. } | Self::Nothing => {
                None
            }
            Self::KeywordMalformed(bytes)
            | Self::KeywordMisplaced(bytes)
            | Self::DraftMalformed(bytes)
            | Self::ProseOff(bytes)
            | Self::LimitWindow(bytes)
            | Self::AnotherReply(bytes)
            | Self::PointInTime(bytes)
            | Self::NotAWait(bytes) => Some(bytes.clone()),
        }
    }
}

/// The reason that helps most: what stands nearest to a hint comes first.
fn why_not(reply: &Reply<'_>) -> NoHint {
    if let Some(bytes) = keyword::malformed(reply) {
        return NoHint::KeywordMalformed(bytes);
    }
    if let Some(bytes) = keyword::misplaced(reply) {
        return NoHint::KeywordMisplaced(bytes);
    }
    if let Some(bytes) = draft::named(reply) {
        return NoHint::DraftMalformed(bytes);
    }
    // It was looked for already, unless prose is off.
    if let Some(found) = prose::find(reply) {
        return NoHint::ProseOff(found.bytes);
    }
    match prose::instead(reply) {
        Some(Instead::Window(bytes)) => NoHint::LimitWindow(bytes),
        Some(Instead::Quoted(bytes)) => NoHint::AnotherReply(bytes),
        Some(Instead::PointInTime(bytes)) => NoHint::PointInTime(bytes),
        Some(Instead::Unexplained(bytes)) => NoHint::NotAWait(bytes),
        None => NoHint::Nothing,
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words().unwrap_or_default().escape_ascii();
        match &self.reading {
            Ok((hint, _)) => {
                let (wait_secs, tongue, holds) =
                    (hint.wait_secs, name(hint.tongue), held(hint.holds));
                write!(f, "wait {wait_secs} s: {tongue} \"{words}\" holds {holds}")?;
            }
            Err(no_hint) => {
                f.write_str("no hint: ")?;
                match no_hint {
                    NoHint::NoCode => f.write_str("this does not begin with a reply code"),
                    NoHint::NotTemporary { code } => {
                        write!(f, "{code} is no temporary refusal (4yz)")
                    }
                    NoHint::MixedCodes { first, other } => {
                        write!(f, "{first} and {other} are not one reply")
                    }
                    NoHint::KeywordMalformed(_) => {
                        write!(f, "\"{words}\" is not TIME= and digits alone")
                    }
                    NoHint::KeywordMisplaced(_) => {
                        write!(f, "\"{words}\" stands where a client's own words could")
                    }
                    NoHint::DraftMalformed(_) => {
                        write!(f, "\"{words}\" has neither a clock nor whole seconds")
                    }
                    NoHint::ProseOff(_) => write!(f, "\"{words}\" is prose, and prose is not read"),
                    NoHint::LimitWindow(_) => {
                        write!(f, "\"{words}\" is the window of a limit, not a wait")
                    }
                    NoHint::AnotherReply(_) => {
                        write!(f, "\"{words}\" is from another server's reply")
                    }
                    NoHint::PointInTime(_) => {
                        write!(f, "\"{words}\" is a point in time, not a wait")
                    }
                    NoHint::NotAWait(_) => {
                        write!(f, "no word says that \"{words}\" is to be waited")
                    }
                    NoHint::Nothing => f.write_str("no word names a wait"),
                }?;
            }
        }
        match self.bytes() {
            Some(Range { start, end }) => write!(f, " (octets {start}..{end})"),
            None => Ok(()),
        }
    }
}

const fn name(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::Keyword => "the keyword",
        Tongue::Draft => "the draft's",
        Tongue::Prose => "the prose",
    }
}

const fn held(holds: Holds) -> &'static str {
    match holds {
        Holds::Host => "all mail for that host",
        Holds::Message => "this message at that host",
        Holds::Recipient => "this message's recipient",
        Holds::Mailbox => "all mail for that mailbox",
    }
}
