//! The retry hint: `450 4.2.0 TIME=300 …`.
//!
//! A mail server that answers 4yz knows better than any back-off when the next attempt is worth making. This crate reads
//! the wait that such a reply names, in three tongues, and writes the one tongue Postdate speaks.
//! `no_std`, no dependency, no allocation, no panic; the time it takes grows with the length of the reply and no faster.
//!
//! # In a sending MTA
//!
//! ```
//! use core::time::Duration;
//! use retry_hint::{Answered, Holds, Tongues, read};
//!
//! // The reply as it came, all its lines, and which command it answered.
//! let reply = b"450 4.2.0 TIME=300 <bob@b.example>: Recipient address rejected: Greylisted\r\n";
//! let back_off = Duration::from_secs(60);
//!
//! let wait = match read(reply, Answered::Rcpt, Tongues::default()) {
//!     // Clamp it: the number is the peer's. Two days for a recipient or message, one hour for a whole host.
//!     Some(hint) => {
//!         let ceiling = if hint.holds == Holds::Host { 3_600 } else { 2 * 86_400 };
//!         Duration::from_secs(hint.wait_secs.clamp(1, ceiling))
//!     }
//!     None => back_off,
//! };
//! assert_eq!(wait, Duration::from_secs(300));
//! ```
//!
//! # In a receiving MTA
//!
//! ```
//! use core::time::Duration;
//! use retry_hint::Keyword;
//!
//! // What remains, rounded up: the sender must not come back a moment too early.
//! let remaining = Duration::from_millis(299_200);
//! let line = format!("450 4.2.0 {} Greylisted\r\n", Keyword::from_duration(remaining));
//! assert_eq!(line, "450 4.2.0 TIME=300 Greylisted\r\n");
//! ```
//!
//! # Why was it read so?
//!
//! [`explain()`] reads exactly as [`read`] does and also says which octets it read, or why it read nothing.
//!
//! ```
//! use retry_hint::{Answered, Tongues, explain};
//!
//! let why = explain(b"451 4.7.1 please do not try more than once per 5 minutes", Answered::Rcpt, Tongues::default());
//! assert_eq!(why.hint(), None);
//! assert_eq!(why.to_string(), "no hint: \"5 minutes\" is the window of a limit, not a wait (octets 47..56)");
//! ```
#![no_std]
#![forbid(unsafe_code)]

mod draft;
mod explain;
mod framing;
mod hold;
mod keyword;
mod prose;
mod words;

pub use explain::{Explanation, NoHint, explain};
pub use hold::{Answered, Holds, holds};
pub use keyword::Keyword;

use core::ops::Range;
use framing::Reply;

/// How a wait was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tongue {
    /// `TIME=300`, in one of its two places.
    Keyword,
    /// `retry=00:05:00` of the expired draft-santos-smtpgrey.
    Draft,
    /// "Greylisted for 300 seconds" and its like.
    Prose,
}

/// A wait that a reply names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hint {
    /// Whole seconds to wait, counted from when the whole reply was read. More digits than fit are `u64::MAX` (in prose: no hint):
    /// clamp before you put it in a timer.
    pub wait_secs: u64,
    /// How it was written.
    pub tongue: Tongue,
    /// What has to wait.
    pub holds: Holds,
}

/// Which tongues are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tongues {
    /// Read prose ("try again in 5 minutes") too. On by default.
    pub prose: bool,
}

impl Default for Tongues {
    fn default() -> Self {
        Self { prose: true }
    }
}

/// Reads the hint of one whole reply, as it came: lines separated by LF or CRLF, each with its reply code.
///
/// `None` where there is no hint, and always for a reply that is not 4yz. Never fails, never panics, whatever the octets.
#[must_use]
pub fn read(reply: &[u8], answered: Answered, tongues: Tongues) -> Option<Hint> {
    let framed = framing::frame(reply).ok()?;
    locate(&framed, answered, tongues).map(|(hint, _)| hint)
}

/// A wait, and the octets of the reply it was read from.
struct Found {
    wait_secs: u64,
    bytes: Range<usize>,
}

/// The hint and its octets: the first tongue that fits, in the order keyword, draft, prose.
fn locate(reply: &Reply<'_>, answered: Answered, tongues: Tongues) -> Option<(Hint, Range<usize>)> {
    let (found, tongue) = if let Some(found) = keyword::find(reply) {
        (found, Tongue::Keyword)
    } else if let Some(found) = draft::find(reply) {
        (found, Tongue::Draft)
    } else if tongues.prose {
        (prose::find(reply)?, Tongue::Prose)
    } else {
        return None;
    };
    let holds = holds(reply.code, reply.status, answered, tongue);
    Some((
        Hint {
            wait_secs: found.wait_secs,
            tongue,
            holds,
        },
        found.bytes,
    ))
}
