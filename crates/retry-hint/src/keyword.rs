//! `TIME=300`: written, and read in its two places.

use core::{fmt, ops::Range, time::Duration};

use crate::{Found, framing::Reply, words};

/// Writes a hint: `Keyword(300)` displays as `TIME=300`. The number is whole seconds.
///
/// Put it directly behind the enhanced status code (behind the reply code where there is none), in the first line of
/// a 4yz reply, with a space behind it. Nothing a peer has chosen may stand before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword(pub u64);

impl Keyword {
    /// The wait in whole seconds, rounded up: who comes back at that time is never too early.
    #[must_use]
    pub const fn from_duration(wait: Duration) -> Self {
        let up = if wait.subsec_nanos() > 0 { 1 } else { 0 };
        Self(wait.as_secs().saturating_add(up))
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TIME={}", self.0)
    }
}

const NAME: &[u8] = b"TIME=";

/// What Postfix puts between `<…>` and a policy's text (`smtpd_check.c`).
const REJECTED: [&[u8]; 7] = [
    b": Client host rejected: ",
    b": Unverified Client host rejected: ",
    b": Helo command rejected: ",
    b": Sender address rejected: ",
    b": Recipient address rejected: ",
    b": Data command rejected: ",
    b": End-of-data rejected: ",
];

/// The hint, in one of its two places.
pub(crate) fn find(reply: &Reply<'_>) -> Option<Found> {
    let text = reply.first_text();
    let at = place(text);
    let (wait_secs, len) = value(&text[at..])?;
    let start = reply.text + at;
    Some(Found {
        wait_secs,
        bytes: start..start + len,
    })
}

/// The word in the keyword's place that begins like a hint and is none: `TIME=300s`.
pub(crate) fn malformed(reply: &Reply<'_>) -> Option<Range<usize>> {
    let text = reply.first_text();
    let at = place(text);
    begins(&text[at..]).then(|| reply.text + at..reply.text + at + word_len(&text[at..]))
}

/// A well-formed hint that stands where it does not count.
pub(crate) fn misplaced(reply: &Reply<'_>) -> Option<Range<usize>> {
    let bytes = reply.bytes;
    (reply.text..bytes.len())
        .filter(|&at| at == reply.text || !bytes[at - 1].is_ascii_alphanumeric())
        .find(|&at| {
            begins(&bytes[at..]) && bytes.get(at + NAME.len()).is_some_and(u8::is_ascii_digit)
        })
        .map(|at| at..at + word_len(&bytes[at..]))
}

/// Where in the first line's text a hint may stand: at its start, or behind the words of Postfix.
fn place(text: &[u8]) -> usize {
    if text.first() != Some(&b'<') {
        return 0;
    }
    let Some(end) = words::angle_end(text, 0) else {
        return 0;
    };
    REJECTED
        .iter()
        .find(|phrase| text[end..].starts_with(phrase))
        .map_or(0, |phrase| end + phrase.len())
}

/// The seconds and the length of the hint that the text begins with.
fn value(text: &[u8]) -> Option<(u64, usize)> {
    if !begins(text) {
        return None;
    }
    let len = word_len(text);
    Some((words::digits(&text[NAME.len()..len])?, len))
}

fn begins(text: &[u8]) -> bool {
    text.get(..NAME.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

/// Up to the space or the end of the line, and to nothing else: what is glued to the digits is no hint.
fn word_len(text: &[u8]) -> usize {
    text.iter()
        .position(|&b| matches!(b, b' ' | b'\r' | b'\n'))
        .unwrap_or(text.len())
}
